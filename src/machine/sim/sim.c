/*
 * The virtual A2/A3 device: registers, cores and control threads on the virtual clock.
 *
 * Each instruction of a kernel passes through four observers: the rules, the device memory, the execution, and the
 * pipes.
 *
 * A kernel is executed from its first to its last instruction at the virtual time of its start. Then its core plays the
 * pipes' lists to find the times. It takes turns with the other cores wherever it uses shared resources. A kernel is
 * part of its core's coroutine, so it can be suspended between instructions. That happens to kernels that are longer
 * than the lists: their core plays a part of them before they go on.
 */
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/now.h"
#include "base/random.h"
#include "machine/machine.h"
#include "machine/sim/clock.h"
#include "machine/sim/cost.h"
#include "machine/sim/memory.h"
#include "machine/sim/parameters.h"
#include "machine/sim/pipes.h"
#include "machine/sim/reorder.h"
#include "os/guard.h"
#include "os/module.h"
#include "os/ward.h"
#include "tile/execute.h"
#include "tile/facts.h"
#include "tile/rules.h"
#include "tile/show.h"
#include "tile/table.h"

enum {
    THREAD_STACK_BYTES = 2 << 20,
    CORE_STACK_BYTES = 512 << 10,
    CHECKS_SAMPLE = 16,          /* one of so many instructions measures the time of its checks */
    INSTRUCTIONS_MAX = 20000000, /* of one task: more is an endless loop */
    DELAY_MAX_NS = 4000,         /* drawn delays of a random schedule */
    HOLDS_ONE_OF = 8,            /* delays: that one is long */
    HOLD_MAX_NS = 64 * DELAY_MAX_NS,
    COLD_MOST = 20, /* times cold_tasks: caches are warm */
    PROGRESS_NS = 100000000,
    PROGRESS_YIELDS = 256,
    N_BUILDER_DELAYS = 4
};

/* A register and the time at which the other side sees its value. */
struct visible {
    uint32_t value, old;
    uint64_t from; /* ns; until then the other side sees `old` */
};

struct core {
    struct tg_actor *actor;
    struct visible dispatch, cond;
    struct tg_buffers buffers;
    uint8_t *memory; /* all buffers, owned */
    enum tg_core_type type;
    struct tg_pipes pipes;
    struct tg_reorder reorder;
    uint64_t n_instructions; /* of the running task */
    uint64_t began_ns;       /* host time at which it began */
    uint64_t others_ns;      /* host time since then that was not the kernel's own: its checks, other actors */
    struct tg_kernel_end *end;
    int32_t task_id;              /* of the running task */
    char fault[TG_MESSAGE_BYTES]; /* why the last kernel failed */
    bool warm;                    /* has run a task in this launch */
    bool in_kernel;               /* a kernel runs, or is suspended between two instructions */
};

struct sim {
    struct tg_machine machine; /* first */
    struct tg_clock clock;
    struct tg_sim_machine figures;
    struct tg_facts facts; /* parts of the figures */
    struct tg_memory memory;
    enum tg_isa isa;                  /* of the tile operations; all give the same bytes */
    const struct tg_machine_run *run; /* during a launch */
    bool judged;                      /* an observer of the launch reports defects */
    uint64_t n_added;                 /* tasks of the launch so far */
    uint32_t builder_delay_ns;        /* random schedule: upper limit of the delay at each publication */
    struct core cores[TG_CORES_MAX];
    uint64_t end_ns;           /* of the control threads */
    uint64_t told_ns;          /* host time of the last progress call */
    _Atomic uint64_t shown_ns; /* virtual time, for the waiting thread */
    uint32_t n_yields;         /* since the last read of the host's clock */
};

/* The argument of an actor's entry. */
struct start {
    struct sim *sim;
    uint32_t index;
};

static struct sim *of(struct tg_machine *machine) { return (struct sim *)(void *)machine; }

static struct tg_actor *self(struct sim *sim) { return sim->clock.running; }

static struct tg_actor *thread_actor(struct sim *sim, uint32_t thread) { return &sim->clock.actors[thread]; }

static uint32_t core_index(struct sim *sim) { return (uint32_t)(self(sim) - sim->clock.actors) - sim->run->n_threads; }

static uint32_t seen(const struct visible *reg, uint64_t now) { return now >= reg->from ? reg->value : reg->old; }

static void set_visible(struct visible *reg, uint32_t value, uint64_t now, uint64_t from)
{
    reg->old = seen(reg, now);
    reg->value = value;
    reg->from = from;
}

/* A random schedule delays everything that can be late on a device. Most delays are short, so that neighbours change
 * places. One of HOLDS_ONE_OF is so long that most tasks without an order to the delayed one run before it. */
static uint64_t drawn_delay(struct sim *sim)
{
    if (sim->run->schedule_seed == 0) return 0;
    uint64_t *random = &self(sim)->random;
    const bool holds = tg_random_below(random, HOLDS_ONE_OF) == 0;
    return tg_random_below(random, holds ? HOLD_MAX_NS : DELAY_MAX_NS);
}

/* ---- control threads ---- */

static uint64_t sim_now(struct tg_machine *machine) { return self(of(machine))->now; }

static double work_ns(const struct tg_sim_machine *m, enum tg_work work)
{
    switch (work) {
    case TG_WORK_OPEN: return m->plugin_open;
    case TG_WORK_ADD: return m->add_task;
    case TG_WORK_ARGUMENT: return m->add_argument;
    case TG_WORK_EDGE: return m->add_edge;
    case TG_WORK_PUBLISH: return m->publish_task;
    case TG_WORK_ALLOC: return m->device_malloc;
    case TG_WORK_DISPATCH: return m->dispatch;
    case TG_WORK_COMPLETE: return m->complete;
    case TG_WORK_SWEEP: return m->sweep;
    }
    return 0;
}

static void sim_spend(struct tg_machine *machine, enum tg_work work, uint32_t n)
{
    struct sim *sim = of(machine);
    const struct tg_sim_machine *m = &sim->figures;
    self(sim)->now += (uint64_t)(work_ns(m, work) * n);
    if (work == TG_WORK_ADD) {
        /* The first tasks of a run are added with cold caches, the later ones with ever warmer ones. A random schedule
         * has warm caches: a slow start of the builder would hide races between its first tasks. */
        const double n_before = (double)sim->n_added++;
        if (sim->run->schedule_seed == 0 && m->cold_tasks != 0 && n_before <= COLD_MOST * m->cold_tasks)
            self(sim)->now += (uint64_t)(m->cold_add * exp(-n_before / m->cold_tasks));
    }
    if (work == TG_WORK_PUBLISH && sim->builder_delay_ns > 0)
        self(sim)->now += tg_random_below(&self(sim)->random, sim->builder_delay_ns);
}

/* Now and then report the progress of the launch: here, or to the waiting thread. */
static void tell_progress(struct sim *sim)
{
    if (!sim->run->progress || ++sim->n_yields % PROGRESS_YIELDS) return;
    atomic_store_explicit(&sim->shown_ns, self(sim)->now, memory_order_relaxed); /* read by attend() */
    if (sim->machine.catch_faults) return;
    const uint64_t ns = tg_now_ns(CLOCK_MONOTONIC);
    if (ns - sim->told_ns < PROGRESS_NS) return;
    sim->told_ns = ns;
    tg_coro_observe(&sim->told_ns); /* calls of progress are ordered */
    sim->run->progress(sim->run->progress_context, self(sim)->now);
    tg_coro_publish(&sim->told_ns);
}

static void sim_sync(struct tg_machine *machine)
{
    tg_clock_yield(&of(machine)->clock);
    tell_progress(of(machine));
}

static enum tg_idle sim_idle(struct tg_machine *machine)
{
    return tg_clock_sleep(&of(machine)->clock) ? TG_IDLE_STALLED : TG_IDLE_WOKEN;
}

static void sim_wake(struct tg_machine *machine, uint32_t thread)
{
    struct sim *sim = of(machine);
    tg_clock_wake(&sim->clock, thread_actor(sim, thread), self(sim)->now);
}

static uint32_t sim_read_cond(struct tg_machine *machine, uint32_t core)
{
    struct sim *sim = of(machine);
    struct tg_actor *me = self(sim);
    me->now += (uint64_t)sim->figures.read_register;
    /* A core's write is seen cond_latency after it was made: only cores that could still write earlier go first. */
    if (tg_clock_next(&sim->clock) + (uint64_t)sim->figures.finish_latency < me->now) tg_clock_yield(&sim->clock);
    const struct visible *cond = &sim->cores[core].cond;
    if (me->now < cond->from) tg_clock_wake(&sim->clock, me, cond->from); /* on its way: do not sleep past it */
    return seen(cond, me->now);
}

static void sim_write_dispatch(struct tg_machine *machine, uint32_t core, uint32_t token)
{
    struct sim *sim = of(machine);
    struct core *target = &sim->cores[core];
    uint64_t now = self(sim)->now, from = now + (uint64_t)sim->figures.dispatch_latency + drawn_delay(sim);
    set_visible(&target->dispatch, token, now, from);
    tg_clock_wake(&sim->clock, target->actor, from);
}

/* ---- cores ---- */

static uint32_t sim_wait_dispatch(struct tg_machine *machine, uint32_t last)
{
    struct sim *sim = of(machine);
    struct core *core = &sim->cores[core_index(sim)];
    while (seen(&core->dispatch, core->actor->now) == last) {
        if (core->dispatch.value != last) tg_clock_wake(&sim->clock, core->actor, core->dispatch.from);
        tg_clock_sleep(&sim->clock);
    }
    return core->dispatch.value;
}

static void sim_write_cond(struct tg_machine *machine, uint32_t value)
{
    struct sim *sim = of(machine);
    uint32_t index = core_index(sim);
    struct core *core = &sim->cores[index];
    tg_clock_yield(&sim->clock);
    uint64_t now = core->actor->now, from = now + (uint64_t)sim->figures.finish_latency;
    set_visible(&core->cond, value, now, from);
    tg_clock_wake(&sim->clock, thread_actor(sim, sim->run->owner[index]), from);
}

/* ---- instructions ---- */

static _Thread_local struct sim *running_sim; /* whose actors run on this thread */

/* The core whose kernel runs; NULL: the running actor is in no kernel. It is found by the actor, because other actors
 * may run between two instructions of a kernel. */
static struct core *running_core(void)
{
    struct sim *sim = running_sim;
    if (!sim || self(sim) < thread_actor(sim, sim->run->n_threads)) return NULL;
    struct core *core = &sim->cores[core_index(sim)];
    return core->in_kernel ? core : NULL;
}

static _Noreturn void stop_kernel(struct core *core, enum tg_status status)
{
    core->end->status = status;
    tg_guard_raise();
}

static _Noreturn void stop_without_memory(struct core *core)
{
    snprintf(core->fault, sizeof core->fault, "no host memory for the list of its instructions");
    stop_kernel(core, TG_ERR_MEMORY);
}

/* A transfer must be inside one allocation. The observers come first, because a check's report is more precise; the
 * refusal follows in any case. */
static void check_global(struct sim *sim, struct core *core, const struct tg_instr *instr)
{
    bool usable = true;
    TG_OBSERVE_ASKING(sim->machine.observers, &usable, transfer, core_index(sim), instr);
    const struct tg_run_of_bytes all = tg_global_extent(instr->global);
    if (tg_gm_contains(&sim->machine.gm, all.address, all.bytes) && usable) return;
    /* Name the first contiguous bytes outside any allocation; the whole transfer, if it spans several allocations. */
    struct tg_run_of_bytes run = all, part;
    for (uint32_t i = 0; tg_global_run(instr->global, i, &part); i++) {
        if (tg_gm_contains(&sim->machine.gm, part.address, part.bytes)) continue;
        run = part;
        break;
    }
    snprintf(core->fault, sizeof core->fault,
             "%s at %s:%u: bytes 0x%llx to 0x%llx are not inside one allocation of device memory",
             tg_op_name(instr->op), tg_base_name(instr->file), instr->line, (unsigned long long)run.address,
             (unsigned long long)(run.address + run.bytes));
    stop_kernel(core, TG_ERR_GLOBAL_MEMORY);
}

/* Execute now, or in another order when the kernel has returned. */
static void execute(struct sim *sim, struct core *core, const struct tg_instr *instr)
{
    if (sim->run->pipe_order == TG_PIPE_ORDER_PROGRAM) {
        tg_execute(instr, &core->buffers);
    } else if (!tg_reorder_add(&core->reorder, instr, tg_op_pipe(instr))) {
        snprintf(core->fault, sizeof core->fault, "no host memory for its instructions in another order");
        stop_kernel(core, TG_ERR_MEMORY);
    }
}

/* The time limit of a kernel must not count the time of others. Another `others_ns` of host time is theirs. A sign of
 * life starts the limit anew. The kernel gets no more of them when it has used the limit itself. */
static void excuse(const struct sim *sim, struct core *core, uint64_t others_ns)
{
    core->others_ns += others_ns;
    const uint64_t ran_ns = tg_now_ns(CLOCK_MONOTONIC) - core->began_ns;
    if (ran_ns < core->others_ns + sim->run->kernel_limit_ms * (uint64_t)1000000)
        tg_guard_excuse(tg_coro_current()->guard);
}

/* A transfer of the core whose turn it is: every actor whose clock is behind goes first. */
static double shared_transfer(void *context, const struct tg_global *global, double at_ns)
{
    struct sim *sim = context;
    struct tg_actor *me = self(sim);
    if ((uint64_t)at_ns > me->now) me->now = (uint64_t)at_ns;
    tg_clock_yield(&sim->clock);
    return tg_memory_transfer(&sim->memory, global, at_ns);
}

static struct tg_player player_of(struct sim *sim, struct tg_kernel_end *end)
{
    return (struct tg_player){.start_ns = (double)end->start_ns + sim->figures.prologue,
                              .ns_per_cycle = 1 / sim->figures.core_ghz,
                              .transfer = shared_transfer,
                              .context = sim,
                              .times = &end->times};
}

/* The kernel is longer than the lists of the pipes: it is suspended while they are played. */
static void play_block(struct sim *sim, struct core *core)
{
    const uint64_t from_ns = tg_now_ns(CLOCK_MONOTONIC);
    const struct tg_player player = player_of(sim, core->end);
    if (!tg_pipes_play_block(&core->pipes, &player)) stop_without_memory(core);
    excuse(sim, core, tg_now_ns(CLOCK_MONOTONIC) - from_ns);
}

static void run_instruction(struct sim *sim, struct core *core, const struct tg_instr *instr)
{
    struct tg_kernel_end *end = core->end;
    if (++core->n_instructions > INSTRUCTIONS_MAX) {
        snprintf(core->fault, sizeof core->fault, "more than %d instructions", INSTRUCTIONS_MAX);
        stop_kernel(core, TG_ERR_KERNEL_TIMEOUT);
    }
    if (tg_pipes_are_full(&core->pipes)) play_block(sim, core);
    const bool sampled = sim->judged && core->n_instructions % CHECKS_SAMPLE == 1;
    const uint64_t from_ns = sampled ? tg_now_ns(CLOCK_MONOTONIC) : 0;
    const bool allowed = tg_rules_check(instr, core->type, core->fault, sizeof core->fault);
    /* Only an instruction that keeps the rules has a pipe. */
    TG_OBSERVE(sim->machine.observers, instruction, core_index(sim), instr, allowed ? tg_op_pipe(instr) : PIPE_S,
               allowed ? NULL : core->fault);
    if (!allowed) stop_kernel(core, TG_ERR_TILE);
    if (instr->global) check_global(sim, core, instr);
    if (sampled) excuse(sim, core, CHECKS_SAMPLE * (tg_now_ns(CLOCK_MONOTONIC) - from_ns));
    execute(sim, core, instr);
    struct tg_cost cost = tg_instr_cost(&sim->figures, instr);
    end->times.gm_bytes += cost.gm_bytes;
    enum tg_pipes_append appended = tg_pipes_append(&core->pipes, instr, tg_op_pipe(instr), &cost);
    if (appended == TG_PIPES_NO_MEMORY) stop_without_memory(core);
    /* A checked kernel goes on: the wait is a finding, and more may follow. */
    if (appended == TG_PIPES_NO_FLAG && !sim->judged) {
        snprintf(core->fault, sizeof core->fault, "WAIT_FLAG at %s:%u: no set_flag of event %u before it",
                 tg_base_name(instr->file), instr->line, instr->event);
        stop_kernel(core, TG_ERR_TILE);
    }
}

static TG_FORGETS void issue(const struct tg_instr *instr)
{
    struct core *core = running_core();
    if (core) {
        struct tg_instr room;
        const struct tg_state theirs = tg_state_enter();
        tg_guard_enter_runtime();
        run_instruction(running_sim, core, tg_instr_whole(instr, &room));
        tg_guard_leave_runtime();
        tg_state_leave(&theirs);
    } else if (tg_coro_current()->guard) {
        tg_guard_raise(); /* a plugin calls a kernel by itself */
    }
}

static TG_FORGETS void order(uint32_t op, uint32_t src_pipe, uint32_t dst_pipe, uint32_t event, const char *file,
                             int line)
{
    const struct tg_instr instr = tg_instr_of_order(op, src_pipe, dst_pipe, event, file, line);
    issue(&instr);
}

/* A kernel wants to see a tile. Nothing of the device takes part. */
static TG_FORGETS void print(const struct tg_tile *tile, const char *name, uint32_t rows, uint32_t cols,
                             const char *file, int line)
{
    const struct core *core = running_core();
    if (!core) {
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
                                 .core_type = core->type,
                                 .core = core_index(running_sim),
                                 .task_id = core->task_id};
    if (running_sim->run->pipe_order != TG_PIPE_ORDER_PROGRAM)
        tg_show_refuse(&show, "pipes late and early execute instructions after the kernel has returned");
    else if (tg_show_check(&show)) tg_show_values(&show, &core->buffers);
    tg_guard_leave_runtime();
    tg_state_leave(&theirs);
}

static const struct tg_tile_isa sim_isa = {.abi = TG_TILE_ABI, .issue = issue, .order = order, .print = print};

/* The buffers of a core, on first use. Fresh buffers hold NaN, later ones the contents that the last task left. false:
 * no memory. */
static bool core_memory(const struct sim *sim, struct core *core)
{
    if (core->memory) return true;
    size_t cube = TG_L1_BYTES + TG_L0A_BYTES + TG_L0B_BYTES + TG_L0C_BYTES + TG_BIAS_BYTES;
    size_t bytes = core->type == TG_AIC ? cube + TG_SCRATCH_BYTES : TG_UB_BYTES;
    core->memory = aligned_alloc(512, bytes);
    if (!core->memory) return false;
    memset(core->memory, 0xFF, bytes);
    uint8_t **of_kind = core->buffers.of_kind;
    core->buffers.variant = tg_tile_variant_for(sim->isa);
    if (core->type == TG_AIV) {
        of_kind[TG_VEC] = core->memory;
        return true;
    }
    of_kind[TG_MAT] = core->memory;
    of_kind[TG_LEFT] = of_kind[TG_MAT] + TG_L1_BYTES;
    of_kind[TG_RIGHT] = of_kind[TG_LEFT] + TG_L0A_BYTES;
    of_kind[TG_ACC] = of_kind[TG_RIGHT] + TG_L0B_BYTES;
    of_kind[TG_BIAS] = of_kind[TG_ACC] + TG_L0C_BYTES;
    core->buffers.scratch = (float *)(void *)(of_kind[TG_BIAS] + TG_BIAS_BYTES);
    return true;
}

/* Call the kernel, guarded, and execute the instructions that it has announced. core->end gets its status. */
static void call_kernel(struct sim *sim, struct core *core, const struct tg_kernel *kernel, int64_t *args)
{
    struct tg_kernel_end *end = core->end;
    const bool in_order = sim->run->pipe_order == TG_PIPE_ORDER_PROGRAM;
    struct tg_guard guard;
    if (!in_order)
        tg_reorder_begin(&core->reorder, &core->buffers, &sim->machine.gm, sim->run->pipe_order == TG_PIPE_ORDER_EARLY);
    core->in_kernel = true;
    tg_guard_begin(&guard, kernel->module->text);
    if (sigsetjmp(guard.jump, 0) == 0) {
        tg_guard_arm(&guard);
        tg_guard_foreign(&guard, (tg_foreign_fn *)kernel->entry, args, NULL, 0);
    }
    const enum tg_guard_end how = tg_guard_finish(&guard);
    core->in_kernel = false;
    if (how == TG_GUARD_RETURNED) {
        end->status = TG_OK;
    } else if (how != TG_GUARD_RAISED) { /* stop_kernel has set the reason */
        end->status = how == TG_GUARD_STUCK ? TG_ERR_KERNEL_TIMEOUT : TG_ERR_KERNEL_FAULT;
        tg_guard_describe(&guard, core->fault, sizeof core->fault);
    }
    TG_OBSERVE(sim->machine.observers, kernel_ends, core_index(sim), end->status == TG_OK);
    if (end->status == TG_OK && !in_order && !tg_reorder_end(&core->reorder)) {
        end->status = TG_ERR_MEMORY;
        snprintf(core->fault, sizeof core->fault, "no host memory for its instructions in another order");
    }
}

/* false: an observer has no memory for the kernel. */
static bool tell_begin(struct sim *sim, const struct core *core, const struct tg_kernel_call *call)
{
    bool accepted = true;
    const bool at_once = sim->run->pipe_order == TG_PIPE_ORDER_PROGRAM;
    const struct tg_kernel_begin begin = {.kernel = &sim->run->kernels->by_id[call->func_id],
                                          .args = call->args,
                                          .n_args = call->n_args,
                                          .core = core_index(sim),
                                          .core_type = core->type,
                                          .task_id = call->task_id,
                                          .contents = at_once ? &core->buffers : NULL,
                                          .facts = &sim->facts};
    TG_OBSERVE_ASKING(sim->machine.observers, &accepted, kernel_begins, &begin);
    return accepted;
}

static void sim_run_kernel(struct tg_machine *machine, const struct tg_kernel_call *call, struct tg_kernel_end *end)
{
    struct sim *sim = of(machine);
    struct core *core = &sim->cores[core_index(sim)];
    core->actor->now += (uint64_t)(sim->figures.receive + (core->warm ? 0 : sim->figures.cold_start)) +
                        drawn_delay(sim);
    core->warm = true;
    tg_clock_yield(&sim->clock);

    core->end = end;
    core->n_instructions = 0;
    core->task_id = call->task_id;
    core->began_ns = tg_now_ns(CLOCK_MONOTONIC);
    core->others_ns = 0;
    tg_pipes_begin(&core->pipes);
    core->fault[0] = '\0';
    memset(&end->times, 0, sizeof end->times);
    end->start_ns = core->actor->now;
    /* A damaged kernel may write beyond its arguments. */
    struct tg_kernel_call copy = *call;
    copy.args = tg_foreign_room(&core->actor->coro, TG_TASK_ARGS_MAX * sizeof *copy.args);
    memcpy(copy.args, call->args, TG_TASK_ARGS_MAX * sizeof *copy.args);
    if (core_memory(sim, core) && tell_begin(sim, core, &copy)) {
        call_kernel(sim, core, &sim->run->kernels->by_id[call->func_id], copy.args);
    } else {
        end->status = TG_ERR_MEMORY;
        snprintf(core->fault, sizeof core->fault, "no host memory for the core's buffers");
    }
    end->times.n_instructions = core->n_instructions;
    /* Its instructions take their time. */
    const struct tg_player player = player_of(sim, end);
    const uint64_t end_ns = (uint64_t)ceil(tg_pipes_play(&core->pipes, &player));
    if (end_ns > core->actor->now) core->actor->now = end_ns;
    end->end_ns = core->actor->now;
}

/* ---- a launch ---- */

static void thread_main(void *arg)
{
    const struct start *start = arg;
    struct sim *sim = start->sim;
    sim->run->control_main(sim->run->control_arg, start->index);
    if (self(sim)->now > sim->end_ns) sim->end_ns = self(sim)->now;
    tg_clock_end(&sim->clock);
}

static void core_main(void *arg)
{
    const struct start *start = arg;
    struct sim *sim = start->sim;
    sim->run->core_main(sim->run->core_arg, start->index);
    tg_clock_end(&sim->clock);
}

static enum tg_status add_actors(struct sim *sim, struct start *starts)
{
    const struct tg_machine_run *run = sim->run;
    const uint64_t begin = (uint64_t)(sim->figures.launch + (run->host_graph ? sim->figures.host_graph : 0));
    for (uint32_t i = 0; i < run->n_threads; i++) {
        starts[i] = (struct start){sim, i};
        TG_TRY(tg_clock_add(&sim->clock, begin, THREAD_STACK_BYTES, true, thread_main, &starts[i]));
    }
    for (uint32_t i = 0; i < run->n_cores; i++) {
        struct core *core = &sim->cores[i];
        struct start *start = &starts[run->n_threads + i];
        *start = (struct start){sim, i};
        core->type = run->core_type[i];
        core->actor = &sim->clock.actors[sim->clock.n_actors];
        core->dispatch = core->cond = (struct visible){0};
        core->warm = core->in_kernel = false;
        tg_pipes_reset(&core->pipes);
        core->pipes.observers = sim->machine.observers;
        core->pipes.core = i;
        TG_TRY(tg_clock_add(&sim->clock, begin, CORE_STACK_BYTES, false, core_main, start));
    }
    return TG_OK;
}

/* One random schedule lets the builder run far ahead of the cores; another makes the cores wait for it. */
static const uint32_t builder_delays_ns[N_BUILDER_DELAYS] = {0, DELAY_MAX_NS / 4, DELAY_MAX_NS, 8 * DELAY_MAX_NS};

/* A launch, on the thread that runs all actors. */
struct simulation {
    struct sim *sim;
    struct start *starts;
    enum tg_status status;
};

static void simulate(void *arg)
{
    struct simulation *all = arg;
    struct sim *sim = all->sim;
    const uint64_t seed = sim->run->schedule_seed;
    uint64_t random = seed;
    tg_coro_keep_order(tg_observed_cores(sim->machine.observers)); /* one observer visits all cores in turn */
    running_sim = sim;
    sim->n_added = 0;
    sim->builder_delay_ns = seed ? builder_delays_ns[tg_random_below(&random, N_BUILDER_DELAYS)] : 0;
    tg_clock_reset(&sim->clock, seed);
    tg_memory_reset(&sim->memory);
    sim->end_ns = 0;
    all->status = add_actors(sim, all->starts);
    if (all->status == TG_OK) {
        const bool ended = tg_clock_run(&sim->clock);
        for (uint32_t i = 0; i < sim->run->n_cores; i++) tg_reorder_land(&sim->cores[i].reorder);
        if (!ended) all->status = tg_error(TG_ERR_MISUSE, "the launch stands still: a defect of the control program");
    }
    running_sim = NULL;
    tg_coro_keep_order(false);
}

static void attend(void *context)
{
    struct sim *sim = context;
    /* Relaxed: a number for display. */
    if (sim->run->progress)
        sim->run->progress(sim->run->progress_context, atomic_load_explicit(&sim->shown_ns, memory_order_relaxed));
}

/* Foreign code runs on a thread of its own if it is guarded, otherwise on the caller's thread. */
static enum tg_status run_guarded(struct sim *sim, struct simulation *all)
{
    sigset_t mask;
    if (!sim->machine.catch_faults) {
        pthread_sigmask(SIG_SETMASK, NULL, &mask); /* foreign code may change it */
        simulate(all);
        pthread_sigmask(SIG_SETMASK, &mask, NULL);
        return all->status;
    }
    const struct tg_ward_call call = {simulate, all, sim->run->kernel_limit_ms, attend, sim};
    struct tg_guard how;
    TG_TRY(tg_ward_call(&call, &how));
    if (how.end == TG_GUARD_RETURNED) return all->status;
    /* The running actor took its thread with it. */
    const struct tg_machine_run *run = sim->run;
    const uint32_t actor = (uint32_t)(self(sim) - sim->clock.actors);
    const bool on_core = actor >= run->n_threads;
    sim->machine.lost = how.end == TG_GUARD_STUCK;
    run->lost(run->control_arg, on_core ? actor - run->n_threads : actor, on_core, &how);
    return all->status;
}

static enum tg_status sim_run(struct tg_machine *machine, const struct tg_machine_run *run, uint64_t *device_ns)
{
    struct sim *sim = of(machine);
    struct simulation all = {.sim = sim, .starts = calloc(TG_ACTORS_MAX, sizeof *all.starts)};
    if (!all.starts) return tg_error(TG_ERR_MEMORY, "no memory for a launch");
    sim->run = run;
    sim->judged = tg_observed_strictly(machine->observers);
    const enum tg_status status = run_guarded(sim, &all);
    sim->run = NULL;
    if (!machine->lost) free(all.starts);
    *device_ns = sim->end_ns;
    return status;
}

static void sim_close(struct tg_machine *machine)
{
    struct sim *sim = of(machine);
    tg_clock_fini(&sim->clock);
    for (uint32_t i = 0; i < TG_CORES_MAX; i++) {
        free(sim->cores[i].memory);
        tg_pipes_fini(&sim->cores[i].pipes);
        tg_reorder_fini(&sim->cores[i].reorder);
    }
    tg_memory_fini(&sim->memory);
    tg_gm_fini(&machine->gm);
    free(sim);
}

static const char *sim_fault(struct tg_machine *machine, uint32_t core) { return of(machine)->cores[core].fault; }

static const struct tg_machine_ops sim_ops = {
    .close = sim_close,
    .run = sim_run,
    .now = sim_now,
    .spend = sim_spend,
    .sync = sim_sync,
    .idle = sim_idle,
    .wake = sim_wake,
    .read_cond = sim_read_cond,
    .write_dispatch = sim_write_dispatch,
    .wait_dispatch = sim_wait_dispatch,
    .write_cond = sim_write_cond,
    .run_kernel = sim_run_kernel,
    .fault = sim_fault,
    .write = tg_machine_write_local,
    .read = tg_machine_read_local,
    .fill = tg_machine_fill_local,
};

enum tg_status tg_sim_open(const struct tg_device_config *config, struct tg_machine **out)
{
    if (config->workers != 0)
        return tg_error(TG_ERR_ARGUMENT, "workers is %u: a2a3sim has cores; use 0, or platform cpu", config->workers);
    struct sim *sim = calloc(1, sizeof *sim);
    if (!sim) return tg_error(TG_ERR_MEMORY, "no memory for a device");
    tg_sim_machine_default(&sim->figures);
    enum tg_status status = config->machine_file ? tg_sim_machine_read(&sim->figures, config->machine_file) : TG_OK;
    if (status != TG_OK) goto free_sim;
    sim->facts = (struct tg_facts){.ub_library_bytes = (uint32_t)sim->figures.ub_library,
                                   .settled_repeats = (uint32_t)sim->figures.settled_repeats,
                                   .strict_round_trip = sim->figures.strict_round_trip != 0};
    status = tg_isa_choose(config->isa, &sim->isa);
    if (status != TG_OK) goto free_sim;
    status = tg_memory_init(&sim->memory, &sim->figures);
    if (status != TG_OK) goto free_sim;
    status = tg_gm_init(&sim->machine.gm, config->gm_bytes, false);
    if (status != TG_OK) goto free_memory;
    sim->machine.ops = &sim_ops;
    sim->machine.isa = &sim_isa;
    sim->machine.isa_name = tg_tile_variant_for(sim->isa)->name;
    sim->machine.catch_faults = config->catch_faults;
    sim->machine.n_blocks = (uint32_t)sim->figures.blocks;
    sim->machine.core_ghz = sim->figures.core_ghz;
    *out = &sim->machine;
    return TG_OK;

free_memory:
    tg_memory_fini(&sim->memory);
free_sim:
    free(sim);
    return status;
}
