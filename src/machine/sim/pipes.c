#include "machine/sim/pipes.h"

#include <stdlib.h>
#include <string.h>

enum step_kind { STEP_WORK, STEP_TRANSFER, STEP_SET, STEP_WAIT, STEP_BARRIER, STEP_BARRIER_ALL };
enum { FLAG_RING = 4 };

void tg_pipes_fini(struct tg_pipes *pipes)
{
    free(pipes->steps);
    free(pipes->globals);
    pipes->steps = NULL;
    pipes->globals = NULL;
}

void tg_pipes_reset(struct tg_pipes *pipes)
{
    pipes->n_steps = pipes->n_globals = 0;
    memset(pipes->first, 0, sizeof pipes->first);
    memset(pipes->last, 0, sizeof pipes->last);
    memset(pipes->n_set, 0, sizeof pipes->n_set);
}

/* ---- the list ---- */

static bool grow(void **items, uint32_t n, uint32_t *capacity, size_t bytes)
{
    if (n < *capacity) return true;
    uint32_t more = *capacity ? 2 * *capacity : 256;
    void *grown = realloc(*items, more * bytes);
    if (!grown) return false;
    *items = grown;
    *capacity = more;
    return true;
}

uint16_t tg_pipes_flag(const struct tg_instr *instr)
{
    return (uint16_t)((instr->src_pipe * TG_PIPES + instr->dst_pipe) * TG_EVENTS + instr->event);
}

static bool append_step(struct tg_pipes *pipes, const struct tg_pipe_step *step)
{
    void *steps = pipes->steps;
    if (!grow(&steps, pipes->n_steps, &pipes->steps_max, sizeof *step)) return false;
    pipes->steps = steps;
    pipes->steps[pipes->n_steps++] = *step;
    uint32_t *last = &pipes->last[step->pipe];
    if (*last) pipes->steps[*last - 1].next = pipes->n_steps;
    else pipes->first[step->pipe] = pipes->n_steps;
    *last = pipes->n_steps;
    return true;
}

static bool append_global(struct tg_pipes *pipes, const struct tg_global *global, uint32_t *index)
{
    void *globals = pipes->globals;
    if (!grow(&globals, pipes->n_globals, &pipes->globals_max, sizeof *global)) return false;
    pipes->globals = globals;
    *index = pipes->n_globals;
    pipes->globals[pipes->n_globals++] = *global;
    return true;
}

/* A barrier of all pipes is a step of each, which leaves when all have come. */
static bool append_barrier_all(struct tg_pipes *pipes)
{
    for (uint8_t pipe = 0; pipe < TG_PIPES; pipe++) {
        const struct tg_pipe_step step = {.pipe = pipe, .kind = STEP_BARRIER_ALL};
        if (!append_step(pipes, &step)) return false;
    }
    return true;
}

enum tg_pipes_append tg_pipes_append(struct tg_pipes *pipes, const struct tg_instr *instr, enum tg_pipe pipe,
                                     const struct tg_cost *cost)
{
    struct tg_pipe_step step = {
        .pipe = (uint8_t)pipe, .op = (uint8_t)instr->op, .startup = cost->startup, .cycles = cost->cycles};
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
        break;
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

/* ---- playing it ---- */

struct player {
    struct tg_pipes *pipes;
    double ns_per_cycle;
    struct tg_kernel_times *times;
    uint32_t at[TG_PIPES]; /* the step that each pipe is at, index + 1; 0: done */
};

static void set_played(struct tg_pipes *pipes, uint16_t flag, double time)
{
    pipes->set_at[flag][pipes->n_played[flag]++ % FLAG_RING] = time;
}

/* The flag's time, if it is set already as far as has been played. */
static bool wait_played(struct tg_pipes *pipes, uint16_t flag, double *time)
{
    if (pipes->n_waited[flag] == pipes->n_played[flag]) return false;
    *time = pipes->set_at[flag][pipes->n_waited[flag]++ % FLAG_RING];
    return true;
}

/* A machine file may make a kernel last longer than its record can say. */
static void add_ns(uint32_t *sum, double ns)
{
    const double total = *sum + ns + 0.5;
    *sum = total < UINT32_MAX ? (uint32_t)total : UINT32_MAX;
}

static void log_step(const struct tg_pipes *pipes, const struct tg_pipe_step *step, double start, double end)
{
    if (!pipes->log) return;
    const struct tg_record_step logged = {(uint64_t)(start + 0.5), (uint64_t)(end + 0.5), pipes->core, step->pipe,
                                          step->op};
    tg_record_step(pipes->log, &logged);
}

static void work(struct player *p, const struct tg_pipe_step *step)
{
    struct tg_pipes *pipes = p->pipes;
    /* Vector instructions behind each other are started in the shadow of the one before. */
    uint32_t startup = step->pipe == PIPE_V && pipes->flowing ? 0 : step->startup;
    double duration = ((double)startup + step->cycles) * p->ns_per_cycle;
    log_step(pipes, step, pipes->free_at[step->pipe], pipes->free_at[step->pipe] + duration);
    pipes->free_at[step->pipe] += duration;
    add_ns(&p->times->pipe_busy_ns[step->pipe], duration);
    if (step->pipe == PIPE_V) pipes->flowing = step->startup > 0;
}

/* Let a pipe do what needs nobody else. Returns whether it did anything. */
static bool advance(struct player *p, int pipe)
{
    struct tg_pipes *pipes = p->pipes;
    bool moved = false;
    while (p->at[pipe]) {
        const struct tg_pipe_step *step = &pipes->steps[p->at[pipe] - 1];
        double set_at = 0;
        if (step->kind == STEP_TRANSFER || step->kind == STEP_BARRIER_ALL) break;
        if (step->kind == STEP_WAIT) {
            if (!wait_played(pipes, step->flag, &set_at)) break;
            if (set_at > pipes->free_at[pipe]) {
                pipes->free_at[pipe] = set_at;
                if (pipe == PIPE_V) pipes->flowing = false;
            }
        }
        if (step->kind == STEP_BARRIER && pipe == PIPE_V) pipes->flowing = false;
        if (step->kind == STEP_WORK) work(p, step);
        else pipes->free_at[pipe] += step->cycles * p->ns_per_cycle;
        if (step->kind == STEP_SET) set_played(pipes, step->flag, pipes->free_at[pipe]);
        p->at[pipe] = step->next;
        moved = true;
    }
    return moved;
}

static double latest(const struct tg_pipes *pipes)
{
    double end = 0;
    for (int pipe = 0; pipe < TG_PIPES; pipe++)
        if (pipes->free_at[pipe] > end) end = pipes->free_at[pipe];
    return end;
}

/* All pipes stand at a barrier of all: they leave together. */
static bool pass_barrier_all(struct player *p)
{
    for (int pipe = 0; pipe < TG_PIPES; pipe++)
        if (!p->at[pipe] || p->pipes->steps[p->at[pipe] - 1].kind != STEP_BARRIER_ALL) return false;
    double end = latest(p->pipes);
    for (int pipe = 0; pipe < TG_PIPES; pipe++) {
        p->pipes->free_at[pipe] = end;
        p->at[pipe] = p->pipes->steps[p->at[pipe] - 1].next;
    }
    p->pipes->flowing = false;
    return true;
}

/* The pipe whose transfer is asked for first; -1: none stands at one. */
static int first_transfer(const struct player *p)
{
    int first = -1;
    for (int pipe = 0; pipe < TG_PIPES; pipe++) {
        if (!p->at[pipe] || p->pipes->steps[p->at[pipe] - 1].kind != STEP_TRANSFER) continue;
        if (first < 0 || p->pipes->free_at[pipe] < p->pipes->free_at[first]) first = pipe;
    }
    return first;
}

static void transfer(struct player *p, int pipe, tg_transfer_fn *shared, void *context)
{
    struct tg_pipes *pipes = p->pipes;
    const struct tg_pipe_step *step = &pipes->steps[p->at[pipe] - 1];
    double start = pipes->free_at[pipe], alone = start + step->cycles * p->ns_per_cycle;
    double passed = shared(context, &pipes->globals[step->global], start);
    double end = passed > alone ? passed : alone;
    log_step(pipes, step, start, end);
    pipes->free_at[pipe] = end;
    add_ns(&p->times->pipe_busy_ns[pipe], end - start);
    add_ns(&p->times->memory_wait_ns, end - alone);
    p->at[pipe] = step->next;
}

double tg_pipes_play(struct tg_pipes *pipes, double start_ns, double ns_per_cycle, tg_transfer_fn *shared,
                     void *context, struct tg_kernel_times *times)
{
    struct player p = {.pipes = pipes, .ns_per_cycle = ns_per_cycle, .times = times};
    memcpy(p.at, pipes->first, sizeof p.at);
    memset(pipes->n_played, 0, sizeof pipes->n_played);
    memset(pipes->n_waited, 0, sizeof pipes->n_waited);
    for (int pipe = 0; pipe < TG_PIPES; pipe++) pipes->free_at[pipe] = start_ns;
    pipes->flowing = false;
    for (;;) {
        bool moved = false;
        for (int pipe = 0; pipe < TG_PIPES; pipe++) moved |= advance(&p, pipe);
        if (moved || pass_barrier_all(&p)) continue;
        /* Every pipe is done, at a transfer, or waits for one of those: the earliest is next in this core's time. */
        int pipe = first_transfer(&p);
        if (pipe < 0) return latest(pipes);
        transfer(&p, pipe, shared, context);
    }
}
