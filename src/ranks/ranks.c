#include <tilegraph/ranks.h>

#include <math.h>
#include <mpi.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ranks/links.h"

struct tg_ranks {
    MPI_Comm comm;
    struct links links;
    int64_t ended; /* the rank that has ended, or -1 */
    char message[256];
};

static char open_message[256]; /* of the last tg_ranks_open; MPI has one thread */

static enum tg_status fail(struct tg_ranks *ranks, enum tg_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static enum tg_status fail(struct tg_ranks *ranks, enum tg_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(ranks->message, sizeof ranks->message, format, args);
    va_end(args);
    return status;
}

const char *tg_ranks_message(const struct tg_ranks *ranks) { return ranks ? ranks->message : open_message; }

uint32_t tg_ranks_count(const struct tg_ranks *ranks) { return ranks->links.count; }
uint32_t tg_ranks_own(const struct tg_ranks *ranks) { return ranks->links.own; }

void tg_ranks_part(const struct tg_ranks *ranks, uint64_t n, uint64_t *first, uint64_t *n_own)
{
    const uint64_t count = ranks->links.count, own = ranks->links.own, each = n / count, more = n % count;
    *first = own * each + (own < more ? own : more);
    *n_own = each + (own < more);
}

/* ---- open and close ---------------------------------------------------------------------------------------------- */

static enum tg_status connect_all(struct tg_ranks *ranks, uint32_t count, uint32_t own)
{
    struct link_place place = {{0}, 0}, *places = malloc(count * sizeof *places);
    const bool is_open = places && links_open(&ranks->links, count, own, &place);
    int all_open = is_open, ok = 1;
    int64_t missing = -1;
    /* Collective calls come first, and a rank that failed takes part in them. */
    MPI_Allreduce(MPI_IN_PLACE, &all_open, 1, MPI_INT, MPI_MIN, ranks->comm);
    if (all_open) {
        MPI_Allgather(&place, (int)sizeof place, MPI_BYTE, places, (int)sizeof place, MPI_BYTE, ranks->comm);
        missing = links_connect(&ranks->links, places);
        ok = missing < 0;
        MPI_Allreduce(MPI_IN_PLACE, &ok, 1, MPI_INT, MPI_MIN, ranks->comm);
    }
    free(places);
    if (!all_open)
        return fail(ranks, TG_ERR_MEMORY, "%s rank has no memory or no socket", is_open ? "another" : "this");
    if (missing >= 0) return fail(ranks, TG_ERR_CANCELLED, "rank %lld cannot be reached", (long long)missing);
    return ok ? TG_OK : fail(ranks, TG_ERR_CANCELLED, "another rank cannot reach all ranks");
}

enum tg_status tg_ranks_open(const void *comm, struct tg_ranks **out)
{
    int is_ready = 0, count, own;
    *out = NULL;
    MPI_Initialized(&is_ready);
    if (!is_ready) {
        (void)snprintf(open_message, sizeof open_message, "MPI is not initialised: call MPI_Init first");
        return TG_ERR_ARGUMENT;
    }
    struct tg_ranks *ranks = calloc(1, sizeof *ranks);
    if (!ranks) {
        (void)snprintf(open_message, sizeof open_message, "no memory for the ranks");
        return TG_ERR_MEMORY;
    }
    MPI_Comm_dup(comm ? *(const MPI_Comm *)comm : MPI_COMM_WORLD, &ranks->comm);
    MPI_Comm_set_errhandler(ranks->comm, MPI_ERRORS_RETURN);
    MPI_Comm_size(ranks->comm, &count);
    MPI_Comm_rank(ranks->comm, &own);
    ranks->ended = -1;
    ranks->links.listener = -1;
    const enum tg_status status = connect_all(ranks, (uint32_t)count, (uint32_t)own);
    if (status == TG_OK) {
        *out = ranks;
        return TG_OK;
    }
    memcpy(open_message, ranks->message, sizeof open_message);
    tg_ranks_close(ranks);
    return status;
}

void tg_ranks_close(struct tg_ranks *ranks)
{
    if (!ranks) return;
    links_close(&ranks->links);
    if (ranks->ended < 0) MPI_Comm_free(&ranks->comm); /* collective: not without the others */
    free(ranks);
}

/* ---- merging ----------------------------------------------------------------------------------------------------- */

static enum tg_status rank_ended(struct tg_ranks *ranks)
{
    return fail(ranks, TG_ERR_CANCELLED, "rank %lld has ended", (long long)ranks->ended);
}

/* Wait for a collective, and look after the ranks meanwhile. */
static enum tg_status wait_for(struct tg_ranks *ranks, MPI_Request *request)
{
    for (int done = 0, turn = 0;; turn++) {
        if (turn % 64 == 0 && (ranks->ended = links_ended(&ranks->links)) >= 0) {
            /* A rank that has left after its part of the work has sent all that this one waits for. */
            const struct timespec moment = {0, 100000000};
            nanosleep(&moment, NULL);
            if (MPI_Test(request, &done, MPI_STATUS_IGNORE) != MPI_SUCCESS || !done) return rank_ended(ranks);
        }
        if (!done && MPI_Test(request, &done, MPI_STATUS_IGNORE) != MPI_SUCCESS) {
            ranks->ended = links_ended(&ranks->links);
            return fail(ranks, TG_ERR_CANCELLED, "a collective of MPI has failed; rank %lld has ended",
                        (long long)ranks->ended);
        }
        if (done) {
            ranks->ended = -1;
            return TG_OK;
        }
    }
}

static enum tg_status reduce(struct tg_ranks *ranks, float *numbers, int n, MPI_Op op)
{
    MPI_Request request;
    if (MPI_Iallreduce(MPI_IN_PLACE, numbers, n, MPI_FLOAT, op, ranks->comm, &request) != MPI_SUCCESS)
        return fail(ranks, TG_ERR_CANCELLED, "a collective of MPI cannot begin");
    return wait_for(ranks, &request);
}

/* numbers: [n_rows] largest log-sum-exp, then [n_rows] weight, then [n_rows][dim] output times weight. */
static void weigh(float *numbers, const float *out, const float *lse, uint64_t n_rows, uint32_t dim)
{
    const float *most = numbers;
    float *weights = numbers + n_rows, *sums = weights + n_rows;
    for (uint64_t r = 0; r < n_rows; r++) {
        weights[r] = lse[r] == -INFINITY ? 0 : expf(lse[r] - most[r]); /* NaN stays NaN */
        for (uint32_t d = 0; d < dim; d++) sums[r * dim + d] = weights[r] == 0 ? 0 : weights[r] * out[r * dim + d];
    }
}

static void divide(const float *numbers, float *out, float *lse, uint64_t n_rows, uint32_t dim)
{
    const float *most = numbers, *weights = numbers + n_rows, *sums = weights + n_rows;
    for (uint64_t r = 0; r < n_rows; r++) {
        lse[r] = weights[r] == 0 ? -INFINITY : most[r] + logf(weights[r]);
        for (uint32_t d = 0; d < dim; d++) out[r * dim + d] = weights[r] == 0 ? 0 : sums[r * dim + d] / weights[r];
    }
}

enum tg_status tg_ranks_merge(struct tg_ranks *ranks, uint64_t n_rows, uint32_t dim, float *out, float *lse)
{
    if (ranks->ended >= 0) return rank_ended(ranks);
    if (n_rows > (uint64_t)INT32_MAX / ((uint64_t)dim + 2))
        return fail(ranks, TG_ERR_ARGUMENT, "%llu rows of %u are more numbers than MPI takes",
                    (unsigned long long)n_rows, dim);
    if (n_rows == 0) return TG_OK;
    float *numbers = malloc(n_rows * ((uint64_t)dim + 2) * sizeof *numbers);
    if (!numbers) return fail(ranks, TG_ERR_MEMORY, "no memory for %llu rows", (unsigned long long)n_rows);
    memcpy(numbers, lse, n_rows * sizeof *numbers);
    enum tg_status status = reduce(ranks, numbers, (int)n_rows, MPI_MAX);
    if (status == TG_OK) {
        weigh(numbers, out, lse, n_rows, dim);
        status = reduce(ranks, numbers + n_rows, (int)(n_rows * ((uint64_t)dim + 1)), MPI_SUM);
    }
    if (status != TG_OK) return status; /* MPI may still write to numbers */
    divide(numbers, out, lse, n_rows, dim);
    free(numbers);
    return TG_OK;
}
