#include "trace/lines.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 64 };

static size_t hash_of(const char *file, uint32_t line)
{
    const uint64_t mixed = ((uint64_t)(uintptr_t)file ^ (uint64_t)line << 32 ^ line) * UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(mixed >> 32);
}

/* The slot of a line, or the free one for it. A kernel's file is one string of its shared object, so its address tells
 * kernels with the same source apart. */
static struct tg_line *slot_of(const struct tg_lines *lines, const char *file, uint32_t line)
{
    size_t at = hash_of(file, line) & (lines->capacity - 1);
    while (lines->slots[at].file && (lines->slots[at].file != file || lines->slots[at].line != line))
        at = (at + 1) & (lines->capacity - 1);
    return &lines->slots[at];
}

static bool make_room(struct tg_lines *lines)
{
    if (2 * (lines->n + 1) <= lines->capacity) return true;
    struct tg_lines more = {.n = lines->n, .capacity = lines->capacity ? 2 * lines->capacity : FIRST_CAPACITY};
    more.slots = calloc(more.capacity, sizeof *more.slots);
    if (!more.slots) return false;
    for (size_t i = 0; i < lines->capacity; i++)
        if (lines->slots[i].file) *slot_of(&more, lines->slots[i].file, lines->slots[i].line) = lines->slots[i];
    free(lines->slots);
    *lines = more;
    return true;
}

/* Add to the line that `with` names. */
static bool add(struct tg_lines *lines, const struct tg_line *with)
{
    if (!make_room(lines)) return false;
    struct tg_line *line = slot_of(lines, with->file, with->line);
    if (!line->file) {
        *line = *with;
        lines->n++;
        return true;
    }
    if (line->n == 0) line->op = with->op;
    line->n += with->n;
    line->work_ns += with->work_ns;
    line->wait_ns += with->wait_ns;
    return true;
}

bool tg_lines_add(struct tg_lines *lines, const char *kernel, const struct tg_spent *spent)
{
    if (!spent->file) return true;
    const bool waits = spent->op == TG_OP_WAIT_FLAG;
    const struct tg_line line = {.kernel = kernel,
                                 .file = spent->file,
                                 .line = spent->line,
                                 .op = spent->op,
                                 .n = !waits,
                                 .work_ns = waits ? 0 : spent->ns,
                                 .wait_ns = waits ? spent->ns : 0};
    return add(lines, &line);
}

static int by_time(const void *left, const void *right)
{
    const struct tg_line *a = left, *b = right;
    const double a_ns = a->work_ns + a->wait_ns, b_ns = b->work_ns + b->wait_ns;
    if (a_ns < b_ns || a_ns > b_ns) return a_ns > b_ns ? -1 : 1;
    if (a->line != b->line) return a->line < b->line ? -1 : 1;
    return strcmp(a->kernel, b->kernel);
}

bool tg_lines_join(struct tg_lines *tables, size_t n, struct tg_line **out, size_t *n_out)
{
    struct tg_lines all = {0};
    bool added = true;
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < tables[i].capacity; k++)
            if (tables[i].slots[k].file) added &= add(&all, &tables[i].slots[k]);
        tg_lines_fini(&tables[i]);
    }
    *out = NULL;
    *n_out = 0;
    if (!added) {
        tg_lines_fini(&all);
        return false;
    }
    for (size_t k = 0; k < all.capacity; k++)
        if (all.slots[k].file) all.slots[(*n_out)++] = all.slots[k];
    if (*n_out > 0) qsort(all.slots, *n_out, sizeof *all.slots, by_time);
    *out = all.slots;
    return true;
}

void tg_lines_fini(struct tg_lines *lines)
{
    free(lines->slots);
    *lines = (struct tg_lines){0};
}
