/* New keys and values: a description of where each row goes, and a run of the program that moves them. */
#include <stdlib.h>
#include <string.h>

#include <tilegraph/tile.h>

#include "attention/cache.h"
#include "attention/kernels/append.h"
#include "attention/program.h"
#include "base/error.h"
#include "base/sized.h"

TG_EMBEDDED_OBJECTS(aiv_append);
TG_EMBEDDED_OBJECTS(aiv_append_scaled);
TG_EMBEDDED_OBJECTS(append_graph);
/* In the order of enum func of append_graph.c. */
static const struct tg_embedded kernels[] = {TG_EMBEDDED(aiv_append, TG_AIV), TG_EMBEDDED(aiv_append_scaled, TG_AIV)};
static const struct tg_embedded plugin = TG_EMBEDDED(append_graph, TG_AIV);

static const struct tg_sized sized_rows = {"tg_kv_rows", sizeof(struct tg_kv_rows), sizeof(struct tg_kv_rows)};

/* Bytes of a task's rows, at least: less is not worth a task. */
enum { TASK_BYTES = 64 << 10 };

/* Of a run, with the optional ones. */
enum { TENSORS_MAX = APPEND_TENSORS + 3 };

/* Tasks for each worker or vector core, if there is work for them: the last ones do not leave others idle for long. */
enum { TASKS_EACH = 4 };

/* ---- checks ------------------------------------------------------------------------------------------------------ */

static enum tg_status check_stride(const char *name, int64_t stride)
{
    if (stride >= 1 && stride <= INT32_MAX) return TG_OK;
    return tg_error(TG_ERR_ARGUMENT, "%s is %lld: give 1 to %d elements, or 0", name, (long long)stride, INT32_MAX);
}

/* Fills in the strides that 0 stands for. */
static enum tg_status check_rows(const struct tg_kv_cache *cache, uint32_t layer, struct tg_kv_rows *rows)
{
    const struct tg_kv_cache_config *config = &cache->config;
    if (layer >= config->n_layers)
        return tg_error(TG_ERR_ARGUMENT, "layer is %u: the cache has %u, counted from 0", layer, config->n_layers);
    if (rows->dtype > TG_BF16 && rows->dtype != config->dtype)
        return tg_error(TG_ERR_ARGUMENT, "dtype of the rows is %u: give fp32, fp16, bf16 or the cache's", rows->dtype);
    if (rows->dtype > TG_BF16 && config->block_scales)
        return tg_error(TG_ERR_ARGUMENT,
                        "dtype of the rows is %u, and blocks have scales of their own: give fp32, fp16 or bf16",
                        rows->dtype);
    if (rows->dtype > TG_BF16 && cache->rotary)
        return tg_error(TG_ERR_ARGUMENT, "dtype of the rows is %u, and keys are rotated: give fp32, fp16 or bf16",
                        rows->dtype);
    if (rows->n_sequences && !rows->sequences) return tg_error(TG_ERR_ARGUMENT, "sequences is NULL");
    if (!rows->key_head) rows->key_head = config->key_dim;
    if (!rows->value_head) rows->value_head = config->value_dim;
    if (!rows->key_token) rows->key_token = rows->key_head * config->kv_heads;
    if (!rows->value_token) rows->value_token = rows->value_head * config->kv_heads;
    TG_TRY(check_stride("key_head", rows->key_head));
    TG_TRY(check_stride("value_head", rows->value_head));
    TG_TRY(check_stride("key_token", rows->key_token));
    return check_stride("value_token", rows->value_token);
}

/* ---- the descriptor ---------------------------------------------------------------------------------------------- */

/* The pieces of the new tokens. */
struct pieces {
    struct tg_kv_cache *cache;
    size_t n, n_rows;
};

static enum tg_status grow_descriptor(struct tg_kv_cache *cache, size_t n_pieces)
{
    const size_t bytes = sizeof(struct append) + n_pieces * sizeof(struct append_piece);
    if (bytes <= cache->descriptor_bytes) return TG_OK;
    size_t more = cache->descriptor_bytes ? cache->descriptor_bytes : 4096;
    while (more < bytes) more *= 2;
    void *grown = realloc(cache->descriptor, more);
    if (!grown) return tg_error(TG_ERR_MEMORY, "no memory for an append of %zu pieces", n_pieces);
    cache->descriptor = grown;
    cache->descriptor_bytes = more;
    return TG_OK;
}

/* Under the lock: the row of a sequence is read. */
static enum tg_status add_sequence(struct pieces *p, uint64_t handle, uint64_t n_tokens)
{
    struct tg_kv_cache *cache = p->cache;
    struct tg_kv_seq *seq = tg_kv_table_seq(&cache->table, handle);
    const uint32_t block_tokens = cache->config.block_tokens;
    if (!seq) return tg_kv_no_sequence(handle);
    if (seq->n_appends == cache->n_appends)
        return tg_error(TG_ERR_ARGUMENT, "sequence 0x%llx is given twice", (unsigned long long)handle);
    seq->n_appends = cache->n_appends;
    if (n_tokens > seq->n_reserved)
        return tg_error(TG_ERR_ARGUMENT, "sequence 0x%llx: %llu new tokens are more than the %llu that are reserved",
                        (unsigned long long)handle, (unsigned long long)n_tokens, (unsigned long long)seq->n_reserved);
    const uint64_t end = seq->n_tokens + n_tokens;
    if (cache->rotary && end > cache->config.rotary_positions)
        return tg_error(TG_ERR_ARGUMENT, "sequence 0x%llx would have %llu tokens: the rotary tables have %u positions",
                        (unsigned long long)handle, (unsigned long long)end, cache->config.rotary_positions);
    const int32_t *blocks = tg_kv_table_blocks(&cache->table, seq);
    TG_TRY(grow_descriptor(cache, p->n + n_tokens / block_tokens + 2));
    struct append_piece *pieces = (struct append_piece *)((struct append *)cache->descriptor + 1);
    for (uint64_t done = 0; done < n_tokens;) {
        const uint64_t at = seq->n_tokens + done, slot = at % block_tokens;
        const uint64_t room = block_tokens - slot, n = n_tokens - done < room ? n_tokens - done : room;
        pieces[p->n++] = (struct append_piece){(uint32_t)p->n_rows, (uint32_t)n, (uint32_t)blocks[at / block_tokens],
                                               (uint32_t)slot, (uint32_t)at};
        p->n_rows += n;
        done += n;
    }
    return p->n_rows <= INT32_MAX ? TG_OK : tg_error(TG_ERR_ARGUMENT, "more than %d tokens in one call", INT32_MAX);
}

static enum tg_status add_sequences(struct pieces *p, const struct tg_kv_rows *rows)
{
    enum tg_status status = grow_descriptor(p->cache, 0);
    pthread_mutex_lock(&p->cache->lock);
    for (uint32_t i = 0; i < rows->n_sequences && status == TG_OK; i++) {
        const int32_t n = rows->n_tokens ? rows->n_tokens[i] : 1;
        if (n < 0) status = tg_error(TG_ERR_ARGUMENT, "n_tokens[%u] is %d", i, (int)n);
        else status = add_sequence(p, rows->sequences[i], (uint64_t)n);
    }
    pthread_mutex_unlock(&p->cache->lock);
    return status;
}

static void describe(struct append *a, const struct tg_kv_cache *cache, const struct tg_kv_view *view,
                     const struct tg_kv_rows *rows, const struct pieces *p)
{
    const uint64_t workers = tg_device_workers(cache->device), cores = 2 * (uint64_t)cache->run.block_dim;
    const uint64_t n_tasks = TASKS_EACH * (workers ? workers : cores);
    const uint64_t row_bytes = (uint64_t)view->kv_heads * view->key_dim * tg_dtype_bytes(rows->dtype);
    const uint64_t least = 1 + TASK_BYTES / row_bytes, even = 2 * p->n_rows / n_tasks + 1;
    a->sides[0] = (struct append_side){.from_token = rows->key_token,
                                       .from_head = rows->key_head,
                                       .to_block = view->key_block,
                                       .to_head = view->key_head,
                                       .to_token = view->key_token,
                                       .to_dim = view->key_dim_stride,
                                       .dim = view->key_dim,
                                       .from_dtype = rows->dtype,
                                       .to_dtype = view->dtype,
                                       .scale = view->key_scale};
    a->sides[1] = (struct append_side){.from_token = rows->value_token,
                                       .from_head = rows->value_head,
                                       .to_block = view->value_block,
                                       .to_head = view->value_head,
                                       .to_token = view->value_token,
                                       .to_dim = 1,
                                       .dim = view->value_dim,
                                       .from_dtype = rows->dtype,
                                       .to_dtype = view->dtype,
                                       .scale = view->value_scale};
    a->heads = view->kv_heads;
    a->n_pieces = (uint32_t)p->n;
    a->rows_of_task = (uint32_t)(even > least ? even : least);
    a->rotated = cache->rotary ? cache->config.rotary_dims : 0;
    a->positions = cache->config.rotary_positions;
    a->rotary = 0;
}

/* ---- the run ----------------------------------------------------------------------------------------------------- */

static struct tg_tensor source(const struct tg_kv_rows *rows, const char *name, const void *data, int64_t token,
                               int64_t head, uint64_t n_rows, uint32_t n_heads, uint32_t dim)
{
    const uint64_t elements = (n_rows - 1) * (uint64_t)token + (n_heads - 1) * (uint64_t)head + dim;
    return (struct tg_tensor){name, (void *)(uintptr_t)data, elements * tg_dtype_bytes(rows->dtype), elements,
                              rows->resident ? TG_RESIDENT : TG_IN};
}

static struct tg_tensor resident(const char *name, tg_address address, uint64_t bytes)
{
    return (struct tg_tensor){name, (void *)(uintptr_t)address, bytes, bytes, TG_RESIDENT};
}

/* New rows are elements, and none of the cache that are written. */
static enum tg_status check_source(const struct tg_tensor *t, const struct tg_kv_view *view,
                                   const struct tg_kv_rows *rows)
{
    const uint32_t element = tg_dtype_bytes(rows->dtype);
    const uint64_t from = (uint64_t)(uintptr_t)t->data;
    if (!t->data) return tg_error(TG_ERR_ARGUMENT, "%s is NULL", t->name);
    if (from % element)
        return tg_error(TG_ERR_ARGUMENT, "%s: %p is no address of an element of %u bytes", t->name, t->data, element);
    if (!rows->resident) return TG_OK;
    const uint64_t at[2] = {view->key, view->value}, n[2] = {tg_kv_key_extent(view), tg_kv_value_extent(view)};
    for (int i = 0; i < 2; i++)
        if (from < at[i] + n[i] && at[i] < from + t->bytes)
            return tg_error(TG_ERR_ARGUMENT, "%s: %llu bytes from %p on share bytes with the cache's %s", t->name,
                            (unsigned long long)t->bytes, t->data, i ? "values" : "keys");
    return TG_OK;
}

/* The tensors of a run; the descriptor gets the numbers of the optional ones. Returns how many they are. */
static size_t list_tensors(struct tg_kv_cache *cache, const struct tg_kv_view *view, const struct tg_kv_rows *rows,
                           const struct pieces *p, struct tg_tensor tensors[TENSORS_MAX])
{
    const struct tg_rotary rotary = tg_kv_cache_rotary(&cache->config);
    const uint64_t scale_bytes = tg_kv_scale_bytes(view);
    struct append *a = cache->descriptor;
    size_t n = APPEND_TENSORS;
    tensors[APPEND_DESCRIPTOR] = (struct tg_tensor){
        "descriptor", cache->descriptor, sizeof(struct append) + p->n * sizeof(struct append_piece), 1, TG_IN};
    tensors[APPEND_KEY_ROWS] = source(rows, "keys", rows->keys, rows->key_token, rows->key_head, p->n_rows,
                                      view->kv_heads, view->key_dim);
    tensors[APPEND_VALUE_ROWS] = source(rows, "values", rows->values, rows->value_token, rows->value_head, p->n_rows,
                                        view->kv_heads, view->value_dim);
    tensors[APPEND_KEYS] = resident("keys of the cache", view->key, tg_kv_key_extent(view));
    tensors[APPEND_VALUES] = resident("values of the cache", view->value, tg_kv_value_extent(view));
    if (cache->rotary) {
        a->rotary = (uint32_t)n;
        tensors[n++] = resident("rotary tables", cache->rotary, tg_rotary_bytes(&rotary, view->key_dim));
    }
    if (view->key_scales) {
        a->sides[0].scales = (uint32_t)n;
        tensors[n++] = resident("scales of the keys", view->key_scales, scale_bytes);
        a->sides[1].scales = (uint32_t)n;
        tensors[n++] = resident("scales of the values", view->value_scales, scale_bytes);
    }
    return n;
}

static enum tg_status run(struct tg_kv_cache *cache, const struct tg_kv_view *view, const struct tg_kv_rows *rows,
                          const struct pieces *p)
{
    struct tg_tensor tensors[TENSORS_MAX];
    const size_t n_tensors = list_tensors(cache, view, rows, p, tensors);
    TG_TRY(check_source(&tensors[APPEND_KEY_ROWS], view, rows));
    TG_TRY(check_source(&tensors[APPEND_VALUE_ROWS], view, rows));
    if (!cache->append)
        TG_TRY(tg_embedded_program_open(cache->device, kernels, sizeof kernels / sizeof kernels[0], &plugin,
                                        "append_graph", cache->run.check, &cache->append));
    struct tg_run *run;
    TG_TRY(tg_run_open(cache->append, &cache->run, tensors, n_tensors, &run));
    const enum tg_status status = tg_run_wait(run);
    cache->last_run = run;
    return status;
}

static enum tg_status append(struct tg_kv_cache *cache, uint32_t layer, const struct tg_kv_rows *rows)
{
    struct tg_kv_rows known = {0};
    struct pieces p = {cache, 0, 0};
    TG_TRY(tg_sized_take(&sized_rows, &known, rows));
    TG_TRY(check_rows(cache, layer, &known));
    tg_run_close(cache->last_run); /* it borrows the descriptor */
    cache->last_run = NULL;
    cache->n_appends++;
    TG_TRY(add_sequences(&p, &known));
    if (p.n_rows == 0) return TG_OK;
    const struct tg_kv_view *view = &cache->views[layer];
    describe(cache->descriptor, cache, view, &known, &p);
    return run(cache, view, &known, &p);
}

enum tg_status tg_kv_append(struct tg_kv_cache *cache, uint32_t layer, const struct tg_kv_rows *rows)
{
    TG_REQUIRE(cache);
    TG_REQUIRE(rows);
    if (atomic_exchange_explicit(&cache->appends, true, memory_order_acquire))
        return tg_error(TG_ERR_ARGUMENT, "tg_kv_append: another thread appends to this cache");
    const enum tg_status status = append(cache, layer, rows);
    atomic_store_explicit(&cache->appends, false, memory_order_release);
    return status;
}

struct tg_run *tg_kv_last_run(const struct tg_kv_cache *cache) { return cache ? cache->last_run : NULL; }
