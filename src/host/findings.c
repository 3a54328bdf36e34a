/* The findings of a checked run, and its proof. */
#include <inttypes.h>

#include "base/sized.h"
#include "host/host.h"
#include "os/state.h"

static const char *text_of(const char *text) { return text ? text : ""; }

size_t tg_run_n_findings(const struct tg_run *run) { return run ? run->check.findings.n : 0; }

enum tg_status tg_run_get_finding(const struct tg_run *run, size_t idx, struct tg_finding *out)
{
    static const struct tg_sized sized = {"tg_finding", sizeof *out, sizeof *out};
    static const struct tg_finding nothing = {.what = "", .where = "", .mend = ""};
    TG_REQUIRE(run);
    TG_REQUIRE(out);
    const size_t n = tg_run_n_findings(run);
    if (idx >= n) {
        TG_TRY(tg_sized_give(&sized, out, &nothing));
        return tg_error(TG_ERR_ARGUMENT, "there is no finding %zu; the run has %zu", idx, n);
    }
    const struct tg_finding_item *item = &run->check.findings.items[idx];
    const struct tg_finding finding = {.code = item->code,
                                       .count = item->count,
                                       .what = text_of(item->what),
                                       .where = text_of(item->where),
                                       .mend = text_of(item->mend)};
    return tg_sized_give(&sized, out, &finding);
}

/* Findings that break the proof: missing orders, and accesses outside the proof. */
static bool breaks_proof(enum tg_finding_code code)
{
    switch (code) {
    case TG_FINDING_PIPE_RAW:
    case TG_FINDING_PIPE_WAR:
    case TG_FINDING_PIPE_WAW:
    case TG_FINDING_FLAG_NO_SET:
    case TG_FINDING_SCHEDULE_DIFFERENCE:
    case TG_FINDING_TASK_RACE:
    case TG_FINDING_BUILDER_RACE:
    case TG_FINDING_LINE_RACE:
    case TG_FINDING_GM_HOST_ADDRESS:
    case TG_FINDING_GM_FROM_HOST:
    case TG_FINDING_KERNEL_NOT_DRAINED:
    case TG_FINDING_STORE_NOT_FLUSHED:
    case TG_FINDING_KERNEL_STATE: return true;
    default: return false;
    }
}

/* The first finding that breaks the proof; NULL: no such finding. */
static const struct tg_finding_item *first_break(const struct tg_finding_list *found)
{
    for (size_t i = 0; i < found->n; i++)
        if (breaks_proof(found->items[i].code)) return &found->items[i];
    return NULL;
}

/* Do edges order all conflicts of a run that went to its end, as far as its accesses are observed? */
static bool is_ordered(const struct tg_run *run)
{
    const struct tg_memory_check *memory = &run->check.memory;
    const struct tg_finding_list *found = &run->check.findings;
    return run->result.has_outputs && memory->n_unordered == 0 && !tg_memory_check_lost(memory) && !found->lost &&
           found->n_beyond == 0 && !first_break(found);
}

static void prove(const struct tg_run *run, struct tg_proof *proof)
{
    if (!run->config.check || !run->launched) return;
    const struct tg_memory_check *memory = &run->check.memory;
    proof->n_tasks = run->result.n_tasks;
    proof->n_pairs = memory->n_pairs;
    proof->n_unordered = memory->n_unordered;
    proof->n_sums = memory->n_sums;
    proof->check_bytes = tg_memory_check_bytes(memory);
    tg_host_check_unseen(run, NULL, &proof->n_unseen);
    proof->schedule_independent = is_ordered(run) && memory->n_sums == 0;
}

enum tg_status tg_run_get_proof(const struct tg_run *run, struct tg_proof *out)
{
    static const struct tg_sized sized = {"tg_proof", sizeof *out, offsetof(struct tg_proof, n_sums)};
    TG_REQUIRE(run);
    TG_REQUIRE(out);
    struct tg_proof proof = {0};
    prove(run, &proof);
    return tg_sized_give(&sized, out, &proof);
}

static void print_unseen(void *stream, const char *what, const char *name, const char *function)
{
    fprintf(stream, "check: note: FOOTPRINT_UNKNOWN: %s%s%s ", what, *name ? " " : "", name);
    if (function)
        fprintf(stream, "calls %s: what that does to device memory, or keeps between two calls, is not known\n",
                function);
    else
        fprintf(stream,
                "was compiled without -fsanitize=thread -DTG_CHECKED: what it does to device memory by plain loads "
                "and stores is not known\n");
}

void tg_run_print_proof(const struct tg_run *run, FILE *stream)
{
    TG_OWN_STATE;
    if (!run->config.check || !run->launched) return;
    struct tg_proof proof;
    tg_run_proof(run, &proof);
    uint32_t n_unseen;
    tg_host_check_unseen(run, &(struct tg_unseen){print_unseen, stream}, &n_unseen);
    if (!run->result.has_outputs) return;
    if (is_ordered(run)) {
        fprintf(stream,
                "check: schedule-independent%s: %" PRIu64 " tasks, %" PRIu64
                " conflicting pairs, all ordered, for this input%s",
                proof.n_sums > 0 ? " up to the rounding of sums" : "", proof.n_tasks, proof.n_pairs,
                n_unseen > 0 ? " and as far as accesses are known" : "; every access is seen");
        if (proof.n_sums > 0)
            fprintf(stream, "; the order of %" PRIu64 " floating-point additions is open and may change last bits",
                    proof.n_sums);
        fputc('\n', stream);
    } else if (proof.n_unordered > 0)
        fprintf(stream,
                "check: not schedule-independent: %" PRIu64 " tasks, %" PRIu64 " conflicting pairs, %" PRIu64
                " conflicts not ordered\n",
                proof.n_tasks, proof.n_pairs, proof.n_unordered);
    else if (first_break(&run->check.findings))
        fprintf(stream, "check: schedule-independence is not proven, because of %s\n",
                tg_finding_name(first_break(&run->check.findings)->code));
}

void tg_run_print_findings(const struct tg_run *run, FILE *stream)
{
    TG_OWN_STATE;
    for (size_t i = 0; i < tg_run_n_findings(run); i++) {
        struct tg_finding f;
        tg_run_finding(run, i, &f);
        fprintf(stream, "check: %s: %s\n", tg_finding_name(f.code), f.what);
        fprintf(stream, "  where: %s", f.where);
        if (f.count > 1) fprintf(stream, "; %" PRIu64 " times in all", f.count);
        fprintf(stream, "\n  mend:  %s\n", f.mend);
    }
    uint64_t beyond = run->check.findings.n_beyond;
    if (beyond > 0) fprintf(stream, "check: %" PRIu64 " more occurrences of other findings are not listed\n", beyond);
}

enum tg_status tg_host_judge(const struct tg_run *run, enum tg_status status)
{
    const struct tg_finding_list *found = &run->check.findings;
    if (found->n == 0 && found->lost && status == TG_OK)
        return tg_error(TG_ERR_MEMORY, "no memory for what other schedules showed");
    if (found->n == 0) return status;
    const char *lost = found->lost ? ", and more for which there was no memory" : "";
    if (status == TG_OK) return tg_error(TG_ERR_CHECK, "%zu finding%s%s", found->n, found->n == 1 ? "" : "s", lost);
    return tg_error(TG_ERR_CHECK, "%zu finding%s%s; the run failed with %s: %s", found->n, found->n == 1 ? "" : "s",
                    lost, tg_status_name(status), tg_last_message());
}
