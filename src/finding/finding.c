#include "finding/finding.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"

enum { TABLE_MIN = 64, TEXT_BYTES = 1024 };

void tg_finding_list_fini(struct tg_finding_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        free(list->items[i].what);
        free(list->items[i].where);
        free(list->items[i].mend);
    }
    free(list->items);
    free(list->table);
    memset(list, 0, sizeof *list);
}

/* `x` spread over all bits. */
static uint64_t mix(uint64_t x) { return tg_random_next(&x); }

uint64_t tg_finding_key(const uint64_t *values, size_t n_values)
{
    uint64_t key = 0;
    for (size_t i = 0; i < n_values; i++) key = mix(key + values[i]);
    return key;
}

uint64_t tg_finding_place(const char *file, uint32_t line)
{
    uint64_t place = line;
    for (; file && *file; file++) place = mix(place + (unsigned char)*file + 1);
    return place;
}

/* The entry of an item in the table, or the free entry that it would take. */
static uint32_t *slot_of(const struct tg_finding_list *list, enum tg_finding_code code, uint64_t key)
{
    size_t at = (size_t)mix(key + (uint64_t)code) & (list->table_size - 1);
    for (;; at = (at + 1) & (list->table_size - 1)) {
        uint32_t index = list->table[at];
        if (index == 0) return &list->table[at];
        const struct tg_finding_item *item = &list->items[index - 1];
        if (item->key == key && item->code == code) return &list->table[at];
    }
}

/* Twice as much room as now. Items and table grow together: the table is at most half full. */
static bool grow(struct tg_finding_list *list)
{
    size_t capacity = list->capacity ? 2 * list->capacity : TABLE_MIN / 2;
    struct tg_finding_item *items = realloc(list->items, capacity * sizeof *items);
    if (!items) return false;
    list->items = items;
    uint32_t *table = calloc(2 * capacity, sizeof *table);
    if (!table) return false;
    free(list->table);
    list->table = table;
    list->table_size = 2 * capacity;
    list->capacity = capacity;
    for (size_t i = 0; i < list->n; i++) *slot_of(list, items[i].code, items[i].key) = (uint32_t)i + 1;
    return true;
}

struct tg_finding_item *tg_finding_count(struct tg_finding_list *list, enum tg_finding_code code, uint64_t key)
{
    if (list->n == list->capacity && list->n < TG_FINDINGS_MAX && !grow(list)) list->lost = true;
    if (list->lost) return NULL;
    uint32_t *slot = slot_of(list, code, key);
    if (*slot) {
        list->items[*slot - 1].count++;
        return NULL;
    }
    if (list->n == list->capacity || list->n == TG_FINDINGS_MAX) {
        list->n_beyond++;
        return NULL;
    }
    struct tg_finding_item *item = &list->items[list->n++];
    *item = (struct tg_finding_item){.code = code, .key = key, .count = 1};
    *slot = (uint32_t)list->n;
    return item;
}

static void say(struct tg_finding_list *list, char **text, const char *format, va_list args)
{
    char buffer[TEXT_BYTES];
    vsnprintf(buffer, sizeof buffer, format, args);
    free(*text);
    *text = strdup(buffer);
    if (!*text) list->lost = true;
}

void tg_finding_what(struct tg_finding_list *list, struct tg_finding_item *item, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say(list, &item->what, format, args);
    va_end(args);
}

void tg_finding_where(struct tg_finding_list *list, struct tg_finding_item *item, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say(list, &item->where, format, args);
    va_end(args);
}

void tg_finding_mend(struct tg_finding_list *list, struct tg_finding_item *item, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say(list, &item->mend, format, args);
    va_end(args);
}
