#include "kv_walk.h"

#include "attention/cache.h"
#include "attention/content_hash.h"
#include "fuzz.h"
#include "tile/number.h"

enum { CACHES = 2, SEQUENCES = 12, TOKENS = 96, ROWS_AT_ONCE = 3 };

struct sequence {
    uint64_t handle; /* 0: not open */
    uint32_t cache;
    uint64_t n, n_reserved, n_known;
    int32_t tokens[TOKENS];
    uint64_t marks[TOKENS]; /* of the token and all before it */
};

static struct {
    struct tg_device *device;
    struct fuzz_input in;
    struct kv_counts counts;
    struct tg_kv_cache *caches[CACHES];
    uint32_t n_open[CACHES];
    struct sequence sequences[SEQUENCES];
} walk;

static uint32_t below(uint32_t n) { return fuzz_below(&walk.in, n); }

/* Is it so this time? In n of 16 cases. */
static bool chance(uint32_t n) { return below(16) >= 16 - n; } /* input that has come to its end: no */

static void ok(enum tg_status status, const char *call)
{
    FUZZ_CHECK(status == TG_OK, "%s: %s (%s)", call, tg_status_name(status), tg_last_message());
}

static void refused(enum tg_status status, enum tg_status expected, const char *call)
{
    FUZZ_CHECK(status == expected, "%s: %s (%s), the model says %s", call, tg_status_name(status), tg_last_message(),
               tg_status_name(expected));
    FUZZ_CHECK(tg_last_message()[0], "%s: no message", call);
    if (expected == TG_ERR_CACHE_FULL) walk.counts.n_full++;
    else walk.counts.n_refused++;
}

static struct tg_kv_stats stats_of(uint32_t cache)
{
    struct tg_kv_stats stats;
    ok(tg_kv_cache_stats(walk.caches[cache], &stats), "tg_kv_cache_stats");
    return stats;
}

static uint64_t blocks_of(uint32_t cache, uint64_t n_tokens)
{
    const uint64_t block_tokens = walk.caches[cache]->config.block_tokens;
    return (n_tokens + block_tokens - 1) / block_tokens;
}

static const int32_t *row_of(const struct sequence *q)
{
    struct tg_kv_sequence info;
    int64_t stride;
    const int32_t *table = tg_kv_cache_table(walk.caches[q->cache], &stride);
    ok(tg_kv_look(walk.caches[q->cache], q->handle, &info), "tg_kv_look");
    return table + info.row * stride;
}

/* ---- contents ---------------------------------------------------------------------------------------------------- */

/* The tokens from `from` on are other ones. */
static void mark_tokens(struct sequence *q, uint64_t from, uint64_t to)
{
    for (uint64_t at = from; at < to; at++)
        q->marks[at] = tg_kv_mix((at ? q->marks[at - 1] : 1) ^ (uint32_t)q->tokens[at], TG_KV_ROOT_2);
}

/* Element `dim` of a token's key (kind 0) or value (kind 1): 1 to 8, which is exact in every type. */
static double element_of(const struct sequence *q, uint64_t at, uint32_t layer, uint32_t kind, uint32_t head,
                         uint32_t dim)
{
    const uint64_t place = ((uint64_t)layer * 2 + kind) << 32 | head << 16 | dim;
    return (double)(1 + tg_kv_mix(q->marks[at] ^ place, TG_KV_ROOT_3) % 8);
}

/* Elements from the first of all keys, or of all values. */
static int64_t place_of(const struct tg_kv_view *v, uint32_t kind, int32_t block, uint64_t slot, uint32_t head,
                        uint32_t dim)
{
    if (kind == 0)
        return block * v->key_block + head * v->key_head + (int64_t)slot * v->key_token + dim * v->key_dim_stride;
    return block * v->value_block + head * v->value_head + (int64_t)slot * v->value_token + dim;
}

static uint32_t dim_of(const struct tg_kv_view *v, uint32_t kind) { return kind == 0 ? v->key_dim : v->value_dim; }

/* Write one committed-to-be token as the owner of the memory may. */
static void write_token(const struct sequence *q, uint64_t at)
{
    const struct tg_kv_cache *cache = walk.caches[q->cache];
    const uint32_t block_tokens = cache->config.block_tokens;
    const int32_t block = row_of(q)[at / block_tokens];
    for (uint32_t layer = 0; layer < cache->config.n_layers; layer++) {
        const struct tg_kv_view *v = &cache->views[layer];
        const uint64_t bytes = tg_dtype_bytes(v->dtype);
        for (uint32_t kind = 0; kind < 2; kind++)
            for (uint32_t head = 0; head < v->kv_heads; head++)
                for (uint32_t dim = 0; dim < dim_of(v, kind); dim++) {
                    uint8_t element[8];
                    const int64_t place = place_of(v, kind, block, at % block_tokens, head, dim);
                    tg_store_f64(element, element_of(q, at, layer, kind, head, dim), v->dtype);
                    ok(tg_copy_to_device(walk.device, (kind ? v->value : v->key) + (uint64_t)place * bytes, element,
                                         bytes),
                       "tg_copy_to_device");
                }
    }
}

static void check_elements(const struct sequence *q, const struct tg_kv_view *v, uint32_t layer, uint32_t kind,
                           const uint8_t *elements)
{
    const uint32_t block_tokens = v->block_tokens;
    const int32_t *row = row_of(q);
    for (uint64_t at = 0; at < q->n; at++)
        for (uint32_t head = 0; head < v->kv_heads; head++)
            for (uint32_t dim = 0; dim < dim_of(v, kind); dim++) {
                const int64_t place = place_of(v, kind, row[at / block_tokens], at % block_tokens, head, dim);
                const double found = tg_load_f64(elements + (uint64_t)place * tg_dtype_bytes(v->dtype), v->dtype);
                const double right = element_of(q, at, layer, kind, head, dim);
                FUZZ_CHECK(found == right,
                           "sequence 0x%llx, layer %u, %s of token %llu, head %u, element %u: %g, not %g",
                           (unsigned long long)q->handle, layer, kind ? "value" : "key", (unsigned long long)at, head,
                           dim, found, right);
            }
}

/* What every sequence of a cache reads. */
static void check_contents(uint32_t cache)
{
    for (uint32_t layer = 0; layer < walk.caches[cache]->config.n_layers; layer++) {
        struct tg_kv_view v;
        ok(tg_kv_cache_view(walk.caches[cache], layer, &v), "tg_kv_cache_view");
        for (uint32_t kind = 0; kind < 2; kind++) {
            const uint64_t n_bytes = kind ? tg_kv_value_extent(&v) : tg_kv_key_extent(&v);
            uint8_t *elements = malloc(n_bytes);
            FUZZ_CHECK(elements, "no memory");
            ok(tg_copy_from_device(walk.device, elements, kind ? v.value : v.key, n_bytes), "tg_copy_from_device");
            for (int s = 0; s < SEQUENCES; s++) {
                const struct sequence *q = &walk.sequences[s];
                if (q->handle && q->cache == cache) check_elements(q, &v, layer, kind, elements);
            }
            free(elements);
        }
    }
}

/* The first full blocks of a sequence that have identities are found by their tokens. */
static void check_found(const struct sequence *q)
{
    const struct tg_kv_cache *cache = walk.caches[q->cache];
    const int32_t *row = row_of(q);
    uint64_t n = 0, n_found = 0;
    while (n < q->n / cache->config.block_tokens && cache->table.pool.blocks[row[n]].has_identity) n++;
    ok(tg_kv_lookup(walk.caches[q->cache], q->tokens, q->n, &n_found), "tg_kv_lookup");
    FUZZ_CHECK(n_found >= n * cache->config.block_tokens, "%llu tokens are found, %llu blocks can be",
               (unsigned long long)n_found, (unsigned long long)n);
}

/* Numbers of sequences, references of every block, and the rows' other promises. */
static void check_rows(uint32_t cache)
{
    const struct tg_kv_pool *pool = &walk.caches[cache]->table.pool;
    uint32_t *refs = calloc(pool->n_blocks, sizeof *refs), n_used = 0;
    FUZZ_CHECK(refs, "no memory");
    for (int s = 0; s < SEQUENCES; s++) {
        const struct sequence *q = &walk.sequences[s];
        if (!q->handle || q->cache != cache) continue;
        struct tg_kv_sequence info;
        ok(tg_kv_look(walk.caches[cache], q->handle, &info), "tg_kv_look");
        FUZZ_CHECK(info.n_tokens == q->n && info.n_reserved == q->n_reserved && info.n_known == q->n_known,
                   "sequence 0x%llx: %llu tokens, %llu reserved, %llu known; the model has %llu, %llu, %llu",
                   (unsigned long long)q->handle, (unsigned long long)info.n_tokens,
                   (unsigned long long)info.n_reserved, (unsigned long long)info.n_known, (unsigned long long)q->n,
                   (unsigned long long)q->n_reserved, (unsigned long long)q->n_known);
        FUZZ_CHECK(info.n_blocks == blocks_of(cache, q->n + q->n_reserved), "%u blocks", info.n_blocks);
        const int32_t *row = row_of(q);
        for (uint32_t i = 0; i < walk.caches[cache]->table.row_blocks; i++) {
            FUZZ_CHECK(i < info.n_blocks ? row[i] >= 0 && (uint32_t)row[i] < pool->n_blocks : row[i] == -1,
                       "column %u is %d", i, row[i]);
            if (i < info.n_blocks && refs[row[i]]++ == 0) n_used++;
        }
        check_found(q);
    }
    for (uint32_t b = 0; b < pool->n_blocks; b++)
        FUZZ_CHECK(pool->blocks[b].refs == refs[b], "block %u has %u references, not %u", b, pool->blocks[b].refs,
                   refs[b]);
    const struct tg_kv_stats stats = stats_of(cache);
    FUZZ_CHECK(stats.n_used == n_used && stats.n_used + stats.n_kept + stats.n_free == stats.n_blocks,
               "%llu used, %llu kept, %llu free", (unsigned long long)stats.n_used, (unsigned long long)stats.n_kept,
               (unsigned long long)stats.n_free);
    FUZZ_CHECK(stats.n_sequences == walk.n_open[cache], "%llu sequences", (unsigned long long)stats.n_sequences);
    free(refs);
}

/* ---- right calls ------------------------------------------------------------------------------------------------- */

/* Prompts have few different beginnings, so that prefixes meet. */
static void draw_tokens(int32_t *tokens, uint64_t n)
{
    const int32_t kind = (int32_t)below(3);
    for (uint64_t i = 0; i < n; i++) tokens[i] = 1000 * kind + (int32_t)i;
    if (n && chance(6)) tokens[below((uint32_t)n)] += 500;
}

static bool is_full(uint32_t cache) { return walk.n_open[cache] == walk.caches[cache]->config.max_sequences; }

static void start(struct sequence *q, uint32_t cache)
{
    const uint64_t n = below(TOKENS / 2);
    uint64_t handle = 0, n_found = 99, n_reused = 99;
    draw_tokens(q->tokens, n);
    ok(tg_kv_lookup(walk.caches[cache], q->tokens, n, &n_found), "tg_kv_lookup");
    FUZZ_CHECK(n_found <= n && n_found % walk.caches[cache]->config.block_tokens == 0, "%llu tokens are found",
               (unsigned long long)n_found);
    const enum tg_status status = tg_kv_start(walk.caches[cache], q->tokens, n, &handle, &n_reused);
    if (is_full(cache)) {
        refused(status, TG_ERR_CACHE_FULL, "tg_kv_start");
        return;
    }
    ok(status, "tg_kv_start");
    FUZZ_CHECK(handle && n_reused == n_found, "%llu tokens are reused, %llu were found", (unsigned long long)n_reused,
               (unsigned long long)n_found);
    q->handle = handle;
    q->cache = cache;
    q->n = q->n_known = n_reused;
    q->n_reserved = 0;
    mark_tokens(q, 0, q->n);
    walk.n_open[cache]++;
}

/* Blocks that a reservation takes, by the model's own account. */
static uint64_t blocks_needed(const struct sequence *q, uint64_t n)
{
    const uint64_t has = blocks_of(q->cache, q->n + q->n_reserved), wants = blocks_of(q->cache, q->n + n);
    const uint32_t block_tokens = walk.caches[q->cache]->config.block_tokens;
    const bool partial = n && q->n % block_tokens;
    const bool copies = partial && walk.caches[q->cache]->table.pool.blocks[row_of(q)[q->n / block_tokens]].refs > 1;
    return (wants > has ? wants - has : 0) + copies;
}

static void reserve(struct sequence *q)
{
    const uint64_t n = chance(1) ? fuzz_u64(&walk.in) : below(40);
    const struct tg_kv_cache_config *config = &walk.caches[q->cache]->config;
    const bool too_many = n > UINT64_MAX / 2 || blocks_of(q->cache, q->n + n) > config->max_blocks;
    if (!too_many && q->n + n > TOKENS) return;
    const struct tg_kv_stats before = stats_of(q->cache);
    const uint64_t needed = too_many ? 0 : blocks_needed(q, n), left = before.n_free + before.n_kept;
    uint64_t n_missing = 99;
    const enum tg_status status = tg_kv_reserve(walk.caches[q->cache], q->handle, n, &n_missing);
    if (too_many) refused(status, TG_ERR_ARGUMENT, "tg_kv_reserve of too many");
    else {
        FUZZ_CHECK(n_missing == (needed > left ? needed - left : 0), "%llu blocks are missing",
                   (unsigned long long)n_missing);
        if (needed > left) refused(status, TG_ERR_CACHE_FULL, "tg_kv_reserve");
        else {
            ok(status, "tg_kv_reserve");
            q->n_reserved = n;
        }
    }
}

static void commit(struct sequence *q, uint64_t n)
{
    const bool tell = !chance(2);
    ok(tg_kv_commit(walk.caches[q->cache], q->handle, tell ? q->tokens + q->n : NULL, n), "tg_kv_commit");
    if (tell && q->n_known == q->n && walk.caches[q->cache]->config.reuse) q->n_known += n;
    q->n += n;
    q->n_reserved -= n;
}

/* The next tokens of a sequence, some of those that are reserved. Returns their number. */
static uint64_t draw_next(struct sequence *q)
{
    int32_t tokens[TOKENS];
    const uint64_t n = 1 + below((uint32_t)q->n_reserved);
    draw_tokens(tokens, q->n + n);
    memcpy(q->tokens + q->n, tokens + q->n, n * sizeof *tokens);
    mark_tokens(q, q->n, q->n + n);
    return n;
}

static void write_and_commit(struct sequence *q)
{
    if (q->n_reserved == 0) return;
    const uint64_t n = draw_next(q);
    for (uint64_t i = 0; i < n; i++) write_token(q, q->n + i);
    commit(q, n);
}

static void fork_sequence(struct sequence *q, struct sequence *copy)
{
    uint64_t handle = 0;
    const enum tg_status status = tg_kv_fork(walk.caches[q->cache], q->handle, &handle);
    if (is_full(q->cache)) {
        refused(status, TG_ERR_CACHE_FULL, "tg_kv_fork");
        return;
    }
    ok(status, "tg_kv_fork");
    q->n_reserved = 0;
    *copy = *q;
    copy->handle = handle;
    walk.n_open[q->cache]++;
}

static void truncate_sequence(struct sequence *q)
{
    const uint64_t n = below((uint32_t)q->n + 1);
    ok(tg_kv_truncate(walk.caches[q->cache], q->handle, n), "tg_kv_truncate");
    q->n = n;
    q->n_reserved = 0;
    if (q->n_known > n) q->n_known = n;
}

static void release(struct sequence *q)
{
    ok(tg_kv_release(walk.caches[q->cache], q->handle), "tg_kv_release");
    refused(tg_kv_release(walk.caches[q->cache], q->handle), TG_ERR_ARGUMENT, "tg_kv_release again");
    walk.n_open[q->cache]--;
    q->handle = 0;
}

static void evict(void)
{
    const uint32_t cache = below(CACHES);
    const uint64_t most = chance(2) ? UINT64_MAX : below(8), n_kept = stats_of(cache).n_kept;
    const uint64_t n = tg_kv_evict(walk.caches[cache], most);
    FUZZ_CHECK(n == (most < n_kept ? most : n_kept), "%llu blocks are evicted", (unsigned long long)n);
}

/* ---- appends ----------------------------------------------------------------------------------------------------- */

/* Tokens of some sequences of one cache, as rows of host memory. */
struct batch {
    uint32_t cache;
    struct sequence *sequences[ROWS_AT_ONCE];
    uint64_t handles[ROWS_AT_ONCE];
    int32_t n_tokens[ROWS_AT_ONCE];
    uint32_t n;
    uint64_t n_rows;
    uint8_t *rows[2]; /* keys, values */
    struct tg_kv_rows given;
};

static void draw_batch(struct batch *b)
{
    uint32_t first = below(SEQUENCES);
    b->cache = walk.sequences[first].cache;
    for (uint32_t i = 0; i < SEQUENCES && b->n < ROWS_AT_ONCE; i++) {
        struct sequence *q = &walk.sequences[(first + i) % SEQUENCES];
        if (!q->handle || q->cache != b->cache || q->n_reserved == 0) continue;
        b->sequences[b->n] = q;
        b->handles[b->n] = q->handle;
        b->n_tokens[b->n] = (int32_t)draw_next(q);
        b->n_rows += (uint64_t)b->n_tokens[b->n++];
    }
}

/* Distances: sometimes with gaps. */
static void describe_batch(struct batch *b)
{
    const struct tg_kv_cache_config *c = &walk.caches[b->cache]->config;
    struct tg_kv_rows *g = &b->given;
    *g = (struct tg_kv_rows){.size = sizeof *g, .n_sequences = b->n, .sequences = b->handles, .n_tokens = b->n_tokens};
    g->dtype = chance(8) ? c->dtype : TG_FP32;
    g->key_head = c->key_dim + below(2);
    g->value_head = c->value_dim + below(3);
    g->key_token = c->kv_heads * g->key_head + below(4);
    g->value_token = c->kv_heads * g->value_head;
    b->rows[0] = malloc(b->n_rows * (uint64_t)g->key_token * 4);
    b->rows[1] = malloc(b->n_rows * (uint64_t)g->value_token * 4);
    FUZZ_CHECK(b->rows[0] && b->rows[1], "no memory");
    g->keys = b->rows[0];
    g->values = b->rows[1];
}

static void fill_batch(struct batch *b, uint32_t layer)
{
    const struct tg_kv_view *v = &walk.caches[b->cache]->views[layer];
    const struct tg_kv_rows *g = &b->given;
    const int64_t tokens[] = {g->key_token, g->value_token}, heads[] = {g->key_head, g->value_head};
    int64_t row = 0;
    for (uint32_t i = 0; i < b->n; i++) {
        const struct sequence *q = b->sequences[i];
        for (uint64_t at = q->n; at < q->n + (uint64_t)b->n_tokens[i]; at++, row++)
            for (uint32_t kind = 0; kind < 2; kind++)
                for (uint32_t head = 0; head < v->kv_heads; head++)
                    for (uint32_t dim = 0; dim < dim_of(v, kind); dim++) {
                        const int64_t place = row * tokens[kind] + head * heads[kind] + dim;
                        tg_store_f64(b->rows[kind] + (uint64_t)place * tg_dtype_bytes(g->dtype),
                                     element_of(q, at, layer, kind, head, dim), g->dtype);
                    }
    }
}

/* One number of a right append is wrong. */
static void append_wrongly(const struct batch *b)
{
    struct tg_kv_rows wrong = b->given;
    uint64_t handles[ROWS_AT_ONCE];
    int32_t n_tokens[ROWS_AT_ONCE];
    uint32_t layer = 0;
    memcpy(handles, b->handles, sizeof handles);
    memcpy(n_tokens, b->n_tokens, sizeof n_tokens);
    wrong.sequences = handles;
    wrong.n_tokens = n_tokens;
    switch (below(13)) {
    case 0: layer = 2 + fuzz_u32(&walk.in) / 2; break;
    case 1: wrong.dtype = 11 + fuzz_u32(&walk.in) / 2; break;
    case 2: wrong.key_token = -1 - (int64_t)(fuzz_u64(&walk.in) / 2); break;
    case 3: wrong.value_head = (1ll << 31) + (int64_t)(fuzz_u64(&walk.in) / 4); break;
    case 4: n_tokens[0] = -1 - (int32_t)(fuzz_u32(&walk.in) / 2); break;
    case 5: n_tokens[0] = (int32_t)b->sequences[0]->n_reserved + 1; break;
    case 6: n_tokens[0] = INT32_MAX; break;
    case 7: wrong.keys = NULL; break;
    case 8: wrong.values = NULL; break;
    case 9: wrong.sequences = NULL; break;
    case 10: handles[b->n - 1] = 0; break;
    case 11: wrong.size = below((uint32_t)sizeof wrong); break;
    default:
        if (b->n == 1) return;
        handles[1] = handles[0];
        n_tokens[1] = n_tokens[0] = 1;
    }
    refused(tg_kv_append(walk.caches[b->cache], layer, &wrong), TG_ERR_ARGUMENT, "a wrong tg_kv_append");
}

static void append(void)
{
    struct batch b = {0};
    draw_batch(&b);
    if (b.n == 0) return;
    describe_batch(&b);
    if (chance(4)) append_wrongly(&b);
    for (uint32_t layer = 0; layer < walk.caches[b.cache]->config.n_layers; layer++) {
        fill_batch(&b, layer);
        ok(tg_kv_append(walk.caches[b.cache], layer, &b.given), "tg_kv_append");
    }
    for (uint32_t i = 0; i < b.n; i++) commit(b.sequences[i], (uint64_t)b.n_tokens[i]);
    walk.counts.n_appended += b.n_rows;
    free(b.rows[0]);
    free(b.rows[1]);
}

/* ---- export and import ------------------------------------------------------------------------------------------- */

/* Where the bytes of tg_kv_export have their numbers and their hash (swap.c). */
enum { EXPORT_N_TOKENS = 40, EXPORT_N_KNOWN = 48, EXPORT_HASH = 56, EXPORT_HEADER = 64 };

static void sign(uint8_t *bytes, uint64_t n)
{
    memset(bytes + EXPORT_HASH, 0, sizeof(uint64_t));
    const uint64_t hash = tg_kv_hash(tg_kv_hash(0, bytes, EXPORT_HEADER), bytes + EXPORT_HEADER, n - EXPORT_HEADER);
    memcpy(bytes + EXPORT_HASH, &hash, sizeof hash);
}

/* Damaged bytes are refused: by their hash, or by their numbers where the hash is right. */
static void import_wrongly(uint32_t cache, const uint8_t *bytes, uint64_t n)
{
    uint64_t n_given = n, handle, number = fuzz_u64(&walk.in);
    uint8_t *copy = malloc(n);
    FUZZ_CHECK(copy, "no memory");
    memcpy(copy, bytes, n);
    switch (below(4)) {
    case 0: copy[number % n] ^= (uint8_t)(1u << (number >> 61)); break;
    case 1: n_given = number % n; break;
    case 2:
        if (memcmp(copy + EXPORT_N_TOKENS, &number, sizeof number) == 0) number = ~number;
        memcpy(copy + EXPORT_N_TOKENS, &number, sizeof number);
        sign(copy, n);
        break;
    default:
        if (memcmp(copy + EXPORT_N_KNOWN, &number, sizeof number) == 0) number = ~number;
        memcpy(copy + EXPORT_N_KNOWN, &number, sizeof number);
        sign(copy, n);
    }
    refused(tg_kv_import(walk.caches[cache], copy, n_given, &handle, NULL), TG_ERR_ARGUMENT, "tg_kv_import of damage");
    free(copy);
}

static void import(struct sequence *to, uint32_t cache, const struct sequence *from, const uint8_t *bytes, uint64_t n)
{
    const struct tg_kv_stats before = stats_of(cache);
    uint64_t handle = 0, n_missing = 99, n_found = 0;
    ok(tg_kv_lookup(walk.caches[cache], from->tokens, from->n_known, &n_found), "tg_kv_lookup");
    const enum tg_status status = tg_kv_import(walk.caches[cache], bytes, n, &handle, &n_missing);
    if (blocks_of(cache, from->n) > walk.caches[cache]->config.max_blocks) {
        refused(status, TG_ERR_ARGUMENT, "tg_kv_import of too many");
        return;
    }
    if (is_full(cache)) {
        refused(status, TG_ERR_CACHE_FULL, "tg_kv_import");
        return;
    }
    if (status == TG_ERR_CACHE_FULL) {
        const uint64_t n_new = blocks_of(cache, from->n) - blocks_of(cache, n_found);
        FUZZ_CHECK(n_missing && n_missing <= n_new && n_new + blocks_of(cache, n_found) > before.n_free + before.n_kept,
                   "%llu blocks are missing", (unsigned long long)n_missing);
        walk.counts.n_full++;
        return;
    }
    ok(status, "tg_kv_import");
    FUZZ_CHECK(n_missing == 0, "%llu blocks are missing", (unsigned long long)n_missing);
    *to = *from;
    to->handle = handle;
    to->cache = cache;
    to->n_reserved = 0;
    if (!walk.caches[cache]->config.reuse) to->n_known = 0;
    walk.n_open[cache]++;
    walk.counts.n_moved++;
}

static void move(const struct sequence *q, struct sequence *to)
{
    const uint32_t target = below(CACHES);
    uint64_t n = 0, n_again = 0;
    ok(tg_kv_export(walk.caches[q->cache], q->handle, NULL, 0, &n), "tg_kv_export's number of bytes");
    FUZZ_CHECK(n >= EXPORT_HEADER + q->n_known * sizeof(int32_t), "%llu bytes", (unsigned long long)n);
    uint8_t *bytes = malloc(n); /* of exactly that many */
    FUZZ_CHECK(bytes, "no memory");
    refused(tg_kv_export(walk.caches[q->cache], q->handle, bytes, n - 1, &n_again), TG_ERR_ARGUMENT,
            "tg_kv_export without room");
    FUZZ_CHECK(n_again == n, "%llu bytes, then %llu", (unsigned long long)n, (unsigned long long)n_again);
    ok(tg_kv_export(walk.caches[q->cache], q->handle, bytes, n, &n_again), "tg_kv_export");
    if (chance(4)) import_wrongly(target, bytes, n);
    else if (!to->handle) import(to, target, q, bytes, n);
    free(bytes);
}

/* ---- wrong calls ------------------------------------------------------------------------------------------------- */

/* A handle that no open sequence of the cache has. */
static uint64_t wrong_handle(uint32_t cache)
{
    uint64_t handle = chance(8) ? walk.sequences[below(SEQUENCES)].handle : fuzz_u64(&walk.in);
    for (int s = 0; s < SEQUENCES; s++)
        if (walk.sequences[s].cache == cache && walk.sequences[s].handle == handle) handle = 0;
    return handle;
}

static void call_with_wrong_handle(void)
{
    const uint32_t cache = below(CACHES);
    const uint64_t handle = wrong_handle(cache);
    struct tg_kv_cache *c = walk.caches[cache];
    struct tg_kv_sequence info;
    uint64_t number = 0;
    refused(tg_kv_fork(c, handle, &number), TG_ERR_ARGUMENT, "tg_kv_fork");
    refused(tg_kv_reserve(c, handle, 1, &number), TG_ERR_ARGUMENT, "tg_kv_reserve");
    refused(tg_kv_commit(c, handle, NULL, 0), TG_ERR_ARGUMENT, "tg_kv_commit");
    refused(tg_kv_truncate(c, handle, 0), TG_ERR_ARGUMENT, "tg_kv_truncate");
    refused(tg_kv_release(c, handle), TG_ERR_ARGUMENT, "tg_kv_release");
    refused(tg_kv_look(c, handle, &info), TG_ERR_ARGUMENT, "tg_kv_look");
    refused(tg_kv_export(c, handle, NULL, 0, &number), TG_ERR_ARGUMENT, "tg_kv_export");
}

static void call_wrongly(const struct sequence *q)
{
    struct tg_kv_cache *c = walk.caches[q->cache];
    struct tg_kv_view view;
    uint64_t number = 0;
    refused(tg_kv_commit(c, q->handle, NULL, q->n_reserved + 1), TG_ERR_ARGUMENT, "tg_kv_commit of too many");
    refused(tg_kv_commit(c, q->handle, NULL, UINT64_MAX), TG_ERR_ARGUMENT, "tg_kv_commit of too many");
    refused(tg_kv_truncate(c, q->handle, q->n + 1), TG_ERR_ARGUMENT, "tg_kv_truncate to more");
    refused(tg_kv_start(c, NULL, 1, &number, NULL), TG_ERR_ARGUMENT, "tg_kv_start with nothing");
    refused(tg_kv_lookup(c, NULL, 1, &number), TG_ERR_ARGUMENT, "tg_kv_lookup with nothing");
    refused(tg_kv_cache_view(c, c->config.n_layers, &view), TG_ERR_ARGUMENT, "tg_kv_cache_view of no layer");
    refused(tg_kv_import(c, &number, sizeof number, &number, NULL), TG_ERR_ARGUMENT, "tg_kv_import of a number");
}

/* ---- all --------------------------------------------------------------------------------------------------------- */

static void open_caches(void)
{
    static const uint32_t block_tokens[] = {1, 3, 4, 7, 16},
                          types[] = {TG_FP32, TG_FP16, TG_BF16, TG_INT8, TG_FP8_E4M3, TG_FP8_E5M2};
    struct tg_kv_cache_config config;
    tg_kv_cache_config_init(&config);
    config.dtype = types[below(6)];
    config.n_layers = 1 + below(2);
    config.kv_heads = 1 + below(2);
    config.key_dim = 8 * (1 + below(2));
    for (uint32_t i = 0; i < CACHES; i++) {
        config.block_tokens = block_tokens[below(5)];
        config.n_blocks = 1 + 200 / config.block_tokens + below(16);
        config.layout = below(3);
        config.max_sequences = 4 + below(8);
        config.max_blocks = TOKENS / config.block_tokens + 1 - below(2);
        config.reuse = !chance(2);
        ok(tg_kv_cache_open(walk.device, &config, &walk.caches[i]), "tg_kv_cache_open");
    }
}

static void step(void)
{
    struct sequence *q = &walk.sequences[below(SEQUENCES)], *other = &walk.sequences[below(SEQUENCES)];
    const uint32_t what = below(64);
    if (what == 63) call_with_wrong_handle();
    else if (what == 62) evict();
    else if (!q->handle) start(q, below(CACHES));
    else if (what < 20) reserve(q);
    else if (what < 36) write_and_commit(q);
    else if (what < 40) append();
    else if (what < 48) {
        if (!other->handle) fork_sequence(q, other);
    } else if (what < 52) move(q, other);
    else if (what < 56) truncate_sequence(q);
    else if (what < 61) release(q);
    else call_wrongly(q);
}

static void close_caches(void)
{
    for (int s = 0; s < SEQUENCES; s++)
        if (walk.sequences[s].handle) release(&walk.sequences[s]);
    for (uint32_t i = 0; i < CACHES; i++) {
        const struct tg_kv_stats stats = stats_of(i);
        FUZZ_CHECK(stats.n_used == 0 && stats.n_sequences == 0, "%llu blocks are in use",
                   (unsigned long long)stats.n_used);
        walk.counts.n_reused += stats.n_reused;
        walk.counts.n_copied += stats.n_copied;
        walk.counts.n_evicted += stats.n_evicted;
        tg_kv_evict(walk.caches[i], UINT64_MAX);
        FUZZ_CHECK(stats_of(i).n_free == stats.n_blocks, "blocks are neither free nor in use");
        tg_kv_cache_close(walk.caches[i]);
    }
    FUZZ_CHECK(tg_device_bytes_in_use(walk.device) == 0, "device memory is left");
}

struct kv_counts kv_walk(struct tg_device *device, const uint8_t *bytes, size_t n_bytes)
{
    memset(&walk, 0, sizeof walk);
    walk.device = device;
    walk.in = (struct fuzz_input){bytes, bytes + n_bytes};
    open_caches();
    for (int i = 0; !fuzz_is_over(&walk.in); i++) {
        step();
        for (uint32_t cache = 0; cache < CACHES; cache++) {
            check_rows(cache);
            if (i % 16 == 0) check_contents(cache);
        }
    }
    for (uint32_t cache = 0; cache < CACHES; cache++) check_contents(cache);
    close_caches();
    return walk.counts;
}
