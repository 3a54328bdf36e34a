/*
 * combine_graph.c - results over parts of the keys are combined: independent tasks, each for some query tokens.
 *
 * The tensors are struct combine (combine.h), out, lse if it is wanted, then out and lse of each part.
 */
#include <stdio.h>

#include <tilegraph/orchestration.h>

#include "../arguments.h"
#include "../combine.h"

enum { FUNC_COMBINE };

/* The device address of token `token` in an array of elements of `bytes`. */
static uint64_t token_at(uint64_t base, const struct combine_strides *s, uint64_t token, uint64_t bytes)
{
    return base + token * (uint64_t)s->token_ld * bytes;
}

TG_PLUGIN_EXPORT int combine(struct tg_runtime *rt);

int combine(struct tg_runtime *rt)
{
    const struct combine *c = (const struct combine *)(uintptr_t)rt->orch_args[0];
    const uint64_t *tensors = rt->orch_args, bytes = c->dtype == TG_FP32 ? 4 : 2;
    const uint64_t first_part = c->has_lse ? 3 : 2, each = c->heads < ROWS_MAX ? ROWS_MAX / c->heads : 1;
    for (uint64_t token = 0; token < c->n_tokens; token += each) {
        const uint64_t n = c->n_tokens - token < each ? c->n_tokens - token : each;
        uint64_t args[CB_PARTS + COMBINE_PARTS_MAX * CB_PART];
        char text[48];
        args[CB_OUT] = token_at(tensors[1], &c->out, token, bytes);
        args[CB_LSE] = c->has_lse ? token_at(tensors[2], &c->lse, token, 4) : 0;
        args[CB_ROWS] = n * c->heads;
        args[CB_HEADS] = c->heads;
        args[CB_DIM] = c->dim;
        args[CB_DTYPE] = c->dtype;
        args[CB_N_PARTS] = c->n_parts;
        args[CB_OUT_TOKEN_LD] = (uint64_t)c->out.token_ld;
        args[CB_OUT_HEAD_LD] = (uint64_t)c->out.head_ld;
        args[CB_LSE_TOKEN_LD] = (uint64_t)c->lse.token_ld;
        args[CB_LSE_HEAD_LD] = (uint64_t)c->lse.head_ld;
        for (uint64_t i = 0; i < c->n_parts; i++) {
            uint64_t *part = args + CB_PARTS + i * CB_PART;
            part[CB_PART_OUT] = token_at(tensors[first_part + 2 * i], &c->part_out[i], token, bytes);
            part[CB_PART_LSE] = token_at(tensors[first_part + 2 * i + 1], &c->part_lse[i], token, 4);
            part[CB_PART_OUT_TOKEN_LD] = (uint64_t)c->part_out[i].token_ld;
            part[CB_PART_OUT_HEAD_LD] = (uint64_t)c->part_out[i].head_ld;
            part[CB_PART_LSE_TOKEN_LD] = (uint64_t)c->part_lse[i].token_ld;
            part[CB_PART_LSE_HEAD_LD] = (uint64_t)c->part_lse[i].head_ld;
        }
        const int task = tg_add_task(rt, args, (int)(CB_PARTS + c->n_parts * CB_PART), FUNC_COMBINE, TG_AIV);
        if (task < 0) return -1;
        (void)snprintf(text, sizeof text, "token %u", (unsigned)token);
        rt->aicpu_build_api.label_task(rt, task, text);
        tg_publish(rt, task);
    }
    return 0;
}
