/* spans.h - the spans of the control threads, no finer than a picture needs them. */
#ifndef TG_TRACE_SPANS_H
#define TG_TRACE_SPANS_H

#include "trace/record.h"

/* Spans of one thread that a picture of a whole run shows. */
enum { TG_SPANS_SHOWN_MAX = 20000 };

/*
 * The spans of a record, thread by thread. If a thread has more than TG_SPANS_SHOWN_MAX, neighbours are merged into
 * spans of at least 1 / TG_SPANS_SHOWN_MAX of the run. A merged span has the kind that took most of its time.
 *
 * Owns      the answer is the caller's, to be freed; [*n], by thread and start. NULL: no memory.
 */
struct tg_record_span *tg_spans_shown(const struct tg_record *record, size_t *n);

#endif
