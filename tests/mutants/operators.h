/* operators.h - every single-point mutant of a source. */
#ifndef TESTS_MUTANTS_OPERATORS_H
#define TESTS_MUTANTS_OPERATORS_H

#include "mutants/source.h"

/* The changes to a program, one line of the table each. */
#define MUTANT_CLASSES(X)                                                                                              \
    X(SET_DELETED, "set_flag deleted")                                                                                 \
    X(WAIT_DELETED, "wait_flag deleted")                                                                               \
    X(BARRIER_DELETED, "pipe_barrier deleted")                                                                         \
    X(DRAIN_DELETED, "drain deleted")                                                                                  \
    X(EDGE_DELETED, "edge deleted")                                                                                    \
    X(GUARD, "guard of a flag taken away")                                                                             \
    X(EVENT, "event swapped")                                                                                          \
    X(PIPE, "pipe changed")                                                                                            \
    X(DIRECTION, "flag turned round")                                                                                  \
    X(GENERATION, "buffer generations swapped")                                                                        \
    X(OFFSET, "offset shifted")                                                                                        \
    X(SHRUNK, "size shrunk")                                                                                           \
    X(NARROWED, "view of device memory narrowed")                                                                      \
    X(WIDENED, "size or stride widened")

enum mutant_class {
#define MUTANT_CLASS_ID(id, text) MUTANT_##id,
    MUTANT_CLASSES(MUTANT_CLASS_ID)
#undef MUTANT_CLASS_ID
        MUTANT_CLASSES_COUNT
};
extern const char *const mutant_class_names[MUTANT_CLASSES_COUNT];

/* Where a source runs. */
enum mutant_core { MUTANT_AIC, MUTANT_AIV, MUTANT_DEVICE_PLUGIN, MUTANT_HOST_PLUGIN };

/* One change: `replacement` in the place of a range of the source. */
struct mutant {
    enum mutant_class class;
    struct range range;
    char *replacement; /* owned */
    char *name;        /* owned: "function: before => after"; no other of the source has it, and lines do not matter */
};

struct mutants {
    struct mutant *items; /* [n], owned */
    size_t n, max;
};

/* All mutants of a source that is a kernel of that core or a plugin. Some do not compile: those are none. Free with
 * mutants_free. */
void mutants_make(struct mutants *mutants, const struct source *source, enum mutant_core core);
void mutants_free(struct mutants *mutants);

#endif
