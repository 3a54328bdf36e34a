/*
 * programs.h - kernels of usual programs, and what goes wrong with each of their lines.
 *
 * A kernel of kernel_programs_aiv.c or kernel_programs_aic.c is right if its second argument is 0. Otherwise the
 * argument is the number of a line, and the synchronisation of this line is missing, or its value is the wrong one. The
 * lines register themselves, so a test can try each of them.
 *
 *     args  0 data: device address; 1 number of the program; 2 wrong line, or 0
 */
#ifndef TESTS_MODULES_PROGRAMS_H
#define TESTS_MODULES_PROGRAMS_H

#include <stddef.h>

/* The parts of the data: two inputs of floats, one of integers, the output. */
enum { PART_X, PART_Y, PART_INDEX, PART_OUT, PARTS };
enum { PART_BYTES = 65536, PART_WORDS = PART_BYTES / 4 };

/* A line that can be wrong. */
struct program_site {
    const char *program; /* the function's name */
    int line;
};

/* Every module exports `programs`: its kernels, by number. */
struct program_list {
    const struct program_site *sites;
    size_t n_sites;
    const char *const *names; /* [n] */
    size_t n;
};

#endif
