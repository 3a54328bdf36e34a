/* The findings of a checked run, for whoever looks at it afterwards. */
#include <inttypes.h>

#include "host/host.h"

static const char *text_of(const char *text) { return text ? text : ""; }

size_t tg_run_n_findings(const struct tg_run *run) { return run->check.findings.n; }

void tg_run_finding(const struct tg_run *run, size_t idx, struct tg_finding *out)
{
    const struct tg_finding_item *item = &run->check.findings.items[idx];
    *out = (struct tg_finding){.code = item->code,
                               .count = item->count,
                               .what = text_of(item->what),
                               .where = text_of(item->where),
                               .mend = text_of(item->mend)};
}

void tg_run_print_findings(const struct tg_run *run, FILE *stream)
{
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
        return tg_error(TG_ERR_MEMORY, "no memory for what the checks found");
    if (found->n == 0) return status;
    const char *lost = found->lost ? ", and more for which there was no memory" : "";
    if (status == TG_OK) return tg_error(TG_ERR_CHECK, "%zu findings%s", found->n, lost);
    return tg_error(TG_ERR_CHECK, "%zu findings%s; the run failed with %s: %s", found->n, lost, tg_status_name(status),
                    tg_last_message());
}
