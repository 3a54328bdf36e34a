/*
 * bench_flagship: the cost of the large case of paged attention on this computer, step by step.
 *
 * PA-1 (batch 256, context 8192, bf16: 1 GiB of cache) with a block a task and with 64, and smaller batches of it, to
 * see how the time grows with the number of tasks. Drawing inputs, the simulation with all data, and the golden are
 * timed apart; a result that is wrong ends the benchmark. A JSON array follows the table.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <tilegraph/tilegraph.h>

#include "file.h"
#include "pa_golden.h"
#include "pa_problem.h"

enum { REPEATS = 3 };

static const char folder[] = TG_BENCH_BUILD_DIR "/examples/aicpu_build_graph/paged_attention";

/* The measurements. A limit is for 2 cores; 0: no limit. */
static const struct {
    uint32_t batch;
    int64_t blocks_per_task;
    double limit_s, setup_limit_s; /* of the simulation; of inputs and golden together */
} rows[] = {
    {16, 1, 0, 0}, {64, 1, 0, 0}, {256, 1, 10, 10}, {16, 64, 0, 0}, {64, 64, 0, 0}, {256, 64, 5, 10},
};
enum { N_ROWS = sizeof rows / sizeof rows[0] };

struct times {
    double inputs_s, simulation_s, golden_s;
    double simulation_cpu_s; /* processor time of the simulation's one thread: its time on an idle computer */
};

struct point {
    struct times run[REPEATS], median;
    struct tg_run_result result;
    long resident_kib; /* of the process, at most so far */
};

static double seconds_of(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void check(enum tg_status status)
{
    if (status == TG_OK) return;
    fprintf(stderr, "bench_flagship: %s: %s\n", tg_status_name(status), tg_last_message());
    exit(tg_status_exit_code(status));
}

static void check_own(enum tg_status status, const struct failure *failure)
{
    if (status == TG_OK) return;
    fprintf(stderr, "bench_flagship: %s: %s\n", tg_status_name(status), failure->message);
    exit(tg_status_exit_code(status));
}

static void *read_module(const char *name, size_t *n_bytes)
{
    struct failure failure;
    void *bytes = NULL;
    check_own(file_read_in(folder, name, &bytes, n_bytes, &failure), &failure);
    return bytes;
}

static struct tg_program *load(struct tg_device *device)
{
    static const char *const files[] = {"aic_qk_matmul.so", "aiv_softmax_prepare.so", "aic_pv_matmul.so",
                                        "aiv_online_update.so"};
    struct tg_program *program;
    size_t n_bytes;
    check(tg_program_open(device, &program));
    for (int i = 0; i < 4; i++) {
        void *bytes = read_module(files[i], &n_bytes);
        check(tg_program_add_kernel(program, i, i % 2 ? TG_AIV : TG_AIC, files[i], bytes, n_bytes));
        free(bytes);
    }
    void *bytes = read_module("orchestration.so", &n_bytes);
    check(tg_program_set_orchestration(program, bytes, n_bytes, "orchestration"));
    free(bytes);
    return program;
}

static void simulate(struct tg_program *program, struct pa_problem *p, struct tg_run_result *result)
{
    const struct pa_counts n = pa_problem_counts(p);
    const uint64_t bytes = pa_dtype_bytes(p->shape.dtype), batch = p->shape.batch;
    const struct tg_tensor tensors[] = {
        {"query", p->query, n.query * bytes, n.query, TG_IN},
        {"key_cache", p->key_cache, n.cache * bytes, n.cache, TG_IN},
        {"value_cache", p->value_cache, n.cache * bytes, n.cache, TG_IN},
        {"block_table", p->block_table, n.table * sizeof(int32_t), n.table, TG_IN},
        {"context_lens", p->context_lens, batch * sizeof(int32_t), batch, TG_IN},
        {"out", p->out, n.query * bytes, n.query, TG_OUT},
        {"config", p->config, sizeof p->config, PA_CONFIG_WORDS, TG_IN},
    };
    struct tg_run_config config;
    struct tg_run *run;
    tg_run_config_init(&config);
    config.aicpu_thread_num = 4; /* as published: one builds, three schedule */
    check(tg_run_open(program, &config, tensors, sizeof tensors / sizeof tensors[0], &run));
    check(tg_run_wait(run));
    tg_run_result(run, result);
    tg_run_close(run);
}

static void compare(const struct pa_problem *problem)
{
    struct failure failure;
    struct pa_golden golden;
    struct pa_comparison comparison;
    check_own(pa_golden_compute(problem, &golden, &failure), &failure);
    pa_golden_compare(problem, &golden, &comparison);
    pa_golden_free(&golden);
    if (comparison.pass) return;
    fprintf(stderr, "bench_flagship: %llu elements are wrong\n", (unsigned long long)comparison.n_mismatches);
    exit(1);
}

static struct times run_once(struct tg_program *program, int row, struct tg_run_result *result)
{
    struct failure failure;
    struct pa_problem problem;
    struct pa_case drawn = *pa_case_by_name("PA-1");
    drawn.shape.batch = rows[row].batch;
    const double start = seconds_of(CLOCK_MONOTONIC);
    check_own(pa_problem_draw(&drawn, 42, &problem, &failure), &failure);
    problem.config[PA_CONFIG_BLOCKS_PER_TASK] = rows[row].blocks_per_task;
    const double drawn_at = seconds_of(CLOCK_MONOTONIC);
    const double cpu_before = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
    simulate(program, &problem, result);
    const double cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID) - cpu_before;
    const double simulated_at = seconds_of(CLOCK_MONOTONIC);
    compare(&problem);
    const double compared_at = seconds_of(CLOCK_MONOTONIC);
    pa_problem_free(&problem);
    return (struct times){drawn_at - start, simulated_at - drawn_at, compared_at - simulated_at, cpu};
}

static int by_value(const void *left, const void *right)
{
    const double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static double median(double a, double b, double c)
{
    double values[REPEATS] = {a, b, c};
    qsort(values, REPEATS, sizeof values[0], by_value);
    return values[REPEATS / 2];
}

static void measure(struct tg_program *program, int row, struct point *p)
{
    for (int i = 0; i < REPEATS; i++) p->run[i] = run_once(program, row, &p->result);
    const struct times *t = p->run;
    p->median.inputs_s = median(t[0].inputs_s, t[1].inputs_s, t[2].inputs_s);
    p->median.simulation_s = median(t[0].simulation_s, t[1].simulation_s, t[2].simulation_s);
    p->median.golden_s = median(t[0].golden_s, t[1].golden_s, t[2].golden_s);
    p->median.simulation_cpu_s = median(t[0].simulation_cpu_s, t[1].simulation_cpu_s, t[2].simulation_cpu_s);
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    p->resident_kib = usage.ru_maxrss;
}

/* "2.13 of 10", or "0.41" where nothing is asked. */
static void print_seconds(double seconds, double limit_s)
{
    char text[32];
    snprintf(text, sizeof text, limit_s > 0 ? "%.2f of %.0f" : "%.2f", seconds, limit_s);
    printf(" %12s", text);
}

static void print_row(int row, const struct point *p)
{
    const struct times *t = &p->median;
    printf("%6u %11lld %8llu %9.2f %9.2f", rows[row].batch, (long long)rows[row].blocks_per_task,
           (unsigned long long)p->result.n_tasks, t->inputs_s, t->golden_s);
    print_seconds(t->inputs_s + t->golden_s, rows[row].setup_limit_s);
    print_seconds(t->simulation_s, rows[row].limit_s);
    printf(" %9.2f %9.0f %9.2f %9.1f %9ld\n", t->simulation_cpu_s, (double)p->result.n_tasks / t->simulation_s,
           1e-6 * (double)p->result.n_instructions / t->simulation_s, 1e6 * t->simulation_s / (double)p->result.n_tasks,
           p->resident_kib / 1024);
    fflush(stdout);
}

static void print_head(void)
{
    struct utsname machine;
    uname(&machine);
    printf("PA-1 and smaller batches of it, aicpu_build_graph on a2a3sim, %s, %ld processors, medians of %d\n"
           "Seconds of host time, beside what is asked on 2 cores; CPU: processor time of the simulation, which is one "
           "thread; MiB: of the process, at most\n\n",
           machine.machine, sysconf(_SC_NPROCESSORS_ONLN), REPEATS);
    printf("%6s %11s %8s %9s %9s %12s %12s %9s %9s %9s %9s %9s\n", "batch", "blocks/task", "tasks", "inputs", "golden",
           "both", "simulation", "CPU", "tasks/s", "Minstr/s", "us/task", "MiB");
}

static void print_json(const struct point *points)
{
    printf("\n[");
    for (int i = 0; i < N_ROWS; i++) {
        const struct point *p = &points[i];
        printf("%s\n {\"bench\": \"flagship\", \"batch\": %u, \"blocks_per_task\": %lld, \"tasks\": %llu, "
               "\"instructions\": %llu, \"inputs_s\": %.3f, \"golden_s\": %.3f, \"simulation_s\": %.3f, "
               "\"simulation_cpu_s\": %.3f, \"process_kib\": %ld, \"device_ns\": %llu}",
               i ? "," : "", rows[i].batch, (long long)rows[i].blocks_per_task, (unsigned long long)p->result.n_tasks,
               (unsigned long long)p->result.n_instructions, p->median.inputs_s, p->median.golden_s,
               p->median.simulation_s, p->median.simulation_cpu_s, p->resident_kib,
               (unsigned long long)p->result.device_ns);
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

    struct point points[N_ROWS] = {0};
    print_head();
    for (int row = 0; row < N_ROWS; row++) {
        measure(program, row, &points[row]);
        print_row(row, &points[row]);
    }
    print_json(points);
    tg_program_close(program);
    tg_device_close(device);
    return 0;
}
