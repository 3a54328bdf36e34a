#include "os/rehearse.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "os/coro.h"
#include "os/foreign.h"
#include "os/object.h"

static volatile sig_atomic_t exit_handlers_ran;

void tg_rehearse_note_exit(void) { exit_handlers_ran = 1; }

static void say(const struct tg_rehearsal_task *task, const struct tg_rehearsal_answer *answer)
{
    const ssize_t written = write(task->answer_fd, answer, sizeof *answer);
    if (written != (ssize_t)sizeof *answer) _exit(1);
}

static int first_object(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)info;
    (void)size;
    (void)arg;
    return 1;
}

void tg_rehearse_quietly(void)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP};
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) signal(signals[i], SIG_DFL);
    const struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    /* A constructor's output would appear twice, and the loader's own messages help no reader. */
    const int nowhere = open("/dev/null", O_RDWR);
    for (int i = 0; i < 3; i++)
        if (nowhere < 0) close(i);
        else dup2(nowhere, i);
    if (nowhere > 2) close(nowhere);
}

void tg_rehearse_begin(const struct tg_rehearsal_task *task)
{
    /* In a forked copy, a lock that another thread held is never released. Opening needs two locks. Take each one once
     * here, where a hang cannot be confused with a hang of the object. */
    void *volatile some = malloc(1);
    free(some);
    dl_iterate_phdr(first_object, NULL);
    const struct tg_rehearsal_answer answer = {.result = TG_REHEARSAL_BEGUN};
    say(task, &answer);
}

static void look(void *handle, const struct tg_rehearsal_task *task, struct tg_rehearsal_answer *answer)
{
    const uint32_t *abi = task->abi_symbol[0] ? dlsym(handle, task->abi_symbol) : NULL;
    if (!dlsym(handle, task->symbol)) answer->result = TG_REHEARSAL_NO_SYMBOL;
    if (!abi) return;
    answer->has_abi = 1;
    answer->abi = *abi;
}

/* The functions of an object that run when it is opened and closed. The loader does not know them (object.h). */
struct functions {
    uintptr_t init, fini; /* 0: no such function */
    const uintptr_t *init_array, *fini_array;
    size_t n_init, n_fini;
};

static struct functions find_functions(void *handle)
{
    struct functions found = {0};
    struct link_map *map = NULL;
    if (dlinfo(handle, RTLD_DI_LINKMAP, &map) != 0) return found;
    for (const ElfW(Dyn) *entry = map->l_ld; entry->d_tag != DT_NULL; entry++) {
        const uintptr_t at = (uintptr_t)(map->l_addr + entry->d_un.d_ptr);
        switch (entry->d_tag) {
        case TG_TRIAL_TAG + DT_INIT: found.init = at; break;
        case TG_TRIAL_TAG + DT_FINI: found.fini = at; break;
        case TG_TRIAL_TAG + DT_INIT_ARRAY: found.init_array = (const uintptr_t *)at; break;
        case TG_TRIAL_TAG + DT_FINI_ARRAY: found.fini_array = (const uintptr_t *)at; break;
        case DT_INIT_ARRAYSZ: found.n_init = entry->d_un.d_val / sizeof(uintptr_t); break;
        case DT_FINI_ARRAYSZ: found.n_fini = entry->d_un.d_val / sizeof(uintptr_t); break;
        default: break;
        }
    }
    return found;
}

/* Call one of them as the loader does, which skips 0 and -1. false: it returned against the calling convention. In the
 * host the loader would go on with wrong registers. */
static bool call(uintptr_t function)
{
    static char *no_args[] = {NULL};
    tg_foreign_fn *fn = (tg_foreign_fn *)function;
    if (function == 0 || function == UINTPTR_MAX) return true;
    return tg_foreign_call(tg_coro_current(), fn, NULL, no_args, (uint64_t)(uintptr_t)environ);
}

static bool construct(const struct functions *functions)
{
    bool kept = call(functions->init);
    for (size_t i = 0; functions->init_array && i < functions->n_init; i++)
        kept = call(functions->init_array[i]) && kept;
    return kept;
}

static bool destruct(const struct functions *functions)
{
    bool kept = true;
    for (size_t i = functions->fini_array ? functions->n_fini : 0; i > 0; i--)
        kept = call(functions->fini_array[i - 1]) && kept;
    return call(functions->fini) && kept;
}

void tg_rehearse(const struct tg_rehearsal_task *task)
{
    struct tg_rehearsal_answer answer = {.result = TG_REHEARSAL_OPENS};
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", task->object_fd);
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        answer.result = TG_REHEARSAL_NOT_LOADED;
        snprintf(answer.reason, sizeof answer.reason, "%s", dlerror());
    } else {
        const struct functions functions = find_functions(handle);
        const bool constructed = construct(&functions);
        look(handle, task, &answer);
        const bool destructed = destruct(&functions);
        dlclose(handle);
        if (!constructed || !destructed) answer.result = TG_REHEARSAL_BROKEN;
        if (exit_handlers_ran) answer.result = TG_REHEARSAL_EXITS;
    }
    say(task, &answer);
}
