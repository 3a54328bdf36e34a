/*
 * core_check.h - the checks inside a kernel. Is every access to a buffer ordered with all others? Does every wait have
 * its set? Does every read find the intended contents?
 *
 *     instruction --> order       the instructions that have ended before it starts (order.h)
 *                 --> shadow      the writers and readers of the bytes that it uses (shadow.h)
 *                 --> transfers   the device memory that the kernel itself accesses (transfers.h)
 *
 * Two accesses to the same bytes, at least one of them a write, must be in order: by flags, or inside a pipe by a
 * barrier. Inside a pipe instructions start one after the other, so a later write does not overtake an earlier read.
 *
 * Threads: one at a time.
 */
#ifndef TG_CHECK_CORE_CORE_CHECK_H
#define TG_CHECK_CORE_CORE_CHECK_H

#include "check/check.h"
#include "check/core/cache.h"
#include "check/core/indexed.h"
#include "check/core/names.h"
#include "check/core/order.h"
#include "check/core/shadow.h"
#include "check/core/transfers.h"
#include "tile/facts.h"

/* The task of the running kernel, for messages. Borrowed while it runs. */
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
    struct tg_shadow shadow[TG_TILE_KINDS]; /* [enum tg_tile_kind]; only those of the core's kind are used */
    struct tg_names names;
    struct tg_cached cached;
    uint32_t *writers; /* [n_writers], owned: touches that have written the bytes of an operand */
    size_t n_writers, writers_max;
    struct tg_transfers transfers;
    const struct tg_facts *facts;      /* of the device, borrowed while the kernel runs */
    const struct tg_buffers *contents; /* of the buffers, borrowed while the kernel runs; NULL: unknown */
    struct tg_indexed indexed;         /* of the current instruction */
};

/* For a core of that type. Errors: NULL, no memory. */
struct tg_core_check *tg_core_check_open(enum tg_core_type core_type);
void tg_core_check_close(struct tg_core_check *c);

/* A kernel begins. `check` gets the findings. `contents`: the buffers of the core, if each instruction is executed
 * before the next one is checked; else NULL, and the elements that indices select are unknown. `facts`: of the device.
 */
void tg_core_check_begin(struct tg_core_check *c, struct tg_check *check, const struct tg_check_task *task,
                         const struct tg_buffers *contents, const struct tg_facts *facts);

/* The kernel's next instruction, which has passed the rules. */
void tg_core_check_instr(struct tg_core_check *c, const struct tg_instr *instr, enum tg_pipe pipe);

/* The kernel's scalar unit loads or stores device memory without an instruction. */
void tg_core_check_plain(struct tg_core_check *c, const struct tg_access *access);

/* The kernel's last instruction breaks a rule, which `message` names; the kernel ends there. */
void tg_core_check_broken(struct tg_core_check *c, const struct tg_instr *instr, const char *message);

/* The kernel has returned. */
void tg_core_check_end(struct tg_core_check *c);

#endif
