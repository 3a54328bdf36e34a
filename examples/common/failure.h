/*
 * failure.h - why a call of this folder failed: a status of the library and one line of text.
 *
 * Functions that can fail return the status and write the text; on success the text is untouched.
 */
#ifndef EXAMPLES_FAILURE_H
#define EXAMPLES_FAILURE_H

#include <tilegraph/tilegraph.h>

struct failure {
    char message[2048]; /* what, where, what to do; no newline; "" if nothing failed */
};

/* Write the printf-like message into `failure` (cut off if it does not fit) and return `status`. */
enum tg_status failure_set(struct failure *failure, enum tg_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Keep what the library says of its call that just returned `status`; returns `status`, TG_OK included. */
enum tg_status failure_from_library(struct failure *failure, enum tg_status status);

/* Say that `given` is no `what` ("case"), and which of the n names was meant or, if none is close, which there are.
 * Returns TG_ERR_ARGUMENT. */
enum tg_status failure_unknown(struct failure *failure, const char *what, const char *given, const char *const *names,
                               size_t n);

#endif
