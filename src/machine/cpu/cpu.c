/*
 * This computer as the device: the on-chip memory of each worker, and the execution of instructions. threads.h has the
 * workers' threads.
 *
 * The worker that runs a kernel checks and executes its instructions, in the worker's own buffers.
 */
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/now.h"
#include "machine/cpu/lazy.h"
#include "machine/cpu/threads.h"
#include "machine/cpu/topology.h"
#include "machine/machine.h"
#include "os/coro.h"
#include "os/guard.h"
#include "tile/rules.h"
#include "tile/show.h"
#include "tile/table.h"

enum { BUFFER_ALIGNMENT = 4096, N_RANGES = 8 };

/* The state of one worker. Writer: its thread. */
struct core {
    alignas(64) struct tg_worker_core known; /* first */
    struct tg_gm *gm;
    const struct tg_observer *observers; /* of the launch */
    uint32_t index;                      /* of the worker */
    struct {
        uint64_t low, high;
    } ranges[N_RANGES]; /* allocations of recent transfers, the latest first; valid until an allocation is freed */
    uint64_t n_freed;   /* of gm, when they were found */
    struct tg_buffers buffers;
    struct tg_lazy lazy; /* of the running task, if it is a cube core's */
    uint64_t n_begun;    /* known.n_kernels when lazy began, or UB was cleared */
    bool clear;          /* UB holds NaN when a kernel starts */
    uint32_t ub_written; /* with `clear`: bytes from UB's start that may hold something other than NaN */
    uint8_t *memory;     /* all buffers, owned; NULL: not used yet */
};

struct cpu;

struct cpu {
    struct tg_machine machine; /* first */
    enum tg_isa tile_isa;      /* of the arithmetic */
    cpu_set_t *place;          /* [n_workers], owned; NULL: they are not pinned */
    struct core *cores;        /* [n_workers], owned */
    struct tg_threads *threads;
    uint64_t start_ns; /* of the launch. Writer: the caller, before the threads see the launch */
    bool clear;        /* of the launch */
};

static struct cpu *of(struct tg_machine *machine) { return (struct cpu *)(void *)machine; }

static uint64_t cpu_now(struct tg_machine *machine) { return tg_now_ns(CLOCK_MONOTONIC) - of(machine)->start_ns; }

/* ---- instructions ---- */

static _Thread_local struct core *own_core; /* of this thread's worker; NULL: not a worker */

static _Noreturn void stop_kernel(struct core *core, enum tg_status status)
{
    core->known.status = status;
    tg_guard_raise();
}

/* Is it inside one of the remembered allocations, or inside one that is remembered from now on? */
static bool is_allocated(struct core *core, struct tg_run_of_bytes run)
{
    /* Acquire, pairs with the release in free_locked: a freed allocation is not remembered. */
    const uint64_t n_freed = atomic_load_explicit(&core->gm->n_freed, memory_order_acquire);
    if (n_freed != core->n_freed) memset(core->ranges, 0, sizeof core->ranges);
    core->n_freed = n_freed;
    for (int i = 0; i < N_RANGES; i++)
        if (run.address >= core->ranges[i].low && run.address < core->ranges[i].high)
            return run.bytes <= core->ranges[i].high - run.address;
    uint64_t low, high;
    if (!tg_gm_around(core->gm, run.address, &low, &high)) return false;
    memmove(core->ranges + 1, core->ranges, (N_RANGES - 1) * sizeof core->ranges[0]);
    core->ranges[0].low = low;
    core->ranges[0].high = high;
    return run.bytes <= high - run.address;
}

/* A transfer must be inside one allocation, gaps included. The message names its first contiguous bytes outside any
 * allocation, or the whole transfer, if it spans several. */
static void check_global(struct core *core, const struct tg_instr *instr)
{
    const struct tg_run_of_bytes all = tg_global_extent(instr->global);
    if (is_allocated(core, all)) return;
    struct tg_run_of_bytes run, outside = all;
    for (uint32_t i = 0; tg_global_run(instr->global, i, &run); i++) {
        if (is_allocated(core, run)) continue;
        outside = run;
        break;
    }
    snprintf(core->known.message, sizeof core->known.message,
             "%s at %s:%u: bytes 0x%llx to 0x%llx are not inside one allocation of device memory",
             tg_op_name(instr->op), tg_base_name(instr->file), instr->line, (unsigned long long)outside.address,
             (unsigned long long)(outside.address + outside.bytes));
    stop_kernel(core, TG_ERR_GLOBAL_MEMORY);
}

/* A task finds only its own data in the buffers of a cube core. */
static void execute_cube(struct core *core, const struct tg_instr *instr)
{
    if (core->n_begun != core->known.n_kernels) tg_lazy_begin(&core->lazy);
    core->n_begun = core->known.n_kernels;
    tg_lazy_execute(&core->lazy, instr);
}

/* Bytes from UB's start to the end of a tile. */
static uint32_t end_in_ub(const struct tg_tile *tile)
{
    return tile && tile->kind == TG_VEC ? tile->offset + tg_tile_bytes(tile) : 0;
}

/* A task finds old contents in UB, or NaN where the launch asks for it. */
static void execute_vector(struct core *core, const struct tg_instr *instr)
{
    if (core->clear) {
        if (core->n_begun != core->known.n_kernels) {
            memset(core->buffers.of_kind[TG_VEC], 0xFF, core->ub_written);
            core->ub_written = 0;
        }
        core->n_begun = core->known.n_kernels;
        const uint32_t dst = end_in_ub(instr->dst), tmp = end_in_ub(instr->tmp);
        if (dst > core->ub_written) core->ub_written = dst;
        if (tmp > core->ub_written) core->ub_written = tmp;
    }
    tg_execute(instr, &core->buffers);
}

static TG_FORGETS void issue(const struct tg_instr *announced)
{
    struct tg_instr room;
    const struct tg_instr *instr = tg_instr_whole(announced, &room);
    struct core *core = own_core;
    if (!core || !core->known.running) {
        if (tg_coro_current()->guard) tg_guard_raise(); /* a plugin calls a kernel by itself */
        return;
    }
    core->known.n_instructions++;
    const struct tg_state theirs = tg_state_enter();
    tg_guard_enter_runtime();
    if (!tg_rules_check_widening(instr, core->known.type, core->known.message, sizeof core->known.message))
        stop_kernel(core, TG_ERR_TILE);
    if (instr->global) {
        check_global(core, instr);
        TG_OBSERVE(core->observers, transfer, core->index, instr);
    }
    if (core->known.type == TG_AIC) execute_cube(core, instr);
    else execute_vector(core, instr);
    tg_guard_leave_runtime();
    tg_state_leave(&theirs);
}

/* Instructions take effect one by one, so flags and barriers have nothing to order. */
static TG_FORGETS void order(uint32_t op, uint32_t src_pipe, uint32_t dst_pipe, uint32_t event, const char *file,
                             int line)
{
    struct core *core = own_core;
    const bool flag = op == TG_OP_SET_FLAG || op == TG_OP_WAIT_FLAG;
    if (core && core->known.running &&
        (flag ? tg_rules_allow_flag(src_pipe, dst_pipe, event, core->known.type)
              : op == TG_OP_PIPE_BARRIER && tg_rules_allow_barrier(src_pipe, core->known.type))) {
        core->known.n_instructions++;
        return;
    }
    const struct tg_instr instr = tg_instr_of_order(op, src_pipe, dst_pipe, event, file, line);
    issue(&instr);
}

/* A kernel wants to see a tile. The bytes of a tile that is only noted are written into its buffer first. */
static TG_FORGETS void print(const struct tg_tile *tile, const char *name, uint32_t rows, uint32_t cols,
                             const char *file, int line)
{
    struct core *core = own_core;
    if (!core || !core->known.running) {
        if (tg_coro_current()->guard) tg_guard_raise(); /* a plugin calls a kernel by itself */
        return;
    }
    const struct tg_state theirs = tg_state_enter();
    tg_guard_enter_runtime();
    const struct tg_tile copy = *tile;
    const struct tg_show show = {.tile = &copy,
                                 .name = name,
                                 .file = file,
                                 .line = (uint32_t)line,
                                 .rows = rows,
                                 .cols = cols,
                                 .core_type = core->known.type,
                                 .core = core->index,
                                 .task_id = core->known.task_id,
                                 .widens = true};
    if (tg_show_check(&show)) {
        if (core->known.type == TG_AIC && core->n_begun == core->known.n_kernels)
            tg_lazy_materialise(&core->lazy, &copy);
        tg_show_values(&show, &core->buffers);
    }
    tg_guard_leave_runtime();
    tg_state_leave(&theirs);
}

static const struct tg_tile_isa cpu_isa = {.abi = TG_TILE_ABI, .issue = issue, .order = order, .print = print};

/* The buffers of a worker, on first use. A worker is a cube core and a vector core. Fresh buffers hold NaN, later ones
 * the contents that the last task left. false: no memory. */
static bool core_memory(const struct cpu *cpu, struct core *core)
{
    if (core->memory) return true;
    const size_t cube = TG_L1_BYTES + TG_L0A_BYTES + TG_L0B_BYTES + TG_L0C_BYTES + TG_BIAS_BYTES;
    const size_t needed = cube + TG_UB_BYTES + TG_SCRATCH_BYTES;
    const size_t bytes = (needed + BUFFER_ALIGNMENT - 1) / BUFFER_ALIGNMENT * BUFFER_ALIGNMENT; /* as C11 asks */
    core->memory = aligned_alloc(BUFFER_ALIGNMENT, bytes);
    if (!core->memory) return false;
    core->buffers.variant = tg_tile_variant_for(cpu->tile_isa);
    core->lazy.buffers = &core->buffers;
    memset(core->memory, 0xFF, bytes);
    uint8_t **of_kind = core->buffers.of_kind;
    of_kind[TG_MAT] = core->memory;
    of_kind[TG_LEFT] = of_kind[TG_MAT] + TG_L1_BYTES;
    of_kind[TG_RIGHT] = of_kind[TG_LEFT] + TG_L0A_BYTES;
    of_kind[TG_ACC] = of_kind[TG_RIGHT] + TG_L0B_BYTES;
    of_kind[TG_VEC] = of_kind[TG_ACC] + TG_L0C_BYTES;
    of_kind[TG_BIAS] = of_kind[TG_VEC] + TG_UB_BYTES;
    core->buffers.scratch = (float *)(void *)(of_kind[TG_BIAS] + TG_BIAS_BYTES);
    return true;
}

static enum tg_status cpu_worker_core(struct tg_machine *machine, uint32_t worker, struct tg_worker_core **out)
{
    struct core *core = &of(machine)->cores[worker];
    *out = &core->known;
    core->known.n_instructions = 0;
    core->observers = machine->observers;
    core->index = worker;
    /* Without `clear`, written bytes are not counted. */
    core->ub_written = core->clear ? core->ub_written : TG_UB_BYTES;
    core->clear = of(machine)->clear;
    core->lazy.product = core->clear ? &tg_product_ordered : tg_product_variant_for(of(machine)->tile_isa);
    if (core_memory(of(machine), core)) return TG_OK;
    return tg_error(TG_ERR_MEMORY, "no memory for the buffers of worker %u", worker);
}

/* ---- a launch ---- */

/* The buffers' page faults come before the first launch. Without memory the launch fails. */
static void prepare(void *context, uint32_t worker)
{
    struct cpu *cpu = context;
    (void)core_memory(cpu, &cpu->cores[worker]);
}

/* The calling thread runs kernels as `worker`; UINT32_MAX: as no worker. */
static void enter(void *context, uint32_t worker)
{
    struct cpu *cpu = context;
    own_core = worker == UINT32_MAX ? NULL : &cpu->cores[worker];
}

static void cpu_call_worker(struct tg_machine *machine, uint32_t worker)
{
    tg_threads_call(of(machine)->threads, worker);
}

static bool cpu_worker_sleeps(struct tg_machine *machine, uint32_t worker)
{
    return tg_threads_sleeps(of(machine)->threads, worker);
}

static enum tg_status cpu_run(struct tg_machine *machine, const struct tg_machine_run *run, uint64_t *device_ns)
{
    struct cpu *cpu = of(machine);
    cpu->clear = run->clear;
    TG_TRY(tg_threads_run(cpu->threads, run, &cpu->start_ns, &machine->lost));
    *device_ns = cpu_now(machine);
    return TG_OK;
}

static void release(struct cpu *cpu)
{
    for (uint32_t i = 0; cpu->cores && i < cpu->machine.n_workers; i++) free(cpu->cores[i].memory);
    free(cpu->cores);
    free(cpu->place);
    free(cpu);
}

static void cpu_close(struct tg_machine *machine)
{
    struct cpu *cpu = of(machine);
    tg_threads_close(cpu->threads);
    tg_gm_fini(&machine->gm);
    release(cpu);
}

static const struct tg_machine_ops cpu_ops = {
    .close = cpu_close,
    .run = cpu_run,
    .now = cpu_now,
    .write = tg_machine_write_local,
    .read = tg_machine_read_local,
    .fill = tg_machine_fill_local,
    .worker_core = cpu_worker_core,
    .call_worker = cpu_call_worker,
    .worker_sleeps = cpu_worker_sleeps,
};

static enum tg_status check_config(const struct tg_device_config *config)
{
    if (config->machine_file)
        return tg_error(TG_ERR_ARGUMENT, "machine_file is %s: cpu is this computer, its figures are its own",
                        config->machine_file);
    if (config->workers > TG_WORKERS_MAX)
        return tg_error(TG_ERR_ARGUMENT, "workers is %u; 1 to %d are possible, 0: one a processor", config->workers,
                        TG_WORKERS_MAX);
    return TG_OK;
}

static uint32_t default_workers(void)
{
    uint32_t n = tg_topology_processors();
    return n < TG_WORKERS_MAX ? n : TG_WORKERS_MAX;
}

enum tg_status tg_cpu_open(const struct tg_device_config *config, struct tg_machine **out)
{
    enum tg_isa isa;
    TG_TRY(check_config(config));
    TG_TRY(tg_isa_choose(config->isa, &isa));
    struct cpu *cpu = calloc(1, sizeof *cpu);
    if (!cpu) return tg_error(TG_ERR_MEMORY, "no memory for a device");
    const uint32_t n = config->workers ? config->workers : default_workers();
    cpu->machine.n_workers = n;
    cpu->tile_isa = isa;
    if (config->pin) cpu->place = calloc(n, sizeof *cpu->place);
    cpu->cores = aligned_alloc(alignof(struct core), n * sizeof *cpu->cores);
    if (cpu->cores) memset(cpu->cores, 0, n * sizeof *cpu->cores);
    enum tg_status status = TG_ERR_MEMORY;
    if ((config->pin && !cpu->place) || !cpu->cores) {
        tg_error(status, "no memory for %u workers", n);
        goto release;
    }
    status = tg_gm_init(&cpu->machine.gm, config->gm_bytes, true);
    if (status != TG_OK) goto release;
    for (uint32_t i = 0; i < n; i++) cpu->cores[i].gm = &cpu->machine.gm;
    if (cpu->place) tg_topology_spread(n, cpu->place);
    cpu->machine.ops = &cpu_ops;
    cpu->machine.isa = &cpu_isa;
    cpu->machine.catch_faults = config->catch_faults;
    cpu->machine.isa_name = tg_product_variant_for(isa)->name;
    const struct tg_threads_config threads = {.n = n,
                                              .place = cpu->place,
                                              .catch_faults = config->catch_faults,
                                              .prepare = prepare,
                                              .enter = enter,
                                              .context = cpu};
    cpu->threads = tg_threads_open(&threads);
    if (!cpu->threads) {
        status = tg_error(TG_ERR_MEMORY, "no memory for %u workers", n);
        goto close_memory;
    }
    if (!config->catch_faults) prepare(cpu, 0); /* the caller is worker 0 */
    *out = &cpu->machine;
    return TG_OK;

close_memory:
    tg_gm_fini(&cpu->machine.gm);
release:
    release(cpu);
    return status;
}
