/*
 * finding.h - the findings of a run's checks: each one once, with a count.
 *
 * A check asks for the item of a finding by a key. Occurrences with the same key are the same finding: the same code,
 * about the same places in the source. The first occurrence gets the item to describe; the others are counted.
 *
 * Threads: one at a time.
 */
#ifndef TG_FINDING_FINDING_H
#define TG_FINDING_FINDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tilegraph/tilegraph.h>

/* The number of distinct findings; further ones are counted in n_beyond. */
enum { TG_FINDINGS_MAX = 1000 };

struct tg_finding_item {
    enum tg_finding_code code;
    uint64_t key;
    uint64_t count;
    char *what, *where, *mend; /* owned; NULL: not described */
};

struct tg_finding_list {
    struct tg_finding_item *items; /* [n] in the order of discovery */
    size_t n, capacity;
    uint32_t *table;   /* [table_size] open addressing by code and key: index + 1, 0: free */
    size_t table_size; /* a power of two, or 0 */
    uint64_t n_beyond; /* occurrences of findings after TG_FINDINGS_MAX */
    bool lost;         /* memory for a check or a finding ran out: later findings are not reliable, and are not added */
};

void tg_finding_list_fini(struct tg_finding_list *list);

/* A key made of any values; equal values give equal keys. */
uint64_t tg_finding_key(const uint64_t *values, size_t n_values);
/* A place in the source as a value of a key: equal for equal texts and lines. */
uint64_t tg_finding_place(const char *file, uint32_t line);

/* Count an occurrence. Returns the item if this is the first, to be described by the calls below; else NULL,
 * and when the list has lost something. */
struct tg_finding_item *tg_finding_count(struct tg_finding_list *list, enum tg_finding_code code, uint64_t key);

/* The defect, with places and bytes; the first place: task, core; the correction. Without memory they are lost. */
void tg_finding_what(struct tg_finding_list *list, struct tg_finding_item *item, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void tg_finding_where(struct tg_finding_list *list, struct tg_finding_item *item, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void tg_finding_mend(struct tg_finding_list *list, struct tg_finding_item *item, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
