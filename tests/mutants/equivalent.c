#include "mutants/equivalent.h"

#include <string.h>

#include "mutants/need.h"

static char *read_text(const char *path)
{
    FILE *file = fopen(path, "rb");
    NEED(file, "%s cannot be read", path);
    fseek(file, 0, SEEK_END);
    size_t n = (size_t)ftell(file);
    rewind(file);
    char *text = calloc(1, n + 1);
    NEED(text && fread(text, 1, n, file) == n, "%s cannot be read", path);
    fclose(file);
    return text;
}

static void add_entry(struct equivalents *list, const char *path, char *line)
{
    char *colon = strstr(line, ": ");
    NEED(colon, "%s: '%s' is not PART: MUTANT", path, line);
    *colon = '\0';
    list->items = realloc(list->items, (list->n + 1) * sizeof *list->items);
    NEED(list->items, "no memory for %s", path);
    list->items[list->n++] = (struct equivalent){line, colon + 2, NULL, false};
}

/* Arguments follow their entry; one that follows several entries is that of all of them. */
static void add_why(struct equivalents *list, const char *path, char *line)
{
    NEED(list->n > 0, "%s begins with an argument", path);
    for (size_t i = list->n; i > 0 && !list->items[i - 1].why; i--) list->items[i - 1].why = line;
}

void equivalents_read(struct equivalents *list, const char *path)
{
    char *rest;
    memset(list, 0, sizeof *list);
    list->text = read_text(path);
    for (char *line = strtok_r(list->text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        if (line[0] == '#') continue;
        if (line[0] == ' ') add_why(list, path, line);
        else add_entry(list, path, line);
    }
    for (size_t i = 0; i < list->n; i++)
        NEED(list->items[i].why, "%s: '%s' has no argument", path, list->items[i].mutant);
}

void equivalents_free(struct equivalents *list)
{
    free(list->items);
    free(list->text);
    memset(list, 0, sizeof *list);
}

const struct equivalent *equivalents_find(struct equivalents *list, const char *part, const char *mutant)
{
    for (size_t i = 0; i < list->n; i++) {
        if (strcmp(list->items[i].part, part) != 0 || strcmp(list->items[i].mutant, mutant) != 0) continue;
        list->items[i].used = true;
        return &list->items[i];
    }
    return NULL;
}
