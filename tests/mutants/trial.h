/* trial.h - compile a mutant in the place of its source, and run the program until somebody complains. */
#ifndef TESTS_MUTANTS_TRIAL_H
#define TESTS_MUTANTS_TRIAL_H

#include "mutants/operators.h"

/* A part of paged attention that is mutated, and the runs of the whole program that reach every line of it. */
struct part {
    const char *name; /* in the table */
    const char *file; /* of the example's kernels, without ".c": "aic/aic_qk_matmul" */
    enum mutant_core core;
    const char *runtime;      /* the value of --runtime */
    const char *const *cases; /* up to NULL: options, a space between two */
};
enum { N_PARTS = 6 };
extern const struct part parts[N_PARTS];

enum verdict {
    VERDICT_NONE,      /* it does not compile: no mutant */
    VERDICT_SURVIVED,  /* every run passed */
    VERDICT_FINDING,   /* the check found something: exit code 3 */
    VERDICT_OTHERWISE, /* the run failed otherwise */
};

/* What became of a mutant. */
struct outcome {
    enum verdict verdict;
    int exit_code;       /* of the run that failed; 128 + the signal that ended it */
    const char *options; /* of the run that failed */
    char message[400];   /* first line of what it said */
};

/* Where a worker compiles and runs. */
struct bench {
    char folder[512];
    const char *check; /* the option under test: "--check" */
};

/* Prepare a folder for worker number `idx` with the program of this build in it. */
void bench_open(struct bench *bench, unsigned idx, const char *check);

/* Run the part's cases with what is in the folder. */
void bench_run(const struct bench *bench, const struct part *part, struct outcome *outcome);

/* Compile `mutant` of `source` in the place of the part's file, run, and put the original back. */
void bench_try(const struct bench *bench, const struct part *part, const struct source *source,
               const struct mutant *mutant, struct outcome *outcome);

/* The path of a part's source; in a static buffer. */
const char *part_path(const struct part *part);

#endif
