/* timeline.h - the tasks in a trace that tg_run_write_trace wrote. */
#ifndef TESTS_COMMON_TIMELINE_H
#define TESTS_COMMON_TIMELINE_H

#include <stddef.h>

struct timeline_task {
    int task, core;    /* core: the track */
    double start, end; /* us */
    char kernel[64];
};

struct timeline {
    struct timeline_task *tasks; /* by task id */
    size_t n;
};

/* Read a trace, asserting that it is JSON in the form of a Chrome trace. Free with timeline_free. */
void timeline_read(struct timeline *timeline, const char *path);
void timeline_free(struct timeline *timeline);

#endif
