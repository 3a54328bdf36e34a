/* arena.h - memory that is freed together. One owner; no lock. */
#ifndef TG_BASE_ARENA_H
#define TG_BASE_ARENA_H

#include <stddef.h>
#include <stdint.h>

struct tg_arena_block {
    struct tg_arena_block *next;
    size_t bytes; /* of data */
    uint64_t data[];
};

/*
 *     blocks:  [ used ... | free ]  ->  [ used ........ ]  ->  ...
 *                         ^ at       the newest block is first
 */
struct tg_arena {
    struct tg_arena_block *blocks;
    size_t at;    /* bytes used of the first block */
    size_t bytes; /* of all blocks, headers included */
};

/* `bytes` aligned to 8, uninitialised; NULL when out of memory. */
void *tg_arena_alloc(struct tg_arena *arena, size_t bytes);

/* The same, of what the first block has left; NULL: not enough. */
static inline void *tg_arena_take(struct tg_arena *arena, size_t bytes)
{
    struct tg_arena_block *block = arena->blocks;
    if (!block || block->bytes - arena->at < bytes) return NULL; /* blocks are whole words */
    void *data = (char *)block->data + arena->at;
    arena->at += (bytes + 7) & ~(size_t)7;
    return data;
}

/* Forget what was allocated; keep one block of ordinary size for the next use. */
void tg_arena_reset(struct tg_arena *arena);

void tg_arena_fini(struct tg_arena *arena);

#endif
