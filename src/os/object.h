/*
 * object.h - the tables of a shared object, read before the loader reads them.
 *
 * The loader trusts an object: it maps segments, follows addresses and indices of its tables and writes where relocations
 * say, without asking whether that lies inside the object. A damaged table would make it read or write the process that
 * loads it. So every table that the loader follows is checked first, from the bytes alone; no code of the object runs.
 *
 *     program headers ----> segments, TLS image, notes, what is made read-only
 *     dynamic section ----> strings, symbols, hash tables, versions, relocations, constructors and destructors
 *
 * What linkers write passes; the checks ask for what the ELF specification and glibc's loader ask for. The values of symbols
 * and of data inside the object, and its code, can be damaged without a trace: what that code does is tried in another
 * process (probe.h).
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
    uint64_t span;         /* bytes of address space from its first segment to the end of its last */
    size_t symbols_offset; /* of the table of dynamic symbols in the file */
    uint64_t n_symbols;    /* that hash tables and relocations name */
    bool wants_sanitizer;  /* it is compiled for a sanitizer's runtime, which it does not bring along */
};

/* Check bytes[n_bytes]. `what` names the object in the message ("kernel k"). TG_ERR_LOAD: damaged, or no shared object of
 * this computer; the message says which table is wrong. */
enum tg_status tg_object_read(struct tg_object *object, const void *bytes, size_t n_bytes, const char *what);

/*
 * Write a checked object into a file in memory, which nobody can change. TG_ERR_MEMORY.
 *
 * Its symbols of binding STB_GNU_UNIQUE become global ones. The loader has one unique symbol of a name for the whole
 * process: a kernel would get the variables of another one, of other values or another type, if both have an inline
 * variable, or a static one in a template, of the same name. The loader would also keep each such object for ever.
 *
 * The entry point of its header, which shared objects do not have, becomes the file's stamp: what is loaded from this file
 * has it, and nothing else has.
 */
enum tg_status tg_object_file(const struct tg_object *object, struct tg_descriptor *file, const char *what);
uint64_t tg_object_stamp(const struct tg_descriptor *file);

#endif
