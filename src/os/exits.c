#include "os/exits.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/log.h"
#include "os/ward.h"

enum { LIMIT_MS = 1000 }; /* of a function */

int __cxa_atexit(tg_exit_fn *fn, void *arg, void *object); /* C++ ABI for Itanium, 3.3.6.3 */

struct entry {
    tg_exit_fn *fn;
    void *arg;
    struct tg_text_range text;
    struct entry *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct entry *entries; /* the last one first; under the lock */
static _Atomic unsigned n_entries;

int tg_exits_register(tg_exit_fn *fn, void *arg, void *object)
{
    if (!tg_guard_is_watched()) return __cxa_atexit(fn, arg, object);
    tg_guard_enter_runtime(); /* the lock must not stay with a call that is ended early */
    struct entry *entry = malloc(sizeof *entry);
    if (entry) {
        pthread_mutex_lock(&lock);
        *entry = (struct entry){fn, arg, tg_guard_text(), entries};
        entries = entry;
        pthread_mutex_unlock(&lock);
        /* Relaxed: the object's run ends before the object is closed, and that orders them. */
        atomic_fetch_add_explicit(&n_entries, 1, memory_order_relaxed);
    }
    tg_guard_leave_runtime();
    return entry ? 0 : -1;
}

/* Take the entries of one object out of the list. They stay in their order. */
static struct entry *take(struct tg_text_range text)
{
    struct entry *taken = NULL, **last = &taken;
    pthread_mutex_lock(&lock);
    for (struct entry **at = &entries; *at;) {
        struct entry *entry = *at;
        if (entry->text.low != text.low) {
            at = &entry->next;
            continue;
        }
        *at = entry->next;
        *last = entry;
        last = &entry->next;
        atomic_fetch_sub_explicit(&n_entries, 1, memory_order_relaxed);
    }
    *last = NULL;
    pthread_mutex_unlock(&lock);
    return taken;
}

static void call(void *arg)
{
    const struct entry *entry = arg;
    tg_guard_foreign(tg_coro_current()->guard, (tg_foreign_fn *)(uintptr_t)entry->fn, entry->arg, NULL, 0);
}

static void warn(const struct tg_guard *guard)
{
    char what[128];
    tg_guard_describe(guard, what, sizeof what);
    tg_log(TG_LOG_WARN, "a function that a kernel or plugin registered by atexit: %s", what);
}

/* On the ward. */
static void call_guarded(void *arg)
{
    struct entry *entry = arg;
    struct tg_guard guard;
    if (tg_guard_call(&guard, entry->text, call, entry) != TG_GUARD_RETURNED) warn(&guard);
}

static void forget(struct entry *entry)
{
    for (struct entry *next; entry; entry = next) {
        next = entry->next;
        free(entry);
    }
}

/* false: the thread is lost, and still uses the entry. */
static bool call_on_ward(struct entry *entry)
{
    const struct tg_ward_call ward = {.fn = call_guarded, .arg = entry, .limit_ms = LIMIT_MS};
    struct tg_guard how;
    if (tg_ward_call(&ward, &how) != TG_OK) tg_log(TG_LOG_WARN, "%s", tg_last_message());
    else if (how.end != TG_GUARD_RETURNED) warn(&how);
    return how.end != TG_GUARD_STUCK;
}

bool tg_exits_run(struct tg_text_range text)
{
    bool ended = true;
    if (atomic_load_explicit(&n_entries, memory_order_relaxed) == 0) return true;
    char message[TG_MESSAGE_BYTES]; /* a caller may read it after it has closed what failed */
    snprintf(message, sizeof message, "%s", tg_last_message());
    struct entry *entry = take(text);
    while (entry && ended) {
        struct entry *next = entry->next;
        ended = call_on_ward(entry);
        if (ended) free(entry);
        entry = next;
    }
    forget(entry);
    forget(take(text)); /* what those functions have registered themselves */
    (void)tg_error(TG_OK, "%s", message);
    return ended;
}
