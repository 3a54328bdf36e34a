/*
 * pipes.h - the pipes of one core: their work, and its times.
 *
 * A kernel is executed first and timed afterwards. While it runs, its instructions are appended to a list. Then the
 * list is played: every pipe takes its own instructions in order, and a wait stops the pipe until the flag of the same
 * name is set. A transfer to or from device memory starts at its turn among the transfers of all cores. Times are in ns
 * since the launch.
 *
 * The list of a long kernel is played in parts, so its memory does not grow with the kernel. The scalar unit issues in
 * blocks of TG_PIPES_BLOCK steps. It issues a block when all steps of the block before the last one have ended:
 *
 *     list      [ block 1 ][ block 2 ]                 block 3 has to wait for the end of block 1
 *                          [ block 2 ][ block 3 ]      the ended steps are removed
 *
 * A device has queues of finite length, too, and much shorter ones. No choice that is made during a part depends on
 * steps that are still to come, because those cannot be issued yet.
 *
 *     list      MTE2: load a | MTE2: set | V: wait | V: exp | V: set | MTE2: load b | MTE3: wait | MTE3: store ...
 *     MTE2      [load a][set][load b]
 *     V               [wait.][exp][set]
 *     MTE3                         [wait][store]
 *
 * The scalar unit issues for every pipe: while it waits for a flag, no later instruction is issued to any pipe.
 *
 * A kernel ends when its scalar code returns. Unfinished work of its pipes stays in the list, in front of the
 * instructions of the core's next kernel.
 */
#ifndef TG_MACHINE_SIM_PIPES_H
#define TG_MACHINE_SIM_PIPES_H

#include <stdbool.h>
#include <stdint.h>

#include <tilegraph/tile.h>

#include "machine/observer.h"
#include "machine/sim/cost.h"

enum { TG_PIPES = PIPE_FIX + 1, TG_EVENTS = EVENT_ID7 + 1 };

/* Steps of a block. The list holds two blocks: 3.6 MB a core. */
enum { TG_PIPES_BLOCK = 16384 };

/* One instruction from the view of its pipe. */
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
    uint32_t gate;   /* waits of PIPE_S that must be passed before it is issued */
    uint32_t line;   /* of the kernel's source */
    const char *file;
};

struct tg_pipes {
    struct tg_pipe_step *steps; /* [n_steps], owned, kept for the next kernel */
    struct tg_global *globals;  /* [n_globals], owned */
    uint32_t n_steps, n_globals;
    size_t steps_max, globals_max, passed_max;
    uint32_t at[TG_PIPES], last[TG_PIPES];           /* current and last step of each pipe: index + 1; 0: no step */
    uint32_t n_left;                                 /* steps of earlier kernels: the first of the list */
    uint32_t n_old, n_open;                          /* steps of the block before the last one, and those not done */
    double old_end, new_end;                         /* ends of the steps that are done: of that block, of the last */
    double *passed_at;                               /* [n_passed], owned: when PIPE_S passed each of its waits */
    uint32_t n_gates, n_passed;                      /* waits of PIPE_S in this kernel: appended, passed */
    uint32_t n_set[TG_PIPES * TG_PIPES * TG_EVENTS]; /* flags set and not waited for, in program order */
    const struct tg_observer *observers;             /* get the work of each pipe, under core `core` */
    uint32_t core;
    /* While playing: */
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

/* A kernel begins: the list holds the unfinished work of earlier kernels of this launch, and all their flags are
 * cleared. */
void tg_pipes_begin(struct tg_pipes *pipes);

enum tg_pipes_append { TG_PIPES_OK, TG_PIPES_NO_FLAG, TG_PIPES_NO_MEMORY };

/* Append an instruction. NO_FLAG: it waits for a flag that nothing before it has set. */
enum tg_pipes_append tg_pipes_append(struct tg_pipes *pipes, const struct tg_instr *instr, enum tg_pipe pipe,
                                     const struct tg_cost *cost);

/* The time at which a transfer that is requested at `at_ns` has passed the shared memory. at_ns decreases only for the
 * unfinished work of an earlier kernel. */
typedef double tg_transfer_fn(void *context, const struct tg_global *global, double at_ns);

/* How the kernel's list is played. */
struct tg_player {
    double start_ns;     /* of the kernel's first instruction, at the earliest */
    double ns_per_cycle; /* of the core */
    tg_transfer_fn *transfer;
    void *context;                 /* of transfer */
    struct tg_kernel_times *times; /* play adds the times of pipes and memory */
};

/* Has the list two full blocks? Then play one, before the next instruction is appended. */
bool tg_pipes_are_full(const struct tg_pipes *pipes);

/* Play until the older block has ended, and remove the steps that are done. false: no memory. */
bool tg_pipes_play_block(struct tg_pipes *pipes, const struct tg_player *player);

/* The kernel has returned: play its list. Returns the time at which the scalar code has returned; everything that has
 * started by then is played. */
double tg_pipes_play(struct tg_pipes *pipes, const struct tg_player *player);

#endif
