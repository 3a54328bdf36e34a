/*
 * plain.h - plain loads and stores by kernels and plugins that are compiled with TG_CHECKED (access.h), and the
 * library's own reads through a kernel's pointers.
 *
 * While foreign code runs, its coroutine has a watcher: it says whose accesses these are, and which check gets them. So
 * a kernel may be suspended while other kernels and the builder run.
 *
 * The address of an access decides how it is handled:
 *
 *     device memory       compared with all others (memory_check.h); a finding for a plugin on the host
 *     a kernel's own      its stack, its constants, its heap memory of this task: allowed
 *     its variables       compared with those of other tasks: state between tasks is a finding
 *     its arguments       allowed; a finding beyond the last of them
 *     other host memory   of the orchestration, of another kernel, of the host: a finding
 *
 * Accesses of a plugin to host memory are not checked.
 *
 * Threads: each has its own coroutines. A thread that the foreign code starts has no watcher.
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
    const struct tg_module *module; /* its code runs */
    const char *kernel;             /* its name; lives as long as the check */
    const int64_t *args;            /* of a kernel: [n_args], followed by unused ones up to args_max */
    uint32_t n_args, args_max;
    const void *isa; /* of a kernel: the target of tg_tile_isa, n_isa_bytes */
    size_t n_isa_bytes;
    /* For a kernel: gets each plain access to device memory before the check does; NULL: no such call. */
    void (*accessed)(void *context, const struct tg_access *access);
    void *context;
    /* Its own: */
    uintptr_t stack_low, stack_high; /* both 0: unknown, so host memory is not checked */
    struct tg_own_block *blocks;     /* [n_blocks] heap memory that it has allocated */
    size_t n_blocks, blocks_max;
    uint32_t n_accesses; /* so far, without those to its own memory; counted up to a limit */
    uint32_t in_library; /* depth of calls of library functions that call back */
    struct tg_watcher *outer;
};

/* Was the object compiled to report its plain accesses? */
bool tg_plain_tells(const struct tg_module *module);

/* Switch its reports on or off. An object without reports is left alone. */
void tg_plain_listen(const struct tg_module *module, bool listen);

/* From here to end, the reports of this coroutine go to `watcher`, which is borrowed. */
void tg_plain_begin(struct tg_watcher *watcher);
void tg_plain_end(struct tg_watcher *watcher);

/* The library itself reads bytes that an instruction of the kernel points to: a descriptor. write: it writes them by a
 * plain store of the scalar unit. `op`, file and line are the instruction's. */
void tg_plain_operand(const void *at, size_t bytes, bool write, const char *op, const char *file, uint32_t line);

/* ---- for libc_calls.c: accesses of the running object through library functions ---- */

/* It accesses bytes. kind: enum tg_access_kind. */
void tg_plain_tell(const void *at, size_t bytes, int kind, const void *pc);

/* It has allocated heap memory, or frees it; 0: no address. Returns the number of freed bytes. */
void tg_plain_own(uintptr_t block, size_t bytes);
size_t tg_plain_disown(uintptr_t block);

/* It calls a function that calls it back, possibly with memory of the library. */
void tg_plain_enter_library(void);
void tg_plain_leave_library(void);

#endif
