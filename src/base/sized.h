/*
 * sized.h - structures whose size in the caller's header can differ from the size in the library's header.
 *
 *     caller older:   [size | fields ........]                 the rest keeps the library's defaults
 *     library:        [size | fields ........ | new fields]
 *     caller newer:   [size | fields ........ | new fields | later fields]     taken if the later fields are zero
 */
#ifndef TG_BASE_SIZED_H
#define TG_BASE_SIZED_H

#include <stddef.h>

#include <tilegraph/tilegraph.h>

/* A structure of this library: `known` bytes, of which the first version had `least`. It begins with its size. */
struct tg_sized {
    const char *name;
    size_t known, least;
};

/*
 * Copy the caller's structure over *to, which holds the defaults. to->size becomes `known`.
 * Errors    TG_ERR_ARGUMENT: `from` is NULL; the structure is shorter than the first version's, or has nonzero bytes
 *           behind this library's size. *to is unchanged.
 */
enum tg_status tg_sized_take(const struct tg_sized *sized, void *to, const void *from);

/* Copy `from`, this library's structure, into the caller's structure. Its size stays, and its further fields become
 * zero.
 * Errors    TG_ERR_ARGUMENT: `to` is NULL; it is shorter than the first version's, and unchanged. */
enum tg_status tg_sized_give(const struct tg_sized *sized, void *to, const void *from);

/* Copy a structure of item_size bytes that does not begin with its size. Missing fields of *to become zero. Errors as
 * tg_sized_take. */
enum tg_status tg_sized_item(const struct tg_sized *sized, void *to, const void *from, size_t item_size);

/*
 * Convert an array of n such structures to an array of this library's structures.
 * Owns      the caller frees *out; NULL if n is 0
 * Errors    as tg_sized_take; TG_ERR_MEMORY
 */
enum tg_status tg_sized_array(const struct tg_sized *sized, const void *from, size_t item_size, size_t n, void **out);

#endif
