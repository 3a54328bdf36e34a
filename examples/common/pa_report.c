#include "pa_report.h"

#include <inttypes.h>
#include <math.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "printable.h"

void pa_report_problem(struct pa_report *report, const struct pa_problem *problem)
{
    report->shape = problem->shape;
    report->shortest = report->longest = problem->context_lens[0];
    for (uint32_t b = 1; b < problem->shape.batch; b++) {
        int32_t length = problem->context_lens[b];
        if (length < report->shortest) report->shortest = length;
        if (length > report->longest) report->longest = length;
    }
}

static void json_lines(FILE *stream, const struct tg_run *run);
static char *text_of(void (*print)(FILE *stream, const struct tg_run *run), const struct tg_run *run);

static void write_part(void *stream, const char *bytes, size_t n_bytes) { (void)fwrite(bytes, 1, n_bytes, stream); }

enum tg_status pa_report_run(struct pa_report *report, const struct tg_run *run)
{
    struct failure *failure = &report->failure;
    enum tg_status status = failure_from_library(failure, tg_run_analyse(run, &report->analysis));
    if (status != TG_OK) return status;
    report->has_analysis = true;
    size_t n_bytes;
    FILE *stream = open_memstream(&report->summary, &n_bytes);
    if (stream) status = failure_from_library(failure, tg_run_print_summary(run, stream));
    if ((!stream || fclose(stream) != 0) && status == TG_OK)
        status = failure_set(failure, TG_ERR_MEMORY, "no memory for the summary of a run");
    if (status != TG_OK) return status;
    stream = open_memstream(&report->advice, &n_bytes);
    if (stream) status = failure_from_library(failure, tg_run_text(run, TG_TEXT_ADVICE, write_part, stream));
    if ((!stream || fclose(stream) != 0) && status == TG_OK)
        status = failure_set(failure, TG_ERR_MEMORY, "no memory for the advice of a run");
    report->lines_json = text_of(json_lines, run);
    if (!report->lines_json && status == TG_OK)
        status = failure_set(failure, TG_ERR_MEMORY, "no memory for the lines of a run");
    return status;
}

void pa_report_free(struct pa_report *report)
{
    free(report->summary);
    free(report->advice);
    free(report->edges);
    free(report->findings);
    free(report->proof);
    free(report->lines_json);
    free(report->checks_json);
    report->lines_json = NULL;
    report->summary = report->advice = report->edges = report->proof = report->findings = report->checks_json = NULL;
}

static const char *runtime_name(const struct pa_options *o)
{
    return o->run.runtime == TG_HOST_BUILD_GRAPH ? "host_build_graph" : "aicpu_build_graph";
}

static const char *build_mode_name(const struct pa_options *o)
{
    bool concurrent = o->run.runtime == TG_AICPU_BUILD_GRAPH && o->run.build_mode == TG_BUILD_CONCURRENT;
    return concurrent ? "concurrent" : "sequential";
}

static const char *problem_name(const struct pa_options *o) { return o->load_dir ? o->load_dir : o->drawn.name; }

/* ---- text -------------------------------------------------------------------------------------------------------- */

static double us(uint64_t ns) { return (double)ns / 1e3; }

static void print_problem(FILE *stream, const struct pa_report *r, const struct pa_options *o)
{
    const struct pa_shape *s = &r->shape;
    printable_write(stream, problem_name(o));
    fprintf(stream,
            ": batch %" PRIu32 ", heads %" PRIu32 ", KV heads %" PRIu32 ", head_dim %" PRIu32 ", block_size %" PRIu32
            ", context %" PRId32,
            s->batch, s->heads, s->kv_heads, s->head_dim, s->block_size, r->shortest);
    if (r->longest > r->shortest) fprintf(stream, " to %" PRId32, r->longest);
    fprintf(stream, ", %s%s\n", pa_dtype_name(s->dtype), o->packed ? ", packed" : "");
}

/* Processors that this process may use. */
static uint32_t n_processors(void)
{
    cpu_set_t usable;
    return sched_getaffinity(0, sizeof usable, &usable) == 0 ? (uint32_t)CPU_COUNT(&usable) : UINT32_MAX;
}

static void print_run(FILE *stream, const struct pa_report *r, const struct pa_options *o)
{
    const struct tg_run_result *t = &r->result;
    if (o->workers > 0) {
        fprintf(stream, "  platform       %s, %" PRIu32 " workers, %s\n", o->platform, o->workers,
                !o->pin                        ? "not pinned"
                : o->workers <= n_processors() ? "each on a processor"
                                               : "more than there are processors");
    } else {
        fprintf(stream, "  platform       %s, %" PRIu32 " blocks of 1 AIC and 2 AIV, %" PRIu32 " AICPU threads\n",
                o->platform, o->run.block_dim, o->run.aicpu_thread_num);
    }
    fprintf(stream, "  runtime        %s, %s\n", runtime_name(o),
            o->run.runtime == TG_HOST_BUILD_GRAPH ? "built before the launch" : build_mode_name(o));
    if (o->load_dir && o->workers > 0) fprintf(stream, "  seeds          none\n");
    else if (o->load_dir) fprintf(stream, "  seeds          schedule %" PRIu64 "\n", o->run.schedule_seed);
    else if (o->workers > 0) fprintf(stream, "  seeds          inputs %" PRIu64 "\n", o->seed);
    else fprintf(stream, "  seeds          inputs %" PRIu64 ", schedule %" PRIu64 "\n", o->seed, o->run.schedule_seed);
    fprintf(stream, "  graph          %" PRIu64 " tasks, %" PRIu64 " edges", t->n_tasks, t->n_edges);
    if (o->blocks_per_task > 1) fprintf(stream, ", up to %" PRIu32 " KV blocks a task", o->blocks_per_task);
    fputc('\n', stream);
    if (o->workers > 0) {
        fprintf(stream, "  workers used   %" PRIu32 " for AIC kernels, %" PRIu32 " for AIV kernels\n", t->n_aic,
                t->n_aiv);
    } else {
        fprintf(stream, "  cores used     %" PRIu32 " AIC, %" PRIu32 " AIV\n", t->n_aic, t->n_aiv);
    }
    fprintf(stream, "  device time    %.2f us", us(t->device_ns));
    if (o->workers > 0) fputs(", cold: the first run of the process", stream);
    fputc('\n', stream);
    if (r->n_warm > 0)
        fprintf(stream, "  warm           best %.2f us, median %.2f us of %" PRIu32 " more runs\n", us(r->warm_best_ns),
                us(r->warm_median_ns), r->n_warm);
    if (t->first_start_ns == UINT64_MAX) {
        fprintf(stream, "  overlap        no task started\n");
    } else {
        fprintf(stream, "  overlap        first task started at %.2f us, last task published at %.2f us\n",
                us(t->first_start_ns), us(t->last_publish_ns));
    }
    if (o->run.runtime == TG_AICPU_BUILD_GRAPH && t->window > o->run.window) {
        fprintf(stream, "  window         grew from %" PRIu32 " to %" PRIu32 " tasks\n", o->run.window, t->window);
    }
}

static void print_times(FILE *stream, const struct pa_report *r, const struct pa_options *o)
{
    const struct tg_run_result *t = &r->result;
    fprintf(stream, "  device time %.2f us", us(t->device_ns));
    if (o->workers > 0) fputs(" cold, the first run of the process", stream);
    if (r->n_warm > 0)
        fprintf(stream, "; warm: best %.2f us, median %.2f us of %" PRIu32 " more runs", us(r->warm_best_ns),
                us(r->warm_median_ns), r->n_warm);
    else if (t->first_start_ns != UINT64_MAX)
        fprintf(stream, "; first task started at %.2f us, last task published at %.2f us", us(t->first_start_ns),
                us(t->last_publish_ns));
    fputc('\n', stream);
}

/* The verdict, the times, and what bound the run: a line each. */
static void print_brief(FILE *stream, const struct pa_report *r, const struct pa_options *o)
{
    printable_write(stream, problem_name(o));
    fprintf(stream, " on %s: %s", o->platform, r->status == TG_OK ? "PASS" : "FAIL");
    if (r->has_result) fprintf(stream, ", %" PRIu64 " tasks, %" PRIu64 " edges", r->result.n_tasks, r->result.n_edges);
    if (r->has_comparison) fprintf(stream, ", largest error %.2e", r->comparison.max_abs_err);
    fputc('\n', stream);
    if (r->has_result) print_times(stream, r, o);
    if (!r->advice) return;
    fputs("  ", stream);
    printable_write(stream, r->advice);
}

static void print_comparison(FILE *stream, const struct pa_report *r)
{
    const struct pa_comparison *c = &r->comparison;
    fprintf(stream, "  host time      inputs %.3f s, run %.3f s, golden %.3f s\n", r->inputs_s,
            (double)r->result.host_ns * 1e-9, r->golden_s);
    if (c->n_not_finite > 0) {
        fprintf(stream,
                "  not finite     %" PRIu64 " of %" PRIu64 " elements, as they should be: the inputs hold Inf or NaN\n",
                c->n_not_finite, c->n_elements);
    }
    fprintf(stream, "  largest error  %.2e; relative to the mean |value| %.2e, tolerance %.2e\n", c->max_abs_err,
            c->max_rel_err, c->tolerance);
}

/* A page that the library has made, if there is one. It may hold names that a program has given. */
static void print_page(FILE *stream, const char *page)
{
    if (!page || !*page) return;
    printable_write(stream, page);
    fputc('\n', stream);
}

void pa_report_text(FILE *stream, const struct pa_report *report, const struct pa_options *options)
{
    if (options->quiet) {
        if (options->summary) print_page(stream, report->summary);
        return;
    }
    if (options->brief) {
        print_brief(stream, report, options);
        if (options->summary) print_page(stream, report->summary);
        return;
    }
    if (report->shape.batch > 0) print_problem(stream, report, options);
    if (report->has_result) print_run(stream, report, options);
    if (report->advice) {
        fputs("  time           ", stream);
        printable_write(stream, report->advice);
    }
    if (options->summary) print_page(stream, report->summary);
    print_page(stream, report->proof);
    print_page(stream, report->edges);
    if (report->has_comparison) print_comparison(stream, report);
    fprintf(stream, "%s\n", report->status == TG_OK ? "PASS" : "FAIL");
}

void pa_report_failure(FILE *stream, const struct pa_report *report)
{
    const enum tg_status status = report->status;
    if (report->findings) printable_write(stream, report->findings);
    if (status == TG_OK) return;
    fprintf(stream, "paged_attention: %s: %s", tg_status_name(status), tg_status_text(status));
    if (report->failure.message[0]) {
        fputs(": ", stream);
        printable_write(stream, report->failure.message);
    }
    fputc('\n', stream);
    if (tg_status_hint(status)[0]) fprintf(stream, "  hint: %s\n", tg_status_hint(status));
}

/* ---- JSON -------------------------------------------------------------------------------------------------------- */

/* A string, or null. Paths may hold any bytes: those that are no UTF-8 become U+FFFD. */
static void json_string(FILE *stream, const char *text)
{
    if (!text) {
        fputs("null", stream);
        return;
    }
    fputc('"', stream);
    while (*text) {
        const size_t n = printable_utf8_bytes(text);
        const unsigned char byte = (unsigned char)text[0], next = n == 2 ? (unsigned char)text[1] : 0;
        if (n == 0) fputs("\\ufffd", stream);
        else if (byte == '"' || byte == '\\') fprintf(stream, "\\%c", byte);
        else if (byte < 0x20 || byte == 0x7f) fprintf(stream, "\\u%04x", byte);
        else if (byte == 0xc2 && next < 0xa0) fprintf(stream, "\\u%04x", next); /* control characters, too */
        else fwrite(text, 1, n, stream);
        text += n > 0 ? n : 1;
    }
    fputc('"', stream);
}

static void json_text(FILE *stream, const char *name, const char *text)
{
    fprintf(stream, ", \"%s\": ", name);
    json_string(stream, text);
}

static void json_number(FILE *stream, const char *name, bool known, double value)
{
    fprintf(stream, ", \"%s\": ", name);
    if (known && isfinite(value)) fprintf(stream, "%.9g", value);
    else fputs("null", stream);
}

static void json_count(FILE *stream, const char *name, bool known, uint64_t value)
{
    fprintf(stream, ", \"%s\": ", name);
    if (known) fprintf(stream, "%" PRIu64, value);
    else fputs("null", stream);
}

static void json_us(FILE *stream, const char *name, bool known, uint64_t ns)
{
    fprintf(stream, ", \"%s\": ", name);
    if (known) fprintf(stream, "%" PRIu64 ".%03" PRIu64, ns / 1000, ns % 1000);
    else fputs("null", stream);
}

static void json_analysis(FILE *stream, const struct pa_report *r)
{
    const struct tg_analysis *a = &r->analysis;
    const bool known = r->has_analysis;
    json_text(stream, "bound_by", known ? tg_bound_name((enum tg_bound)a->bound_by) : NULL);
    json_us(stream, "launch_us", known, a->launch_ns);
    json_us(stream, "critical_path_us", known, a->critical_path_ns);
    if (known) fprintf(stream, ", \"busy\": {\"aic\": %.6f, \"aiv\": %.6f}", a->busy[TG_AIC], a->busy[TG_AIV]);
    else fputs(", \"busy\": null", stream);
}

static void json_shape(FILE *stream, const struct pa_report *r)
{
    const struct pa_shape *s = &r->shape;
    const bool known = s->batch > 0;
    json_text(stream, "dtype", known ? pa_dtype_name(s->dtype) : NULL);
    json_count(stream, "batch", known, s->batch);
    json_count(stream, "heads", known, s->heads);
    json_count(stream, "kv_heads", known, s->kv_heads);
    json_count(stream, "head_dim", known, s->head_dim);
    json_count(stream, "block_size", known, s->block_size);
    json_number(stream, "shortest_context", known, r->shortest);
    json_number(stream, "longest_context", known, r->longest);
}

static void json_result(FILE *stream, const struct pa_report *r)
{
    const struct tg_run_result *t = &r->result;
    const bool known = r->has_result;
    json_count(stream, "tasks", known, t->n_tasks);
    json_count(stream, "edges", known, t->n_edges);
    json_us(stream, "device_us", known, t->device_ns);
    json_us(stream, "warm_best_us", r->n_warm > 0, r->warm_best_ns);
    json_us(stream, "warm_median_us", r->n_warm > 0, r->warm_median_ns);
    json_us(stream, "first_start_us", known && t->first_start_ns != UINT64_MAX, t->first_start_ns);
    json_us(stream, "last_publish_us", known, t->last_publish_ns);
    json_count(stream, "aic_used", known, t->n_aic);
    json_count(stream, "aiv_used", known, t->n_aiv);
    json_count(stream, "window", known, t->window);
    json_count(stream, "peak_device_bytes", known, t->peak_device_bytes);
}

/* The findings as a list; each has a stable code. */
static void json_findings(FILE *stream, const struct tg_run *run)
{
    fputc('[', stream);
    for (size_t i = 0; i < tg_run_n_findings(run); i++) {
        struct tg_finding f;
        tg_run_finding(run, i, &f);
        fprintf(stream, "%s{\"code\": \"%s\", \"count\": %" PRIu64, i > 0 ? ", " : "", tg_finding_name(f.code),
                f.count);
        json_text(stream, "what", f.what);
        json_text(stream, "where", f.where);
        json_text(stream, "mend", f.mend);
        fputc('}', stream);
    }
    fputc(']', stream);
}

/* The lines of kernels with most time. */
static void json_lines(FILE *stream, const struct tg_run *run)
{
    enum { LINES_MAX = 20 };
    fputs(", \"lines\": [", stream);
    for (size_t i = 0; i < tg_run_n_lines(run) && i < LINES_MAX; i++) {
        struct tg_line_time line;
        tg_run_line(run, i, &line);
        fputs(i > 0 ? ", {\"kernel\": " : "{\"kernel\": ", stream);
        json_string(stream, line.kernel);
        json_text(stream, "file", line.file);
        json_count(stream, "line", true, line.line);
        json_text(stream, "instruction", line.instruction);
        json_count(stream, "instructions", true, line.n_instructions);
        json_us(stream, "work_us", true, line.work_ns);
        json_us(stream, "wait_us", true, line.wait_ns);
        fputc('}', stream);
    }
    fputc(']', stream);
}

enum tg_status pa_report_edges(struct pa_report *report, const struct tg_run *run)
{
    size_t n_bytes;
    enum tg_status status = TG_OK;
    FILE *stream = open_memstream(&report->edges, &n_bytes);
    if (!stream) return failure_set(&report->failure, TG_ERR_MEMORY, "no memory for the edges of a run");
    status = failure_from_library(&report->failure, tg_run_spare_edges(run, &report->spare, stream));
    if (fclose(stream) != 0 && status == TG_OK)
        status = failure_set(&report->failure, TG_ERR_MEMORY, "no memory for the edges of a run");
    return status;
}

static void json_edges(FILE *stream, const struct pa_report *r)
{
    const struct tg_spare_edges *e = &r->spare;
    json_count(stream, "redundant_edges", r->edges != NULL, e->n_redundant);
    json_count(stream, "no_conflict_edges", r->edges != NULL, e->n_no_conflict);
    json_us(stream, "without_spare_edges_us", r->edges != NULL, e->without_ns);
}

/* The proof, an object. */
static void json_proof(FILE *stream, const struct tg_run *run)
{
    struct tg_proof p;
    tg_run_proof(run, &p);
    fprintf(stream,
            "{\"schedule_independent\": %s, \"tasks\": %" PRIu64 ", \"pairs\": %" PRIu64 ", \"unordered\": %" PRIu64
            ", \"unseen\": %" PRIu32 ", \"unordered_sums\": %" PRIu64 "}",
            p.schedule_independent ? "true" : "false", p.n_tasks, p.n_pairs, p.n_unordered, p.n_unseen, p.n_sums);
}

/* What print writes, as a string to be freed; NULL: no memory. */
static char *text_of(void (*print)(FILE *stream, const struct tg_run *run), const struct tg_run *run)
{
    char *text = NULL;
    size_t n_bytes;
    FILE *stream = open_memstream(&text, &n_bytes);
    if (!stream) return NULL;
    print(stream, run);
    if (fclose(stream) == 0) return text;
    free(text);
    return NULL;
}

static void print_findings(FILE *stream, const struct tg_run *run) { tg_run_print_findings(run, stream); }

static void print_proof(FILE *stream, const struct tg_run *run) { tg_run_print_proof(run, stream); }

/* Findings and proof, as they stand in the report's object. */
static void json_checks(FILE *stream, const struct tg_run *run)
{
    fputs(", \"findings\": ", stream);
    json_findings(stream, run);
    fputs(", \"proof\": ", stream);
    json_proof(stream, run);
}

enum tg_status pa_report_findings(struct pa_report *report, const struct tg_run *run)
{
    report->findings = text_of(print_findings, run);
    report->proof = text_of(print_proof, run);
    report->checks_json = text_of(json_checks, run);
    if (report->findings && report->proof && report->checks_json) return TG_OK;
    return failure_set(&report->failure, TG_ERR_MEMORY, "no memory for the findings of a run");
}

void pa_report_json(FILE *stream, const struct pa_report *report, const struct pa_options *options)
{
    const struct pa_comparison *c = &report->comparison;
    fputs("{\"schema\": \"tilegraph/paged_attention/1\", \"tilegraph\": \"" TG_VERSION "\"", stream);
    json_text(stream, "case", problem_name(options));
    fprintf(stream, ", \"pass\": %s", report->status == TG_OK ? "true" : "false");
    json_text(stream, "status", tg_status_name(report->status));
    if (report->status != TG_OK) json_text(stream, "message", report->failure.message);
    json_text(stream, "platform", options->platform);
    json_text(stream, "isa", report->isa);
    json_text(stream, "runtime", runtime_name(options));
    json_text(stream, "build_mode", build_mode_name(options));
    json_count(stream, "seed", !options->load_dir, options->seed);
    json_count(stream, "schedule_seed", options->workers == 0, options->run.schedule_seed);
    json_count(stream, "workers", options->workers > 0, options->workers);
    json_count(stream, "blocks_per_task", true, options->blocks_per_task);
    fprintf(stream, ", \"packed\": %s", options->packed ? "true" : "false");
    json_shape(stream, report);
    json_number(stream, "max_abs_err", report->has_comparison, c->max_abs_err);
    json_number(stream, "max_rel_err", report->has_comparison, c->max_rel_err);
    json_number(stream, "tolerance", report->has_comparison, c->tolerance);
    json_count(stream, "mismatches", report->has_comparison, c->n_mismatches);
    json_count(stream, "not_finite", report->has_comparison, c->n_not_finite);
    json_result(stream, report);
    json_analysis(stream, report);
    json_edges(stream, report);
    fputs(report->checks_json ? report->checks_json : ", \"findings\": null, \"proof\": null", stream);
    fputs(report->lines_json ? report->lines_json : ", \"lines\": null", stream);
    fputs("}\n", stream);
}
