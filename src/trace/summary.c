#include "trace/summary.h"

#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "trace/lines.h"

const char *tg_pipe_name(int pipe)
{
    static const char *const names[TG_RECORD_PIPES] = {"S", "V", "M", "MTE1", "MTE2", "MTE3", "FIX"};
    return pipe >= 0 && pipe < TG_RECORD_PIPES ? names[pipe] : "?";
}

const char *tg_span_name(int kind)
{
    static const char *const names[TG_SPAN_KINDS] = {"build", "wait", "poll", "complete", "dispatch"};
    return kind >= 0 && kind < TG_SPAN_KINDS ? names[kind] : "?";
}

const char *tg_instruction_name(uint32_t op)
{
    static const char *const names[] = {
#define TG_INSTRUCTION_NAME(name, ...) #name,
        TG_INSTRUCTIONS(TG_INSTRUCTION_NAME)
#undef TG_INSTRUCTION_NAME
    };
    return op < TG_OP_COUNT ? names[op] : "?";
}

static double us(uint64_t ns) { return (double)ns / 1e3; }

static double percent(uint64_t part, uint64_t whole) { return whole > 0 ? 100.0 * (double)part / (double)whole : 0.0; }

/* ---- where the time went ---- */

static const char *what(int bound)
{
    static const char *const texts[TG_BOUNDS] = {
        "kernels at work",
        "kernels held up by others at device memory",
        "kernel end to successor ready",
        "task ready to task started",
        "the orchestration on its way to publish the task",
    };
    return texts[bound];
}

static void print_part(const char *name, uint64_t ns, const char *text, const struct tg_analysis *a, FILE *stream)
{
    if (ns > 0) fprintf(stream, "  %-14s %12.2f us %5.1f %%   %s\n", name, us(ns), percent(ns, a->device_ns), text);
}

/* Start and end of a run are a bound of their own. */
static const char launch_name[] = "start and end";

static bool is_bound_by_launch(const struct tg_analysis *a) { return a->launch_ns > tg_bound_part(a, a->bound_by); }

static void print_bounds(const struct tg_findings *f, FILE *stream)
{
    const struct tg_analysis *a = &f->figures;
    fprintf(stream, "What the %.2f us went into, followed back from the end: bound by %s\n", us(a->device_ns),
            is_bound_by_launch(a) ? launch_name : tg_bound_name((enum tg_bound)a->bound_by));
    for (uint32_t bound = 0; bound < TG_BOUNDS; bound++)
        print_part(tg_bound_name((enum tg_bound)bound), tg_bound_part(a, bound), what((int)bound), a, stream);
    print_part(launch_name, a->launch_ns, "of the run: before anything is built, after the last task", a, stream);
}

/* The kernel with the largest share of the path; NULL: no kernel ran. */
static const char *slowest_kernel(const struct tg_record *record, const struct tg_findings *f, uint64_t *path_ns)
{
    const char *name = NULL;
    *path_ns = 0;
    for (uint32_t i = 0; i < record->kernels->n; i++) {
        if (f->kernels[i].path_ns <= *path_ns) continue;
        *path_ns = f->kernels[i].path_ns;
        name = record->kernels->by_id[i].name;
    }
    return name;
}

void tg_advice_print(const struct tg_record *record, const struct tg_findings *f, FILE *stream)
{
    const struct tg_analysis *a = &f->figures;
    const uint64_t part = tg_bound_part(a, a->bound_by);
    uint64_t path_ns;
    const char *slowest = slowest_kernel(record, f, &path_ns);
    fputs("bound by ", stream);
    if (is_bound_by_launch(a))
        fprintf(stream, "%s, %.0f %%: give a run more work; then by ", launch_name,
                percent(a->launch_ns, a->device_ns));
    fprintf(stream, "%s, %.0f %%", tg_bound_name((enum tg_bound)a->bound_by), percent(part, a->device_ns));
    switch (a->bound_by) {
    case TG_BOUND_KERNEL:
        if (slowest)
            fprintf(stream, ": make %s faster, or split its tasks: it takes %.0f %%", slowest,
                    percent(path_ns, a->device_ns));
        break;
    case TG_BOUND_MEMORY:
        fprintf(stream, ": move fewer bytes; without the delays at device memory it would take %.2f us",
                us(a->free_memory_ns));
        break;
    case TG_BOUND_DEPENDENCY:
        fprintf(stream, ": make the chain of %u tasks shorter, or its tasks longer", a->n_path);
        break;
    case TG_BOUND_SCHEDULER:
        fprintf(stream, ": %s; with free control it would take %.2f us",
                record->has_workers ? "make fewer and longer tasks"
                                    : "use more control threads, or fewer and longer tasks",
                us(a->free_control_ns));
        break;
    default:
        fprintf(stream, ": publish earlier; %.0f %% of the time no task was ready", percent(f->lull_ns, f->at_work_ns));
        break;
    }
    fputc('\n', stream);
}

/* ---- kernels ---- */

static int name_width(const struct tg_record *record)
{
    size_t width = 14;
    for (uint32_t i = 0; i < record->kernels->n; i++) {
        const char *name = record->kernels->by_id[i].name;
        if (name && strlen(name) > width) width = strlen(name);
    }
    return width < 40 ? (int)width : 40;
}

static void print_kernels(const struct tg_record *record, const struct tg_findings *f, FILE *stream)
{
    int width = name_width(record);
    fprintf(stream, "Kernels %*s      tasks      mean us   longest us     total us   of the time above\n", width - 8,
            "");
    for (uint32_t i = 0; i < record->kernels->n; i++) {
        const struct tg_kernel_use *use = &f->kernels[i];
        if (use->n_tasks == 0) continue;
        fprintf(stream, "  %-*.*s %8" PRIu64 " %12.2f %12.2f %12.2f %11.2f us %5.1f %%\n", width, width,
                record->kernels->by_id[i].name, use->n_tasks, us(use->total_ns) / (double)use->n_tasks,
                us(use->longest_ns), us(use->total_ns), us(use->path_ns), percent(use->path_ns, record->device_ns));
    }
}

static void print_longest(const struct tg_record *record, const struct tg_findings *f, FILE *stream)
{
    int width = name_width(record);
    if (f->n_longest > 0) fprintf(stream, "Longest tasks\n");
    for (uint32_t i = 0; i < f->n_longest; i++) {
        const struct tg_record_task *task = &record->tasks[f->longest[i]];
        fprintf(stream, "  %-*.*s %10.2f us at %.2f us on core %u (%s), task %" PRId32 "%s%s\n", width, width,
                tg_task_name(record, task), us(tg_task_kernel_ns(task)), us(task->start_ns), task->core,
                tg_record_core_name(record, task->core), task->task_id, task->label ? ": " : "",
                task->label ? task->label : "");
    }
}

/* ---- lines of the kernels ---- */

enum { LINES_PRINTED = 8 };

/* The lines with most time; the part is of the time of all lines. */
static void print_lines(const struct tg_record *record, FILE *stream)
{
    double all = 0;
    for (size_t i = 0; i < record->n_lines; i++) all += record->lines[i].work_ns + record->lines[i].wait_ns;
    if (record->n_lines > 0 && all > 0)
        fprintf(stream, "Lines with most time of pipes%13s      work us      wait us      times\n", "");
    for (size_t i = 0; i < record->n_lines && i < LINES_PRINTED && all > 0; i++) {
        const struct tg_line *line = &record->lines[i];
        char place[64];
        snprintf(place, sizeof place, "%.48s:%" PRIu32, tg_base_name(line->file), line->line);
        fprintf(stream, "  %-38s %12.2f %12.2f %10" PRIu64 " %5.1f %%  %s\n", place, line->work_ns / 1e3,
                line->wait_ns / 1e3, line->n, 100 * (line->work_ns + line->wait_ns) / all,
                tg_instruction_name(line->op));
    }
}

/* ---- how busy ---- */

static void print_pipes(const struct tg_findings *f, int type, uint64_t whole_ns, FILE *stream)
{
    const char *between = "; pipes:";
    for (int pipe = 0; pipe < TG_RECORD_PIPES; pipe++) {
        if (f->pipe_ns[type][pipe] == 0) continue;
        fprintf(stream, "%s %s %.1f %%", between, tg_pipe_name(pipe), percent(f->pipe_ns[type][pipe], whole_ns));
        between = ",";
    }
}

static void print_cores(const struct tg_record *record, const struct tg_findings *f, int type, FILE *stream)
{
    struct tg_core_use sum = {0};
    uint32_t n = 0;
    for (uint32_t i = 0; i < record->n_cores; i++) {
        if (record->core_type[i] != (enum tg_core_type)type) continue;
        const struct tg_core_use *use = &f->cores[i];
        n++;
        sum.kernel_ns += use->kernel_ns;
        sum.memory_ns += use->memory_ns;
        sum.control_ns += use->control_ns;
        sum.idle_ns += use->idle_ns;
    }
    if (n == 0) return;
    uint64_t whole = n * record->device_ns;
    fprintf(stream, "  %2u %-11s kernel %5.1f %%, memory %4.1f %%, control %5.1f %%, idle %5.1f %%", n,
            record->has_workers ? "workers" : tg_core_type_name((enum tg_core_type)type), percent(sum.kernel_ns, whole),
            percent(sum.memory_ns, whole), percent(sum.control_ns, whole), percent(sum.idle_ns, whole));
    print_pipes(f, type, whole, stream);
    fputc('\n', stream);
}

static void print_threads(const struct tg_record *record, const struct tg_findings *f, FILE *stream)
{
    for (uint32_t i = 0; i < record->n_threads && record->n_spans > 0; i++) {
        const char *between = "";
        fprintf(stream, "  %s %u        %s", record->has_workers ? "thread" : "AICPU", i,
                record->has_builder && i == 0 ? "builder: " : "scheduler: ");
        for (int kind = 0; kind < TG_SPAN_KINDS; kind++) {
            uint64_t ns = f->threads[i].span_ns[kind];
            if (ns == 0) continue;
            fprintf(stream, "%s%s %.1f %%", between, tg_span_name(kind), percent(ns, record->device_ns));
            between = ", ";
        }
        fprintf(stream, "%s\n", *between ? "" : "idle");
    }
}

/* ---- what it would be ---- */

static void print_would_be(const char *without, uint64_t ns, const struct tg_analysis *a, FILE *stream)
{
    fprintf(stream, "  %-26s %12.2f us %5.1f %%\n", without, us(ns), percent(ns, a->device_ns));
}

void tg_summary_print(const struct tg_record *record, const struct tg_findings *findings, FILE *stream)
{
    const struct tg_analysis *a = &findings->figures;
    print_bounds(findings, stream);
    fputs("  ", stream);
    tg_advice_print(record, findings, stream);
    print_kernels(record, findings, stream);
    print_lines(record, stream);
    print_longest(record, findings, stream);
    fprintf(stream, "How busy\n");
    print_cores(record, findings, TG_AIC, stream);
    print_cores(record, findings, TG_AIV, stream);
    print_threads(record, findings, stream);
    fprintf(stream, "What it would be, estimated by timing the recorded run again\n");
    print_would_be("unlimited cores", a->unlimited_cores_ns, a, stream);
    print_would_be("free control", a->free_control_ns, a, stream);
    print_would_be("free memory", a->free_memory_ns, a, stream);
    print_would_be("longest chain of kernels", a->critical_path_ns, a, stream);
}
