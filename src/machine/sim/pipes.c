#include "machine/sim/pipes.h"

#include <stdlib.h>
#include <string.h>

#include "base/grow.h"

enum step_kind { STEP_WORK, STEP_TRANSFER, STEP_SET, STEP_WAIT, STEP_BARRIER, STEP_BARRIER_ALL };
enum { FLAG_RING = 4 };

void tg_pipes_fini(struct tg_pipes *pipes)
{
    free(pipes->steps);
    free(pipes->globals);
    free(pipes->passed_at);
    pipes->steps = NULL;
    pipes->globals = NULL;
    pipes->passed_at = NULL;
}

static void clear(struct tg_pipes *pipes)
{
    pipes->n_steps = pipes->n_globals = pipes->n_left = 0;
    memset(pipes->at, 0, sizeof pipes->at);
    memset(pipes->last, 0, sizeof pipes->last);
    memset(pipes->n_played, 0, sizeof pipes->n_played);
    memset(pipes->n_waited, 0, sizeof pipes->n_waited);
}

void tg_pipes_reset(struct tg_pipes *pipes)
{
    clear(pipes);
    memset(pipes->free_at, 0, sizeof pipes->free_at);
    pipes->flowing = false;
    tg_pipes_begin(pipes);
}

/* ---- the list ---- */

uint16_t tg_pipes_flag(const struct tg_instr *instr)
{
    return (uint16_t)((instr->src_pipe * TG_PIPES + instr->dst_pipe) * TG_EVENTS + instr->event);
}

/* The list has room. */
static void link_step(struct tg_pipes *pipes, const struct tg_pipe_step *step)
{
    pipes->steps[pipes->n_steps++] = *step;
    const uint8_t pipe = step->pipe;
    if (pipes->at[pipe]) pipes->steps[pipes->last[pipe] - 1].next = pipes->n_steps;
    else pipes->at[pipe] = pipes->n_steps;
    pipes->last[pipe] = pipes->n_steps;
}

static bool append_step(struct tg_pipes *pipes, struct tg_pipe_step *step)
{
    void *steps = pipes->steps;
    if (!tg_grow(&steps, pipes->n_steps + 1, &pipes->steps_max, sizeof *step)) return false;
    pipes->steps = steps;
    step->gate = pipes->n_gates;
    link_step(pipes, step);
    return true;
}

static bool append_global(struct tg_pipes *pipes, const struct tg_global *global, uint32_t *index)
{
    void *globals = pipes->globals;
    if (!tg_grow(&globals, pipes->n_globals + 1, &pipes->globals_max, sizeof *global)) return false;
    pipes->globals = globals;
    *index = pipes->n_globals;
    pipes->globals[pipes->n_globals++] = *global;
    return true;
}

/* Steps that are appended from here on are issued when PIPE_S has passed the wait before. */
static bool append_gate(struct tg_pipes *pipes)
{
    void *passed_at = pipes->passed_at;
    if (!tg_grow(&passed_at, pipes->n_gates + 1, &pipes->passed_max, sizeof *pipes->passed_at)) return false;
    pipes->passed_at = passed_at;
    pipes->n_gates++;
    return true;
}

/* A barrier of all pipes is a step of each pipe; it ends when all pipes have reached it. */
static bool append_barrier_all(struct tg_pipes *pipes)
{
    for (uint8_t pipe = 0; pipe < TG_PIPES; pipe++) {
        struct tg_pipe_step step = {.pipe = pipe, .kind = STEP_BARRIER_ALL};
        if (!append_step(pipes, &step)) return false;
    }
    return true;
}

enum tg_pipes_append tg_pipes_append(struct tg_pipes *pipes, const struct tg_instr *instr, enum tg_pipe pipe,
                                     const struct tg_cost *cost)
{
    struct tg_pipe_step step = {.pipe = (uint8_t)pipe,
                                .op = (uint8_t)instr->op,
                                .startup = cost->startup,
                                .cycles = cost->cycles,
                                .line = instr->line,
                                .file = instr->file};
    switch ((enum tg_op)instr->op) {
    case TG_OP_SET_FLAG:
        step.kind = STEP_SET;
        step.pipe = instr->src_pipe;
        step.flag = tg_pipes_flag(instr);
        pipes->n_set[step.flag]++;
        break;
    case TG_OP_WAIT_FLAG:
        step.kind = STEP_WAIT;
        step.pipe = instr->dst_pipe;
        step.flag = tg_pipes_flag(instr);
        if (pipes->n_set[step.flag] == 0) return TG_PIPES_NO_FLAG;
        pipes->n_set[step.flag]--;
        if (!append_step(pipes, &step)) return TG_PIPES_NO_MEMORY;
        return step.pipe != PIPE_S || append_gate(pipes) ? TG_PIPES_OK : TG_PIPES_NO_MEMORY;
    case TG_OP_PIPE_BARRIER:
        if (instr->src_pipe == PIPE_ALL) return append_barrier_all(pipes) ? TG_PIPES_OK : TG_PIPES_NO_MEMORY;
        step.kind = STEP_BARRIER;
        step.pipe = instr->src_pipe;
        break;
    default:
        step.kind = instr->global ? STEP_TRANSFER : STEP_WORK;
        if (instr->global && !append_global(pipes, instr->global, &step.global)) return TG_PIPES_NO_MEMORY;
        break;
    }
    return append_step(pipes, &step) ? TG_PIPES_OK : TG_PIPES_NO_MEMORY;
}

/* ---- unfinished work of a kernel ---- */

static bool has_left(const struct tg_pipes *pipes)
{
    for (int pipe = 0; pipe < TG_PIPES; pipe++)
        if (pipes->at[pipe] != 0) return true;
    return false;
}

void tg_pipes_begin(struct tg_pipes *pipes)
{
    const uint32_t n_steps = pipes->n_steps;
    pipes->n_gates = pipes->n_passed = 0;
    memset(pipes->n_set, 0, sizeof pipes->n_set);
    if (!has_left(pipes)) {
        clear(pipes);
        return;
    }
    /* Remove finished steps; move the others and their GlobalTensors to the front, in order. */
    pipes->n_steps = pipes->n_globals = 0;
    memset(pipes->at, 0, sizeof pipes->at);
    memset(pipes->last, 0, sizeof pipes->last);
    for (uint32_t i = 0; i < n_steps; i++) {
        struct tg_pipe_step step = pipes->steps[i];
        if (step.done) continue;
        step.next = step.gate = 0;
        if (step.kind == STEP_TRANSFER) {
            pipes->globals[pipes->n_globals] = pipes->globals[step.global];
            step.global = pipes->n_globals++;
        }
        link_step(pipes, &step);
    }
    pipes->n_left = pipes->n_steps;
}

/* ---- playing it ---- */

struct player {
    struct tg_pipes *pipes;
    double ns_per_cycle;
    struct tg_kernel_times *times;
};

/* The current step of a pipe, if it was issued. NULL: not issued, or no step left. */
static struct tg_pipe_step *current(struct tg_pipes *pipes, int pipe)
{
    if (pipes->at[pipe] == 0) return NULL;
    struct tg_pipe_step *step = &pipes->steps[pipes->at[pipe] - 1];
    return step->gate <= pipes->n_passed ? step : NULL;
}

/* The pipe is idle until `time`. */
static void wait_until(struct tg_pipes *pipes, int pipe, double time)
{
    if (time <= pipes->free_at[pipe]) return;
    pipes->free_at[pipe] = time;
    if (pipe == PIPE_V) pipes->flowing = false;
}

/* A step of this kernel starts after the kernel's start and after the waits of its scalar unit. */
static void wait_for_issue(struct tg_pipes *pipes, int pipe, const struct tg_pipe_step *step)
{
    if (pipes->at[pipe] <= pipes->n_left) return;
    wait_until(pipes, pipe, step->gate > 0 ? pipes->passed_at[step->gate - 1] : pipes->start_ns);
}

static void leave(struct tg_pipes *pipes, int pipe, struct tg_pipe_step *step)
{
    step->done = true;
    pipes->at[pipe] = step->next;
}

static void set_played(struct tg_pipes *pipes, uint16_t flag, double time)
{
    pipes->set_at[flag][pipes->n_played[flag]++ % FLAG_RING] = time;
}

/* The flag's time, if the playing has set it already. */
static bool wait_played(struct tg_pipes *pipes, uint16_t flag, double *time)
{
    if (pipes->n_waited[flag] == pipes->n_played[flag]) return false;
    *time = pipes->set_at[flag][pipes->n_waited[flag]++ % FLAG_RING];
    return true;
}

/* A machine file may make a kernel last longer than its record can express. */
static void add_ns(uint32_t *sum, double ns)
{
    const double total = *sum + ns + 0.5;
    *sum = total < UINT32_MAX ? (uint32_t)total : UINT32_MAX;
}

static void tell_spent(const struct tg_pipes *pipes, const struct tg_pipe_step *step, double ns)
{
    const struct tg_spent spent = {step->file, step->line, step->op, ns};
    TG_OBSERVE(pipes->observers, spent, pipes->core, &spent);
}

static void tell_step(const struct tg_pipes *pipes, const struct tg_pipe_step *step, double start, double end)
{
    TG_OBSERVE(pipes->observers, step, pipes->core, (enum tg_pipe)step->pipe, step->op, (uint64_t)(start + 0.5),
               (uint64_t)(end + 0.5));
    tell_spent(pipes, step, end - start);
}

static void work(struct player *p, const struct tg_pipe_step *step)
{
    struct tg_pipes *pipes = p->pipes;
    /* The start-up of a vector instruction overlaps with the vector instruction right before it. */
    uint32_t startup = step->pipe == PIPE_V && pipes->flowing ? 0 : step->startup;
    double duration = ((double)startup + step->cycles) * p->ns_per_cycle;
    tell_step(pipes, step, pipes->free_at[step->pipe], pipes->free_at[step->pipe] + duration);
    pipes->free_at[step->pipe] += duration;
    add_ns(&p->times->pipe_busy_ns[step->pipe], duration);
    if (step->pipe == PIPE_V) pipes->flowing = step->startup > 0;
}

/* Let a pipe do all work that is independent of others. Returns whether it did any. */
static bool advance(struct player *p, int pipe)
{
    struct tg_pipes *pipes = p->pipes;
    bool moved = false;
    for (struct tg_pipe_step *step; (step = current(pipes, pipe)) != NULL; moved = true) {
        double set_at = 0;
        if (step->kind == STEP_TRANSFER || step->kind == STEP_BARRIER_ALL) break;
        if (step->kind == STEP_WAIT && !wait_played(pipes, step->flag, &set_at)) break;
        wait_for_issue(pipes, pipe, step);
        if (set_at > pipes->free_at[pipe]) tell_spent(pipes, step, set_at - pipes->free_at[pipe]);
        wait_until(pipes, pipe, set_at);
        if (step->kind == STEP_BARRIER && pipe == PIPE_V) pipes->flowing = false;
        if (step->kind == STEP_WORK) work(p, step);
        else pipes->free_at[pipe] += step->cycles * p->ns_per_cycle;
        if (step->kind == STEP_SET) set_played(pipes, step->flag, pipes->free_at[pipe]);
        if (step->kind == STEP_WAIT && pipe == PIPE_S) pipes->passed_at[pipes->n_passed++] = pipes->free_at[pipe];
        leave(pipes, pipe, step);
    }
    return moved;
}

/* All pipes are at a barrier of all pipes: they leave together. */
static bool pass_barrier_all(struct player *p)
{
    struct tg_pipes *pipes = p->pipes;
    struct tg_pipe_step *steps[TG_PIPES];
    double end = 0;
    for (int pipe = 0; pipe < TG_PIPES; pipe++) {
        steps[pipe] = current(pipes, pipe);
        if (!steps[pipe] || steps[pipe]->kind != STEP_BARRIER_ALL) return false;
    }
    for (int pipe = 0; pipe < TG_PIPES; pipe++) {
        wait_for_issue(pipes, pipe, steps[pipe]);
        if (pipes->free_at[pipe] > end) end = pipes->free_at[pipe];
    }
    for (int pipe = 0; pipe < TG_PIPES; pipe++) {
        pipes->free_at[pipe] = end;
        leave(pipes, pipe, steps[pipe]);
    }
    pipes->flowing = false;
    return true;
}

/* The pipe whose transfer is requested first; -1: no pipe is at a transfer. */
static int first_transfer(struct tg_pipes *pipes)
{
    int first = -1;
    for (int pipe = 0; pipe < TG_PIPES; pipe++) {
        const struct tg_pipe_step *step = current(pipes, pipe);
        if (!step || step->kind != STEP_TRANSFER) continue;
        wait_for_issue(pipes, pipe, step);
        if (first < 0 || pipes->free_at[pipe] < pipes->free_at[first]) first = pipe;
    }
    return first;
}

static void transfer(struct player *p, int pipe, tg_transfer_fn *shared, void *context)
{
    struct tg_pipes *pipes = p->pipes;
    struct tg_pipe_step *step = current(pipes, pipe);
    double start = pipes->free_at[pipe], alone = start + step->cycles * p->ns_per_cycle;
    double passed = shared(context, &pipes->globals[step->global], start);
    double end = passed > alone ? passed : alone;
    tell_step(pipes, step, start, end);
    pipes->free_at[pipe] = end;
    add_ns(&p->times->pipe_busy_ns[pipe], end - start);
    add_ns(&p->times->memory_wait_ns, end - alone);
    leave(pipes, pipe, step);
}

/* The time at which the scalar code has returned; negative: it has not. */
static double returned_at(const struct tg_pipes *pipes)
{
    if (pipes->at[PIPE_S] != 0) return -1;
    return pipes->free_at[PIPE_S] > pipes->start_ns ? pipes->free_at[PIPE_S] : pipes->start_ns;
}

/* Returns the end of the kernel. */
static double play_until_return(struct player *p, tg_transfer_fn *shared, void *context)
{
    struct tg_pipes *pipes = p->pipes;
    for (;;) {
        bool moved = false;
        for (int pipe = 0; pipe < TG_PIPES; pipe++) moved |= advance(p, pipe);
        if (moved || pass_barrier_all(p)) continue;
        /* Every pipe is done, at a transfer, or waits for such a pipe: the earliest transfer is next in this core's
         * time. */
        const int pipe = first_transfer(pipes);
        const double end = returned_at(pipes);
        if (pipe < 0) return end >= 0 ? end : pipes->start_ns;
        if (end >= 0 && pipes->free_at[pipe] > end) return end;
        transfer(p, pipe, shared, context);
    }
}

double tg_pipes_play(struct tg_pipes *pipes, double start_ns, double ns_per_cycle, tg_transfer_fn *shared,
                     void *context, struct tg_kernel_times *times)
{
    enum { KEPT_STEPS = 65536 };
    struct player p = {.pipes = pipes, .ns_per_cycle = ns_per_cycle, .times = times};
    pipes->start_ns = start_ns;
    const double end = play_until_return(&p, shared, context);
    /* The list of a long kernel goes with it: an idle core would keep it otherwise. */
    if (pipes->steps_max > KEPT_STEPS && !has_left(pipes)) {
        clear(pipes);
        tg_pipes_fini(pipes);
        pipes->steps_max = pipes->globals_max = pipes->passed_max = 0;
    }
    return end;
}
