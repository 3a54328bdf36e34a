/*
 * blocks.h - pieces of a range of addresses, used, aside or free: a balanced tree in the order of their addresses.
 *
 *                  block, used                 each node knows the largest free block of its subtree,
 *                 /           \                so the free block with the lowest address that is large
 *         block, free       block, used        enough is found on one way down
 *
 * Every operation takes O(log n) steps, in the worst case. Neighbours in memory are also linked to each other.
 *
 * Threads: one at a time.
 */
#ifndef TG_MEMORY_BLOCKS_H
#define TG_MEMORY_BLOCKS_H

#include <stdbool.h>
#include <stdint.h>

struct tg_gm_owner;

struct tg_gm_block {
    uint64_t address, bytes;
    uint64_t asked;                           /* bytes that the caller asked for; 0: not allocated */
    bool aside;                               /* freed, and not to be allocated yet */
    struct tg_gm_owner *owner;                /* of a block that is used or aside */
    struct tg_gm_block *of_before, *of_after; /* in the list of its owner */
    struct tg_gm_block *before, *after;       /* neighbours in memory */
    struct tg_gm_block *low, *high;           /* subtrees */
    uint64_t largest_free;                    /* bytes of the largest free block of this subtree */
    int height;                               /* of this subtree */
};

struct tg_blocks {
    struct tg_gm_block *root, *first;
};

/* Begin with one free block of `bytes`. false: no memory. */
bool tg_blocks_init(struct tg_blocks *blocks, uint64_t address, uint64_t bytes);
void tg_blocks_fini(struct tg_blocks *blocks);

/* The block around an address; NULL: outside of the range. */
struct tg_gm_block *tg_blocks_find(const struct tg_blocks *blocks, uint64_t address);

/* The lowest free block of at least `bytes`; NULL: no such block. */
struct tg_gm_block *tg_blocks_find_free(const struct tg_blocks *blocks, uint64_t bytes);

/* Use a free block for `asked` bytes; it keeps `bytes`, and the rest becomes a free block behind it. false: no memory
 * for that block; nothing has changed. */
bool tg_blocks_use(struct tg_blocks *blocks, struct tg_gm_block *block, uint64_t bytes, uint64_t asked);

/* Shorten a used block to `bytes`; the rest becomes free. Without memory the block stays as it is. */
void tg_blocks_trim(struct tg_blocks *blocks, struct tg_gm_block *block, uint64_t bytes);

/* Set a used block aside: it is no longer part of an allocation, and cannot be allocated. */
void tg_blocks_set_aside(struct tg_blocks *blocks, struct tg_gm_block *block);

/* Free a block; free neighbours become one block with it, and `block` may be gone. */
void tg_blocks_free(struct tg_blocks *blocks, struct tg_gm_block *block);

#endif
