/*
 * aiv_query.c - the query rows of a chain: gathered, rotated, converted, on a vector core. arguments.h lists the
 * arguments.
 *
 * The rows of several tokens and heads are apart in the query; a cube core loads rows of one distance. rotate.h says
 * what a rotation is.
 *
 * The kernel works off the rows in slices, which take turns on two sets of buffers:
 *
 *     MTE2 (load) ---> V (rotate, convert) ---> MTE3 (store) ---> MTE2, two slices later
 */
#include "../arguments.h"
#include "../rotate.h"

#define FLOATS QUERY_FLOATS
#define PART (FLOATS * 4u)
#define INDEX_EVENT EVENT_ID2 /* behind those of the sets */

/* UB: two sets of five parts, then the index and the swapped rows. All of it. */
#define SET_WIDE PART
#define SET_OUT (2u * PART)
#define SET_COS (3u * PART)
#define SET_SIN (4u * PART)
#define SET_BYTES (5u * PART)
#define UB_INDEX (2u * SET_BYTES)
#define UB_SWAPPED (UB_INDEX + PART)
_Static_assert(UB_SWAPPED + PART <= 192u * 1024u, "UB is full");

struct task {
    uint64_t from, to, cos, sin, index;
    uint32_t rows, group, dim, from_dtype, to_dtype, rotated;
    int64_t token_ld, head_ld;
};

static uint32_t rows_at(const struct task *t, uint32_t row)
{
    return slice_rows(t->rows, row, t->group, query_slice_rows(t->dim));
}

/* The tiles of a rotation of n rows. */
static struct rotation rotation_of(const struct task *t, uint32_t n, uint32_t set)
{
    const struct rotation r = {t->rotated,
                               vec_at(TG_INT32, n, t->rotated, UB_INDEX),
                               vec_at(TG_FP32, n, t->rotated, set + SET_COS),
                               vec_at(TG_FP32, n, t->rotated, set + SET_SIN),
                               vec_at(TG_FP32, n, t->rotated, UB_SWAPPED),
                               vec_at(TG_INT32, n, t->rotated, set + SET_OUT)};
    return r;
}

/* V. The tile that is to be stored. */
static struct tg_tile convert(const struct task *t, struct tg_tile loaded, uint32_t n, uint32_t set)
{
    if (t->from_dtype == TG_INT8) {
        const struct tg_tile half = vec_at(TG_FP16, n, t->dim, set + SET_OUT);
        TCVT(half, loaded);
        pipe_barrier(PIPE_V);
        loaded = half;
    }
    if (loaded.dtype == t->to_dtype && !t->rotated) return loaded;
    struct tg_tile wide = loaded;
    if (loaded.dtype != TG_FP32) {
        wide = vec_at(TG_FP32, n, t->dim, set + SET_WIDE);
        TCVT(wide, loaded);
        pipe_barrier(PIPE_V);
    }
    if (t->rotated) {
        const struct rotation r = rotation_of(t, n, set);
        rotate(&r, &wide);
    }
    if (t->to_dtype == TG_FP32) return wide;
    const struct tg_tile narrow = vec_at(t->to_dtype, n, t->dim, set + SET_OUT);
    TCVT(narrow, wide);
    return narrow;
}

/* MTE2. The rows of a slice, and the rows of the tables for their tokens. */
static void load(const struct task *t, uint32_t row, uint32_t n, struct tg_tile loaded, uint32_t set)
{
    const struct tg_global from = rows_gm(t->from, t->from_dtype, row, n, t->group, t->dim, t->token_ld, t->head_ld);
    TLOAD(loaded, from);
    if (!t->rotated) return;
    const struct tg_global cos_gm = rows_gm(t->cos, TG_FP32, row, n, t->group, t->rotated, t->rotated, 0);
    const struct tg_global sin_gm = rows_gm(t->sin, TG_FP32, row, n, t->group, t->rotated, t->rotated, 0);
    const struct tg_tile cos = vec_at(TG_FP32, n, t->rotated, set + SET_COS);
    const struct tg_tile sin = vec_at(TG_FP32, n, t->rotated, set + SET_SIN);
    TLOAD(cos, cos_gm);
    TLOAD(sin, sin_gm);
}

/* MTE2. */
static void load_index(const struct task *t)
{
    const uint32_t n = least(t->rows, query_slice_rows(t->dim));
    const struct tg_global gm = tg_global_nd(t->index, TG_INT32, n, t->rotated, t->rotated);
    const struct tg_tile index = vec_at(TG_INT32, n, t->rotated, UB_INDEX);
    TLOAD(index, gm);
    set_flag(PIPE_MTE2, PIPE_V, INDEX_EVENT);
    wait_flag(PIPE_MTE2, PIPE_V, INDEX_EVENT);
}

static void work(const struct task *t)
{
    uint32_t n_slices = 0;
    for (uint32_t row = 0; row < t->rows; row += rows_at(t, row)) n_slices++;
    if (t->rotated) load_index(t);
    for (uint32_t row = 0, i = 0; i < n_slices; i++) {
        const uint32_t n = rows_at(t, row), set = i % 2 * SET_BYTES;
        const uint64_t to = t->to + (uint64_t)row * t->dim * tg_dtype_bytes(t->to_dtype);
        const struct tg_global to_gm = tg_global_nd(to, t->to_dtype, n, t->dim, t->dim);
        const struct tg_tile loaded = vec_at(t->from_dtype, n, t->dim, set);
        if (i >= 2) wait_flag(PIPE_MTE3, PIPE_MTE2, i % 2);
        load(t, row, n, loaded, set);
        set_flag(PIPE_MTE2, PIPE_V, i % 2);

        wait_flag(PIPE_MTE2, PIPE_V, i % 2);
        const struct tg_tile converted = convert(t, loaded, n, set);
        set_flag(PIPE_V, PIPE_MTE3, i % 2);

        wait_flag(PIPE_V, PIPE_MTE3, i % 2);
        TSTORE(to_gm, converted);
        if (i + 2 < n_slices) set_flag(PIPE_MTE3, PIPE_MTE2, i % 2);
        row += n;
    }
}

void kernel_entry(int64_t *args)
{
    struct task t;
    t.from = tg_arg_addr(args[QU_FROM]);
    t.to = tg_arg_addr(args[QU_TO]);
    t.rows = tg_arg_u32(args[QU_ROWS]);
    t.group = tg_arg_u32(args[QU_GROUP]);
    t.dim = tg_arg_u32(args[QU_DIM]);
    t.from_dtype = tg_arg_u32(args[QU_FROM_DTYPE]);
    t.to_dtype = tg_arg_u32(args[QU_TO_DTYPE]);
    t.token_ld = args[QU_TOKEN_LD];
    t.head_ld = args[QU_HEAD_LD];
    t.rotated = tg_arg_u32(args[QU_ROTATED]);
    t.cos = tg_arg_addr(args[QU_COS]);
    t.sin = tg_arg_addr(args[QU_SIN]);
    t.index = tg_arg_addr(args[QU_INDEX]);
    work(&t);
    TDRAIN();
}
