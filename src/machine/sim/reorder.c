#include "machine/sim/reorder.h"

#include <stdlib.h>
#include <string.h>

#include "base/grow.h"
#include "tile/execute.h"
#include "tile/footprint.h"

/* With more instructions some are executed before the kernel goes on; that is one of the allowed orders. */
enum { STEPS_MAX = 1 << 14 };

/* The priority of pipes that can go on. The scalar unit only lets others go on. */
static const uint8_t orders[2][TG_PIPES] = {
    {PIPE_S, PIPE_FIX, PIPE_MTE3, PIPE_M, PIPE_V, PIPE_MTE1, PIPE_MTE2}, /* late */
    {PIPE_S, PIPE_MTE2, PIPE_MTE1, PIPE_V, PIPE_M, PIPE_MTE3, PIPE_FIX}, /* early */
};

static void forget(struct tg_reorder *reorder)
{
    reorder->n_steps = reorder->n_issued = reorder->n_passed = 0;
    reorder->n_data = 0;
    memset(reorder->at, 0, sizeof reorder->at);
    memset(reorder->last, 0, sizeof reorder->last);
    memset(reorder->n_writes, 0, sizeof reorder->n_writes);
}

void tg_reorder_begin(struct tg_reorder *reorder, const struct tg_buffers *buffers, struct tg_gm *gm, bool early)
{
    forget(reorder);
    memset(reorder->flags, 0, sizeof reorder->flags);
    reorder->buffers = buffers;
    reorder->gm = gm;
    reorder->early = early;
    reorder->no_memory = false;
    for (uint32_t kind = 0; kind < TG_TILE_KINDS; kind++)
        if (buffers->of_kind[kind]) memset(buffers->of_kind[kind], 0xFF, tg_kind_capacity(kind));
}

void tg_reorder_fini(struct tg_reorder *reorder)
{
    for (int pipe = 0; pipe < TG_PIPES; pipe++) free(reorder->writes[pipe]);
    free(reorder->steps);
    free(reorder->data);
    tg_landing_fini(&reorder->left);
    tg_landing_fini(&reorder->noted);
    memset(reorder, 0, sizeof *reorder);
}

/* ---- bytes that are written but not visible yet --------------------------------------------------------------------
 */

/* Let the writes of a pipe appear, up to those of step `last`. No order exists between them: the last one goes first.
 */
static void appear(struct tg_reorder *reorder, uint32_t pipe, uint32_t last)
{
    struct tg_reorder_write *writes = reorder->writes[pipe];
    uint32_t n = 0;
    while (n < reorder->n_writes[pipe] && writes[n].step <= last) n++;
    for (uint32_t i = n; i > 0; i--)
        memcpy(writes[i - 1].place, reorder->data + writes[i - 1].data, writes[i - 1].n_bytes);
    reorder->n_writes[pipe] -= n;
    if (n > 0) memmove(writes, writes + n, reorder->n_writes[pipe] * sizeof *writes);
    for (int p = 0; p < TG_PIPES; p++)
        if (reorder->n_writes[p] > 0) return;
    reorder->n_data = 0;
}

static void appear_all(struct tg_reorder *reorder)
{
    for (uint32_t pipe = 0; pipe < TG_PIPES; pipe++) appear(reorder, pipe, UINT32_MAX);
}

/* Note a write of `step`, with the current bytes. */
static bool note_write(struct tg_reorder *reorder, uint32_t step, uint8_t *place, uint32_t n_bytes)
{
    const uint8_t pipe = reorder->steps[step].pipe;
    void *writes = reorder->writes[pipe], *data = reorder->data;
    bool room = tg_grow(&writes, reorder->n_writes[pipe] + 1, &reorder->writes_max[pipe],
                        sizeof(struct tg_reorder_write));
    reorder->writes[pipe] = writes;
    room = tg_grow(&data, reorder->n_data + n_bytes, &reorder->data_max, 1) && room;
    reorder->data = data;
    if (!room) return false;
    reorder->writes[pipe][reorder->n_writes[pipe]++] = (struct tg_reorder_write){place, n_bytes, step, reorder->n_data};
    memcpy(reorder->data + reorder->n_data, place, n_bytes);
    reorder->n_data += n_bytes;
    return true;
}

static bool note_tile(struct tg_reorder *reorder, uint32_t step, const struct tg_tile *tile)
{
    struct tg_bytes run;
    uint8_t *buffer = reorder->buffers->of_kind[tile->kind];
    for (uint32_t i = 0; tg_tile_run(tile, i, &run); i++)
        if (!note_write(reorder, step, buffer + run.low, run.high - run.low)) return false;
    return true;
}

static bool note_global(struct tg_reorder *reorder, uint32_t step, const struct tg_global *global)
{
    struct tg_run_of_bytes run;
    for (uint32_t i = 0; tg_global_run(global, i, &run); i++) {
        uint8_t *place = (uint8_t *)(uintptr_t)run.address;
        if (!note_write(reorder, step, place, (uint32_t)run.bytes)) return false;
    }
    return true;
}

static void exchange(uint8_t *a, uint8_t *b, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        const uint8_t byte = a[i];
        a[i] = b[i];
        b[i] = byte;
    }
}

/* ---- executing a step -------------------------------------------------------------------------------------------- */

/* Bytes that an instruction overwrites on the way have no meaning afterwards, except for its result. */
static void spoil_scratch(const struct tg_reorder *reorder, const struct tg_operand *operands, int n)
{
    struct tg_bytes run;
    for (int i = 0; i < n; i++)
        for (uint32_t r = 0; operands[i].use == TG_USE_SCRATCH && tg_tile_run(&operands[i].tile, r, &run); r++)
            memset(reorder->buffers->of_kind[operands[i].tile.kind] + run.low, 0xFF, run.high - run.low);
}

static void execute_now(const struct tg_reorder *reorder, const struct tg_instr *instr)
{
    struct tg_operand operands[TG_OPERANDS_MAX];
    spoil_scratch(reorder, operands, tg_footprint(instr, operands));
    tg_execute(instr, reorder->buffers);
}

/* Store the written bytes elsewhere, and restore the old ones. */
static bool execute_unseen(struct tg_reorder *reorder, uint32_t step, const struct tg_instr *instr)
{
    const uint8_t pipe = reorder->steps[step].pipe;
    const uint32_t first = reorder->n_writes[pipe];
    struct tg_operand operands[TG_OPERANDS_MAX];
    const int n = tg_footprint(instr, operands);
    /* Scratch may contain a part of the result. It comes before the result, so that the result appears last and new. */
    for (int i = 0; i < n; i++)
        if (operands[i].use != TG_USE_READ && !note_tile(reorder, step, &operands[i].tile)) return false;
    if (tg_use_writes(tg_form_of(instr->op)->global) && !note_global(reorder, step, instr->global)) return false;
    spoil_scratch(reorder, operands, n);
    tg_execute(instr, reorder->buffers);
    for (uint32_t i = first; i < reorder->n_writes[pipe]; i++) {
        const struct tg_reorder_write *write = &reorder->writes[pipe][i];
        exchange(write->place, reorder->data + write->data, write->n_bytes);
    }
    return true;
}

/* The next product sees a large product of the pipe without a barrier. */
static void show_large_product(struct tg_reorder *reorder, const struct tg_reorder_step *step)
{
    const uint32_t n = reorder->n_writes[PIPE_M];
    if (step->pipe != PIPE_M || n == 0) return;
    const uint32_t last = reorder->writes[PIPE_M][n - 1].step;
    struct tg_instr product = reorder->steps[last].instr;
    product.dst = &reorder->steps[last].tiles[TG_SLOT_DST];
    if (tg_instr_is_interlocked(&product)) appear(reorder, PIPE_M, last);
}

static bool writes_global(const struct tg_reorder_step *step)
{
    return step->has_global && tg_use_writes(tg_form_of(step->instr.op)->global);
}

static void execute(struct tg_reorder *reorder, uint32_t index)
{
    const struct tg_reorder_step *step = &reorder->steps[index];
    struct tg_instr instr = step->instr;
    for (uint32_t slot = 0; slot < TG_SLOTS; slot++)
        tg_instr_set_tile(&instr, slot, step->has >> slot & 1u ? &step->tiles[slot] : NULL);
    instr.global = step->has_global ? &step->global : NULL;
    show_large_product(reorder, step);
    /* A pipe stores in order: an earlier kernel's stores land first. */
    if (writes_global(step)) tg_reorder_land(reorder);
    if (reorder->early || tg_store_adds(&instr)) execute_now(reorder, &instr);
    else if (!execute_unseen(reorder, index, &instr)) reorder->no_memory = true;
}

/* ---- going on ---------------------------------------------------------------------------------------------------- */

static bool is_barrier_all(const struct tg_reorder_step *step)
{
    return step->instr.op == TG_OP_PIPE_BARRIER && step->instr.src_pipe == PIPE_ALL;
}

static bool may_go(const struct tg_reorder *reorder, const struct tg_reorder_step *step)
{
    if (step->issued > reorder->n_passed || is_barrier_all(step)) return false;
    return step->instr.op != TG_OP_WAIT_FLAG || reorder->steps[step->flag - 1].done;
}

static void go(struct tg_reorder *reorder, uint32_t pipe)
{
    const uint32_t index = reorder->at[pipe] - 1;
    struct tg_reorder_step *step = &reorder->steps[index];
    switch ((enum tg_op)step->instr.op) {
    case TG_OP_SET_FLAG: break;
    case TG_OP_WAIT_FLAG:
        appear(reorder, step->instr.src_pipe, step->flag - 1);
        if (pipe == PIPE_S) reorder->n_passed++;
        break;
    case TG_OP_PIPE_BARRIER: appear(reorder, pipe, UINT32_MAX); break;
    default: execute(reorder, index); break;
    }
    step->done = true;
    reorder->at[pipe] = step->next;
}

/* All pipes are at a barrier of all pipes: they go on together. */
static bool pass_barrier_all(struct tg_reorder *reorder)
{
    for (int pipe = 0; pipe < TG_PIPES; pipe++)
        if (reorder->at[pipe] == 0 || !is_barrier_all(&reorder->steps[reorder->at[pipe] - 1])) return false;
    appear_all(reorder);
    for (int pipe = 0; pipe < TG_PIPES; pipe++) reorder->at[pipe] = reorder->steps[reorder->at[pipe] - 1].next;
    return true;
}

/* Execute one step of the first pipe that can go on. The kernel's own order is always possible, so one pipe can always
 * go on. */
static bool go_on(struct tg_reorder *reorder)
{
    for (int i = 0; i < TG_PIPES; i++) {
        const uint32_t pipe = orders[reorder->early][i];
        if (reorder->at[pipe] == 0 || !may_go(reorder, &reorder->steps[reorder->at[pipe] - 1])) continue;
        go(reorder, pipe);
        return true;
    }
    return pass_barrier_all(reorder);
}

/* Flags that are set and not waited for stay set. */
static void keep_flags(struct tg_reorder *reorder)
{
    for (size_t i = 0; i < sizeof reorder->flags / sizeof reorder->flags[0]; i++) {
        for (uint32_t set = reorder->flags[i].first; set; set = reorder->steps[set - 1].flag)
            reorder->flags[i].n_done++;
        reorder->flags[i].first = reorder->flags[i].last = 0;
    }
}

/* Execute all kept instructions. */
static void finish(struct tg_reorder *reorder)
{
    while (go_on(reorder)) continue;
    appear_all(reorder);
    keep_flags(reorder);
    forget(reorder);
}

/* Note the bytes of a store without a wait. false: no memory. */
static bool note_store(struct tg_reorder *reorder, const struct tg_global *global)
{
    struct tg_run_of_bytes run;
    for (uint32_t i = 0; tg_global_run(global, i, &run); i++)
        if (!tg_landing_note(&reorder->noted, run.address, run.bytes)) return false;
    return true;
}

/* The stores that have not appeared: unexecuted ones, and those whose bytes are stored elsewhere. */
static bool note_stores(struct tg_reorder *reorder)
{
    for (uint32_t i = 0; i < reorder->n_steps; i++) {
        const struct tg_reorder_step *step = &reorder->steps[i];
        if (writes_global(step) && !step->done && !note_store(reorder, &step->global)) return false;
    }
    for (int pipe = 0; pipe < TG_PIPES; pipe++)
        for (uint32_t i = 0; i < reorder->n_writes[pipe]; i++) {
            const struct tg_reorder_write *write = &reorder->writes[pipe][i];
            if (writes_global(&reorder->steps[write->step]) &&
                !tg_landing_note(&reorder->noted, (uint64_t)(uintptr_t)write->place, write->n_bytes))
                return false;
        }
    return true;
}

bool tg_reorder_end(struct tg_reorder *reorder)
{
    if (!reorder->early && !note_stores(reorder)) reorder->no_memory = true;
    finish(reorder);
    tg_reorder_land(reorder); /* the kernel had no store that would have caused this */
    tg_landing_hold(&reorder->noted);
    const struct tg_landing empty = reorder->left;
    reorder->left = reorder->noted;
    reorder->noted = empty;
    return !reorder->no_memory;
}

void tg_reorder_land(struct tg_reorder *reorder) { tg_landing_land(&reorder->left, reorder->gm); }

/* ---- keeping ----------------------------------------------------------------------------------------------------- */

static void append(struct tg_reorder *reorder, const struct tg_reorder_step *step)
{
    reorder->steps[reorder->n_steps++] = *step;
    const uint32_t index = reorder->n_steps;
    if (reorder->at[step->pipe]) reorder->steps[reorder->last[step->pipe] - 1].next = index;
    else reorder->at[step->pipe] = index;
    reorder->last[step->pipe] = index;
}

static void append_set(struct tg_reorder *reorder, struct tg_reorder_step *step)
{
    const uint16_t flag = tg_pipes_flag(&step->instr);
    step->pipe = step->instr.src_pipe;
    append(reorder, step);
    const uint32_t index = reorder->n_steps, last = reorder->flags[flag].last;
    if (last) reorder->steps[last - 1].flag = index;
    else reorder->flags[flag].first = index;
    reorder->flags[flag].last = index;
}

static void append_wait(struct tg_reorder *reorder, struct tg_reorder_step *step)
{
    const uint16_t flag = tg_pipes_flag(&step->instr);
    if (reorder->flags[flag].n_done > 0) {
        reorder->flags[flag].n_done--;
        return;
    }
    const uint32_t set = reorder->flags[flag].first;
    if (!set) return;
    reorder->flags[flag].first = reorder->steps[set - 1].flag;
    if (!reorder->flags[flag].first) reorder->flags[flag].last = 0;
    step->pipe = step->instr.dst_pipe;
    step->flag = set;
    append(reorder, step);
    if (step->pipe == PIPE_S) reorder->n_issued++;
}

static void append_barrier(struct tg_reorder *reorder, struct tg_reorder_step *step)
{
    const bool all = step->instr.src_pipe == PIPE_ALL;
    for (uint8_t pipe = 0; pipe < TG_PIPES; pipe++) {
        if (!all && pipe != step->instr.src_pipe) continue;
        step->pipe = pipe;
        append(reorder, step);
    }
}

static struct tg_reorder_step copy_of(const struct tg_instr *instr, enum tg_pipe pipe, uint32_t issued)
{
    struct tg_reorder_step step = {.instr = *instr, .pipe = (uint8_t)pipe, .issued = issued};
    for (uint32_t slot = 0; slot < TG_SLOTS; slot++) {
        const struct tg_tile *tile = tg_instr_tile(instr, slot);
        if (!tile) continue;
        step.tiles[slot] = *tile;
        step.has |= 1u << slot;
    }
    step.has_global = instr->global != NULL;
    if (instr->global) step.global = *instr->global;
    return step;
}

/* A wait of PIPE_S, or a barrier of all pipes, holds the kernel itself: its next action, for example a plain load,
 * finds the awaited results. */
static void hold_up(struct tg_reorder *reorder, const struct tg_instr *instr)
{
    const bool all = instr->op == TG_OP_PIPE_BARRIER && instr->src_pipe == PIPE_ALL;
    while ((all || reorder->n_passed < reorder->n_issued) && go_on(reorder)) continue;
}

bool tg_reorder_add(struct tg_reorder *reorder, const struct tg_instr *instr, enum tg_pipe pipe)
{
    if (reorder->n_steps + TG_PIPES > STEPS_MAX) finish(reorder);
    void *steps = reorder->steps;
    bool room = tg_grow(&steps, reorder->n_steps + TG_PIPES, &reorder->steps_max, sizeof *reorder->steps);
    reorder->steps = steps;
    if (!room) return false;
    struct tg_reorder_step step = copy_of(instr, pipe, reorder->n_issued);
    switch ((enum tg_op)instr->op) {
    case TG_OP_SET_FLAG: append_set(reorder, &step); break;
    case TG_OP_WAIT_FLAG: append_wait(reorder, &step); break;
    case TG_OP_PIPE_BARRIER: append_barrier(reorder, &step); break;
    default: append(reorder, &step); break;
    }
    /* The kernel goes on with the instruction's result in its memory: play the pipes up to it. */
    const uint32_t index = reorder->n_steps;
    while (instr->result && !reorder->steps[index - 1].done && go_on(reorder)) continue;
    hold_up(reorder, instr);
    return !reorder->no_memory;
}
