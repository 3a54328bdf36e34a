/* spans.h - what the control threads did, no finer than a picture needs it. */
#ifndef TG_TRACE_SPANS_H
#define TG_TRACE_SPANS_H

#include "trace/record.h"

/* Spans of one thread that a picture of a whole run shows. */
enum { TG_SPANS_SHOWN_MAX = 20000 };

/*
 * The spans of a record, thread by thread. A thread with more than TG_SPANS_SHOWN_MAX of them has those that follow
 * each other closely put together, to stretches of 1 / TG_SPANS_SHOWN_MAX of the run and more; a stretch is what most
 * of its time went into.
 *
 * Owns      the answer is the caller's, to be freed; [*n], by thread and start. NULL: no memory.
 */
struct tg_record_span *tg_spans_shown(const struct tg_record *record, size_t *n);

#endif
