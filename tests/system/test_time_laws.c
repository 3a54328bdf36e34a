/*
 * The laws of predicted time. They hold for any graph on any machine, with any figures.
 *
 * Graphs are the flagship's, on shapes that keep all cores busy, and scripts of kernels that take as long as they are
 * told. Some laws hold to the ns. Where ready tasks are served first come, first served, a better machine or one edge
 * less may change who comes first, and the whole may end later (R. L. Graham, Bounds on Multiprocessing Timing
 * Anomalies, 1969): there the law is a bound, and a test shows the anomaly.
 */
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/check.h"
#include "common/flagship.h"
#include "common/random.h"
#include "common/script.h"
#include "host/host.h"
#include "machine/sim/parameters.h"
#include "trace/analysis.h"

enum { PACE_AIV = 10, PACE_AIC, BUFFERS, CHUNK_BYTES = 64 * 64 * 4, DATA_BYTES = 768 * CHUNK_BYTES };

/* What first come, first served can cost a flagship on a better machine; 2.5 % is the most that was seen. */
#define ANOMALY 0.05

static struct rig rig;
static struct tg_run *run; /* the last one, to be looked at */
static char machine_path[64];

/* ---- a device of given figures, and a run that is kept ----------------------------------------------------------- */

/* Lines of a machine file; "" is the built-in machine. */
static void open_device(const char *machine)
{
    FILE *file = fopen(machine_path, "w");
    assert_non_null(file);
    fputs(machine, file);
    assert_int_equal(fclose(file), 0);
    struct tg_device_config config;
    tg_device_config_init(&config);
    config.gm_bytes = 1ull << 30;
    config.machine_file = machine_path;
    memset(&rig, 0, sizeof rig);
    CHECK(tg_device_open(&config, &rig.device) == TG_OK, "%s", tg_last_message());
    tg_run_config_init(&rig.config);
    rig_clear(&rig);
}

static void close_run(void)
{
    tg_run_close(run);
    run = NULL;
}

static void close_device(void)
{
    close_run();
    rig_close(&rig);
}

/* After a test that failed half-way. */
static int close_what_is_open(void **state)
{
    (void)state;
    if (rig.device) close_device();
    return 0;
}

/* Returns the device's time. */
static uint64_t launch(const struct tg_tensor *tensors, size_t n_tensors)
{
    close_run();
    rig.config.record = true;
    CHECK(tg_run_open(rig.program, &rig.config, tensors, n_tensors, &run) == TG_OK, "%s", tg_last_message());
    CHECK(tg_run_wait(run) == TG_OK, "%s", tg_last_message());
    return run->record.device_ns;
}

/* ---- programs ---------------------------------------------------------------------------------------------------- */

/* The flagship's. The last is one span: four tasks behind each other, nothing to choose. The thread sanitizer, which
 * makes a run thirty times as long, looks for races: of the large ones, one is enough for it. */
static const uint32_t ragged[] = {1024, 100, 0, 512, 700, 33, 256, 1};
static const struct {
    struct pa_case drawn;
    int64_t blocks_per_task;
} flagships[] = {
#if !TEST_TSAN
    {{"wide", "", {24, 16, 1, 128, 128, PA_BF16}, (const uint32_t[]){512}, 1, 0, 0.1f}, 1},
#endif
    {{"wide spans", "", {24, 16, 1, 128, 128, PA_BF16}, (const uint32_t[]){1024}, 1, 0, 0.1f}, 4},
    {{"ragged", "", {8, 32, 2, 64, 64, PA_FP16}, ragged, 8, 0, 0.1f}, 1},
#if !TEST_TSAN
    {{"heavy", "", {4, 128, 1, 128, 128, PA_FP32}, (const uint32_t[]){512}, 1, 0, 0.1f}, 1},
#endif
    {{"span", "", {1, 128, 1, 128, 128, PA_BF16}, (const uint32_t[]){1000}, 1, 0, 0.1f}, 8},
};
enum { N_FLAGSHIPS = sizeof flagships / sizeof flagships[0], SPAN = N_FLAGSHIPS - 1 };
static struct pa_problem problems[N_FLAGSHIPS];

static void load_flagship(enum rig_mode mode)
{
    close_run(); /* before its program is */
    flagship_load(&rig, mode, NULL);
}

/* Run flagship i, of which the program is loaded. */
static uint64_t run_flagship(int i)
{
    struct tg_tensor tensors[FLAGSHIP_TENSORS];
    flagship_tensors(&problems[i], tensors);
    return launch(tensors, FLAGSHIP_TENSORS);
}

static void load_script(enum rig_mode mode)
{
    close_run();
    script_load(&rig, mode);
    rig_kernel(&rig, PACE_AIV, TG_AIV, "pace", rig_module("kernel_pace"));
    rig_kernel(&rig, PACE_AIC, TG_AIC, "pace_cube", rig_module("kernel_pace"));
    rig_kernel(&rig, BUFFERS, TG_AIV, "buffers", rig_module("kernel_buffers"));
}

/* A task of n instructions: 504 ns each on a vector core, 142 ns on a cube core. */
static int pace(struct script *s, enum tg_core_type type, int64_t n)
{
    return script_add(s, type == TG_AIC ? PACE_AIC : PACE_AIV, type, 2, (int64_t[]){n, type == TG_AIC});
}

static uint64_t run_script(struct script *s)
{
    static uint8_t data[DATA_BYTES];
    script_words(s, 1, (int64_t[]){SCRIPT_END});
    const struct tg_tensor tensors[] = {
        {"script", s->words, s->n_words * sizeof *s->words, s->n_words, TG_IN},
        {"data", data, sizeof data, sizeof data / 4, TG_IN},
    };
    s->n_words--; /* more may be appended */
    return launch(tensors, 2);
}

/* The machine of the last run. */
static struct tg_sim_machine figures(void)
{
    struct tg_sim_machine machine;
    CHECK(tg_sim_machine_read(&machine, machine_path) == TG_OK, "%s", tg_last_message());
    return machine;
}

static double path_figure(const struct tg_sim_machine *machine, size_t offset)
{
    double value;
    memcpy(&value, (const char *)machine + offset, sizeof value);
    return value;
}

#define FREE_CONTROL                                                                                                   \
    "launch = 0\nhost_graph = 0\nplugin_open = 0\nadd_task = 0\nadd_edge = 0\npublish_task = 0\ndevice_malloc = 0\n"   \
    "add_argument = 0\ncold_add = 0\n"                                                                                 \
    "sweep = 1\nread_register = 1\ndispatch = 0\ncomplete = 0\ndispatch_latency = 0\nreceive = 0\ncold_start = 0\n"    \
    "finish_latency = 1\n"

/* ---- a better machine -------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    size_t offset;
} bandwidths[] = {
#define BANDWIDTH(name)                                                                                                \
    {                                                                                                                  \
#name, offsetof(struct tg_sim_machine, name)                                                                   \
    }
    BANDWIDTH(hbm_rate),      BANDWIDTH(l2_rate),       BANDWIDTH(l2_bytes),       BANDWIDTH(gm_to_l1_rate),
    BANDWIDTH(gm_to_ub_rate), BANDWIDTH(ub_to_gm_rate), BANDWIDTH(l0c_to_gm_rate),
#undef BANDWIDTH
};
enum { N_BANDWIDTHS = sizeof bandwidths / sizeof bandwidths[0] };

/* Open a device that has `factor` times one of its bandwidths. */
static void open_with(int bandwidth, double factor)
{
    struct tg_sim_machine machine;
    char text[128];
    tg_sim_machine_default(&machine);
    double value = factor * path_figure(&machine, bandwidths[bandwidth].offset);
    snprintf(text, sizeof text, "%s = %.17g\n", bandwidths[bandwidth].name, value);
    open_device(text);
}

static const double factors[] = {0.03125, 0.25, 1, 4, 64};
enum { N_FACTORS = sizeof factors / sizeof factors[0] };

static void more_bandwidth_is_not_slower(void **state)
{
    (void)state;
    for (int b = 0; b < N_BANDWIDTHS; b++) {
        uint64_t ns[N_FACTORS][N_FLAGSHIPS];
        for (int f = 0; f < N_FACTORS; f++) {
            open_with(b, factors[f]);
            load_flagship(RIG_CONCURRENT);
            for (int i = 0; i < N_FLAGSHIPS; i++) {
                ns[f][i] = run_flagship(i);
                double allowed = i == SPAN ? 0 : ANOMALY;
                CHECK(f == 0 || (double)ns[f][i] <= (1 + allowed) * (double)ns[f - 1][i],
                      "%s: %llu ns with %g times %s, %llu ns with %g times", flagships[i].drawn.name,
                      (unsigned long long)ns[f - 1][i], factors[f - 1], bandwidths[b].name,
                      (unsigned long long)ns[f][i], factors[f]);
            }
            close_device();
        }
        /* And it matters, but for the L2: these shapes are small enough for its least. */
        CHECK(strncmp(bandwidths[b].name, "l2_", 3) == 0 || ns[0][0] > ns[N_FACTORS - 1][0], "%s does nothing",
              bandwidths[b].name);
    }
}

/* Every vector core moves chunks of its own: nothing is shared but device memory, and nothing is to be chosen. */
static void cores_that_share_memory_gain_by_more_of_it(void **state)
{
    (void)state;
    enum { N = 48, CHUNKS = 8 };
    for (int b = 0; b < N_BANDWIDTHS; b++) {
        uint64_t before = UINT64_MAX;
        for (int f = 0; f < N_FACTORS; f++) {
            struct script s;
            script_init(&s);
            open_with(b, factors[f]);
            load_script(RIG_HOST);
            for (int i = 0; i < N; i++) script_add(&s, BUFFERS, TG_AIV, 5, (int64_t[]){CHUNKS, 2, 2, 1, i * CHUNKS});
            uint64_t ns = run_script(&s);
            CHECK(ns <= before, "%s times %g: %llu ns, %llu ns before", bandwidths[b].name, factors[f],
                  (unsigned long long)ns, (unsigned long long)before);
            before = ns;
            close_device();
            script_fini(&s);
        }
    }
}

static void a_free_scheduler_is_not_slower(void **state)
{
    (void)state;
    for (enum rig_mode mode = 0; mode < RIG_MODES; mode++) {
        uint64_t ns[N_FLAGSHIPS];
        open_device("");
        load_flagship(mode);
        for (int i = 0; i < N_FLAGSHIPS; i++) ns[i] = run_flagship(i);
        close_device();
        open_device(FREE_CONTROL);
        load_flagship(mode);
        for (int i = 0; i < N_FLAGSHIPS; i++) CHECK(run_flagship(i) < ns[i], "%s", flagships[i].drawn.name);
        close_device();
    }
}

/* More cores cost: each is greeted before the first task, and is cold. */
static double cost_of_cores(const struct tg_sim_machine *m, double n_cores)
{
    return n_cores * m->read_register + m->cold_start;
}

static void more_blocks_are_not_slower(void **state)
{
    (void)state;
    for (enum rig_mode mode = 0; mode < RIG_MODES; mode++) {
        uint64_t ns[N_FLAGSHIPS];
        open_device("");
        load_flagship(mode);
        for (int i = 0; i < N_FLAGSHIPS; i++) ns[i] = run_flagship(i);
        close_device();
        open_device("blocks = 48\n");
        rig.config.block_dim = 48;
        const struct tg_sim_machine machine = figures();
        load_flagship(mode);
        for (int i = 0; i < N_FLAGSHIPS; i++) {
            uint64_t wide = run_flagship(i);
            CHECK((double)wide <= (1 + ANOMALY) * (double)ns[i] + cost_of_cores(&machine, 72),
                  "%s, %s: %llu ns, %llu ns with 24 blocks", flagships[i].drawn.name, rig_mode_names[mode],
                  (unsigned long long)wide, (unsigned long long)ns[i]);
        }
        close_device();
    }
}

/* With control that costs nothing and kernels that last, twice the cores are a gain. */
static void more_blocks_are_faster_where_cores_are_what_lacks(void **state)
{
    (void)state;
    uint64_t before = UINT64_MAX;
    for (uint32_t blocks = 1; blocks <= 64; blocks *= 2) {
        struct script s;
        char machine[512];
        script_init(&s);
        snprintf(machine, sizeof machine, "%sblocks = %u\n", FREE_CONTROL, blocks);
        open_device(machine);
        rig.config.block_dim = blocks;
        load_script(RIG_HOST);
        for (int i = 0; i < 64; i++) pace(&s, TG_AIC, 100);
        uint64_t ns = run_script(&s);
        CHECK(ns * 19 < before * 10, "%u blocks: %llu ns", blocks, (unsigned long long)ns);
        before = ns;
        close_device();
        script_fini(&s);
    }
}

/* ---- what a run consists of -------------------------------------------------------------------------------------- */

static uint64_t largest(uint64_t a, uint64_t b) { return a > b ? a : b; }

/* The longest chain of kernels, by an algorithm of the test's own: until nothing changes. */
static uint64_t longest_chain(const struct tg_record *record)
{
    uint64_t *end = calloc(record->n_tasks, sizeof *end), longest = 0;
    assert_non_null(end);
    for (size_t i = 0; i < record->n_tasks; i++) end[i] = tg_task_kernel_ns(&record->tasks[i]);
    for (bool changed = true; changed;) {
        changed = false;
        for (size_t e = 0; e < record->n_edges; e++) {
            uint32_t from = (uint32_t)record->edges[e].from, to = (uint32_t)record->edges[e].to; /* ids are positions */
            uint64_t least = end[from] + tg_task_kernel_ns(&record->tasks[to]);
            if (end[to] >= least) continue;
            end[to] = least;
            changed = true;
        }
    }
    for (size_t i = 0; i < record->n_tasks; i++) longest = largest(longest, end[i]);
    free(end);
    return longest;
}

/* From the end of a kernel to the start of the next one, if that waits for nothing else. */
static uint64_t handover_ns(const struct tg_sim_machine *m)
{
    return (uint64_t)(m->finish_latency + m->read_register + m->complete + m->sweep + m->dispatch +
                      m->dispatch_latency + m->receive);
}

/* All that there is to do, one after the other. */
static uint64_t serial_ns(const struct tg_record *record, const struct tg_sim_machine *m, uint64_t kernel_ns)
{
    const double greeting = 2 * (m->finish_latency + m->dispatch_latency + m->read_register + m->sweep) +
                            cost_of_cores(m, record->n_cores);
    const double built = m->plugin_open + (double)record->n_tasks * (m->add_task + m->publish_task) +
                         (double)record->n_edges * m->add_edge + 1000 * m->device_malloc +
                         (double)record->n_tasks * TG_TASK_ARGS_MAX * m->add_argument +
                         (m->cold_tasks + 1) * m->cold_add;
    const double ran = (double)record->n_tasks * ((double)handover_ns(m) + m->cold_start);
    return (uint64_t)(m->launch + m->host_graph + greeting + built + ran) + kernel_ns;
}

static void expect_between_path_and_serial(const char *name)
{
    const struct tg_record *record = &run->record;
    const struct tg_sim_machine machine = figures();
    struct tg_analysis a;
    uint64_t kernel_ns = 0, of_type[2] = {0}, n_cores[2] = {0};
    for (size_t i = 0; i < record->n_tasks; i++) {
        kernel_ns += tg_task_kernel_ns(&record->tasks[i]);
        of_type[record->core_type[record->tasks[i].core]] += tg_task_kernel_ns(&record->tasks[i]);
    }
    for (uint32_t core = 0; core < record->n_cores; core++) n_cores[record->core_type[core]]++;
    assert_int_equal(tg_run_analyse(run, &a), TG_OK);
    assert_int_equal(a.critical_path_ns, longest_chain(record));
    assert_int_equal(a.kernel_ns, kernel_ns);
    CHECK(a.critical_path_ns <= record->device_ns, "%s", name);
    for (int type = 0; type < 2; type++) CHECK(of_type[type] <= n_cores[type] * record->device_ns, "%s", name);
    CHECK(record->device_ns <= serial_ns(record, &machine, kernel_ns), "%s: %llu ns, serial %llu ns", name,
          (unsigned long long)record->device_ns, (unsigned long long)serial_ns(record, &machine, kernel_ns));
}

static void time_lies_between_critical_path_and_serial_time(void **state)
{
    (void)state;
    static const char *const machines[] = {"", FREE_CONTROL, "hbm_rate = 50\nl2_rate = 100\n", "core_ghz = 0.1\n"};
    for (size_t m = 0; m < sizeof machines / sizeof machines[0]; m++) {
        for (uint32_t blocks = 1; blocks <= 24; blocks += 23) {
            open_device(machines[m]);
            rig.config.block_dim = blocks;
            for (enum rig_mode mode = 0; mode < RIG_MODES; mode++) {
                load_flagship(mode);
                for (int i = 0; i < N_FLAGSHIPS; i++) {
                    run_flagship(i);
                    expect_between_path_and_serial(flagships[i].drawn.name);
                }
            }
            close_device();
        }
    }
}

/* The tasks of a core, one by one. */
static void expect_core_adds_up(const struct tg_record *record, const struct tg_findings *found, uint32_t core)
{
    uint64_t at_work = 0, tasks_on_it = 0;
    const struct tg_core_use *use = &found->cores[core];
    assert_int_equal(use->kernel_ns + use->memory_ns + use->control_ns + use->idle_ns, record->device_ns);
    for (size_t i = 0; i < record->n_tasks; i++) {
        const struct tg_record_task *task = &record->tasks[i];
        if (task->core != core) continue;
        at_work += task->end_ns - task->start_ns;
        tasks_on_it++;
        assert_true(task->dispatched_ns <= task->start_ns && task->end_ns <= task->complete_ns);
    }
    assert_int_equal(use->kernel_ns + use->memory_ns, at_work);
    if (tasks_on_it == 0) assert_int_equal(use->idle_ns, record->device_ns);
}

/* The instructions of a pipe follow each other, and are what it was busy with, but for the rounding of each. */
static void expect_pipes_add_up(const struct tg_record *record, uint32_t core)
{
    uint64_t at_work[TG_RECORD_PIPES] = {0}, steps[TG_RECORD_PIPES] = {0}, ended[TG_RECORD_PIPES] = {0},
             n_steps[TG_RECORD_PIPES] = {0};
    for (size_t i = 0; i < record->n_tasks; i++)
        for (int pipe = 0; pipe < TG_RECORD_PIPES && record->tasks[i].core == core; pipe++)
            at_work[pipe] += record->tasks[i].kernel.pipe_busy_ns[pipe];
    for (size_t i = 0; i < record->n_steps; i++) {
        const struct tg_record_step *step = &record->steps[i];
        if (step->core != core) continue;
        assert_true(step->start_ns >= ended[step->pipe] && step->end_ns <= record->device_ns);
        ended[step->pipe] = step->end_ns;
        steps[step->pipe] += step->end_ns - step->start_ns;
        n_steps[step->pipe]++;
    }
    for (int pipe = 0; pipe < TG_RECORD_PIPES; pipe++)
        CHECK(steps[pipe] + n_steps[pipe] >= at_work[pipe] && steps[pipe] <= at_work[pipe] + n_steps[pipe],
              "core %u, pipe %d: instructions %llu ns, busy %llu ns", core, pipe, (unsigned long long)steps[pipe],
              (unsigned long long)at_work[pipe]);
}

static void busy_and_waiting_add_up(void **state)
{
    (void)state;
    for (enum rig_mode mode = 0; mode < RIG_MODES; mode++) {
        open_device("hbm_rate = 200\n");
        rig.config.record_pipes = true;
        load_flagship(mode);
        for (int i = 0; i < N_FLAGSHIPS; i++) {
            struct tg_index index;
            struct tg_findings found;
            uint64_t sum = 0, at = 0;
            run_flagship(i);
            assert_int_equal(tg_index_init(&index, &run->record), TG_OK);
            assert_int_equal(tg_analyse(&index, &found), TG_OK);
            for (uint32_t core = 0; core < run->record.n_cores; core++) {
                expect_core_adds_up(&run->record, &found, core);
                expect_pipes_add_up(&run->record, core);
            }
            assert_true(run->record.n_steps > run->record.n_tasks);
            for (int bound = 0; bound < TG_BOUNDS; bound++) sum += found.figures.bound_ns[bound];
            assert_int_equal(sum, run->record.device_ns);
            for (size_t part = 0; part < found.n_path_parts; part++) {
                assert_int_equal(found.path[part].start_ns, at);
                at = found.path[part].end_ns;
            }
            assert_int_equal(at, run->record.device_ns);
            tg_findings_fini(&found);
            tg_index_fini(&index);
        }
        close_device();
    }
}

/* ---- one core ---------------------------------------------------------------------------------------------------- */

/* A chain on one core: between two kernels lies what control costs, and nothing else. */
static void a_chain_on_one_core_takes_the_sum(void **state)
{
    (void)state;
    static const char *const machines[] = {"", FREE_CONTROL, "dispatch = 0\n", "read_register = 333\nsweep = 1000\n"};
    enum { N = 12 };
    for (size_t m = 0; m < sizeof machines / sizeof machines[0]; m++) {
        for (int type = TG_AIC; type <= TG_AIV; type++) {
            struct script s;
            script_init(&s);
            open_device(machines[m]);
            load_script(RIG_HOST);
            rig.config.block_dim = 1;
            rig.config.aicpu_thread_num = 1;
            for (int i = 0; i < N; i++) {
                pace(&s, (enum tg_core_type)type, 50 + 10 * i);
                if (i > 0) script_edge(&s, i - 1, i);
            }
            run_script(&s);
            const struct tg_record_task *tasks = run->record.tasks;
            const struct tg_sim_machine machine = figures();
            uint64_t sum = tasks[0].start_ns;
            for (int i = 0; i < N; i++) {
                assert_int_equal(tasks[i].start_ns, sum);
                assert_int_equal(tasks[i].core, tasks[0].core);
                sum += tasks[i].end_ns - tasks[i].start_ns + handover_ns(&machine);
            }
            sum -= (uint64_t)(machine.dispatch + machine.dispatch_latency + machine.receive);
            assert_int_equal(run->record.device_ns, sum); /* the last completion, and a look for more */
            close_device();
            script_fini(&s);
        }
    }
}

/* n instructions take n times one, but for the start of the first. */
static void a_kernel_takes_the_sum_of_its_instructions(void **state)
{
    (void)state;
    static const int64_t counts[] = {1, 2, 10, 100, 1000};
    enum { N = sizeof counts / sizeof counts[0] };
    const struct tg_sim_machine machine = (open_device(""), figures());
    load_script(RIG_HOST);
    for (int type = TG_AIC; type <= TG_AIV; type++) {
        struct script s;
        script_init(&s);
        for (int i = 0; i < N; i++) pace(&s, (enum tg_core_type)type, counts[i]);
        run_script(&s);
        /* 6 + 16 * 8 fractals of two cycles; 37 + 64 rows of 14. */
        const double cycles = type == TG_AIC ? 262 : 933;
        for (int i = 0; i < N; i++) {
            const struct tg_record_task *task = &run->record.tasks[i];
            double ns = (double)(task->end_ns - task->start_ns),
                   expected = machine.prologue + cycles * (double)counts[i] / machine.core_ghz;
            CHECK(ns >= expected && ns < 1.01 * expected + 2, "%d instructions: %g ns, not %g", (int)counts[i], ns,
                  expected);
        }
        script_fini(&s);
    }
    close_device();
}

/* ---- double buffering -------------------------------------------------------------------------------------------- */

struct overlap {
    double ns;           /* of the kernel, from its first instruction on */
    double sum, longest; /* of its pipes' busy times */
};

static struct overlap run_buffers(int chunks, int buffers, int events, int work)
{
    struct script s;
    script_init(&s);
    script_add(&s, BUFFERS, TG_AIV, 4, (int64_t[]){chunks, buffers, events, work});
    run_script(&s);
    const struct tg_record_task *task = &run->record.tasks[0];
    struct overlap o = {.ns = (double)(task->end_ns - task->start_ns) - figures().prologue};
    for (int pipe = 0; pipe < TG_RECORD_PIPES; pipe++) {
        o.sum += task->kernel.pipe_busy_ns[pipe];
        o.longest = fmax(o.longest, task->kernel.pipe_busy_ns[pipe]);
    }
    script_fini(&s);
    return o;
}

static void two_buffers_overlap_only_with_flags_for_both(void **state)
{
    (void)state;
    enum { CHUNKS = 32 };
    open_device("");
    load_script(RIG_HOST);
    const struct tg_sim_machine machine = figures();
    for (int work = 1; work <= 12; work += 3) {
        const struct overlap one = run_buffers(CHUNKS, 1, 1, work), unused = run_buffers(CHUNKS, 2, 1, work),
                             both = run_buffers(CHUNKS, 2, 2, work);
        /* A pipe's busy time is rounded for each instruction; flags and barriers take a cycle or two a chunk and pipe.
         * Two buffers hold two chunks at a time: each takes the longest pipe's share, or half of its own way. */
        const double flags = CHUNKS * (8 + work) * (1 / machine.core_ghz + 0.5);
        CHECK(one.ns >= one.sum - flags && one.ns <= one.sum + flags, "%g ns, pipes %g ns", one.ns, one.sum);
        CHECK(unused.ns == one.ns, "a buffer without events of its own: %g ns, one buffer %g ns", unused.ns, one.ns);
        const double least = fmax(both.longest, both.sum / 2), first_and_last = 2 * both.sum / CHUNKS;
        CHECK(both.ns >= least - flags && both.ns <= least + first_and_last + flags,
              "%g ns, pipes %g ns, longest %g ns", both.ns, both.sum, both.longest);
        CHECK(both.ns < 0.8 * one.ns, "two buffers %g ns, one %g ns", both.ns, one.ns);
    }
    const struct overlap alone = run_buffers(1, 2, 2, 4), same = run_buffers(1, 1, 1, 4);
    assert_true(alone.ns == same.ns); /* one chunk: nothing to overlap with */
    close_device();
}

/* ---- edges ------------------------------------------------------------------------------------------------------- */

enum { RANDOM_TASKS = 40, RANDOM_EDGES = 80 };

/* A slow core makes long kernels of few instructions. */
#define SLOW_CORE "core_ghz = 0.1\n"

struct dag {
    int instructions[RANDOM_TASKS];
    int from[RANDOM_EDGES], to[RANDOM_EDGES];
};

static void draw_dag(struct dag *dag, uint64_t seed)
{
    for (int i = 0; i < RANDOM_TASKS; i++) dag->instructions[i] = 1 + random_below(&seed, 20);
    for (int e = 0; e < RANDOM_EDGES; e++) {
        dag->to[e] = 1 + random_below(&seed, RANDOM_TASKS - 1);
        dag->from[e] = random_below(&seed, dag->to[e]);
    }
}

/* The time without edge `without`; -1: with all. */
static uint64_t run_dag(const struct dag *dag, int without)
{
    struct script s;
    script_init(&s);
    for (int i = 0; i < RANDOM_TASKS; i++) pace(&s, TG_AIC, dag->instructions[i]);
    for (int e = 0; e < RANDOM_EDGES; e++)
        if (e != without) script_edge(&s, dag->from[e], dag->to[e]);
    uint64_t ns = run_script(&s);
    script_fini(&s);
    return ns;
}

/* A core for each task and control that takes a ns a look: then time is the critical path, to within those. */
static void without_an_edge_it_is_not_slower(void **state)
{
    (void)state;
    open_device(FREE_CONTROL SLOW_CORE "blocks = 64\n");
    load_script(RIG_HOST);
    rig.config.block_dim = 64;
    const uint64_t looks = RANDOM_TASKS * (RANDOM_TASKS + 10);
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct dag dag;
        draw_dag(&dag, seed);
        const uint64_t all = run_dag(&dag, -1), path = longest_chain(&run->record);
        CHECK(path <= all && all <= path + looks, "%llu ns, critical path %llu ns", (unsigned long long)all,
              (unsigned long long)path);
        for (int e = 0; e < RANDOM_EDGES; e += 5) {
            const uint64_t ns = run_dag(&dag, e);
            CHECK(ns <= all + looks, "seed %d without edge %d: %llu ns, with it %llu ns", (int)seed, e,
                  (unsigned long long)ns, (unsigned long long)all);
            assert_true(longest_chain(&run->record) <= path);
        }
    }
    close_device();
}

/* Fewer cores than tasks: Graham's bound for m cores, 2 - 1/m. */
static void on_few_cores_it_is_not_slower_beyond_the_bound(void **state)
{
    (void)state;
    for (uint32_t m = 1; m <= 4; m++) {
        open_device(SLOW_CORE);
        load_script(RIG_HOST);
        rig.config.block_dim = m;
        for (uint64_t seed = 1; seed <= 3; seed++) {
            struct dag dag;
            draw_dag(&dag, seed);
            const uint64_t all = run_dag(&dag, -1);
            for (int e = 0; e < RANDOM_EDGES; e += 8) {
                const uint64_t ns = run_dag(&dag, e);
                CHECK((double)ns <= (2 - 1.0 / m) * (double)all,
                      "%u cores, seed %d, without edge %d: %llu ns, with it %llu ns", m, (int)seed, e,
                      (unsigned long long)ns, (unsigned long long)all);
            }
        }
        close_device();
    }
}

/* Graham's graph on three cores: 1 -> 9, 4 -> 5, 6, 7, 8; the unit is 10 us. */
static uint64_t run_graham(const double units[9], int first_edge)
{
    struct script s;
    script_init(&s);
    for (int i = 0; i < 9; i++) pace(&s, TG_AIC, (int64_t)(70 * units[i]));
    script_edge(&s, 0, 8);
    for (int to = first_edge; to <= 7; to++) script_edge(&s, 3, to);
    uint64_t ns = run_script(&s);
    script_fini(&s);
    return ns;
}

static void the_anomaly_exists(void **state)
{
    (void)state;
    static const double units[9] = {3, 2, 2, 2, 4, 4, 4, 4, 9}, faster[9] = {2, 1, 1, 0.5, 3, 3, 3, 3, 8};
    open_device("");
    load_script(RIG_HOST);
    rig.config.block_dim = 3;
    rig.config.aicpu_thread_num = 1;
    const uint64_t as_drawn = run_graham(units, 4);
    CHECK(run_graham(units, 6) > as_drawn, "two edges less: not slower");
    CHECK(run_graham(faster, 4) > as_drawn, "every kernel faster: not slower");
    close_device();
}

/* ---- the same again ---------------------------------------------------------------------------------------------- */

/* A number that depends on every time of the last run. */
static uint64_t fingerprint(void)
{
    uint64_t mix = run->record.device_ns;
    for (size_t i = 0; i < run->record.n_tasks; i++) {
        const struct tg_record_task *t = &run->record.tasks[i];
        const uint64_t times[] = {t->published_ns, t->ready_ns,    t->dispatched_ns, t->start_ns,
                                  t->end_ns,       t->complete_ns, t->core};
        for (size_t n = 0; n < sizeof times / sizeof times[0]; n++) {
            uint64_t key = mix ^ times[n];
            mix = random_next(&key);
        }
    }
    return mix;
}

static void equal_seeds_give_equal_times(void **state)
{
    (void)state;
    static const uint64_t seeds[] = {0, 1, 7};
    for (int i = 0; i < N_FLAGSHIPS; i++) {
        uint64_t first[3];
        for (int again = 0; again < 2; again++) {
            open_device("");
            load_flagship(RIG_CONCURRENT);
            for (int s = 0; s < 3; s++) {
                rig.config.schedule_seed = seeds[s];
                run_flagship(i);
                if (again) assert_int_equal(fingerprint(), first[s]);
                first[s] = fingerprint();
                run_flagship(i);
                assert_int_equal(fingerprint(), first[s]);
            }
            assert_true(first[0] != first[1] && first[1] != first[2]);
            close_device();
        }
    }
}

/* ---- all of them ------------------------------------------------------------------------------------------------- */

static int draw_problems(void **state)
{
    (void)state;
    strcpy(machine_path, "/tmp/tg_laws_XXXXXX");
    int file = mkstemp(machine_path);
    if (file < 0) return -1;
    close(file);
    for (int i = 0; i < N_FLAGSHIPS; i++) {
        flagship_draw_case(&problems[i], &flagships[i].drawn, 42);
        problems[i].config[PA_CONFIG_BLOCKS_PER_TASK] = flagships[i].blocks_per_task;
    }
    return 0;
}

static int free_problems(void **state)
{
    (void)state;
    for (int i = 0; i < N_FLAGSHIPS; i++) pa_problem_free(&problems[i]);
    return unlink(machine_path);
}

#define TEST(name) cmocka_unit_test_teardown(name, close_what_is_open)

/* Added in either way; the data tensor's address comes before the arguments of a script's task. */
static void each_argument_is_paid_once(void **state)
{
    (void)state;
    open_device("launch = 0\nplugin_open = 0\nadd_task = 0\nadd_edge = 0\npublish_task = 0\ncold_add = 0\n"
                "add_argument = 1000\n");
    load_script(RIG_CONCURRENT);
    struct script s;
    script_init(&s);
    script_publish(&s, script_visit(&s, TG_AIV, 0, 0, NULL));
    script_publish(&s, script_describe(&s, 1, 0, false, SCRIPT_VISIT_AIV));
    run_script(&s);
    struct tg_run_result result;
    tg_run_result(run, &result);
    assert_int_equal(result.last_publish_ns, 2 * 4 * 1000);
    close_device();
    script_fini(&s);
}

static const struct CMUnitTest tests[] = {
    TEST(more_bandwidth_is_not_slower),
    TEST(cores_that_share_memory_gain_by_more_of_it),
    TEST(a_free_scheduler_is_not_slower),
    TEST(more_blocks_are_not_slower),
    TEST(more_blocks_are_faster_where_cores_are_what_lacks),
    TEST(time_lies_between_critical_path_and_serial_time),
    TEST(busy_and_waiting_add_up),
    TEST(a_chain_on_one_core_takes_the_sum),
    TEST(a_kernel_takes_the_sum_of_its_instructions),
    TEST(two_buffers_overlap_only_with_flags_for_both),
    TEST(without_an_edge_it_is_not_slower),
    TEST(on_few_cores_it_is_not_slower_beyond_the_bound),
    TEST(the_anomaly_exists),
    TEST(equal_seeds_give_equal_times),
    TEST(each_argument_is_paid_once),
};

int main(int argc, char **argv)
{
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, draw_problems, free_problems);
}
