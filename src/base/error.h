/* error.h - the messages of failing calls. */
#ifndef TG_BASE_ERROR_H
#define TG_BASE_ERROR_H

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include <tilegraph/tilegraph.h>

#define TG_MESSAGE_BYTES 2048

#define TG_TRY(call)                                                                                                   \
    do {                                                                                                               \
        enum tg_status tg_try_ = (call);                                                                               \
        if (tg_try_ != TG_OK) return tg_try_;                                                                          \
    } while (0)

/* A pointer that the caller must give. */
#define TG_REQUIRE(pointer)                                                                                            \
    do {                                                                                                               \
        if (!(pointer)) return tg_error(TG_ERR_ARGUMENT, "%s: %s is NULL", __func__, #pointer);                        \
    } while (0)

/* The part of a path after its last slash; "?" for NULL. */
const char *tg_base_name(const char *path);

/* Record the message that tg_last_message gives to this thread, and return `status`. */
enum tg_status tg_error(enum tg_status status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * The first failure of a launch. Many threads may report; the first report stays. Any thread may cancel at any time. A
 * cancellation is a failure without a message.
 *
 *     reporter                                 reader
 *     claimed: false -> true (one wins)
 *     message = text
 *     status: OK -> s  (release)  ------->     status != TG_OK (acquire), read message
 *
 *     a thread that cancels
 *     status: OK -> TG_ERR_CANCELLED
 *
 * A failure is open from its init, or reopen, to its close. Reports to a closed failure have no effect.
 */
struct tg_failure {
    atomic_bool claimed;            /* writer: the first reporter */
    _Atomic(enum tg_status) status; /* writer: the thread that replaces TG_OK. Publishes message. */
    char message[TG_MESSAGE_BYTES]; /* writer: the first reporter */
};

void tg_failure_init(struct tg_failure *failure);

/* Any thread, and signal handlers. */
void tg_failure_cancel(struct tg_failure *failure);

/* Close it at the end of a launch, when no reporter is left. Returns the status of the failure, or TG_OK. */
enum tg_status tg_failure_close(struct tg_failure *failure);

/* Open it again for the next launch, before any reporter runs. false: it was cancelled meanwhile and stays so. */
bool tg_failure_reopen(struct tg_failure *failure);

/* The message. Valid once the caller has seen the status. */
const char *tg_failure_message(const struct tg_failure *failure);

/* Report; later reports are consequences and are dropped. */
void tg_failure_set(struct tg_failure *failure, enum tg_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void tg_failure_setv(struct tg_failure *failure, enum tg_status status, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));

static inline enum tg_status tg_failure_status(struct tg_failure *failure)
{
    /* Acquire, pairs with the release in tg_failure_setv: a thread that sees the status may read the message. */
    return atomic_load_explicit(&failure->status, memory_order_acquire);
}

#endif
