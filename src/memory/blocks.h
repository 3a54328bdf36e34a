/*
 * blocks.h - pieces of a range of addresses, used, aside or free: a balanced tree in the order of their addresses.
 *
 *                  block, used                 each node knows the largest free block of its subtree,
 *                 /           \                so the free block with the lowest address that is large
 *         block, free       block, used        enough is found on one way down
 *
 * Every operation takes O(log n) steps, whatever came before. Neighbours in memory are also linked to each other.
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
    uint64_t asked;                           /* bytes that the caller asked for; 0: nobody has the block */
    bool aside;                               /* nobody has it, and nobody is to get it */
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

/* The free block of at least `bytes` with the lowest address; NULL: none is that large. */
struct tg_gm_block *tg_blocks_find_free(const struct tg_blocks *blocks, uint64_t bytes);

/* Use a free block for `asked` bytes, of which it keeps `bytes`; the rest becomes a free block behind it. false: no
 * memory for that one, nothing has changed. */
bool tg_blocks_use(struct tg_blocks *blocks, struct tg_gm_block *block, uint64_t bytes, uint64_t asked);

/* Cut a block that is not free down to `bytes`; the rest becomes free. No memory: it stays as it is. */
void tg_blocks_trim(struct tg_blocks *blocks, struct tg_gm_block *block, uint64_t bytes);

/* Nobody has a used block any more, and nobody gets it: it is no part of an allocation, and stays where it is. */
void tg_blocks_set_aside(struct tg_blocks *blocks, struct tg_gm_block *block);

/* Free a block; free neighbours become one block with it, and `block` may be gone. */
void tg_blocks_free(struct tg_blocks *blocks, struct tg_gm_block *block);

#endif
