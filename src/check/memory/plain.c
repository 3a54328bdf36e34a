#include "check/memory/plain.h"

#include <string.h>

#include "os/guard.h"

static _Thread_local struct tg_watcher *current;

/* What access.h calls: the type is tg_access_fn there. */
typedef void hook_fn(uint64_t address, uint64_t bytes, int is_write, const void *pc);

static void seen(uint64_t address, uint64_t bytes, int is_write, const void *pc)
{
    const struct tg_watcher *watcher = current;
    /* Foreign code also uses its own stack and its own variables. */
    if (!watcher || address - watcher->check->base >= watcher->check->capacity) return;
    tg_guard_enter_runtime();
    const struct tg_access access = {
        .address = address,
        .bytes = bytes,
        .write = is_write != 0,
        .op = is_write ? "a plain store" : "a plain load",
        .offset = (uint64_t)((uintptr_t)pc - 1 - watcher->module->base), /* pc is behind the call */
        .core = watcher->core,
        .core_type = watcher->core_type,
    };
    tg_memory_check_access(watcher->check, watcher->task_id, &access);
    tg_guard_leave_runtime();
}

static hook_fn **hook_of(const struct tg_module *module) { return tg_module_symbol(module, "tg_access_hook"); }

bool tg_plain_tells(const struct tg_module *module) { return hook_of(module) != NULL; }

void tg_plain_listen(const struct tg_module *module, bool listen)
{
    hook_fn **hook = hook_of(module);
    if (hook) *hook = listen ? seen : NULL;
}

void tg_plain_begin(struct tg_watcher *watcher)
{
    watcher->outer = current;
    current = watcher;
}

void tg_plain_end(struct tg_watcher *watcher) { current = watcher->outer; }
