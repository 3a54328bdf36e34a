/* The bytes of buffers: compare each access with the last writer and the readers since. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/grow.h"
#include "check/core/core_parts.h"
#include "tile/rules.h"

/* A walk over the segments of an operand, cut to the bytes that it uses. */
struct walk {
    struct tg_shadow *shadow;
    const struct tg_operand *operand;
    uint32_t run;      /* the next run of bytes */
    uint32_t at, last; /* the remaining segments of this run */
};

static struct walk walk_begin(struct tg_core_check *c, const struct tg_operand *operand)
{
    struct tg_shadow *shadow = &c->shadow[operand->tile.kind];
    tg_shadow_visit(shadow);
    return (struct walk){.shadow = shadow, .operand = operand};
}

/* The next segment. NULL: the end, or no memory. */
static struct tg_segment *walk_next(struct tg_core_check *c, struct walk *w)
{
    struct tg_bytes bytes;
    while (w->at == w->last) {
        if (!tg_operand_run(w->operand, w->run++, &bytes)) return NULL;
        if (tg_shadow_cut(w->shadow, bytes, &w->at, &w->last)) continue;
        c->check->findings.lost = true;
        return NULL;
    }
    return &w->shadow->segments[w->at++];
}

/* ---- the library's scratch ----------------------------------------------------------------------------------------
 */

enum { LIBRARY_SLOT = TG_SLOTS };

static struct tg_tile library_tile(const struct tg_core_check *c)
{
    const uint32_t bytes = c->facts->ub_library_bytes;
    struct tg_tile tile = tg_tile_make(TG_VEC, TG_UINT8, TG_ROW_MAJOR, 1, bytes, 1, bytes);
    TASSIGN(tile, TG_UB_BYTES - bytes);
    return tile;
}

static bool is_library(const struct tg_core_check *c, const struct tg_tile *tile)
{
    const uint32_t bytes = c->facts->ub_library_bytes;
    return tile->offset == TG_UB_BYTES - bytes && tile->cols == bytes && tile->dtype == TG_UINT8;
}

/* ---- order --------------------------------------------------------------------------------------------------------
 */

enum { REPEAT_BYTES = 256 };

/* Does a long vector instruction need no barrier before one with the same operand (tg_facts.settled_repeats)? */
static bool is_long_enough(const struct tg_core_check *c, const struct tg_touch *earlier,
                           const struct tg_operand *operand)
{
    const struct tg_tile *a = &earlier->tile, *b = &operand->tile;
    const uint64_t bytes = (uint64_t)a->valid_rows * a->valid_cols * tg_dtype_bytes(a->dtype);
    if (c->facts->settled_repeats == 0 || earlier->mark.pipe != PIPE_V || earlier->scratch) return false;
    if ((bytes + REPEAT_BYTES - 1) / REPEAT_BYTES < c->facts->settled_repeats) return false;
    return a->dtype == b->dtype && tg_tiles_coincide(a, b) && a->valid_rows == b->valid_rows &&
           a->valid_cols == b->valid_cols;
}

/* Has an earlier instruction ended, or is it one of the same pipe that needs neither flag nor barrier? */
static bool in_order(const struct tg_core_check *c, const struct tg_hazard *hazard, const struct tg_mark *now,
                     const struct tg_touch *earlier, const struct tg_operand *operand)
{
    if (tg_order_knows(&c->order, (enum tg_pipe)now->pipe, &earlier->mark)) return true;
    if (now->pipe != earlier->mark.pipe) return false;
    /* The library orders its uses of its scratch itself. */
    const bool of_library = operand->slot == LIBRARY_SLOT && earlier->scratch && is_library(c, &earlier->tile);
    return hazard == &tg_hazard_war || earlier->mark.interlocked || of_library || is_long_enough(c, earlier, operand);
}

/* Compare the instruction with an earlier user of the segment, once for each operand. */
static void check_order(struct tg_core_check *c, const struct tg_hazard *hazard, const struct tg_mark *now,
                        const struct walk *w, uint32_t touch, const struct tg_segment *segment)
{
    if (!tg_shadow_meet(w->shadow, touch)) return;
    const struct tg_touch *earlier = &w->shadow->touches[touch];
    if (earlier->mark.number == now->number || in_order(c, hazard, now, earlier, w->operand)) return;
    tg_core_hazard(c, hazard, now, &earlier->mark, tg_buffer_name(w->operand->tile.kind), segment[0].low,
                   segment[1].low);
}

/* ---- reads --------------------------------------------------------------------------------------------------------
 */

static void report_unwritten(struct tg_core_check *c, const struct tg_mark *now, const struct tg_tile *tile,
                             uint32_t at, const struct tg_touch *writer)
{
    struct tg_finding_item *item = tg_core_finding(c, TG_FINDING_TILE_UNWRITTEN, now, writer ? &writer->mark : NULL);
    if (!item) return;
    char text[TG_PLACE_BYTES], by[TG_PLACE_BYTES];
    const char *before = ", but this kernel has not written it", *after = "";
    if (writer && writer->mark.op == TG_OP_TLOAD) {
        before = ": ";
        after = " leaves undefined what is behind the ends of its rows, up to a multiple of 32 bytes";
    } else if (writer) {
        before = ": ";
        after = " has used it as scratch since";
    }
    tg_finding_what(
        &c->check->findings, item, "%s reads byte 0x%x of %s, in its tile of %u x %u valid of %u x %u at 0x%x%s%s%s",
        tg_mark_describe(now, text), at, tg_buffer_name(tile->kind), tile->valid_rows, tile->valid_cols, tile->rows,
        tile->cols, tile->offset, before, writer ? tg_mark_describe(&writer->mark, by) : "", after);
    tg_finding_mend(
        &c->check->findings, item, "%s",
        writer && is_library(c, &writer->tile)
            ? "keep the end of UB free, ub_library of the machine file: the instruction library uses it as scratch"
            : "fill the whole valid part first: what an earlier task, a scratch operand or the end of a load left "
              "there means nothing");
}

static void report_clobbered(struct tg_core_check *c, const struct tg_mark *now, const struct tg_tile *tile,
                             const struct tg_touch *writer)
{
    struct tg_finding_item *item = tg_core_finding(c, TG_FINDING_TILE_CLOBBERED, now, &writer->mark);
    struct tg_bytes common;
    if (!item || !tg_tiles_meet(tile, &writer->tile, &common)) return;
    char a[TG_PLACE_BYTES], b[TG_PLACE_BYTES];
    const struct tg_tile *as = &writer->tile;
    struct tg_finding_list *findings = &c->check->findings;
    tg_finding_what(
        findings, item,
        "%s reads bytes 0x%x to 0x%x of %s as part of a tile of %u x %u at 0x%x, but %s wrote them last, as "
        "part of one of %u x %u at 0x%x",
        tg_mark_describe(now, a), common.low, common.high, tg_buffer_name(tile->kind), tile->rows, tile->cols,
        tile->offset, tg_mark_describe(&writer->mark, b), as->rows, as->cols, as->offset);
    tg_finding_mend(findings, item, "place the two tiles apart, or say with TRESHAPE that they are the same bytes");
}

/* Does one of the two tiles contain the other? */
static bool is_nested(const struct tg_tile *a, const struct tg_tile *b)
{
    return tg_tile_inside(a, b) || tg_tile_inside(b, a);
}

/* Has `later`, which extends beyond the tile being read, overwritten a part of an earlier tile's contents? */
static bool has_torn(const struct tg_core_check *c, const struct tg_tile *tile, const struct tg_touch *later)
{
    const struct tg_shadow *shadow = &c->shadow[tile->kind];
    struct tg_bytes common;
    for (size_t i = 0; i < c->n_writers; i++) {
        const struct tg_touch *earlier = &shadow->touches[c->writers[i]];
        if (earlier->mark.number >= later->mark.number || !is_nested(&earlier->tile, tile)) continue;
        if (tg_tiles_meet(&earlier->tile, &later->tile, &common) && !tg_tile_inside(&later->tile, &earlier->tile))
            return true;
    }
    return false;
}

/*
 * Does the tile have the meaning that was written? Sub-tiles of columns and rows do, and so do tiles that TRESHAPE has
 * named for each other. Two tiles that cross each other do not: the later one has overwritten a part of the earlier
 * one, and extends beyond the tile being read.
 */
static void check_views(struct tg_core_check *c, const struct tg_mark *now, const struct tg_tile *tile)
{
    const struct tg_shadow *shadow = &c->shadow[tile->kind];
    for (size_t i = 0; i < c->n_writers; i++) {
        const struct tg_touch *writer = &shadow->touches[c->writers[i]];
        const bool agree = tg_tiles_agree(tile, &writer->tile);
        if (agree ? is_nested(&writer->tile, tile) || !has_torn(c, tile, writer)
                  : tg_names_agree(&c->names, tile, &writer->tile))
            continue;
        report_clobbered(c, now, tile, writer);
    }
}

/* Remember the writers of the bytes being read. */
static bool note_writer(struct tg_core_check *c, uint32_t touch)
{
    void *writers = c->writers;
    if (!tg_grow(&writers, c->n_writers + 1, &c->writers_max, sizeof *c->writers)) return false;
    c->writers = writers;
    c->writers[c->n_writers++] = touch;
    return true;
}

static bool read_tile(struct tg_core_check *c, const struct tg_mark *now, const struct tg_operand *operand)
{
    const struct tg_tile *tile = &operand->tile;
    struct tg_shadow *shadow = &c->shadow[tile->kind];
    const int reader = tg_shadow_reader((enum tg_pipe)now->pipe);
    const uint32_t touch = tg_shadow_touch(shadow, now, operand);
    if (touch == 0) return false;
    bool whole = true;
    c->n_writers = 0;
    struct walk w = walk_begin(c, operand);
    for (struct tg_segment *s; (s = walk_next(c, &w)) != NULL;) {
        const struct tg_touch *writer = s->writer ? &shadow->touches[s->writer] : NULL;
        if (whole && (!writer || writer->scratch)) report_unwritten(c, now, tile, s->low, writer);
        whole &= writer && !writer->scratch;
        if (writer && !writer->scratch && writer->visit != shadow->n_visits && !note_writer(c, s->writer)) return false;
        check_order(c, &tg_hazard_raw, now, &w, s->writer, s);
        s->reader[reader] = touch;
    }
    check_views(c, now, tile);
    return true;
}

/* ---- writes -------------------------------------------------------------------------------------------------------
 */

static bool write_tile(struct tg_core_check *c, const struct tg_mark *now, const struct tg_operand *operand)
{
    struct tg_shadow *shadow = &c->shadow[operand->tile.kind];
    const uint32_t touch = tg_shadow_touch(shadow, now, operand);
    if (touch == 0) return false;
    struct walk w = walk_begin(c, operand);
    for (struct tg_segment *s; (s = walk_next(c, &w)) != NULL;) {
        check_order(c, &tg_hazard_waw, now, &w, s->writer, s);
        for (int r = 0; r < TG_READERS; r++) check_order(c, &tg_hazard_war, now, &w, s->reader[r], s);
    }
    struct tg_bytes run;
    uint32_t first, last;
    for (uint32_t i = 0; tg_operand_run(operand, i, &run); i++) {
        if (!tg_shadow_cut(shadow, run, &first, &last)) return false;
        tg_shadow_write(shadow, first, last, touch);
    }
    return true;
}

/* ---- operands of one instruction ----------------------------------------------------------------------------------
 */

static void report_overlap(struct tg_core_check *c, const struct tg_instr *instr, const struct tg_mark *now,
                           uint32_t slot, const struct tg_tile *written, struct tg_bytes common, bool scratch)
{
    struct tg_finding_item *item = tg_core_finding(c, scratch ? TG_FINDING_TILE_CLOBBERED : TG_FINDING_TILE_OVERLAP,
                                                   now, NULL);
    if (!item) return;
    char text[TG_PLACE_BYTES];
    const struct tg_form_info *form = tg_form_of(instr->op);
    const bool may = tg_in_place(instr) >> slot & 1u;
    tg_finding_what(&c->check->findings, item, "%s: %s and %s share bytes 0x%x to 0x%x of %s%s",
                    tg_mark_describe(now, text), form->slots[slot].name,
                    scratch ? "its scratch tile" : form->slots[TG_SLOT_DST].name, common.low, common.high,
                    tg_buffer_name(written->kind),
                    scratch ? ""
                    : may   ? ", but their elements are not in the same places"
                            : ", which this instruction does not allow");
    if (scratch) tg_finding_mend(&c->check->findings, item, "place the scratch tile apart from sources and result");
    else
        tg_finding_mend(&c->check->findings, item, "place the two tiles apart%s",
                        may ? ", or exactly on each other"
                            : ": parts of the result may be written before the source is read");
}

/* Is the result of an instruction at a place that it has read completely, or apart from its sources? */
static void check_overlap(struct tg_core_check *c, const struct tg_instr *instr, const struct tg_mark *now)
{
    const struct tg_form_info *form = tg_form_of(instr->op);
    struct tg_bytes common;
    for (uint32_t w = 0; w < TG_SLOTS; w++) {
        const struct tg_tile *written = tg_instr_tile(instr, w);
        const bool scratch = form->slots[w].use == TG_USE_SCRATCH;
        if (!written || (!tg_use_writes(form->slots[w].use) && !scratch)) continue;
        for (uint32_t r = 0; r < TG_SLOTS; r++) {
            const struct tg_tile *other = tg_instr_tile(instr, r);
            const uint32_t use = form->slots[r].use;
            if (!other || r == w || other->kind != written->kind) continue;
            if (use != TG_USE_READ && !(scratch && tg_use_writes(use))) continue;
            if (!tg_tiles_meet(written, other, &common)) continue;
            const bool may = !scratch && tg_in_place(instr) >> r & 1u;
            if (!may || !tg_tiles_coincide(written, other)) report_overlap(c, instr, now, r, written, common, scratch);
        }
    }
}

/* ---- elements by index --------------------------------------------------------------------------------------------
 */

static void report_index(struct tg_core_check *c, const struct tg_instr *instr, const struct tg_mark *now)
{
    struct tg_finding_item *item = tg_core_finding(c, TG_FINDING_TILE_INDEX, now, NULL);
    if (!item) return;
    char text[TG_PLACE_BYTES];
    const struct tg_indexed *indexed = &c->indexed;
    const uint32_t slot = tg_indexed_slot(instr);
    const struct tg_tile *tile = tg_instr_tile(instr, slot);
    tg_finding_what(&c->check->findings, item, "%s: element [%u][%u] of index is %lld, and %s has %u %s",
                    tg_mark_describe(now, text), indexed->row, indexed->col, (long long)indexed->outside,
                    tg_form_of(instr->op)->slots[slot].name,
                    slot == TG_SLOT_DST ? tile->valid_rows : tile->rows * tile->cols,
                    slot == TG_SLOT_DST ? "valid rows" : "elements");
    tg_finding_mend(&c->check->findings, item, "%s",
                    "indices inside the tile: a device reads or writes what is beside it");
}

/* Restrict the operand in the slot to its elements at the indices. TSCATTER leaves its other elements as they are.
 * Unknown contents: the operand of TGATHER is ignored, and that of TSCATTER counts as written. */
static bool select_elements(struct tg_core_check *c, const struct tg_instr *instr, const struct tg_mark *now,
                            struct tg_operand *operands, int *n)
{
    const uint32_t slot = tg_indexed_slot(instr);
    const bool scatters = slot == TG_SLOT_DST;
    if (slot == TG_SLOTS) return true;
    if (c->contents && !tg_indexed_find(&c->indexed, instr, c->contents)) return false;
    if (c->contents && c->indexed.has_outside) report_index(c, instr, now);
    int kept = 0;
    for (int i = 0; i < *n; i++) {
        struct tg_operand operand = operands[i];
        if (operand.slot == slot && c->contents) {
            operand.runs = c->indexed.runs;
            operand.n_runs = c->indexed.n;
        }
        if (operand.slot != slot || (scatters ? operand.use == TG_USE_WRITE : c->contents != NULL))
            operands[kept++] = operand;
    }
    *n = kept;
    return true;
}

/* Add the library's scratch in front of what the instruction writes, and compare it with the operands. */
static int add_library(struct tg_core_check *c, const struct tg_instr *instr, const struct tg_mark *now,
                       struct tg_operand *operands, int n)
{
    if (c->facts->ub_library_bytes == 0 || !tg_uses_library_scratch(instr)) return n;
    const struct tg_tile library = library_tile(c);
    struct tg_bytes common;
    int at = 0;
    for (int i = 0; i < n; i++) {
        at += operands[i].use == TG_USE_READ;
        if (!tg_tiles_meet(&operands[i].tile, &library, &common)) continue;
        struct tg_finding_item *item = tg_core_finding(c, TG_FINDING_TILE_CLOBBERED, now, NULL);
        char text[TG_PLACE_BYTES];
        if (!item) continue;
        tg_finding_what(&c->check->findings, item,
                        "%s: %s uses bytes 0x%x to 0x%x of UB, which the instruction library takes as scratch for it",
                        tg_mark_describe(now, text), tg_form_of(instr->op)->slots[operands[i].slot].name, common.low,
                        common.high);
        tg_finding_mend(&c->check->findings, item, "keep the last %u bytes of UB free (ub_library of the machine file)",
                        c->facts->ub_library_bytes);
    }
    memmove(&operands[at + 1], &operands[at], (size_t)(n - at) * sizeof *operands);
    operands[at] = (struct tg_operand){.tile = library, .use = TG_USE_SCRATCH, .slot = LIBRARY_SLOT};
    return n + 1;
}

bool tg_check_operands(struct tg_core_check *c, const struct tg_instr *instr, const struct tg_mark *now)
{
    struct tg_operand operands[TG_OPERANDS_MAX + 1];
    int n = tg_footprint(instr, operands);
    check_overlap(c, instr, now);
    if (!select_elements(c, instr, now, operands, &n)) return false;
    n = add_library(c, instr, now, operands, n);
    for (int i = 0; i < n; i++) {
        const bool done = operands[i].use == TG_USE_READ ? read_tile(c, now, &operands[i])
                                                         : write_tile(c, now, &operands[i]);
        if (!done) return false;
    }
    return true;
}
