/*
 * aic_pv_matmul.c - what a span of KV blocks adds to the output: O = P x V, on a cube core.
 *
 * Shapes  p [rows][ld]                       dtype: exp(score - max); column j is the span's token j
 *         v [block_size][head_dim] each      dtype: V of a block, a row a token
 *         o [rows][head_dim]                 fp32, written: the sum over all tokens
 * args    0 p, 1 o: device addresses
 *         2 rows: 1 to 128; 3 head_dim, 4 block_size: multiples of 8 up to 256
 *         5 tokens: of the span, 1 or more; only the last block may hold fewer than block_size
 *         6 dtype: enum tg_dtype, TG_FP32, TG_FP16 or TG_BF16
 *         7 ld: of p, tokens or more
 *         8 packed: 0: v is row-major; 1: it is in NZ, [head_dim / 16][block_size][16], of 2-byte elements
 *         9 and behind: v of each block, device addresses
 *
 * TLOAD fills the tiles up to whole fractals with zeros, which add nothing; columns of p and rows of v that belong to
 * no token are never read.
 *
 *         MTE2            MTE1             M              FIX
 *     GM -----> L1 (p, v) -----> L0A, L0B ---> L0C (o) -----> GM, once
 *
 * The tokens are worked off in tiles of up to SIDE: several small blocks below each other, a block, or a part of a
 * large one. A head_dim above SIDE is cut into slices, which have a part of o each and share p. A slice of a tile is a
 * step. Steps take turns on two sets of buffers, as in aic_qk_matmul; o stays in L0C until it has all of them.
 */
#include <stdbool.h>
#include <tilegraph/tile.h>

#define SIDE 128u
#define PART (SIDE * SIDE * 4u) /* bytes of the largest tile */
#define SETS 2u
#define NZ 16u       /* columns of a column block: 32 bytes */
#define V_EVENT SETS /* those of p come first: 0, 1, then those of v */
#define L0_BYTES 65536u

/* L1: the sets of p, then those of v. */
#define L1_V (SETS * PART)

struct task {
    uint64_t p, o;
    uint32_t rows, head_dim, block_size, tokens, dtype, ld, packed;
    const int64_t *blocks;
    uint32_t n_slices;         /* of head_dim */
    uint32_t p_bytes, v_bytes; /* of a step's tiles, at most */
    uint32_t l0_sets;
};

struct step {
    uint32_t at, n; /* the tile's tokens; n 0: no step */
    uint32_t slice; /* of head_dim */
};

static uint32_t least(uint32_t a, uint32_t b) { return a < b ? a : b; }

/* Tokens of the tile that begins at token `at`. Blocks go below each other where their rows fill whole fractals. */
static uint32_t tile_tokens(const struct task *t, uint32_t at)
{
    const bool several = t->block_size < SIDE && t->block_size % 16 == 0;
    const uint32_t most = several ? SIDE / t->block_size * t->block_size : t->block_size - at % t->block_size;
    return least(least(most, SIDE), t->tokens - at);
}

static struct step step_after(const struct task *t, struct step s)
{
    if (++s.slice < t->n_slices) return s;
    s.slice = 0;
    s.at += s.n;
    s.n = tile_tokens(t, s.at);
    return s;
}

/* Columns of o and v in a slice. */
static uint32_t width_of(const struct task *t, uint32_t slice) { return least(SIDE, t->head_dim - slice * SIDE); }

static struct tg_tile place(struct tg_tile tile, uint32_t offset)
{
    TASSIGN(tile, offset);
    return tile;
}

static struct tg_tile o_l0c(const struct task *t, uint32_t slice)
{
    return place(tg_tile_acc(t->rows, width_of(t, slice)), slice * PART);
}

/* The rows of v that the tile has from one block, from token `at` on. */
static uint32_t block_tokens(const struct task *t, struct step s, uint32_t at)
{
    return least(t->block_size - at % t->block_size, s.at + s.n - at);
}

/* Rows [row, row + n) of a slice of a block's v. */
static struct tg_global v_gm(const struct task *t, uint64_t block, uint32_t slice, uint32_t row, uint32_t n)
{
    const uint32_t width = width_of(t, slice);
    if (t->packed) {
        const uint64_t from = block + ((uint64_t)slice * (SIDE / NZ) * t->block_size + row) * 32u;
        return tg_global_nz(from, t->dtype, n, width, t->block_size);
    }
    const uint64_t at = (uint64_t)row * t->head_dim + slice * SIDE;
    return tg_global_nd(block + at * tg_dtype_bytes(t->dtype), t->dtype, n, width, t->head_dim);
}

/* MTE2. An event for each operand, so that p moves on while v is still being loaded. */
static void load(const struct task *t, struct step s, uint32_t i)
{
    const uint32_t bytes = tg_dtype_bytes(t->dtype), width = width_of(t, s.slice), p_set = i / t->n_slices % SETS;
    /* What MTE1 has done up to that step covers the tile of p that is replaced. */
    if (i >= SETS) wait_flag(PIPE_MTE1, PIPE_MTE2, i % SETS);
    if (s.slice == 0) {
        const struct tg_global p_gm = tg_global_nd(t->p + (uint64_t)s.at * bytes, t->dtype, t->rows, s.n, t->ld);
        const struct tg_tile p_l1 = place(tg_tile_mat(t->dtype, t->rows, s.n), p_set * PART);
        TLOAD(p_l1, p_gm);
        set_flag(PIPE_MTE2, PIPE_MTE1, p_set);
    }
    for (uint32_t at = s.at, n; at < s.at + s.n; at += n) {
        n = block_tokens(t, s, at);
        const struct tg_global v_part = v_gm(t, tg_arg_addr(t->blocks[at / t->block_size]), s.slice, at % t->block_size,
                                             n);
        const uint32_t offset = (at - s.at) * tg_round_up(width, 16) * bytes;
        const struct tg_tile v_l1 = place(tg_tile_mat(t->dtype, n, width), L1_V + i % SETS * PART + offset);
        TLOAD(v_l1, v_part);
    }
    set_flag(PIPE_MTE2, PIPE_MTE1, V_EVENT + i % SETS);
}

/* MTE1. */
static void move(const struct task *t, struct step s, uint32_t i, struct tg_tile left)
{
    const uint32_t bytes = tg_dtype_bytes(t->dtype), width = width_of(t, s.slice), p_set = i / t->n_slices % SETS;
    if (s.slice == 0) {
        const struct tg_tile p_l1 = place(tg_tile_mat(t->dtype, t->rows, s.n), p_set * PART);
        wait_flag(PIPE_MTE2, PIPE_MTE1, p_set);
        TMOV(left, p_l1);
    }
    wait_flag(PIPE_MTE2, PIPE_MTE1, V_EVENT + i % SETS);
    for (uint32_t at = s.at, n; at < s.at + s.n; at += n) {
        n = block_tokens(t, s, at);
        const uint32_t offset = (at - s.at) * tg_round_up(width, 16) * bytes;
        const struct tg_tile v_l1 = place(tg_tile_mat(t->dtype, n, width), L1_V + i % SETS * PART + offset);
        const struct tg_tile v_l0b = place(tg_tile_right(t->dtype, n, width), i % t->l0_sets * t->v_bytes + offset);
        TMOV(v_l0b, v_l1);
    }
}

/* MTE1, M: step i of n_steps. */
static void compute(const struct task *t, struct step s, uint32_t i, uint32_t n_steps)
{
    const uint32_t l0 = i % t->l0_sets, width = width_of(t, s.slice);
    const struct tg_tile left = place(tg_tile_left(t->dtype, t->rows, s.n), i / t->n_slices % t->l0_sets * t->p_bytes);
    const struct tg_tile right = place(tg_tile_right(t->dtype, s.n, width), l0 * t->v_bytes), o = o_l0c(t, s.slice);

    /* What M has done up to that step covers the tile of p that is replaced. */
    if (i >= t->l0_sets) wait_flag(PIPE_M, PIPE_MTE1, l0);
    move(t, s, i, left);
    set_flag(PIPE_MTE1, PIPE_M, l0);
    if (i + SETS < n_steps) set_flag(PIPE_MTE1, PIPE_MTE2, i % SETS);

    wait_flag(PIPE_MTE1, PIPE_M, l0);
    if (s.at == 0) {
        TMATMUL(o, left, right);
    } else {
        pipe_barrier(PIPE_M); /* the sum so far is complete */
        TMATMUL_ACC(o, left, right);
    }
    if (i + t->l0_sets < n_steps) set_flag(PIPE_M, PIPE_MTE1, l0);
}

/* FIX. */
static void store(const struct task *t)
{
    set_flag(PIPE_M, PIPE_FIX, EVENT_ID0);
    wait_flag(PIPE_M, PIPE_FIX, EVENT_ID0);
    for (uint32_t slice = 0; slice < t->n_slices; slice++) {
        const uint64_t to = t->o + (uint64_t)slice * SIDE * 4;
        const struct tg_global o_gm = tg_global_nd(to, TG_FP32, t->rows, width_of(t, slice), t->head_dim);
        const struct tg_tile o = o_l0c(t, slice);
        TSTORE(o_gm, o);
    }
}

/* Divide the work, and see how much of the operands fits into L0 at a time. */
static void plan(struct task *t)
{
    const uint32_t n = tile_tokens(t, 0);
    const struct tg_tile p = tg_tile_left(t->dtype, t->rows, n),
                         v = tg_tile_right(t->dtype, n, least(t->head_dim, SIDE));
    t->n_slices = (t->head_dim + SIDE - 1) / SIDE;
    t->p_bytes = tg_tile_bytes(&p);
    t->v_bytes = tg_tile_bytes(&v);
    t->l0_sets = SETS * (t->p_bytes > t->v_bytes ? t->p_bytes : t->v_bytes) <= L0_BYTES ? SETS : 1;
}

void kernel_entry(int64_t *args)
{
    struct task t;
    t.p = tg_arg_addr(args[0]);
    t.o = tg_arg_addr(args[1]);
    t.rows = tg_arg_u32(args[2]);
    t.head_dim = tg_arg_u32(args[3]);
    t.block_size = tg_arg_u32(args[4]);
    t.tokens = tg_arg_u32(args[5]);
    t.dtype = tg_arg_u32(args[6]);
    t.ld = tg_arg_u32(args[7]);
    t.packed = tg_arg_u32(args[8]);
    t.blocks = args + 9;
    plan(&t);

    struct step s = {0, tile_tokens(&t, 0), 0};
    uint32_t n_steps = 0;
    for (struct step counted = s; counted.n > 0; counted = step_after(&t, counted)) n_steps++;

    load(&t, s, 0);
    for (uint32_t i = 0; i < n_steps; i++) {
        const struct step next = step_after(&t, s);
        if (i + 1 < n_steps) load(&t, next, i + 1); /* before it is needed */
        compute(&t, s, i, n_steps);
        s = next;
    }
    store(&t);
    TDRAIN();
}
