#include "pa_declare.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* Who uses a block of the cache. */
struct users {
    uint32_t n;
    uint32_t first, last; /* sequences */
};

/* Entries of its row that a sequence uses. */
static uint32_t entries_of(const struct pa_problem *p, uint32_t seq)
{
    const int64_t len = p->context_lens[seq], size = p->shape.block_size;
    const int64_t n = len > 0 ? (len + size - 1) / size : 0;
    return n < p->table_cols ? (uint32_t)n : p->table_cols;
}

static void count_users(const struct pa_problem *p, struct users *users)
{
    for (uint32_t seq = 0; seq < p->shape.batch; seq++) {
        const int32_t *row = p->block_table + (size_t)seq * p->table_cols;
        for (uint32_t j = 0; j < entries_of(p, seq); j++) {
            if (row[j] < 0 || (uint32_t)row[j] >= p->n_blocks) continue;
            struct users *block = &users[row[j]];
            if (block->n > 0 && block->last == seq) continue; /* twice in one row */
            if (block->n++ == 0) block->first = seq;
            block->last = seq;
        }
    }
}

static void declare(struct pa_declared *out, uint32_t tensor, uint32_t kind, uint64_t offset, uint64_t bytes)
{
    out->items[out->n] = (struct tg_declared){
        .tensor = tensor, .kind = kind, .offset = offset, .bytes = bytes, .what = out->texts[out->n]};
    out->n++;
}

static void declare_table(const struct pa_problem *p, struct pa_declared *out)
{
    for (uint32_t seq = 0; seq < p->shape.batch; seq++) {
        const uint64_t n = entries_of(p, seq), row = (uint64_t)seq * p->table_cols;
        if (n == p->table_cols) continue;
        snprintf(out->texts[out->n], sizeof out->texts[0],
                 "row %" PRIu32 ", whose context of %" PRId32 " tokens ends with entry %" PRIu64, seq,
                 p->context_lens[seq], n);
        declare(out, PA_TENSOR_BLOCK_TABLE, TG_UNDEFINED, (row + n) * sizeof(int32_t),
                (p->table_cols - n) * sizeof(int32_t));
    }
}

static void declare_cache(const struct pa_problem *p, const struct users *users, uint32_t tensor,
                          struct pa_declared *out)
{
    const uint64_t bytes = pa_problem_counts(p).cache / p->n_blocks * pa_dtype_bytes(p->shape.dtype);
    for (uint32_t block = 0; block < p->n_blocks; block++) {
        if (users[block].n == 1) continue;
        char *text = out->texts[out->n];
        const size_t n_bytes = sizeof out->texts[0];
        if (users[block].n == 0) snprintf(text, n_bytes, "block %" PRIu32 ", which no sequence uses", block);
        else
            snprintf(text, n_bytes,
                     "block %" PRIu32 ", which %" PRIu32 " sequences share, %" PRIu32 " and %" PRIu32 " among them",
                     block, users[block].n, users[block].first, users[block].last);
        declare(out, tensor, users[block].n == 0 ? TG_UNDEFINED : TG_READ_ONLY, block * bytes, bytes);
    }
}

enum tg_status pa_declare(const struct pa_problem *p, struct pa_declared *out, struct failure *failure)
{
    const size_t most = (size_t)p->shape.batch + 2 * (size_t)p->n_blocks;
    struct pa_declared declared = {.items = calloc(most, sizeof *declared.items),
                                   .texts = calloc(most, sizeof *declared.texts)};
    struct users *users = calloc(p->n_blocks, sizeof *users);
    if (!declared.items || !declared.texts || !users) {
        free(users);
        pa_declared_free(&declared);
        return failure_set(failure, TG_ERR_MEMORY, "no memory to describe %" PRIu32 " blocks", p->n_blocks);
    }
    count_users(p, users);
    declare_table(p, &declared);
    declare_cache(p, users, PA_TENSOR_KEY_CACHE, &declared);
    declare_cache(p, users, PA_TENSOR_VALUE_CACHE, &declared);
    free(users);
    *out = declared;
    return TG_OK;
}

void pa_declared_free(struct pa_declared *declared)
{
    free(declared->items);
    free(declared->texts);
    *declared = (struct pa_declared){0};
}
