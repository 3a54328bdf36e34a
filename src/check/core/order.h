/*
 * order.h - the happens-before order on the pipes of one core.
 *
 * Instructions are numbered in program order. Pipe q has a number for pipe p: every instruction of p up to it has ended
 * before the next instruction of q starts ("q knows p up to it"). This knowledge comes from
 *
 *     pipe_barrier(q)          q knows all of itself
 *     pipe_barrier(PIPE_ALL)   every pipe knows all of every pipe
 *     set_flag(p, q, e)        the flag carries the knowledge of p, and all of p
 *     wait_flag(p, q, e)       q takes it from the flag
 *
 * and from no other source: neither from program order nor from the length of instructions. PIPE_S is special: it is
 * the scalar unit itself, does one thing after the other, takes no barrier, and knows all of itself. A wait of PIPE_S
 * holds the scalar unit, which issues for every pipe. So every pipe takes its knowledge.
 *
 * A kernel ends when its scalar code returns; it does not wait for the pipes then. An instruction that PIPE_S does not
 * know to have ended may still be at work when the next task begins. A kernel without such instructions is drained.
 * Each kernel begins as after a drained one, with empty pipes, and numbers its instructions from 1.
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

/* In place of an instruction: accesses of the scalar unit itself. */
enum tg_mark_plain { TG_MARK_PLAIN_LOAD = TG_OP_COUNT, TG_MARK_PLAIN_STORE };

/* An instruction as other records refer to it. number 0: no instruction. */
struct tg_mark {
    uint32_t number;
    uint32_t line;
    const char *file;
    uint8_t op;       /* enum tg_op, or enum tg_mark_plain; with the latter file may be NULL: line is an offset */
    uint8_t pipe;     /* enum tg_pipe */
    bool interlocked; /* the next instruction of its pipe sees its result without a barrier */
};

#define TG_NO_ITEM SIZE_MAX

struct tg_flag {
    bool set;
    bool used;                      /* by the running kernel: it is in tg_order.used */
    struct tg_mark by;              /* the instruction that set it */
    struct tg_mark waited;          /* the last instruction that waited for it */
    struct tg_mark starved;         /* a wait that found it not set; number 0: no such wait */
    size_t starved_item;            /* the finding about that wait: its index, or TG_NO_ITEM */
    uint32_t known[TG_ORDER_PIPES]; /* the knowledge that it carries */
};

struct tg_order {
    uint32_t number;                                /* of the kernel's last instruction */
    struct tg_mark last[TG_ORDER_PIPES];            /* of each pipe, flags and barriers aside; number 0: none */
    uint32_t known[TG_ORDER_PIPES][TG_ORDER_PIPES]; /* [q][p] */
    struct tg_flag flags[TG_ORDER_FLAGS];
    uint16_t used[TG_ORDER_FLAGS]; /* [n_used] flags that this kernel has set or waited for, in that order */
    uint32_t n_used;
    uint32_t all;   /* number of the last barrier of all pipes */
    uint32_t plain; /* number of plain accesses since the last instruction; if not `number`: no such access */
};

/* A kernel begins: everything before has ended, no flag is set, no instruction has a number. */
void tg_order_begin(struct tg_order *order);

/* The next instruction: its mark. A kernel has fewer than 2^32. */
struct tg_mark tg_order_next(struct tg_order *order, const struct tg_instr *instr, enum tg_pipe pipe);

/* The mark of plain loads and stores of PIPE_S until the next instruction. op: TG_MARK_PLAIN_LOAD or _STORE. file NULL:
 * line is the code's offset in its shared object. */
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

/* The last wait for the flag that a set_flag sets again, if the setting pipe does not know that the wait has passed.
 * Then the flag may still be set. NULL: the pipe knows. */
const struct tg_mark *tg_order_not_passed(struct tg_order *order, const struct tg_instr *instr);

/* wait_flag. false: the flag is not set, so no knowledge is gained. */
bool tg_order_wait(struct tg_order *order, const struct tg_instr *instr);

void tg_order_barrier(struct tg_order *order, uint32_t pipe);

/* The kernel returns: an instruction that may still be at work, because PIPE_S does not know that it has ended. A store
 * has precedence, because other tasks can see its effect. NULL: the kernel is drained. */
const struct tg_mark *tg_order_undrained(const struct tg_order *order);

#endif
