/*
 * lines.h - the time of kernels by the line of their source.
 *
 * A core's pipes work, or wait for flags, for the instructions of a line. One table for each core collects this while
 * the launch runs. Afterwards the tables become one list, the lines with most time first.
 *
 * Pipes work at the same time, so the times of the lines add up to more than the time of the kernels.
 */
#ifndef TG_TRACE_LINES_H
#define TG_TRACE_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "machine/observer.h"

struct tg_line {
    const char *kernel; /* its name; borrowed from the program */
    const char *file;   /* its source, as the compiler was given it; borrowed from the loaded kernel */
    uint32_t line;
    uint32_t op; /* enum tg_op of the first instruction of the line that did work, or of the first one */
    uint64_t n;  /* instructions that did work */
    double work_ns, wait_ns;
};

/* A hash table of lines. Zero is empty. */
struct tg_lines {
    struct tg_line *slots; /* [capacity], owned; a slot without a file is free */
    size_t n, capacity;    /* capacity: a power of two, or 0 */
};

/* Add what a kernel's line spent. false: no memory, and the table is as it was. */
bool tg_lines_add(struct tg_lines *lines, const char *kernel, const struct tg_spent *spent);

/* Move all lines of `n` tables into one array, which the caller frees; most time first. The tables are empty then.
 * NULL with *n_out 0: there are no lines. false: no memory. */
bool tg_lines_join(struct tg_lines *tables, size_t n, struct tg_line **out, size_t *n_out);

void tg_lines_fini(struct tg_lines *lines);

#endif
