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
        look(handle, task, &answer);
        dlclose(handle); /* its destructors may crash, too */
        if (exit_handlers_ran) answer.result = TG_REHEARSAL_EXITS;
    }
    say(task, &answer);
}
