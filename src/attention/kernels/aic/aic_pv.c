/*
 * aic_pv.c - what a span of KV blocks adds to the output: O = P x V, on a cube core. arguments.h lists the arguments.
 *
 * TLOAD fills the tiles up to whole fractals with zeros, which add nothing. Columns of p and rows of v without a token
 * are never read.
 *
 *         MTE2            MTE1             M              FIX
 *     GM -----> L1 (p, v) -----> L0A, L0B ---> L0C (o) -----> GM, once
 *
 * cube.h says what the steps of a span are. The blocks of a tile are below each other. Slices have a part of o each and
 * share p. Steps take turns on two sets of buffers, as in aic_qk.c. All of o stays in L0C until the end, which limits
 * rows and dim together (builder_init in attention_graph.c).
 */
#include "../arguments.h"
#include "../cube.h"

#define V_EVENT SETS /* those of p come first: 0, 1, then those of v */

/* L1: the sets of p, then those of v. */
#define L1_V (SETS * PART)

struct task {
    uint64_t p, o;
    uint32_t ld, rows, dtype, value_dtype, token_ld;
    struct span span;
    uint32_t p_bytes, v_bytes; /* of a step's tiles, at most */
    uint32_t l0_sets;
};

static struct tg_tile o_l0c(const struct task *t, uint32_t slice)
{
    return place(tg_tile_acc(t->rows, slice_dims(&t->span, slice)), slice * tg_round_up(t->rows, 16) * SIDE * 4);
}

/* The rows of v that the step has from one block, from token `at` on: in the buffer of a kind that begins at `base`. */
static struct tg_tile block_tile(const struct task *t, uint32_t kind, struct step s, uint32_t at, uint32_t base)
{
    const uint32_t width = tg_round_up(t->span.slice_most, kind == TG_MAT ? fractal_side(t->value_dtype) : 16);
    const uint32_t offset = base + (at - s.at) * width * tg_dtype_bytes(t->value_dtype);
    return cube_at(kind, t->value_dtype, tokens_of_block(&t->span, s, at), slice_dims(&t->span, s.slice),
                   t->span.block_most, t->span.slice_most, offset);
}

/* MTE2. An event for each operand, so that p moves on while v is still being loaded. */
static void load(const struct task *t, struct step s, uint32_t i)
{
    const uint32_t bytes = tg_dtype_bytes(t->dtype), width = slice_dims(&t->span, s.slice),
                   p_set = i / t->span.n_slices % SETS;
    /* What MTE1 has done up to that step covers the tile of p that is replaced. */
    if (i >= SETS) wait_flag(PIPE_MTE1, PIPE_MTE2, i % SETS);
    if (s.slice == 0) {
        const struct tg_global p_gm = tg_global_nd(t->p + (uint64_t)s.at * bytes, t->dtype, t->rows, s.n, t->ld);
        const struct tg_tile p_l1 = cube_at(TG_MAT, t->dtype, t->rows, s.n, t->rows, t->span.tile_most, p_set * PART);
        TLOAD(p_l1, p_gm);
        set_flag(PIPE_MTE2, PIPE_MTE1, p_set);
    }
    for (uint32_t at = s.at, n; at < s.at + s.n; at += n) {
        n = tokens_of_block(&t->span, s, at);
        const uint64_t element = (uint64_t)(at % t->span.block_tokens) * t->token_ld + s.slice * SIDE;
        const uint64_t from = block_of(&t->span, at) + element * tg_dtype_bytes(t->value_dtype);
        const struct tg_global v_gm = tg_global_nd(from, t->value_dtype, n, width, t->token_ld);
        const struct tg_tile v_l1 = block_tile(t, TG_MAT, s, at, L1_V + i % SETS * PART);
        TLOAD(v_l1, v_gm);
    }
    set_flag(PIPE_MTE2, PIPE_MTE1, V_EVENT + i % SETS);
}

/* MTE1. */
static void move(const struct task *t, struct step s, uint32_t i, struct tg_tile left)
{
    const uint32_t p_set = i / t->span.n_slices % SETS;
    if (s.slice == 0) {
        const struct tg_tile p_l1 = cube_at(TG_MAT, t->dtype, t->rows, s.n, t->rows, t->span.tile_most, p_set * PART);
        wait_flag(PIPE_MTE2, PIPE_MTE1, p_set);
        TMOV(left, p_l1);
    }
    wait_flag(PIPE_MTE2, PIPE_MTE1, V_EVENT + i % SETS);
    for (uint32_t at = s.at, n; at < s.at + s.n; at += n) {
        n = tokens_of_block(&t->span, s, at);
        const struct tg_tile v_l1 = block_tile(t, TG_MAT, s, at, L1_V + i % SETS * PART);
        const struct tg_tile v_l0b = block_tile(t, TG_RIGHT, s, at, i % t->l0_sets * t->v_bytes);
        TMOV(v_l0b, v_l1);
    }
}

/* MTE1, M: step i of n_steps. */
static void compute(const struct task *t, struct step s, uint32_t i, uint32_t n_steps)
{
    const uint32_t l0 = i % t->l0_sets, width = slice_dims(&t->span, s.slice);
    const struct tg_tile left = cube_at(TG_LEFT, t->dtype, t->rows, s.n, t->rows, t->span.tile_most,
                                        i / t->span.n_slices % t->l0_sets * t->p_bytes);
    const struct tg_tile right = cube_at(TG_RIGHT, t->value_dtype, s.n, width, t->span.tile_most, t->span.slice_most,
                                         l0 * t->v_bytes);
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
    for (uint32_t slice = 0; slice < t->span.n_slices; slice++) {
        const uint64_t to = t->o + (uint64_t)slice * SIDE * 4;
        const struct tg_global o_gm = tg_global_nd(to, TG_FP32, t->rows, slice_dims(&t->span, slice), t->span.dim);
        const struct tg_tile o = o_l0c(t, slice);
        TSTORE(o_gm, o);
    }
}

/* Divide the span, and see how much of the operands fits into L0 at a time. */
static void fit(struct task *t, const int64_t *args)
{
    t->span = span_make(args + PV_BLOCKS, tg_arg_u32(args[PV_TOKENS]), tg_arg_u32(args[PV_BLOCK_TOKENS]),
                        tg_arg_u32(args[PV_DIM]), fractal_side(t->value_dtype));
    const struct tg_tile p = tg_tile_left(t->dtype, t->rows, t->span.tile_most),
                         v = tg_tile_right(t->value_dtype, t->span.tile_most, t->span.slice_most);
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
    t.dtype = tg_arg_u32(args[PV_DTYPE]);
    t.value_dtype = tg_arg_u32(args[PV_VALUE_DTYPE]);
    t.token_ld = tg_arg_u32(args[PV_TOKEN_LD]);
    fit(&t, args);

    const uint32_t n_steps = count_steps(&t.span);
    struct step s = first_step(&t.span);
    load(&t, s, 0);
    for (uint32_t i = 0; i < n_steps; i++) {
        const struct step next = step_after(&t.span, s);
        if (i + 1 < n_steps) load(&t, next, i + 1); /* before it is needed */
        compute(&t, s, i, n_steps);
        s = next;
    }
    store(&t);
    TDRAIN();
}
