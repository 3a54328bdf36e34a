/* process.h - run a program and look at what it printed and how it ended. */
#ifndef TESTS_COMMON_PROCESS_H
#define TESTS_COMMON_PROCESS_H

#include <stddef.h>

struct process {
    int exit_code;   /* or 128 + the signal that ended it */
    char *out, *err; /* its output; owned */
};

/* Run argv, a list up to NULL, and wait for its end, 60 s at most; asserts that it can be started. Free with
 * process_free. */
void process_run(struct process *process, const char *const *argv);
void process_free(struct process *process);

/* The path of a program of this build; in a static buffer. */
const char *process_binary(const char *name);

#endif
