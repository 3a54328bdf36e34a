/*
 * aiv_query.c - the query rows of a chain, gathered and converted, on a vector core. arguments.h lists the arguments.
 *
 * The rows of several tokens and heads are apart in the query; a cube core loads rows of one distance. The rows are
 * worked off in slices, which take turns on two sets of buffers:
 *
 *     MTE2 (load) ---> V (convert) ---> MTE3 (store) ---> MTE2, two slices later
 */
#include "../arguments.h"
#include "../rows.h"

#define FLOATS 8192u /* of a slice, in up to 32 rows */
#define SLICE_ROWS 32u
#define SET_BYTES (3u * FLOATS * 4u)

struct task {
    uint64_t from, to;
    uint32_t rows, group, dim, from_dtype, to_dtype;
    int64_t token_ld, head_ld;
};

static uint32_t rows_at(const struct task *t, uint32_t row)
{
    return slice_rows(t->rows, row, t->group, least(SLICE_ROWS, FLOATS / t->dim));
}

/* V. The tile that is to be stored. */
static struct tg_tile convert(const struct task *t, struct tg_tile loaded, uint32_t n, uint32_t set)
{
    if (t->from_dtype == t->to_dtype) return loaded;
    struct tg_tile wide = loaded;
    if (t->from_dtype != TG_FP32) {
        wide = vec_at(TG_FP32, n, t->dim, set + FLOATS * 4u);
        TCVT(wide, loaded);
        pipe_barrier(PIPE_V);
    }
    if (t->to_dtype == TG_FP32) return wide;
    const struct tg_tile narrow = vec_at(t->to_dtype, n, t->dim, set + 2u * FLOATS * 4u);
    TCVT(narrow, wide);
    return narrow;
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
    uint32_t n_slices = 0;
    for (uint32_t row = 0; row < t.rows; row += rows_at(&t, row)) n_slices++;

    for (uint32_t row = 0, i = 0; i < n_slices; i++) {
        const uint32_t n = rows_at(&t, row), set = i % 2 * SET_BYTES;
        const struct tg_global from = rows_gm(t.from, t.from_dtype, row, n, t.group, t.dim, t.token_ld, t.head_ld);
        const struct tg_global to = tg_global_nd(t.to + (uint64_t)row * t.dim * tg_dtype_bytes(t.to_dtype), t.to_dtype,
                                                 n, t.dim, t.dim);
        const struct tg_tile loaded = vec_at(t.from_dtype, n, t.dim, set);
        if (i >= 2) wait_flag(PIPE_MTE3, PIPE_MTE2, i % 2);
        TLOAD(loaded, from);
        set_flag(PIPE_MTE2, PIPE_V, i % 2);

        wait_flag(PIPE_MTE2, PIPE_V, i % 2);
        const struct tg_tile converted = convert(&t, loaded, n, set);
        set_flag(PIPE_V, PIPE_MTE3, i % 2);

        wait_flag(PIPE_V, PIPE_MTE3, i % 2);
        TSTORE(to, converted);
        if (i + 2 < n_slices) set_flag(PIPE_MTE3, PIPE_MTE2, i % 2);
        row += n;
    }
    TDRAIN();
}
