/* Edges that no conflict of a checked run needs: count them, print them, and time the run without them. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/sized.h"
#include "host/host.h"
#include "os/state.h"
#include "trace/cause.h"
#include "trace/retime.h"

enum { ALIKE_MAX = 32 };

/* Edges between tasks of the same kernels whose tasks were added on the same lines. */
struct alike {
    struct tg_task_note from, to;
    struct tg_spare_edge first;
    uint64_t n;
};

static bool same_note(const struct tg_task_note *a, const struct tg_task_note *b)
{
    return a->kernel == b->kernel && a->file == b->file && a->line == b->line;
}

/* Group the edges. Returns the number of groups; *n_beyond gets the number of edges in further groups. */
static size_t gather(const struct tg_run *run, const struct tg_spare_edge *spare, size_t n,
                     struct alike kinds[ALIKE_MAX], uint64_t *n_beyond)
{
    const struct tg_task_note *notes = run->check.memory.tasks;
    size_t n_kinds = 0;
    *n_beyond = 0;
    for (size_t i = 0; i < n; i++) {
        const struct tg_task_note *from = &notes[spare[i].from], *to = &notes[spare[i].to];
        size_t k = 0;
        while (k < n_kinds && !(same_note(&kinds[k].from, from) && same_note(&kinds[k].to, to) &&
                                kinds[k].first.reason == spare[i].reason))
            k++;
        if (k == ALIKE_MAX) {
            ++*n_beyond;
            continue;
        }
        if (k == n_kinds) kinds[n_kinds++] = (struct alike){*from, *to, spare[i], 0};
        kinds[k].n++;
    }
    return n_kinds;
}

static void print_note(const struct tg_task_note *note, int32_t task, FILE *stream)
{
    fprintf(stream, "task %" PRId32 " (%s", task, note->kernel);
    if (note->file) fprintf(stream, ", %s:%" PRId32, note->file, note->line);
    fputc(')', stream);
}

static void print_kinds(const struct tg_run *run, const struct tg_spare_edge *spare, size_t n, FILE *stream)
{
    struct alike kinds[ALIKE_MAX];
    uint64_t n_beyond;
    size_t n_kinds = gather(run, spare, n, kinds, &n_beyond);
    for (size_t k = 0; k < n_kinds; k++) {
        fprintf(stream, "  %" PRIu64 " like ", kinds[k].n);
        print_note(&kinds[k].from, kinds[k].first.from, stream);
        fputs(" -> ", stream);
        print_note(&kinds[k].to, kinds[k].first.to, stream);
        fprintf(stream, ": %s\n",
                kinds[k].first.reason == TG_SPARE_REDUNDANT ? "a longer way orders them" : "no conflict needs it");
    }
    if (n_beyond > 0) fprintf(stream, "  %" PRIu64 " of other kinds\n", n_beyond);
}

static void print_all(const struct tg_run *run, const struct tg_spare_edges *edges, const struct tg_spare_edge *spare,
                      FILE *stream)
{
    size_t n = (size_t)(edges->n_redundant + edges->n_no_conflict);
    fprintf(stream, "edges: %zu of %" PRIu64 " are needed by no conflict\n", n, edges->n_edges);
    print_kinds(run, spare, n, stream);
    if (n > 0 && edges->device_ns > 0)
        fprintf(stream, "edges: %.2f us with them, %.2f us without, estimated by timing the recorded run again\n",
                (double)edges->device_ns / 1e3, (double)edges->without_ns / 1e3);
}

/* ---- time -------------------------------------------------------------------------------------------------------- */

/* The links of the index that are spare, by their position in index->before. NULL: out of memory. */
static bool *mark_links(const struct tg_index *index, const struct tg_spare_edge *spare, size_t n)
{
    bool *dropped = calloc(index->n_links + 1, sizeof *dropped);
    for (size_t i = 0; dropped && i < n; i++) {
        uint32_t from = tg_index_of(index->record, spare[i].from), to = tg_index_of(index->record, spare[i].to);
        if (from == TG_NO_TASK || to == TG_NO_TASK) continue;
        uint32_t k = index->first_before[to];
        while (k < index->first_before[to + 1] && (index->before[k] != from || dropped[k])) k++;
        if (k < index->first_before[to + 1]) dropped[k] = true;
    }
    return dropped;
}

static enum tg_status time_without(const struct tg_index *index, const struct tg_spare_edge *spare, size_t n,
                                   uint64_t *out_ns)
{
    struct tg_causes causes;
    bool *dropped = mark_links(index, spare, n);
    if (!dropped) return tg_error(TG_ERR_MEMORY, "no memory for %zu edges", n);
    enum tg_status status = tg_causes_init(&causes, index);
    if (status == TG_OK) {
        status = tg_retime(index, &causes, &(struct tg_retime){.dropped = dropped}, out_ns);
        tg_causes_fini(&causes);
    }
    free(dropped);
    return status;
}

static enum tg_status time_again(const struct tg_run *run, const struct tg_spare_edge *spare, size_t n,
                                 struct tg_spare_edges *out)
{
    if (!run->config.record) return TG_OK;
    struct tg_index index;
    TG_TRY(tg_index_init(&index, &run->record));
    enum tg_status status = time_without(&index, spare, n, &out->without_ns);
    out->device_ns = run->record.device_ns;
    tg_index_fini(&index);
    return status;
}

/* ---- all --------------------------------------------------------------------------------------------------------- */

static enum tg_status check_run(const struct tg_run *run)
{
    struct tg_proof proof;
    tg_run_proof(run, &proof);
    if (proof.schedule_independent) return TG_OK;
    return tg_error(TG_ERR_ARGUMENT,
                    "which edges are needed can be said of a checked run that went to its end and whose "
                    "conflicts and floating-point sums are all ordered; this is none");
}

enum tg_status tg_run_get_spare_edges(const struct tg_run *run, struct tg_spare_edges *out, FILE *stream)
{
    TG_OWN_STATE;
    static const struct tg_sized sized = {"tg_spare_edges", sizeof *out, sizeof *out};
    TG_REQUIRE(run);
    TG_REQUIRE(out);
    TG_TRY(check_run(run));
    const struct tg_memory_check *memory = &run->check.memory;
    struct tg_spare_edge *spare = NULL;
    size_t n = 0;
    TG_TRY(tg_edges_spare(&memory->paths, memory->pairs, memory->n_kept, &spare, &n));
    struct tg_spare_edges edges = {.n_edges = run->result.n_edges};
    for (size_t i = 0; i < n; i++) {
        if (spare[i].reason == TG_SPARE_REDUNDANT) edges.n_redundant++;
        else edges.n_no_conflict++;
    }
    enum tg_status status = time_again(run, spare, n, &edges);
    if (status == TG_OK) status = tg_sized_give(&sized, out, &edges);
    if (status == TG_OK && stream) print_all(run, &edges, spare, stream);
    free(spare);
    return status;
}
