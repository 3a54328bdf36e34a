/*
 * bench_check: the cost of the checks: host time with and without them, and their memory.
 *
 * Paged attention with a block a task; one accumulator that is updated by a long chain of tasks; many tasks on a few
 * hundred accumulators. A run that has findings, or whose conflicts are not all ordered, ends the benchmark. A JSON
 * array follows the table.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <tilegraph/tilegraph.h>

#include "file.h"
#include "pa_problem.h"

/* [checked]: the files of a checked run also report plain loads and stores. */
static const char *const flagship_folders[2] = {TG_BENCH_BUILD_DIR "/examples/aicpu_build_graph/paged_attention",
                                                TG_BENCH_BUILD_DIR
                                                "/examples/aicpu_build_graph/paged_attention/checked"};

enum { REPEATS = 3 };

/* The measurements. limit_s: the longest time of the checked run on 2 cores; 0: no limit. */
static const struct row {
    const char *name;
    uint32_t batch;                  /* of paged attention, or 0 */
    int64_t n_tasks, n_accumulators; /* or these */
    double limit_s;
} rows[] = {
    {"PA-1 of 16 sequences", 16, 0, 0, 0},
    {"PA-1, a block a task", 256, 0, 0, 30},
    {"one accumulator, a chain", 0, 250000, 1, 0},
    {"256 accumulators", 0, 1000000, 256, 0},
};
enum { N_ROWS = sizeof rows / sizeof rows[0] };

struct point {
    double seconds[2]; /* [checked] median */
    struct tg_run_result result;
    struct tg_proof proof;
};

static _Noreturn void stop(enum tg_status status, const char *message)
{
    fprintf(stderr, "bench_check: %s: %s\n", tg_status_name(status), message);
    exit(tg_status_exit_code(status));
}

static void check(enum tg_status status)
{
    if (status != TG_OK) stop(status, tg_last_message());
}

static void *read_module(const char *folder, const char *name, size_t *n_bytes)
{
    struct failure failure;
    void *bytes = NULL;
    enum tg_status status = file_read_in(folder, name, &bytes, n_bytes, &failure);
    if (status != TG_OK) stop(status, failure.message);
    return bytes;
}

static void add_kernel(struct tg_program *program, const char *folder, int func_id, enum tg_core_type type,
                       const char *name)
{
    size_t n_bytes;
    void *bytes = read_module(folder, name, &n_bytes);
    check(tg_program_add_kernel(program, func_id, type, name, bytes, n_bytes));
    free(bytes);
}

static void set_plugin(struct tg_program *program, const char *folder, const char *name)
{
    size_t n_bytes;
    void *bytes = read_module(folder, name, &n_bytes);
    check(tg_program_set_orchestration(program, bytes, n_bytes, "orchestration"));
    free(bytes);
}

static struct tg_program *load(struct tg_device *device, const struct row *row, bool checked)
{
    static const char *const files[] = {"aic_qk_matmul.so", "aiv_softmax_prepare.so", "aic_pv_matmul.so",
                                        "aiv_online_update.so"};
    struct tg_program *program;
    check(tg_program_open(device, &program));
    if (row->batch > 0) {
        const char *folder = flagship_folders[checked];
        for (int i = 0; i < 4; i++) add_kernel(program, folder, i, i % 2 ? TG_AIV : TG_AIC, files[i]);
        set_plugin(program, folder, "orchestration.so");
    } else {
        add_kernel(program, TG_BENCH_MODULE_DIR, 0, TG_AIV, "update.so");
        set_plugin(program, TG_BENCH_MODULE_DIR, "accumulate.so");
    }
    return program;
}

/* One run; its host time. */
static double run_once(struct tg_program *program, const struct tg_tensor *tensors, size_t n, bool checked,
                       struct point *point)
{
    struct tg_run_config config;
    struct tg_run *run;
    tg_run_config_init(&config);
    config.aicpu_thread_num = 4;
    config.check = checked;
    check(tg_run_open(program, &config, tensors, n, &run));
    check(tg_run_wait(run));
    tg_run_result(run, &point->result);
    if (checked) tg_run_proof(run, &point->proof);
    tg_run_close(run);
    if (checked && !point->proof.schedule_independent) stop(TG_ERR_CHECK, "not all conflicts are ordered");
    return 1e-9 * (double)point->result.host_ns;
}

static int by_value(const void *left, const void *right)
{
    const double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static void measure(struct tg_program *const programs[2], const struct tg_tensor *tensors, size_t n,
                    struct point *point)
{
    double seconds[2][REPEATS];
    for (int i = 0; i < REPEATS; i++)
        for (int checked = 0; checked < 2; checked++)
            seconds[checked][i] = run_once(programs[checked], tensors, n, checked, point);
    for (int checked = 0; checked < 2; checked++) {
        qsort(seconds[checked], REPEATS, sizeof seconds[0][0], by_value);
        point->seconds[checked] = seconds[checked][REPEATS / 2];
    }
}

static void measure_flagship(struct tg_program *const programs[2], const struct row *row, struct point *point)
{
    struct failure failure;
    struct pa_problem p;
    struct pa_case drawn = *pa_case_by_name("PA-1");
    drawn.shape.batch = row->batch;
    enum tg_status status = pa_problem_draw(&drawn, 42, &p, &failure);
    if (status != TG_OK) stop(status, failure.message);
    const struct pa_counts n = pa_problem_counts(&p);
    const uint64_t bytes = pa_dtype_bytes(p.shape.dtype), batch = p.shape.batch;
    const struct tg_tensor tensors[] = {
        {"query", p.query, n.query * bytes, n.query, TG_IN},
        {"key_cache", p.key_cache, n.cache * bytes, n.cache, TG_IN},
        {"value_cache", p.value_cache, n.cache * bytes, n.cache, TG_IN},
        {"block_table", p.block_table, n.table * sizeof(int32_t), n.table, TG_IN},
        {"context_lens", p.context_lens, batch * sizeof(int32_t), batch, TG_IN},
        {"out", p.out, n.query * bytes, n.query, TG_OUT},
        {"config", p.config, sizeof p.config, PA_CONFIG_WORDS, TG_IN},
    };
    measure(programs, tensors, sizeof tensors / sizeof tensors[0], point);
    pa_problem_free(&p);
}

static void measure_accumulators(struct tg_program *const programs[2], const struct row *row, struct point *point)
{
    int64_t config[] = {row->n_tasks, row->n_accumulators};
    const uint64_t n = (uint64_t)row->n_accumulators * 16;
    float *data = calloc(n, sizeof *data);
    if (!data) stop(TG_ERR_MEMORY, "accumulators");
    const struct tg_tensor tensors[] = {{"config", config, sizeof config, 2, TG_IN},
                                        {"accumulators", data, n * sizeof *data, n, TG_INOUT}};
    measure(programs, tensors, 2, point);
    free(data);
}

static void print_head(void)
{
    struct utsname machine;
    uname(&machine);
    printf("Checked and unchecked runs, aicpu_build_graph on a2a3sim, %s, %ld processors, medians of %d\n"
           "Seconds of host time of the run alone, beside what is asked on 2 cores; memory: of the checks of device "
           "memory\n\n",
           machine.machine, sysconf(_SC_NPROCESSORS_ONLN), REPEATS);
    printf("%-24s %8s %9s %10s %14s %7s %10s %12s\n", "program", "tasks", "pairs", "unchecked", "checked", "times",
           "MiB", "bytes/task");
}

static void print_row(const struct row *row, const struct point *p)
{
    char checked[32];
    snprintf(checked, sizeof checked, row->limit_s > 0 ? "%.2f of %.0f" : "%.2f", p->seconds[1], row->limit_s);
    printf("%-24s %8llu %9llu %10.2f %14s %7.2f %10.1f %12.0f\n", row->name, (unsigned long long)p->result.n_tasks,
           (unsigned long long)p->proof.n_pairs, p->seconds[0], checked, p->seconds[1] / p->seconds[0],
           (double)p->proof.check_bytes / 0x1p20, (double)p->proof.check_bytes / (double)p->result.n_tasks);
    fflush(stdout);
}

static void print_json(const struct point *points)
{
    printf("\n[");
    for (int i = 0; i < N_ROWS; i++) {
        const struct point *p = &points[i];
        printf(
            "%s\n {\"bench\": \"check\", \"program\": \"%s\", \"tasks\": %llu, \"pairs\": %llu, \"unchecked_s\": %.3f, "
            "\"checked_s\": %.3f, \"check_bytes\": %llu, \"repeats\": %d}",
            i ? "," : "", rows[i].name, (unsigned long long)p->result.n_tasks, (unsigned long long)p->proof.n_pairs,
            p->seconds[0], p->seconds[1], (unsigned long long)p->proof.check_bytes, REPEATS);
    }
    printf("\n]\n");
}

int main(void)
{
    struct tg_device_config config;
    struct tg_device *device;
    tg_device_config_init(&config);
    check(tg_device_open(&config, &device));
    struct point points[N_ROWS] = {0};
    print_head();
    for (int i = 0; i < N_ROWS; i++) {
        struct tg_program *programs[2] = {load(device, &rows[i], false), load(device, &rows[i], true)};
        if (rows[i].batch > 0) measure_flagship(programs, &rows[i], &points[i]);
        else measure_accumulators(programs, &rows[i], &points[i]);
        tg_program_close(programs[0]);
        tg_program_close(programs[1]);
        print_row(&rows[i], &points[i]);
    }
    print_json(points);
    tg_device_close(device);
    return 0;
}
