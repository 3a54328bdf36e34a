/* long.h - the data of kernel_long.c, in fp32 numbers. */
#ifndef TESTS_MODULES_LONG_H
#define TESTS_MODULES_LONG_H

enum {
    LONG_NUMBERS = 64, /* that a task reads, and results */
    LONG_PLACE = 128,  /* of a task: its results, and the sum behind them */
    LONG_STRIDE = 512, /* rounds from one plain load to the next */
    LONG_ROUND = 10    /* instructions of a round */
};

#endif
