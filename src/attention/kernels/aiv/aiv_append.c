/*
 * aiv_append.c - write rows of new keys or values into their blocks of the cache, on a vector core.
 *
 * append.h lists the arguments. Two sets of buffers go round the pipes:
 *
 *     MTE2 (load) ---> V (convert, transpose) ---> MTE3 (store) ---> MTE2, two slices later
 */
#include "../append_slice.h"

/* V: rows in the cache's type, at the start of the set. */
static struct tg_tile convert(const struct task *t, struct tg_tile *rows, uint32_t set)
{
    const uint32_t n = rows->valid_rows;
    const struct tg_tile to = vec_at(t->to_dtype, n, t->dim, set);
    if (is_direct(t) && !t->rotated) return *rows;
    if (t->from_dtype == TG_FP32 && tg_dtype_bytes(t->to_dtype) == 2 && !t->rotated) {
        TCVT(to, *rows);
        return to;
    }
    struct tg_tile wide = widen(t, rows, set);
    if (t->to_dtype == TG_FP32) return wide;
    if (tg_dtype_bytes(t->to_dtype) == 1) return quantise(t, &wide, t->factor, set);
    const struct tg_tile half = vec_at(t->to_dtype, n, t->dim, set + OTHER);
    TCVT(half, wide);
    pipe_barrier(PIPE_V);
    TMOV(to, half);
    return to;
}

static void append(const struct task *t)
{
    uint32_t n_slices = 1;
    for (struct slice s = first(t); next(t, &s);) n_slices++;

    struct slice s = first(t);
    for (uint32_t idx = 0; idx < n_slices; idx++) {
        const uint32_t event = idx % 2, set = event * SET;
        struct tg_tile rows = vec_at(t->from_dtype, s.n_heads * s.n, t->dim, is_direct(t) ? set : set + OTHER);
        if (idx >= 2) wait_flag(PIPE_MTE3, PIPE_MTE2, event); /* the set is free again */
        load(t, &s, &rows);
        if (t->rotated) load_rotation(t, &s, set);
        set_flag(PIPE_MTE2, PIPE_V, event);

        wait_flag(PIPE_MTE2, PIPE_V, event);
        struct tg_tile tile = convert(t, &rows, set);
        if (t->transposes && s.n > 1) tile = transpose(&s, &tile, set);
        set_flag(PIPE_V, PIPE_MTE3, event);

        wait_flag(PIPE_V, PIPE_MTE3, event);
        store(t, &s, &tile);
        if (idx + 2 < n_slices) set_flag(PIPE_MTE3, PIPE_MTE2, event); /* for the slice that waits above */
        next(t, &s);
    }
}

void kernel_entry(int64_t *args)
{
    const struct task t = task_of(args);
    append(&t);
    TDRAIN();
}
