/*
 * plain.h - plain loads and stores by kernels and plugins that are compiled to tell (access.h), and what the library itself
 * reads through a kernel's pointers.
 *
 * While foreign code runs, its thread has a watcher: whose accesses these are, and who is told. A kernel runs from its
 * start to its end without a switch, so its watcher takes the place of the builder's and gives it back.
 *
 * Where an access goes decides what becomes of it:
 *
 *     device memory       held against all others (memory_check.h); of a plugin on the host a finding
 *     a kernel's own      its stack, its constants, its heap memory of this task: nothing
 *     its variables       held against those of other tasks: state between tasks is a finding
 *     its arguments       nothing; behind the last of them a finding
 *     other host memory   of the orchestration, of another kernel, of the host: a finding
 *
 * What a plugin does to host memory is its own affair.
 *
 * Threads: each has its own watcher.
 */
#ifndef TG_CHECK_MEMORY_PLAIN_H
#define TG_CHECK_MEMORY_PLAIN_H

#include <tilegraph/access.h>

#include "check/memory/memory_check.h"
#include "os/module.h"

struct tg_own_block {
    uintptr_t low, high;
};

struct tg_watcher {
    struct tg_memory_check *check;
    int32_t task_id; /* or TG_BUILDER */
    uint32_t core;
    enum tg_core_type core_type;
    bool on_host;                   /* of the builder: it runs on the host, which has no device memory */
    const struct tg_module *module; /* whose code runs */
    const char *kernel;             /* its name; lives as long as the check */
    const int64_t *args;            /* of a kernel: [n_args], and unused ones up to args_max */
    uint32_t n_args, args_max;
    const void *isa; /* of a kernel: what tg_tile_isa points to, n_isa_bytes */
    size_t n_isa_bytes;
    /* Of a kernel: is told of each access of device memory that is no transfer, before the check is; NULL: nobody is. */
    void (*accessed)(void *context, const struct tg_access *access);
    void *context;
    /* Its own: */
    uintptr_t stack_low, stack_high; /* both 0: not known, so that nothing is said of host memory */
    struct tg_own_block *blocks;     /* [n_blocks] heap memory that it has allocated */
    size_t n_blocks, blocks_max;
    uint32_t n_accesses; /* so far that are not to its own memory; counted up to a limit */
    uint32_t in_library; /* calls of library functions that it is in, which call it */
    struct tg_watcher *outer;
};

/* Was the object compiled to tell of its plain accesses? */
bool tg_plain_tells(const struct tg_module *module);

/* Let it tell, or not. One that cannot is left as it is. */
void tg_plain_listen(const struct tg_module *module, bool listen);

/* From here to end, what this thread tells is `watcher`'s. Borrows it. */
void tg_plain_begin(struct tg_watcher *watcher);
void tg_plain_end(struct tg_watcher *watcher);

/* The library itself reads bytes that an instruction of the kernel names by a pointer: a descriptor. `op`, file and line
 * are the instruction's. */
void tg_plain_operand(const void *at, size_t bytes, const char *op, const char *file, uint32_t line);

/* ---- for libc_calls.c: what the running object does by functions of a library ---- */

/* It accesses bytes. kind: enum tg_access_kind. */
void tg_plain_tell(const void *at, size_t bytes, int kind, const void *pc);

/* It has got memory of the heap, or gives it back; 0 is none. Returns the bytes that were given back. */
void tg_plain_own(uintptr_t block, size_t bytes);
size_t tg_plain_disown(uintptr_t block);

/* It calls a function that calls it back, and may give it memory of the library. */
void tg_plain_enter_library(void);
void tg_plain_leave_library(void);

#endif
