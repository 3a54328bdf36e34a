/*
 * order.h - what is known to have happened before what, on the pipes of one core.
 *
 * Instructions are numbered in program order. Pipe q knows of pipe p a number: every instruction of p up to it has ended
 * before the next instruction of q starts. Knowledge comes from
 *
 *     pipe_barrier(q)          q knows all of itself
 *     pipe_barrier(PIPE_ALL)   every pipe knows all of every pipe
 *     set_flag(p, q, e)        the flag takes along what p knows, and all of p
 *     wait_flag(p, q, e)       q takes it from the flag
 *
 * and from nothing else: neither from program order nor from how long things take. Only PIPE_S, which is the scalar unit
 * itself, does one thing after the other, takes no barrier, and knows all of itself. A wait of PIPE_S holds up the scalar
 * unit, which issues for every pipe, so that every pipe takes it.
 *
 * A kernel ends when its scalar code returns, and waits for no pipe then. What PIPE_S does not know to have ended may
 * still be at work when the next task begins; a kernel that leaves nothing of that kind is drained. Each kernel begins
 * as after a drained one, with empty pipes, and counts its instructions from 1.
 *
 * Sources: CANN 8.5 documentation, PipeBarrier, SetFlag and WaitFlag; asc-devkit, examples of synchronous control.
 */
#ifndef TG_CHECK_CORE_ORDER_H
#define TG_CHECK_CORE_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tilegraph/tile.h>

enum { TG_ORDER_PIPES = PIPE_FIX + 1, TG_ORDER_EVENTS = EVENT_ID7 + 1 };
enum { TG_ORDER_FLAGS = TG_ORDER_PIPES * TG_ORDER_PIPES * TG_ORDER_EVENTS };

/* In place of an instruction: what the scalar unit does by itself. */
enum tg_mark_plain { TG_MARK_PLAIN_LOAD = TG_OP_COUNT, TG_MARK_PLAIN_STORE };

/* An instruction as others remember it. number 0: none. */
struct tg_mark {
    uint32_t number;
    uint32_t line;
    const char *file;
    uint8_t op;   /* enum tg_op, or enum tg_mark_plain; of the latter file may be NULL: line is an offset */
    uint8_t pipe; /* enum tg_pipe */
    bool settles; /* the next instruction of its pipe finds its result without a barrier */
};

#define TG_NO_ITEM SIZE_MAX

struct tg_flag {
    bool set;
    bool used;                      /* by the kernel that runs: it is one of tg_order.used */
    struct tg_mark by;              /* who set it */
    struct tg_mark waited;          /* who waited for it last */
    struct tg_mark starved;         /* a wait that found it not set; number 0: none */
    size_t starved_item;            /* what was said of that: index of a finding, or TG_NO_ITEM */
    uint32_t known[TG_ORDER_PIPES]; /* what it takes along */
};

struct tg_order {
    uint32_t number;                                /* of the kernel's last instruction */
    struct tg_mark last[TG_ORDER_PIPES];            /* of each pipe, flags and barriers aside; number 0: none */
    uint32_t known[TG_ORDER_PIPES][TG_ORDER_PIPES]; /* [q][p] */
    struct tg_flag flags[TG_ORDER_FLAGS];
    uint16_t used[TG_ORDER_FLAGS]; /* [n_used] flags that this kernel has set or waited for, in that order */
    uint32_t n_used;
    uint32_t plain; /* number of plain accesses since the last instruction; another than `number`: there are none */
};

/* Does the next instruction of its pipe find the result of `instr` without a barrier? */
bool tg_order_settles(const struct tg_instr *instr);

/* A kernel begins: everything before has ended, no flag is set, no instruction has a number. */
void tg_order_begin(struct tg_order *order);

/* The next instruction: its mark. A kernel has fewer than 2^32. */
struct tg_mark tg_order_next(struct tg_order *order, const struct tg_instr *instr, enum tg_pipe pipe);

/* The mark of plain loads and stores, which PIPE_S does, until the next instruction. op: TG_MARK_PLAIN_LOAD or _STORE;
 * file NULL: line is the code's offset in its shared object. */
struct tg_mark tg_order_plain(struct tg_order *order, enum tg_mark_plain op, const char *file, uint32_t line);

/* Has `mark` ended before the next instruction of `pipe` starts? */
static inline bool tg_order_knows(const struct tg_order *order, enum tg_pipe pipe, const struct tg_mark *mark)
{
    return (pipe == PIPE_S && mark->pipe == PIPE_S) || mark->number <= order->known[pipe][mark->pipe];
}

/* The flag of a set_flag or wait_flag that has passed the rules. */
struct tg_flag *tg_order_flag(struct tg_order *order, const struct tg_instr *instr);

/* set_flag. false: the flag is set already, and stays as it is. */
bool tg_order_set(struct tg_order *order, const struct tg_instr *instr, const struct tg_mark *mark);

/* The last wait of the flag that a set_flag sets again, if its pipe does not know that the wait has been passed: the flag may
 * still be set then. NULL: it does. */
const struct tg_mark *tg_order_not_passed(struct tg_order *order, const struct tg_instr *instr);

/* wait_flag. false: the flag is not set; nothing is learnt. */
bool tg_order_wait(struct tg_order *order, const struct tg_instr *instr);

void tg_order_barrier(struct tg_order *order, uint32_t pipe);

/* The kernel returns: an instruction that may still be at work, because PIPE_S does not know that it has ended. The one
 * that other tasks can meet, a store, if there is one. NULL: the kernel is drained. */
const struct tg_mark *tg_order_undrained(const struct tg_order *order);

#endif
