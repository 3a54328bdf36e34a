#include "machine/sim/pipes.h"

#include <stdlib.h>
#include <string.h>

#include "base/grow.h"

/* BLOCK: PIPE_S waits for the end of the older block. */
enum step_kind { STEP_WORK, STEP_TRANSFER, STEP_SET, STEP_WAIT, STEP_BARRIER, STEP_BARRIER_ALL, STEP_BLOCK };
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
    pipes->n_steps = pipes->n_globals = pipes->n_left = pipes->n_old = pipes->n_open = 0;
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

/* ---- removing what is done ---- */

static bool has_left(const struct tg_pipes *pipes)
{
    for (int pipe = 0; pipe < TG_PIPES; pipe++)
        if (pipes->at[pipe] != 0) return true;
    return false;
}

/* Remove the steps that are done, and the first `n_gates` gates. The others and their GlobalTensors move to the front,
 * in order: they are the older block now. */
static void compact(struct tg_pipes *pipes, uint32_t n_gates)
{
    const uint32_t n_steps = pipes->n_steps;
    pipes->n_steps = pipes->n_globals = 0;
    memset(pipes->at, 0, sizeof pipes->at);
    memset(pipes->last, 0, sizeof pipes->last);
    for (uint32_t i = 0; i < n_steps; i++) {
        struct tg_pipe_step step = pipes->steps[i];
        if (step.done) continue;
        step.next = 0;
        step.gate = step.gate > n_gates ? step.gate - n_gates : 0;
        if (step.kind == STEP_TRANSFER) {
            pipes->globals[pipes->n_globals] = pipes->globals[step.global];
            step.global = pipes->n_globals++;
        }
        link_step(pipes, &step);
    }
    pipes->n_old = pipes->n_open = pipes->n_steps;
    pipes->old_end = pipes->new_end;
    pipes->new_end = 0;
}

void tg_pipes_begin(struct tg_pipes *pipes)
{
    pipes->old_end = pipes->new_end = 0;
    if (has_left(pipes)) compact(pipes, pipes->n_gates);
    else clear(pipes);
    pipes->n_gates = pipes->n_passed = 0;
    memset(pipes->n_set, 0, sizeof pipes->n_set);
    pipes->n_left = pipes->n_steps;
}

/* The older block has ended. Its gates go, up to the one that the steps in the list were issued behind. */
static void remove_block(struct tg_pipes *pipes)
{
    uint32_t first = pipes->n_gates;
    for (uint32_t i = 0; i < pipes->n_steps; i++)
        if (!pipes->steps[i].done && pipes->steps[i].gate < first) first = pipes->steps[i].gate;
    const uint32_t n_gates = first > 0 ? first - 1 : 0;
    compact(pipes, n_gates);
    pipes->n_left = 0;
    pipes->n_gates -= n_gates;
    pipes->n_passed -= n_gates;
    memmove(pipes->passed_at, pipes->passed_at + n_gates, pipes->n_passed * sizeof *pipes->passed_at);
}

/* ---- playing it ---- */

struct playing {
    struct tg_pipes *pipes;
    const struct tg_player *how;
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
static void wait_for_issue(const struct playing *p, int pipe, const struct tg_pipe_step *step)
{
    struct tg_pipes *pipes = p->pipes;
    if (pipes->at[pipe] <= pipes->n_left) return;
    wait_until(pipes, pipe, step->gate > 0 ? pipes->passed_at[step->gate - 1] : p->how->start_ns);
}

/* The step has ended, at the time at which its pipe is free. */
static void leave(struct tg_pipes *pipes, int pipe, struct tg_pipe_step *step)
{
    const bool is_old = pipes->at[pipe] <= pipes->n_old;
    double *end = is_old ? &pipes->old_end : &pipes->new_end;
    if (pipes->free_at[pipe] > *end) *end = pipes->free_at[pipe];
    pipes->n_open -= is_old;
    step->done = true;
    pipes->at[pipe] = step->next;
}

static void set_played(struct tg_pipes *pipes, uint16_t flag, double time)
{
    pipes->set_at[flag][pipes->n_played[flag]++ % FLAG_RING] = time;
}

/* May the step go on? *time: that of the event that it has waited for; 0: it waits for nothing. */
static bool may_go(struct tg_pipes *pipes, const struct tg_pipe_step *step, double *time)
{
    *time = 0;
    switch ((enum step_kind)step->kind) {
    case STEP_TRANSFER:
    case STEP_BARRIER_ALL: return false;
    case STEP_WAIT:
        if (pipes->n_waited[step->flag] == pipes->n_played[step->flag]) return false;
        *time = pipes->set_at[step->flag][pipes->n_waited[step->flag]++ % FLAG_RING];
        return true;
    case STEP_BLOCK: *time = pipes->old_end; return pipes->n_open == 0;
    case STEP_WORK:
    case STEP_SET:
    case STEP_BARRIER: return true;
    }
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

static void work(const struct playing *p, const struct tg_pipe_step *step)
{
    struct tg_pipes *pipes = p->pipes;
    /* The start-up of a vector instruction overlaps with the vector instruction right before it. */
    uint32_t startup = step->pipe == PIPE_V && pipes->flowing ? 0 : step->startup;
    double duration = ((double)startup + step->cycles) * p->how->ns_per_cycle;
    tell_step(pipes, step, pipes->free_at[step->pipe], pipes->free_at[step->pipe] + duration);
    pipes->free_at[step->pipe] += duration;
    add_ns(&p->how->times->pipe_busy_ns[step->pipe], duration);
    if (step->pipe == PIPE_V) pipes->flowing = step->startup > 0;
}

/* Let a pipe do all work that is independent of others. Returns whether it did any. */
static bool advance(const struct playing *p, int pipe)
{
    struct tg_pipes *pipes = p->pipes;
    bool moved = false;
    double awaited;
    for (struct tg_pipe_step *step; (step = current(pipes, pipe)) && may_go(pipes, step, &awaited); moved = true) {
        wait_for_issue(p, pipe, step);
        if (step->kind == STEP_WAIT && awaited > pipes->free_at[pipe])
            tell_spent(pipes, step, awaited - pipes->free_at[pipe]);
        wait_until(pipes, pipe, awaited);
        if (step->kind == STEP_BARRIER && pipe == PIPE_V) pipes->flowing = false;
        if (step->kind == STEP_WORK) work(p, step);
        else pipes->free_at[pipe] += step->cycles * p->how->ns_per_cycle;
        if (step->kind == STEP_SET) set_played(pipes, step->flag, pipes->free_at[pipe]);
        const bool is_gate = step->kind == STEP_BLOCK || (step->kind == STEP_WAIT && pipe == PIPE_S);
        if (is_gate) pipes->passed_at[pipes->n_passed++] = pipes->free_at[pipe];
        leave(pipes, pipe, step);
    }
    return moved;
}

/* All pipes are at a barrier of all pipes: they leave together. */
static bool pass_barrier_all(const struct playing *p)
{
    struct tg_pipes *pipes = p->pipes;
    struct tg_pipe_step *steps[TG_PIPES];
    double end = 0;
    for (int pipe = 0; pipe < TG_PIPES; pipe++) {
        steps[pipe] = current(pipes, pipe);
        if (!steps[pipe] || steps[pipe]->kind != STEP_BARRIER_ALL) return false;
    }
    for (int pipe = 0; pipe < TG_PIPES; pipe++) {
        wait_for_issue(p, pipe, steps[pipe]);
        if (pipes->free_at[pipe] > end) end = pipes->free_at[pipe];
    }
    for (int pipe = 0; pipe < TG_PIPES; pipe++) {
        pipes->free_at[pipe] = end;
        leave(pipes, pipe, steps[pipe]);
    }
    pipes->flowing = false;
    return true;
}

/* Let all pipes do their work, up to transfers and to what waits for them. */
static void play_work(const struct playing *p)
{
    bool moved;
    do {
        moved = false;
        for (int pipe = 0; pipe < TG_PIPES; pipe++) moved |= advance(p, pipe);
    } while (moved || pass_barrier_all(p));
}

/* The pipe whose transfer is requested first, when all work is played: the next event in this core's time. -1: no pipe
 * is at a transfer. */
static int first_transfer(const struct playing *p)
{
    struct tg_pipes *pipes = p->pipes;
    int first = -1;
    for (int pipe = 0; pipe < TG_PIPES; pipe++) {
        const struct tg_pipe_step *step = current(pipes, pipe);
        if (!step || step->kind != STEP_TRANSFER) continue;
        wait_for_issue(p, pipe, step);
        if (first < 0 || pipes->free_at[pipe] < pipes->free_at[first]) first = pipe;
    }
    return first;
}

static void transfer(const struct playing *p, int pipe)
{
    struct tg_pipes *pipes = p->pipes;
    struct tg_pipe_step *step = current(pipes, pipe);
    double start = pipes->free_at[pipe], alone = start + step->cycles * p->how->ns_per_cycle;
    double passed = p->how->transfer(p->how->context, &pipes->globals[step->global], start);
    double end = passed > alone ? passed : alone;
    tell_step(pipes, step, start, end);
    pipes->free_at[pipe] = end;
    add_ns(&p->how->times->pipe_busy_ns[pipe], end - start);
    add_ns(&p->how->times->memory_wait_ns, end - alone);
    leave(pipes, pipe, step);
}

bool tg_pipes_are_full(const struct tg_pipes *pipes) { return pipes->n_steps - pipes->n_old >= TG_PIPES_BLOCK; }

bool tg_pipes_play_block(struct tg_pipes *pipes, const struct tg_player *player)
{
    const struct playing p = {pipes, player};
    struct tg_pipe_step block = {.pipe = PIPE_S, .kind = STEP_BLOCK};
    if (!append_step(pipes, &block) || !append_gate(pipes)) return false;
    for (play_work(&p); pipes->n_passed < pipes->n_gates; play_work(&p)) {
        const int pipe = first_transfer(&p);
        if (pipe < 0) return false; /* an earlier kernel had no memory for all steps of a barrier */
        transfer(&p, pipe);
    }
    remove_block(pipes);
    return true;
}

/* The time at which the scalar code has returned; negative: it has not. */
static double returned_at(const struct playing *p)
{
    const struct tg_pipes *pipes = p->pipes;
    if (pipes->at[PIPE_S] != 0) return -1;
    return pipes->free_at[PIPE_S] > p->how->start_ns ? pipes->free_at[PIPE_S] : p->how->start_ns;
}

double tg_pipes_play(struct tg_pipes *pipes, const struct tg_player *player)
{
    const struct playing p = {pipes, player};
    for (;;) {
        play_work(&p);
        const int pipe = first_transfer(&p);
        const double end = returned_at(&p);
        if (pipe < 0) return end >= 0 ? end : player->start_ns;
        if (end >= 0 && pipes->free_at[pipe] > end) return end;
        transfer(&p, pipe);
    }
}
