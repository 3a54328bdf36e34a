/*
 * core_check.h - the checks inside a kernel: is every access to a buffer in order with every other, does every wait have
 * its set, and does every read find what was meant to be there?
 *
 *     instruction --> order       what has ended before it starts (order.h)
 *                 --> shadow      who wrote and read the bytes that it uses (shadow.h)
 *                 --> transfers   the device memory that the kernel itself touches (transfers.h)
 *
 * Two accesses to the same bytes, one of them a write, have to be in order: by flags, or inside a pipe by a barrier.
 * Inside a pipe instructions start one after the other, so that one that reads is not overtaken by one that writes later.
 *
 * Threads: one at a time.
 */
#ifndef TG_CHECK_CORE_CORE_CHECK_H
#define TG_CHECK_CORE_CORE_CHECK_H

#include "check/check.h"
#include "check/core/cache.h"
#include "check/core/names.h"
#include "check/core/order.h"
#include "check/core/shadow.h"
#include "check/core/transfers.h"

/* The task whose kernel runs, for messages. Borrowed while it runs. */
struct tg_check_task {
    int32_t task_id;
    const char *kernel; /* its name */
    const char *file;   /* where the task was added, or NULL */
    int32_t line;
    uint32_t core;
    enum tg_core_type core_type;
};

struct tg_core_check {
    struct tg_check *check; /* of the run, borrowed */
    struct tg_check_task task;
    struct tg_order order;
    struct tg_shadow shadow[TG_VEC + 1]; /* [enum tg_tile_kind]; those of the core's kind are there */
    struct tg_names names;
    struct tg_cached cached;
    uint32_t *writers; /* [n_writers], owned: touches that have written what an operand reads */
    uint32_t n_writers, writers_max;
    struct tg_transfers transfers;
};

/* For a core of that type. Errors: NULL, no memory. */
struct tg_core_check *tg_core_check_open(enum tg_core_type core_type);
void tg_core_check_close(struct tg_core_check *c);

/* A kernel begins. `check` gets the findings. */
void tg_core_check_begin(struct tg_core_check *c, struct tg_check *check, const struct tg_check_task *task);

/* The kernel's next instruction, which has passed the rules. */
void tg_core_check_instr(struct tg_core_check *c, const struct tg_instr *instr, enum tg_pipe pipe);

/* The kernel's scalar unit loads or stores device memory by itself, between two instructions. */
void tg_core_check_plain(struct tg_core_check *c, const struct tg_access *access);

/* The kernel's last instruction breaks a rule, as `message` says; the kernel ends there. */
void tg_core_check_broken(struct tg_core_check *c, const struct tg_instr *instr, const char *message);

/* The kernel has returned. */
void tg_core_check_end(struct tg_core_check *c);

#endif
