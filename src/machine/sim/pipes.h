/*
 * pipes.h - the pipes of one core: what each of them has to do, and when it does it.
 *
 * A kernel is executed first and timed afterwards. While it runs, its instructions are appended to a list; then the list
 * is played: every pipe takes its own instructions in order, a wait holds it until the flag of the same name is set, and
 * a transfer to or from device memory starts at its turn among those of all cores. Times are in ns since the launch.
 *
 *     list      MTE2: load a | MTE2: set | V: wait | V: exp | V: set | MTE2: load b | MTE3: wait | MTE3: store ...
 *     MTE2      [load a][set][load b]
 *     V               [wait.][exp][set]
 *     MTE3                         [wait][store]
 *
 * The scalar unit issues for every pipe: while it waits for a flag, nothing that comes later is issued to any pipe.
 *
 * A kernel ends when its scalar code returns. What its pipes have not done by then stays in the list, in front of what the
 * next kernel of the core appends.
 */
#ifndef TG_MACHINE_SIM_PIPES_H
#define TG_MACHINE_SIM_PIPES_H

#include <stdbool.h>
#include <stdint.h>

#include <tilegraph/tile.h>

#include "machine/sim/cost.h"
#include "trace/record.h"

enum { TG_PIPES = PIPE_FIX + 1, TG_EVENTS = EVENT_ID7 + 1 };

/* One instruction as its pipe sees it. */
struct tg_pipe_step {
    uint8_t pipe;
    uint8_t kind; /* enum in pipes.c */
    uint8_t op;   /* enum tg_op */
    bool done;
    uint16_t flag;    /* set, wait: source, destination, event in one number */
    uint32_t startup; /* cycles */
    uint32_t cycles;
    uint32_t next;   /* step of the same pipe, index + 1; 0: the last */
    uint32_t global; /* transfers: index of its GlobalTensor */
    uint32_t gate;   /* waits of PIPE_S that have to be passed before it is issued */
};

struct tg_pipes {
    struct tg_pipe_step *steps; /* [n_steps], owned, kept for the next kernel */
    struct tg_global *globals;  /* [n_globals], owned */
    uint32_t n_steps, n_globals;
    size_t steps_max, globals_max, passed_max;
    uint32_t at[TG_PIPES], last[TG_PIPES];           /* the step that a pipe is at, and its last: index + 1; 0: none */
    uint32_t n_left;                                 /* steps of earlier kernels: the first of the list */
    double *passed_at;                               /* [n_passed], owned: when PIPE_S has passed each of its waits */
    uint32_t n_gates, n_passed;                      /* waits of PIPE_S in this kernel: appended, passed */
    uint32_t n_set[TG_PIPES * TG_PIPES * TG_EVENTS]; /* flags set and not waited for, in program order */
    struct tg_record_log *log; /* gets what each pipe does, as of core `core`; NULL: nobody wants it */
    uint16_t core;
    /* While playing: */
    double start_ns; /* of the kernel's first instruction */
    double free_at[TG_PIPES];
    bool flowing;                                      /* V: the next vector instruction follows without a gap */
    double set_at[TG_PIPES * TG_PIPES * TG_EVENTS][4]; /* when the last flags of a name were set: a ring */
    uint32_t n_played[TG_PIPES * TG_PIPES * TG_EVENTS], n_waited[TG_PIPES * TG_PIPES * TG_EVENTS];
};

/* The flag of a set_flag or wait_flag: source, destination, event in one number. */
uint16_t tg_pipes_flag(const struct tg_instr *instr);

void tg_pipes_fini(struct tg_pipes *pipes);

/* A launch begins: the list is empty, all pipes are free. */
void tg_pipes_reset(struct tg_pipes *pipes);

/* A kernel begins: the list has what earlier ones of this launch have left to do, and no flag that was set counts. */
void tg_pipes_begin(struct tg_pipes *pipes);

enum tg_pipes_append { TG_PIPES_OK, TG_PIPES_NO_FLAG, TG_PIPES_NO_MEMORY };

/* Append an instruction. NO_FLAG: it waits for a flag that nothing before it has set. */
enum tg_pipes_append tg_pipes_append(struct tg_pipes *pipes, const struct tg_instr *instr, enum tg_pipe pipe,
                                     const struct tg_cost *cost);

/* When a transfer that is asked for at `at_ns` has passed what all cores share. at_ns goes back only to what a kernel has
 * left to do. */
typedef double tg_transfer_fn(void *context, const struct tg_global *global, double at_ns);

/* Play the list; the kernel's first instruction starts at `start_ns` at the earliest. Adds to what its record has of pipes
 * and memory; returns when the scalar code has returned. Everything that has started by then is played. `ns_per_cycle` is
 * the core's. */
double tg_pipes_play(struct tg_pipes *pipes, double start_ns, double ns_per_cycle, tg_transfer_fn *transfer,
                     void *context, struct tg_kernel_times *times);

#endif
