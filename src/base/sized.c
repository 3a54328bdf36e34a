#include "base/sized.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

static bool is_zero(const unsigned char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (bytes[i]) return false;
    return true;
}

static enum tg_status check_size(const struct tg_sized *sized, size_t size)
{
    if (size >= sized->least) return TG_OK;
    return tg_error(TG_ERR_ARGUMENT, "%s: its size is %zu, the first version has %zu: initialise it with tilegraph.h",
                    sized->name, size, sized->least);
}

static enum tg_status check(const struct tg_sized *sized, const void *from, size_t size)
{
    TG_TRY(check_size(sized, size));
    if (size <= sized->known || is_zero((const unsigned char *)from + sized->known, size - sized->known)) return TG_OK;
    return tg_error(TG_ERR_ARGUMENT,
                    "%s: it has %zu bytes and sets a field behind the %zu that library %s knows: use a later library",
                    sized->name, size, sized->known, TG_VERSION);
}

static size_t common(const struct tg_sized *sized, size_t size) { return size < sized->known ? size : sized->known; }

enum tg_status tg_sized_take(const struct tg_sized *sized, void *to, const void *from)
{
    size_t size;
    if (!from) return tg_error(TG_ERR_ARGUMENT, "%s: the address is NULL", sized->name);
    memcpy(&size, from, sizeof size);
    TG_TRY(check(sized, from, size));
    memcpy(to, from, common(sized, size));
    memcpy(to, &sized->known, sizeof sized->known);
    return TG_OK;
}

enum tg_status tg_sized_give(const struct tg_sized *sized, void *to, const void *from)
{
    size_t size;
    if (!to) return tg_error(TG_ERR_ARGUMENT, "%s: the address is NULL", sized->name);
    memcpy(&size, to, sizeof size);
    TG_TRY(check_size(sized, size));
    memset(to, 0, size);
    memcpy(to, from, common(sized, size));
    memcpy(to, &size, sizeof size);
    return TG_OK;
}

enum tg_status tg_sized_item(const struct tg_sized *sized, void *to, const void *from, size_t item_size)
{
    TG_TRY(check_size(sized, item_size));
    TG_TRY(check(sized, from, item_size));
    memset(to, 0, sized->known);
    memcpy(to, from, common(sized, item_size));
    return TG_OK;
}

enum tg_status tg_sized_array(const struct tg_sized *sized, const void *from, size_t item_size, size_t n, void **out)
{
    *out = NULL;
    if (n == 0) return TG_OK;
    TG_TRY(check_size(sized, item_size));
    char *items = calloc(n, sized->known);
    if (!items) return tg_error(TG_ERR_MEMORY, "no memory for %zu of %s", n, sized->name);
    for (size_t i = 0; i < n; i++) {
        const enum tg_status status = tg_sized_item(sized, items + i * sized->known, (const char *)from + i * item_size,
                                                    item_size);
        if (status != TG_OK) {
            free(items);
            return status;
        }
    }
    *out = items;
    return TG_OK;
}
