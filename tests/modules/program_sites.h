/* program_sites.h - for kernel_programs_*.c: lines that can be wrong. Each kernel has a parameter `k`. */
#ifndef TESTS_MODULES_PROGRAM_SITES_H
#define TESTS_MODULES_PROGRAM_SITES_H

#include <stdbool.h>
#include <tilegraph/tile.h>

#include "programs.h"

struct program {
    uint64_t data;
    int64_t wrong; /* line */
};

static inline uint64_t part(const struct program *k, int number, uint32_t byte)
{
    return k->data + (uint64_t)number * PART_BYTES + byte;
}

/* Is this line right? Registers the line. */
#define RIGHT()                                                                                                        \
    __extension__({                                                                                                    \
        static const struct program_site site_ __attribute__((section("program_sites"), used)) = {__func__, __LINE__}; \
        k->wrong != __LINE__;                                                                                          \
    })

/* The value, or a wrong one. */
#define PICK(right, wrong) (RIGHT() ? (right) : (wrong))

/* An instruction, or nothing. */
#define SET(from, to, event)                                                                                           \
    if (RIGHT()) set_flag(from, to, event)
#define WAIT(from, to, event)                                                                                          \
    if (RIGHT()) wait_flag(from, to, event)
#define BARRIER(pipe)                                                                                                  \
    if (RIGHT()) pipe_barrier(pipe)
/* Both ends of a flag, or neither. */
#define HAND_OVER(from, to, event)                                                                                     \
    if (RIGHT()) set_flag(from, to, event), wait_flag(from, to, event)
/* Any statement, or nothing. */
#define DO(statement)                                                                                                  \
    if (RIGHT()) statement

extern const struct program_site __start_program_sites[], __stop_program_sites[];

#endif
