/*
 * reset.h - a loaded shared object in the state that it had after it was opened.
 *
 * Opening an object takes 100 us and more. An object that is used again and again can stay open, if its next use finds
 * no trace of the one before. Its variables are copied after opening, and the copy is put back after a use. That
 * restores an object whose only lasting state is its variables:
 *
 *     no variables of threads, and one writable segment
 *     no constructors and destructors besides those of the compiler: they may hold memory or register something
 *     it calls only functions that keep no state for their caller: of strings, memory, formatting, mathematics
 *
 * The heap memory that it allocated and kept in variables is lost, as it is when an object is closed.
 *
 * Threads: one at a time for an object; its code must not run meanwhile.
 */
#ifndef TG_OS_RESET_H
#define TG_OS_RESET_H

#include "os/module.h"

/* The variables of an object after it was opened. */
struct tg_reset {
    void *first; /* a copy of module->data, owned; NULL: the object cannot be restored */
};

/* Call it right after tg_module_open. */
void tg_reset_init(struct tg_reset *reset, const struct tg_module *module);
void tg_reset_fini(struct tg_reset *reset);

static inline bool tg_reset_possible(const struct tg_reset *reset) { return reset->first; }

/* Put the variables back. */
void tg_reset_restore(const struct tg_reset *reset, const struct tg_module *module);

#endif
