/*
 * bench_workers: the cost of a task on platform cpu, and how well the workers are used.
 *
 * The flagship's graph, built while it runs, with empty kernels and with kernels of 500 ns and 5 us. The table has
 * nanoseconds a task (time of the run over tasks) and efficiency. Efficiency compares the run with plain loops that
 * call the kernel as often on as many threads: their time, over workers times the time of the run. The loops are
 * measured before and after each run. A JSON array follows the table.
 */
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <tilegraph/tilegraph.h>

#include "failure.h"
#include "file.h"
#include "spin.h"

enum { REPEATS_MAX = 101, LARGE_REPEATS = 25 };

/* The measurements. A limit is for 2 processors; 0: no limit. */
struct row {
    uint32_t workers;
    int64_t n_tasks;
    double task_ns; /* of a kernel; 0: it is empty */
    double limit;   /* ns a task for empty kernels, else efficiency */
    bool replay;    /* of a graph that was built before */
    bool busy;      /* another process runs a loop on one of the processors */
};

static const struct row rows[] = {
    /* First: memory, of which the process says the most so far only. */
    {2, 10000000, 0, 0, false, false},      {1, 1 << 14, 0, 60, false, false},
    {1, 1 << 20, 0, 60, false, false},      {2, 1 << 14, 0, 100, false, false},
    {2, 1 << 16, 0, 0, false, false},       {2, 1 << 18, 0, 0, false, false},
    {2, 1 << 20, 0, 100, false, false},     {1, 1 << 14, 500, 0, false, false},
    {2, 1 << 14, 500, 0.85, false, false},  {2, 1 << 18, 500, 0.85, false, false},
    {2, 1 << 14, 5000, 0.97, false, false}, {4, 1 << 16, 0, 0, false, false},
    {16, 1 << 16, 0, 0, false, false},      {2, 1 << 14, 0, 50, true, false},
    {2, 1 << 18, 0, 50, true, false},       {1, 1 << 14, 0, 0, false, true},
    {2, 1 << 14, 0, 0, false, true},        {1, 1 << 18, 0, 0, false, true},
    {2, 1 << 18, 0, 0, false, true},        {1, 1 << 14, 5000, 0, false, true},
    {2, 1 << 14, 5000, 0, false, true},
};
enum { N_ROWS = sizeof rows / sizeof rows[0] };

struct point {
    int n;                     /* runs */
    double value[REPEATS_MAX]; /* [n] sorted: ns a task, or efficiency */
    struct tg_run_result result;
    long resident_kib; /* of the process, at most so far */
};

static void check(enum tg_status status)
{
    if (status == TG_OK) return;
    fprintf(stderr, "bench_workers: %s: %s\n", tg_status_name(status), tg_last_message());
    exit(tg_status_exit_code(status));
}

static void *read_module(const char *name, size_t *n_bytes)
{
    struct failure failure;
    void *bytes = NULL;
    enum tg_status status = file_read_in(TG_BENCH_MODULE_DIR, name, &bytes, n_bytes, &failure);
    if (status == TG_OK) return bytes;
    fprintf(stderr, "bench_workers: %s\n", failure.message);
    exit(tg_status_exit_code(status));
}

static struct tg_program *load(struct tg_device *device, const char *kernel)
{
    static const char *const names[] = {"QK", "SF", "PV", "UP"};
    struct tg_program *program;
    check(tg_program_open(device, &program));
    size_t n_bytes;
    void *bytes = read_module(kernel, &n_bytes);
    for (int i = 0; i < 4; i++)
        check(tg_program_add_kernel(program, i, i % 2 ? TG_AIV : TG_AIC, names[i], bytes, n_bytes));
    free(bytes);
    bytes = read_module("stream.so", &n_bytes);
    check(tg_program_set_orchestration(program, bytes, n_bytes, "orchestration"));
    free(bytes);
    return program;
}

/* Time from the start of the first task to the end of the last worker, in ns. */
static double run_once(struct tg_program *program, int64_t n_tasks, int64_t turns, struct tg_run_result *result)
{
    struct tg_run_config config;
    tg_run_config_init(&config);
    int64_t words[2] = {n_tasks, turns};
    struct tg_tensor tensor = {"config", words, sizeof words, 2, TG_IN};
    struct tg_run *run;
    check(tg_run_open(program, &config, &tensor, 1, &run));
    check(tg_run_wait(run));
    tg_run_result(run, result);
    tg_run_close(run);
    if (result->n_tasks == (uint64_t)n_tasks) return (double)(result->device_ns - result->first_start_ns);
    fprintf(stderr, "bench_workers: %llu tasks ran, %lld were meant\n", (unsigned long long)result->n_tasks,
            (long long)n_tasks);
    exit(1);
}

/* The same of n replays of one graph, into ns[]. */
static void run_replays(struct tg_program *program, int64_t n_tasks, int n, double *ns, struct tg_run_result *result)
{
    struct tg_run_config config;
    tg_run_config_init(&config);
    config.build_mode = TG_BUILD_SEQUENTIAL;
    config.keep = true;
    int64_t words[2] = {n_tasks, 0};
    struct tg_tensor tensor = {"config", words, sizeof words, 2, TG_IN};
    struct tg_run *run;
    check(tg_run_open(program, &config, &tensor, 1, &run));
    check(tg_run_wait(run));
    for (int i = 0; i < n; i++) {
        const struct tg_argument change = {.task_id = i, .index = 1, .value = (uint64_t)i};
        check(tg_run_replay(run, &change, 1));
        tg_run_result(run, result);
        ns[i] = (double)(result->device_ns - result->first_start_ns);
    }
    tg_run_close(run);
}

static int by_value(const void *left, const void *right)
{
    const double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* A busy processor slows plain loops, too, so there is no efficiency beside a competitor. */
static bool is_efficiency(const struct row *row) { return row->task_ns > 0 && !row->busy; }

static double value_of(const struct row *row, double run_ns, double alone_ns)
{
    return is_efficiency(row) ? (double)row->n_tasks * alone_ns / (row->workers * run_ns)
                              : run_ns / (double)row->n_tasks;
}

/* A process that runs a loop on the last processor until it is killed. */
static pid_t start_competitor(void)
{
    cpu_set_t set;
    const pid_t child = fork();
    if (child != 0) return child;
    sched_getaffinity(0, sizeof set, &set);
    size_t last = 0;
    for (size_t i = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET(i, &set)) last = i;
    CPU_ZERO(&set);
    CPU_SET(last, &set);
    sched_setaffinity(0, sizeof set, &set);
    for (;;) __asm__ volatile("");
}

static void end_competitor(pid_t competitor)
{
    if (competitor <= 0) return;
    kill(competitor, SIGKILL);
    waitpid(competitor, NULL, 0);
}

static void measure(const struct row *row, struct point *point)
{
    const pid_t competitor = row->busy ? start_competitor() : 0;
    struct tg_device_config config;
    struct tg_device *device;
    tg_device_config_init(&config);
    config.platform = "cpu";
    config.workers = row->workers;
    config.catch_faults = true;
    check(tg_device_open(&config, &device));
    struct tg_program *program = load(device, row->task_ns > 0 ? "spin.so" : "empty.so");
    const int64_t turns = spin_turns_of(row->task_ns);
    double replays[REPEATS_MAX];
    point->n = row->n_tasks > 1 << 16 ? LARGE_REPEATS : REPEATS_MAX;
    if (row->replay) run_replays(program, row->n_tasks, point->n, replays, &point->result);
    double before = is_efficiency(row) ? spin_alone_ns(turns, (int)row->workers) : 0;
    for (int i = 0; i < point->n; i++) {
        const double ns = row->replay ? replays[i] : run_once(program, row->n_tasks, turns, &point->result);
        const double after = is_efficiency(row) ? spin_alone_ns(turns, (int)row->workers) : 0;
        point->value[i] = value_of(row, ns, (before + after) / 2);
        before = after;
    }
    qsort(point->value, (size_t)point->n, sizeof point->value[0], by_value);
    tg_program_close(program);
    tg_device_close(device);
    end_competitor(competitor);
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    point->resident_kib = usage.ru_maxrss;
}

static const char *quantity(const struct row *row)
{
    return row->replay ? "ns, replay" : row->busy ? "ns, busy" : is_efficiency(row) ? "efficiency" : "ns a task";
}

static void print_row(const struct row *row, const struct point *p)
{
    char limit[32] = "";
    if (row->limit > 0) snprintf(limit, sizeof limit, is_efficiency(row) ? "%.2f" : "%.0f", row->limit);
    printf(is_efficiency(row) ? "%8u %10lld %8.0f %-12s %9.3f %9.3f %9.3f %9.3f %7s %11llu %12ld\n"
                              : "%8u %10lld %8.0f %-12s %9.1f %9.1f %9.1f %9.1f %7s %11llu %12ld\n",
           row->workers, (long long)row->n_tasks, row->task_ns, quantity(row), p->value[p->n / 2], p->value[0],
           p->value[p->n - 1 - p->n / 100], p->value[p->n - 1], limit,
           (unsigned long long)(p->result.peak_graph_bytes / 1024), p->resident_kib);
    fflush(stdout);
}

static void print_json(const struct point *points)
{
    printf("\n[");
    for (int i = 0; i < N_ROWS; i++) {
        const struct row *row = &rows[i];
        const struct point *p = &points[i];
        printf("%s\n {\"bench\": \"workers\", \"runtime\": \"tilegraph\", \"workers\": %u, \"tasks\": %lld, "
               "\"task_ns\": %.0f, \"quantity\": \"%s\", \"median\": %.4g, \"least\": %.4g, \"p99\": %.4g, "
               "\"most\": %.4g, "
               "\"asked\": %.4g, \"graph_kib\": %llu, \"process_kib\": %ld}",
               i ? "," : "", row->workers, (long long)row->n_tasks, row->task_ns,
               row->replay          ? "replay_ns_per_task"
               : row->busy          ? "busy_ns_per_task"
               : is_efficiency(row) ? "efficiency"
                                    : "ns_per_task",
               p->value[p->n / 2], p->value[0], p->value[p->n - 1 - p->n / 100], p->value[p->n - 1], row->limit,
               (unsigned long long)(p->result.peak_graph_bytes / 1024), p->resident_kib);
    }
    printf("\n]\n");
}

int main(void)
{
    struct utsname machine;
    uname(&machine);
    printf("The flagship's graph on platform cpu, built while it runs, %s, %ld processors, %d to %d repetitions\n\n",
           machine.machine, sysconf(_SC_NPROCESSORS_ONLN), LARGE_REPEATS, REPEATS_MAX);
    printf("%8s %10s %8s %-12s %9s %9s %9s %9s %7s %11s %12s\n", "workers", "tasks", "kernel", "quantity", "median",
           "least", "p99", "most", "asked", "graph KiB", "process KiB");
    static struct point points[N_ROWS];
    for (int i = 0; i < N_ROWS; i++) {
        measure(&rows[i], &points[i]);
        print_row(&rows[i], &points[i]);
    }
    print_json(points);
    return 0;
}
