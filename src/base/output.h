/* output.h - files that are complete or not there. */
#ifndef TG_BASE_OUTPUT_H
#define TG_BASE_OUTPUT_H

#include <stdio.h>

#include <tilegraph/tilegraph.h>

/* Write `path` with write(context, file): first under another name, which takes the place of `path` when all is written
 * and is removed when not. TG_ERR_FILE, TG_ERR_MEMORY. */
typedef void tg_output_fn(const void *context, FILE *file);
enum tg_status tg_output(const char *path, tg_output_fn *write, const void *context);

/* A text as a JSON string, quotes included. */
void tg_output_json_string(FILE *file, const char *text);

#endif
