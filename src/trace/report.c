#include "trace/report.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/output.h"
#include "trace/cause.h"
#include "trace/column.h"
#include "trace/lines.h"
#include "trace/spans.h"
#include "trace/summary.h"

/* report.html, made part of the library when it is built; the data go to its mark. */
extern const unsigned char tg_report_page[];
extern const size_t tg_report_page_bytes;
static const char mark[] = "@DATA@";

struct page {
    const struct tg_index *index;
    const struct tg_findings *findings;
    struct tg_causes causes;
    struct tg_record_span *spans; /* [n_spans] */
    size_t n_spans;
    const char **files; /* [n_files] where tasks were added */
    uint32_t *file_of;  /* [n_tasks] position in files + 1; 0: not known */
    uint32_t n_files;
    const struct tg_report_head *head;
    const char **sources; /* [n_sources] of the kernels' lines */
    uint32_t *source_of;  /* [n_lines] position in sources */
    uint32_t n_sources;
};

/* ---- columns of tasks ---- */

typedef void value_fn(const struct page *page, uint32_t i, struct tg_column *column);

static const struct tg_record_task *task_at(const struct page *page, uint32_t i)
{
    return &page->index->record->tasks[i];
}

static int64_t since(uint64_t from, uint64_t to) { return (int64_t)(to - from); }

static void put_id(const struct page *page, uint32_t i, struct tg_column *column)
{
    tg_column_put_signed(column, (int64_t)task_at(page, i)->task_id - (i > 0 ? task_at(page, i - 1)->task_id : 0));
}

static void put_func(const struct page *page, uint32_t i, struct tg_column *column)
{
    tg_column_put(column, task_at(page, i)->func_id);
}

static void put_core(const struct page *page, uint32_t i, struct tg_column *column)
{
    tg_column_put(column, task_at(page, i)->core);
}

static void put_published(const struct page *page, uint32_t i, struct tg_column *column)
{
    uint64_t before = i > 0 ? tg_task_published(task_at(page, i - 1)) : 0;
    tg_column_put_signed(column, since(before, tg_task_published(task_at(page, i))));
}

static void put_added(const struct page *page, uint32_t i, struct tg_column *column)
{
    tg_column_put_signed(column, since(task_at(page, i)->added_ns, tg_task_published(task_at(page, i))));
}

static void put_ready(const struct page *page, uint32_t i, struct tg_column *column)
{
    tg_column_put_signed(column, since(tg_task_published(task_at(page, i)), tg_task_ready(task_at(page, i))));
}

static void put_dispatch(const struct page *page, uint32_t i, struct tg_column *column)
{
    tg_column_put_signed(column, since(tg_task_ready(task_at(page, i)), task_at(page, i)->dispatched_ns));
}

static void put_start(const struct page *page, uint32_t i, struct tg_column *column)
{
    tg_column_put_signed(column, since(task_at(page, i)->dispatched_ns, task_at(page, i)->start_ns));
}

static void put_length(const struct page *page, uint32_t i, struct tg_column *column)
{
    tg_column_put(column, tg_task_kernel_ns(task_at(page, i)));
}

static void put_complete(const struct page *page, uint32_t i, struct tg_column *column)
{
    tg_column_put_signed(column, since(task_at(page, i)->end_ns, task_at(page, i)->complete_ns));
}

static void put_memory(const struct page *page, uint32_t i, struct tg_column *column)
{
    tg_column_put(column, tg_task_memory_ns(task_at(page, i)));
}

static void put_gm(const struct page *page, uint32_t i, struct tg_column *column)
{
    tg_column_put(column, task_at(page, i)->kernel.gm_bytes);
}

static void put_instructions(const struct page *page, uint32_t i, struct tg_column *column)
{
    tg_column_put(column, task_at(page, i)->kernel.n_instructions);
}

static void put_line(const struct page *page, uint32_t i, struct tg_column *column)
{
    tg_column_put_signed(column, task_at(page, i)->line);
}

static void put_file(const struct page *page, uint32_t i, struct tg_column *column)
{
    tg_column_put(column, page->file_of[i]);
}

static void put_cause(const struct page *page, uint32_t i, struct tg_column *column)
{
    bool core = page->causes.core[i] != TG_NO_TASK, dependency = page->causes.dependency[i] != TG_NO_TASK;
    tg_column_put(column, core ? 2 : dependency ? 1 : 0);
}

static void put_who(const struct page *page, uint32_t i, struct tg_column *column)
{
    uint32_t core = page->causes.core[i], dependency = page->causes.dependency[i];
    uint32_t who = core != TG_NO_TASK ? core : dependency != TG_NO_TASK ? dependency : i;
    tg_column_put_signed(column, (int64_t)who - i);
}

static const struct {
    const char *name;
    value_fn *put;
} columns[] = {
    {"id", put_id},
    {"func", put_func},
    {"core", put_core},
    {"published", put_published},
    {"added", put_added},
    {"ready", put_ready},
    {"dispatch", put_dispatch},
    {"start", put_start},
    {"length", put_length},
    {"complete", put_complete},
    {"memory", put_memory},
    {"gm", put_gm},
    {"instructions", put_instructions},
    {"line", put_line},
    {"file", put_file},
    {"cause", put_cause},
    {"who", put_who},
};

static void write_pipes(const struct page *page, FILE *file)
{
    const struct tg_record *record = page->index->record;
    fputs(",\"pipes\":{", file);
    const char *between = "";
    for (int pipe = 0; pipe < TG_RECORD_PIPES; pipe++) {
        if (page->findings->pipe_ns[TG_AIC][pipe] + page->findings->pipe_ns[TG_AIV][pipe] == 0) continue;
        struct tg_column column;
        fputs(between, file);
        tg_column_begin(&column, file, tg_pipe_name(pipe));
        for (uint32_t i = 0; i < record->n_tasks; i++)
            tg_column_put(&column, record->tasks[i].kernel.pipe_busy_ns[pipe]);
        tg_column_end(&column);
        between = ",";
    }
    fputs("}", file);
}

static void write_tasks(const struct page *page, FILE *file)
{
    uint32_t n = (uint32_t)page->index->record->n_tasks;
    fprintf(file, ",\n\"tasks\":{\"n\":%u", n);
    for (size_t k = 0; k < sizeof columns / sizeof columns[0]; k++) {
        struct tg_column column;
        fputs(",\n", file);
        tg_column_begin(&column, file, columns[k].name);
        for (uint32_t i = 0; i < n; i++) columns[k].put(page, i, &column);
        tg_column_end(&column);
    }
    write_pipes(page, file);
    fputs("}", file);
}

/* ---- labels ---- */

/* ASCII characters at the beginning of both. */
static size_t in_common(const char *a, const char *b)
{
    size_t n = 0;
    while (a[n] && a[n] == b[n] && (unsigned char)a[n] < 0x80) n++;
    return n;
}

static void write_labels(const struct page *page, FILE *file)
{
    const struct tg_record *record = page->index->record;
    struct tg_column same;
    const char *before = "";
    fputs(",\n\"labels\":{", file);
    tg_column_begin(&same, file, "same");
    for (size_t i = 0; i < record->n_tasks; i++) {
        const char *label = record->tasks[i].label ? record->tasks[i].label : "";
        tg_column_put(&same, in_common(before, label));
        before = label;
    }
    tg_column_end(&same);
    fputs(",\n\"rest\":[", file);
    before = "";
    for (size_t i = 0; i < record->n_tasks; i++) {
        const char *label = record->tasks[i].label ? record->tasks[i].label : "";
        if (i > 0) putc(',', file);
        tg_output_json_string(file, label + in_common(before, label));
        before = label;
    }
    fputs("]}", file);
}

/* ---- edges, spans, the path ---- */

static void write_edges(const struct page *page, FILE *file)
{
    const struct tg_index *index = page->index;
    struct tg_column column;
    fprintf(file, ",\n\"edges\":{\"n\":%zu,", index->n_links);
    tg_column_begin(&column, file, "n_before");
    for (size_t i = 0; i < index->record->n_tasks; i++)
        tg_column_put(&column, index->first_before[i + 1] - index->first_before[i]);
    tg_column_end(&column);
    putc(',', file);
    tg_column_begin(&column, file, "before");
    for (uint32_t i = 0; i < index->record->n_tasks; i++)
        for (uint32_t link = index->first_before[i]; link < index->first_before[i + 1]; link++)
            tg_column_put_signed(&column, (int64_t)index->before[link] - i);
    tg_column_end(&column);
    fputs("}", file);
}

static void write_spans(const struct page *page, FILE *file)
{
    struct tg_column column;
    fprintf(file, ",\n\"spans\":{\"n\":%zu,", page->n_spans);
    tg_column_begin(&column, file, "start");
    for (size_t i = 0; i < page->n_spans; i++)
        tg_column_put_signed(&column, since(i > 0 ? page->spans[i - 1].end_ns : 0, page->spans[i].start_ns));
    tg_column_end(&column);
    putc(',', file);
    tg_column_begin(&column, file, "length");
    for (size_t i = 0; i < page->n_spans; i++) tg_column_put(&column, page->spans[i].end_ns - page->spans[i].start_ns);
    tg_column_end(&column);
    putc(',', file);
    tg_column_begin(&column, file, "kind");
    for (size_t i = 0; i < page->n_spans; i++) tg_column_put(&column, page->spans[i].kind);
    tg_column_end(&column);
    putc(',', file);
    tg_column_begin(&column, file, "thread");
    for (size_t i = 0; i < page->n_spans; i++) tg_column_put(&column, page->spans[i].thread);
    tg_column_end(&column);
    fputs("}", file);
}

static void write_path(const struct page *page, FILE *file)
{
    const struct tg_findings *f = page->findings;
    struct tg_column column;
    fprintf(file, ",\n\"path\":{\"n\":%zu,", f->n_path_parts);
    tg_column_begin(&column, file, "length");
    for (size_t i = 0; i < f->n_path_parts; i++) tg_column_put(&column, f->path[i].end_ns - f->path[i].start_ns);
    tg_column_end(&column);
    putc(',', file);
    tg_column_begin(&column, file, "bound");
    for (size_t i = 0; i < f->n_path_parts; i++) tg_column_put(&column, f->path[i].bound);
    tg_column_end(&column);
    putc(',', file);
    tg_column_begin(&column, file, "task"); /* position + 1; 0: none */
    for (size_t i = 0; i < f->n_path_parts; i++)
        tg_column_put(&column, f->path[i].task == TG_NO_TASK ? 0 : f->path[i].task + UINT64_C(1));
    tg_column_end(&column);
    fputs("}", file);
}

/* ---- figures ---- */

static void write_figures(const struct tg_analysis *a, FILE *file)
{
    fprintf(file,
            "\"device_ns\":%" PRIu64 ",\"critical_path_ns\":%" PRIu64 ",\"kernel_ns\":%" PRIu64
            ",\"unlimited_cores_ns\":%" PRIu64 ",\"free_control_ns\":%" PRIu64 ",\"free_memory_ns\":%" PRIu64
            ",\"busy\":[%.6f,%.6f],\"n_path\":%u,\"bound_by\":%u,\n\"bounds\":[",
            a->device_ns, a->critical_path_ns, a->kernel_ns, a->unlimited_cores_ns, a->free_control_ns,
            a->free_memory_ns, a->busy[TG_AIC], a->busy[TG_AIV], a->n_path, a->bound_by);
    for (int bound = 0; bound < TG_BOUNDS; bound++)
        fprintf(file, "%s{\"name\":\"%s\",\"ns\":%" PRIu64 "}", bound > 0 ? "," : "",
                tg_bound_name((enum tg_bound)bound), a->bound_ns[bound]);
    fputs("]", file);
}

static void write_kernels(const struct page *page, FILE *file)
{
    const struct tg_kernels *kernels = page->index->record->kernels;
    const char *between = "";
    fputs(",\n\"kernels\":[", file);
    for (uint32_t i = 0; i < kernels->n; i++) {
        const struct tg_kernel_use *use = &page->findings->kernels[i];
        if (use->n_tasks == 0) continue;
        fprintf(file, "%s{\"func\":%u,\"type\":\"%s\",\"name\":", between, i,
                tg_core_type_name(kernels->by_id[i].core_type));
        tg_output_json_string(file, kernels->by_id[i].name ? kernels->by_id[i].name : "?");
        fprintf(file,
                ",\"n\":%" PRIu64 ",\"total\":%" PRIu64 ",\"longest\":%" PRIu64 ",\"memory\":%" PRIu64
                ",\"path\":%" PRIu64 "}",
                use->n_tasks, use->total_ns, use->longest_ns, use->memory_ns, use->path_ns);
        between = ",";
    }
    fputs("]", file);
}

static void write_machine(const struct page *page, FILE *file)
{
    const struct tg_record *record = page->index->record;
    fputs(",\n\"cores\":[", file);
    for (uint32_t i = 0; i < record->n_cores; i++) {
        const struct tg_core_use *use = &page->findings->cores[i];
        fprintf(file, "%s[\"%s\",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 "]", i > 0 ? "," : "",
                tg_record_core_name(record, i), use->kernel_ns, use->memory_ns, use->control_ns, use->idle_ns);
    }
    fputs("],\n\"threads\":[", file);
    for (uint32_t i = 0; i < record->n_threads; i++) {
        fprintf(file, "%s[\"%s\"", i > 0 ? "," : "", record->has_builder && i == 0 ? "builder" : "scheduler");
        for (int kind = 0; kind < TG_SPAN_KINDS; kind++)
            fprintf(file, ",%" PRIu64, page->findings->threads[i].span_ns[kind]);
        fputs("]", file);
    }
    fputs("],\n\"span_kinds\":[", file);
    for (int kind = 0; kind < TG_SPAN_KINDS; kind++) fprintf(file, "%s\"%s\"", kind > 0 ? "," : "", tg_span_name(kind));
    fputs("],\n\"pipe_ns\":[", file);
    for (int type = TG_AIC; type <= TG_AIV; type++) {
        fputs(type > 0 ? ",{" : "{", file);
        for (int pipe = 0; pipe < TG_RECORD_PIPES; pipe++)
            fprintf(file, "%s\"%s\":%" PRIu64, pipe > 0 ? "," : "", tg_pipe_name(pipe),
                    page->findings->pipe_ns[type][pipe]);
        fputs("}", file);
    }
    fprintf(file, "],\n\"core_ghz\":%.6g,\"longest\":[", record->core_ghz);
    for (uint32_t i = 0; i < page->findings->n_longest; i++)
        fprintf(file, "%s%u", i > 0 ? "," : "", page->findings->longest[i]);
    fputs("],\n\"files\":[", file);
    for (uint32_t i = 0; i < page->n_files; i++) {
        if (i > 0) putc(',', file);
        tg_output_json_string(file, page->files[i]);
    }
    fputs("]", file);
}

/* ---- head ---- */

static void write_text(const char *name, const char *text, FILE *file)
{
    fprintf(file, "\"%s\":", name);
    if (text) tg_output_json_string(file, text);
    else fputs("null", file);
}

static void write_head(const struct tg_report_head *head, FILE *file)
{
    fputs(",\n\"head\":{", file);
    write_text("program", head->program, file);
    putc(',', file);
    write_text("platform", head->platform, file);
    putc(',', file);
    write_text("date", head->date, file);
    putc(',', file);
    write_text("command", head->command, file);
    fputs("}", file);
}

/* ---- lines of the kernels ---- */

/* The text of a source, to be freed; NULL: it cannot be read, or is no source of usual size. */
static char *read_source(const char *path)
{
    enum { BYTES_MAX = 1 << 20 };
    FILE *source = fopen(path, "re");
    if (!source) return NULL;
    char *text = malloc(BYTES_MAX + 1);
    const size_t n = text ? fread(text, 1, BYTES_MAX + 1, source) : 0;
    const bool whole = text && !ferror(source) && n <= BYTES_MAX;
    fclose(source);
    if (whole) {
        text[n] = '\0';
        return text;
    }
    free(text);
    return NULL;
}

static void write_lines(const struct page *page, FILE *file)
{
    const struct tg_record *record = page->index->record;
    fputs(",\n\"sources\":[", file);
    for (uint32_t i = 0; i < page->n_sources; i++) {
        char *text = read_source(page->sources[i]);
        fputs(i > 0 ? ",\n[" : "[", file);
        tg_output_json_string(file, tg_base_name(page->sources[i]));
        putc(',', file);
        if (text) tg_output_json_string(file, text);
        else fputs("null", file);
        putc(']', file);
        free(text);
    }
    fputs("],\n\"lines\":[", file);
    for (size_t i = 0; i < record->n_lines; i++) {
        const struct tg_line *line = &record->lines[i];
        fprintf(file, "%s[%" PRIu32 ",%" PRIu32 ",\"%s\",%" PRIu64 ",%.0f,%.0f]", i > 0 ? "," : "", page->source_of[i],
                line->line, tg_instruction_name(line->op), line->n, line->work_ns, line->wait_ns);
    }
    fputs("]", file);
}

/* ---- the page ---- */

static const unsigned char *find_mark(void)
{
    const unsigned char *at = tg_report_page, *end = tg_report_page + tg_report_page_bytes - (sizeof mark - 1);
    while (at < end && memcmp(at, mark, sizeof mark - 1) != 0) at++;
    return at;
}

static void write_page(const void *context, FILE *file)
{
    const struct page *page = context;
    const unsigned char *at = find_mark(), *rest = at + sizeof mark - 1;
    fwrite(tg_report_page, 1, (size_t)(at - tg_report_page), file);
    fputs("{", file);
    write_figures(&page->findings->figures, file);
    write_kernels(page, file);
    write_machine(page, file);
    write_path(page, file);
    write_tasks(page, file);
    write_labels(page, file);
    write_edges(page, file);
    write_spans(page, file);
    write_head(page->head, file);
    write_lines(page, file);
    fputs("}", file);
    fwrite(rest, 1, tg_report_page_bytes - (size_t)(rest - tg_report_page), file);
}

/* The position of a file's name, without its folders, among those that are known; it is added if it is not there. There
 * are few. */
static uint32_t file_position(struct page *page, const char *path)
{
    const char *name = tg_base_name(path);
    for (uint32_t k = 0; k < page->n_files; k++) {
        const char *known = page->files[k];
        if (known && strcmp(known, name) == 0) return k;
    }
    page->files[page->n_files] = name;
    return page->n_files++;
}

static bool find_files(struct page *page)
{
    const struct tg_record *record = page->index->record;
    page->file_of = calloc(record->n_tasks + 1, sizeof *page->file_of);
    page->files = calloc(record->n_tasks + 1, sizeof *page->files);
    if (!page->file_of || !page->files) return false;
    for (size_t i = 0; i < record->n_tasks; i++) {
        const char *path = record->tasks[i].file;
        if (i > 0 && path == record->tasks[i - 1].file) page->file_of[i] = page->file_of[i - 1];
        else if (path) page->file_of[i] = file_position(page, path) + 1;
    }
    return true;
}

/* The sources of the lines. There are few, and the lines of one mostly stand together. */
static bool find_sources(struct page *page)
{
    const struct tg_record *record = page->index->record;
    page->sources = calloc(record->n_lines + 1, sizeof *page->sources);
    page->source_of = calloc(record->n_lines + 1, sizeof *page->source_of);
    if (!page->sources || !page->source_of) return false;
    for (size_t i = 0; i < record->n_lines; i++) {
        uint32_t k = 0;
        while (k < page->n_sources && strcmp(page->sources[k], record->lines[i].file) != 0) k++;
        if (k == page->n_sources) page->sources[page->n_sources++] = record->lines[i].file;
        page->source_of[i] = k;
    }
    return true;
}

enum tg_status tg_report_write(const struct tg_index *index, const struct tg_findings *findings,
                               const struct tg_report_head *head, const char *path)
{
    struct page page = {.index = index, .findings = findings, .head = head};
    TG_TRY(tg_causes_init(&page.causes, index));
    page.spans = tg_spans_shown(index->record, &page.n_spans);
    enum tg_status status;
    if (page.spans && find_files(&page) && find_sources(&page)) status = tg_output(path, write_page, &page);
    else status = tg_error(TG_ERR_MEMORY, "no memory for a report of %zu tasks", index->record->n_tasks);
    free((void *)page.files);
    free((void *)page.sources);
    free(page.source_of);
    free(page.file_of);
    free(page.spans);
    tg_causes_fini(&page.causes);
    return status;
}
