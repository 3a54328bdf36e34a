#include "common/json.h"

#include <stdlib.h>

#include "common/check.h"

enum { DEPTH_MAX = 64 };

struct reader {
    const char *at;
    int depth;
};

static struct json *read_value(struct reader *r);

static struct json *value_new(enum json_type type)
{
    struct json *value = calloc(1, sizeof *value);
    assert_non_null(value);
    value->type = type;
    return value;
}

void json_free(struct json *value)
{
    for (struct json *child = value ? value->first : NULL, *next; child; child = next) {
        next = child->next;
        json_free(child);
    }
    if (!value) return;
    free(value->string);
    free(value->name);
    free(value);
}

static void skip_space(struct reader *r)
{
    while (*r->at == ' ' || *r->at == '\t' || *r->at == '\n' || *r->at == '\r') r->at++;
}

static bool take(struct reader *r, char c)
{
    skip_space(r);
    if (*r->at != c) return false;
    r->at++;
    return true;
}

/* Four hexadecimal digits as a byte, or -1. */
static int read_hex(struct reader *r)
{
    unsigned code = 0;
    for (int i = 0; i < 4; i++) {
        static const char digits[] = "0123456789abcdef0123456789ABCDEF";
        const char *digit = *r->at ? strchr(digits, *r->at) : NULL;
        if (!digit) return -1;
        code = code * 16 + (unsigned)((digit - digits) % 16);
        r->at++;
    }
    return code < 128 ? (int)code : '?';
}

/* The character that an escape stands for, or -1. */
static int read_escape(struct reader *r)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char c = *r->at++;
    if (c == 'u') return read_hex(r);
    const char *found = c ? strchr(from, c) : NULL;
    if (!found) r->at--;
    return found ? to[found - from] : -1;
}

/* A string whose opening quote is next; NULL: the string is missing or broken. */
static char *read_string(struct reader *r)
{
    if (!take(r, '"')) return NULL;
    char *text = malloc(strlen(r->at) + 1);
    size_t n = 0;
    assert_non_null(text);
    while (*r->at != '"') {
        int c = (unsigned char)*r->at;
        if (c < 0x20) break; /* the end of the text too */
        r->at++;
        if (c == '\\' && (c = read_escape(r)) < 0) break;
        text[n++] = (char)c;
    }
    text[n] = '\0';
    if (*r->at == '"') {
        r->at++;
        return text;
    }
    free(text);
    return NULL;
}

static bool digits(const char **at)
{
    const char *start = *at;
    while (**at >= '0' && **at <= '9') (*at)++;
    return *at > start;
}

static struct json *read_number(struct reader *r)
{
    const char *start = r->at, *at = r->at;
    if (*at == '-') at++;
    const char *whole = at;
    if (!digits(&at) || (*whole == '0' && at > whole + 1)) return NULL;
    if (*at == '.' && (at++, !digits(&at))) return NULL;
    if (*at == 'e' || *at == 'E') {
        at++;
        if (*at == '+' || *at == '-') at++;
        if (!digits(&at)) return NULL;
    }
    struct json *value = value_new(JSON_NUMBER);
    value->number = strtod(start, NULL);
    r->at = at;
    return value;
}

static struct json *read_word(struct reader *r)
{
    static const struct {
        const char *text;
        enum json_type type;
    } words[] = {{"null", JSON_NULL}, {"false", JSON_FALSE}, {"true", JSON_TRUE}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        size_t n = strlen(words[i].text);
        if (strncmp(r->at, words[i].text, n) != 0) continue;
        r->at += n;
        return value_new(words[i].type);
    }
    return NULL;
}

/* One child; in an object with its name before it. */
static struct json *read_child(struct reader *r, bool named)
{
    char *name = NULL;
    if (named && (!(name = read_string(r)) || !take(r, ':'))) {
        free(name);
        return NULL;
    }
    struct json *child = read_value(r);
    if (child) child->name = name;
    else free(name);
    return child;
}

static struct json *read_children(struct reader *r, enum json_type type, char end)
{
    struct json *value = value_new(type), **last = &value->first;
    r->at++;
    if (take(r, end)) return value;
    do {
        *last = read_child(r, type == JSON_OBJECT);
        if (!*last) {
            json_free(value);
            return NULL;
        }
        last = &(*last)->next;
    } while (take(r, ','));
    if (take(r, end)) return value;
    json_free(value);
    return NULL;
}

static struct json *read_value(struct reader *r)
{
    struct json *value = NULL;
    if (++r->depth > DEPTH_MAX) return NULL;
    skip_space(r);
    if (*r->at == '{') {
        value = read_children(r, JSON_OBJECT, '}');
    } else if (*r->at == '[') {
        value = read_children(r, JSON_ARRAY, ']');
    } else if (*r->at == '"') {
        char *text = read_string(r);
        if (text) (value = value_new(JSON_STRING))->string = text;
    } else if (*r->at == '-' || (*r->at >= '0' && *r->at <= '9')) {
        value = read_number(r);
    } else {
        value = read_word(r);
    }
    r->depth--;
    return value;
}

struct json *json_parse(const char *text, size_t *where)
{
    struct reader r = {text, 0};
    struct json *value = read_value(&r);
    skip_space(&r);
    *where = (size_t)(r.at - text);
    if (value && *r.at == '\0') return value;
    json_free(value);
    return NULL;
}

const struct json *json_get(const struct json *object, const char *name)
{
    if (object->type != JSON_OBJECT) return NULL;
    for (const struct json *child = object->first; child; child = child->next)
        if (strcmp(child->name, name) == 0) return child;
    return NULL;
}

double json_number(const struct json *object, const char *name)
{
    const struct json *value = json_get(object, name);
    CHECK(value && value->type == JSON_NUMBER, "no number '%s'", name);
    return value->number;
}

const char *json_string(const struct json *object, const char *name)
{
    const struct json *value = json_get(object, name);
    CHECK(value && value->type == JSON_STRING, "no string '%s'", name);
    return value->string;
}
