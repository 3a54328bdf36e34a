/*
 * bench_guard: the cost of protection from foreign code.
 *
 * The first rows are the processor state that is restored around each kernel, beside the C library's functions for it.
 * Others are an empty task on platform cpu with one worker, with and without catch_faults.
 * The last rows are a launch of four tasks whose first kernel crashes, beside one that succeeds.
 * The table has the least and the median of the repetitions. A JSON array follows it.
 */
#include <fenv.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <tilegraph/tilegraph.h>

#include "failure.h"
#include "file.h"
#include "os/state.h"

enum { REPEATS = 25, CALLS = 1 << 20, TASKS = 1 << 16 };

static void check(enum tg_status status, enum tg_status expected)
{
    if (status == expected) return;
    fprintf(stderr, "bench_guard: %s: %s\n", tg_status_name(status), tg_last_message());
    exit(status == TG_OK ? 1 : tg_status_exit_code(status));
}

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return 1e9 * (double)now.tv_sec + (double)now.tv_nsec;
}

/* ---- the state of the thread ------------------------------------------------------------------------------------- */

static void reset_state(void)
{
    for (int i = 0; i < CALLS; i++) tg_state_reset();
}

static void enter_and_leave(void)
{
    for (int i = 0; i < CALLS; i++) {
        const struct tg_state theirs = tg_state_enter();
        tg_state_leave(&theirs);
    }
}

static void get_and_set_environment(void)
{
    fenv_t environment;
    for (int i = 0; i < CALLS; i++) {
        fegetenv(&environment);
        fesetenv(&environment);
    }
}

/* ---- launches ---------------------------------------------------------------------------------------------------- */

static void *read_module(const char *name, size_t *n_bytes)
{
    struct failure failure;
    void *bytes = NULL;
    const enum tg_status status = file_read_in(TG_BENCH_MODULE_DIR, name, &bytes, n_bytes, &failure);
    if (status == TG_OK) return bytes;
    fprintf(stderr, "bench_guard: %s\n", failure.message);
    exit(tg_status_exit_code(status));
}

struct subject {
    struct tg_device *device;
    struct tg_program *program;
    int64_t config[2]; /* of the plugin: the number of tasks */
    enum tg_status end;
};

static void open_subject(struct subject *s, bool catch_faults, bool crashes, int64_t n_tasks)
{
    struct tg_device_config config;
    size_t n_bytes;
    tg_device_config_init(&config);
    config.platform = "cpu";
    config.workers = 1;
    config.catch_faults = catch_faults;
    *s = (struct subject){.config = {n_tasks, 0}, .end = crashes ? TG_ERR_KERNEL_FAULT : TG_OK};
    check(tg_device_open(&config, &s->device), TG_OK);
    check(tg_program_open(s->device, &s->program), TG_OK);
    void *kernel = read_module(crashes ? "crash.so" : "empty.so", &n_bytes);
    for (int i = 0; i < 4; i++)
        check(tg_program_add_kernel(s->program, i, i % 2 ? TG_AIV : TG_AIC, "kernel", kernel, n_bytes), TG_OK);
    void *plugin = read_module("stream.so", &n_bytes);
    check(tg_program_set_orchestration(s->program, plugin, n_bytes, "orchestration"), TG_OK);
    free(kernel);
    free(plugin);
}

static void launch(struct subject *s)
{
    const struct tg_tensor tensor = {"config", s->config, sizeof s->config, 2, TG_IN};
    struct tg_run_config config;
    struct tg_run *run;
    tg_run_config_init(&config);
    check(tg_run_open(s->program, &config, &tensor, 1, &run), TG_OK);
    check(tg_run_wait(run), s->end);
    tg_run_close(run);
}

static void close_subject(struct subject *s)
{
    tg_program_close(s->program);
    tg_device_close(s->device);
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

struct row {
    const char *name;
    void (*loop)(void); /* NULL: launches */
    bool catch_faults, crashes;
    int64_t n; /* calls or tasks, among which the time is divided; 0: of four tasks, for a launch */
    double least_ns, median_ns;
};

static int by_value(const void *left, const void *right)
{
    const double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static void measure(struct row *row)
{
    double ns[REPEATS];
    struct subject subject;
    if (!row->loop) open_subject(&subject, row->catch_faults, row->crashes, row->n ? row->n : 4);
    for (int i = -1; i < REPEATS; i++) { /* one to warm up */
        const double start = now_ns();
        if (row->loop) row->loop();
        else launch(&subject);
        if (i >= 0) ns[i] = (now_ns() - start) / (double)(row->n ? row->n : 1);
    }
    if (!row->loop) close_subject(&subject);
    qsort(ns, REPEATS, sizeof ns[0], by_value);
    row->least_ns = ns[0];
    row->median_ns = ns[REPEATS / 2];
    printf("%-44s %12.1f %12.1f\n", row->name, row->least_ns, row->median_ns);
    fflush(stdout);
}

int main(void)
{
    struct row rows[] = {
        {.name = "state: set the default", .loop = reset_state, .n = CALLS},
        {.name = "state: set the default, restore the caller's", .loop = enter_and_leave, .n = CALLS},
        {.name = "state: fegetenv, fesetenv", .loop = get_and_set_environment, .n = CALLS},
        {.name = "empty task", .n = TASKS},
        {.name = "empty task, faults caught", .catch_faults = true, .n = TASKS},
        {.name = "launch of 4 tasks, faults caught", .catch_faults = true},
        {.name = "launch of 4 tasks, the first crashes", .catch_faults = true, .crashes = true},
    };
    enum { N_ROWS = sizeof rows / sizeof rows[0] };
    printf("Protection from foreign code, platform cpu, 1 worker, %d repetitions; ns\n\n%-44s %12s %12s\n", REPEATS, "",
           "least", "median");
    for (int i = 0; i < N_ROWS; i++) measure(&rows[i]);
    printf("\n[");
    for (int i = 0; i < N_ROWS; i++)
        printf("%s\n {\"bench\": \"guard\", \"row\": \"%s\", \"runs\": %d, \"least_ns\": %.4g, \"median_ns\": %.4g}",
               i ? "," : "", rows[i].name, REPEATS, rows[i].least_ns, rows[i].median_ns);
    printf("\n]\n");
    return 0;
}
