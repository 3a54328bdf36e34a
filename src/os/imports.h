/*
 * imports.h - the functions that a loaded shared object imports: their names, and replacing them by other functions.
 *
 * The loader writes the address of each imported function into slots of the object: for calls, for function pointers,
 * and for tables of such pointers. Binding a slot again redirects all of these uses.
 *
 * tg_module_open binds all imports of an object when it opens it, so the slots are final.
 *
 * Threads: one at a time for an object; its code must not run meanwhile.
 */
#ifndef TG_OS_IMPORTS_H
#define TG_OS_IMPORTS_H

#include "os/module.h"

/* One function that an object imports, and the address in its slot. */
typedef void tg_import_fn(void *context, const char *name, void *function);

/* Call visit for each slot of an imported function. For an unknown format of relocations there are no slots. */
void tg_imports_each(const struct tg_module *module, tg_import_fn *visit, void *context);

/* The replacement of `function`, which the object imports as `name`; NULL: keep it. */
typedef void *tg_bind_fn(void *context, const char *name, void *function);

/* Call `bind` for each slot, and write its answer. */
void tg_imports_bind(const struct tg_module *module, tg_bind_fn *bind, void *context);

/* Can this computer list the imports of an object? */
bool tg_imports_known(void);

#endif
