/* The bytes of buffers: each access is held against the last writer and the readers since. */
#include "base/error.h"
#include "check/core/core_parts.h"
#include "tile/rules.h"

/* Are two instructions of one pipe in order although nothing says so? */
static bool in_order(const struct tg_order *order, const struct tg_mark *now, const struct tg_mark *earlier, bool reads)
{
    if (tg_order_knows(order, (enum tg_pipe)now->pipe, earlier)) return true;
    return now->pipe == earlier->pipe && (reads || earlier->settles);
}

static void check_order(struct tg_core_check *c, const struct tg_hazard *hazard, const struct tg_mark *now,
                        const struct tg_tile *tile, const struct tg_mark *earlier, const struct tg_tile *as)
{
    struct tg_bytes common;
    if (earlier->number == 0 || earlier->number == now->number) return;
    if (in_order(&c->order, now, earlier, hazard == &tg_hazard_war) || !tg_tiles_meet(tile, as, &common)) return;
    tg_core_hazard(c, hazard, now, earlier, tg_buffer_name(tile->kind), common.low, common.high);
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
    struct tg_finding_item *item = tg_core_finding(c, TG_FINDING_TILE_CLOBBERED, now, &segment->writer);
    if (!item) return;
    char a[TG_PLACE_BYTES], b[TG_PLACE_BYTES];
    struct tg_finding_list *findings = &c->check->findings;
    tg_finding_what(
        findings, item,
        "%s reads bytes 0x%x to 0x%x of %s as part of a tile of %u x %u at 0x%x, but %s wrote them last, as "
        "part of one of %u x %u at 0x%x",
        tg_mark_describe(now, a), common.low, common.high, tg_buffer_name(tile->kind), tile->rows, tile->cols,
        tile->offset, tg_mark_describe(&segment->writer, b), as->rows, as->cols, as->offset);
    tg_finding_mend(findings, item, "place the two tiles apart, or say with TRESHAPE that they are the same bytes");
}

static void check_written(struct tg_core_check *c, const struct tg_mark *now, const struct tg_tile *tile)
{
    struct tg_shadow *shadow = &c->shadow[tile->kind];
    struct tg_bytes run;
    for (uint32_t i = 0; tg_tile_run(tile, i, &run); i++) {
        uint32_t at = tg_shadow_unwritten(shadow, run);
        if (at == run.high) continue;
        struct tg_finding_item *item = tg_core_finding(c, TG_FINDING_TILE_UNWRITTEN, now, NULL);
        if (!item) return;
        char text[TG_PLACE_BYTES];
        tg_finding_what(
            &c->check->findings, item,
            "%s reads byte 0x%x of %s, in its tile of %u x %u valid of %u x %u at 0x%x, but this kernel has "
            "not written it",
            tg_mark_describe(now, text), at, tg_buffer_name(tile->kind), tile->valid_rows, tile->valid_cols, tile->rows,
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
        check_order(c, &tg_hazard_raw, now, tile, &segment->writer, &segment->written_as);
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
        check_order(c, &tg_hazard_waw, now, tile, &segment->writer, &segment->written_as);
        for (int r = 0; r < TG_READERS; r++)
            check_order(c, &tg_hazard_war, now, tile, &segment->reader[r], &segment->read_as[r]);
    }
    tg_shadow_write(shadow, first, last, now, tile);
    struct tg_bytes run;
    for (uint32_t i = 0; tg_tile_run(tile, i, &run); i++)
        tg_shadow_set_written(shadow, run, operand->use == TG_USE_WRITE);
    return true;
}

/* The same bytes are part of another tile from here on. */
bool tg_check_reshape(struct tg_core_check *c, const struct tg_instr *instr)
{
    const struct tg_tile *tile = instr->dst;
    struct tg_shadow *shadow = &c->shadow[tile->kind];
    uint32_t first, last;
    if (!tg_shadow_cut(shadow, tg_tile_extent(tile), &first, &last)) return false;
    for (uint32_t i = first; i < last; i++) shadow->segments[i].written_as = *tile;
    return true;
}

/* What an instruction overwrites on the way is neither what it reads nor what it leaves. */
static void check_scratch(struct tg_core_check *c, const struct tg_instr *instr, const struct tg_mark *now)
{
    struct tg_bytes common;
    const bool reads = instr->tmp && tg_tiles_meet(instr->tmp, instr->a, &common);
    if (!reads && !(instr->tmp && tg_tiles_meet(instr->tmp, instr->dst, &common))) return;
    struct tg_finding_item *item = tg_core_finding(c, TG_FINDING_TILE_CLOBBERED, now, NULL);
    if (!item) return;
    char text[TG_PLACE_BYTES];
    tg_finding_what(&c->check->findings, item,
                    "%s %s bytes 0x%x to 0x%x of %s, which are part of its scratch tile, too",
                    tg_mark_describe(now, text), reads ? "reads" : "writes", common.low, common.high,
                    tg_buffer_name(instr->tmp->kind));
    tg_finding_mend(&c->check->findings, item, "place the scratch tile apart from what is reduced and from the result");
}

bool tg_check_operands(struct tg_core_check *c, const struct tg_instr *instr, const struct tg_mark *now)
{
    struct tg_operand operands[TG_OPERANDS_MAX];
    const int n = tg_footprint(instr, operands);
    check_scratch(c, instr, now);
    for (int i = 0; i < n; i++) {
        bool done = operands[i].use == TG_USE_READ ? read_tile(c, now, operands[i].tile)
                                                   : write_tile(c, now, &operands[i]);
        if (!done) return false;
    }
    return true;
}
