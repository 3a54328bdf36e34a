/*
 * aic_qk_matmul.c - the scores of a span of KV blocks: S = Q x K^T, on a cube core.
 *
 * Shapes  q  [rows][head_dim]               dtype: the query heads that share one KV head
 *         kt [head_dim][block_size] each    dtype: K of a block is stored transposed, a column a token
 *         s  [rows][ld]                     fp32, written: column j is the span's token j
 * args    0 q, 1 s: device addresses
 *         2 rows: 1 to 128; 3 head_dim, 4 block_size: multiples of 8 up to 256
 *         5 tokens: of the span, 1 or more; only the last block may hold fewer than block_size
 *         6 dtype: enum tg_dtype, TG_FP32, TG_FP16 or TG_BF16
 *         7 ld: of s, tokens or more
 *         8 packed: 0: kt is row-major; 1: it is in NZ, [block_size / 16][head_dim][16], of 2-byte elements
 *         9 and behind: kt of each block, device addresses
 *
 * A span is the consecutive blocks of a sequence that one task covers, one or more. Columns that hold no token are
 * neither read nor written, so nothing in them can do harm.
 *
 *         MTE2             MTE1             M              FIX
 *     GM -----> L1 (q, kt) -----> L0A, L0B ---> L0C (s) -----> GM
 *
 * The tokens are worked off in tiles of up to SIDE: several small blocks side by side, a block, or a part of a large
 * one. A head_dim above SIDE is cut into slices, whose products are added up in L0C. A slice of a tile is a step. q is
 * loaded once. Steps take turns on two sets of buffers, so that one is loaded while the one before is multiplied and
 * the one before that is stored. The pipe that fills a buffer signals the next pipe by an event with the set's
 * number. The pipe that has read it signals the pipe before, if a later step needs the buffer.
 */
#include <stdbool.h>
#include <tilegraph/tile.h>

#define SIDE 128u
#define PART (SIDE * SIDE * 4u) /* bytes of the largest tile */
#define SETS 2u
#define NZ 16u            /* columns of a column block: 32 bytes */
#define Q_EVENT EVENT_ID2 /* behind those of the sets */
#define L0_BYTES 65536u

/* L1: q, up to two slices of it, then the sets of kt. */
#define L1_KT (2u * PART)

struct task {
    uint64_t q, s;
    uint32_t rows, head_dim, block_size, tokens, dtype, ld, packed;
    const int64_t *blocks;
    uint32_t n_slices; /* of head_dim */
    uint32_t kt_bytes; /* of a step's kt, at most */
    uint32_t q_bytes;  /* of a slice of q */
    bool q_stays;      /* all slices of q fit into L0A; otherwise each step moves its own */
    uint32_t l0_sets;  /* of kt in L0B */
};

struct step {
    uint32_t at, n; /* the tile's tokens; n 0: no step */
    uint32_t slice; /* of head_dim */
};

static uint32_t least(uint32_t a, uint32_t b) { return a < b ? a : b; }

/* Tokens of the tile that begins at token `at`. Blocks go side by side where their columns fill whole fractals. */
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

/* Elements of head_dim in a slice. */
static uint32_t depth_of(const struct task *t, uint32_t slice) { return least(SIDE, t->head_dim - slice * SIDE); }

static struct tg_tile place(struct tg_tile tile, uint32_t offset)
{
    TASSIGN(tile, offset);
    return tile;
}

/* A slice of q on its way. */
static struct tg_tile q_l1(const struct task *t, uint32_t slice)
{
    return place(tg_tile_mat(t->dtype, t->rows, depth_of(t, slice)), slice * PART);
}
static struct tg_tile q_l0a(const struct task *t, uint32_t slice)
{
    return place(tg_tile_left(t->dtype, t->rows, depth_of(t, slice)), t->q_stays ? slice * t->q_bytes : 0);
}

/* MTE2. */
static void load_q(const struct task *t)
{
    for (uint32_t slice = 0; slice < t->n_slices; slice++) {
        const uint64_t at = t->q + (uint64_t)slice * SIDE * tg_dtype_bytes(t->dtype);
        const struct tg_global gm = tg_global_nd(at, t->dtype, t->rows, depth_of(t, slice), t->head_dim);
        const struct tg_tile l1 = q_l1(t, slice);
        TLOAD(l1, gm);
    }
    set_flag(PIPE_MTE2, PIPE_MTE1, Q_EVENT);
}

/* MTE1. */
static void move_q(const struct task *t, uint32_t slice)
{
    const struct tg_tile l0a = q_l0a(t, slice), l1 = q_l1(t, slice);
    TMOV(l0a, l1);
}

/* Columns [col, col + n) of a slice of a block's kt. A part of a column block is a matrix like any other. */
static struct tg_global kt_gm(const struct task *t, uint64_t block, uint32_t slice, uint32_t col, uint32_t n)
{
    const uint32_t depth = depth_of(t, slice);
    if (!t->packed) {
        const uint64_t at = (uint64_t)slice * SIDE * t->block_size + col;
        return tg_global_nd(block + at * tg_dtype_bytes(t->dtype), t->dtype, depth, n, t->block_size);
    }
    const uint64_t from = block + ((uint64_t)(col / NZ) * t->head_dim + slice * SIDE) * 32u;
    return n < NZ ? tg_global_nd(from, t->dtype, depth, n, NZ) : tg_global_nz(from, t->dtype, depth, n, t->head_dim);
}

/* The columns that one load takes from a block, of up to n: whole column blocks, then a part of one. */
static uint32_t kt_columns(const struct task *t, uint32_t n) { return t->packed && n > NZ ? n / NZ * NZ : n; }

/* MTE2. Load the step's kt, the columns of each block behind those of the one before. */
static void load_kt(const struct task *t, struct step s, uint32_t i)
{
    const uint32_t depth = depth_of(t, s.slice), bytes = tg_dtype_bytes(t->dtype);
    if (i >= SETS) wait_flag(PIPE_MTE1, PIPE_MTE2, i % SETS);
    for (uint32_t at = s.at, n; at < s.at + s.n; at += n) {
        const uint32_t col = at % t->block_size;
        n = kt_columns(t, least(t->block_size - col, s.at + s.n - at));
        const struct tg_global gm = kt_gm(t, tg_arg_addr(t->blocks[at / t->block_size]), s.slice, col, n);
        const uint32_t offset = (at - s.at) * tg_round_up(depth, 16) * bytes;
        const struct tg_tile l1 = place(tg_tile_mat(t->dtype, depth, n), L1_KT + i % SETS * PART + offset);
        TLOAD(l1, gm);
    }
    set_flag(PIPE_MTE2, PIPE_MTE1, i % SETS);
}

/* MTE1, M, FIX: step i of n_steps. `tile` counts those that went before. */
static void compute(const struct task *t, struct step s, uint32_t i, uint32_t n_steps)
{
    const uint32_t set = i % SETS, l0 = i % t->l0_sets, depth = depth_of(t, s.slice);
    const uint32_t tile = i / t->n_slices, n_tiles = n_steps / t->n_slices;
    const bool first = s.slice == 0, last = s.slice + 1 == t->n_slices;
    const struct tg_tile kt_l1 = place(tg_tile_mat(t->dtype, depth, s.n), L1_KT + set * PART);
    const struct tg_tile kt_l0b = place(tg_tile_right(t->dtype, depth, s.n), l0 * t->kt_bytes);
    const struct tg_tile left = q_l0a(t, s.slice), s_l0c = place(tg_tile_acc(t->rows, s.n), tile % SETS * PART);

    if (i >= t->l0_sets) wait_flag(PIPE_M, PIPE_MTE1, l0);
    if (!t->q_stays) move_q(t, s.slice);
    wait_flag(PIPE_MTE2, PIPE_MTE1, set);
    TMOV(kt_l0b, kt_l1);
    set_flag(PIPE_MTE1, PIPE_M, l0);
    if (i + SETS < n_steps) set_flag(PIPE_MTE1, PIPE_MTE2, set);

    if (first && tile >= SETS) wait_flag(PIPE_FIX, PIPE_M, tile % SETS);
    wait_flag(PIPE_MTE1, PIPE_M, l0);
    if (first) {
        TMATMUL(s_l0c, left, kt_l0b);
    } else {
        pipe_barrier(PIPE_M); /* the sum so far is complete */
        TMATMUL_ACC(s_l0c, left, kt_l0b);
    }
    if (i + t->l0_sets < n_steps) set_flag(PIPE_M, PIPE_MTE1, l0);
    if (!last) return;

    const struct tg_global s_gm = tg_global_nd(t->s + (uint64_t)s.at * 4, TG_FP32, t->rows, s.n, t->ld);
    set_flag(PIPE_M, PIPE_FIX, tile % SETS);
    wait_flag(PIPE_M, PIPE_FIX, tile % SETS);
    TSTORE(s_gm, s_l0c);
    if (tile + SETS < n_tiles) set_flag(PIPE_FIX, PIPE_M, tile % SETS);
}

/* Divide the work, and see how much of the operands fits into L0 at a time. */
static void plan(struct task *t)
{
    const uint32_t depth = least(t->head_dim, SIDE);
    const struct tg_tile q = tg_tile_left(t->dtype, t->rows, depth),
                         kt = tg_tile_right(t->dtype, depth, tile_tokens(t, 0));
    t->n_slices = (t->head_dim + SIDE - 1) / SIDE;
    t->q_bytes = tg_tile_bytes(&q);
    t->kt_bytes = tg_tile_bytes(&kt);
    t->q_stays = t->n_slices * t->q_bytes <= L0_BYTES;
    t->l0_sets = t->q_stays && SETS * t->kt_bytes <= L0_BYTES ? SETS : 1;
}

void kernel_entry(int64_t *args)
{
    struct task t;
    t.q = tg_arg_addr(args[0]);
    t.s = tg_arg_addr(args[1]);
    t.rows = tg_arg_u32(args[2]);
    t.head_dim = tg_arg_u32(args[3]);
    t.block_size = tg_arg_u32(args[4]);
    t.tokens = tg_arg_u32(args[5]);
    t.dtype = tg_arg_u32(args[6]);
    t.ld = tg_arg_u32(args[7]);
    t.packed = tg_arg_u32(args[8]);
    t.blocks = args + 9;
    plan(&t);

    const struct step begin = {0, tile_tokens(&t, 0), 0};
    uint32_t n_steps = 0;
    for (struct step s = begin; s.n > 0; s = step_after(&t, s)) n_steps++;

    load_q(&t);
    load_kt(&t, begin, 0);
    wait_flag(PIPE_MTE2, PIPE_MTE1, Q_EVENT);
    for (uint32_t slice = 0; t.q_stays && slice < t.n_slices; slice++) move_q(&t, slice);

    struct step s = begin;
    for (uint32_t i = 0; i < n_steps; i++) {
        const struct step next = step_after(&t, s);
        if (i + 1 < n_steps) load_kt(&t, next, i + 1); /* before it is needed */
        compute(&t, s, i, n_steps);
        s = next;
    }
    TDRAIN();
}
