/*
 * append_graph.c - an append as a graph: tasks without edges, each of which writes some pieces of the keys or of the
 * values. No two tasks write the same bytes, for a token slot is in one piece.
 */
#include <tilegraph/orchestration.h>

#include "../append.h"

/* In the order of the kernels in append.c. */
enum func { FUNC_APPEND, FUNC_APPEND_SCALED };

/* The arguments of a task that pieces are added to. */
struct batch {
    uint64_t args[AP_PIECES + APPEND_PIECE_WORDS * APPEND_PIECES_MAX];
    uint32_t n_pieces, n_rows;
    int func; /* enum func */
};

static void put_side(struct batch *b, const struct append *a, int side, const struct tg_runtime *rt)
{
    const struct append_side *s = &a->sides[side];
    b->args[AP_FROM] = rt->orch_args[APPEND_KEY_ROWS + side];
    b->args[AP_TO] = rt->orch_args[APPEND_KEYS + side];
    b->args[AP_FROM_TOKEN] = (uint64_t)s->from_token;
    b->args[AP_FROM_HEAD] = (uint64_t)s->from_head;
    b->args[AP_TO_BLOCK] = (uint64_t)s->to_block;
    b->args[AP_TO_HEAD] = (uint64_t)s->to_head;
    b->args[AP_TO_TOKEN] = (uint64_t)s->to_token;
    b->args[AP_TO_DIM] = (uint64_t)s->to_dim;
    b->args[AP_DIM] = s->dim;
    b->args[AP_HEADS] = a->heads;
    b->args[AP_FROM_DTYPE] = s->from_dtype;
    b->args[AP_TO_DTYPE] = s->to_dtype;
    b->args[AP_FACTOR] = tg_pack_f32(1.0f / s->scale);
    b->args[AP_ROTATED] = 0;
    b->args[AP_SCALES] = s->scales ? rt->orch_args[s->scales] : 0;
    b->func = s->scales ? FUNC_APPEND_SCALED : FUNC_APPEND;
    b->n_pieces = b->n_rows = 0;
}

static void put_rotary(struct batch *b, const struct append *a, uint64_t tables)
{
    const uint64_t bytes = (uint64_t)a->positions * a->rotated * sizeof(float);
    b->args[AP_ROTATED] = a->rotated;
    b->args[AP_COS] = tables;
    b->args[AP_SIN] = tables + bytes;
    b->args[AP_INDEX] = tables + 2 * bytes;
}

static int flush(struct tg_runtime *rt, struct batch *b, int side)
{
    if (b->n_pieces == 0) return 0;
    b->args[AP_N_PIECES] = b->n_pieces;
    const int task = tg_add_task(rt, b->args, (int)(AP_PIECES + APPEND_PIECE_WORDS * b->n_pieces), b->func, TG_AIV);
    if (task < 0) return -1;
    rt->aicpu_build_api.label_task(rt, task, side ? "values" : "keys");
    tg_publish(rt, task);
    b->n_pieces = b->n_rows = 0;
    return 0;
}

static int add_pieces(struct tg_runtime *rt, const struct append *a, struct batch *b, int side)
{
    const struct append_piece *pieces = (const struct append_piece *)(a + 1);
    for (uint32_t i = 0; i < a->n_pieces; i++) {
        uint64_t *words = b->args + AP_PIECES + APPEND_PIECE_WORDS * b->n_pieces;
        words[0] = pieces[i].row;
        words[1] = pieces[i].n;
        words[2] = pieces[i].block;
        words[3] = pieces[i].slot;
        words[4] = pieces[i].position;
        b->n_rows += pieces[i].n;
        b->n_pieces++;
        const int is_full = b->n_pieces == APPEND_PIECES_MAX || b->n_rows >= a->rows_of_task;
        if (is_full && flush(rt, b, side)) return -1;
    }
    return flush(rt, b, side);
}

TG_PLUGIN_EXPORT int append_graph(struct tg_runtime *rt);

int append_graph(struct tg_runtime *rt)
{
    const struct append *a = (const struct append *)(uintptr_t)rt->orch_args[APPEND_DESCRIPTOR];
    struct batch batch;
    for (int side = 0; side < 2; side++) {
        put_side(&batch, a, side, rt);
        if (side == 0 && a->rotated) put_rotary(&batch, a, rt->orch_args[a->rotary]);
        if (add_pieces(rt, a, &batch, side)) return -1;
    }
    return 0;
}
