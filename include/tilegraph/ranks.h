/*
 * tilegraph/ranks.h - attention over a cache of which each rank of MPI holds a part: library libtilegraph_ranks.
 *
 *     rank 0: keys 0 to 999         out, lse = attention over them  \
 *     rank 1: keys 1000 to 1999     out, lse = attention over them   >  tg_ranks_merge: every rank has the whole
 *     rank 2: keys 2000 to 2499     out, lse = attention over them  /
 *
 * Each rank attends to its own keys by tg_attention_run with an output and a log-sum-exp. tg_ranks_merge weighs the
 * outputs by their log-sum-exp. The result is that of one softmax over all keys, but for rounding.
 *
 * A rank that ends while others are in a call ends their calls with TG_ERR_CANCELLED, and the message names it. The
 * ranks are connected by sockets for this: the system closes them when a process ends, for whatever reason. Start them
 * with `mpirun --enable-recovery`; without it mpirun ends all ranks when one dies.
 *
 * Threads   one at a time; MPI_THREAD_FUNNELED, and the thread is that of MPI_Init
 * Errors    Calls return a status; tg_ranks_message has the details. Outputs are unchanged then.
 */
#ifndef TILEGRAPH_RANKS_H
#define TILEGRAPH_RANKS_H

#include <tilegraph/tilegraph.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TG_RANKS_API __attribute__((visibility("default")))

struct tg_ranks;

/*
 * Connect the ranks of a communicator. Collective: all of them call it, after MPI_Init.
 *
 * comm      points to an MPI_Comm, which is duplicated; NULL: MPI_COMM_WORLD
 * Owns      *out until tg_ranks_close; NULL after a failure
 * Errors    TG_ERR_ARGUMENT: MPI is not initialised. TG_ERR_MEMORY. TG_ERR_CANCELLED: a rank cannot be reached
 */
TG_RANKS_API enum tg_status tg_ranks_open(const void *comm, struct tg_ranks **out);

/* Before MPI_Finalize. NULL is allowed. After TG_ERR_CANCELLED the memory of the call that failed stays allocated, for
 * MPI may still write to it; end such a process by MPI_Abort or _exit. */
TG_RANKS_API void tg_ranks_close(struct tg_ranks *ranks);

/* The number of ranks, and this one's. */
TG_RANKS_API uint32_t tg_ranks_count(const struct tg_ranks *ranks);
TG_RANKS_API uint32_t tg_ranks_own(const struct tg_ranks *ranks);

/* Details of the last failing call, of tg_ranks_open too with ranks NULL. Valid until the next call. */
TG_RANKS_API const char *tg_ranks_message(const struct tg_ranks *ranks);

/* This rank's part of n things, blocks of a context for example: [*first, *first + *n_own). Parts differ by one at
 * most. */
TG_RANKS_API void tg_ranks_part(const struct tg_ranks *ranks, uint64_t n, uint64_t *first, uint64_t *n_own);

/*
 * Merge the ranks' outputs. Collective, with the same n_rows and dim on all ranks.
 *
 * Shapes    out: [n_rows][dim] fp32; lse: [n_rows] fp32, -infinity for a row that has seen no key of the rank
 * Writes    both: the same on every rank. A row that has seen no key of any rank has zeros and -infinity.
 * Blocks    until all ranks have called it, or one has ended
 * Rounding  fp32; the order of the sums is MPI's
 * Errors    TG_ERR_CANCELLED, now and in every later call; TG_ERR_MEMORY; TG_ERR_ARGUMENT: too many numbers for MPI
 */
TG_RANKS_API enum tg_status tg_ranks_merge(struct tg_ranks *ranks, uint64_t n_rows, uint32_t dim, float *out,
                                           float *lse);

#ifdef __cplusplus
}
#endif
#endif
