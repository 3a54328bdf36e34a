/*
 * object.h - the tables of a shared object, read before the loader reads them.
 *
 * The loader trusts an object. It maps segments, follows addresses and indices of its tables, and writes where
 * relocations say, without checking that this is inside the object. A damaged table would make it read or write the
 * process that loads the object. So every table that the loader follows is checked first, from the bytes alone; no code
 * of the object runs.
 *
 *     program headers ----> segments, TLS image, notes, read-only parts
 *     dynamic section ----> strings, symbols, hash tables, versions, relocations, constructors and destructors
 *
 * The output of linkers passes; the checks follow the ELF specification and the demands of glibc's loader. Damage to
 * the values of symbols, to data and to code leaves no trace in the tables. Another process tries the effects of such
 * code first (probe.h).
 *
 * Threads: any.
 */
#ifndef TG_OS_OBJECT_H
#define TG_OS_OBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tilegraph/tilegraph.h>

#include "base/descriptor.h"

struct tg_object {
    const uint8_t *bytes; /* borrowed */
    size_t n_bytes;
    uint64_t span;         /* bytes of address space that the loader asks for: its segments and their alignment */
    size_t symbols_offset; /* of the table of dynamic symbols in the file */
    uint64_t n_symbols;    /* named by hash tables and relocations */
    size_t dynamic_offset; /* of the dynamic section in the file */
    uint64_t n_dynamic;    /* its entries */
    bool wants_sanitizer;  /* it is compiled for a sanitizer's runtime, which it does not contain */
};

/* Check bytes[n_bytes]. `what` names the object in the message ("kernel k"). TG_ERR_LOAD: damaged, or not a shared
 * object for this computer; the message names the wrong table. */
enum tg_status tg_object_read(struct tg_object *object, const void *bytes, size_t n_bytes, const char *what);

/*
 * Write a checked object into a sealed file in memory. TG_ERR_MEMORY.
 *
 * Its symbols of binding STB_GNU_UNIQUE become global ones. The loader has one unique symbol of a name for the whole
 * process. So two kernels with an inline variable of the same name, or a static one in a template, would share it, even
 * with other values or another type. The loader would also keep each such object forever.
 *
 * The entry point in the header, which shared objects do not use, becomes the file's stamp. Only an object that is
 * loaded from this file has it.
 */
enum tg_status tg_object_file(const struct tg_object *object, struct tg_descriptor *file, const char *what);

/* The same for a trial (rehearse.h): the loader does not find constructors and destructors. Their dynamic entries have
 * other tags: TG_TRIAL_TAG + DT_INIT in place of DT_INIT. */
enum { TG_TRIAL_TAG = 0x61000000 };
enum tg_status tg_object_trial_file(const struct tg_object *object, struct tg_descriptor *file, const char *what);

uint64_t tg_object_stamp(const struct tg_descriptor *file);

#endif
