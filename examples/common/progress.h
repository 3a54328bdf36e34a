/*
 * progress.h - a line on a terminal that says how far a run has come, and is gone at its end.
 */
#ifndef EXAMPLES_PROGRESS_H
#define EXAMPLES_PROGRESS_H

#include <stdio.h>

#include <tilegraph/tilegraph.h>

struct progress {
    FILE *stream; /* NULL: not a terminal, nothing is printed */
    double start_s;
    bool is_shown;
};

/* Begin; `stream` is borrowed until progress_end. Within the first second nothing is printed. */
void progress_begin(struct progress *progress, FILE *stream);

/* A tg_progress_fn; context is the struct progress. */
void progress_show(void *context, const struct tg_progress *at);

/* Erase the line. */
void progress_end(struct progress *progress);

#endif
