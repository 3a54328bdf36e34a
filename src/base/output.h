/* output.h - files that are complete or not there. */
#ifndef TG_BASE_OUTPUT_H
#define TG_BASE_OUTPUT_H

#include <stddef.h>
#include <stdio.h>

#include <tilegraph/tilegraph.h>

/*
 * Write `path` with write(context, file): first as a file without a name, or under another one, which takes the place of
 * `path` when all is written and is removed when not.
 *
 * A symbolic link is written through. A file that is there keeps its permissions. What is no regular file (/dev/null, a
 * pipe) is written directly.
 * Threads   any, of any process; of several that write one path the last one stays.
 * Errors    TG_ERR_FILE  no such folder, no permission, a protected file, no space, a pipe that nobody reads
 *           TG_ERR_MEMORY
 */
typedef void tg_output_fn(const void *context, FILE *file);
enum tg_status tg_output(const char *path, tg_output_fn *write, const void *context);

/* Numbers in files have a decimal point, whatever the host program's locale is: between the two calls this thread's
 * locale is "C". Hand what begin returns to end. */
void *tg_plain_numbers_begin(void);
void tg_plain_numbers_end(void *previous);

/* A text as a JSON string, quotes included: ends no script of an HTML page, and bytes that are no UTF-8 become U+FFFD. */
void tg_output_json_string(FILE *file, const char *text);

/* Bytes of the UTF-8 character that a text begins with, 0 if it is none: no overlong forms, no surrogates, at most
 * U+10FFFF. */
size_t tg_output_utf8_bytes(const char *text);

#endif
