/*
 * Hostile programs beside good ones: each of eight threads has a device of its own. Two threads run hostile kernels,
 * two run hostile plugins, and the others demand right results. Nothing that a hostile program does may show.
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

enum { N_THREADS = 8, GM_BYTES = 32 << 20, N_GOOD_TASKS = 40, LIMIT_MS = 100, LONG_LIMIT_MS = 10000 };

/* Acts that end at once or within the limit, and the end of each. */
enum end { FAULT, TIMEOUT, NO_HARM };

static const struct {
    int64_t act;
    enum end end;
} acts[] = {
    {HOSTILE_SEGV, FAULT},         {HOSTILE_BUS, FAULT},        {HOSTILE_FPE, FAULT},
    {HOSTILE_ILL, FAULT},          {HOSTILE_TRAP, FAULT},       {HOSTILE_ABORT, FAULT},
    {HOSTILE_OVERFLOW, FAULT},     {HOSTILE_SMASH, FAULT},      {HOSTILE_EXIT, FAULT},
    {HOSTILE_EXIT_NOW, FAULT},     {HOSTILE_END_THREAD, FAULT}, {HOSTILE_END_TASK, FAULT},
    {HOSTILE_BLOCK_SEGV, FAULT},   {HOSTILE_TGKILL, FAULT},     {HOSTILE_EXEC, FAULT},
    {HOSTILE_IGNORE_SEGV, FAULT},  {HOSTILE_NO_STACK, FAULT},   {HOSTILE_THREAD, FAULT},
    {HOSTILE_SPIN, TIMEOUT},       {HOSTILE_PAUSE, TIMEOUT},    {HOSTILE_BLOCK_SPIN, TIMEOUT},
    {HOSTILE_MALLOC, TIMEOUT},     {HOSTILE_SIGWAIT, TIMEOUT},  {HOSTILE_SIGSUSPEND, TIMEOUT},
    {HOSTILE_SIGSETMASK, TIMEOUT}, {HOSTILE_LIMITS, NO_HARM},   {HOSTILE_HANDLERS, NO_HARM},
    {HOSTILE_TIMER, NO_HARM},      {HOSTILE_FORK, NO_HARM},     {HOSTILE_OWN_PAGES, NO_HARM},
    {HOSTILE_UNLOAD, NO_HARM},     {HOSTILE_PAGES, NO_HARM},    {HOSTILE_SETTINGS, NO_HARM},
    {HOSTILE_DETACH, NO_HARM},     {HOSTILE_AT_END, NO_HARM},   {HOSTILE_AT_EXIT, NO_HARM},
    {HOSTILE_STOP, FAULT},         {HOSTILE_CONTEXT, FAULT},    {HOSTILE_CONTEXT_SEGV, FAULT},
    {HOSTILE_JUMP, FAULT},         {HOSTILE_LIST_SEGV, FAULT},  {HOSTILE_LIST_SPIN, TIMEOUT},
    {HOSTILE_DEADLOCK, TIMEOUT},   {HOSTILE_PIPE, NO_HARM},     {HOSTILE_ASYNC, NO_HARM},
    {HOSTILE_NOTIFY, NO_HARM},     {HOSTILE_OLD, NO_HARM},      {HOSTILE_CALLBACKS, NO_HARM},
    {HOSTILE_CLOSE_LIB, NO_HARM},  {HOSTILE_LOCK, NO_HARM},     {HOSTILE_SCHEDULE, NO_HARM},
};
static const enum tg_status kernel_ends[] = {
    [FAULT] = TG_ERR_KERNEL_FAULT, [TIMEOUT] = TG_ERR_KERNEL_TIMEOUT, [NO_HARM] = TG_OK};
static const enum tg_status plugin_ends[] = {
    [FAULT] = TG_ERR_PLUGIN_FAULT, [TIMEOUT] = TG_ERR_PLUGIN_TIMEOUT, [NO_HARM] = TG_OK};
enum { N_ACTS = sizeof acts / sizeof acts[0] };

/* Checks of a thread must not jump into the others' test: it leaves its problem here. */
struct client {
    pthread_t thread;
    uint32_t index;
    bool is_plugin; /* of the hostile ones */
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

static void run_hostile_kernel(struct rig *rig, int64_t act)
{
    struct script s;
    script_init(&s);
    script_publish(&s, script_hostile(&s, TG_AIV, act, 0));
    script_run(rig, &s);
    script_fini(&s);
}

static void run_hostile_plugin(struct rig *rig, int64_t act)
{
    uint32_t data[64] = {0};
    const struct tg_tensor tensors[] = {{"act", &act, sizeof act, 1, TG_IN}, {"data", data, sizeof data, 64, TG_INOUT}};
    rig_run(rig, tensors, 2);
}

static void run_hostile(struct client *client, struct rig *rig)
{
    const int i = random_below(&client->random, N_ACTS);
    const enum tg_status status = client->is_plugin ? plugin_ends[acts[i].end] : kernel_ends[acts[i].end];
    rig->config.kernel_limit_ms = acts[i].end == TIMEOUT ? LIMIT_MS : LONG_LIMIT_MS;
    if (client->is_plugin) run_hostile_plugin(rig, acts[i].act);
    else run_hostile_kernel(rig, acts[i].act);
    if (rig->status != status)
        snprintf(client->problem, sizeof client->problem, "%s, act %lld: %s: %.300s",
                 client->is_plugin ? "plugin" : "kernel", (long long)acts[i].act, tg_status_name(rig->status),
                 rig->message);
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
    rig->config.kernel_limit_ms = LONG_LIMIT_MS;
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
    if (hostile && client->is_plugin) rig_plugin(&rig, rig_module("hostile_plugin"), "orchestration");
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
        clients[i] = (struct client){.index = i,
                                     .is_plugin = i >= N_THREADS / 2,
                                     .random = seed * N_THREADS + i,
                                     .until = seconds_now() + seconds};
        assert_int_equal(pthread_create(&clients[i].thread, NULL, run_client, &clients[i]), 0);
    }
    for (uint32_t i = 0; i < N_THREADS; i++) pthread_join(clients[i].thread, NULL);
    int n_runs[2] = {0, 0};
    for (uint32_t i = 0; i < N_THREADS; i++) n_runs[i % 2] += clients[i].n_runs;
    print_message("%d hostile runs beside %d good ones\n", n_runs[0], n_runs[1]);
    for (uint32_t i = 0; i < N_THREADS; i++) {
        CHECK(!clients[i].problem[0], "thread %u, run %d: %s", i, clients[i].n_runs, clients[i].problem);
        assert_true(clients[i].n_runs > 0);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(good_runs_are_right_beside_hostile_ones),
};
CHECK_MAIN(tests)
