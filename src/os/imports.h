/*
 * imports.h - the functions that a loaded shared object takes from other objects: their names, and other functions in
 * their place.
 *
 * The loader writes the address of each imported function into slots of the object: for calls, for pointers to functions,
 * and for tables of such pointers. Bound again, an object calls another function by every one of these ways.
 *
 * Objects that are opened by tg_module_open are bound as a whole when they are opened, so the slots are final.
 *
 * Threads: one at a time for an object; none of its code runs meanwhile.
 */
#ifndef TG_OS_IMPORTS_H
#define TG_OS_IMPORTS_H

#include "os/module.h"

/* One function that an object imports, and the address in its slot. */
typedef void tg_import_fn(void *context, const char *name, void *function);

/* Call visit for each slot of an imported function. Where the format of relocations is not known, there are none. */
void tg_imports_each(const struct tg_module *module, tg_import_fn *visit, void *context);

/* The function that takes the place of `function`, which the object knows as `name`; NULL: it stays. */
typedef void *tg_bind_fn(void *context, const char *name, void *function);

/* Ask `bind` for each slot, and write what it answers. */
void tg_imports_bind(const struct tg_module *module, tg_bind_fn *bind, void *context);

/* Are the imports of an object known on this computer? */
bool tg_imports_known(void);

#endif
