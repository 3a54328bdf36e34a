/*
 * pa_declare.h - what is known of a paged attention's tensors and cannot be seen in them: for the checks of a run.
 *
 *     block_table     entries behind a sequence's context length hold nothing
 *     key_cache,      blocks that no sequence uses hold nothing;
 *     value_cache     blocks that several sequences use are written by nobody
 */
#ifndef EXAMPLES_PA_DECLARE_H
#define EXAMPLES_PA_DECLARE_H

#include <tilegraph/tilegraph.h>

#include "pa_problem.h"

/* The places of these tensors among those of the run. */
enum { PA_TENSOR_KEY_CACHE = 1, PA_TENSOR_VALUE_CACHE = 2, PA_TENSOR_BLOCK_TABLE = 3 };

struct pa_declared {
    struct tg_declared *items; /* [n], owned, and so are the texts */
    size_t n;
    char (*texts)[96];
};

/* Lengths and block ids that are out of range are left to the orchestration, which refuses them.
 * Owns      *out is the caller's, see pa_declared_free.
 * Errors    TG_ERR_MEMORY */
enum tg_status pa_declare(const struct pa_problem *problem, struct pa_declared *out, struct failure *failure);

void pa_declared_free(struct pa_declared *declared);

#endif
