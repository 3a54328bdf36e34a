#include "check/core/order.h"

#include <string.h>

#include "tile/footprint.h"

void tg_order_begin(struct tg_order *order)
{
    order->number = 0;
    memset(order->last, 0, sizeof order->last);
    memset(order->known, 0, sizeof order->known);
    for (uint32_t i = 0; i < order->n_used; i++) order->flags[order->used[i]] = (struct tg_flag){.set = false};
    order->n_used = 0;
    order->all = order->plain = 0;
}

struct tg_mark tg_order_next(struct tg_order *order, const struct tg_instr *instr, enum tg_pipe pipe)
{
    const struct tg_mark mark = {.number = ++order->number,
                                 .line = instr->line,
                                 .file = instr->file,
                                 .op = (uint8_t)instr->op,
                                 .pipe = (uint8_t)pipe,
                                 .interlocked = tg_instr_is_interlocked(instr)};
    const bool orders = instr->op == TG_OP_SET_FLAG || instr->op == TG_OP_WAIT_FLAG || instr->op == TG_OP_PIPE_BARRIER;
    if (!orders && instr->op != TG_OP_TRESHAPE) order->last[pipe] = mark;
    return mark;
}

struct tg_mark tg_order_plain(struct tg_order *order, enum tg_mark_plain op, const char *file, uint32_t line)
{
    if (order->plain != order->number || order->number == 0) order->plain = ++order->number;
    return (struct tg_mark){.number = order->number, .line = line, .file = file, .op = (uint8_t)op, .pipe = PIPE_S};
}

struct tg_flag *tg_order_flag(struct tg_order *order, const struct tg_instr *instr)
{
    int index = (instr->src_pipe * TG_ORDER_PIPES + instr->dst_pipe) * TG_ORDER_EVENTS + instr->event;
    struct tg_flag *flag = &order->flags[index];
    if (!flag->used) order->used[order->n_used++] = (uint16_t)index;
    flag->used = true;
    return flag;
}

bool tg_order_set(struct tg_order *order, const struct tg_instr *instr, const struct tg_mark *mark)
{
    struct tg_flag *flag = tg_order_flag(order, instr);
    if (flag->set) return false;
    flag->set = true;
    flag->by = *mark;
    memcpy(flag->known, order->known[instr->src_pipe], sizeof flag->known);
    flag->known[instr->src_pipe] = mark->number;
    return true;
}

const struct tg_mark *tg_order_not_passed(struct tg_order *order, const struct tg_instr *instr)
{
    const struct tg_flag *flag = tg_order_flag(order, instr);
    /* A wait on PIPE_S holds back all later instructions, including this set. */
    if (instr->dst_pipe == PIPE_S || tg_order_knows(order, (enum tg_pipe)instr->src_pipe, &flag->waited)) return NULL;
    return &flag->waited;
}

static void learn(uint32_t known[TG_ORDER_PIPES], const uint32_t more[TG_ORDER_PIPES])
{
    for (int p = 0; p < TG_ORDER_PIPES; p++)
        if (more[p] > known[p]) known[p] = more[p];
}

bool tg_order_wait(struct tg_order *order, const struct tg_instr *instr)
{
    struct tg_flag *flag = tg_order_flag(order, instr);
    if (!flag->set) return false;
    flag->set = false;
    flag->waited = (struct tg_mark){.number = order->number,
                                    .line = instr->line,
                                    .file = instr->file,
                                    .op = (uint8_t)instr->op,
                                    .pipe = instr->dst_pipe};
    for (int q = 0; q < TG_ORDER_PIPES; q++)
        if (q == instr->dst_pipe || instr->dst_pipe == PIPE_S) learn(order->known[q], flag->known);
    return true;
}

void tg_order_barrier(struct tg_order *order, uint32_t pipe)
{
    if (pipe == PIPE_ALL) order->all = order->number;
    for (uint32_t q = 0; q < TG_ORDER_PIPES; q++) {
        if (pipe == q) order->known[q][q] = order->number;
        for (int p = 0; pipe == PIPE_ALL && p < TG_ORDER_PIPES; p++) order->known[q][p] = order->number;
    }
}

const struct tg_mark *tg_order_undrained(const struct tg_order *order)
{
    static const uint8_t stores_first[] = {PIPE_MTE3, PIPE_FIX, PIPE_V, PIPE_M, PIPE_MTE1, PIPE_MTE2};
    for (size_t i = 0; i < sizeof stores_first; i++) {
        const struct tg_mark *last = &order->last[stores_first[i]];
        if (last->number > 0 && !tg_order_knows(order, PIPE_S, last)) return last;
    }
    return NULL;
}
