#include "machine/cpu/topology.h"

#ifdef TG_HWLOC
#include <hwloc.h>
#include <hwloc/glibc-sched.h>

#include "os/module.h"
#endif

static void allowed(cpu_set_t *set)
{
    if (sched_getaffinity(0, sizeof *set, set) == 0 && CPU_COUNT(set) > 0) return;
    CPU_ZERO(set); /* more processors than a set holds: use those that the set can name */
    for (size_t i = 0; i < CPU_SETSIZE; i++) CPU_SET(i, set);
}

uint32_t tg_topology_processors(void)
{
    cpu_set_t set;
    allowed(&set);
    return (uint32_t)CPU_COUNT(&set);
}

static void spread_by_number(uint32_t n, cpu_set_t *place)
{
    cpu_set_t set;
    allowed(&set);
    size_t processor = CPU_SETSIZE - 1;
    for (uint32_t i = 0; i < n; i++) {
        do processor = (processor + 1) % CPU_SETSIZE;
        while (!CPU_ISSET(processor, &set));
        CPU_ZERO(&place[i]);
        CPU_SET(processor, &place[i]);
    }
}

#ifdef TG_HWLOC

/* The machine's processors as a tree, reduced to those that this thread may use. false: hwloc cannot tell. */
static bool load(hwloc_topology_t *topology)
{
    cpu_set_t set;
    allowed(&set);
    if (hwloc_topology_init(topology) != 0) return false;
    hwloc_topology_set_all_types_filter(*topology, HWLOC_TYPE_FILTER_KEEP_STRUCTURE);
    hwloc_bitmap_t bitmap = hwloc_bitmap_alloc();
    bool loaded = bitmap && hwloc_topology_load(*topology) == 0 &&
                  hwloc_cpuset_from_glibc_sched_affinity(*topology, bitmap, &set, sizeof set) == 0 &&
                  hwloc_topology_restrict(*topology, bitmap, 0) == 0;
    hwloc_bitmap_free(bitmap);
    if (!loaded) hwloc_topology_destroy(*topology);
    return loaded;
}

/* At even distances in the order of the tree, where processors that share the most are neighbours. Not hwloc_distrib:
 * out of memory, it uses copies of sets that it does not have. */
static bool spread_over(hwloc_topology_t topology, uint32_t n, cpu_set_t *place)
{
    const int n_units = hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_PU);
    if (n_units <= 0) return false;
    for (uint32_t i = 0; i < n; i++) {
        const unsigned at = (unsigned)((uint64_t)i * (unsigned)n_units / n);
        const hwloc_obj_t unit = hwloc_get_obj_by_type(topology, HWLOC_OBJ_PU, at);
        if (!unit || unit->os_index >= CPU_SETSIZE) return false;
        CPU_ZERO(&place[i]);
        CPU_SET(unit->os_index, &place[i]);
    }
    return true;
}

void tg_topology_spread(uint32_t n, cpu_set_t *place)
{
    hwloc_topology_t topology;
    bool done = false;
    tg_module_hold_loader(); /* hwloc has plugins */
    if (load(&topology)) {
        done = spread_over(topology, n, place);
        hwloc_topology_destroy(topology);
    }
    tg_module_release_loader();
    if (!done) spread_by_number(n, place);
}

#else

void tg_topology_spread(uint32_t n, cpu_set_t *place) { spread_by_number(n, place); }

#endif

void tg_topology_pin(const cpu_set_t *place, cpu_set_t *before)
{
    allowed(before);
    sched_setaffinity(0, sizeof *place, place);
}

void tg_topology_unpin(const cpu_set_t *before) { sched_setaffinity(0, sizeof *before, before); }
