/*
 * pa_golden.h - what paged attention should have computed, and whether it did.
 *
 * The golden is another algorithm than the kernels': in double precision, the softmax over all keys of a sequence at
 * once.
 */
#ifndef EXAMPLES_PA_GOLDEN_H
#define EXAMPLES_PA_GOLDEN_H

#include <stdbool.h>
#include <stdint.h>

#include "failure.h"
#include "pa_problem.h"

struct pa_golden {
    double *out;        /* [batch][heads][head_dim]: sum over keys of weight * value, 0 without keys */
    double *mean_value; /* [batch][heads][head_dim]: sum over keys of weight * |value| */
    double score_bound; /* largest |scale| * |q| * |k| of a query and a key that meet: no score is larger */
};

/*
 * Compute the golden of a problem's query and caches. Large problems take several threads.
 *
 * Owns      *out is the caller's, see pa_golden_free.
 * Errors    TG_ERR_ARGUMENT  heads are not a multiple of kv_heads, a context length that the block table cannot hold,
 *                            a block id that does not exist; the message names the entry
 *           TG_ERR_MEMORY
 */
enum tg_status pa_golden_compute(const struct pa_problem *problem, struct pa_golden *out, struct failure *failure);

/* Free it. A golden of zero bytes is allowed. */
void pa_golden_free(struct pa_golden *golden);

struct pa_comparison {
    bool pass;
    uint64_t n_elements, n_mismatches;
    uint64_t n_not_finite; /* elements that are NaN or infinite, and should be: the inputs hold such numbers */
    double max_abs_err;    /* largest |out - expected|; infinite if an element is not a number */
    double max_rel_err;    /* largest |out - expected| / mean_value of the element */
    double tolerance;      /* that max_rel_err may reach */
    uint64_t worst;        /* index of the element with the largest max_rel_err; the first one that is not a number */
};

/*
 * Compare problem->out with the golden and, if there is one, with problem->reference: the larger error counts.
 *
 * An element passes when it differs by at most tolerance * mean_value. Where the inputs lead to NaN or an
 * infinity, it passes when it is NaN or the same infinity. A result with such elements only does not pass. The error is
 * relative to mean_value, not to the element: a sum of values of both signs may come close to 0, its rounding errors do
 * not.
 */
void pa_golden_compare(const struct pa_problem *problem, const struct pa_golden *golden, struct pa_comparison *out);

/* Print the worst element: its place, its value, and the expected value. */
void pa_golden_explain(const struct pa_problem *problem, const struct pa_golden *golden,
                       const struct pa_comparison *comparison, struct failure *failure);

#endif
