#include "base/error.h"

#include <stdio.h>
#include <string.h>

static _Thread_local char last_message[TG_MESSAGE_BYTES];

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
    memcpy(last_message, text, sizeof text);
    return status;
}

const char *tg_last_message(void) { return last_message; }

void tg_failure_init(struct tg_failure *failure)
{
    atomic_init(&failure->claimed, false);
    atomic_init(&failure->status, TG_OK);
    failure->message[0] = '\0';
}

void tg_failure_setv(struct tg_failure *failure, enum tg_status status, const char *format, va_list args)
{
    /* Formatted first: the arguments may be foreign, and who crashes on them must not have claimed anything. */
    char text[TG_MESSAGE_BYTES];
    vsnprintf(text, sizeof text, format, args);
    /* Relaxed: the claim orders nothing, it only picks one writer. */
    if (atomic_exchange_explicit(&failure->claimed, true, memory_order_relaxed)) return;
    memcpy(failure->message, text, sizeof text);
    /* Release, pairs with tg_failure_status: the message is complete before the status is seen. */
    atomic_store_explicit(&failure->status, status, memory_order_release);
}

void tg_failure_set(struct tg_failure *failure, enum tg_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    tg_failure_setv(failure, status, format, args);
    va_end(args);
}
