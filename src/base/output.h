/* output.h - files that are complete or absent. */
#ifndef TG_BASE_OUTPUT_H
#define TG_BASE_OUTPUT_H

#include <stddef.h>
#include <stdio.h>

#include <tilegraph/tilegraph.h>

/*
 * Write `path` with write(context, file). The contents first go to a nameless file, or to a temporary name. When all is
 * written, it takes the place of `path`; on an error it is removed.
 *
 * A symbolic link is written through. An existing file keeps its permissions. Special files (/dev/null, a pipe) are
 * written directly.
 * Threads   any, of any process; of several that write one path the last one stays.
 * Errors    TG_ERR_FILE  no such folder, no permission, a protected file, no space, a pipe without a reader
 *           TG_ERR_MEMORY
 */
typedef void tg_output_fn(const void *context, FILE *file);
enum tg_status tg_output(const char *path, tg_output_fn *write, const void *context);

/* Write numbers with a decimal point in any locale of the host: between the two calls this thread's locale is "C". Pass
 * the result of begin to end. */
void *tg_plain_numbers_begin(void);
void tg_plain_numbers_end(void *previous);

/* A text as a JSON string, quotes included. It cannot end a script of an HTML page; bytes that are not UTF-8 become
 * U+FFFD. */
void tg_output_json_string(FILE *file, const char *text);

/* The number of bytes of the UTF-8 character at the start of a text, 0 for an invalid one: no overlong forms, no
 * surrogates, at most U+10FFFF. */
size_t tg_output_utf8_bytes(const char *text);

#endif
