#include "check/core_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/kernels.h"
#include "tile/buffers.h"
#include "tile/rules.h"

static bool has_kind(enum tg_core_type core_type, int kind) { return (kind == TG_VEC) == (core_type == TG_AIV); }

struct tg_core_check *tg_core_check_open(enum tg_core_type core_type)
{
    struct tg_core_check *c = calloc(1, sizeof *c);
    if (!c) return NULL;
    for (int kind = TG_MAT; kind <= TG_VEC; kind++) {
        if (!has_kind(core_type, kind) || tg_shadow_init(&c->shadow[kind], tg_kind_capacity((uint32_t)kind))) continue;
        tg_core_check_close(c);
        return NULL;
    }
    return c;
}

void tg_core_check_close(struct tg_core_check *c)
{
    if (!c) return;
    for (int kind = TG_MAT; kind <= TG_VEC; kind++) tg_shadow_fini(&c->shadow[kind]);
    free(c);
}

void tg_core_check_begin(struct tg_core_check *c, struct tg_check *check, const struct tg_check_task *task)
{
    c->check = check;
    c->task = *task;
    tg_order_begin(&c->order);
    tg_transfers_begin(&c->transfers);
    for (int kind = TG_MAT; kind <= TG_VEC; kind++)
        if (c->shadow[kind].segments) tg_shadow_begin(&c->shadow[kind]);
}

/* ---- saying it ---------------------------------------------------------------------------------------------------- */

enum { PLACE_BYTES = 160 };

/* "TMULS at aiv_softmax.c:51 (V)". Returns text. */
static const char *describe(const struct tg_mark *mark, char text[PLACE_BYTES])
{
    snprintf(text, PLACE_BYTES, "%s at %s:%u (%s)", tg_op_name(mark->op), tg_base_name(mark->file), mark->line,
             tg_pipe_symbol(mark->pipe));
    return text;
}

static uint64_t place_of(const struct tg_mark *mark) { return tg_finding_place(mark->file, mark->line); }

/* The item of a finding about two instructions of this kernel, or about one if `other` is NULL; NULL: it is known. */
static struct tg_finding_item *count(struct tg_core_check *c, enum tg_finding_code code, const struct tg_mark *mark,
                                     const struct tg_mark *other)
{
    const uint64_t values[] = {place_of(mark), mark->op, other ? place_of(other) : 0, other ? other->op : 0,
                               tg_finding_place(c->task.kernel, 0)};
    struct tg_finding_list *findings = &c->check->findings;
    struct tg_finding_item *item = tg_finding_count(findings, code,
                                                    tg_finding_key(values, sizeof values / sizeof values[0]));
    if (!item) return NULL;
    const struct tg_check_task *task = &c->task;
    const char *added = tg_base_name(task->file);
    tg_finding_where(findings, item, "task %d (%s, %s:%d) on core %u (%s)", task->task_id, task->kernel, added,
                     task->line, task->core, tg_core_type_name(task->core_type));
    return item;
}

/* How two instructions would be put in order. */
static void mend_order(struct tg_finding_list *findings, struct tg_finding_item *item, const struct tg_mark *first,
                       const struct tg_mark *second)
{
    const char *from = tg_pipe_symbol(first->pipe), *to = tg_pipe_symbol(second->pipe);
    if (first->pipe == second->pipe) {
        tg_finding_mend(findings, item, "pipe_barrier(%s) between the two", from);
        return;
    }
    tg_finding_mend(findings, item,
                    "set_flag(%s, %s, event) after the first, wait_flag(%s, %s, event) before the second", from, to,
                    from, to);
}

struct hazard {
    enum tg_finding_code code;
    const char *does, *did; /* what the later and the earlier instruction do with the bytes */
};
static const struct hazard raw = {TG_FINDING_PIPE_RAW, "reads", "writes"};
static const struct hazard war = {TG_FINDING_PIPE_WAR, "overwrites", "reads"};
static const struct hazard waw = {TG_FINDING_PIPE_WAW, "overwrites", "writes"};

static void report_hazard(struct tg_core_check *c, const struct hazard *hazard, const struct tg_mark *now,
                          const struct tg_mark *earlier, const char *memory, uint64_t low, uint64_t high)
{
    struct tg_finding_list *findings = &c->check->findings;
    struct tg_finding_item *item = count(c, hazard->code, now, earlier);
    if (!item) return;
    char a[PLACE_BYTES], b[PLACE_BYTES];
    tg_finding_what(findings, item, "%s %s bytes 0x%llx to 0x%llx of %s that %s %s, and nothing orders the two",
                    describe(now, a), hazard->does, (unsigned long long)low, (unsigned long long)high, memory,
                    describe(earlier, b), hazard->did);
    mend_order(findings, item, earlier, now);
}

/* ---- bytes of buffers ---------------------------------------------------------------------------------------------- */

/* Are two instructions of one pipe in order although nothing says so? */
static bool in_order(const struct tg_order *order, const struct tg_mark *now, const struct tg_mark *earlier, bool reads)
{
    if (tg_order_knows(order, (enum tg_pipe)now->pipe, earlier)) return true;
    return now->pipe == earlier->pipe && (reads || earlier->settles);
}

static void check_order(struct tg_core_check *c, const struct hazard *hazard, const struct tg_mark *now,
                        const struct tg_tile *tile, const struct tg_mark *earlier, const struct tg_tile *as)
{
    struct tg_bytes common;
    if (earlier->number == 0 || earlier->number == now->number) return;
    if (in_order(&c->order, now, earlier, hazard == &war) || !tg_tiles_meet(tile, as, &common)) return;
    report_hazard(c, hazard, now, earlier, tg_buffer_name(tile->kind), common.low, common.high);
}

/* Does it not matter how long a row of the tile is? */
static bool is_line(const struct tg_tile *t) { return t->rows == 1 || t->cols == 1; }

/* Do the bytes that were written as part of `as` mean the same as part of `tile`? One lies inside the other, and both
 * put elements of one type in rows of one length. */
static bool is_view(const struct tg_tile *tile, const struct tg_tile *as)
{
    const struct tg_bytes t = tg_tile_extent(tile), a = tg_tile_extent(as);
    if (tile->dtype != as->dtype) return false;
    if (!(t.low >= a.low && t.high <= a.high) && !(a.low >= t.low && a.high <= t.high)) return false;
    if (is_line(tile) || is_line(as)) return true;
    if (tile->kind != TG_VEC) return tile->kind == TG_LEFT || tile->kind == TG_RIGHT || tile->rows == as->rows;
    return tile->layout == as->layout &&
           (tile->layout == TG_ROW_MAJOR ? tile->cols == as->cols : tile->rows == as->rows);
}

static void check_view(struct tg_core_check *c, const struct tg_mark *now, const struct tg_tile *tile,
                       const struct tg_segment *segment)
{
    const struct tg_tile *as = &segment->written_as;
    struct tg_bytes common;
    if (segment->writer.number == 0 || is_view(tile, as) || !tg_tiles_meet(tile, as, &common)) return;
    struct tg_finding_item *item = count(c, TG_FINDING_TILE_CLOBBERED, now, &segment->writer);
    if (!item) return;
    char a[PLACE_BYTES], b[PLACE_BYTES];
    struct tg_finding_list *findings = &c->check->findings;
    tg_finding_what(
        findings, item,
        "%s reads bytes 0x%x to 0x%x of %s as part of a tile of %u x %u at 0x%x, but %s wrote them last, as "
        "part of one of %u x %u at 0x%x",
        describe(now, a), common.low, common.high, tg_buffer_name(tile->kind), tile->rows, tile->cols, tile->offset,
        describe(&segment->writer, b), as->rows, as->cols, as->offset);
    tg_finding_mend(findings, item, "place the two tiles apart, or say with TRESHAPE that they are the same bytes");
}

static void check_written(struct tg_core_check *c, const struct tg_mark *now, const struct tg_tile *tile)
{
    struct tg_shadow *shadow = &c->shadow[tile->kind];
    struct tg_bytes run;
    for (uint32_t i = 0; tg_tile_run(tile, i, &run); i++) {
        uint32_t at = tg_shadow_unwritten(shadow, run);
        if (at == run.high) continue;
        struct tg_finding_item *item = count(c, TG_FINDING_TILE_UNWRITTEN, now, NULL);
        if (!item) return;
        char text[PLACE_BYTES];
        tg_finding_what(
            &c->check->findings, item,
            "%s reads byte 0x%x of %s, in its tile of %u x %u valid of %u x %u at 0x%x, but this kernel has "
            "not written it",
            describe(now, text), at, tg_buffer_name(tile->kind), tile->valid_rows, tile->valid_cols, tile->rows,
            tile->cols, tile->offset);
        tg_finding_mend(&c->check->findings, item,
                        "fill the whole valid part first: what an earlier task or a scratch operand left there means "
                        "nothing");
        return;
    }
}

static bool read_tile(struct tg_core_check *c, const struct tg_mark *now, const struct tg_tile *tile)
{
    struct tg_shadow *shadow = &c->shadow[tile->kind];
    const int reader = tg_shadow_reader((enum tg_pipe)now->pipe);
    uint32_t first, last;
    check_written(c, now, tile);
    if (!tg_shadow_cut(shadow, tg_tile_span(tile), &first, &last)) return false;
    for (uint32_t i = first; i < last; i++) {
        struct tg_segment *segment = &shadow->segments[i];
        check_order(c, &raw, now, tile, &segment->writer, &segment->written_as);
        check_view(c, now, tile, segment);
        segment->reader[reader] = *now;
        segment->read_as[reader] = *tile;
    }
    return true;
}

/* A load into part of a tile leaves beside it what an earlier load of the same place had put there: it means nothing. */
static bool forget_leftovers(struct tg_shadow *shadow, const struct tg_mark *now, const struct tg_tile *tile)
{
    uint32_t first, last;
    if (now->op != TG_OP_TLOAD || tile->kind != TG_VEC) return true;
    if (!tg_shadow_cut(shadow, tg_tile_extent(tile), &first, &last)) return false;
    for (uint32_t i = first; i < last; i++) {
        const struct tg_segment *s = &shadow->segments[i];
        if (s->writer.op == TG_OP_TLOAD) tg_shadow_set_written(shadow, (struct tg_bytes){s[0].low, s[1].low}, false);
    }
    return true;
}

static bool write_tile(struct tg_core_check *c, const struct tg_mark *now, const struct tg_operand *operand)
{
    const struct tg_tile *tile = operand->tile;
    struct tg_shadow *shadow = &c->shadow[tile->kind];
    uint32_t first, last;
    if (!forget_leftovers(shadow, now, tile)) return false;
    if (!tg_shadow_cut(shadow, tg_tile_span(tile), &first, &last)) return false;
    for (uint32_t i = first; i < last; i++) {
        const struct tg_segment *segment = &shadow->segments[i];
        check_order(c, &waw, now, tile, &segment->writer, &segment->written_as);
        for (int r = 0; r < TG_READERS; r++) check_order(c, &war, now, tile, &segment->reader[r], &segment->read_as[r]);
    }
    tg_shadow_write(shadow, first, last, now, tile);
    struct tg_bytes run;
    for (uint32_t i = 0; tg_tile_run(tile, i, &run); i++)
        tg_shadow_set_written(shadow, run, operand->use == TG_USE_WRITE);
    return true;
}

/* TRESHAPE: the same bytes are part of another tile from here on. */
static bool rename_tile(struct tg_core_check *c, const struct tg_tile *tile)
{
    struct tg_shadow *shadow = &c->shadow[tile->kind];
    uint32_t first, last;
    if (!tg_shadow_cut(shadow, tg_tile_extent(tile), &first, &last)) return false;
    for (uint32_t i = first; i < last; i++) shadow->segments[i].written_as = *tile;
    return true;
}

/* ---- flags --------------------------------------------------------------------------------------------------------- */

static void describe_flag(const struct tg_instr *instr, char text[PLACE_BYTES])
{
    snprintf(text, PLACE_BYTES, "%s to %s, event %u", tg_pipe_symbol(instr->src_pipe), tg_pipe_symbol(instr->dst_pipe),
             instr->event);
}

static void report_set_twice(struct tg_core_check *c, const struct tg_instr *instr, const struct tg_mark *now)
{
    const struct tg_flag *flag = tg_order_flag(&c->order, instr);
    struct tg_finding_item *item = count(c, TG_FINDING_FLAG_SET_TWICE, now, &flag->by);
    if (!item) return;
    char text[PLACE_BYTES];
    describe_flag(instr, text);
    tg_finding_what(&c->check->findings, item,
                    "set_flag at %s:%u: the flag %s is set already, by %s:%u, and nothing has waited for it",
                    tg_base_name(now->file), now->line, text, tg_base_name(flag->by.file), flag->by.line);
    tg_finding_mend(&c->check->findings, item, "wait_flag between the two, or another event for one of them");
}

/* The flag was waited for, but who sets it now may be ahead of that. */
static void check_reuse(struct tg_core_check *c, const struct tg_instr *instr, const struct tg_mark *now)
{
    const struct tg_flag *flag = tg_order_flag(&c->order, instr);
    const struct tg_mark *waited = tg_order_not_passed(&c->order, instr);
    struct tg_finding_item *item = waited ? count(c, TG_FINDING_FLAG_SET_TWICE, now, waited) : NULL;
    if (!item) return;
    char text[PLACE_BYTES];
    const char *from = tg_pipe_symbol(instr->src_pipe), *to = tg_pipe_symbol(instr->dst_pipe);
    describe_flag(instr, text);
    tg_finding_what(&c->check->findings, item,
                    "set_flag at %s:%u: the flag %s may still be set, by %s:%u: nothing orders this set after the "
                    "wait_flag at %s:%u",
                    tg_base_name(now->file), now->line, text, tg_base_name(flag->by.file), flag->by.line,
                    tg_base_name(waited->file), waited->line);
    tg_finding_mend(&c->check->findings, item,
                    "another event, or a flag back: set_flag(%s, %s, event) after the wait, wait_flag(%s, %s, event) "
                    "before this set",
                    to, from, to, from);
}

static void report_no_set(struct tg_core_check *c, const struct tg_instr *instr, const struct tg_mark *now)
{
    struct tg_finding_item *item = count(c, TG_FINDING_FLAG_NO_SET, now, NULL);
    if (!item) return;
    char text[PLACE_BYTES];
    describe_flag(instr, text);
    tg_finding_what(&c->check->findings, item,
                    "wait_flag at %s:%u: nothing before it has set the flag %s; a device waits for ever",
                    tg_base_name(now->file), now->line, text);
    tg_finding_mend(&c->check->findings, item, "set_flag(%s, %s, %u) before it", tg_pipe_symbol(instr->src_pipe),
                    tg_pipe_symbol(instr->dst_pipe), instr->event);
}

static void report_left(struct tg_core_check *c, int index)
{
    const struct tg_flag *flag = &c->order.flags[index];
    struct tg_finding_item *item = count(c, TG_FINDING_FLAG_LEFT, &flag->by, NULL);
    if (!item) return;
    const int pair = index / TG_ORDER_EVENTS;
    tg_finding_what(
        &c->check->findings, item,
        "set_flag at %s:%u: the flag %s to %s, event %d, is still set when the kernel ends; the next kernel "
        "on the core finds it set",
        tg_base_name(flag->by.file), flag->by.line, tg_pipe_symbol((uint32_t)pair / TG_ORDER_PIPES),
        tg_pipe_symbol((uint32_t)pair % TG_ORDER_PIPES), index % TG_ORDER_EVENTS);
    tg_finding_mend(&c->check->findings, item, "wait_flag for it, or set it only if somebody waits");
}

/* ---- an instruction ------------------------------------------------------------------------------------------------ */

static void check_transfer(struct tg_core_check *c, const struct tg_instr *instr, const struct tg_mark *now)
{
    const struct tg_transfer transfer = tg_transfer_of(instr, now);
    uint64_t common[2];
    const struct tg_transfer *earlier = tg_transfers_conflict(&c->transfers, &c->order, &transfer, common);
    if (earlier) {
        const struct hazard *hazard = !transfer.stores ? &raw : earlier->stores ? &waw : &war;
        report_hazard(c, hazard, now, &earlier->mark, "device memory", common[0], common[1]);
    }
    tg_transfers_add(&c->transfers, &transfer);
}

/* What an instruction overwrites on the way is neither what it reads nor what it leaves. */
static void check_scratch(struct tg_core_check *c, const struct tg_instr *instr, const struct tg_mark *now)
{
    struct tg_bytes common;
    const bool reads = instr->tmp && tg_tiles_meet(instr->tmp, instr->a, &common);
    if (!reads && !(instr->tmp && tg_tiles_meet(instr->tmp, instr->dst, &common))) return;
    struct tg_finding_item *item = count(c, TG_FINDING_TILE_CLOBBERED, now, NULL);
    if (!item) return;
    char text[PLACE_BYTES];
    tg_finding_what(&c->check->findings, item,
                    "%s %s bytes 0x%x to 0x%x of %s, which are part of its scratch tile, too", describe(now, text),
                    reads ? "reads" : "writes", common.low, common.high, tg_buffer_name(instr->tmp->kind));
    tg_finding_mend(&c->check->findings, item, "place the scratch tile apart from what is reduced and from the result");
}

static bool check_operands(struct tg_core_check *c, const struct tg_instr *instr, const struct tg_mark *now)
{
    struct tg_operand operands[TG_OPERANDS_MAX];
    const int n = tg_footprint(instr, operands);
    for (int i = 0; i < n; i++) {
        bool done = operands[i].use == TG_USE_READ ? read_tile(c, now, operands[i].tile)
                                                   : write_tile(c, now, &operands[i]);
        if (!done) return false;
    }
    return true;
}

void tg_core_check_instr(struct tg_core_check *c, const struct tg_instr *instr, enum tg_pipe pipe)
{
    if (instr->op == TG_OP_SET_FLAG) pipe = (enum tg_pipe)instr->src_pipe;
    if (instr->op == TG_OP_WAIT_FLAG) pipe = (enum tg_pipe)instr->dst_pipe;
    const struct tg_mark now = tg_order_next(&c->order, instr, pipe);
    bool done = true;
    switch ((enum tg_op)instr->op) {
    case TG_OP_SET_FLAG:
        check_reuse(c, instr, &now);
        if (!tg_order_set(&c->order, instr, &now)) report_set_twice(c, instr, &now);
        break;
    case TG_OP_WAIT_FLAG:
        if (!tg_order_wait(&c->order, instr)) report_no_set(c, instr, &now);
        break;
    case TG_OP_PIPE_BARRIER: tg_order_barrier(&c->order, instr->src_pipe); break;
    case TG_OP_TRESHAPE: done = rename_tile(c, instr->dst); break;
    default:
        check_scratch(c, instr, &now);
        done = check_operands(c, instr, &now);
        if (instr->global) check_transfer(c, instr, &now);
        break;
    }
    if (!done) c->check->findings.lost = true;
}

void tg_core_check_broken(struct tg_core_check *c, const struct tg_instr *instr, const char *message)
{
    const struct tg_mark now = tg_order_next(&c->order, instr, PIPE_S);
    struct tg_finding_item *item = count(c, TG_FINDING_TILE_RULE, &now, NULL);
    if (!item) return;
    tg_finding_what(&c->check->findings, item, "%s", message);
    tg_finding_mend(&c->check->findings, item, "see the instruction's rules in tile.h; the kernel ended here");
}

void tg_core_check_end(struct tg_core_check *c)
{
    for (int i = 0; i < TG_ORDER_FLAGS; i++)
        if (c->order.flags[i].set) report_left(c, i);
}
