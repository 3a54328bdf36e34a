#include "mutants/source.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mutants/need.h"

static bool is_word(char c) { return isalnum((unsigned char)c) || c == '_'; }

/* ---- reading ----------------------------------------------------------------------------------------------------- */

/* The end of the comment, literal or preprocessor line that begins at `at`; `at` itself if none does. */
static size_t end_of_noise(const char *text, size_t at)
{
    const char c = text[at];
    bool line_begins = at == 0 || text[at - 1] == '\n';
    if (c == '/' && text[at + 1] == '*') {
        const char *end = strstr(text + at + 2, "*/");
        return end ? (size_t)(end - text) + 2 : strlen(text);
    }
    if (c == '"' || c == '\'') {
        size_t end = at + 1;
        while (text[end] && text[end] != c) end += text[end] == '\\' ? 2 : 1;
        return end + 1;
    }
    if (c == '#' && line_begins) {
        size_t end = at;
        while (text[end] && !(text[end] == '\n' && text[end - 1] != '\\')) end++;
        return end;
    }
    return at;
}

static void blank_noise(struct source *source)
{
    for (size_t at = 0; at < source->length;) {
        size_t end = end_of_noise(source->text, at);
        if (end == at) at++;
        for (; at < end; at++)
            if (source->code[at] != '\n') source->code[at] = ' ';
    }
}

void source_read(struct source *source, const char *path)
{
    FILE *file = fopen(path, "rb");
    NEED(file, "%s cannot be read", path);
    fseek(file, 0, SEEK_END);
    source->length = (size_t)ftell(file);
    rewind(file);
    source->text = calloc(2, source->length + 2);
    NEED(source->text, "no memory for %s", path);
    source->code = source->text + source->length + 2;
    size_t got = fread(source->text, 1, source->length, file);
    NEED(got == source->length, "%s cannot be read", path);
    fclose(file);
    memcpy(source->code, source->text, source->length);
    blank_noise(source);
}

void source_free(struct source *source) { free(source->text); }

/* ---- looking ----------------------------------------------------------------------------------------------------- */

static int depth_at(const struct source *source, size_t at)
{
    int depth = 0;
    for (size_t i = 0; i < at; i++) depth += (source->code[i] == '{') - (source->code[i] == '}');
    return depth;
}

static struct range trimmed(const struct source *source, size_t from, size_t to)
{
    while (from < to && isspace((unsigned char)source->code[from])) from++;
    while (to > from && isspace((unsigned char)source->code[to - 1])) to--;
    return (struct range){from, to - from};
}

/* The end of the expression that begins at `at`: the first , ; or closing bracket that belongs to what is around it. */
static size_t end_of_expression(const struct source *source, size_t at)
{
    int depth = 0;
    for (; at < source->length; at++) {
        const char c = source->code[at];
        if (depth == 0 && strchr(",;)]}", c)) break;
        depth += (strchr("([{", c) != NULL) - (strchr(")]}", c) != NULL);
    }
    return at;
}

static void read_args(const struct source *source, size_t open, struct call *call)
{
    size_t at = open;
    call->n_args = 0;
    do {
        size_t from = at + 1;
        at = end_of_expression(source, from);
        struct range arg = trimmed(source, from, at);
        NEED(call->n_args < CALL_ARGS_MAX, "a call has more than %d arguments", CALL_ARGS_MAX);
        if (arg.length > 0) call->args[call->n_args++] = arg;
    } while (source->code[at] == ',');
    call->all.length = at + 1 - call->all.at;
}

bool source_next_call(const struct source *source, size_t *at, struct call *call)
{
    static const char *const no_calls[] = {"if", "for", "while", "switch", "return", "sizeof"};
    for (size_t open = *at; open < source->length; open++) {
        if (source->code[open] != '(' || open == 0 || !is_word(source->code[open - 1])) continue;
        size_t from = open;
        while (from > 0 && is_word(source->code[from - 1])) from--;
        call->all.at = from;
        call->name = (struct range){from, open - from};
        bool is_call = depth_at(source, from) > 0;
        for (size_t i = 0; i < sizeof no_calls / sizeof no_calls[0]; i++)
            is_call = is_call && !range_is(source, call->name, no_calls[i]);
        if (!is_call) continue;
        read_args(source, open, call);
        *at = open + 1;
        return true;
    }
    return false;
}

/* The name of a macro without arguments and its value, up to a comment or the end of the line. */
static bool read_define(const struct source *source, size_t at, struct range *name, struct range *value)
{
    const char *text = source->text;
    size_t from = at + strlen("#define "), end = from;
    while (is_word(text[end])) end++;
    *name = (struct range){from, end - from};
    if (text[end] != ' ') return false;
    size_t to = end;
    while (text[to] && text[to] != '\n' && !(text[to] == '/' && text[to + 1] == '*')) to++;
    while (end < to && text[end] == ' ') end++;
    while (to > end && text[to - 1] == ' ') to--;
    *value = (struct range){end, to - end};
    return to > end && text[to - 1] != '\\';
}

bool source_next_define(const struct source *source, size_t *at, struct range *name, struct range *value)
{
    const char *found;
    while ((found = strstr(source->text + *at, "#define ")) != NULL) {
        size_t start = (size_t)(found - source->text);
        *at = start + 1;
        if (read_define(source, start, name, value)) return true;
    }
    return false;
}

bool source_next_text(const struct source *source, const char *text, size_t *at, struct range *found)
{
    const char *place;
    const size_t length = strlen(text);
    while ((place = strstr(source->code + *at, text)) != NULL) {
        size_t start = (size_t)(place - source->code);
        *at = start + length;
        bool whole = start == 0 || !is_word(text[0]) || !is_word(source->code[start - 1]);
        if (is_word(text[length - 1]) && is_word(source->code[start + length])) whole = false;
        if (!whole || depth_at(source, start) == 0) continue;
        *found = (struct range){start, length};
        return true;
    }
    return false;
}

bool source_next_value(const struct source *source, const char *name, size_t *at, struct range *value)
{
    struct range found;
    while (source_next_text(source, name, at, &found)) {
        size_t from = found.at + found.length;
        bool member = found.at > 0 && (source->code[found.at - 1] == '.' || source->code[found.at - 1] == '>');
        if (member || strncmp(source->code + from, " = ", 3) != 0) continue;
        *value = trimmed(source, from + 3, end_of_expression(source, from + 3));
        return true;
    }
    return false;
}

/* A function's body begins with a { at depth 0 behind a closing parenthesis. */
static bool begins_body(const struct source *source, size_t at)
{
    while (at > 0 && isspace((unsigned char)source->code[at - 1])) at--;
    return at > 0 && source->code[at - 1] == ')';
}

/* The name in front of the parameters that end before `brace`. */
static struct range name_before(const struct source *source, size_t brace)
{
    size_t open = brace;
    int depth = 0;
    do {
        open--;
        depth += (source->code[open] == ')') - (source->code[open] == '(');
    } while (open > 0 && !(source->code[open] == '(' && depth == 0));
    size_t from = open;
    while (from > 0 && is_word(source->code[from - 1])) from--;
    return (struct range){from, open - from};
}

void source_function(const struct source *source, size_t at, char *name, size_t size)
{
    struct range found = {0, 0};
    int depth = 0;
    for (size_t i = 0; i < at; i++) {
        if (source->code[i] == '{' && depth++ == 0)
            found = begins_body(source, i) ? name_before(source, i) : (struct range){0, 0};
        else if (source->code[i] == '}' && --depth == 0) found.length = 0;
    }
    (void)snprintf(name, size, "%.*s", (int)found.length, source->text + found.at);
}

bool range_is(const struct source *source, struct range range, const char *text)
{
    return strlen(text) == range.length && memcmp(source->text + range.at, text, range.length) == 0;
}

char *range_text(const struct source *source, struct range range)
{
    char *copy = malloc(range.length + 1);
    NEED(copy, "no memory");
    size_t n = 0;
    for (size_t i = range.at; i < range.at + range.length; i++) {
        const char c = isspace((unsigned char)source->text[i]) ? ' ' : source->text[i];
        if (c != ' ' || (n > 0 && copy[n - 1] != ' ')) copy[n++] = c;
    }
    copy[n] = '\0';
    return copy;
}
