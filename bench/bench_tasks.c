/*
 * bench_tasks: the simulator's cost of a task, against the size of the graph.
 *
 * The flagship's graph with empty kernels is built while it runs. Printed: tasks a second of host time (median, least
 * and most of the repetitions), host memory of the graph, and device time a task. A JSON array follows the table.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <tilegraph/tilegraph.h>

#include "failure.h"
#include "file.h"

enum { REPEATS = 9 };

static const int64_t sizes[] = {1 << 10, 1 << 12, 1 << 14, 1 << 16, 1 << 18, 1 << 20};

struct point {
    int64_t n_tasks;
    double rate[REPEATS]; /* tasks a second, sorted */
    struct tg_run_result result;
    long resident_kib;
};

static _Noreturn void stop(enum tg_status status)
{
    fprintf(stderr, "bench_tasks: %s: %s\n", tg_status_name(status), tg_last_message());
    exit(tg_status_exit_code(status));
}

static void check(enum tg_status status)
{
    if (status != TG_OK) stop(status);
}

static void *read_module(const char *name, size_t *n_bytes)
{
    struct failure failure;
    void *bytes = NULL;
    enum tg_status status = file_read_in(TG_BENCH_MODULE_DIR, name, &bytes, n_bytes, &failure);
    if (status == TG_OK) return bytes;
    fprintf(stderr, "bench_tasks: %s\n", failure.message);
    exit(tg_status_exit_code(status));
}

static struct tg_program *load(struct tg_device *device)
{
    static const char *const names[] = {"QK", "SF", "PV", "UP"};
    struct tg_program *program;
    check(tg_program_open(device, &program));
    size_t n_bytes;
    void *bytes = read_module("empty.so", &n_bytes);
    for (int i = 0; i < 4; i++)
        check(tg_program_add_kernel(program, i, i % 2 ? TG_AIV : TG_AIC, names[i], bytes, n_bytes));
    free(bytes);
    bytes = read_module("stream.so", &n_bytes);
    check(tg_program_set_orchestration(program, bytes, n_bytes, "orchestration"));
    free(bytes);
    return program;
}

static void run_once(struct tg_program *program, int64_t n_tasks, struct tg_run_result *result)
{
    struct tg_run_config config;
    tg_run_config_init(&config);
    struct tg_tensor tensor = {"config", &n_tasks, sizeof n_tasks, 1, TG_IN};
    struct tg_run *run;
    check(tg_run_open(program, &config, &tensor, 1, &run));
    check(tg_run_wait(run));
    tg_run_result(run, result);
    tg_run_close(run);
    if (result->n_tasks == (uint64_t)n_tasks) return;
    fprintf(stderr, "bench_tasks: %llu tasks ran, %lld were meant\n", (unsigned long long)result->n_tasks,
            (long long)n_tasks);
    exit(1);
}

static int by_value(const void *left, const void *right)
{
    const double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static void measure(struct tg_program *program, struct point *point)
{
    for (int i = 0; i < REPEATS; i++) {
        run_once(program, point->n_tasks, &point->result);
        point->rate[i] = (double)point->n_tasks * 1e9 / (double)point->result.host_ns;
    }
    qsort(point->rate, REPEATS, sizeof point->rate[0], by_value);
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    point->resident_kib = usage.ru_maxrss;
}

static void print_table(const struct point *points, size_t n)
{
    struct utsname machine;
    uname(&machine);
    printf("Empty tasks through aicpu_build_graph on a2a3sim, one host thread, %s, %ld processors, %d repetitions\n\n",
           machine.machine, sysconf(_SC_NPROCESSORS_ONLN), REPEATS);
    printf("%10s %14s %12s %12s %12s %14s %14s\n", "tasks", "tasks/s median", "least", "most", "graph KiB",
           "process KiB", "device ns/task");
    for (size_t i = 0; i < n; i++) {
        const struct point *p = &points[i];
        printf("%10lld %14.0f %12.0f %12.0f %12llu %14ld %14.1f\n", (long long)p->n_tasks, p->rate[REPEATS / 2],
               p->rate[0], p->rate[REPEATS - 1], (unsigned long long)(p->result.peak_graph_bytes / 1024),
               p->resident_kib, (double)p->result.device_ns / (double)p->n_tasks);
    }
}

static void print_json(const struct point *points, size_t n)
{
    printf("\n[");
    for (size_t i = 0; i < n; i++) {
        const struct point *p = &points[i];
        printf(
            "%s\n {\"bench\": \"tasks\", \"tasks\": %lld, \"tasks_per_s_median\": %.0f, \"tasks_per_s_least\": %.0f, "
            "\"tasks_per_s_most\": %.0f, \"graph_bytes\": %llu, \"process_kib\": %ld, \"device_ns\": %llu}",
            i ? "," : "", (long long)p->n_tasks, p->rate[REPEATS / 2], p->rate[0], p->rate[REPEATS - 1],
            (unsigned long long)p->result.peak_graph_bytes, p->resident_kib, (unsigned long long)p->result.device_ns);
    }
    printf("\n]\n");
}

int main(void)
{
    struct tg_device_config config;
    struct tg_device *device;
    tg_device_config_init(&config);
    check(tg_device_open(&config, &device));
    struct tg_program *program = load(device);

    struct point points[sizeof sizes / sizeof sizes[0]];
    enum { N = sizeof sizes / sizeof sizes[0] };
    for (size_t i = 0; i < N; i++) {
        points[i] = (struct point){.n_tasks = sizes[i]};
        measure(program, &points[i]);
    }
    print_table(points, N);
    print_json(points, N);
    tg_program_close(program);
    tg_device_close(device);
    return 0;
}
