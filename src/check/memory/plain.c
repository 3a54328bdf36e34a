#define _GNU_SOURCE /* dladdr, dlinfo */
#include "check/memory/plain.h"

#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

#include "base/grow.h"
#include "check/memory/libc_calls.h"
#include "os/coro.h"
#include "os/guard.h"

/* The number of accesses of one task that count as signs of life, because the checks take time. More is an endless
 * loop. */
enum { OP_BYTES = 64, ALIVE_MAX = 1000000 };

/* That of the running coroutine: a kernel may be suspended while others run. A thread of the foreign code has none. */
static struct tg_watcher *current(void) { return tg_coro_running ? tg_coro_running->watcher : NULL; }

/* ---- the owner of an address --------------------------------------------------------------------------------------
 */

static bool is_in(uintptr_t at, uintptr_t low, uintptr_t high) { return at - low < high - low; }

static bool is_device(const struct tg_watcher *w, uintptr_t at) { return at - w->check->base < w->check->capacity; }

static bool is_own_block(const struct tg_watcher *w, uintptr_t at)
{
    for (size_t i = w->n_blocks; i > 0; i--)
        if (is_in(at, w->blocks[i - 1].low, w->blocks[i - 1].high)) return true;
    return false;
}

/* The variables of the running kernel around an address: the object's, or the thread's own. Empty: the address is not
 * in them. */
static struct tg_text_range variables_at(const struct tg_module *module, uintptr_t at)
{
    void *block = NULL;
    if (is_in(at, module->data.low, module->data.high)) return module->data;
    if (module->thread_bytes == 0 || dlinfo(module->handle, RTLD_DI_TLS_DATA, &block) != 0 || !block)
        return (struct tg_text_range){0, 0};
    const struct tg_text_range range = {(uintptr_t)block, (uintptr_t)block + module->thread_bytes};
    return is_in(at, range.low, range.high) ? range : (struct tg_text_range){0, 0};
}

/* Is it in a library that the process loaded: libc's tables, a stream? The program does not count, except for the
 * stream pointers, which a linker may have put there. An object that this library has loaded does not count either; its
 * name is that of a descriptor. */
static bool is_of_library(uintptr_t at)
{
    Dl_info info, program;
    FILE **const streams[] = {&stdin, &stdout, &stderr};
    for (int i = 0; i < 3; i++)
        if (at == (uintptr_t)streams[i]) return true;
    if (dladdr((const void *)at, &info) == 0 || !info.dli_fname) return false;
    if (strncmp(info.dli_fname, "/proc/", 6) == 0) return false;
    return dladdr((const void *)(uintptr_t)getauxval(AT_PHDR), &program) == 0 || program.dli_fbase != info.dli_fbase;
}

enum place { DEVICE, OWN, VARIABLE, UNUSED_ARGUMENT, FOREIGN };

static enum place place_of(const struct tg_watcher *w, uintptr_t at)
{
    if (is_device(w, at)) return DEVICE;
    if (w->task_id == TG_BUILDER || w->stack_high == 0) return OWN;
    if (is_in(at, (uintptr_t)w->args, (uintptr_t)(w->args + w->args_max)))
        return at < (uintptr_t)(w->args + w->n_args) ? OWN : UNUSED_ARGUMENT;
    if (is_in(at, w->stack_low, w->stack_high) || is_in(at, (uintptr_t)w->isa, (uintptr_t)w->isa + w->n_isa_bytes))
        return OWN;
    if (variables_at(w->module, at).high > 0) return VARIABLE;
    if (is_in(at, w->module->image.low, w->module->image.high) || is_own_block(w, at)) return OWN;
    return w->in_library > 0 || is_of_library(at) ? OWN : FOREIGN;
}

/* ---- checking an access -------------------------------------------------------------------------------------------
 */

static void judge(const struct tg_watcher *w, const struct tg_access *access)
{
    struct tg_text_range variables;
    switch (place_of(w, (uintptr_t)access->address)) {
    case OWN: break;
    case UNUSED_ARGUMENT:
        tg_memory_check_argument(w->check, w->task_id, access,
                                 (uint32_t)((access->address - (uintptr_t)w->args) / sizeof *w->args), w->n_args);
        break;
    case FOREIGN: tg_memory_check_host(w->check, w->task_id, access); break;
    case DEVICE:
        if (w->on_host) tg_memory_check_from_host(w->check, access);
        if (w->accessed) w->accessed(w->context, access);
        tg_memory_check_access(w->check, w->task_id, access);
        break;
    case VARIABLE:
        variables = variables_at(w->module, (uintptr_t)access->address);
        tg_memory_check_variables(w->check, variables.low, variables.high - variables.low, w->kernel);
        tg_memory_check_access(w->check, w->task_id, access);
        break;
    }
}

static void seen(uint64_t address, uint64_t bytes, int kind, const void *pc)
{
    static const char *const names[] = {
        [TG_PLAIN_LOAD] = "a plain load",        [TG_PLAIN_STORE] = "a plain store",
        [TG_ATOMIC_LOAD] = "an atomic load",     [TG_ATOMIC_STORE] = "an atomic store",
        [TG_ATOMIC_UPDATE] = "an atomic update",
    };
    struct tg_watcher *w = current();
    if (!w || kind < TG_PLAIN_LOAD || kind > TG_ATOMIC_UPDATE || place_of(w, (uintptr_t)address) == OWN) return;
    tg_guard_enter_runtime();
    if (w->n_accesses < ALIVE_MAX) {
        w->n_accesses++;
        tg_guard_alive();
    }
    struct tg_access access = {
        .address = address,
        .bytes = bytes,
        .plain = kind == TG_PLAIN_LOAD || kind == TG_PLAIN_STORE,
        .op = names[kind],
        .offset = (uint64_t)((uintptr_t)pc - 1 - w->module->base), /* pc is behind the call */
        .core = w->core,
        .core_type = w->core_type,
    };
    if (kind == TG_PLAIN_LOAD || kind == TG_ATOMIC_LOAD || kind == TG_ATOMIC_UPDATE) judge(w, &access);
    access.write = true;
    if (kind == TG_PLAIN_STORE || kind == TG_ATOMIC_STORE || kind == TG_ATOMIC_UPDATE) judge(w, &access);
    tg_guard_leave_runtime();
}

void tg_plain_tell(const void *at, size_t bytes, int kind, const void *pc)
{
    if (bytes > 0) seen((uint64_t)(uintptr_t)at, bytes, kind, pc);
}

void tg_plain_operand(const void *at, size_t bytes, bool write, const char *op, const char *file, uint32_t line)
{
    const struct tg_watcher *w = current();
    if (!w || place_of(w, (uintptr_t)at) == OWN) return;
    char name[OP_BYTES];
    snprintf(name, sizeof name, "the operand of %s", op);
    const struct tg_access access = {.address = (uint64_t)(uintptr_t)at,
                                     .bytes = bytes,
                                     .write = write,
                                     .plain = true,
                                     .op = name,
                                     .file = file,
                                     .line = line,
                                     .core = w->core,
                                     .core_type = w->core_type};
    judge(w, &access);
}

/* ---- the heap ---------------------------------------------------------------------------------------------------- */

void tg_plain_own(uintptr_t block, size_t bytes)
{
    struct tg_watcher *w = current();
    if (!block || !w || w->task_id == TG_BUILDER) return;
    tg_guard_enter_runtime();
    void *blocks = w->blocks;
    const bool has_room = tg_grow(&blocks, w->n_blocks + 1, &w->blocks_max, sizeof *w->blocks);
    w->blocks = blocks;
    if (has_room) w->blocks[w->n_blocks++] = (struct tg_own_block){block, block + bytes};
    else w->stack_low = w->stack_high = 0; /* no memory: host memory is no longer checked */
    tg_guard_leave_runtime();
}

size_t tg_plain_disown(uintptr_t block)
{
    struct tg_watcher *w = current();
    if (!block || !w || w->task_id == TG_BUILDER) return 0;
    for (size_t i = w->n_blocks; i > 0; i--) {
        const struct tg_own_block found = w->blocks[i - 1];
        if (found.low != block) continue;
        w->blocks[i - 1] = w->blocks[--w->n_blocks];
        return found.high - found.low;
    }
    return 0;
}

void tg_plain_enter_library(void)
{
    struct tg_watcher *w = current();
    if (w) w->in_library++;
}

void tg_plain_leave_library(void)
{
    struct tg_watcher *w = current();
    if (w) w->in_library--;
}

/* ---- objects and watchers ---------------------------------------------------------------------------------------- */

static tg_access_fn **hook_of(const struct tg_module *module) { return tg_module_slot(module, "tg_access_hook"); }

bool tg_plain_tells(const struct tg_module *module) { return hook_of(module) != NULL; }

void tg_plain_listen(const struct tg_module *module, bool listen)
{
    tg_access_fn **hook = hook_of(module);
    if (hook) *hook = listen ? seen : NULL;
    tg_libc_calls_bind(module, listen);
}

void tg_plain_begin(struct tg_watcher *watcher)
{
    struct tg_coro *coro = tg_coro_current();
    watcher->stack_low = (uintptr_t)coro->stack.low;
    watcher->stack_high = watcher->stack_low + coro->stack.bytes;
    watcher->blocks = NULL;
    watcher->n_blocks = watcher->blocks_max = 0;
    watcher->in_library = 0;
    watcher->n_accesses = 0;
    watcher->outer = coro->watcher;
    coro->watcher = watcher;
}

void tg_plain_end(struct tg_watcher *watcher)
{
    tg_coro_current()->watcher = watcher->outer;
    free(watcher->blocks);
    watcher->blocks = NULL;
}
