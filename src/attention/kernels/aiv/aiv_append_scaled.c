/*
 * aiv_append_scaled.c - write rows of new keys or values into blocks whose heads have scales of their own, on a vector
 * core. append.h lists the arguments.
 *
 * The scale of a block and head is that of its largest number: an element of the type's largest size. So a piece and a
 * head are worked off in three steps:
 *
 *     1. the largest new number, which the scalar unit reads; the scale grows if the number needs it
 *     2. if it has grown and the block has older tokens: their elements get the new scale
 *     3. the new rows as elements
 *
 * Each transfer waits for the one before it: the scale decides what follows.
 */
#include "../append_slice.h"

/* The second set of buffers: elements of older tokens, as they are, as fp16 (int8 only), as fp32, as they will be. */
#define PART 8192u /* elements */
#define OLD SET
#define OLD_HALF (OLD + PART)
#define OLD_WIDE (OLD_HALF + PART * 2u)
#define OLD_NEW (OLD_WIDE + PART * 4u)
#define TOPS (OLD_NEW + PART) /* the largest number of each row */
#define TOP (TOPS + 4096u)    /* and of all of them */
#define SCALES (TOP + 64u)    /* of a block's heads */
_Static_assert(SCALES + 4096u <= 192u * 1024u, "UB is full");

/* A scale is a normal number, also that of zeros. */
#define SCALE_LEAST 1e-30f

#define HAND_OVER(from, to)                                                                                            \
    do {                                                                                                               \
        set_flag(from, to, EVENT_ID0);                                                                                 \
        wait_flag(from, to, EVENT_ID0);                                                                                \
    } while (0)

/* The slice of one head that begins at a token. */
static struct slice slice_at(const struct task *t, uint32_t piece, uint32_t head, uint32_t token)
{
    const uint32_t n = piece_at(t, piece).n;
    const struct slice s = {piece, head, 1, token, least(n - token, tokens_of_slice(t, n))};
    return s;
}

/* MTE2, V: the slice in fp32, at the start of the first set. */
static struct tg_tile fetch(const struct task *t, const struct slice *s)
{
    struct tg_tile rows = vec_at(t->from_dtype, s->n, t->dim, OTHER);
    load(t, s, &rows);
    if (t->rotated) load_rotation(t, s, 0);
    HAND_OVER(PIPE_MTE2, PIPE_V);
    return widen(t, &rows, 0);
}

/* The largest number of a piece and head. */
static float largest(const struct task *t, uint32_t piece, uint32_t head)
{
    const uint32_t n = piece_at(t, piece).n;
    float most = 0;
    struct slice s;
    for (uint32_t token = 0; token < n; token += s.n) {
        s = slice_at(t, piece, head, token);
        const struct tg_tile wide = fetch(t, &s), scratch = vec_at(TG_FP32, s.n, t->dim, OTHER);
        const struct tg_tile tops = place(tg_tile_column(TG_FP32, s.n), TOPS);
        const struct tg_tile row = vec_at(TG_FP32, 1, s.n, TOPS), row_scratch = vec_at(TG_FP32, 1, s.n, OTHER);
        const struct tg_tile top = place(tg_tile_column(TG_FP32, 1), TOP);
        TABS(wide, wide);
        pipe_barrier(PIPE_V);
        TROWMAX(tops, wide, scratch);
        pipe_barrier(PIPE_V);
        TROWMAX(top, row, row_scratch);
        HAND_OVER(PIPE_V, PIPE_S);
        const float found = (float)TGETVAL(top, 0);
        if (!(found <= most)) most = found; /* a NaN wins */
        HAND_OVER(PIPE_S, PIPE_V);
        HAND_OVER(PIPE_V, PIPE_MTE2);
    }
    return most;
}

/* The elements of tokens before the piece's are multiplied by the factor. */
static void scale_older(const struct task *t, const struct append_piece *piece, uint32_t head, float factor)
{
    const int64_t block = piece->block * t->to_block + head * t->to_head, ld = t->transposes ? t->to_dim : t->to_token;
    const uint32_t rows = t->transposes ? t->dim : piece->slot, cols = t->transposes ? piece->slot : t->dim;
    const uint32_t most = PART / tg_round_up(cols, 32);
    for (uint32_t row = 0; row < rows; row += most) {
        const uint32_t n = least(rows - row, most);
        const struct tg_global gm = tg_global_nd(t->to + (uint64_t)(block + row * ld), t->to_dtype, n, cols, ld);
        const struct tg_tile old = vec_at(t->to_dtype, n, cols, OLD), half = vec_at(TG_FP16, n, cols, OLD_HALF);
        const struct tg_tile wide = vec_at(TG_FP32, n, cols, OLD_WIDE), to = vec_at(t->to_dtype, n, cols, OLD_NEW);
        TLOAD(old, gm);
        HAND_OVER(PIPE_MTE2, PIPE_V);
        if (t->to_dtype == TG_INT8) {
            TCVT(half, old);
            pipe_barrier(PIPE_V);
            TCVT(wide, half);
        } else {
            TCVT(wide, old);
        }
        pipe_barrier(PIPE_V);
        TMULS(wide, wide, factor);
        pipe_barrier(PIPE_V);
        to_eight_bits(wide, half, to);
        HAND_OVER(PIPE_V, PIPE_MTE3);
        TSTORE(gm, to);
        HAND_OVER(PIPE_MTE3, PIPE_MTE2);
    }
}

/* The new rows of a piece and head as elements. */
static void write_rows(const struct task *t, uint32_t piece, uint32_t head, float factor)
{
    const uint32_t n = piece_at(t, piece).n;
    struct slice s;
    for (uint32_t token = 0; token < n; token += s.n) {
        s = slice_at(t, piece, head, token);
        struct tg_tile wide = fetch(t, &s), tile = quantise(t, &wide, factor, 0);
        if (t->transposes && s.n > 1) tile = transpose(&s, &tile, 0);
        HAND_OVER(PIPE_V, PIPE_MTE3);
        store(t, &s, &tile);
        HAND_OVER(PIPE_MTE3, PIPE_MTE2);
    }
}

/* The scale that the numbers of a block and head need. */
static float scale_for(const struct task *t, float most)
{
    const float end = t->to_dtype == TG_INT8 ? 127.0f : t->to_dtype == TG_FP8_E4M3 ? 448.0f : 57344.0f;
    const float scale = most * t->factor / end;
    return scale < SCALE_LEAST ? SCALE_LEAST : scale;
}

static void append(const struct task *t, uint32_t idx)
{
    const struct append_piece piece = piece_at(t, idx);
    const uint64_t at = t->scales + (uint64_t)piece.block * t->heads * sizeof(float);
    const struct tg_global gm = tg_global_nd(at, TG_FP32, 1, t->heads, t->heads);
    const struct tg_tile scales = vec_at(TG_FP32, 1, t->heads, SCALES);
    TLOAD(scales, gm);
    HAND_OVER(PIPE_MTE2, PIPE_S);
    for (uint32_t head = 0; head < t->heads; head++) {
        const float old = piece.slot ? (float)TGETVAL(scales, head) : 0.0f; /* older tokens are of no other sequence */
        float scale = scale_for(t, largest(t, idx, head));
        if (scale <= old) scale = old;
        else if (piece.slot) scale_older(t, &piece, head, old / scale);
        write_rows(t, idx, head, t->factor / scale);
        TSETVAL(scales, head, scale);
    }
    HAND_OVER(PIPE_S, PIPE_MTE3);
    TSTORE(gm, scales);
    set_flag(PIPE_MTE3, PIPE_MTE2, EVENT_ID1); /* nothing orders event 0 since the last rows */
    wait_flag(PIPE_MTE3, PIPE_MTE2, EVENT_ID1);
}

void kernel_entry(int64_t *args)
{
    const struct task t = task_of(args);
    for (uint32_t idx = 0; idx < t.n_pieces; idx++) append(&t, idx);
    TDRAIN();
}
