/* What happened in a run, from its record. */
#include "host/host.h"
#include "os/state.h"
#include "trace/analysis.h"
#include "trace/chrome.h"
#include "trace/dot.h"
#include "trace/report.h"
#include "trace/summary.h"

/* What is known of a run, while somebody looks at it. */
struct look {
    struct tg_index index;
    struct tg_findings findings;
};

static enum tg_status look_init(struct look *look, const struct tg_run *run)
{
    if (!run->config.record)
        return tg_error(TG_ERR_ARGUMENT, "the run was opened without record; set tg_run_config.record");
    if (!run->launched) return tg_error(TG_ERR_ARGUMENT, "the run was not launched yet; call tg_run_wait first");
    TG_TRY(tg_index_init(&look->index, &run->record));
    enum tg_status status = tg_analyse(&look->index, &look->findings);
    if (status != TG_OK) tg_index_fini(&look->index);
    return status;
}

static void look_fini(struct look *look)
{
    tg_findings_fini(&look->findings);
    tg_index_fini(&look->index);
}

enum tg_status tg_run_analyse(const struct tg_run *run, struct tg_analysis *out)
{
    TG_OWN_STATE;
    struct look look;
    TG_TRY(look_init(&look, run));
    *out = look.findings.figures;
    look_fini(&look);
    return TG_OK;
}

enum tg_status tg_run_print_summary(const struct tg_run *run, FILE *stream)
{
    TG_OWN_STATE;
    struct look look;
    TG_TRY(look_init(&look, run));
    tg_summary_print(&run->record, &look.findings, stream);
    look_fini(&look);
    return TG_OK;
}

enum tg_status tg_run_write_trace(const struct tg_run *run, const char *path)
{
    TG_OWN_STATE;
    struct look look;
    TG_TRY(look_init(&look, run));
    enum tg_status status = tg_chrome_write(&look.index, path);
    look_fini(&look);
    return status;
}

enum tg_status tg_run_write_graph(const struct tg_run *run, const char *path)
{
    TG_OWN_STATE;
    struct look look;
    TG_TRY(look_init(&look, run));
    enum tg_status status = tg_dot_write(&look.index, &look.findings, path);
    look_fini(&look);
    return status;
}

enum tg_status tg_run_write_report(const struct tg_run *run, const char *path)
{
    TG_OWN_STATE;
    struct look look;
    TG_TRY(look_init(&look, run));
    enum tg_status status = tg_report_write(&look.index, &look.findings, path);
    look_fini(&look);
    return status;
}
