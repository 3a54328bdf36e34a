/*
 * aic_qk.c - the scores of a span of KV blocks: S = Q x K^T, on a cube core. arguments.h lists the arguments.
 *
 * Columns that hold no token are neither read nor written, so nothing in them can do harm.
 *
 *         MTE2             MTE1             M              FIX
 *     GM -----> L1 (q, kt) -----> L0A, L0B ---> L0C (s) -----> GM
 *
 * The kernel works off the tokens in tiles of up to SIDE: several small blocks side by side, a block, or a part of a
 * large one. It cuts a dimension above SIDE into slices and adds up their products in L0C. A slice of a tile is a step.
 * q is loaded once. Steps take turns on two sets of buffers: while one is loaded, the one before is multiplied, and the
 * one before that is stored. Each hand-over is an event with the set's number.
 */
#include "../arguments.h"
#include "../rows.h"

#define SIDE 128u
#define PART (SIDE * SIDE * 4u) /* bytes of the largest tile */
#define SETS 2u
#define Q_EVENT EVENT_ID2 /* behind those of the sets */
#define L0_BYTES 65536u

struct task {
    uint64_t q, s;
    uint32_t q_ld, ld, rows, dim, dtype, tokens, block_tokens, token_ld, dim_ld;
    const int64_t *blocks;
    uint32_t n_slices; /* of dim */
    uint32_t kt_bytes; /* of a step's kt, at most */
    uint32_t q_bytes;  /* of a slice of q */
    bool q_stays;      /* all slices of q fit into L0A; otherwise each step moves its own */
    uint32_t l0_sets;  /* of kt in L0B */
    uint32_t depth;    /* of the largest slice */
    uint32_t width;    /* of the largest tile; with several blocks, whole ones */
    bool several;      /* a tile has several blocks */
    bool turned;       /* keys are rows in device memory: they go through L1 in the layout of the transposed operand */
};

struct step {
    uint32_t at, n; /* the tile's tokens; n 0: behind the last */
    uint32_t slice; /* of dim */
};

/* Tokens of the tile that begins at token `at`. Blocks go side by side where their columns fill whole fractals. */
static uint32_t tile_tokens(const struct task *t, uint32_t at)
{
    const uint32_t most = t->several ? SIDE / t->block_tokens * t->block_tokens
                                     : t->block_tokens - at % t->block_tokens;
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

/* Elements of dim in a slice. */
static uint32_t depth_of(const struct task *t, uint32_t slice) { return least(SIDE, t->dim - slice * SIDE); }

/* A slice of q on its way. */
static struct tg_tile q_l1(const struct task *t, uint32_t slice)
{
    return cube_at(TG_MAT, t->dtype, t->rows, depth_of(t, slice), t->rows, t->depth, slice * PART);
}
static struct tg_tile q_l0a(const struct task *t, uint32_t slice)
{
    const uint32_t offset = t->q_stays ? slice * t->q_bytes : 0;
    return cube_at(TG_LEFT, t->dtype, t->rows, depth_of(t, slice), t->rows, t->depth, offset);
}

/* L1 has all slices of q, then the sets of kt. */
static uint32_t kt_offset(const struct task *t, uint32_t i) { return (t->n_slices + i % SETS) * PART; }

/* MTE2. */
static void load_q(const struct task *t)
{
    for (uint32_t slice = 0; slice < t->n_slices; slice++) {
        const uint64_t at = t->q + (uint64_t)slice * SIDE * tg_dtype_bytes(t->dtype);
        const struct tg_global gm = tg_global_nd(at, t->dtype, t->rows, depth_of(t, slice), t->q_ld);
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

/* The Right tile as a Mat tile of the same layout, ZN. */
static struct tg_tile as_zn(struct tg_tile tile)
{
    tile.kind = TG_MAT;
    tile.layout = TG_COL_MAJOR;
    return tile;
}

/* MTE2. Load the step's kt, the columns of each block behind those of the one before. */
static void load_kt(const struct task *t, struct step s, uint32_t i)
{
    const uint32_t depth = depth_of(t, s.slice), bytes = tg_dtype_bytes(t->dtype);
    if (i >= SETS) wait_flag(PIPE_MTE1, PIPE_MTE2, i % SETS);
    for (uint32_t at = s.at, n; at < s.at + s.n; at += n) {
        const uint32_t col = at % t->block_tokens;
        n = least(t->block_tokens - col, s.at + s.n - at);
        const uint64_t from = tg_arg_addr(t->blocks[at / t->block_tokens]) +
                              ((uint64_t)s.slice * SIDE * t->dim_ld + (uint64_t)col * t->token_ld) * bytes;
        const struct tg_global gm = t->token_ld == 1 ? tg_global_nd(from, t->dtype, depth, n, t->dim_ld)
                                                     : tg_global_dn(from, t->dtype, depth, n, t->token_ld);
        const uint32_t offset = kt_offset(t, i) + (at - s.at) * tg_round_up(t->depth, 16) * bytes;
        const uint32_t width = t->several ? t->block_tokens : t->width;
        struct tg_tile l1 = cube_at(t->turned ? TG_RIGHT : TG_MAT, t->dtype, depth, n, t->depth, width, offset);
        if (t->turned) l1 = as_zn(l1);
        TLOAD(l1, gm);
    }
    set_flag(PIPE_MTE2, PIPE_MTE1, i % SETS);
}

/* MTE1, M, FIX: step i of n_steps. `tile` counts the tiles before. */
static void compute(const struct task *t, struct step s, uint32_t i, uint32_t n_steps)
{
    const uint32_t l0 = i % t->l0_sets, depth = depth_of(t, s.slice);
    const uint32_t tile = i / t->n_slices, n_tiles = n_steps / t->n_slices;
    const bool first = s.slice == 0, last = s.slice + 1 == t->n_slices;
    struct tg_tile kt_l1 = cube_at(t->turned ? TG_RIGHT : TG_MAT, t->dtype, depth, s.n, t->depth, t->width,
                                   kt_offset(t, i));
    if (t->turned) kt_l1 = as_zn(kt_l1);
    const struct tg_tile kt_l0b = cube_at(TG_RIGHT, t->dtype, depth, s.n, t->depth, t->width, l0 * t->kt_bytes);
    const struct tg_tile left = q_l0a(t, s.slice), s_l0c = place(tg_tile_acc(t->rows, s.n), tile % SETS * PART);

    if (i >= t->l0_sets) wait_flag(PIPE_M, PIPE_MTE1, l0);
    if (!t->q_stays) move_q(t, s.slice);
    wait_flag(PIPE_MTE2, PIPE_MTE1, i % SETS);
    TMOV(kt_l0b, kt_l1);
    set_flag(PIPE_MTE1, PIPE_M, l0);
    if (i + SETS < n_steps) set_flag(PIPE_MTE1, PIPE_MTE2, i % SETS);

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

/* What follows from the shape: how much fits at a time. */
static void fit(struct task *t)
{
    t->turned = t->token_ld != 1;
    t->several = !t->turned && t->block_tokens < SIDE && t->block_tokens % 16 == 0;
    t->depth = least(t->dim, SIDE);
    t->width = tile_tokens(t, 0);
    if (t->several) t->width = (t->width + t->block_tokens - 1) / t->block_tokens * t->block_tokens;
    const struct tg_tile q = tg_tile_left(t->dtype, t->rows, t->depth),
                         kt = tg_tile_right(t->dtype, t->depth, t->width);
    t->n_slices = (t->dim + SIDE - 1) / SIDE;
    t->q_bytes = tg_tile_bytes(&q);
    t->kt_bytes = tg_tile_bytes(&kt);
    t->q_stays = t->n_slices * t->q_bytes <= L0_BYTES;
    t->l0_sets = t->q_stays && SETS * t->kt_bytes <= L0_BYTES ? SETS : 1;
}

void kernel_entry(int64_t *args)
{
    struct task t;
    t.q = tg_arg_addr(args[QK_Q]);
    t.q_ld = tg_arg_u32(args[QK_Q_LD]);
    t.s = tg_arg_addr(args[QK_S]);
    t.ld = tg_arg_u32(args[QK_LD]);
    t.rows = tg_arg_u32(args[QK_ROWS]);
    t.dim = tg_arg_u32(args[QK_DIM]);
    t.dtype = tg_arg_u32(args[QK_DTYPE]);
    t.tokens = tg_arg_u32(args[QK_TOKENS]);
    t.block_tokens = tg_arg_u32(args[QK_BLOCK_TOKENS]);
    t.token_ld = tg_arg_u32(args[QK_TOKEN_LD]);
    t.dim_ld = tg_arg_u32(args[QK_DIM_LD]);
    t.blocks = args + QK_BLOCKS;
    fit(&t);

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
