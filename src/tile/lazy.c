#include "tile/lazy.h"

#include <string.h>

/* Loads from this size on are worth asking for ahead. */
enum { STREAM_BYTES = 2048 };

void tg_lazy_begin(struct tg_lazy *lazy)
{
    for (uint32_t kind = TG_MAT; kind <= TG_RIGHT; kind++) lazy->of_kind[kind].n = 0;
    tg_stream_clear(&lazy->stream);
    lazy->widened.at = NULL;
}

/* ---- parts and bytes ---- */

/* The bytes of a tile in its buffer. */
struct span {
    uint32_t low, high;
};

static struct span span_of(const struct tg_tile *t) { return (struct span){t->offset, t->offset + tg_tile_bytes(t)}; }

static bool overlaps(const struct tg_lazy_part *part, struct span span)
{
    return part->low < span.high && span.low < part->high;
}

static bool is_inside(const struct tg_lazy_part *part, struct span span)
{
    return part->low >= span.low && part->high <= span.high;
}

/* Where element [row][col] of a tile is, in elements from its start. */
static uint32_t place_of(const struct tg_tile *t, uint32_t row, uint32_t col)
{
    const uint32_t width = tg_fractal_cols(t->dtype);
    return t->kind == TG_MAT    ? tg_at_nz(t->rows, width, row, col)
           : t->kind == TG_LEFT ? tg_at_zz(t->cols, width, row, col)
                                : tg_at_zn(t->cols, width, row, col);
}

/* Write the part's bytes to its tile; the first part of a tile also its padding. */
static void settle(const struct tg_lazy *lazy, const struct tg_lazy_part *part)
{
    const struct tg_tile *t = &part->tile;
    const size_t bytes = tg_dtype_bytes(t->dtype);
    uint8_t *tile = tg_tile_at(lazy->buffers, t);
    if (part->col == 0) memset(tile, 0, tg_tile_bytes(t));
    for (uint32_t row = 0; row < part->n_rows; row++)
        for (uint32_t col = 0; col < part->n_cols; col++)
            memcpy(tile + place_of(t, part->row + row, part->col + col) * bytes,
                   part->at + (row * part->ld + col) * bytes, bytes);
}

/* Forget the buffer's parts that overlap `tile`. Those that are to stay as bytes are settled first: all, or the ones that
 * are not wholly inside. */
static void clear(struct tg_lazy *lazy, const struct tg_tile *tile, bool settle_all)
{
    struct tg_lazy_buffer *buffer = &lazy->of_kind[tile->kind];
    const struct span span = span_of(tile);
    uint32_t n_kept = 0;
    for (uint32_t i = 0; i < buffer->n; i++) {
        const struct tg_lazy_part *part = &buffer->parts[i];
        if (!overlaps(part, span)) {
            if (n_kept != i) buffer->parts[n_kept] = *part;
            n_kept++;
        } else if (settle_all || !is_inside(part, span)) {
            settle(lazy, part);
        }
    }
    buffer->n = n_kept;
    if (tile->kind == TG_LEFT) lazy->widened.at = NULL;
}

/* The one part that overlaps `tile` and has its bytes, so that a new one may take its place; NULL: it is not so. */
static struct tg_lazy_part *find(struct tg_lazy *lazy, const struct tg_tile *tile)
{
    struct tg_lazy_buffer *buffer = &lazy->of_kind[tile->kind];
    const struct span span = span_of(tile);
    struct tg_lazy_part *found = NULL;
    for (uint32_t i = 0; i < buffer->n; i++) {
        struct tg_lazy_part *part = &buffer->parts[i];
        if (!overlaps(part, span)) continue;
        if (found || part->low != span.low || part->high != span.high) return NULL;
        found = part;
    }
    return found;
}

static bool touches(const struct tg_lazy_part *part, uint64_t low, uint64_t high)
{
    const uint64_t first = (uint64_t)(uintptr_t)part->at;
    const uint64_t elements = (part->n_rows - 1) * part->ld + part->n_cols;
    return first < high && low < first + elements * tg_dtype_bytes(part->tile.dtype);
}

/* A store is going to write [low, high): parts that refer to it become bytes. */
static void settle_stored(struct tg_lazy *lazy, uint64_t low, uint64_t high)
{
    for (uint32_t kind = TG_MAT; kind <= TG_RIGHT; kind++) {
        struct tg_lazy_buffer *buffer = &lazy->of_kind[kind];
        for (uint32_t i = 0; i < buffer->n; i++) {
            if (!touches(&buffer->parts[i], low, high)) continue;
            const struct tg_tile tile = buffer->parts[i].tile;
            clear(lazy, &tile, true);
            i = UINT32_MAX; /* from the start: the list has changed */
        }
    }
}

/* ---- instructions ---- */

static bool is_matrix(const struct tg_global *g)
{
    return g->layout == TG_ROW_MAJOR && g->shape[0] == 1 && g->shape[1] == 1 && g->shape[2] == 1 &&
           g->stride[3] >= (int64_t)g->shape[4];
}

static void expect(struct tg_lazy *lazy, const struct tg_lazy_part *part)
{
    const uint32_t bytes = tg_dtype_bytes(part->tile.dtype), row_bytes = part->n_cols * bytes;
    struct tg_stream_range range = {part->at, part->ld * bytes, part->n_rows, (row_bytes + 63) / TG_LINE_BYTES};
    if (part->n_rows * row_bytes < STREAM_BYTES) return;
    if (part->ld == part->n_cols) {
        range.n_rows = 1;
        range.row_lines = part->n_rows * row_bytes / TG_LINE_BYTES;
    }
    tg_stream_add(&lazy->stream, range);
    if (lazy->stream.n_ahead < TG_STREAM_AHEAD) tg_stream_ask(&lazy->stream, TG_STREAM_AHEAD - lazy->stream.n_ahead);
}

/* A part for all of `tile`, whose other parts are gone; the place of the one before, if that was one. NULL: there is no
 * room. */
static struct tg_lazy_part *renew(struct tg_lazy *lazy, const struct tg_tile *tile)
{
    struct tg_lazy_buffer *buffer = &lazy->of_kind[tile->kind];
    struct tg_lazy_part *part = find(lazy, tile);
    if (part) return part;
    clear(lazy, tile, false);
    return buffer->n < TG_LAZY_PARTS ? &buffer->parts[buffer->n++] : NULL;
}

static struct tg_lazy_part part_of(const struct tg_tile *tile, const uint8_t *at, size_t ld)
{
    const struct span span = span_of(tile);
    return (struct tg_lazy_part){.tile = *tile,
                                 .low = span.low,
                                 .high = span.high,
                                 .n_rows = tile->valid_rows,
                                 .n_cols = tile->valid_cols,
                                 .at = at,
                                 .ld = ld};
}

static void load(struct tg_lazy *lazy, const struct tg_instr *instr)
{
    const struct tg_tile *dst = instr->dst;
    const struct tg_global *g = instr->global;
    if (!is_matrix(g)) {
        clear(lazy, dst, false);
        tg_execute(instr, lazy->buffers);
        return;
    }
    struct tg_lazy_part *part = renew(lazy, dst);
    if (!part) {
        tg_execute(instr, lazy->buffers);
        return;
    }
    *part = part_of(dst, (const uint8_t *)(uintptr_t)g->addr, (size_t)g->stride[3]);
    expect(lazy, part);
}

/* The column at which the part's tile begins in `src`, a Mat tile made of several side by side; UINT32_MAX: it is not one
 * of them. */
static uint32_t column_in(const struct tg_tile *src, const struct tg_lazy_part *part)
{
    const uint32_t from_start = part->tile.offset - src->offset, block_bytes = src->rows * 32;
    if (part->tile.rows != src->rows || part->tile.dtype != src->dtype || part->n_rows != src->valid_rows ||
        from_start % block_bytes != 0)
        return UINT32_MAX;
    return from_start / block_bytes * tg_fractal_cols(src->dtype);
}

/* Give dst the parts that src is made of. false: src is not made of parts, side by side and complete. */
static bool move_parts(struct tg_lazy *lazy, const struct tg_tile *dst, const struct tg_tile *src)
{
    const struct tg_lazy_buffer *mat = &lazy->of_kind[TG_MAT];
    struct tg_lazy_buffer *to = &lazy->of_kind[dst->kind];
    const struct span from = span_of(src), span = span_of(dst);
    const uint32_t n_before = to->n;
    uint32_t n_cols = 0;
    for (uint32_t i = 0; i < mat->n && to->n < TG_LAZY_PARTS; i++) {
        const struct tg_lazy_part *part = &mat->parts[i];
        if (!overlaps(part, from)) continue;
        if (!is_inside(part, from) || column_in(src, part) != n_cols) break;
        struct tg_lazy_part *moved = &to->parts[to->n++];
        *moved = *part;
        moved->tile = *dst;
        moved->low = span.low;
        moved->high = span.high;
        moved->col = n_cols;
        n_cols += part->n_cols;
    }
    if (n_cols == src->valid_cols) return true;
    to->n = n_before;
    return false;
}

/* The same for a tile that is one part, which is the most frequent case. */
static bool move_part(struct tg_lazy *lazy, const struct tg_tile *dst, const struct tg_tile *src)
{
    const struct tg_lazy_part *from = find(lazy, src);
    if (!from || column_in(src, from) != 0 || from->n_cols != src->valid_cols) return false;
    struct tg_lazy_part *to = renew(lazy, dst);
    if (to) *to = part_of(dst, from->at, from->ld);
    if (dst->kind == TG_LEFT) lazy->widened.at = NULL;
    return to;
}

static void move(struct tg_lazy *lazy, const struct tg_instr *instr)
{
    if (move_part(lazy, instr->dst, instr->a)) return;
    clear(lazy, instr->dst, false);
    if (move_parts(lazy, instr->dst, instr->a)) return;
    clear(lazy, instr->a, true);
    tg_execute(instr, lazy->buffers);
}

/* The row at which the part's tile begins in `right`, a tile made of several below each other; UINT32_MAX: it is not one of
 * them. */
static uint32_t row_in(const struct tg_tile *right, const struct tg_lazy_part *part)
{
    const uint32_t width = tg_fractal_cols(right->dtype), block_bytes = right->cols * 32;
    const uint32_t from_start = part->low - right->offset;
    if (!is_inside(part, span_of(right)) || part->tile.cols != right->cols || part->tile.dtype != right->dtype ||
        from_start % block_bytes != 0)
        return UINT32_MAX;
    const uint32_t row = from_start / block_bytes * width;
    return row + part->n_rows <= right->valid_rows && part->col + part->n_cols <= right->valid_cols ? row : UINT32_MAX;
}

/* Is every valid element of `right` in a part, and every part at a place that a product can take? */
static bool is_covered(const struct tg_lazy *lazy, const struct tg_tile *right)
{
    const struct tg_lazy_buffer *buffer = &lazy->of_kind[TG_RIGHT];
    const struct span span = span_of(right);
    uint64_t n_elements = 0;
    for (uint32_t i = 0; i < buffer->n; i++) {
        const struct tg_lazy_part *part = &buffer->parts[i];
        if (!overlaps(part, span)) continue;
        if (row_in(right, part) == UINT32_MAX || part->col % 16 != 0) return false;
        n_elements += (uint64_t)part->n_rows * part->n_cols;
    }
    return n_elements == (uint64_t)right->valid_rows * right->valid_cols;
}

/* Left as rows of fp32 in the scratch; an operand that several products share is there already. NULL: it is no part. */
static const float *widen_left(struct tg_lazy *lazy, const struct tg_tile *left)
{
    const struct tg_lazy_buffer *buffer = &lazy->of_kind[TG_LEFT];
    const struct span span = span_of(left);
    for (uint32_t i = 0; i < buffer->n; i++) {
        const struct tg_lazy_part *part = &buffer->parts[i];
        if (!overlaps(part, span)) continue;
        if (part->tile.offset != left->offset || part->tile.dtype != left->dtype || part->n_rows != left->valid_rows ||
            part->n_cols != left->valid_cols)
            return NULL;
        float *to = lazy->buffers->scratch;
        if (lazy->widened.at == part->at && lazy->widened.tile.offset == left->offset) return to;
        const size_t row_bytes = part->ld * tg_dtype_bytes(left->dtype);
        for (uint32_t row = 0; row < part->n_rows; row++)
            lazy->product->widen(to + (size_t)row * part->n_cols, part->at + row * row_bytes, left->dtype,
                                 part->n_cols);
        lazy->widened = *part;
        return to;
    }
    return NULL;
}

/* Do the parts of `right` lie side by side only? Then each has sums of its own. */
static bool has_whole_columns(const struct tg_lazy_buffer *buffer, const struct tg_tile *right)
{
    const struct span span = span_of(right);
    for (uint32_t i = 0; i < buffer->n; i++)
        if (overlaps(&buffer->parts[i], span) && buffer->parts[i].n_rows != right->valid_rows) return false;
    return true;
}

/* Acc's valid rows become zero, in each block of 16 columns. */
static void zero(float *acc, const struct tg_tile *t)
{
    for (uint32_t col = 0; col < t->valid_cols; col += 16)
        memset(acc + tg_at_nz(t->rows, 16, 0, col), 0, (size_t)t->valid_rows * 16 * sizeof *acc);
}

static void multiply(struct tg_lazy *lazy, const struct tg_instr *instr)
{
    const struct tg_tile *acc = instr->dst, *left = instr->a, *right = instr->b;
    const float *rows = is_covered(lazy, right) ? widen_left(lazy, left) : NULL;
    if (!rows) {
        clear(lazy, left, true);
        clear(lazy, right, true);
        tg_execute(instr, lazy->buffers); /* which uses the scratch */
        return;
    }
    float *sum = (float *)(void *)tg_tile_at(lazy->buffers, acc);
    const struct tg_lazy_buffer *buffer = &lazy->of_kind[TG_RIGHT];
    const struct span span = span_of(right);
    const bool fresh = instr->op == TG_OP_TMATMUL, whole = has_whole_columns(buffer, right);
    if (fresh && !whole) zero(sum, acc);
    for (uint32_t i = 0; i < buffer->n; i++) {
        const struct tg_lazy_part *part = &buffer->parts[i];
        if (!overlaps(part, span)) continue;
        const struct tg_product product = {.left = rows + row_in(right, part),
                                           .right = part->at,
                                           .sum = sum + tg_at_nz(acc->rows, 16, 0, part->col),
                                           .left_ld = left->valid_cols,
                                           .right_ld = part->ld,
                                           .block_ld = (size_t)acc->rows * 16,
                                           .m = left->valid_rows,
                                           .k = part->n_rows,
                                           .n = part->n_cols,
                                           .dtype = right->dtype,
                                           .fresh = fresh && whole};
        lazy->product->multiply(&product, &lazy->stream);
    }
}

void tg_lazy_execute(struct tg_lazy *lazy, const struct tg_instr *instr)
{
    struct tg_run_of_bytes extent;
    switch ((enum tg_op)instr->op) {
    case TG_OP_TLOAD: load(lazy, instr); break;
    case TG_OP_TMOV: move(lazy, instr); break;
    case TG_OP_TMATMUL:
    case TG_OP_TMATMUL_ACC: multiply(lazy, instr); return;
    case TG_OP_TSTORE:
        extent = tg_global_extent(instr->global);
        settle_stored(lazy, extent.address, extent.address + extent.bytes);
        tg_execute(instr, lazy->buffers);
        break;
    default: break; /* order */
    }
    tg_stream_idle(&lazy->stream);
}
