/*
 * made.h - records made by hand, to look at them with src/trace.
 *
 *     struct made m;
 *     made_init(&m, 1, 2, 1000);                            1 AIC (core 0), 2 AIV (cores 1 and 2), 1000 ns
 *     made_task(&m, 0, (struct tg_record_task){...});       kernel 0 of core 0; task ids count up
 *     made_edge(&m, 0, 1);
 *     made_index(&m);                                       m.index and m.findings are there
 *     made_fini(&m);
 */
#ifndef TESTS_COMMON_MADE_H
#define TESTS_COMMON_MADE_H

#include "trace/analysis.h"

enum { MADE_TASKS_MAX = 2000, MADE_EDGES_MAX = 8000, MADE_SPANS_MAX = 70000, MADE_CORES_MAX = 16 };

/* Kernels 0 and 2 are for AIC, 1 and 3 for AIV: "aic_zero", "aiv_one", "aic_two", "aiv_three". */
struct made {
    struct tg_record record;
    struct tg_kernels kernels;
    struct tg_kernel by_id[4];
    enum tg_core_type core_type[MADE_CORES_MAX];
    struct tg_index index;
    struct tg_findings findings;
    bool is_indexed;
};

/* An empty record of a run with one builder and one scheduler. */
void made_init(struct made *made, uint32_t n_aic, uint32_t n_aiv, uint64_t device_ns);
void made_fini(struct made *made);

/* Add a task to a core: times that are 0 are taken from the ones before (published: 0, ready: published, dispatched:
 * ready, start: dispatched, end: start, complete: end). Its id is returned. */
int32_t made_task(struct made *made, uint16_t core, struct tg_record_task task);
void made_edge(struct made *made, int32_t from, int32_t to);
void made_span(struct made *made, uint8_t thread, enum tg_span_kind kind, uint64_t start_ns, uint64_t end_ns);

/* Sort what has to be sorted, and make the index and the findings. */
void made_index(struct made *made);

/* A possible run of random tasks: a task starts after its dependencies, a core runs one task at a time, and the builder
 * publishes one task after the other and waits now and then. */
void made_random(struct made *made, uint64_t seed);

#endif
