/*
 * The graph in all short interleavings of publish, edge, complete, retire and look: every task runs once, after what it
 * waits for, and sees what that wrote; pages come back to the builder when nobody uses them. And no memory order of
 * graph.c is stronger than it has to be: with any of them weakened, one of these programs goes wrong.
 */
#include "common/check.h"
#include "graph/graph.h"
#include "model/model.h"

enum { BUILDER = 0, TASKS_MAX = 80, WAITS_MAX = 3 };

static struct tg_graph graph;
static int prepared[TASKS_MAX]; /* the builder's value, written before it published the task */
static int output[TASKS_MAX];   /* the task's value */
static int n_runs[TASKS_MAX];
static int waits[TASKS_MAX][WAITS_MAX], n_waits[TASKS_MAX];
static struct tg_task *added[TASKS_MAX];

static const struct tg_kernel kernel = {.name = (char *)(uintptr_t) "kernel"};

static void begin(void)
{
    memset(prepared, 0, sizeof prepared);
    memset(output, 0, sizeof output);
    memset(n_runs, 0, sizeof n_runs);
    memset(n_waits, 0, sizeof n_waits);
    tg_graph_init(&graph, UINT64_MAX);
}

static int add(void)
{
    const uint64_t args[] = {1, 2};
    const struct tg_task_spec spec = {.args = args, .n_args = 2, .kernel = &kernel};
    int32_t id = -1;
    if (tg_graph_add(&graph, &spec, &id) != TG_OK) model_wrong("add failed");
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
    model_write(&prepared[id], 1);
    if (tg_graph_publish(&graph, id, &ready) != TG_OK) model_wrong("publish failed");
    return ready;
}

/* Run a task, and what becomes ready through it. */
static void run(struct tg_task *task, struct tg_uncounted *uncounted)
{
    while (task) {
        const int id = task->id;
        if (model_read(&prepared[id]) != 1) model_wrong("a task runs that is not published");
        for (int i = 0; i < n_waits[id]; i++)
            if (model_read(&output[waits[id][i]]) != 1) model_wrong("a task runs before what it waits for");
        model_write(&output[id], 1);
        n_runs[id]++;
        struct tg_task *ready = tg_graph_complete(&graph, task, uncounted);
        struct tg_task *rest = ready ? ready->next_ready : NULL;
        for (struct tg_task *next; rest; rest = next) {
            next = rest->next_ready;
            run(rest, uncounted);
        }
        task = ready;
    }
}

static void publish_and_run(int id, struct tg_uncounted *uncounted) { run(publish(id), uncounted); }

static void complete_mail(void)
{
    struct tg_uncounted uncounted = {0};
    run(model_take(), &uncounted);
}

static void end_of(int n)
{
    for (int id = 0; id < n; id++)
        if (n_runs[id] != 1) model_wrong("a task did not run once");
    if (tg_graph_n_complete(&graph) != (uint64_t)n) model_wrong("the count of complete tasks is wrong");
    tg_graph_fini(&graph);
}

/* ---- an edge from a task that may be complete ---- */

static void build_chain(void)
{
    struct tg_uncounted uncounted = {0};
    int a = add();
    model_post(1, publish(a));
    int b = add();
    edge(a, b);
    publish_and_run(b, &uncounted);
}

static void after_chain(void) { end_of(2); }

/* ---- a task that waits for two ---- */

static void build_join(void)
{
    struct tg_uncounted uncounted = {0};
    int a = add(), b = add();
    model_post(1, publish(a));
    model_post(2, publish(b));
    int c = add();
    edge(a, c);
    edge(b, c);
    publish_and_run(c, &uncounted);
}

static void after_join(void) { end_of(3); }

/* ---- edges between tasks that are not published ---- */

static void build_held(void)
{
    struct tg_uncounted uncounted = {0};
    int a = add(), b = add(), c = add();
    edge(a, b);
    edge(b, c);
    publish_and_run(c, &uncounted);
    model_post(1, publish(a));
    publish_and_run(b, &uncounted);
}

static void after_held(void) { end_of(3); }

/* ---- two edges out of one task, at its end ---- */

static void build_fan(void)
{
    struct tg_uncounted uncounted = {0};
    int a = add();
    model_post(1, publish(a));
    int b = add(), c = add();
    edge(a, b);
    edge(a, c);
    publish_and_run(b, &uncounted);
    publish_and_run(c, &uncounted);
}

/* ---- tasks that the builder keeps to itself for a while ---- */

static void begin_kept(void)
{
    begin();
    tg_graph_keep_ready(&graph);
}

/* A ready task that was kept goes to another thread. */
static void hand_out(struct tg_task *ready)
{
    tg_graph_hand_out(&graph, ready);
    model_post(1, ready);
}

/* b and c are linked while only the builder can reach them; when others can, c is published and d is linked. */
static void build_kept(void)
{
    struct tg_uncounted uncounted = {0};
    int a = add(), b = add();
    struct tg_task *ready = publish(a);
    edge(a, b);
    publish_and_run(b, &uncounted);
    int c = add();
    edge(b, c);
    hand_out(ready);
    publish_and_run(c, &uncounted);
    int d = add();
    edge(b, d);
    publish_and_run(d, &uncounted);
}

static void after_kept(void) { end_of(4); }

/* One that waits for a task that others have and for one that the builder still has. */
static void build_partly_kept(void)
{
    struct tg_uncounted uncounted = {0};
    int a = add(), b = add(), c = add();
    struct tg_task *first = publish(a), *second = publish(b);
    edge(a, c);
    edge(b, c);
    hand_out(first);
    publish_and_run(c, &uncounted);
    tg_graph_hand_out(&graph, second);
    run(second, &uncounted);
}

/* One whose source was published later. */
static void build_kept_late(void)
{
    struct tg_uncounted uncounted = {0};
    int a = add(), b = add();
    edge(a, b);
    publish_and_run(b, &uncounted);
    hand_out(publish(a));
    int c = add();
    edge(b, c);
    publish_and_run(c, &uncounted);
}

/* ---- looking ---- */

static void build_look(void)
{
    int a = add();
    model_post(1, publish(a));
    if (tg_graph_is_complete(&graph, a) && model_read(&output[a]) != 1) model_wrong("complete without output");
}

static void after_look(void) { end_of(1); }

static void build_count(void)
{
    int a = add(), b = add();
    model_post(1, publish(a));
    model_post(2, publish(b));
    if (tg_graph_in_flight(&graph) == 0 && (model_read(&output[a]) != 1 || model_read(&output[b]) != 1))
        model_wrong("counted without output");
}

static void after_count(void) { end_of(2); }

/* ---- a page that comes back ---- */

/* All but the first two tasks of a page are complete. */
static void before_page(void)
{
    struct tg_uncounted uncounted = {0};
    begin();
    for (int id = 0; id < TG_PAGE_TASKS; id++) {
        add();
        added[id] = publish(id);
    }
    for (int id = 2; id < TG_PAGE_TASKS; id++) {
        output[id] = n_runs[id] = 1;
        tg_graph_complete(&graph, added[id], &uncounted);
    }
}

/* The new tasks may get the memory of the old ones. */
static void build_page(void)
{
    struct tg_uncounted uncounted = {0};
    model_post(1, added[0]);
    model_post(2, added[1]);
    int c = add();
    publish_and_run(c, &uncounted);
    publish_and_run(add(), &uncounted);
}

static void after_page(void) { end_of(TG_PAGE_TASKS + 2); }

static const struct model_program programs[] = {
    {"chain", 2, begin, {build_chain, complete_mail}, after_chain, 4},
    {"join", 3, begin, {build_join, complete_mail, complete_mail}, after_join, 2},
    {"held", 2, begin, {build_held, complete_mail}, after_held, 4},
    {"fan", 2, begin, {build_fan, complete_mail}, after_join, 3},
    {"kept", 2, begin_kept, {build_kept, complete_mail}, after_kept, 4},
    {"partly kept", 2, begin_kept, {build_partly_kept, complete_mail}, after_join, 4},
    {"kept late", 2, begin_kept, {build_kept_late, complete_mail}, after_join, 4},
    {"look", 2, begin, {build_look, complete_mail}, after_look, 4},
    {"count", 3, begin, {build_count, complete_mail, complete_mail}, after_count, 3},
    {"page", 3, before_page, {build_page, complete_mail, complete_mail}, after_page, 2},
};
enum { N_PROGRAMS = sizeof programs / sizeof programs[0] };

static void every_interleaving_is_right(void **state)
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

/* Does some program go wrong with a weaker order at one place? */
static bool is_noticed(const struct model_site *weak)
{
    uint64_t n = 0;
    for (int i = 0; i < N_PROGRAMS; i++)
        if (model_run(&programs[i], weak, &n)) return true;
    return false;
}

static void try_weaker(const struct model_site *site, int order, int failure_order)
{
    struct model_site weak = *site;
    weak.order = order;
    weak.failure_order = failure_order;
    CHECK(is_noticed(&weak), "%s at graph.c+%td with order %d, %d instead of %d, %d: nothing goes wrong", site->what,
          (const char *)site->address - (const char *)(uintptr_t)tg_graph_init, order, failure_order, site->order,
          site->failure_order);
}

static void no_order_can_be_weaker(void **state)
{
    (void)state;
    enum { RELAXED = 0, ACQUIRE = 2, RELEASE = 3, ACQ_REL = 4, SEQ_CST = 5 };
    const struct model_site *sites;
    const size_t n = model_sites(&sites);
    int n_tried = 0;
    for (size_t i = 0; i < n; i++) {
        const struct model_site site = sites[i];
        /* That some are sequentially consistent is for the workers: test_worker_orders. */
        if (site.order == ACQ_REL || (site.order == SEQ_CST && strcmp(site.what, "exchange") == 0)) {
            try_weaker(&site, ACQUIRE, site.failure_order);
            try_weaker(&site, RELEASE, site.failure_order);
            n_tried += 2;
        } else if (site.order != RELAXED) {
            try_weaker(&site, RELAXED, site.failure_order);
            n_tried++;
        }
        if (site.failure_order != RELAXED) {
            try_weaker(&site, site.order, RELAXED);
            n_tried++;
        }
    }
    print_message("    %zu atomic operations, %d weaker orders\n", n, n_tried);
    assert_true(n_tried >= 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_interleaving_is_right),
        cmocka_unit_test(no_order_can_be_weaker),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
