/* TLOAD, TSTORE, TMOV: bytes between device memory and the buffers, from one layout to the other. */
#include <string.h>

#include "tile/execute.h"
#include "tile/number.h"

/* The address of row `row`, whose number counts through the stacked outer dimensions, at column 0. */
static uint64_t row_address(const struct tg_global *g, uint32_t row)
{
    int64_t at = 0;
    if (row < g->shape[3]) return g->addr + (uint64_t)(row * g->stride[3] * (int64_t)tg_dtype_bytes(g->dtype));
    for (int d = 3; d >= 0; d--) {
        at += (int64_t)(row % g->shape[d]) * g->stride[d];
        row /= g->shape[d];
    }
    return g->addr + (uint64_t)(at * (int64_t)tg_dtype_bytes(g->dtype));
}

/* The rows of one column block that follow each other. */
static bool run_nz(const struct tg_global *g, uint32_t index, struct tg_run_of_bytes *run)
{
    const int64_t bytes = tg_dtype_bytes(g->dtype);
    int64_t at = 0;
    for (int d = 2; d >= 0; d--) {
        at += (int64_t)(index % g->shape[d]) * g->stride[d];
        index /= g->shape[d];
    }
    if (index > 0) return false;
    run->address = g->addr + (uint64_t)(at * bytes);
    run->bytes = (uint64_t)g->shape[3] * 32;
    return true;
}

bool tg_global_run(const struct tg_global *g, uint32_t index, struct tg_run_of_bytes *run)
{
    uint32_t bytes = tg_dtype_bytes(g->dtype);
    if (g->layout == TG_NZ) return run_nz(g, index, run);
    if (g->layout == TG_COL_MAJOR) {
        if (index >= g->shape[4]) return false;
        run->address = g->addr + (uint64_t)((int64_t)index * g->stride[4] * (int64_t)bytes);
        run->bytes = (uint64_t)g->shape[3] * bytes;
        return true;
    }
    if (index >= g->shape[0] * g->shape[1] * g->shape[2] * g->shape[3]) return false;
    run->address = row_address(g, index);
    run->bytes = (uint64_t)g->shape[4] * bytes;
    return true;
}

bool tg_global_merged_run(const struct tg_global *g, uint32_t *index, struct tg_run_of_bytes *merged)
{
    struct tg_run_of_bytes run;
    if (!tg_global_run(g, *index, merged)) return false;
    while (tg_global_run(g, ++*index, &run) && run.address == merged->address + merged->bytes)
        merged->bytes += run.bytes;
    return true;
}

struct tg_run_of_bytes tg_global_extent(const struct tg_global *g)
{
    const int64_t bytes = tg_dtype_bytes(g->dtype);
    int64_t low = 0, high = 0; /* elements from the first to the last */
    for (int d = 0; d < 5; d++) {
        const int64_t last = ((int64_t)g->shape[d] - 1) * g->stride[d];
        if (last < 0) low += last;
        else high += last;
    }
    const struct tg_run_of_bytes all = {g->addr + (uint64_t)(low * bytes), (uint64_t)((high - low + 1) * bytes)};
    return all;
}

static void *at_global(uint64_t address) { return (void *)(uintptr_t)address; }

/* A row of a fractal; the last one may be shorter. The compiler knows the size of a whole row. */
static void copy_row(uint8_t *to, const uint8_t *from, size_t bytes)
{
    if (bytes == 32) memcpy(to, from, 32);
    else memcpy(to, from, bytes);
}

/* One row of device memory into the NZ tile: 32 bytes a fractal. */
static void load_row_nz(uint8_t *tile, const struct tg_tile *t, uint32_t row, const uint8_t *from)
{
    uint32_t bytes = tg_dtype_bytes(t->dtype), width = tg_fractal_cols(t->dtype);
    for (uint32_t col = 0; col < t->valid_cols; col += width) {
        uint32_t n = t->valid_cols - col < width ? t->valid_cols - col : width;
        copy_row(tile + (size_t)tg_at_nz(t->rows, width, row, col) * bytes, from + (size_t)col * bytes,
                 (size_t)n * bytes);
    }
}

/* One column of device memory into the ZN tile: 32 bytes a fractal. */
static void load_column_zn(uint8_t *tile, const struct tg_tile *t, uint32_t col, const uint8_t *from)
{
    uint32_t bytes = tg_dtype_bytes(t->dtype), width = tg_fractal_cols(t->dtype);
    uint8_t *to = tile + (size_t)tg_at_zn(t->cols, width, 0, col) * bytes;
    const size_t block_bytes = (size_t)t->cols * 32; /* to the fractals of the next rows */
    for (uint32_t row = 0; row < t->valid_rows; row += width, to += block_bytes) {
        uint32_t n = t->valid_rows - row < width ? t->valid_rows - row : width;
        copy_row(to, from + (size_t)row * bytes, (size_t)n * bytes);
    }
}

/* One column of device memory into the NZ tile: an element a row. */
static void load_column_nz(uint8_t *tile, const struct tg_tile *t, uint32_t col, const uint8_t *from)
{
    uint32_t bytes = tg_dtype_bytes(t->dtype), width = tg_fractal_cols(t->dtype);
    for (uint32_t row = 0; row < t->valid_rows; row++)
        memcpy(tile + (size_t)tg_at_nz(t->rows, width, row, col) * bytes, from + (size_t)row * bytes, bytes);
}

/* A run of NZ: it lies in the tile as in device memory. */
static void load_run_nz(uint8_t *tile, const struct tg_instr *instr, uint32_t index, const struct tg_run_of_bytes *run)
{
    const struct tg_global *g = instr->global;
    const uint32_t width = tg_fractal_cols(g->dtype), inner = index % g->shape[2];
    const uint32_t block = index / g->shape[2] % g->shape[1], outer = index / g->shape[2] / g->shape[1];
    const uint32_t row = (outer * g->shape[2] + inner) * g->shape[3];
    memcpy(tile + (size_t)tg_at_nz(instr->dst->rows, width, row, block * width) * tg_dtype_bytes(g->dtype),
           at_global(run->address), run->bytes);
}

/* Has the tile no padding? */
static bool is_whole(const struct tg_tile *t) { return t->valid_rows == t->rows && t->valid_cols == t->cols; }

/* Columns of device memory lie apart, so that no processor foresees where the next one is: ask for a later one. */
static void ask_for_column(const struct tg_global *g, uint32_t index)
{
    enum { AHEAD = 8, LINE_BYTES = 64 };
    struct tg_run_of_bytes run;
    if (g->layout != TG_COL_MAJOR || !tg_global_run(g, index + AHEAD, &run)) return;
    for (uint64_t at = 0; at < run.bytes; at += LINE_BYTES)
        __builtin_prefetch((const uint8_t *)at_global(run.address) + at);
}

void tg_execute_load(const struct tg_instr *instr, const struct tg_buffers *buffers)
{
    const struct tg_tile *t = instr->dst;
    uint8_t *tile = tg_tile_at(buffers, t);
    size_t bytes = tg_dtype_bytes(t->dtype);
    if (t->kind == TG_MAT && !is_whole(t)) memset(tile, 0, tg_tile_bytes(t));

    struct tg_run_of_bytes run;
    for (uint32_t i = 0; tg_global_run(instr->global, i, &run); i++) {
        const uint8_t *from = at_global(run.address);
        ask_for_column(instr->global, i);
        if (instr->global->layout == TG_NZ) load_run_nz(tile, instr, i, &run);
        else if (t->kind == TG_VEC)
            memcpy(tile + i * bytes * (t->layout == TG_ROW_MAJOR ? t->cols : t->rows), from, run.bytes);
        else if (instr->global->layout == TG_ROW_MAJOR) load_row_nz(tile, t, i, from);
        else if (t->layout == TG_COL_MAJOR) load_column_zn(tile, t, i, from);
        else load_column_nz(tile, t, i, from);
    }
}

/* 16 accumulators as the fixpipe stores them: scaled, clamped at 0. */
static void take_acc(float to[16], const uint8_t *from, const struct tg_instr *instr)
{
    const bool integer = instr->a->dtype == TG_INT32;
    const float scale = instr->mode & TG_STORE_SCALE ? (float)instr->scalar : 1.0f;
    for (uint32_t i = 0; i < 16; i++) {
        float value;
        int32_t whole;
        memcpy(&value, from + i * sizeof value, sizeof value);
        memcpy(&whole, from + i * sizeof whole, sizeof whole);
        if (integer) value = (float)whole;
        if (instr->mode & TG_STORE_SCALE) value = value * scale;
        to[i] = (instr->mode & TG_STORE_RELU) && value < 0.0f ? 0.0f : value;
    }
}

static void take_acc_int(int32_t to[16], const uint8_t *from, const struct tg_instr *instr)
{
    memcpy(to, from, 16 * sizeof *to);
    for (uint32_t i = 0; i < 16 && (instr->mode & TG_STORE_RELU); i++) to[i] = to[i] < 0 ? 0 : to[i];
}

/* A row of accumulators, 16 columns a block of the NZ layout, as elements of another type. */
static void store_row_acc(const uint8_t *tile, const struct tg_instr *instr, uint32_t row, uint8_t *to, uint32_t dtype)
{
    const struct tg_tile *t = instr->a;
    const uint32_t bytes = tg_dtype_bytes(dtype);
    for (uint32_t col = 0; col < t->valid_cols; col += 16) {
        const uint8_t *at = tile + (size_t)tg_at_nz(t->rows, 16, row, col) * sizeof(float);
        const uint32_t n = t->valid_cols - col < 16 ? t->valid_cols - col : 16;
        float from[16];
        int32_t whole[16];
        uint16_t halves[16];
        if (dtype == t->dtype && n == 16 && instr->mode == 0) {
            memcpy(to + (size_t)col * bytes, at, 16 * sizeof(float)); /* a size that the compiler knows */
            continue;
        }
        take_acc(from, at, instr);
        if (dtype == TG_INT32) take_acc_int(whole, at, instr);
        if (dtype == TG_BF16)
            for (uint32_t i = 0; i < 16; i++) halves[i] = tg_bf16_of_f32(from[i]);
        else if (dtype == TG_FP16)
            for (uint32_t i = 0; i < 16; i++) halves[i] = tg_f16_of_f32(from[i]);
        memcpy(to + (size_t)col * bytes,
               dtype == TG_FP32    ? (const void *)from
               : dtype == TG_INT32 ? (const void *)whole
                                   : halves,
               (size_t)n * bytes);
    }
}

static void add_element(uint8_t *to, const uint8_t *more, uint32_t dtype)
{
    uint8_t sum[4];
    if (dtype == TG_INT32 || dtype == TG_INT16) {
        uint32_t a = 0, b = 0;
        memcpy(&a, to, tg_dtype_bytes(dtype));
        memcpy(&b, more, tg_dtype_bytes(dtype));
        a += b; /* wraps */
        memcpy(sum, &a, sizeof sum);
    } else {
        tg_store_f64(sum, tg_load_f64(to, dtype) + tg_load_f64(more, dtype), dtype);
    }
    memcpy(to, sum, tg_dtype_bytes(dtype));
}

/* Add n elements to device memory. Other cores may add at the same time: each element is exchanged atomically. */
static void add_to_global(uint8_t *to, const uint8_t *more, uint32_t dtype, uint64_t n)
{
    const uint32_t bytes = tg_dtype_bytes(dtype);
    for (uint64_t i = 0; i < n; i++, to += bytes, more += bytes) {
        if (bytes == 4) {
            uint32_t old = __atomic_load_n((uint32_t *)(void *)to, __ATOMIC_RELAXED), sum;
            do {
                sum = old;
                add_element((uint8_t *)&sum, more, dtype);
            } while (!__atomic_compare_exchange_n((uint32_t *)(void *)to, &old, sum, true, __ATOMIC_RELAXED,
                                                  __ATOMIC_RELAXED)); /* edges order it with everything else */
        } else {
            uint16_t old = __atomic_load_n((uint16_t *)(void *)to, __ATOMIC_RELAXED), sum;
            do {
                sum = old;
                add_element((uint8_t *)&sum, more, dtype);
            } while (!__atomic_compare_exchange_n((uint16_t *)(void *)to, &old, sum, true, __ATOMIC_RELAXED,
                                                  __ATOMIC_RELAXED));
        }
    }
}

enum { STORED_AT_ONCE = 1024 };

/* Elements [first, first + n) of run `run`, in their form in device memory. */
static void collect(uint8_t *to, const struct tg_instr *instr, const uint8_t *tile, uint32_t run, uint64_t first,
                    uint64_t n)
{
    const struct tg_tile *t = instr->a;
    const uint32_t bytes = tg_dtype_bytes(t->dtype);
    for (uint64_t i = 0; i < n; i++) {
        const uint32_t at = (uint32_t)(first + i);
        const bool rows = instr->global->layout == TG_ROW_MAJOR;
        memcpy(to + i * bytes, tile + (size_t)tg_element_at(t, rows ? run : at, rows ? at : run) * bytes, bytes);
    }
}

/* Stores that are not plain copies of a Vec tile's rows or columns: atomic ones, and lines in the other layout. */
static void store_collected(const struct tg_instr *instr, const uint8_t *tile, uint32_t i,
                            const struct tg_run_of_bytes *run)
{
    const uint32_t dtype = instr->global->dtype, bytes = tg_dtype_bytes(dtype);
    const uint64_t n = run->bytes / bytes;
    uint8_t part[STORED_AT_ONCE * 4];
    for (uint64_t at = 0; at < n; at += STORED_AT_ONCE) {
        const uint64_t size = n - at < STORED_AT_ONCE ? n - at : STORED_AT_ONCE;
        uint8_t *to = (uint8_t *)at_global(run->address) + at * bytes;
        collect(part, instr, tile, i, at, size);
        if (instr->mode & TG_STORE_ADD) add_to_global(to, part, dtype, size);
        else memcpy(to, part, size * bytes);
    }
}

/* One row of a Vec tile as a row of column-major device memory: an element a column. */
static void store_scattered(const struct tg_global *g, const uint8_t *row)
{
    const uint32_t bytes = tg_dtype_bytes(g->dtype);
    const int64_t step = g->stride[4] * (int64_t)bytes;
    uint8_t *to = at_global(g->addr);
    for (uint32_t col = 0; col < g->shape[4]; col++, to += step, row += bytes) {
        if (bytes == 2) memcpy(to, row, 2); /* a size that the compiler knows */
        else if (bytes == 4) memcpy(to, row, 4);
        else *to = *row;
    }
}

/* A row of an Acc tile, added. */
static void add_row_acc(const uint8_t *tile, const struct tg_instr *instr, uint32_t row, uint8_t *to, uint32_t dtype)
{
    uint8_t line[STORED_AT_ONCE * 4];
    struct tg_instr part = *instr;
    struct tg_tile t = *instr->a;
    part.a = &t;
    for (uint32_t col = 0; col < instr->a->valid_cols; col += STORED_AT_ONCE) {
        t.valid_cols = instr->a->valid_cols - col < STORED_AT_ONCE ? instr->a->valid_cols - col : STORED_AT_ONCE;
        store_row_acc(tile + (size_t)col * t.rows * sizeof(float), &part, row, line, dtype);
        add_to_global(to + (size_t)col * tg_dtype_bytes(dtype), line, dtype, t.valid_cols);
    }
}

void tg_execute_store(const struct tg_instr *instr, const struct tg_buffers *buffers)
{
    const struct tg_tile *t = instr->a;
    const uint8_t *tile = tg_tile_at(buffers, t);
    const uint32_t dtype = instr->global->dtype;
    const bool plain = !(instr->mode & TG_STORE_ADD) && t->layout == instr->global->layout;
    size_t bytes = tg_dtype_bytes(t->dtype);
    struct tg_run_of_bytes run;
    if (t->kind == TG_VEC && t->layout == TG_ROW_MAJOR && t->valid_rows == 1 && !(instr->mode & TG_STORE_ADD) &&
        instr->global->layout == TG_COL_MAJOR && instr->global->shape[3] == 1) {
        store_scattered(instr->global, tile);
        return;
    }
    for (uint32_t i = 0; tg_global_run(instr->global, i, &run); i++) {
        uint8_t *to = at_global(run.address);
        if (t->kind == TG_ACC && (instr->mode & TG_STORE_ADD)) add_row_acc(tile, instr, i, to, dtype);
        else if (t->kind == TG_ACC) store_row_acc(tile, instr, i, to, dtype);
        else if (plain) memcpy(to, tile + i * bytes * (t->layout == TG_ROW_MAJOR ? t->cols : t->rows), run.bytes);
        else store_collected(instr, tile, i, &run);
    }
}

/* ---- moves: the window of src whose first element is [row][col] ---- */

struct window {
    const struct tg_tile *src;
    const uint8_t *from; /* src's first byte */
    uint32_t row, col;
};

/* NZ to ZZ. A row of a fractal is 32 bytes in both; the bytes after the valid columns of the last one are padding. */
static void move_left(uint8_t *to, const struct tg_tile *dst, const struct window *w)
{
    uint32_t bytes = tg_dtype_bytes(dst->dtype), width = tg_fractal_cols(dst->dtype);
    for (uint32_t row = 0; row < dst->valid_rows; row++)
        for (uint32_t col = 0; col < dst->valid_cols; col += width) {
            uint32_t n = dst->valid_cols - col < width ? dst->valid_cols - col : width;
            copy_row(to + (size_t)tg_at_zz(dst->cols, width, row, col) * bytes,
                     w->from + (size_t)tg_at_nz(w->src->rows, width, w->row + row, w->col + col) * bytes,
                     (size_t)n * bytes);
        }
}

/* ZN to ZN: a column of a fractal is 32 bytes. */
static void move_columns(uint8_t *to, const struct tg_tile *dst, const struct window *w)
{
    uint32_t bytes = tg_dtype_bytes(dst->dtype), width = tg_fractal_cols(dst->dtype);
    for (uint32_t row = 0; row < dst->valid_rows; row += width)
        for (uint32_t col = 0; col < dst->valid_cols; col++) {
            uint32_t n = dst->valid_rows - row < width ? dst->valid_rows - row : width;
            copy_row(to + (size_t)tg_at_zn(dst->cols, width, row, col) * bytes,
                     w->from + (size_t)tg_at_zn(w->src->cols, width, w->row + row, w->col + col) * bytes,
                     (size_t)n * bytes);
        }
}

/* Between any two layouts, elements [row, row + rows) x [col, col + cols), one by one. */
static void move_part(uint8_t *to, const struct tg_tile *dst, const struct window *w, uint32_t row, uint32_t col,
                      uint32_t rows, uint32_t cols)
{
    const uint32_t bytes = tg_dtype_bytes(dst->dtype);
    for (uint32_t r = row; r < row + rows; r++)
        for (uint32_t c = col; c < col + cols; c++) {
            size_t out = tg_element_at(dst, r, c), in = tg_element_at(w->src, w->row + r, w->col + c);
            if (bytes == 2) memcpy(to + out * 2, w->from + in * 2, 2);
            else if (bytes == 4) memcpy(to + out * 4, w->from + in * 4, 4);
            else to[out] = w->from[in];
        }
}

/* A whole fractal of 16 x 16 elements of 2 bytes. */
static void turn_halves(uint16_t *to, const uint16_t *from)
{
    for (int c = 0; c < 16; c++)
        for (int r = 0; r < 16; r++) to[c * 16 + r] = from[r * 16 + c];
}

/* A whole fractal of 8 x 16 elements of 4 bytes; columns from 8 on come from `next` elements behind the others. */
static void turn_words(uint32_t *to, const uint32_t *from, size_t next)
{
    for (int c = 0; c < 8; c++)
        for (int r = 0; r < 8; r++) {
            to[c * 8 + r] = from[r * 8 + c];
            to[(c + 8) * 8 + r] = from[next + (size_t)(r * 8 + c)];
        }
}

/* NZ to ZN: every element moves. */
static void move_right(uint8_t *to, const struct tg_tile *dst, const struct window *w)
{
    const uint32_t bytes = tg_dtype_bytes(dst->dtype), width = tg_fractal_cols(dst->dtype);
    for (uint32_t row = 0; row < dst->valid_rows; row += width)
        for (uint32_t col = 0; col < dst->valid_cols; col += 16) {
            const uint32_t rows = dst->valid_rows - row < width ? dst->valid_rows - row : width;
            const uint32_t cols = dst->valid_cols - col < 16 ? dst->valid_cols - col : 16;
            void *out = to + (size_t)tg_at_zn(dst->cols, width, row, col) * bytes;
            const void *in = w->from + (size_t)tg_at_nz(w->src->rows, width, w->row + row, w->col + col) * bytes;
            if (rows < width || cols < 16 || bytes == 1) move_part(to, dst, w, row, col, rows, cols);
            else if (bytes == 2) turn_halves(out, in);
            else turn_words(out, in, (size_t)w->src->rows * width);
        }
}

/* Acc to Mat: the fixpipe rounds each element to nearest even. */
static void move_acc(uint8_t *to, const struct tg_tile *dst, const struct window *w)
{
    const uint32_t bytes = tg_dtype_bytes(dst->dtype);
    for (uint32_t row = 0; row < dst->valid_rows; row++)
        for (uint32_t col = 0; col < dst->valid_cols; col++) {
            const uint8_t *from = w->from + (size_t)tg_element_at(w->src, w->row + row, w->col + col) * sizeof(float);
            tg_store_f64(to + (size_t)tg_element_at(dst, row, col) * bytes, tg_load_f64(from, TG_FP32), dst->dtype);
        }
}

void tg_execute_move(const struct tg_instr *instr, const struct tg_buffers *buffers)
{
    const struct tg_tile *dst = instr->dst, *src = instr->a;
    const bool extracts = tg_op_info(instr->op)->form == TG_FORM_EXTRACT; /* TMOV has no window: it starts at (0, 0) */
    const struct window w = {src, tg_tile_at(buffers, src), extracts ? (uint32_t)instr->immediate[0] : 0,
                             extracts ? (uint32_t)instr->immediate[1] : 0};
    uint8_t *to = tg_tile_at(buffers, dst);
    size_t bytes = tg_dtype_bytes(dst->dtype);
    if (dst->kind == TG_VEC) {
        for (uint32_t row = 0; row < dst->valid_rows; row++)
            memmove(to + row * dst->cols * bytes, w.from + ((w.row + row) * (size_t)src->cols + w.col) * bytes,
                    dst->valid_cols * bytes);
        return;
    }
    if (dst->kind == TG_BIAS) {
        memcpy(to, w.from, dst->valid_cols * bytes);
        return;
    }
    if (!is_whole(dst)) memset(to, 0, tg_tile_bytes(dst));
    if (src->kind == TG_ACC) move_acc(to, dst, &w);
    else if (src->layout == TG_ROW_MAJOR && dst->kind == TG_LEFT) move_left(to, dst, &w);
    else if (src->layout == TG_ROW_MAJOR) move_right(to, dst, &w);
    else if (dst->kind == TG_RIGHT) move_columns(to, dst, &w);
    else move_part(to, dst, &w, 0, 0, dst->valid_rows, dst->valid_cols);
}
