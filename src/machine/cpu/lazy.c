#include "machine/cpu/lazy.h"

#include <string.h>

/* Loads of at least this size are prefetched. */
enum { STREAM_BYTES = 2048 };

void tg_lazy_begin(struct tg_lazy *lazy)
{
    for (uint32_t kind = TG_MAT; kind <= TG_RIGHT; kind++) {
        struct tg_lazy_buffer *buffer = &lazy->of_kind[kind];
        buffer->n = buffer->next_filled = buffer->next_read = 0;
    }
    tg_stream_clear(&lazy->stream);
    lazy->widened.at = NULL;
    lazy->n_loaded = 0;
}

/* ---- tiles and bytes ---- */

/* The bytes of a tile in its buffer. */
struct span {
    uint32_t low, high;
};

static struct span span_of(const struct tg_tile *t) { return (struct span){t->offset, t->offset + tg_tile_bytes(t)}; }

static bool overlaps(const struct tg_lazy_tile *tile, struct span span)
{
    return tile->low < span.high && span.low < tile->high;
}

static bool is_inside(const struct tg_lazy_tile *tile, struct span span)
{
    return tile->low >= span.low && tile->high <= span.high;
}

/* Where element [row][col] of a tile is, in elements from its start. */
static uint32_t place_of(const struct tg_lazy_tile *t, uint32_t kind, uint32_t row, uint32_t col)
{
    const uint32_t width = tg_fractal_cols(t->dtype);
    return kind == TG_MAT && !t->turned ? tg_at_nz(t->rows, width, row, col)
           : kind == TG_LEFT            ? tg_at_zz(t->cols, width, row, col)
                                        : tg_at_zn(t->cols, width, row, col);
}

/* Where an element of a tile's part is, in elements from its start. */
static size_t element_in(const struct tg_lazy_tile *tile, const struct tg_lazy_part *part, uint32_t row, uint32_t col)
{
    const uint32_t width = tg_fractal_cols(tile->dtype);
    if (tile->turned) return col * part->ld + row;
    return row * part->ld + col / width * part->panel_ld + col % width;
}

/* Do the elements of a row follow each other? */
static bool has_whole_rows(const struct tg_lazy_part *part, uint32_t dtype)
{
    return part->panel_ld == tg_fractal_cols(dtype);
}

/* Write the tile's bytes, including the padding. */
static void materialise(const struct tg_lazy *lazy, const struct tg_lazy_tile *t, uint32_t kind)
{
    const size_t bytes = tg_dtype_bytes(t->dtype);
    uint8_t *to = lazy->buffers->of_kind[kind] + t->low;
    memset(to, 0, t->high - t->low);
    for (const struct tg_lazy_part *part = t->parts; part < t->parts + t->n_parts; part++)
        for (uint32_t row = 0; row < t->n_rows; row++)
            for (uint32_t col = 0; col < part->n_cols; col++)
                memcpy(to + place_of(t, kind, row, part->col + col) * bytes,
                       part->at + element_in(t, part, row, col) * bytes, bytes);
}

void tg_lazy_materialise(const struct tg_lazy *lazy, const struct tg_tile *tile)
{
    if (tile->kind > TG_RIGHT) return;
    const struct tg_lazy_buffer *buffer = &lazy->of_kind[tile->kind];
    for (uint32_t i = 0; i < buffer->n; i++)
        if (overlaps(&buffer->tiles[i], span_of(tile))) materialise(lazy, &buffer->tiles[i], tile->kind);
}

/* Remove the buffer's tiles that overlap the span. Before that, materialise tiles that must keep their bytes: all of
 * them, or those that are partly outside. */
static void clear(struct tg_lazy *lazy, uint32_t kind, struct span span, bool materialise_all)
{
    struct tg_lazy_buffer *buffer = &lazy->of_kind[kind];
    uint32_t n_kept = 0;
    for (uint32_t i = 0; i < buffer->n; i++) {
        const struct tg_lazy_tile *tile = &buffer->tiles[i];
        if (!overlaps(tile, span)) {
            if (n_kept != i) buffer->tiles[n_kept] = *tile;
            n_kept++;
        } else if (materialise_all || !is_inside(tile, span)) {
            materialise(lazy, tile, kind);
        }
    }
    buffer->n = n_kept;
    if (kind == TG_LEFT) lazy->widened.at = NULL;
}

/* The tile with this span; NULL: no such tile. The search starts at `next` and moves it on. */
static struct tg_lazy_tile *find(struct tg_lazy_buffer *buffer, struct span span, uint32_t *next)
{
    uint32_t at = *next < buffer->n ? *next : 0;
    for (uint32_t i = 0; i < buffer->n; i++, at = at + 1 < buffer->n ? at + 1 : 0) {
        if (buffer->tiles[at].low != span.low || buffer->tiles[at].high != span.high) continue;
        *next = at + 1;
        return &buffer->tiles[at];
    }
    return NULL;
}

/* A store is going to write [low, high) of device memory. */
static bool touches(const struct tg_lazy_tile *tile, uint64_t low, uint64_t high)
{
    for (const struct tg_lazy_part *part = tile->parts; part < tile->parts + tile->n_parts; part++) {
        const uint64_t first = (uint64_t)(uintptr_t)part->at;
        const uint64_t elements = element_in(tile, part, tile->n_rows - 1, part->n_cols - 1) + 1;
        if (first < high && low < first + elements * tg_dtype_bytes(tile->dtype)) return true;
    }
    return false;
}

/* Materialise the tiles that refer to the destination of a store. */
static void materialise_stored(struct tg_lazy *lazy, uint64_t low, uint64_t high)
{
    for (uint32_t kind = TG_MAT; kind <= TG_RIGHT; kind++) {
        struct tg_lazy_buffer *buffer = &lazy->of_kind[kind];
        for (uint32_t i = 0; i < buffer->n; i++) {
            if (!touches(&buffer->tiles[i], low, high)) continue;
            clear(lazy, kind, (struct span){buffer->tiles[i].low, buffer->tiles[i].high}, true);
            i--; /* the next tile has moved to this place */
        }
    }
}

/* ---- instructions ---- */

/* Without notes: the sources become bytes, and tiles that the instruction overwrites are removed. */
static void execute_on_bytes(struct tg_lazy *lazy, const struct tg_instr *instr)
{
    const struct tg_form_info *form = tg_form_of(instr->op);
    for (uint32_t slot = 0; slot < TG_SLOTS; slot++) {
        const struct tg_tile *tile = tg_instr_tile(instr, slot);
        if (!tile || tile->kind > TG_RIGHT) continue;
        clear(lazy, tile->kind, span_of(tile), tg_use_reads(form->slots[slot].use));
    }
    tg_execute(instr, lazy->buffers);
}

static bool is_matrix(const struct tg_global *g)
{
    if (g->shape[0] != 1 || g->shape[2] != 1) return false;
    return g->layout == TG_NZ ? g->shape[1] == 1 || g->stride[1] > 0
                              : g->layout == TG_ROW_MAJOR && g->shape[1] == 1 && g->stride[3] >= (int64_t)g->shape[4];
}

/* Columns of a matrix of 2 bytes for the transposed operand: an unpacking can turn them. */
static bool is_turned(const struct tg_global *g, const struct tg_tile *dst)
{
    return g->layout == TG_COL_MAJOR && dst->layout == TG_COL_MAJOR && g->shape[0] == 1 && g->shape[1] == 1 &&
           g->shape[2] == 1 && g->stride[4] >= (int64_t)g->shape[3] && tg_dtype_bytes(g->dtype) == 2;
}

static void expect(struct tg_lazy *lazy, const struct tg_lazy_tile *tile)
{
    const struct tg_lazy_part *part = tile->parts;
    const uint32_t bytes = tg_dtype_bytes(tile->dtype), row_bytes = part->n_cols * bytes;
    const bool nz = !tile->turned && !has_whole_rows(part, tile->dtype);
    struct tg_stream_range range = {part->at, part->ld * bytes, tile->n_rows, (row_bytes + 63) / TG_LINE_BYTES};
    if (tile->n_rows * row_bytes < STREAM_BYTES) return;
    if (tile->turned)
        range = (struct tg_stream_range){part->at, part->ld * bytes, tile->n_cols,
                                         (tile->n_rows * bytes + 63) / TG_LINE_BYTES};
    if (nz) { /* a column block after the other, as they are read */
        range = (struct tg_stream_range){part->at, part->panel_ld * bytes, part->n_cols / tg_fractal_cols(tile->dtype),
                                         (tile->n_rows * 32 + 63) / TG_LINE_BYTES};
    }
    if (range.stride == (size_t)range.row_lines * TG_LINE_BYTES) {
        range.row_lines *= range.n_rows;
        range.n_rows = 1;
    }
    tg_stream_add(&lazy->stream, range);
    if (lazy->stream.n_ahead < TG_STREAM_AHEAD) tg_stream_ask(&lazy->stream, TG_STREAM_AHEAD - lazy->stream.n_ahead);
}

/* A tile without parts that replaces everything at its place. NULL: no room. */
static struct tg_lazy_tile *fill(struct tg_lazy *lazy, const struct tg_tile *t)
{
    struct tg_lazy_buffer *buffer = &lazy->of_kind[t->kind];
    const struct span span = span_of(t);
    struct tg_lazy_tile *tile = find(buffer, span, &buffer->next_filled);
    if (!tile) {
        clear(lazy, t->kind, span, false);
        if (buffer->n == TG_LAZY_TILES) return NULL;
        tile = &buffer->tiles[buffer->n++];
        buffer->next_filled = buffer->n;
        tile->low = span.low;
        tile->high = span.high;
    }
    if (t->kind == TG_LEFT) lazy->widened.at = NULL;
    tile->rows = t->rows;
    tile->cols = t->cols;
    tile->n_rows = t->valid_rows;
    tile->n_cols = t->valid_cols;
    tile->dtype = t->dtype;
    tile->turned = false;
    tile->n_parts = 0;
    return tile;
}

static void load(struct tg_lazy *lazy, const struct tg_instr *instr)
{
    const struct tg_global *g = instr->global;
    const bool turned = is_turned(g, instr->dst), whole = is_matrix(g) && instr->dst->layout == TG_ROW_MAJOR;
    struct tg_lazy_tile *tile = turned || whole ? fill(lazy, instr->dst) : NULL;
    if (!tile) {
        execute_on_bytes(lazy, instr);
        return;
    }
    struct tg_lazy_part *part = &tile->parts[tile->n_parts++];
    part->at = (const uint8_t *)(uintptr_t)g->addr;
    part->ld = (size_t)g->stride[turned ? 4 : 3];
    part->panel_ld = g->layout == TG_NZ && g->shape[1] > 1 ? (size_t)g->stride[1] : tg_fractal_cols(g->dtype);
    part->col = 0;
    part->n_cols = tile->n_cols;
    tile->turned = turned;
    if (lazy->n_loaded < TG_LAZY_LOADS) lazy->loaded[lazy->n_loaded++] = *part;
    expect(lazy, tile);
}

/* The column at which `tile` begins in `src`, a Mat tile that may consist of several tiles side by side. UINT32_MAX:
 * `tile` is not one of them. */
static uint32_t column_in(const struct tg_tile *src, const struct tg_lazy_tile *tile)
{
    const uint32_t from_start = tile->low - src->offset, block_bytes = src->rows * 32;
    if (tile->rows != src->rows || tile->dtype != src->dtype || tile->n_rows != src->valid_rows) return UINT32_MAX;
    if (tile->turned != (src->layout == TG_COL_MAJOR)) return UINT32_MAX;
    if (from_start == 0) return 0;
    if (tile->turned) return UINT32_MAX; /* its columns are not one after the other */
    return from_start % block_bytes == 0 ? from_start / block_bytes * tg_fractal_cols(src->dtype) : UINT32_MAX;
}

/* Append the parts of `from` to those of `to`. false: no room. */
static bool add_parts(struct tg_lazy_tile *to, const struct tg_lazy_tile *from, uint32_t col)
{
    if (to->n_parts + from->n_parts > TG_LAZY_PARTS) return false;
    to->turned = from->turned;
    for (uint32_t i = 0; i < from->n_parts; i++) {
        struct tg_lazy_part *part = &to->parts[to->n_parts++];
        *part = from->parts[i];
        part->col += col;
    }
    return true;
}

/* Give `to` the parts of src. false: src does not consist of whole tiles side by side. */
static bool gather_parts(struct tg_lazy *lazy, struct tg_lazy_tile *to, const struct tg_tile *src)
{
    struct tg_lazy_buffer *mat = &lazy->of_kind[TG_MAT];
    const struct span span = span_of(src);
    uint32_t n_cols = 0, at = mat->next_read < mat->n ? mat->next_read : 0;
    for (uint32_t i = 0; i < 2 * mat->n && n_cols < src->valid_cols; i++, at = at + 1 < mat->n ? at + 1 : 0) {
        const struct tg_lazy_tile *tile = &mat->tiles[at];
        if (!is_inside(tile, span) || (n_cols == 0 && tile->low != span.low)) continue;
        if (column_in(src, tile) != n_cols || !add_parts(to, tile, n_cols)) return false;
        n_cols += tile->n_cols;
        mat->next_read = at + 1;
    }
    return n_cols == src->valid_cols;
}

static void move(struct tg_lazy *lazy, const struct tg_instr *instr)
{
    const struct tg_tile *dst = instr->dst, *src = instr->a;
    const bool noted = src->kind == TG_MAT && dst->kind != TG_BIAS &&
                       (src->layout == TG_ROW_MAJOR || dst->kind == TG_RIGHT) && src->valid_rows == dst->valid_rows &&
                       src->valid_cols == dst->valid_cols;
    struct tg_lazy_tile *to = noted ? fill(lazy, dst) : NULL;
    if (!to || !gather_parts(lazy, to, src)) execute_on_bytes(lazy, instr);
}

/* The row at which `tile` begins in `right`, which may consist of several tiles below each other. UINT32_MAX: `tile` is
 * not one of them. */
static uint32_t row_in(const struct tg_tile *right, const struct tg_lazy_tile *tile)
{
    const uint32_t block_bytes = right->cols * 32, from_start = tile->low - right->offset;
    if (tile->cols != right->cols || tile->dtype != right->dtype || tile->n_cols != right->valid_cols)
        return UINT32_MAX;
    if (from_start == 0) return 0;
    return from_start % block_bytes == 0 ? from_start / block_bytes * tg_fractal_cols(right->dtype) : UINT32_MAX;
}

/* The tiles of a right operand, from the first row to the last. */
struct stack {
    const struct tg_lazy_tile *tiles[TG_LAZY_TILES];
    uint32_t n;
};

/* false: rows of the operand are in no tile, or have parts at a place that a product cannot use. */
static bool stack_up(struct tg_lazy *lazy, const struct tg_tile *right, struct stack *stack)
{
    struct tg_lazy_buffer *buffer = &lazy->of_kind[TG_RIGHT];
    const struct span span = span_of(right);
    uint32_t n_rows = 0, at = buffer->next_read < buffer->n ? buffer->next_read : 0;
    stack->n = 0;
    for (uint32_t i = 0; i < 2 * buffer->n && n_rows < right->valid_rows; i++, at = at + 1 < buffer->n ? at + 1 : 0) {
        const struct tg_lazy_tile *tile = &buffer->tiles[at];
        if (!is_inside(tile, span) || (n_rows == 0 && tile->low != span.low)) continue;
        if (row_in(right, tile) != n_rows) return false;
        for (uint32_t part = 1; part < tile->n_parts; part++)
            if (tile->parts[part].col % 16 != 0) return false;
        stack->tiles[stack->n++] = tile;
        n_rows += tile->n_rows;
        buffer->next_read = at + 1;
    }
    return n_rows == right->valid_rows;
}

/* Left as rows of fp32 in the scratch, where a shared operand of several products stays. NULL: not a tile of one part.
 */
static const float *widen_left(struct tg_lazy *lazy, const struct tg_tile *left)
{
    struct tg_lazy_buffer *buffer = &lazy->of_kind[TG_LEFT];
    const struct tg_lazy_tile *tile = find(buffer, span_of(left), &buffer->next_read);
    if (!tile || tile->dtype != left->dtype || tile->n_rows != left->valid_rows || tile->n_cols != left->valid_cols ||
        tile->rows != left->rows || tile->n_parts != 1 || !has_whole_rows(tile->parts, tile->dtype))
        return NULL;
    float *to = lazy->buffers->scratch;
    const struct tg_lazy_part *part = tile->parts;
    if (lazy->widened.at == part->at && lazy->widened.low == tile->low) return to;
    const size_t row_bytes = part->ld * tg_dtype_bytes(left->dtype);
    for (uint32_t row = 0; row < tile->n_rows; row++)
        lazy->product->widen(to + (size_t)row * part->n_cols, part->at + row * row_bytes, left->dtype, part->n_cols);
    lazy->widened.at = part->at;
    lazy->widened.low = tile->low;
    return to;
}

/* The number of tiles, from `first` on, that one product can take as its pieces. Each has one part and the same shape;
 * the last may have fewer rows. */
static uint32_t n_alike(const struct stack *stack, uint32_t first)
{
    const struct tg_lazy_tile *of = stack->tiles[first];
    uint32_t i = first + 1;
    while (i < stack->n && of->n_parts == 1) {
        const struct tg_lazy_tile *tile = stack->tiles[i];
        if (tile->turned || stack->tiles[i - 1]->n_rows < of->n_rows || tile->n_rows > of->n_rows ||
            tile->n_parts != 1 || tile->parts->ld != of->parts->ld || tile->parts->panel_ld != of->parts->panel_ld)
            break;
        i++;
    }
    return i - first;
}

/* left x a part that a product cannot read where it is. A piece at a time is widened to left's type, or transposed, in
 * a room that stays in L1, and multiplied there. Any number of rows of left shares the work, and every variant
 * multiplies its own types only. A piece has whole rows, or whole columns of up to 128 elements: these are contiguous.
 */
static void multiply_unpacked(struct tg_lazy *lazy, struct tg_product product, const struct tg_lazy_tile *tile,
                              const struct tg_lazy_part *part)
{
    enum { ROOM = 16384 };
    _Alignas(TG_LINE_BYTES) uint8_t room[ROOM];
    const uint8_t *const right = room;
    const uint32_t bytes = tg_dtype_bytes(product.dtype), width = 32 / bytes; /* of a panel in the room */
    const uint32_t dtype = tile->dtype, n_rows = tile->n_rows;
    const bool apart = !tile->turned && !has_whole_rows(part, dtype);
    const uint32_t cols_most = tile->turned ? 64u : apart ? tg_fractal_cols(dtype) : 128u;
    const uint32_t rows_most = ROOM / (tile->turned ? 64u : 128u) / bytes;
    const float *left = product.left;
    float *sum = product.sum;
    const bool fresh = product.fresh;
    product.right = &right;
    product.right_ld = width;
    for (uint32_t col = 0; col < part->n_cols; col += product.n) {
        product.n = part->n_cols - col < cols_most ? part->n_cols - col : cols_most;
        product.sum = sum + col / 16 * product.block_ld;
        for (uint32_t row = 0; row < n_rows; row += product.k) {
            product.k = product.piece_rows = n_rows - row < rows_most ? n_rows - row : rows_most;
            product.panel_ld = (size_t)product.k * width;
            product.left = left + row;
            product.fresh = fresh && row == 0;
            const struct tg_unpacking unpacking = {.from = part->at +
                                                           element_in(tile, part, row, col) * tg_dtype_bytes(dtype),
                                                   .from_ld = part->ld * tg_dtype_bytes(dtype),
                                                   .to = room,
                                                   .n_rows = product.k,
                                                   .n_cols = product.n,
                                                   .from_dtype = dtype,
                                                   .to_dtype = product.dtype};
            lazy->product->unpack(&unpacking, &lazy->stream);
            lazy->product->multiply(&product, NULL);
        }
    }
}

/* Add the places of the part's blocks of 16 columns to `at`; at most `most` of them are there then. */
static uint32_t add_blocks(const uint8_t **at, uint32_t n, uint32_t most, const struct tg_lazy_part *part)
{
    for (uint32_t col = 0; col < part->n_cols && n < most; col += 16)
        at[n++] = part->at + col / 16 * part->panel_ld * sizeof(uint16_t);
    return n;
}

/* The places of n blocks of columns, or of n pieces, that are read after `last`, which the product reads last, and are
 * laid out like it: loaded behind it. false: there are not so many. */
static bool find_next(const struct tg_lazy *lazy, const struct tg_lazy_part *last, bool blocks_apart, uint32_t n,
                      const uint8_t **next)
{
    uint32_t first = 0, n_found = 0;
    for (uint32_t i = 0; i < lazy->n_loaded; i++)
        if (lazy->loaded[i].at == last->at) first = i + 1;
    for (uint32_t i = first; i < lazy->n_loaded && n_found < n; i++) {
        const struct tg_lazy_part *part = &lazy->loaded[i];
        if (part->ld != last->ld) continue;
        if (blocks_apart) n_found = add_blocks(next, n_found, n, part);
        else if (part->panel_ld == last->panel_ld && part->n_cols >= last->n_cols) next[n_found++] = part->at;
    }
    return n_found == n;
}

/* Is each block of 16 columns of the tile in NZ, so that one product can take them from where they are? */
static bool is_in_blocks(const struct tg_lazy_tile *tile)
{
    const uint32_t width = tg_fractal_cols(tile->dtype);
    if (tile->n_parts < 2 || tile->turned || width != 16) return false;
    for (uint32_t i = 0; i < tile->n_parts; i++)
        if (tile->parts[i].ld != width) return false;
    return tile->n_cols <= 16 * TG_LAZY_PARTS;
}

/* left x a tile whose blocks of columns are apart. */
static void multiply_blocks(struct tg_lazy *lazy, struct tg_product product, const struct tg_lazy_tile *tile)
{
    const uint8_t *right[TG_LAZY_PARTS], *next[TG_LAZY_PARTS];
    const struct tg_lazy_part *last = &tile->parts[tile->n_parts - 1];
    uint32_t n = 0;
    for (uint32_t i = 0; i < tile->n_parts; i++) n = add_blocks(right, n, TG_LAZY_PARTS, &tile->parts[i]);
    product.right = right;
    product.next = find_next(lazy, last, true, n, next) ? next : NULL;
    product.right_ld = product.panel_ld = tg_fractal_cols(tile->dtype);
    product.n = tile->n_cols;
    product.blocks_apart = true;
    lazy->product->multiply(&product, &lazy->stream);
}

/* left x the stacked tiles, into acc. */
static void multiply_stack(struct tg_lazy *lazy, const struct tg_instr *instr, const float *rows,
                           const struct stack *stack)
{
    const struct tg_tile *acc = instr->dst;
    float *sum = (float *)(void *)tg_tile_at(lazy->buffers, acc);
    const uint8_t *pieces[TG_LAZY_TILES], *next[TG_LAZY_TILES];
    const bool narrow = instr->a->dtype != instr->b->dtype;
    struct tg_product product = {.left = rows,
                                 .sum = sum,
                                 .right = pieces,
                                 .left_ld = instr->a->valid_cols,
                                 .block_ld = (size_t)acc->rows * 16,
                                 .m = acc->valid_rows,
                                 .dtype = instr->a->dtype,
                                 .fresh = instr->op == TG_OP_TMATMUL};
    for (uint32_t i = 0, n; i < stack->n; i += n) {
        const struct tg_lazy_tile *tile = stack->tiles[i];
        const bool unpacked = narrow || tile->turned;
        n = unpacked ? 1 : n_alike(stack, i);
        product.piece_rows = tile->n_rows;
        product.k = (n - 1) * tile->n_rows + stack->tiles[i + n - 1]->n_rows;
        for (uint32_t piece = 1; piece < n; piece++) pieces[piece] = stack->tiles[i + piece]->parts->at;
        if (!unpacked && is_in_blocks(tile)) {
            multiply_blocks(lazy, product, tile);
        } else {
            for (uint32_t part = 0; part < tile->n_parts; part++) {
                const struct tg_lazy_part *last = n > 1 ? stack->tiles[i + n - 1]->parts : &tile->parts[part];
                pieces[0] = tile->parts[part].at;
                product.sum = sum + tile->parts[part].col / 16 * product.block_ld;
                product.right_ld = tile->parts[part].ld;
                product.panel_ld = tile->parts[part].panel_ld;
                product.n = tile->parts[part].n_cols;
                product.next = !unpacked && find_next(lazy, last, false, n, next) ? next : NULL;
                if (unpacked) multiply_unpacked(lazy, product, tile, &tile->parts[part]);
                else lazy->product->multiply(&product, &lazy->stream);
            }
        }
        product.left += product.k;
        product.fresh = false;
    }
}

static void multiply(struct tg_lazy *lazy, const struct tg_instr *instr)
{
    struct stack stack;
    const bool floats = instr->a->dtype != TG_INT8;
    const float *rows = floats && stack_up(lazy, instr->b, &stack) ? widen_left(lazy, instr->a) : NULL;
    if (rows) multiply_stack(lazy, instr, rows, &stack);
    else execute_on_bytes(lazy, instr); /* it uses the scratch */
    lazy->n_loaded = 0;
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
        materialise_stored(lazy, extent.address, extent.address + extent.bytes);
        execute_on_bytes(lazy, instr);
        break;
    default: execute_on_bytes(lazy, instr); break;
    }
    tg_stream_idle(&lazy->stream);
}
