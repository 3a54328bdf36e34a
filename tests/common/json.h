/* json.h - read a JSON text: whether it is one (RFC 8259, nothing behind it), and what is in it. */
#ifndef TESTS_COMMON_JSON_H
#define TESTS_COMMON_JSON_H

#include <stdbool.h>
#include <stddef.h>

enum json_type { JSON_NULL, JSON_FALSE, JSON_TRUE, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json {
    enum json_type type;
    double number;
    char *string;              /* JSON_STRING: its bytes with escapes resolved (\u above 127 becomes '?') */
    char *name;                /* as a member of an object, else NULL */
    struct json *first, *next; /* children; the next one of the parent's children */
};

/* The value that text is, or NULL: it is no JSON, and *where is the byte at which that shows. */
struct json *json_parse(const char *text, size_t *where);
void json_free(struct json *value);

/* The member of an object, or NULL. */
const struct json *json_get(const struct json *object, const char *name);

/* The number or string of a member, asserting that it is there and is one. */
double json_number(const struct json *object, const char *name);
const char *json_string(const struct json *object, const char *name);

#endif
