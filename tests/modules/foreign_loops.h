/* foreign_loops.h - what foreign_loops.c shares with the test that runs it. */
#ifndef TESTS_MODULES_FOREIGN_LOOPS_H
#define TESTS_MODULES_FOREIGN_LOOPS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define FOREIGN_EXPORT __attribute__((visibility("default")))

struct foreign_count {
    _Atomic uint64_t n; /* writer: the counting thread */
    _Atomic bool stop;  /* writer: the test */
};

#endif
