#include "pa_case.h"

#include <inttypes.h>
#include <string.h>

/* Context lengths and how many: one a sequence, or one for all. */
#define LENGTHS(...) (const uint32_t[]){__VA_ARGS__}, sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t)

/* clang-format off */
const struct pa_case pa_cases[] = {
    /* name, text, {batch, heads, kv_heads, head_dim, block_size, dtype}, lengths, shared blocks, query scale */
    {"Case1", "one block of 16 tokens", {1, 16, 1, 16, 16, PA_FP32}, LENGTHS(16), 0, 0.1f},
    {"Case2", "four blocks of 16 tokens", {1, 16, 1, 16, 16, PA_FP32}, LENGTHS(64), 0, 0.1f},
    {"shared-blocks", "two sequences share two blocks", {2, 16, 1, 16, 16, PA_FP32}, LENGTHS(70, 52), 2, 0.1f},
    {"partial-block", "one token in the last block", {1, 16, 1, 16, 16, PA_FP32}, LENGTHS(33), 0, 0.1f},
    {"ragged", "lengths 0 to 100 in a batch", {6, 8, 2, 32, 16, PA_FP32}, LENGTHS(17, 0, 100, 1, 16, 15), 0, 0.1f},
    {"gqa", "32 query heads on 8 KV heads", {2, 32, 8, 64, 32, PA_FP32}, LENGTHS(130, 64), 0, 0.1f},
    {"large-scores", "scores from -100 to 100", {2, 16, 1, 16, 16, PA_FP32}, LENGTHS(64, 50), 0, 300.0f},
    {"fp16", "fp16 tensors", {2, 16, 2, 32, 16, PA_FP16}, LENGTHS(48, 33), 0, 0.1f},
    {"bf16", "bf16 tensors", {2, 16, 2, 32, 16, PA_BF16}, LENGTHS(48, 33), 0, 0.1f},
    {"zero", "no token: the output is 0", {2, 16, 1, 16, 16, PA_FP32}, LENGTHS(0), 0, 0.1f},
    {"one-key", "one token: the output is its value", {2, 16, 1, 16, 16, PA_FP32}, LENGTHS(1), 0, 0.1f},
    {"PA-small1", "bf16, context 33", {1, 16, 1, 16, 16, PA_BF16}, LENGTHS(33), 0, 0.1f},
    {"PA-small2", "bf16, context 128", {1, 16, 1, 16, 16, PA_BF16}, LENGTHS(128), 0, 0.1f},
    {"PA-1", "bf16, batch 256, context 8192", {256, 16, 1, 128, 128, PA_BF16}, LENGTHS(8192), 0, 0.1f},
    {"PA-2", "bf16, batch 64, 64 heads, context 8192", {64, 64, 1, 128, 64, PA_BF16}, LENGTHS(8192), 0, 0.1f},
};
/* clang-format on */
const size_t pa_n_cases = sizeof pa_cases / sizeof pa_cases[0];
const size_t pa_n_quick_cases = sizeof pa_cases / sizeof pa_cases[0] - 2; /* all but PA-1 and PA-2 */

const struct pa_case *pa_case_by_name(const char *name)
{
    for (size_t i = 0; i < pa_n_cases; i++) {
        if (strcmp(name, pa_cases[i].name) == 0) return &pa_cases[i];
    }
    return NULL;
}

uint32_t pa_case_schedulers(const struct pa_case *drawn)
{
    bool published = strcmp(drawn->name, "PA-1") == 0 || strcmp(drawn->name, "PA-2") == 0;
    return published ? 3 : 0;
}

uint32_t pa_case_length(const struct pa_case *drawn, uint32_t b)
{
    return drawn->lengths[drawn->n_lengths == 1 ? 0 : b];
}

/* The limits of the kernels. orchestration.c, which sees only the public headers, has them, too; a test compares. */
enum { DIM_STEP = 8, DIM_MAX = 256, ROWS_MAX = 128 };

static enum tg_status check_dim(const char *option, const char *name, uint32_t value, struct failure *failure)
{
    if (value % DIM_STEP == 0 && value <= DIM_MAX) return TG_OK;
    return failure_set(failure, TG_ERR_ARGUMENT, "%s: %s is %" PRIu32 "; the kernels take multiples of %d up to %d",
                       option, name, value, DIM_STEP, DIM_MAX);
}

enum tg_status pa_shape_check(const struct pa_shape *shape, struct failure *failure)
{
    enum tg_status status = check_dim("--head-dim", "head_dim", shape->head_dim, failure);
    if (status == TG_OK) status = check_dim("--block-size", "block_size", shape->block_size, failure);
    if (status != TG_OK) return status;
    if (shape->heads % shape->kv_heads != 0) {
        return failure_set(failure, TG_ERR_ARGUMENT,
                           "--heads: %" PRIu32 " query heads are no multiple of %" PRIu32 " KV heads (--kv-heads)",
                           shape->heads, shape->kv_heads);
    }
    if (shape->heads / shape->kv_heads <= ROWS_MAX) return TG_OK;
    return failure_set(failure, TG_ERR_ARGUMENT,
                       "--heads: %" PRIu32 " query heads share a KV head (--kv-heads); the kernels take up to %d",
                       shape->heads / shape->kv_heads, ROWS_MAX);
}

enum tg_status pa_shape_check_packed(const struct pa_shape *shape, struct failure *failure)
{
    if (pa_dtype_bytes(shape->dtype) != 2) {
        return failure_set(failure, TG_ERR_ARGUMENT,
                           "--packed: %s has no packed cache; use fp16 or bf16 (--dtype), or leave --packed out",
                           pa_dtype_name(shape->dtype));
    }
    if (shape->head_dim % PA_NZ_COLS == 0 && shape->block_size % PA_NZ_COLS == 0) return TG_OK;
    return failure_set(failure, TG_ERR_ARGUMENT,
                       "--packed: head_dim is %" PRIu32 " and block_size %" PRIu32
                       "; a packed cache needs multiples of %d, the columns of a column block",
                       shape->head_dim, shape->block_size, PA_NZ_COLS);
}
