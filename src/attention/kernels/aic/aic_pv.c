/*
 * aic_pv.c - what a span of KV blocks adds to the output: O = P x V, on a cube core. arguments.h lists the arguments.
 *
 * TLOAD fills the tiles up to whole fractals with zeros, which add nothing. Columns of p and rows of v without a token
 * are never read.
 *
 *         MTE2            MTE1             M              FIX
 *     GM -----> L1 (p, v) -----> L0A, L0B ---> L0C (o) -----> GM, once
 *
 * The kernel works off the tokens in tiles of up to SIDE: several small blocks below each other, a block, or a part of
 * a large one. It cuts a dimension above SIDE into slices, which have a part of o each and share p. A slice of a tile
 * is a step. Steps take turns on two sets of buffers, as in aic_qk.c. All of o stays in L0C until the end, which limits
 * rows and dim together (builder_init in attention_graph.c).
 */
#include "../arguments.h"
#include "../rows.h"

#define SIDE 128u
#define PART (SIDE * SIDE * 4u) /* bytes of the largest tile */
#define SETS 2u
#define V_EVENT SETS /* those of p come first: 0, 1, then those of v */
#define L0_BYTES 65536u

/* L1: the sets of p, then those of v. */
#define L1_V (SETS * PART)

struct task {
    uint64_t p, o;
    uint32_t ld, rows, dim, dtype, tokens, block_tokens, token_ld;
    const int64_t *blocks;
    uint32_t n_slices;         /* of dim */
    uint32_t p_bytes, v_bytes; /* of a step's tiles, at most */
    uint32_t l0_sets;
    uint32_t width;  /* of the largest slice */
    uint32_t height; /* tokens of the largest tile; with several blocks, whole ones */
    bool several;    /* a tile has several blocks */
};

struct step {
    uint32_t at, n; /* the tile's tokens; n 0: behind the last */
    uint32_t slice; /* of dim */
};

/* Tokens of the tile that begins at token `at`. Blocks go below each other where their rows fill whole fractals. */
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

/* Columns of o and v in a slice. */
static uint32_t width_of(const struct task *t, uint32_t slice) { return least(SIDE, t->dim - slice * SIDE); }

static struct tg_tile o_l0c(const struct task *t, uint32_t slice)
{
    return place(tg_tile_acc(t->rows, width_of(t, slice)), slice * tg_round_up(t->rows, 16) * SIDE * 4);
}

/* The rows of v that the tile has from one block, from token `at` on. */
static uint32_t block_rows(const struct task *t, struct step s, uint32_t at)
{
    return least(t->block_tokens - at % t->block_tokens, s.at + s.n - at);
}

/* The tile of these rows in v's buffer of a kind, which begins at `base`. */
static struct tg_tile block_tile(const struct task *t, uint32_t kind, struct step s, uint32_t at, uint32_t base)
{
    const uint32_t offset = base + (at - s.at) * tg_round_up(t->width, 16) * tg_dtype_bytes(t->dtype);
    const uint32_t height = t->several ? t->block_tokens : t->height;
    return cube_at(kind, t->dtype, block_rows(t, s, at), width_of(t, s.slice), height, t->width, offset);
}

/* MTE2. An event for each operand, so that p moves on while v is still being loaded. */
static void load(const struct task *t, struct step s, uint32_t i)
{
    const uint32_t bytes = tg_dtype_bytes(t->dtype), width = width_of(t, s.slice), p_set = i / t->n_slices % SETS;
    /* What MTE1 has done up to that step covers the tile of p that is replaced. */
    if (i >= SETS) wait_flag(PIPE_MTE1, PIPE_MTE2, i % SETS);
    if (s.slice == 0) {
        const struct tg_global p_gm = tg_global_nd(t->p + (uint64_t)s.at * bytes, t->dtype, t->rows, s.n, t->ld);
        const struct tg_tile p_l1 = cube_at(TG_MAT, t->dtype, t->rows, s.n, t->rows, t->height, p_set * PART);
        TLOAD(p_l1, p_gm);
        set_flag(PIPE_MTE2, PIPE_MTE1, p_set);
    }
    for (uint32_t at = s.at, n; at < s.at + s.n; at += n) {
        n = block_rows(t, s, at);
        const uint64_t from = tg_arg_addr(t->blocks[at / t->block_tokens]) +
                              ((uint64_t)(at % t->block_tokens) * t->token_ld + s.slice * SIDE) * bytes;
        const struct tg_global v_gm = tg_global_nd(from, t->dtype, n, width, t->token_ld);
        const struct tg_tile v_l1 = block_tile(t, TG_MAT, s, at, L1_V + i % SETS * PART);
        TLOAD(v_l1, v_gm);
    }
    set_flag(PIPE_MTE2, PIPE_MTE1, V_EVENT + i % SETS);
}

/* MTE1. */
static void move(const struct task *t, struct step s, uint32_t i, struct tg_tile left)
{
    const uint32_t p_set = i / t->n_slices % SETS;
    if (s.slice == 0) {
        const struct tg_tile p_l1 = cube_at(TG_MAT, t->dtype, t->rows, s.n, t->rows, t->height, p_set * PART);
        wait_flag(PIPE_MTE2, PIPE_MTE1, p_set);
        TMOV(left, p_l1);
    }
    wait_flag(PIPE_MTE2, PIPE_MTE1, V_EVENT + i % SETS);
    for (uint32_t at = s.at, n; at < s.at + s.n; at += n) {
        n = block_rows(t, s, at);
        const struct tg_tile v_l1 = block_tile(t, TG_MAT, s, at, L1_V + i % SETS * PART);
        const struct tg_tile v_l0b = block_tile(t, TG_RIGHT, s, at, i % t->l0_sets * t->v_bytes);
        TMOV(v_l0b, v_l1);
    }
}

/* MTE1, M: step i of n_steps. */
static void compute(const struct task *t, struct step s, uint32_t i, uint32_t n_steps)
{
    const uint32_t l0 = i % t->l0_sets, width = width_of(t, s.slice);
    const struct tg_tile left = cube_at(TG_LEFT, t->dtype, t->rows, s.n, t->rows, t->height,
                                        i / t->n_slices % t->l0_sets * t->p_bytes);
    const struct tg_tile right = cube_at(TG_RIGHT, t->dtype, s.n, width, t->height, t->width, l0 * t->v_bytes);
    const struct tg_tile o = o_l0c(t, s.slice);

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
        const struct tg_global o_gm = tg_global_nd(to, TG_FP32, t->rows, width_of(t, slice), t->dim);
        const struct tg_tile o = o_l0c(t, slice);
        TSTORE(o_gm, o);
    }
}

/* What follows from the shape: how much fits at a time. */
static void fit(struct task *t)
{
    t->several = t->block_tokens < SIDE && t->block_tokens % 16 == 0;
    t->width = least(t->dim, SIDE);
    t->height = tile_tokens(t, 0);
    if (t->several) t->height = (t->height + t->block_tokens - 1) / t->block_tokens * t->block_tokens;
    const struct tg_tile p = tg_tile_left(t->dtype, t->rows, t->height),
                         v = tg_tile_right(t->dtype, t->height, t->width);
    t->n_slices = (t->dim + SIDE - 1) / SIDE;
    t->p_bytes = tg_tile_bytes(&p);
    t->v_bytes = tg_tile_bytes(&v);
    t->l0_sets = SETS * (t->p_bytes > t->v_bytes ? t->p_bytes : t->v_bytes) <= L0_BYTES ? SETS : 1;
}

void kernel_entry(int64_t *args)
{
    struct task t;
    t.p = tg_arg_addr(args[PV_P]);
    t.ld = tg_arg_u32(args[PV_LD]);
    t.o = tg_arg_addr(args[PV_O]);
    t.rows = tg_arg_u32(args[PV_ROWS]);
    t.dim = tg_arg_u32(args[PV_DIM]);
    t.dtype = tg_arg_u32(args[PV_DTYPE]);
    t.tokens = tg_arg_u32(args[PV_TOKENS]);
    t.block_tokens = tg_arg_u32(args[PV_BLOCK_TOKENS]);
    t.token_ld = tg_arg_u32(args[PV_TOKEN_LD]);
    t.blocks = args + PV_BLOCKS;
    fit(&t);

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
