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

/* Call fn(arg) in a copy of this process, which ends with 0 after it. Returns its exit code, or 128 + the signal that
 * ended it. */
int process_copy(void (*fn)(void *arg), void *arg);

/* The same call has a data race, and the thread sanitizer must report it: it ends the process for that, or lets it end
 * with the same exit code. */
void process_expect_race(void (*fn)(void *arg), void *arg);

/* The path of a program of this build; in a static buffer. */
const char *process_binary(const char *name);

#endif
