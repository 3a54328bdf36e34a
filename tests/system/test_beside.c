/*
 * Hostile programs beside good ones: each of eight threads has a device of its own; half of them run what crashes,
 * loops, ends its thread or changes its state, the others demand right results. Nothing that a hostile program does may
 * show.
 *
 * TG_TEST_SEED chooses another order, TG_TEST_SECONDS a longer time.
 */
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "common/check.h"
#include "common/random.h"
#include "common/rig.h"
#include "common/script.h"
#include "modules/hostile.h"

enum { N_THREADS = 8, GM_BYTES = 32 << 20, N_GOOD_TASKS = 40, LIMIT_MS = 100 };

/* What ends at once or within the limit; a status of each. */
static const struct {
    int64_t act;
    enum tg_status status;
} acts[] = {
    {HOSTILE_SEGV, TG_ERR_KERNEL_FAULT},         {HOSTILE_BUS, TG_ERR_KERNEL_FAULT},
    {HOSTILE_FPE, TG_ERR_KERNEL_FAULT},          {HOSTILE_ILL, TG_ERR_KERNEL_FAULT},
    {HOSTILE_TRAP, TG_ERR_KERNEL_FAULT},         {HOSTILE_ABORT, TG_ERR_KERNEL_FAULT},
    {HOSTILE_OVERFLOW, TG_ERR_KERNEL_FAULT},     {HOSTILE_EXIT, TG_ERR_KERNEL_FAULT},
    {HOSTILE_EXIT_NOW, TG_ERR_KERNEL_FAULT},     {HOSTILE_END_THREAD, TG_ERR_KERNEL_FAULT},
    {HOSTILE_END_TASK, TG_ERR_KERNEL_FAULT},     {HOSTILE_BLOCK_SEGV, TG_ERR_KERNEL_FAULT},
    {HOSTILE_SPIN, TG_ERR_KERNEL_TIMEOUT},       {HOSTILE_PAUSE, TG_ERR_KERNEL_TIMEOUT},
    {HOSTILE_BLOCK_SPIN, TG_ERR_KERNEL_TIMEOUT}, {HOSTILE_MALLOC, TG_ERR_KERNEL_TIMEOUT},
};
enum { N_ACTS = sizeof acts / sizeof acts[0] };

/* Checks of a thread must not jump into the others' test: it leaves its problem here. */
struct client {
    pthread_t thread;
    uint32_t index;
    uint64_t random;
    double until;
    int n_runs;
    char problem[512];
};

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void run_hostile(struct client *client, struct rig *rig)
{
    const int i = random_below(&client->random, N_ACTS);
    struct script s;
    script_init(&s);
    script_publish(&s, script_hostile(&s, TG_AIV, acts[i].act, 0));
    rig->config.kernel_limit_ms = LIMIT_MS;
    script_run(rig, &s);
    script_fini(&s);
    if (rig->status != acts[i].status)
        snprintf(client->problem, sizeof client->problem, "act %lld: %s: %.300s", (long long)acts[i].act,
                 tg_status_name(rig->status), rig->message);
}

static void run_good(struct client *client, struct rig *rig)
{
    struct script s;
    script_init(&s);
    for (int i = 0; i < N_GOOD_TASKS; i++) {
        const int task = script_visit(&s, i % 2 ? TG_AIC : TG_AIV, 10, i > 0 ? 1 : 0, (int[]){i - 1});
        if (i > 0) script_edge(&s, task - 1, task);
    }
    for (int i = 0; i < N_GOOD_TASKS; i++) script_publish(&s, i);
    rig->config.kernel_limit_ms = 100 * LIMIT_MS;
    script_run(rig, &s);
    if (rig->status != TG_OK || script_disorder(&s) != 0)
        snprintf(client->problem, sizeof client->problem, "a good run: %s: %.300s, %d tasks out of order",
                 tg_status_name(rig->status), rig->message, script_disorder(&s));
    script_fini(&s);
}

static void *run_client(void *arg)
{
    struct client *client = arg;
    const bool hostile = client->index % 2 == 0;
    struct rig rig;
    if (client->index % 4 < 2) rig_open_workers(&rig, 2, GM_BYTES);
    else rig_open(&rig, GM_BYTES);
    script_load(&rig, RIG_CONCURRENT);
    for (; seconds_now() < client->until && !client->problem[0]; client->n_runs++) {
        if (hostile) run_hostile(client, &rig);
        else run_good(client, &rig);
    }
    rig_close(&rig);
    return NULL;
}

static double number_of(const char *variable, double otherwise)
{
    const char *text = getenv(variable);
    return text ? atof(text) : otherwise;
}

static void good_runs_are_right_beside_hostile_ones(void **state)
{
    (void)state;
    if (TEST_TSAN) SKIP("faults are not caught under the thread sanitizer");
    if (TEST_ASAN) SKIP("what a hostile program holds when it is cut off is a leak");
    static struct client clients[N_THREADS];
    const uint64_t seed = (uint64_t)number_of("TG_TEST_SEED", 1);
    const double seconds = number_of("TG_TEST_SECONDS", 3);
    print_message("seed %llu, %.0f s\n", (unsigned long long)seed, seconds);
    for (uint32_t i = 0; i < N_THREADS; i++) {
        clients[i] = (struct client){.index = i, .random = seed * N_THREADS + i, .until = seconds_now() + seconds};
        assert_int_equal(pthread_create(&clients[i].thread, NULL, run_client, &clients[i]), 0);
    }
    for (uint32_t i = 0; i < N_THREADS; i++) pthread_join(clients[i].thread, NULL);
    for (uint32_t i = 0; i < N_THREADS; i++) {
        CHECK(!clients[i].problem[0], "thread %u, run %d: %s", i, clients[i].n_runs, clients[i].problem);
        assert_true(clients[i].n_runs > 0);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(good_runs_are_right_beside_hostile_ones),
};
CHECK_MAIN(tests)
