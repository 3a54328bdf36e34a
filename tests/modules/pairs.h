/* pairs.h - the tensor of plugin_pairs: where it copies to, and how often it has run. */
#ifndef TESTS_MODULES_PAIRS_H
#define TESTS_MODULES_PAIRS_H

enum { PAIR_BYTES = 10000 };

struct pairs {
    void *host[2]; /* NULL: no pair */
    int *n_runs;
};

#endif
