#include "base/arena.h"

#include <stdlib.h>

enum { ORDINARY_BYTES = 8192 };

static void *add_block(struct tg_arena *arena, size_t bytes)
{
    size_t size = bytes > ORDINARY_BYTES ? bytes : ORDINARY_BYTES;
    struct tg_arena_block *block = malloc(sizeof *block + size);
    if (!block) return NULL;
    block->next = arena->blocks;
    block->bytes = size;
    arena->blocks = block;
    arena->bytes += sizeof *block + size;
    arena->at = bytes;
    return block->data;
}

void *tg_arena_alloc(struct tg_arena *arena, size_t bytes)
{
    if (bytes > SIZE_MAX / 2) return NULL;
    bytes = (bytes + 7) & ~(size_t)7;
    void *data = tg_arena_take(arena, bytes);
    return data ? data : add_block(arena, bytes);
}

void tg_arena_reset(struct tg_arena *arena)
{
    struct tg_arena_block *keep = NULL;
    for (struct tg_arena_block *block = arena->blocks, *next; block; block = next) {
        next = block->next;
        if (!keep && block->bytes == ORDINARY_BYTES) keep = block;
        else free(block);
    }
    if (keep) keep->next = NULL;
    arena->blocks = keep;
    arena->bytes = keep ? sizeof *keep + keep->bytes : 0;
    arena->at = 0;
}

void tg_arena_fini(struct tg_arena *arena)
{
    for (struct tg_arena_block *block = arena->blocks, *next; block; block = next) {
        next = block->next;
        free(block);
    }
    arena->blocks = NULL;
    arena->bytes = 0;
    arena->at = 0;
}
