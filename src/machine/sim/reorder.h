/*
 * reorder.h - execute the instructions of a kernel in another order that its flags and barriers allow.
 *
 * A kernel's instructions are kept until its scalar code waits or returns. Then each pipe executes its own instructions
 * in order; only waits and barriers hold it back. Among the pipes that can go on, the choice is the worst one:
 *
 *     late    a consumer runs ahead of its producer, and a result appears only when a flag, a barrier or the end of the
 *             kernel requires it: an early read gets old bytes. Stores that the kernel does not wait for land after its
 *             return: a successor reads the old bytes
 *     early   a producer runs ahead of the readers of its place: a late read gets overwritten bytes
 *
 *     program   load a | set | wait | exp a | load b
 *     late      MTE2      load a                 load b ...     `a` appears when V has passed the wait
 *               V                 wait  exp a
 *
 * A kernel whose flags and barriers order its accesses gives the same bytes in every such order. A kernel without a
 * needed flag gives other bytes in one of these two orders, unless the bytes happen to be equal. The checks (src/check)
 * find the missing flag in any case.
 *
 * Threads: that of the run.
 */
#ifndef TG_MACHINE_SIM_REORDER_H
#define TG_MACHINE_SIM_REORDER_H

#include <stdbool.h>
#include <stdint.h>

#include <tilegraph/tile.h>

#include "machine/sim/landing.h"
#include "machine/sim/pipes.h"
#include "tile/buffers.h"
#include "tile/table.h"

/* One kept instruction. */
struct tg_reorder_step {
    struct tg_instr instr; /* its pointers are set when it is executed */
    struct tg_tile tiles[TG_SLOTS];
    struct tg_global global;
    uint32_t has; /* the tiles that are present, a bit by enum tg_slot */
    bool has_global;
    uint8_t pipe;
    bool done;
    uint32_t issued; /* waits of PIPE_S before it: each holds back all later instructions */
    uint32_t next;   /* step of the same pipe, index + 1; 0: the last */
    uint32_t flag;   /* set: the next set of this flag that has no wait yet; wait: its set; index + 1, 0: none */
};

/* Bytes that a pipe has written and that no pipe can see yet. */
struct tg_reorder_write {
    uint8_t *place;
    uint32_t n_bytes;
    uint32_t step; /* that wrote them, index */
    size_t data;   /* where the bytes are in tg_reorder.data */
};

struct tg_reorder {
    struct tg_reorder_step *steps; /* [n_steps], owned, kept for the next kernel */
    uint32_t n_steps;
    size_t steps_max;
    uint32_t at[TG_PIPES], last[TG_PIPES]; /* the first step that is not done, and the last step; index + 1 */
    uint32_t n_issued, n_passed;           /* waits of PIPE_S: kept, done */
    struct {
        uint32_t first, last; /* sets without a wait, index + 1 */
        uint32_t n_done;      /* sets without a wait that were executed when the list was full */
    } flags[TG_PIPES * TG_PIPES * TG_EVENTS];
    struct tg_reorder_write *writes[TG_PIPES]; /* [n_writes], owned */
    uint32_t n_writes[TG_PIPES];
    size_t writes_max[TG_PIPES];
    uint8_t *data; /* [n_data], owned: bytes of writes, and room to execute */
    size_t n_data, data_max;
    const struct tg_buffers *buffers; /* of the core whose kernel runs */
    struct tg_landing left, noted;    /* stores without a wait: of the last kernel, of this one */
    struct tg_gm *gm;                 /* their destination; NULL: any address */
    bool early;
    bool no_memory;
};

void tg_reorder_fini(struct tg_reorder *reorder);

/* A kernel begins on a core with these buffers, borrowed until tg_reorder_end. They are filled with NaN, so that old
 * contents cannot pass for a result. `gm`: the device memory, borrowed until the last tg_reorder_land. `early` selects
 * the early order, otherwise the late order. */
void tg_reorder_begin(struct tg_reorder *reorder, const struct tg_buffers *buffers, struct tg_gm *gm, bool early);

/* Keep an instruction that has passed the rules and whose device memory may be accessed. A wait for a flag without an
 * earlier set does not wait. false: no memory. */
bool tg_reorder_add(struct tg_reorder *reorder, const struct tg_instr *instr, enum tg_pipe pipe);

/* The kernel has returned: execute its kept instructions. In the late order, stores without a wait land later: before
 * the core's next store, when its next kernel has returned, or in tg_reorder_land. false: no memory. */
bool tg_reorder_end(struct tg_reorder *reorder);

/* The launch is over: let the last stores land. */
void tg_reorder_land(struct tg_reorder *reorder);

#endif
