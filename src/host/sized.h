/*
 * sized.h - structures whose size the caller's header knows, and the library's header may know otherwise.
 *
 *     caller older:   [size | fields ........]                 what is behind keeps the library's default
 *     library:        [size | fields ........ | new fields]
 *     caller newer:   [size | fields ........ | new fields | later fields]     taken if the later fields are zero
 */
#ifndef TG_HOST_SIZED_H
#define TG_HOST_SIZED_H

#include <stddef.h>

#include <tilegraph/tilegraph.h>

/* A structure as this library knows it: `known` bytes, of which the first version had `least`. It begins with its size. */
struct tg_sized {
    const char *name;
    size_t known, least;
};

/*
 * Copy the caller's structure over *to, which holds the defaults. to->size becomes `known`.
 * Errors    TG_ERR_ARGUMENT: it is shorter than the first version's, or longer than this library's and what is behind is
 *           not zero. *to is untouched.
 */
enum tg_status tg_sized_take(const struct tg_sized *sized, void *to, const void *from);

/* Copy `from`, which the library knows, into the caller's structure; its size stays, and what is behind is zero.
 * Errors    TG_ERR_ARGUMENT: it is shorter than the first version's. *to is untouched. */
enum tg_status tg_sized_give(const struct tg_sized *sized, void *to, const void *from);

/*
 * An array of n structures of item_size bytes as an array of this library's: fields that an item lacks are zero. These
 * structures have no size of their own.
 * Owns      *out is the caller's, to be freed; NULL if n is 0
 * Errors    as tg_sized_take; TG_ERR_MEMORY
 */
enum tg_status tg_sized_array(const struct tg_sized *sized, const void *from, size_t item_size, size_t n, void **out);

#endif
