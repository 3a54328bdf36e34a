/*
 * pool.h - the blocks of a KV cache: free, in use, or kept for reuse. It has no data and no device.
 *
 *            take                      drop, no identity
 *     free ---------> in use (refs > 0) ----------------> free
 *       ^               |   ^
 *       |   drop, with  |   | share (found by its tokens)
 *       |   an identity v   |
 *       +------------- kept (refs == 0), least recently used first
 *         take, when nothing is free: the block loses its identity
 *
 * Identity. A full block whose tokens are known can have an identity: the identity of the block before it, and its own
 * tokens. tg_kv_pool_find compares both in full, so equal hashes of different tokens do no harm. An identity names its
 * parent by block and generation. The generation of a block counts up when it loses its identity, so a child of an old
 * identity is never found again.
 *
 * Order of eviction. Callers drop the blocks of a sequence from the last to the first. A child is then always less
 * recently used than its parent, and is evicted before it.
 *
 * Threads: one at a time; the cache has the lock.
 */
#ifndef TG_ATTENTION_POOL_H
#define TG_ATTENTION_POOL_H

#include <stdbool.h>
#include <stdint.h>

enum { TG_KV_NO_BLOCK = -1 };

/* An identity, or the parent of a first block: block TG_KV_NO_BLOCK, generation 0. */
struct tg_kv_identity {
    int32_t block;
    uint32_t generation;
};

struct tg_kv_block {
    uint32_t refs;         /* table entries that name the block, and copies in progress */
    uint32_t generation;   /* identities that it has lost so far */
    int32_t before, after; /* in the list of free or kept blocks */
    bool has_identity;
    uint64_t hash; /* of the identity */
    struct tg_kv_identity parent;
    /* Of a full block with known tokens: its own identity, or that of an earlier block with the same contents. */
    struct tg_kv_identity same_as;
};

struct tg_kv_pool_counts {
    uint32_t n_free, n_kept;
    uint32_t n_used, n_used_peak; /* refs > 0 */
    uint64_t n_evicted;           /* kept blocks that lost their identity for another use, so far */
};

struct tg_kv_pool {
    struct tg_kv_block *blocks; /* [n_blocks] */
    int32_t *tokens;            /* [n_blocks][block_tokens]; NULL: no identities */
    uint32_t *index;            /* [index_mask + 1] block + 1 by hash, or 0; linear probing */
    uint32_t index_mask;
    uint32_t n_blocks, block_tokens;
    uint64_t seed;
    int32_t free;                     /* first of the blocks that are free again */
    uint32_t n_taken;                 /* blocks from here on were never taken: their entries use no memory yet */
    int32_t kept_oldest, kept_newest; /* the list of kept blocks */
    struct tg_kv_pool_counts counts;
};

/* All blocks are free. reuse: blocks can have identities. false: no memory. */
bool tg_kv_pool_init(struct tg_kv_pool *pool, uint32_t n_blocks, uint32_t block_tokens, bool reuse);
void tg_kv_pool_fini(struct tg_kv_pool *pool);

/* Blocks that tg_kv_pool_take can hand out. */
static inline uint32_t tg_kv_pool_available(const struct tg_kv_pool *pool)
{
    return pool->counts.n_free + pool->counts.n_kept;
}

/* A block with one reference and no identity; TG_KV_NO_BLOCK: all are in use. */
int32_t tg_kv_pool_take(struct tg_kv_pool *pool);

/* One reference more; the block is in use or kept. */
void tg_kv_pool_share(struct tg_kv_pool *pool, int32_t block);

/* One reference less. */
void tg_kv_pool_drop(struct tg_kv_pool *pool, int32_t block);

/* The block with this identity; TG_KV_NO_BLOCK: no block has it. tokens: [block_tokens]. */
int32_t tg_kv_pool_find(const struct tg_kv_pool *pool, struct tg_kv_identity parent, const int32_t *tokens);

/* The block is full and pool->tokens has its tokens: it gets an identity behind `parent`, unless another block has it.
 * Sets same_as. A parent that was evicted meanwhile leaves the block without an identity. */
void tg_kv_pool_identify(struct tg_kv_pool *pool, int32_t block, struct tg_kv_identity parent);

/* The block loses its identity: its contents are about to change. */
void tg_kv_pool_forget(struct tg_kv_pool *pool, int32_t block);

/* Kept blocks, the least recently used first, become free: at most n. Returns their number. */
uint32_t tg_kv_pool_evict(struct tg_kv_pool *pool, uint32_t n);

/* The tokens of a block. */
static inline int32_t *tg_kv_pool_tokens(const struct tg_kv_pool *pool, int32_t block)
{
    return pool->tokens + (uint64_t)block * pool->block_tokens;
}

/* Does an identity still exist? The parent of a first block always does. */
bool tg_kv_pool_is_current(const struct tg_kv_pool *pool, struct tg_kv_identity identity);

#endif
