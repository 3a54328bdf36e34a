/* Views of a run's record. */
#include <stdio.h>
#include <sys/types.h>

#include "base/sized.h"
#include "host/host.h"
#include "os/state.h"
#include "trace/analysis.h"
#include "trace/chrome.h"
#include "trace/dot.h"
#include "trace/lines.h"
#include "trace/report.h"
#include "trace/summary.h"

/* The data of a run for one view. */
struct view {
    struct tg_index index;
    struct tg_findings findings;
};

static enum tg_status view_init(struct view *view, const struct tg_run *run)
{
    if (!run->config.record)
        return tg_error(TG_ERR_ARGUMENT, "the run was opened without record; set tg_run_config.record");
    if (!run->launched) return tg_error(TG_ERR_ARGUMENT, "the run was not launched yet; call tg_run_wait first");
    TG_TRY(tg_index_init(&view->index, &run->record));
    enum tg_status status = tg_analyse(&view->index, &view->findings);
    if (status != TG_OK) tg_index_fini(&view->index);
    return status;
}

static void view_fini(struct view *view)
{
    tg_findings_fini(&view->findings);
    tg_index_fini(&view->index);
}

enum tg_status tg_run_get_analysis(const struct tg_run *run, struct tg_analysis *out)
{
    TG_OWN_STATE;
    static const struct tg_sized sized = {"tg_analysis", sizeof *out, offsetof(struct tg_analysis, launch_ns)};
    TG_REQUIRE(run);
    TG_REQUIRE(out);
    struct view view;
    TG_TRY(view_init(&view, run));
    enum tg_status status = tg_sized_give(&sized, out, &view.findings.figures);
    view_fini(&view);
    return status;
}

size_t tg_run_n_lines(const struct tg_run *run) { return run ? run->record.n_lines : 0; }

enum tg_status tg_run_get_line(const struct tg_run *run, size_t idx, struct tg_line_time *out)
{
    static const struct tg_sized sized = {"tg_line_time", sizeof *out, sizeof *out};
    TG_REQUIRE(run);
    TG_REQUIRE(out);
    if (idx >= run->record.n_lines)
        return tg_error(TG_ERR_ARGUMENT, "there is no line %zu; the run has %zu", idx, run->record.n_lines);
    const struct tg_line *line = &run->record.lines[idx];
    const struct tg_line_time time = {.size = sizeof time,
                                      .kernel = line->kernel ? line->kernel : "",
                                      .file = line->file,
                                      .instruction = tg_instruction_name(line->op),
                                      .line = line->line,
                                      .n_instructions = line->n,
                                      .work_ns = (uint64_t)(line->work_ns + 0.5),
                                      .wait_ns = (uint64_t)(line->wait_ns + 0.5)};
    return tg_sized_give(&sized, out, &time);
}

/* ---- texts ---- */

struct text_sink {
    tg_text_fn *fn;
    void *context;
};

static ssize_t write_text(void *cookie, const char *bytes, size_t n_bytes)
{
    const struct text_sink *sink = cookie;
    sink->fn(sink->context, bytes, n_bytes);
    return (ssize_t)n_bytes;
}

static enum tg_status print_advice(const struct tg_run *run, FILE *stream)
{
    TG_OWN_STATE;
    struct view view;
    TG_TRY(view_init(&view, run));
    tg_advice_print(&run->record, &view.findings, stream);
    view_fini(&view);
    return TG_OK;
}

static enum tg_status print_text(const struct tg_run *run, enum tg_text text, FILE *stream)
{
    struct tg_spare_edges edges;
    switch (text) {
    case TG_TEXT_FINDINGS: tg_run_print_findings(run, stream); return TG_OK;
    case TG_TEXT_PROOF: tg_run_print_proof(run, stream); return TG_OK;
    case TG_TEXT_SPARE_EDGES: return tg_run_spare_edges(run, &edges, stream);
    case TG_TEXT_SUMMARY: return tg_run_print_summary(run, stream);
    case TG_TEXT_ADVICE: return print_advice(run, stream);
    }
    return tg_error(TG_ERR_ARGUMENT, "there is no text %d of a run", (int)text);
}

enum tg_status tg_run_text(const struct tg_run *run, enum tg_text text, tg_text_fn *fn, void *context)
{
    TG_REQUIRE(run);
    TG_REQUIRE(fn);
    struct text_sink sink = {fn, context};
    FILE *stream = fopencookie(&sink, "w", (cookie_io_functions_t){.write = write_text});
    if (!stream) return tg_error(TG_ERR_MEMORY, "no memory for a text of a run");
    enum tg_status status = print_text(run, text, stream);
    fclose(stream);
    return status;
}

enum tg_status tg_run_print_summary(const struct tg_run *run, FILE *stream)
{
    TG_OWN_STATE;
    struct view view;
    TG_TRY(view_init(&view, run));
    tg_summary_print(&run->record, &view.findings, stream);
    view_fini(&view);
    return TG_OK;
}

enum tg_status tg_run_write_trace(const struct tg_run *run, const char *path)
{
    TG_OWN_STATE;
    struct view view;
    TG_TRY(view_init(&view, run));
    enum tg_status status = tg_chrome_write(&view.index, path);
    view_fini(&view);
    return status;
}

enum tg_status tg_run_write_graph(const struct tg_run *run, const char *path)
{
    TG_OWN_STATE;
    struct view view;
    TG_TRY(view_init(&view, run));
    enum tg_status status = tg_dot_write(&view.index, &view.findings, path);
    view_fini(&view);
    return status;
}

enum tg_status tg_run_write_headed_report(const struct tg_run *run, const char *path, const struct tg_report_head *head)
{
    TG_OWN_STATE;
    static const struct tg_sized sized = {"tg_report_head", sizeof *head, sizeof *head};
    struct tg_report_head known = {.size = sizeof known};
    if (head) TG_TRY(tg_sized_take(&sized, &known, head));
    struct view view;
    TG_TRY(view_init(&view, run));
    enum tg_status status = tg_report_write(&view.index, &view.findings, &known, path);
    view_fini(&view);
    return status;
}

enum tg_status tg_run_write_report(const struct tg_run *run, const char *path)
{
    return tg_run_write_headed_report(run, path, NULL);
}
