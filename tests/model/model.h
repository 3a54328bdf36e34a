/*
 * model.h - run a few threads in every order, with every value that the C memory model lets them read.
 *
 * The code under test is compiled for a thread sanitizer; the functions that such code calls at each access are defined
 * here instead of by a sanitizer. So each atomic operation comes with its memory order, and each plain access is seen,
 * without a word in the source.
 *
 *     threads    coroutines. Before each atomic operation the model chooses who goes on.
 *     atomics    a location keeps all its stores. A load may read any that is not older than what its thread knows.
 *     order      vector clocks: what an acquire reads from a release, and what a mailbox hands over, happened before.
 *     seq_cst    such operations have one order, and a load does not read what is older than the last of them.
 *     plain      two accesses without order, one of them a write: a race.
 *     sleep      a word is compared and its thread falls asleep in one step, as the system does it (os/park.h). There
 *                is no clock: a wake-up that is lost is a thread that waits for ever.
 *
 * Executions are repeated with other choices, depth first, until all are done. Switches away from a thread that
 * could go on are bounded, which bounds the number of executions.
 *
 * One model a process, one operating-system thread.
 */
#ifndef TESTS_MODEL_MODEL_H
#define TESTS_MODEL_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MODEL_THREADS_MAX = 3 };

struct model_program {
    const char *name;
    int n_threads;
    void (*before)(void); /* on no thread: all that it does happened before everything */
    void (*thread[MODEL_THREADS_MAX])(void);
    void (*after)(void); /* on no thread; calls model_wrong if the result is wrong */
    int switches_max;
};

/* An atomic operation of the source, and a weaker order to try for it. */
struct model_site {
    const void *address;
    int order, failure_order; /* as the compiler numbers them */
    const char *what;
};

/* Run all executions, or until one is wrong. Returns NULL, or what is wrong. `weak`: a site whose orders are replaced
 * by those given there; NULL: none is. *n_executions is added to. */
const char *model_run(const struct model_program *program, const struct model_site *weak, uint64_t *n_executions);

/* The sites that were seen in all runs so far, with the orders of the source. */
size_t model_sites(const struct model_site **sites);

/* For the threads of a program: */

/* Hand a pointer to a thread; wait for one. A mailbox holds one. */
void model_post(int thread, void *pointer);
void *model_take(void);

/* Write and read a word that is not atomic. */
void model_write(int *word, int value);
int model_read(const int *word);

/* Each thread of a real program has its own of this; those of the model share one. One range. */
void model_ignore(const void *address, size_t bytes);

/* Sleep unless *word differs from `value`; wake all who sleep there. */
void model_sleep(const void *word, uint32_t value);
void model_wake(const void *word);

/* Does not return on a thread: this execution is the last one. */
void model_wrong(const char *what);

#endif
