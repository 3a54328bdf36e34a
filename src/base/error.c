#include "base/error.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * The last message of each thread, in allocated memory instead of a thread-local variable. The loader has about 1.5 KiB
 * for the thread-local variables of all libraries that are opened later; Python opens this one so. Signal handlers need
 * that space for our other variables (os/guard.h).
 */
static pthread_key_t message_key;
static pthread_once_t message_once = PTHREAD_ONCE_INIT;
static bool has_key; /* written once */

static void make_key(void) { has_key = pthread_key_create(&message_key, free) == 0; }

/* The library is closed: threads that live on must not call its destructor. Their messages stay. */
static __attribute__((destructor)) void delete_key(void)
{
    if (has_key) pthread_key_delete(message_key);
}

/* This thread's message, TG_MESSAGE_BYTES; NULL: it has no message. `make`: NULL means out of memory. */
static char *own_message(bool make)
{
    pthread_once(&message_once, make_key);
    if (!has_key) return NULL;
    char *message = pthread_getspecific(message_key);
    if (message || !make) return message;
    message = calloc(1, TG_MESSAGE_BYTES);
    if (message && pthread_setspecific(message_key, message) == 0) return message;
    free(message);
    return NULL;
}

static _Thread_local bool has_lost_message; /* memory for it ran out */

const char *tg_base_name(const char *path)
{
    if (!path) return "?";
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

enum tg_status tg_error(enum tg_status status, const char *format, ...)
{
    /* Formatted apart, because an argument may be the previous message. */
    char text[TG_MESSAGE_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    char *message = own_message(true);
    has_lost_message = !message && text[0];
    if (message) memcpy(message, text, sizeof text);
    return status;
}

const char *tg_last_message(void)
{
    const char *message = own_message(false);
    return has_lost_message ? "out of memory, also for the message that says where" : message ? message : "";
}

void tg_failure_init(struct tg_failure *failure)
{
    atomic_init(&failure->claimed, false);
    atomic_init(&failure->status, TG_OK);
    failure->message[0] = '\0';
}

void tg_failure_setv(struct tg_failure *failure, enum tg_status status, const char *format, va_list args)
{
    /* Formatted first: foreign arguments may crash, and a crashed reporter must not have claimed the failure. */
    char text[TG_MESSAGE_BYTES];
    if (vsnprintf(text, sizeof text, format, args) <= 0) snprintf(text, sizeof text, "the reason given is empty");
    /* Relaxed: the claim orders nothing, it only picks one writer. */
    if (atomic_exchange_explicit(&failure->claimed, true, memory_order_relaxed)) return;
    memcpy(failure->message, text, sizeof text);
    enum tg_status ok = TG_OK;
    /* Release, pairs with tg_failure_status: the message is complete before the status is seen. */
    atomic_compare_exchange_strong_explicit(&failure->status, &ok, status, memory_order_release, memory_order_relaxed);
}

/* The status of a closed failure without an error. */
#define CLOSED ((enum tg_status) - 1)

void tg_failure_cancel(struct tg_failure *failure)
{
    enum tg_status ok = TG_OK;
    /* Relaxed: there is no message. */
    atomic_compare_exchange_strong_explicit(&failure->status, &ok, TG_ERR_CANCELLED, memory_order_relaxed,
                                            memory_order_relaxed);
}

enum tg_status tg_failure_close(struct tg_failure *failure)
{
    enum tg_status status = TG_OK;
    /* Acquire, as in tg_failure_status. */
    if (atomic_compare_exchange_strong_explicit(&failure->status, &status, CLOSED, memory_order_acquire,
                                                memory_order_acquire))
        return TG_OK;
    return status == CLOSED ? TG_OK : status;
}

bool tg_failure_reopen(struct tg_failure *failure)
{
    /* Relaxed: no reporter runs, and a canceller reads nothing. */
    atomic_store_explicit(&failure->claimed, false, memory_order_relaxed);
    enum tg_status status = atomic_load_explicit(&failure->status, memory_order_relaxed);
    do {
        if (status == TG_ERR_CANCELLED) return false;
    } while (!atomic_compare_exchange_weak_explicit(&failure->status, &status, TG_OK, memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}

const char *tg_failure_message(const struct tg_failure *failure)
{
    /* Relaxed: the caller has seen the status. */
    const enum tg_status status = atomic_load_explicit(&failure->status, memory_order_relaxed);
    return status == TG_ERR_CANCELLED ? "tg_run_cancel was called" : failure->message;
}

void tg_failure_set(struct tg_failure *failure, enum tg_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    tg_failure_setv(failure, status, format, args);
    va_end(args);
}
