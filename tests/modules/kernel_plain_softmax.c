/*
 * kernel_plain_softmax.c - aiv_softmax_prepare in plainer form: a block of BLOCK tokens after the other, a row maximum
 * of each, and in the second pass loads and stores in line with the work. Arguments as there; whole blocks only, up to
 * 32 rows.
 *
 *     first pass    load s | scale, row maximum, maximum so far
 *     second pass   load s, scale, subtract, exp, round, add to the sum, store p
 */
#include <tilegraph/tile.h>

static struct tg_tile vec_at(uint32_t dtype, uint32_t rows, uint32_t cols, uint32_t offset)
{
    struct tg_tile tile = tg_tile_vec(dtype, rows, cols);
    TASSIGN(tile, offset);
    return tile;
}

static struct tg_tile column_at(uint32_t rows, uint32_t offset)
{
    struct tg_tile tile = tg_tile_column(TG_FP32, rows);
    TASSIGN(tile, offset);
    return tile;
}

#define TILE 16384u
#define BLOCK 128u
enum { S, P, SUM, SCRATCH, ROUNDED, TOP, BLOCK_TOP, TOTAL }; /* tiles and columns of UB, TILE bytes each */

struct task {
    uint64_t s, p;
    uint32_t rows, ld, n_blocks, dtype;
    float scale;
};

/* Load a block's scores into `s` and scale them. `event`: that they are there. */
static void load_scaled(const struct task *t, uint32_t block, struct tg_tile s, uint32_t event)
{
    const uint64_t at = t->s + (uint64_t)block * BLOCK * 4;
    const struct tg_global s_gm = tg_global_nd(at, TG_FP32, t->rows, BLOCK, t->ld);
    TLOAD(s, s_gm);
    set_flag(PIPE_MTE2, PIPE_V, event);
    wait_flag(PIPE_MTE2, PIPE_V, event);
    TMULS(s, s, t->scale);
    pipe_barrier(PIPE_V);
}

/* Two places for scores take turns, so that a block is loaded while V works on the one before. */
static void find_top(const struct task *t)
{
    const struct tg_tile scratch = vec_at(TG_FP32, t->rows, BLOCK, SCRATCH * TILE);
    const struct tg_tile column = column_at(t->rows, BLOCK_TOP * TILE);
    struct tg_tile block_top = tg_tile_vec(TG_FP32, 1, t->rows);
    const struct tg_tile top = vec_at(TG_FP32, 1, t->rows, TOP * TILE);
    for (uint32_t i = 0; i < t->n_blocks; i++) {
        const uint32_t place = i % 2;
        const struct tg_tile s = vec_at(TG_FP32, t->rows, BLOCK, (place ? P : S) * TILE);
        if (i >= 2) wait_flag(PIPE_V, PIPE_MTE2, place);
        load_scaled(t, i, s, place);
        TROWMAX(column, s, scratch);
        TRESHAPE(block_top, column);
        pipe_barrier(PIPE_V);
        if (i == 0) TMOV(top, block_top);
        else TMAX(top, top, block_top);
        if (i + 2 < t->n_blocks) set_flag(PIPE_V, PIPE_MTE2, place);
    }
    set_flag(PIPE_V, PIPE_MTE2, EVENT_ID0); /* the second pass loads where V has read */
    wait_flag(PIPE_V, PIPE_MTE2, EVENT_ID0);
}

static void write_p(const struct task *t)
{
    const struct tg_tile s = vec_at(TG_FP32, t->rows, BLOCK, S * TILE), p = vec_at(TG_FP32, t->rows, BLOCK, P * TILE);
    const struct tg_tile sum = vec_at(TG_FP32, t->rows, BLOCK, SUM * TILE);
    const struct tg_tile rounded = vec_at(t->dtype, t->rows, BLOCK, ROUNDED * TILE);
    const struct tg_tile top = column_at(t->rows, TOP * TILE);
    for (uint32_t i = 0; i < t->n_blocks; i++) {
        const uint64_t at = t->p + (uint64_t)i * BLOCK * tg_dtype_bytes(t->dtype);
        const struct tg_global p_gm = tg_global_nd(at, t->dtype, t->rows, BLOCK, t->ld);
        load_scaled(t, i, s, EVENT_ID0);
        TROWEXPANDSUB(p, s, top);
        pipe_barrier(PIPE_V);
        TEXP(p, p);
        TCVT(rounded, p);
        TCVT(p, rounded);
        if (i == 0) TMOV(sum, p);
        else TADD(sum, sum, p);
        set_flag(PIPE_V, PIPE_MTE3, EVENT_ID0);
        wait_flag(PIPE_V, PIPE_MTE3, EVENT_ID0);
        TSTORE(p_gm, rounded);
        set_flag(PIPE_MTE3, PIPE_MTE2, EVENT_ID0); /* the next block begins when this one is away */
        wait_flag(PIPE_MTE3, PIPE_MTE2, EVENT_ID0);
    }
}

static void store_rows(uint64_t m, uint64_t l, uint32_t rows)
{
    const struct tg_global m_gm = tg_global_dn(m, TG_FP32, rows, 1, rows),
                           l_gm = tg_global_dn(l, TG_FP32, rows, 1, rows);
    const struct tg_tile top = column_at(rows, TOP * TILE), total = column_at(rows, TOTAL * TILE);
    set_flag(PIPE_V, PIPE_MTE3, EVENT_ID0);
    wait_flag(PIPE_V, PIPE_MTE3, EVENT_ID0);
    TSTORE(m_gm, top);
    TSTORE(l_gm, total);
}

void kernel_entry(int64_t *args)
{
    struct task t;
    t.s = tg_arg_addr(args[0]);
    t.p = tg_arg_addr(args[1]);
    t.rows = tg_arg_u32(args[4]);
    t.ld = tg_arg_u32(args[5]);
    t.n_blocks = tg_arg_u32(args[6]) / BLOCK;
    t.dtype = tg_arg_u32(args[7]);
    t.scale = tg_arg_f32(args[8]);
    find_top(&t);
    write_p(&t);
    pipe_barrier(PIPE_V);
    const struct tg_tile sum = vec_at(TG_FP32, t.rows, BLOCK, SUM * TILE);
    const struct tg_tile scratch = vec_at(TG_FP32, t.rows, BLOCK, SCRATCH * TILE);
    const struct tg_tile total = column_at(t.rows, TOTAL * TILE);
    TROWSUM(total, sum, scratch);
    store_rows(tg_arg_addr(args[2]), tg_arg_addr(args[3]), t.rows);
    TDRAIN();
}
