/*
 * bench_launch: the cost of a launch on platform cpu, besides its kernels.
 *
 * Two programs: four empty tasks, and Case2 of paged attention (16 tasks). Each is launched many times, from opening a
 * run to closing it: the first launch of a freshly loaded program, further launches, which build the graph again, and
 * replays of a kept graph. `beside` is the time of a launch less that of its kernels; the kernels' time is that of a
 * recorded run, shared out among the workers. A JSON array follows the table.
 *
 *     bench_launch [FIRST [FURTHER]]    numbers of first launches, and of further ones
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <tilegraph/tilegraph.h>

#include "failure.h"
#include "file.h"

enum { N_FIRST = 40, N_FURTHER = 4000, N_TENSORS_MAX = 7 };

static const char attention_folder[] = TG_BENCH_BUILD_DIR "/examples/aicpu_build_graph/paged_attention";

enum kind { FIRST, SECOND, REPLAY, N_KINDS };
static const char *const kind_names[N_KINDS] = {"first", "second", "replay"};

/* A program and its tensors. */
struct subject {
    const char *name;
    uint64_t n_tasks;
    struct tg_tensor tensors[N_TENSORS_MAX];
    size_t n_tensors;
    bool attention;
};

static void check(enum tg_status status)
{
    if (status == TG_OK) return;
    fprintf(stderr, "bench_launch: %s: %s\n", tg_status_name(status), tg_last_message());
    exit(tg_status_exit_code(status));
}

static void *need(void *memory)
{
    if (memory) return memory;
    fprintf(stderr, "bench_launch: no memory\n");
    exit(5);
}

static double now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return 1e6 * (double)now.tv_sec + 1e-3 * (double)now.tv_nsec;
}

/* ---- programs ---- */

static void *read_in(const char *folder, const char *name, size_t *n_bytes)
{
    struct failure failure;
    void *bytes = NULL;
    enum tg_status status = file_read_in(folder, name, &bytes, n_bytes, &failure);
    if (status == TG_OK) return bytes;
    fprintf(stderr, "bench_launch: %s\n", failure.message);
    exit(tg_status_exit_code(status));
}

static void add_kernel(struct tg_program *program, int func_id, const char *folder, const char *file)
{
    size_t n_bytes;
    void *bytes = read_in(folder, file, &n_bytes);
    check(tg_program_add_kernel(program, func_id, func_id % 2 ? TG_AIV : TG_AIC, file, bytes, n_bytes));
    free(bytes);
}

static struct tg_program *load(struct tg_device *device, const struct subject *subject)
{
    static const char *const attention[] = {"aic_qk_matmul.so", "aiv_softmax_prepare.so", "aic_pv_matmul.so",
                                            "aiv_online_update.so"};
    struct tg_program *program;
    size_t n_bytes;
    check(tg_program_open(device, &program));
    for (int i = 0; i < 4; i++)
        if (subject->attention) add_kernel(program, i, attention_folder, attention[i]);
        else add_kernel(program, i, TG_BENCH_MODULE_DIR, "empty.so");
    void *bytes = subject->attention ? read_in(attention_folder, "orchestration.so", &n_bytes)
                                     : read_in(TG_BENCH_MODULE_DIR, "stream.so", &n_bytes);
    check(tg_program_set_orchestration(program, bytes, n_bytes, "orchestration"));
    free(bytes);
    return program;
}

static void empty_tasks(struct subject *subject)
{
    static int64_t words[2] = {4, 0};
    *subject = (struct subject){.name = "4 empty tasks", .n_tasks = 4, .n_tensors = 1};
    subject->tensors[0] = (struct tg_tensor){"config", words, sizeof words, 2, TG_IN};
}

/* Batch 1, 16 heads on 1 KV head, head_dim 16, 4 blocks of 16 tokens, fp32. */
static void case2(struct subject *subject)
{
    enum { HEADS = 16, HEAD_DIM = 16, BLOCK = 16, BLOCKS = 4, CACHE = BLOCKS * BLOCK * HEAD_DIM };
    static float query[HEADS * HEAD_DIM], keys[CACHE], values[CACHE], out[HEADS * HEAD_DIM];
    static int32_t table[BLOCKS] = {2, 0, 3, 1}, lengths[1] = {BLOCKS * BLOCK};
    static int64_t config[7] = {1, HEADS, 1, HEAD_DIM, BLOCK, BLOCKS, 0};
    const float scale = 0.25f;
    uint32_t bits;
    memcpy(&bits, &scale, sizeof bits);
    config[6] = bits;
    for (int i = 0; i < CACHE; i++) keys[i] = values[i] = (float)(i % 31) / 31;
    for (int i = 0; i < HEADS * HEAD_DIM; i++) query[i] = (float)(i % 17) / 17;
    const struct tg_tensor tensors[] = {
        {"query", query, sizeof query, HEADS * HEAD_DIM, TG_IN},
        {"key_cache", keys, sizeof keys, CACHE, TG_IN},
        {"value_cache", values, sizeof values, CACHE, TG_IN},
        {"block_table", table, sizeof table, BLOCKS, TG_IN},
        {"context_lens", lengths, sizeof lengths, 1, TG_IN},
        {"out", out, sizeof out, HEADS * HEAD_DIM, TG_OUT},
        {"config", config, sizeof config, 7, TG_IN},
    };
    *subject = (struct subject){.name = "Case2", .n_tasks = 16, .n_tensors = 7, .attention = true};
    memcpy(subject->tensors, tensors, sizeof tensors);
}

/* ---- launches ---- */

static struct tg_device *open_device(uint32_t workers, bool caught)
{
    struct tg_device_config config;
    struct tg_device *device;
    tg_device_config_init(&config);
    config.platform = "cpu";
    config.workers = workers;
    config.catch_faults = caught;
    check(tg_device_open(&config, &device));
    return device;
}

static void check_tasks(const struct subject *subject, const struct tg_run *run)
{
    struct tg_run_result result;
    tg_run_result(run, &result);
    if (result.n_tasks == subject->n_tasks) return;
    fprintf(stderr, "bench_launch: %llu tasks ran\n", (unsigned long long)result.n_tasks);
    exit(1);
}

/* One launch, from opening the run to closing it, in us. */
static double launch(struct tg_program *program, const struct subject *subject)
{
    struct tg_run_config config;
    struct tg_run *run;
    tg_run_config_init(&config);
    const double start = now_us();
    check(tg_run_open(program, &config, subject->tensors, subject->n_tensors, &run));
    check(tg_run_wait(run));
    check_tasks(subject, run);
    tg_run_close(run);
    return now_us() - start;
}

static void replays(struct tg_program *program, const struct subject *subject, double *us, int n)
{
    struct tg_run_config config;
    struct tg_run *run;
    tg_run_config_init(&config);
    config.build_mode = TG_BUILD_SEQUENTIAL;
    config.keep = true;
    check(tg_run_open(program, &config, subject->tensors, subject->n_tensors, &run));
    check(tg_run_wait(run));
    for (int i = 0; i < n; i++) {
        const double start = now_us();
        check(tg_run_replay(run, NULL, 0));
        us[i] = now_us() - start;
    }
    tg_run_close(run);
}

/* The kernels' time of a launch on all workers together, in us: the least of some recorded runs. */
static double kernels_us(struct tg_program *program, const struct subject *subject)
{
    double least = 0;
    for (int i = 0; i < 20; i++) {
        struct tg_run_config config;
        struct tg_run *run;
        struct tg_analysis analysis = {.size = sizeof analysis};
        tg_run_config_init(&config);
        config.record = true;
        check(tg_run_open(program, &config, subject->tensors, subject->n_tensors, &run));
        check(tg_run_wait(run));
        check(tg_run_get_analysis(run, &analysis));
        tg_run_close(run);
        const double us = 1e-3 * (double)analysis.kernel_ns;
        if (i == 0 || us < least) least = us;
    }
    return least;
}

/* ---- the table ---- */

struct point {
    const struct subject *subject;
    uint32_t workers;
    bool caught; /* faults */
    enum kind kind;
    int n;
    double p50, p99, most, kernels;
};

static int by_value(const void *left, const void *right)
{
    const double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static void summarise(struct point *point, double *us)
{
    qsort(us, (size_t)point->n, sizeof us[0], by_value);
    point->p50 = us[point->n / 2];
    point->p99 = us[point->n - 1 - point->n / 100];
    point->most = us[point->n - 1];
    printf("%-14s %7u %-6s %-7s %6d %9.1f %9.1f %9.1f %9.1f %9.1f\n", point->subject->name, point->workers,
           point->caught ? "caught" : "", kind_names[point->kind], point->n, point->p50, point->p99, point->most,
           point->kernels, point->p50 - point->kernels);
    fflush(stdout);
}

/* The three kinds of launches of one program. */
static void measure(struct point points[N_KINDS], const struct point *of, int n_first, int n_further)
{
    const struct subject *subject = of->subject;
    double *us = need(malloc((size_t)(n_first > n_further ? n_first : n_further) * sizeof *us));
    for (int kind = FIRST; kind < N_KINDS; kind++) {
        points[kind] = *of;
        points[kind].kind = (enum kind)kind;
        points[kind].n = kind == FIRST ? n_first : n_further;
    }
    for (int i = 0; i < n_first; i++) {
        struct tg_device *device = open_device(of->workers, of->caught);
        struct tg_program *program = load(device, subject);
        us[i] = launch(program, subject);
        tg_program_close(program);
        tg_device_close(device);
    }
    struct tg_device *device = open_device(of->workers, of->caught);
    struct tg_program *program = load(device, subject);
    const double kernels = kernels_us(program, subject) / of->workers;
    for (int kind = FIRST; kind < N_KINDS; kind++) points[kind].kernels = kernels;
    summarise(&points[FIRST], us);
    for (int i = 0; i < n_further; i++) us[i] = launch(program, subject);
    summarise(&points[SECOND], us);
    replays(program, subject, us, n_further);
    summarise(&points[REPLAY], us);
    tg_program_close(program);
    tg_device_close(device);
    free(us);
}

static void print_json(const struct point *points, size_t n)
{
    printf("\n[");
    for (size_t i = 0; i < n; i++) {
        const struct point *p = &points[i];
        printf("%s\n {\"bench\": \"launch\", \"program\": \"%s\", \"workers\": %u, \"catch_faults\": %s, "
               "\"launch\": \"%s\", \"runs\": %d, \"p50_us\": %.4g, \"p99_us\": %.4g, \"most_us\": %.4g, "
               "\"kernels_us\": %.4g, \"beside_us\": %.4g}",
               i ? "," : "", p->subject->name, p->workers, p->caught ? "true" : "false", kind_names[p->kind], p->n,
               p->p50, p->p99, p->most, p->kernels, p->p50 - p->kernels);
    }
    printf("\n]\n");
}

int main(int argc, char **argv)
{
    enum { N_SUBJECTS = 2, N_POINTS = N_SUBJECTS * 2 * 2 * N_KINDS };
    const int n_first = argc > 1 ? atoi(argv[1]) : N_FIRST, n_further = argc > 2 ? atoi(argv[2]) : N_FURTHER;
    if (n_first < 1 || n_further < 1) {
        fprintf(stderr, "usage: bench_launch [FIRST [FURTHER]]\n");
        return 2;
    }
    struct utsname machine;
    uname(&machine);
    printf("A launch on platform cpu, %s, %ld processors; us\n\n", machine.machine, sysconf(_SC_NPROCESSORS_ONLN));
    printf("%-14s %7s %-6s %-7s %6s %9s %9s %9s %9s %9s\n", "program", "workers", "faults", "launch", "runs", "p50",
           "p99", "most", "kernels", "beside");
    static struct subject subjects[N_SUBJECTS];
    static struct point points[N_POINTS];
    empty_tasks(&subjects[0]);
    case2(&subjects[1]);
    size_t n = 0;
    for (int s = 0; s < N_SUBJECTS; s++)
        for (uint32_t workers = 1; workers <= 2; workers++)
            for (int caught = 0; caught <= 1; caught++, n += N_KINDS) {
                const struct point of = {.subject = &subjects[s], .workers = workers, .caught = caught};
                measure(&points[n], &of, n_first, n_further);
            }
    print_json(points, N_POINTS);
    return 0;
}
