/*
* This computer as the device: its threads, the on-chip memory of each, and the execution of instructions.
 *
 * Each worker has a thread, which lives as long as the device and waits between launches. The launching thread
 * supervises the workers. Where faults are not caught, it is worker 0 itself.
 *
 *     tg_run_wait ---> supervises -----------------------------------> returns when all that have begun are done
 *          | launch += 1                                                ^ n_working == 0
 *          +---------> worker 0 ... n - 1, each: pin, watch, work, ----+
 *
 * Worker 0 and the workers that wake in time carry out a launch. A thread that wakes after its end goes back to sleep.
 *
 * The worker that runs a kernel checks and executes its instructions, in the worker's own buffers.
 */
#include <pthread.h>
#include <signal.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "machine/cpu/lazy.h"
#include "machine/cpu/topology.h"
#include "machine/machine.h"
#include "os/coro.h"
#include "os/guard.h"
#include "os/ward.h"
#include "tile/rules.h"
#include "tile/table.h"

enum { BUFFER_ALIGNMENT = 4096, N_RANGES = 8 };

/* The state of one worker. Writer: its thread. */
struct core {
    alignas(64) struct tg_worker_core known; /* first */
    struct tg_gm *gm;
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

/* One worker's thread. */
struct thread {
    struct cpu *cpu;
    uint32_t worker;
    struct tg_ward ward;
    struct tg_watch watch; /* open while it works, if faults are caught */
    bool started, lost;    /* writer: the waiting thread. lost: it still runs foreign code */
    bool working;          /* under the lock: it has begun its part of the launch */
    uint64_t seen;         /* number of the last launch when it was started */
};

struct cpu {
    struct tg_machine machine; /* first */
    bool pin;
    enum tg_isa tile_isa;             /* of the arithmetic */
    cpu_set_t *place;                 /* [n_workers] */
    struct core *cores;               /* [n_workers] */
    struct thread *threads;           /* [n_workers] */
    uint64_t start_ns;                /* of the launch. Writer: the caller, before the threads see the launch */
    bool clear;                       /* of the launch */
    const struct tg_machine_run *run; /* under the lock: NULL: no launch, or it accepts no more workers */
    pthread_mutex_t lock;
    pthread_cond_t launched, finished;
    uint64_t launch;    /* under the lock: number of launches so far */
    uint32_t n_working; /* under the lock: threads that have begun and not ended */
    bool closing;
};

static struct cpu *of(struct tg_machine *machine) { return (struct cpu *)(void *)machine; }

static uint64_t clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t cpu_now(struct tg_machine *machine) { return clock_ns() - of(machine)->start_ns; }

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

static void issue(const struct tg_instr *announced)
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
    if (!tg_rules_check(instr, core->known.type, core->known.message, sizeof core->known.message))
        stop_kernel(core, TG_ERR_TILE);
    if (instr->global) check_global(core, instr);
    if (core->known.type == TG_AIC) execute_cube(core, instr);
    else execute_vector(core, instr);
    tg_guard_leave_runtime();
    tg_state_leave(&theirs);
}

/* Instructions take effect one by one, so flags and barriers have nothing to order. */
static void order(uint32_t op, uint32_t src_pipe, uint32_t dst_pipe, uint32_t event, const char *file, int line)
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

static const struct tg_tile_isa cpu_isa = {.abi = TG_TILE_ABI, .issue = issue, .order = order};

/* A worker is a cube core and a vector core. Fresh buffers hold NaN, later ones the contents that the last task left.
 */
static enum tg_status cpu_worker_core(struct tg_machine *machine, uint32_t worker, struct tg_worker_core **out)
{
    struct core *core = &of(machine)->cores[worker];
    *out = &core->known;
    own_core = core;
    core->known.n_instructions = 0;
    /* Without `clear`, written bytes are not counted. */
    core->ub_written = core->clear ? core->ub_written : TG_UB_BYTES;
    core->clear = of(machine)->clear;
    core->lazy.product = core->clear ? &tg_product_ordered : tg_product_variant_for(of(machine)->tile_isa);
    if (core->memory) return TG_OK;
    core->buffers.variant = tg_tile_variant_for(of(machine)->tile_isa);
    core->lazy.buffers = &core->buffers;
    const size_t cube = TG_L1_BYTES + TG_L0A_BYTES + TG_L0B_BYTES + TG_L0C_BYTES + TG_BIAS_BYTES;
    const size_t bytes = cube + TG_UB_BYTES + TG_SCRATCH_BYTES;
    core->memory = aligned_alloc(BUFFER_ALIGNMENT, bytes);
    if (!core->memory) return tg_error(TG_ERR_MEMORY, "no memory for the buffers of worker %u", worker);
    memset(core->memory, 0xFF, bytes);
    uint8_t **of_kind = core->buffers.of_kind;
    of_kind[TG_MAT] = core->memory;
    of_kind[TG_LEFT] = of_kind[TG_MAT] + TG_L1_BYTES;
    of_kind[TG_RIGHT] = of_kind[TG_LEFT] + TG_L0A_BYTES;
    of_kind[TG_ACC] = of_kind[TG_RIGHT] + TG_L0B_BYTES;
    of_kind[TG_VEC] = of_kind[TG_ACC] + TG_L0C_BYTES;
    of_kind[TG_BIAS] = of_kind[TG_VEC] + TG_UB_BYTES;
    core->buffers.scratch = (float *)(void *)(of_kind[TG_BIAS] + TG_BIAS_BYTES);
    return TG_OK;
}

/* ---- a launch ---- */

/* One worker's part of a launch, on its thread. */
static void work(struct cpu *cpu, const struct tg_machine_run *run, struct thread *thread)
{
    const uint32_t worker = thread->worker;
    cpu_set_t before;
    if (cpu->pin) tg_topology_pin(&cpu->place[worker], &before);
    if (cpu->machine.catch_faults && tg_watch_begin(&thread->watch, run->kernel_limit_ms) != TG_OK)
        tg_failure_set(run->failure, TG_ERR_MEMORY, "worker %u: %s", worker, tg_last_message());
    run->control_main(run->control_arg, worker);
    own_core = NULL;
    tg_watch_end(&thread->watch);
    if (cpu->pin) tg_topology_unpin(&before);
}

/* Under the lock: the part of `thread` in the launch is over. When worker 0's part is over, no further worker begins.
 */
static void end_part(struct cpu *cpu, struct thread *thread)
{
    if (thread->working) cpu->n_working--;
    thread->working = false;
    if (thread->worker == 0) cpu->run = NULL;
    if (cpu->n_working == 0) pthread_cond_signal(&cpu->finished);
}

static void thread_main(void *arg)
{
    struct thread *thread = arg;
    struct cpu *cpu = thread->cpu;
    uint64_t seen = thread->seen;
    if (cpu->machine.catch_faults) tg_coro_adopt(&thread->ward.stack);
    pthread_mutex_lock(&cpu->lock);
    for (;;) {
        while (cpu->launch == seen && !cpu->closing) pthread_cond_wait(&cpu->launched, &cpu->lock);
        if (cpu->closing) break;
        seen = cpu->launch;
        if (!cpu->run) continue; /* too late: the launch is over */
        const struct tg_machine_run *run = cpu->run;
        thread->working = true;
        cpu->n_working++;
        pthread_mutex_unlock(&cpu->lock);
        work(cpu, run, thread);
        pthread_mutex_lock(&cpu->lock);
        end_part(cpu, thread);
    }
    pthread_mutex_unlock(&cpu->lock);
}

/* Where faults are caught the caller's thread waits, and worker 0 has a thread like the others. */
static uint32_t first_thread(const struct cpu *cpu) { return cpu->machine.catch_faults ? 0 : 1; }

/* Start the missing threads. They take part from the next launch on. */
static enum tg_status start_threads(struct cpu *cpu)
{
    for (uint32_t i = first_thread(cpu); i < cpu->machine.n_workers; i++) {
        struct thread *thread = &cpu->threads[i];
        if (thread->started) continue;
        char what[64];
        snprintf(what, sizeof what, "worker %u of %u", i, cpu->machine.n_workers);
        thread->seen = cpu->launch;
        TG_TRY(tg_ward_start(&thread->ward, thread_main, thread, what));
        thread->started = true;
    }
    return TG_OK;
}

/* Its thread has ended in foreign code, or is given up. */
static void lose(struct cpu *cpu, const struct tg_machine_run *run, struct thread *thread, enum tg_guard_end end)
{
    const struct tg_guard guard = {.end = end, .limit_ms = run->kernel_limit_ms};
    run->lost(run->control_arg, thread->worker, false, &guard);
    pthread_mutex_lock(&cpu->lock);
    end_part(cpu, thread);
    pthread_mutex_unlock(&cpu->lock);
}

/* Check the signs of life of all working threads. */
static void look_at_threads(struct cpu *cpu, const struct tg_machine_run *run, uint32_t elapsed_ms)
{
    for (uint32_t i = 0; i < cpu->machine.n_workers; i++) {
        struct thread *thread = &cpu->threads[i];
        if (!thread->started || thread->lost) continue;
        if (tg_ward_wait(&thread->ward, 0) != TG_WARD_RUNS) {
            thread->started = false;
            tg_watch_bury(&thread->watch);
            lose(cpu, run, thread, TG_GUARD_ENDED);
        } else if (tg_watch_look(&thread->watch, elapsed_ms) == TG_WATCH_LOST) {
            thread->lost = cpu->machine.lost = true;
            lose(cpu, run, thread, TG_GUARD_STUCK);
        }
    }
}

/* Under the lock. false: limit_ms have passed. */
static bool wait_finished(struct cpu *cpu, uint32_t limit_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    const uint64_t ns = (uint64_t)until.tv_nsec + (uint64_t)limit_ms * 1000000u;
    until.tv_sec += (time_t)(ns / 1000000000u);
    until.tv_nsec = (long)(ns % 1000000000u);
    return pthread_cond_clockwait(&cpu->finished, &cpu->lock, CLOCK_MONOTONIC, &until) == 0;
}

/* The waiting thread's loop, while the others work. */
static void attend(struct cpu *cpu, const struct tg_machine_run *run)
{
    const uint32_t look_ms = tg_watch_look_ms(run->kernel_limit_ms);
    uint32_t ms = 0;
    pthread_mutex_lock(&cpu->lock);
    while (cpu->run || cpu->n_working > 0) {
        if (wait_finished(cpu, look_ms)) continue;
        pthread_mutex_unlock(&cpu->lock);
        look_at_threads(cpu, run, look_ms);
        ms += look_ms;
        if (ms >= TG_ATTEND_MS && run->progress) run->progress(run->progress_context, cpu_now(&cpu->machine));
        if (ms >= TG_ATTEND_MS) ms = 0;
        pthread_mutex_lock(&cpu->lock);
    }
    pthread_mutex_unlock(&cpu->lock);
}

/* The caller is worker 0. */
static void take_part(struct cpu *cpu, const struct tg_machine_run *run)
{
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask); /* foreign code may change it */
    work(cpu, run, &cpu->threads[0]);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    pthread_mutex_lock(&cpu->lock);
    end_part(cpu, &cpu->threads[0]);
    while (cpu->n_working > 0) pthread_cond_wait(&cpu->finished, &cpu->lock);
    pthread_mutex_unlock(&cpu->lock);
}

static enum tg_status cpu_run(struct tg_machine *machine, const struct tg_machine_run *run, uint64_t *device_ns)
{
    struct cpu *cpu = of(machine);
    TG_TRY(start_threads(cpu));
    pthread_mutex_lock(&cpu->lock);
    cpu->run = run;
    cpu->clear = run->clear;
    cpu->start_ns = clock_ns();
    cpu->launch++;
    pthread_cond_broadcast(&cpu->launched);
    pthread_mutex_unlock(&cpu->lock);
    if (machine->catch_faults) attend(cpu, run);
    else take_part(cpu, run);
    *device_ns = cpu_now(machine);
    return TG_OK;
}

static void stop_threads(struct cpu *cpu)
{
    pthread_mutex_lock(&cpu->lock);
    cpu->closing = true;
    pthread_cond_broadcast(&cpu->launched);
    pthread_mutex_unlock(&cpu->lock);
    for (uint32_t i = 0; i < cpu->machine.n_workers; i++) {
        struct thread *thread = &cpu->threads[i];
        while (thread->started && !thread->lost && tg_ward_wait(&thread->ward, UINT16_MAX) == TG_WARD_RUNS) continue;
    }
}

static void release(struct cpu *cpu)
{
    for (uint32_t i = 0; cpu->cores && i < cpu->machine.n_workers; i++) free(cpu->cores[i].memory);
    free(cpu->cores);
    free(cpu->threads);
    free(cpu->place);
    pthread_cond_destroy(&cpu->launched);
    pthread_cond_destroy(&cpu->finished);
    pthread_mutex_destroy(&cpu->lock);
    free(cpu);
}

static void cpu_close(struct tg_machine *machine)
{
    struct cpu *cpu = of(machine);
    stop_threads(cpu);
    tg_gm_fini(&machine->gm);
    release(cpu);
}

static const struct tg_machine_ops cpu_ops = {
    .close = cpu_close,
    .run = cpu_run,
    .now = cpu_now,
    .worker_core = cpu_worker_core,
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
    pthread_mutex_init(&cpu->lock, NULL);
    pthread_cond_init(&cpu->launched, NULL);
    pthread_cond_init(&cpu->finished, NULL);
    const uint32_t n = config->workers ? config->workers : default_workers();
    cpu->place = calloc(n, sizeof *cpu->place);
    cpu->threads = calloc(n, sizeof *cpu->threads);
    cpu->cores = aligned_alloc(alignof(struct core), n * sizeof *cpu->cores);
    enum tg_status status = TG_ERR_MEMORY;
    if (!cpu->place || !cpu->threads || !cpu->cores) {
        tg_error(status, "no memory for %u workers", n);
        goto release;
    }
    memset(cpu->cores, 0, n * sizeof *cpu->cores);
    cpu->machine.n_workers = n;
    status = tg_gm_init(&cpu->machine.gm, config->gm_bytes, true);
    if (status != TG_OK) goto release;
    for (uint32_t i = 0; i < n; i++) {
        cpu->cores[i].gm = &cpu->machine.gm;
        cpu->threads[i].cpu = cpu;
        cpu->threads[i].worker = i;
    }
    cpu->pin = config->pin;
    if (cpu->pin) tg_topology_spread(n, cpu->place);
    cpu->machine.ops = &cpu_ops;
    cpu->machine.isa = &cpu_isa;
    cpu->machine.catch_faults = config->catch_faults;
    cpu->tile_isa = isa;
    cpu->machine.isa_name = tg_product_variant_for(isa)->name;
    *out = &cpu->machine;
    return TG_OK;

release:
    release(cpu);
    return status;
}
