#include "os/started.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/coro.h"
#include "os/module.h"

enum { N_ENDS = 16, WHAT_BYTES = 128 };

/* Failures that no run has seen yet; the newest ones. */
static pthread_mutex_t ends_lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    uintptr_t text; /* 0: free */
    char what[WHAT_BYTES];
} ends[N_ENDS];
static unsigned next_end;
static _Atomic unsigned n_ends; /* relaxed: a run that does not see a new one yet ends before the thread does */

struct start {
    void *(*pthread_fn)(void *); /* or */
    thrd_start_t thrd_fn;
    void *arg, *result;
    struct tg_text_range text; /* that the starting code is in */
    void *object;              /* keeps it loaded */
    struct tg_watch watch;
};

static _Thread_local bool is_own __attribute__((tls_model("initial-exec")));

bool tg_started_is_own(void) { return is_own; }

static void note_end(uintptr_t text, const struct tg_guard *guard)
{
    pthread_mutex_lock(&ends_lock);
    if (ends[next_end].text == 0) atomic_fetch_add_explicit(&n_ends, 1, memory_order_relaxed);
    ends[next_end].text = text;
    tg_guard_describe(guard, ends[next_end].what, WHAT_BYTES);
    next_end = (next_end + 1) % N_ENDS;
    pthread_mutex_unlock(&ends_lock);
}

bool tg_started_failed(struct tg_text_range text, char *what, size_t n_bytes)
{
    bool found = false;
    if (atomic_load_explicit(&n_ends, memory_order_relaxed) == 0) return false;
    pthread_mutex_lock(&ends_lock);
    for (unsigned i = 0; i < N_ENDS; i++) {
        if (ends[i].text == 0 || ends[i].text != text.low) continue;
        snprintf(what, n_bytes, "%s", ends[i].what);
        ends[i].text = 0;
        atomic_fetch_sub_explicit(&n_ends, 1, memory_order_relaxed);
        found = true;
    }
    pthread_mutex_unlock(&ends_lock);
    return found;
}

/* ---- threads of libraries ---- */

enum { N_TEXTS = 1024 }; /* further objects are not covered */

/* Read by handlers. A slot is taken and given back by its low, while its high is 0. */
static struct {
    _Atomic uintptr_t low, high;
} texts[N_TEXTS];

static _Thread_local bool in_loader __attribute__((tls_model("initial-exec")));

void tg_started_in_loader(bool is_in_loader) { in_loader = is_in_loader; }

void tg_started_add_code(struct tg_text_range text)
{
    for (size_t i = 0; i < N_TEXTS; i++) {
        uintptr_t nothing = 0;
        if (!atomic_compare_exchange_strong(&texts[i].low, &nothing, text.low)) continue;
        atomic_store(&texts[i].high, text.high);
        return;
    }
}

void tg_started_remove_code(struct tg_text_range text)
{
    for (size_t i = 0; i < N_TEXTS; i++) {
        if (atomic_load(&texts[i].low) != text.low) continue;
        atomic_store(&texts[i].high, 0);
        atomic_store(&texts[i].low, 0);
        return;
    }
}

void tg_started_end_thread(uintptr_t at, int signal, void *address)
{
    if (in_loader || tg_coro_running) return;
    for (size_t i = 0; i < N_TEXTS; i++) {
        const uintptr_t low = atomic_load(&texts[i].low);
        if (at < low || at >= atomic_load(&texts[i].high)) continue;
        /* It holds no lock of ours: it was in its own code. */
        note_end(low, &(struct tg_guard){.end = TG_GUARD_CRASHED, .signal = signal, .address = address});
        for (;;) syscall(SYS_exit, 0); /* the thread alone, and nothing that it would run at its end */
    }
}

/* ---- threads that an object starts itself ---- */

/* Keep the object that has `text` loaded. NULL: that fails. */
static void *keep_loaded(uintptr_t text)
{
    struct link_map *map = NULL;
    Dl_info info;
    tg_module_hold_loader();
    const bool known = dladdr1((void *)text, &info, (void **)&map, RTLD_DL_LINKMAP) != 0 && map;
    void *object = known ? dlopen(map->l_name, RTLD_NOW | RTLD_NOLOAD) : NULL;
    tg_module_release_loader();
    return object;
}

static void release(struct start *start)
{
    tg_module_hold_loader();
    if (start->object) dlclose(start->object);
    tg_module_release_loader();
    free(start);
}

static void run(void *arg)
{
    struct start *start = arg;
    if (start->pthread_fn) start->result = start->pthread_fn(start->arg);
    else start->result = (void *)(intptr_t)start->thrd_fn(start->arg);
}

/* Runs also when the thread is cancelled, or calls pthread_exit. */
static void finish(void *arg)
{
    struct start *start = arg;
    tg_coro_current()->guard = NULL;
    tg_watch_end(&start->watch);
    release(start);
}

static void *started_main(void *arg)
{
    struct start *start = arg;
    void *result;
    sigset_t all;
    is_own = true;
    sigfillset(&all); /* its attributes may have another mask; the watch unblocks its signals */
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    pthread_cleanup_push(finish, start);
    if (tg_watch_begin(&start->watch, UINT32_MAX) == TG_OK) {
        struct tg_guard guard;
        if (tg_guard_call(&guard, start->text, run, start) != TG_GUARD_RETURNED) note_end(start->text.low, &guard);
    } else {
        run(start);
    }
    result = start->result;
    pthread_cleanup_pop(1);
    return result;
}

/* Takes *start. */
static int start_thread(pthread_t *thread, const pthread_attr_t *attr, struct start start)
{
    tg_guard_enter_runtime(); /* the loader's lock must not stay with a call that is ended early */
    struct start *kept = malloc(sizeof *kept);
    int error = EAGAIN;
    if (kept) {
        *kept = start;
        kept->text = tg_guard_text();
        kept->object = keep_loaded(kept->text.low);
        error = pthread_create(thread, attr, started_main, kept);
        if (error != 0) release(kept);
    }
    tg_guard_leave_runtime();
    return error;
}

int tg_started_pthread(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *), void *arg)
{
    if (!tg_guard_is_watched()) return pthread_create(thread, attr, fn, arg);
    return start_thread(thread, attr, (struct start){.pthread_fn = fn, .arg = arg});
}

int tg_started_thrd(thrd_t *thread, thrd_start_t fn, void *arg)
{
    if (!tg_guard_is_watched()) return thrd_create(thread, fn, arg);
    return start_thread(thread, NULL, (struct start){.thrd_fn = fn, .arg = arg}) == 0 ? thrd_success : thrd_nomem;
}
