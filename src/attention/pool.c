#include "attention/pool.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "attention/content_hash.h"

static uint64_t hash_of(const struct tg_kv_pool *pool, struct tg_kv_identity parent, const int32_t *tokens)
{
    const uint64_t before = (uint64_t)(uint32_t)parent.block << 32 | parent.generation;
    return tg_kv_hash(tg_kv_mix(pool->seed ^ before, TG_KV_ROOT_2), tokens, pool->block_tokens * sizeof *tokens);
}

/* ---- index ---- */

static bool has_identity(const struct tg_kv_pool *pool, int32_t block, uint64_t hash, struct tg_kv_identity parent,
                         const int32_t *tokens)
{
    const struct tg_kv_block *b = &pool->blocks[block];
    return b->hash == hash && b->parent.block == parent.block && b->parent.generation == parent.generation &&
           memcmp(tg_kv_pool_tokens(pool, block), tokens, pool->block_tokens * sizeof *tokens) == 0;
}

static int32_t find(const struct tg_kv_pool *pool, uint64_t hash, struct tg_kv_identity parent, const int32_t *tokens)
{
    for (uint32_t at = (uint32_t)hash & pool->index_mask; pool->index[at]; at = (at + 1) & pool->index_mask) {
        const int32_t block = (int32_t)(pool->index[at] - 1);
        if (has_identity(pool, block, hash, parent, tokens)) return block;
    }
    return TG_KV_NO_BLOCK;
}

static void insert(struct tg_kv_pool *pool, int32_t block)
{
    uint32_t at = (uint32_t)pool->blocks[block].hash & pool->index_mask;
    while (pool->index[at]) at = (at + 1) & pool->index_mask;
    pool->index[at] = (uint32_t)block + 1;
}

/* Entries behind the removed one move up, so that a search can stop at the first empty place. */
static void erase(struct tg_kv_pool *pool, int32_t block)
{
    const uint32_t mask = pool->index_mask;
    uint32_t hole = (uint32_t)pool->blocks[block].hash & mask;
    while (pool->index[hole] != (uint32_t)block + 1) hole = (hole + 1) & mask;
    for (uint32_t at = (hole + 1) & mask; pool->index[at]; at = (at + 1) & mask) {
        const uint32_t home = (uint32_t)pool->blocks[pool->index[at] - 1].hash & mask;
        if (((at - home) & mask) < ((at - hole) & mask)) continue; /* its home lies behind the hole */
        pool->index[hole] = pool->index[at];
        hole = at;
    }
    pool->index[hole] = 0;
}

/* ---- lists ---- */

static void push_free(struct tg_kv_pool *pool, int32_t block)
{
    pool->blocks[block].after = pool->free;
    pool->free = block;
    pool->counts.n_free++;
}

static void push_kept(struct tg_kv_pool *pool, int32_t block)
{
    struct tg_kv_block *b = &pool->blocks[block];
    b->before = pool->kept_newest;
    b->after = TG_KV_NO_BLOCK;
    if (pool->kept_newest >= 0) pool->blocks[pool->kept_newest].after = block;
    else pool->kept_oldest = block;
    pool->kept_newest = block;
    pool->counts.n_kept++;
}

static void remove_kept(struct tg_kv_pool *pool, int32_t block)
{
    const struct tg_kv_block *b = &pool->blocks[block];
    if (b->before >= 0) pool->blocks[b->before].after = b->after;
    else pool->kept_oldest = b->after;
    if (b->after >= 0) pool->blocks[b->after].before = b->before;
    else pool->kept_newest = b->before;
    pool->counts.n_kept--;
}

/* ---- the pool ---- */

bool tg_kv_pool_init(struct tg_kv_pool *pool, uint32_t n_blocks, uint32_t block_tokens, bool reuse)
{
    memset(pool, 0, sizeof *pool);
    uint32_t places = 16;
    while (places < 2 * (uint64_t)n_blocks) places *= 2; /* at most half full: short searches */
    pool->n_blocks = n_blocks;
    pool->block_tokens = block_tokens;
    pool->index_mask = places - 1;
    pool->blocks = calloc(n_blocks, sizeof *pool->blocks);
    if (reuse) {
        pool->tokens = calloc((size_t)n_blocks * block_tokens, sizeof *pool->tokens);
        pool->index = calloc(places, sizeof *pool->index);
    }
    if (!pool->blocks || (reuse && (!pool->tokens || !pool->index))) {
        tg_kv_pool_fini(pool);
        return false;
    }
    /* A seed that nobody outside can know: prompts cannot be made to collide. Without it the pool is only slower. */
    if (getrandom(&pool->seed, sizeof pool->seed, GRND_NONBLOCK) != (ssize_t)sizeof pool->seed)
        pool->seed = TG_KV_ROOT_3;
    pool->free = pool->kept_oldest = pool->kept_newest = TG_KV_NO_BLOCK;
    pool->counts.n_free = n_blocks;
    return true;
}

void tg_kv_pool_fini(struct tg_kv_pool *pool)
{
    free(pool->blocks);
    free(pool->tokens);
    free(pool->index);
    memset(pool, 0, sizeof *pool);
}

static void count_use(struct tg_kv_pool *pool)
{
    if (++pool->counts.n_used > pool->counts.n_used_peak) pool->counts.n_used_peak = pool->counts.n_used;
}

uint32_t tg_kv_pool_evict(struct tg_kv_pool *pool, uint32_t n)
{
    uint32_t n_done = 0;
    for (; n_done < n && pool->kept_oldest >= 0; n_done++) {
        const int32_t block = pool->kept_oldest;
        remove_kept(pool, block);
        tg_kv_pool_forget(pool, block);
        push_free(pool, block);
    }
    pool->counts.n_evicted += n_done;
    return n_done;
}

int32_t tg_kv_pool_take(struct tg_kv_pool *pool)
{
    if (pool->counts.n_free == 0 && tg_kv_pool_evict(pool, 1) == 0) return TG_KV_NO_BLOCK;
    int32_t block = pool->free;
    if (block < 0) block = (int32_t)pool->n_taken++;
    else pool->free = pool->blocks[block].after;
    pool->counts.n_free--;
    pool->blocks[block].refs = 1;
    count_use(pool);
    return block;
}

void tg_kv_pool_share(struct tg_kv_pool *pool, int32_t block)
{
    if (pool->blocks[block].refs++ > 0) return;
    remove_kept(pool, block);
    count_use(pool);
}

void tg_kv_pool_drop(struct tg_kv_pool *pool, int32_t block)
{
    if (--pool->blocks[block].refs > 0) return;
    pool->counts.n_used--;
    if (pool->blocks[block].has_identity) push_kept(pool, block);
    else push_free(pool, block);
}

bool tg_kv_pool_is_current(const struct tg_kv_pool *pool, struct tg_kv_identity identity)
{
    if (identity.block < 0) return identity.generation == 0;
    const struct tg_kv_block *b = &pool->blocks[identity.block];
    return b->has_identity && b->generation == identity.generation;
}

int32_t tg_kv_pool_find(const struct tg_kv_pool *pool, struct tg_kv_identity parent, const int32_t *tokens)
{
    return pool->tokens ? find(pool, hash_of(pool, parent, tokens), parent, tokens) : TG_KV_NO_BLOCK;
}

void tg_kv_pool_identify(struct tg_kv_pool *pool, int32_t block, struct tg_kv_identity parent)
{
    struct tg_kv_block *b = &pool->blocks[block];
    const int32_t *tokens = tg_kv_pool_tokens(pool, block);
    b->same_as = (struct tg_kv_identity){TG_KV_NO_BLOCK, 1}; /* never current */
    if (!tg_kv_pool_is_current(pool, parent)) return;
    const uint64_t hash = hash_of(pool, parent, tokens);
    const int32_t other = find(pool, hash, parent, tokens);
    if (other >= 0) {
        b->same_as = (struct tg_kv_identity){other, pool->blocks[other].generation};
        return;
    }
    b->hash = hash;
    b->parent = parent;
    b->has_identity = true;
    b->same_as = (struct tg_kv_identity){block, b->generation};
    insert(pool, block);
}

void tg_kv_pool_forget(struct tg_kv_pool *pool, int32_t block)
{
    struct tg_kv_block *b = &pool->blocks[block];
    if (!b->has_identity) return;
    erase(pool, block);
    b->has_identity = false;
    b->generation++;
}
