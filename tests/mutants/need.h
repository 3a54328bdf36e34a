/* need.h - end the program with a message when something that is not under test does not work. */
#ifndef TESTS_MUTANTS_NEED_H
#define TESTS_MUTANTS_NEED_H

#include <stdio.h>
#include <stdlib.h>

#define NEED(condition, ...)                                                                                           \
    do {                                                                                                               \
        if (condition) break;                                                                                          \
        fprintf(stderr, __VA_ARGS__);                                                                                  \
        fputc('\n', stderr);                                                                                           \
        exit(2);                                                                                                       \
    } while (0)

#endif
