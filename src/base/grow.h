/* grow.h - room in an array that grows. */
#ifndef TG_BASE_GROW_H
#define TG_BASE_GROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

enum { TG_GROW_MIN = 64 };

/* Make room for `n` items of `bytes` bytes each in *items, which has room for *capacity items. It grows at least to
 * twice its size. Sizes in bytes fit into a size_t. false: no memory; nothing has changed. */
static inline bool tg_grow(void **items, size_t n, size_t *capacity, size_t bytes)
{
    if (n <= *capacity) return true;
    size_t more = *capacity ? *capacity : TG_GROW_MIN;
    while (more < n) more *= 2;
    void *grown = realloc(*items, more * bytes);
    if (!grown) return false;
    *items = grown;
    *capacity = more;
    return true;
}

#endif
