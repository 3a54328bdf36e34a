/* source.h - a kernel or plugin as text: its functions, calls, definitions and named sizes. */
#ifndef TESTS_MUTANTS_SOURCE_H
#define TESTS_MUTANTS_SOURCE_H

#include <stdbool.h>
#include <stddef.h>

enum { CALL_ARGS_MAX = 16 };

/* Bytes [at, at + length) of a source's text. */
struct range {
    size_t at, length;
};

struct source {
    char *text;
    char *code; /* the text with spaces in the place of comments, strings and preprocessor lines */
    size_t length;
};

/* One call: `name(arg, arg, ...)`. */
struct call {
    struct range all, name;
    struct range args[CALL_ARGS_MAX];
    size_t n_args;
};

/* Read a file; asserts that it can be read. Free with source_free. */
void source_read(struct source *source, const char *path);
void source_free(struct source *source);

/* The next call inside a function from *at on, which moves behind its opening parenthesis; false: no more. */
bool source_next_call(const struct source *source, size_t *at, struct call *call);

/* The next `#define NAME value` of one line from *at on, which moves behind it. */
bool source_next_define(const struct source *source, size_t *at, struct range *name, struct range *value);

/* The expression that the code assigns or initialises `name` with, from *at on: between "name = " and the , or ; behind
 * it. *at moves behind it. */
bool source_next_value(const struct source *source, const char *name, size_t *at, struct range *value);

/* The next place from *at on where the code inside a function has exactly this text. *at moves behind it. */
bool source_next_text(const struct source *source, const char *text, size_t *at, struct range *found);

/* The name of the function that position `at` is in, into `name`; "" outside. */
void source_function(const struct source *source, size_t at, char *name, size_t size);

bool range_is(const struct source *source, struct range range, const char *text);

/* A copy of the range's text without line breaks and with single spaces; to be freed. */
char *range_text(const struct source *source, struct range range);

#endif
