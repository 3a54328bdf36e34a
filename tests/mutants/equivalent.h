/* equivalent.h - the reviewed list of mutants that change nothing that anybody could see. */
#ifndef TESTS_MUTANTS_EQUIVALENT_H
#define TESTS_MUTANTS_EQUIVALENT_H

#include <stdbool.h>
#include <stddef.h>

/* One entry: the mutant, and the argument why it is no defect. */
struct equivalent {
    char *part, *mutant, *why;
    bool used; /* it matched a mutant that survived */
};

struct equivalents {
    struct equivalent *items; /* [n], owned */
    size_t n;
    char *text; /* the memory of the strings, owned */
};

/*
 * Read the list. A line that begins with # is a comment. An entry is three lines: the part's name, a colon and the
 * mutant's name, as the program prints them; then lines of argument, indented.
 */
void equivalents_read(struct equivalents *list, const char *path);
void equivalents_free(struct equivalents *list);

/* The entry of a mutant that survived, marked as used; NULL: no entry. */
const struct equivalent *equivalents_find(struct equivalents *list, const char *part, const char *mutant);

#endif
