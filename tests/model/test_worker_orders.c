/*
 * Workers in all short interleavings of building, sharing, taking, completing, sleeping and the end of a launch: every
 * task runs once, after what it waits for, and nobody sleeps while there is something to do. In the model nobody wakes
 * by the clock, so that a wake-up that is lost is a thread that waits for ever. And no memory order of the workers that
 * is tried here may be weaker.
 */
#include <stdlib.h>

#include "common/check.h"
#include "model/model.h"
#include "os/park.h"
#include "worker/workers.h"

enum { TASKS_MAX = 8, WAITS_MAX = 2, WORKERS_MAX = 3 };

static struct tg_workers *workers;
static struct tg_graph graph;
static struct tg_failure failure;
static struct tg_worker_core cores[WORKERS_MAX];
static int output[TASKS_MAX], n_runs[TASKS_MAX], waits[TASKS_MAX][WAITS_MAX], n_waits[TASKS_MAX];
static int n_tasks;
static bool first_waits_for_second; /* inside its kernel, so that they have to run side by side */

/* ---- what a worker finds around it ---- */

/* In place of the functions without __wrap_. */
void __wrap_tg_park(_Atomic uint32_t *word, uint32_t value, uint64_t limit_ns);
void __wrap_tg_unpark(_Atomic uint32_t *word);
struct tg_plugin *__wrap_tg_builder_run_embedded(const struct tg_control_launch *launch,
                                                 const struct tg_builder_hooks *hooks);

void __wrap_tg_park(_Atomic uint32_t *word, uint32_t value, uint64_t limit_ns)
{
    (void)limit_ns;
    model_sleep((const void *)(uintptr_t)word, value);
}

void __wrap_tg_unpark(_Atomic uint32_t *word) { model_wake((const void *)(uintptr_t)word); }

static uint64_t now(struct tg_machine *machine)
{
    (void)machine;
    return 0;
}

static enum tg_status worker_core(struct tg_machine *machine, uint32_t worker, struct tg_worker_core **core)
{
    (void)machine;
    *core = &cores[worker];
    return TG_OK;
}

/* ---- the machine's threads: a worker comes when it is called (machine/cpu/threads.c) ---- */

uint32_t __tsan_atomic32_fetch_add(volatile uint32_t *at, uint32_t value, int order); /* model.c */
uint32_t __tsan_atomic32_load(const volatile uint32_t *at, int order);

static uint32_t calls[WORKERS_MAX], is_over;
static bool comes_uninvited; /* a call of the launch before reaches it in this one */

static void call_worker(struct tg_machine *machine, uint32_t worker)
{
    (void)machine;
    __tsan_atomic32_fetch_add(&calls[worker], 1, 5);
    model_wake(&calls[worker]);
}

static bool worker_sleeps(struct tg_machine *machine, uint32_t worker)
{
    (void)machine;
    (void)worker;
    return false;
}

static const struct tg_machine_ops ops = {
    .now = now, .worker_core = worker_core, .call_worker = call_worker, .worker_sleeps = worker_sleeps};
static struct tg_machine machine = {.ops = &ops};

static void run_kernel(int64_t *args)
{
    const int64_t id = args[0];
    for (int i = 0; i < n_waits[id]; i++)
        if (model_read(&output[waits[id][i]]) != 1) model_wrong("a task runs before what it waits for");
    if (first_waits_for_second && id == 0) (void)model_take();
    model_write(&output[id], 1);
    n_runs[id]++;
    if (first_waits_for_second && id == 1)
        for (int i = 0; i < 2; i++) model_post(i, NULL);
}

static struct tg_module module;
static const struct tg_kernel kernel = {.entry = run_kernel, .name = (char *)(uintptr_t) "kernel", .module = &module};

/* ---- building ---- */

static int add(void)
{
    const uint64_t args[] = {(uint64_t)n_tasks};
    const struct tg_task_spec spec = {.args = args, .n_args = 1, .kernel = &kernel};
    int32_t id = -1;
    if (tg_graph_add(&graph, &spec, &id) != TG_OK) model_wrong("add failed");
    n_tasks++;
    return id;
}

static void edge(int from, int to)
{
    if (tg_graph_edge(&graph, from, to) != TG_OK) model_wrong("edge failed");
    waits[to][n_waits[to]++] = from;
}

static struct tg_task *publish(int id)
{
    struct tg_task *ready = NULL;
    if (tg_graph_publish(&graph, id, &ready) != TG_OK) model_wrong("publish failed");
    return ready;
}

/* The plugin of the program that runs. */
static void (*build)(const struct tg_builder_hooks *hooks);

struct tg_plugin *__wrap_tg_builder_run_embedded(const struct tg_control_launch *launch,
                                                 const struct tg_builder_hooks *hooks)
{
    (void)launch;
    build(hooks);
    return NULL;
}

/* ---- a launch ---- */

static void nothing(void *arg) { (void)arg; }

/* A guard counts signs of life of the system's thread. */
static void ignore_life(void)
{
    struct tg_guard guard;
    const struct tg_text_range none = {0, 0};
    (void)tg_guard_call(&guard, none, nothing, NULL);
    model_ignore(guard.pulse, sizeof *guard.pulse);
}

static void open_launch(uint32_t n, uint32_t window, struct tg_task *ready, bool has_plugin)
{
    static struct tg_launch_data data;
    data = (struct tg_launch_data){.version = TG_LAUNCH_VERSION,
                                   .n_threads = n,
                                   .window = window,
                                   .graph_source = has_plugin ? TG_GRAPH_PLUGIN : TG_GRAPH_THERE};
    static struct tg_launch_place place;
    place = (struct tg_launch_place){.machine = &machine, .graph = &graph, .failure = &failure, .ready = ready};
    const struct tg_control_launch launch = {.data = &data, .place = &place};
    if (tg_workers_open(&launch, &workers) != TG_OK) model_wrong("no workers");
    workers->spin_rounds = 1;
    workers->slow_ticks = 0; /* ready tasks are shared at once, at any time */
}

static void reset(void)
{
    ignore_life();
    memset(output, 0, sizeof output);
    memset(n_runs, 0, sizeof n_runs);
    memset(n_waits, 0, sizeof n_waits);
    memset(cores, 0, sizeof cores);
    n_tasks = 0;
    first_waits_for_second = comes_uninvited = false;
    memset(calls, 0, sizeof calls);
    is_over = 0;
    tg_failure_init(&failure);
    tg_graph_init(&graph, UINT64_MAX);
}

static void worker_0(void)
{
    tg_workers_main(workers, 0);
    __tsan_atomic32_fetch_add(&is_over, 1, 5);
    for (uint32_t i = 1; i < workers->n; i++) call_worker(&machine, i);
}

static void come_when_called(uint32_t worker)
{
    if (comes_uninvited) tg_workers_main(workers, worker);
    for (uint32_t seen = 0, now;; seen = now) {
        while ((now = __tsan_atomic32_load(&calls[worker], 5)) == seen) model_sleep(&calls[worker], seen);
        if (__tsan_atomic32_load(&is_over, 5)) return;
        tg_workers_main(workers, worker);
    }
}

static void worker_1(void) { come_when_called(1); }
static void worker_2(void) { come_when_called(2); }

static void after(void)
{
    for (int id = 0; id < n_tasks; id++)
        if (n_runs[id] != 1) model_wrong("a task did not run once");
    if (tg_failure_status(&failure) != TG_OK) model_wrong("the launch failed");
    struct tg_launch_report report;
    tg_workers_close(workers, &report);
    tg_graph_fini(&graph);
}

/* ---- a graph that is built: tasks are shared, and the launch ends ---- */

static void before_pair(void)
{
    reset();
    struct tg_task *a = publish(add()), *b = publish(add());
    a->next_ready = b;
    b->next_ready = NULL;
    open_launch(2, 0, a, false);
}

static void before_uninvited(void)
{
    before_pair();
    comes_uninvited = true;
}

/* Worker 0 shares the second and runs the first, which ends when somebody has run the second. */
static void before_side_by_side(void)
{
    before_pair();
    first_waits_for_second = true;
}

/* a -> b, and c: somebody sleeps while another completes. */
static void before_chain(void)
{
    reset();
    const int a = add(), b = add(), c = add();
    edge(a, b);
    publish(b);
    struct tg_task *first = publish(a), *second = publish(c);
    first->next_ready = second;
    second->next_ready = NULL;
    open_launch(2, 0, first, false);
}

static void before_three(void)
{
    before_pair();
    struct tg_launch_report report;
    struct tg_task *ready = workers->ready;
    tg_workers_close(workers, &report);
    open_launch(3, 0, ready, false);
}

/* ---- a builder ---- */

static void before_built(uint32_t n, uint32_t window)
{
    reset();
    open_launch(n, window, NULL, true);
}

/* The builder waits for a task that somebody else may have taken. */
static void build_and_wait(const struct tg_builder_hooks *hooks)
{
    const int a = add();
    hooks->published(hooks->context, publish(a));
    if (!hooks->wait_task(hooks->context, a)) model_wrong("wait_task failed");
    if (model_read(&output[a]) != 1) model_wrong("complete without output");
}

static void before_wait(void)
{
    before_built(2, 16384);
    build = build_and_wait;
}

/* The same while a third worker, which is no thread of the model, is busy until the builder goes on: not all are
 * idle. */
static void build_and_wait_beside(const struct tg_builder_hooks *hooks)
{
    build_and_wait(hooks);
    __tsan_atomic32_fetch_add((volatile uint32_t *)(void *)&workers->n_idle, 1, 5);
}

static void third_is_busy(void)
{
    atomic_fetch_sub(&workers->n_idle, 1);
    atomic_fetch_sub(&workers->n_asleep, 1);
    atomic_store(&workers->worker[2].asleep, 0);
}

static void before_wait_beside(void)
{
    before_built(3, 16384);
    third_is_busy();
    build = build_and_wait_beside;
}

/* A window of one: the second task is published when the first is complete. */
static void build_behind_a_window(const struct tg_builder_hooks *hooks)
{
    const int a = add(), b = add();
    hooks->published(hooks->context, publish(a));
    hooks->published(hooks->context, publish(b));
    if (n_runs[a] + n_runs[b] == 0) model_wrong("the window does not hold");
}

static void before_window(void)
{
    before_built(2, 1);
    build = build_behind_a_window;
}

static void build_behind_a_window_beside(const struct tg_builder_hooks *hooks)
{
    build_behind_a_window(hooks);
    __tsan_atomic32_fetch_add((volatile uint32_t *)(void *)&workers->n_idle, 1, 5);
}

static void before_window_beside(void)
{
    before_built(3, 1);
    third_is_busy();
    build = build_behind_a_window_beside;
}

static const struct model_program programs[] = {
    {"pair", 2, before_pair, {worker_0, worker_1}, after, 3},
    {"uninvited", 2, before_uninvited, {worker_0, worker_1}, after, 2},
    {"side by side", 2, before_side_by_side, {worker_0, worker_1}, after, 2},
    {"chain", 2, before_chain, {worker_0, worker_1}, after, 2},
    {"wait", 2, before_wait, {worker_0, worker_1}, after, 2},
    {"wait beside", 2, before_wait_beside, {worker_0, worker_1}, after, 2},
    {"window beside", 2, before_window_beside, {worker_0, worker_1}, after, 2},
    {"window", 2, before_window, {worker_0, worker_1}, after, 2},
    {"three", 3, before_three, {worker_0, worker_1, worker_2}, after, 1},
};
enum { N_PROGRAMS = sizeof programs / sizeof programs[0] };

static void nobody_sleeps_while_there_is_something_to_do(void **state)
{
    (void)state;
    for (int i = 0; i < N_PROGRAMS; i++) {
        uint64_t n = 0;
        const char *wrong = model_run(&programs[i], NULL, &n);
        CHECK(!wrong, "%s: %s, in execution %llu", programs[i].name, wrong, (unsigned long long)n);
        print_message("    %s: %llu executions\n", programs[i].name, (unsigned long long)n);
        assert_true(n > 10);
    }
}

static bool is_noticed(const struct model_site *weak)
{
    uint64_t n = 0;
    for (int i = 0; i < N_PROGRAMS; i++)
        if (model_run(&programs[i], weak, &n)) return true;
    return false;
}

/* The orders that keep wake-ups from being lost, each weaker in turn. That no order of graph.c may be weaker is tried
 * by test_graph_orders; other orders of the workers are tried where some program notices. */
static void no_sequential_order_can_be_weaker(void **state)
{
    (void)state;
    enum { ACQUIRE = 2, RELEASE = 3, ACQ_REL = 4, SEQ_CST = 5 };
    const struct model_site *sites;
    const size_t n = model_sites(&sites);
    int n_noticed = 0;
    for (size_t i = 0; i < n; i++) {
        struct model_site weak = sites[i];
        if (weak.order != SEQ_CST) continue;
        weak.order = strcmp(weak.what, "load") == 0 ? ACQUIRE : strcmp(weak.what, "store") == 0 ? RELEASE : ACQ_REL;
        const bool noticed = is_noticed(&weak);
        if (getenv("TG_TEST_SITES"))
            print_message("SITE %#tx %s %d->%d %s\n",
                          (const char *)weak.address - (const char *)(uintptr_t)tg_workers_main, weak.what, SEQ_CST,
                          weak.order, noticed ? "noticed" : "NOT");
        n_noticed += noticed;
    }
    print_message("    %zu atomic operations, %d weaker orders noticed\n", n, n_noticed);
    assert_true(n_noticed >= 10);
}

int main(int argc, char **argv)
{
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {cmocka_unit_test(nobody_sleeps_while_there_is_something_to_do),
                                       cmocka_unit_test(no_sequential_order_can_be_weaker)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
