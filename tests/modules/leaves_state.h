/* leaves_state.h - what leaves_state.c can be told to leave behind in its thread. */
#ifndef TESTS_MODULES_LEAVES_STATE_H
#define TESTS_MODULES_LEAVES_STATE_H

enum left_state {
    LEFT_NOTHING,
    LEFT_UPWARD,    /* rounds upward */
    LEFT_FLUSH,     /* flushes subnormals, results and operands */
    LEFT_TRAPS,     /* every floating-point exception is a signal */
    LEFT_X87,       /* x87: single precision, downward, every exception a signal */
    LEFT_MMX,       /* x87 registers in use as MMX registers */
    LEFT_DIRECTION, /* strings are copied downwards */
    LEFT_ALIGNMENT, /* an unaligned access is a signal */
    LEFT_STATES
};

/* Who leaves it: the fourth task's kernel, or the plugin before it adds the first task. */
enum { LEFT_BY_NOBODY, LEFT_BY_KERNEL, LEFT_BY_PLUGIN };

enum { STATE_TASKS = 8, STATE_VALUES = 16, STATE_FLOATS = 4 * STATE_VALUES }; /* STATE_FLOATS: the results of a task */

#endif
