/*
 * aic_qk.c - the scores of a span of KV blocks: S = Q x K^T, on a cube core. arguments.h lists the arguments.
 *
 * Columns that hold no token are neither read nor written, so nothing in them can do harm.
 *
 *         MTE2             MTE1             M              FIX
 *     GM -----> L1 (q, kt) -----> L0A, L0B ---> L0C (s) -----> GM
 *
 * cube.h says what the steps of a span are. The blocks of a tile are side by side. The products of a tile's slices are
 * added up in L0C. q is loaded once. Steps take turns on two sets of buffers: while one is loaded, the one before is
 * multiplied, and the one before that is stored. Each hand-over is an event with the set's number.
 */
#include "../arguments.h"
#include "../cube.h"

#define Q_EVENT EVENT_ID2 /* behind those of the sets */

struct task {
    uint64_t q, s;
    uint32_t q_ld, ld, rows, dtype, key_dtype, token_ld, dim_ld;
    struct span span;
    uint32_t kt_bytes; /* of a step's kt, at most */
    uint32_t q_bytes;  /* of a slice of q */
    bool q_stays;      /* all slices of q fit into L0A; otherwise each step moves its own */
    uint32_t l0_sets;  /* of kt in L0B */
    bool turned;       /* keys are rows in device memory: they go through L1 in the layout of the transposed operand */
};

/* A slice of q on its way. */
static struct tg_tile q_l1(const struct task *t, uint32_t slice)
{
    return cube_at(TG_MAT, t->dtype, t->rows, slice_dims(&t->span, slice), t->rows, t->span.slice_most, slice * PART);
}
static struct tg_tile q_l0a(const struct task *t, uint32_t slice)
{
    const uint32_t offset = t->q_stays ? slice * t->q_bytes : 0;
    return cube_at(TG_LEFT, t->dtype, t->rows, slice_dims(&t->span, slice), t->rows, t->span.slice_most, offset);
}

/* L1 has all slices of q, then the sets of kt. */
static uint32_t kt_offset(const struct task *t, uint32_t i) { return (t->span.n_slices + i % SETS) * PART; }

/* MTE2. */
static void load_q(const struct task *t)
{
    for (uint32_t slice = 0; slice < t->span.n_slices; slice++) {
        const uint64_t at = t->q + (uint64_t)slice * SIDE * tg_dtype_bytes(t->dtype);
        const struct tg_global gm = tg_global_nd(at, t->dtype, t->rows, slice_dims(&t->span, slice), t->q_ld);
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
    const uint32_t depth = slice_dims(&t->span, s.slice), bytes = tg_dtype_bytes(t->key_dtype);
    if (i >= SETS) wait_flag(PIPE_MTE1, PIPE_MTE2, i % SETS);
    for (uint32_t at = s.at, n; at < s.at + s.n; at += n) {
        const uint32_t col = at % t->span.block_tokens;
        n = tokens_of_block(&t->span, s, at);
        const uint64_t from = block_of(&t->span, at) +
                              ((uint64_t)s.slice * SIDE * t->dim_ld + (uint64_t)col * t->token_ld) * bytes;
        const struct tg_global gm = t->token_ld == 1 ? tg_global_nd(from, t->key_dtype, depth, n, t->dim_ld)
                                                     : tg_global_dn(from, t->key_dtype, depth, n, t->token_ld);
        const uint32_t offset = kt_offset(t, i) + (at - s.at) * tg_round_up(t->span.slice_most, 16) * bytes;
        struct tg_tile l1 = cube_at(t->turned ? TG_RIGHT : TG_MAT, t->key_dtype, depth, n, t->span.slice_most,
                                    t->span.block_most, offset);
        if (t->turned) l1 = as_zn(l1);
        TLOAD(l1, gm);
    }
    set_flag(PIPE_MTE2, PIPE_MTE1, i % SETS);
}

/* MTE1, M, FIX: step i of n_steps. `tile` counts the tiles before. */
static void compute(const struct task *t, struct step s, uint32_t i, uint32_t n_steps)
{
    const uint32_t l0 = i % t->l0_sets, depth = slice_dims(&t->span, s.slice);
    const uint32_t tile = i / t->span.n_slices, n_tiles = n_steps / t->span.n_slices;
    const bool first = s.slice == 0, last = s.slice + 1 == t->span.n_slices;
    struct tg_tile kt_l1 = cube_at(t->turned ? TG_RIGHT : TG_MAT, t->key_dtype, depth, s.n, t->span.slice_most,
                                   t->span.tile_most, kt_offset(t, i));
    if (t->turned) kt_l1 = as_zn(kt_l1);
    const struct tg_tile kt_l0b = cube_at(TG_RIGHT, t->key_dtype, depth, s.n, t->span.slice_most, t->span.tile_most,
                                          l0 * t->kt_bytes);
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

/* Divide the span, and see how much of the operands fits into L0 at a time. */
static void fit(struct task *t, const int64_t *args)
{
    t->turned = t->token_ld != 1;
    t->span = span_make(args + QK_BLOCKS, tg_arg_u32(args[QK_TOKENS]), tg_arg_u32(args[QK_BLOCK_TOKENS]),
                        tg_arg_u32(args[QK_DIM]), t->turned ? 0 : fractal_side(t->key_dtype));
    const struct tg_tile q = tg_tile_left(t->dtype, t->rows, t->span.slice_most),
                         kt = tg_tile_right(t->key_dtype, t->span.slice_most, t->span.tile_most);
    t->q_bytes = tg_tile_bytes(&q);
    t->kt_bytes = tg_tile_bytes(&kt);
    t->q_stays = t->span.n_slices * t->q_bytes <= L0_BYTES;
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
    t.dtype = tg_arg_u32(args[QK_DTYPE]);
    t.key_dtype = tg_arg_u32(args[QK_KEY_DTYPE]);
    t.token_ld = tg_arg_u32(args[QK_TOKEN_LD]);
    t.dim_ld = tg_arg_u32(args[QK_DIM_LD]);
    fit(&t, args);

    const uint32_t n_steps = count_steps(&t.span);
    struct step s = first_step(&t.span);
    load_q(&t);
    load_kt(&t, s, 0);
    wait_flag(PIPE_MTE2, PIPE_MTE1, Q_EVENT);
    for (uint32_t slice = 0; t.q_stays && slice < t.span.n_slices; slice++) move_q(&t, slice);

    for (uint32_t i = 0; i < n_steps; i++) {
        const struct step next = step_after(&t.span, s);
        if (i + 1 < n_steps) load_kt(&t, next, i + 1); /* before it is needed */
        compute(&t, s, i, n_steps);
        s = next;
    }
    TDRAIN();
}
