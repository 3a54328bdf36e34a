/*
 * graph.c: building and finishing in every order. Short programs are tried in all interleavings against a model that is
 * a table of who waits for whom; long ones under random orders, and with real threads (seed: TG_TEST_SEED).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <pthread.h>

#include <cmocka.h>

#include "common/check.h"
#include "graph/graph.h"
#include "reference.h"

#define NO_LIMIT UINT64_MAX

static const struct tg_kernel kernel = {.name = (char *)(uintptr_t) "some_kernel"};

/* Complete a task and count it. */
static struct tg_task *complete(struct tg_graph *graph, struct tg_task *task)
{
    struct tg_uncounted uncounted = {0};
    struct tg_task *ready = tg_graph_complete(graph, task, &uncounted);
    assert_int_equal(uncounted.n, 0);
    return ready;
}

static int32_t add(struct tg_graph *graph)
{
    const struct tg_task_spec spec = {.kernel = &kernel, .file = "plugins/orchestration.c", .line = 12};
    int32_t id = -1;
    assert_int_equal(tg_graph_add(graph, &spec, &id), TG_OK);
    return id;
}

static void edge(struct tg_graph *graph, int64_t from, int64_t to)
{
    assert_int_equal(tg_graph_edge(graph, from, to), TG_OK);
}

static struct tg_task *publish(struct tg_graph *graph, int64_t id)
{
    struct tg_task *ready = NULL;
    assert_int_equal(tg_graph_publish(graph, id, &ready), TG_OK);
    return ready;
}

/* ---- one after the other ----------------------------------------------------------------------------------------- */

static void ids_count_up_and_arguments_are_copied(void **state)
{
    (void)state;
    struct tg_graph graph;
    tg_graph_init(&graph, NO_LIMIT);
    uint64_t args[1024];
    struct tg_task *tasks[200];
    for (int32_t i = 0; i < 200; i++) {
        uint32_t n_args = i % 50 == 49 ? 1024 : (uint32_t)i % 7;
        for (uint32_t a = 0; a < n_args; a++) args[a] = (uint64_t)i * 1000 + a;
        const struct tg_task_spec spec = {args, n_args, &kernel, "file.c", i};
        int32_t id = -1;
        assert_int_equal(tg_graph_add(&graph, &spec, &id), TG_OK);
        assert_int_equal(id, i);
        tasks[i] = publish(&graph, id);
        assert_non_null(tasks[i]);
    }
    memset(args, 0xEE, sizeof args);
    for (int32_t i = 0; i < 200; i++) {
        assert_int_equal(tasks[i]->id, i);
        assert_ptr_equal(tasks[i]->kernel, &kernel);
        assert_int_equal(tasks[i]->line, i);
        assert_int_equal(tasks[i]->n_args, i % 50 == 49 ? 1024 : i % 7);
        for (uint32_t a = 0; a < tasks[i]->n_args; a++) assert_int_equal(tasks[i]->args[a], i * 1000 + (int)a);
    }
    assert_int_equal(tg_graph_in_flight(&graph), 200);
    for (int32_t i = 0; i < 200; i++) assert_null(complete(&graph, tasks[i]));
    assert_int_equal(tg_graph_n_complete(&graph), 200);
    assert_int_equal(tg_graph_in_flight(&graph), 0);
    tg_graph_fini(&graph);
}

static void successors_become_ready_in_the_order_of_their_edges(void **state)
{
    (void)state;
    enum { N = 300 };
    struct tg_graph graph;
    tg_graph_init(&graph, NO_LIMIT);
    int32_t source = add(&graph);
    for (int i = 1; i <= N; i++) add(&graph);
    for (int i = N; i >= 1; i--) edge(&graph, source, i); /* the last added is first */
    for (int i = 1; i <= N; i++) assert_null(publish(&graph, i));
    struct tg_task *task = complete(&graph, publish(&graph, source));
    for (int i = N; i >= 1; i--, task = task->next_ready) {
        assert_non_null(task);
        assert_int_equal(task->id, i);
    }
    assert_null(task);
    assert_int_equal(graph.n_edges, N);
    tg_graph_fini(&graph);
}

static void a_task_waits_for_all_of_many(void **state)
{
    (void)state;
    enum { N = 1000 };
    struct tg_graph graph;
    struct tg_task *tasks[N];
    tg_graph_init(&graph, NO_LIMIT);
    for (int i = 0; i < N; i++) tasks[i] = publish(&graph, add(&graph));
    int32_t last = add(&graph);
    for (int i = 0; i < N; i++) edge(&graph, i, last);
    assert_null(publish(&graph, last));
    for (int i = 0; i < N - 1; i++) assert_null(complete(&graph, tasks[(i * 7) % N]));
    struct tg_task *ready = complete(&graph, tasks[((N - 1) * 7) % N]);
    assert_non_null(ready);
    assert_int_equal(ready->id, last);
    tg_graph_fini(&graph);
}

static void what_is_not_published_is_published_at_the_end(void **state)
{
    (void)state;
    struct tg_graph graph;
    tg_graph_init(&graph, NO_LIMIT);
    for (int i = 0; i < 6; i++) add(&graph);
    edge(&graph, 0, 1);
    edge(&graph, 2, 3);
    assert_null(publish(&graph, 1));
    assert_non_null(publish(&graph, 4));
    struct tg_task *ready = NULL;
    tg_graph_publish_all(&graph, &ready);
    static const int32_t expected[] = {0, 2, 5};
    for (int i = 0; i < 3; i++, ready = ready->next_ready) {
        assert_non_null(ready);
        assert_int_equal(ready->id, expected[i]);
    }
    assert_null(ready);
    assert_int_equal(tg_graph_in_flight(&graph), 6);
    tg_graph_publish_all(&graph, &ready);
    assert_null(ready);
    tg_graph_fini(&graph);
}

static void note_id(void *context, struct tg_task *task)
{
    char *text = context;
    snprintf(text + strlen(text), 16, "%d ", task->id);
}

static void what_is_left_is_visited_by_id(void **state)
{
    (void)state;
    struct tg_graph graph;
    tg_graph_init(&graph, NO_LIMIT);
    char text[2048] = "", expected[2048] = "";
    for (int i = 0; i < 200; i++) {
        int32_t id = add(&graph);
        if (i >= 60 && i < 150) complete(&graph, publish(&graph, id)); /* a page of them is retired */
        else snprintf(expected + strlen(expected), 16, "%d ", i);
    }
    tg_graph_each_incomplete(&graph, note_id, text);
    assert_string_equal(text, expected);
    for (int i = 0; i < 200; i++) assert_int_equal(tg_graph_is_complete(&graph, i), i >= 60 && i < 150);
    assert_false(tg_graph_is_complete(&graph, -1));
    assert_false(tg_graph_is_complete(&graph, 200));
    tg_graph_fini(&graph);
}

static void waiting_tasks_are_counted_once_whatever_their_edges(void **state)
{
    (void)state;
    struct tg_graph graph;
    tg_graph_init(&graph, UINT64_MAX);
    const int32_t a = add(&graph), b = add(&graph), c = add(&graph);
    assert_int_equal(tg_task_n_waiting(tg_graph_find(&graph, a)), 0);
    for (int i = 0; i < 5; i++) {
        edge(&graph, a, b);
        edge(&graph, a, c);
    }
    assert_int_equal(tg_task_n_waiting(tg_graph_find(&graph, a)), 2);
    assert_int_equal(graph.n_edges, 10);
    tg_graph_fini(&graph);
}

static void a_task_is_described_by_kernel_and_line(void **state)
{
    (void)state;
    char text[256], part[16];
    struct tg_task task = {.id = 7, .kernel = &kernel, .file = "/some/where/orchestration.c", .line = 120};
    assert_string_equal(tg_task_describe(&task, text, sizeof text), "task 7 (some_kernel, orchestration.c:120)");
    assert_string_equal(tg_task_describe(&task, part, sizeof part), "task 7 (some_ke");
    task.file = "plain.c";
    assert_string_equal(tg_task_describe(&task, text, sizeof text), "task 7 (some_kernel, plain.c:120)");
    task.file = NULL;
    assert_string_equal(tg_task_describe(&task, text, sizeof text), "task 7 (some_kernel)");
}

/* ---- errors ------------------------------------------------------------------------------------------------------ */

static void assert_error(enum tg_status status, enum tg_status expected, const char *message)
{
    assert_int_equal(status, expected);
    if (!strstr(tg_last_message(), message)) fail_msg("\"%s\" has no \"%s\"", tg_last_message(), message);
}

static void impossible_edges_are_named(void **state)
{
    (void)state;
    struct tg_graph graph;
    tg_graph_init(&graph, NO_LIMIT);
    assert_error(tg_graph_edge(&graph, 0, 1), TG_ERR_EDGE, "edge 0 -> 1: there is no task 0; 0 tasks were added");
    for (int i = 0; i < 3; i++) add(&graph);
    assert_error(tg_graph_edge(&graph, 0, 3), TG_ERR_EDGE, "edge 0 -> 3: there is no task 3; 3 tasks were added");
    assert_error(tg_graph_edge(&graph, -1, 0), TG_ERR_EDGE, "edge -1 -> 0: there is no task -1");
    assert_error(tg_graph_edge(&graph, 0, -2), TG_ERR_EDGE, "there is no task -2");
    assert_error(tg_graph_edge(&graph, INT64_MAX, 0), TG_ERR_EDGE, "there is no task 9223372036854775807");
    assert_error(tg_graph_edge(&graph, INT64_MIN, 0), TG_ERR_EDGE, "there is no task -9223372036854775808");
    assert_error(tg_graph_edge(&graph, 1, 1), TG_ERR_EDGE,
                 "edge 1 -> 1: task 1 (some_kernel, orchestration.c:12) cannot wait for itself");
    struct tg_task *task = publish(&graph, 2);
    assert_error(tg_graph_edge(&graph, 0, 2), TG_ERR_EDGE,
                 "task 2 (some_kernel, orchestration.c:12) is published already");
    complete(&graph, task);
    assert_error(tg_graph_edge(&graph, 0, 2), TG_ERR_EDGE, "edge 0 -> 2: task 2");
    assert_int_equal(graph.n_edges, 0);
    assert_non_null(publish(&graph, 0)); /* nothing of what failed has stayed */
    assert_non_null(publish(&graph, 1));
    tg_graph_fini(&graph);
}

static void impossible_publications_are_named(void **state)
{
    (void)state;
    struct tg_graph graph;
    tg_graph_init(&graph, NO_LIMIT);
    struct tg_task *ready = NULL;
    add(&graph);
    assert_error(tg_graph_publish(&graph, 1, &ready), TG_ERR_PUBLISH,
                 "publish 1: there is no such task; 1 tasks were added");
    assert_error(tg_graph_publish(&graph, -1, &ready), TG_ERR_PUBLISH, "publish -1: there is no such task");
    assert_error(tg_graph_publish(&graph, INT64_MAX, &ready), TG_ERR_PUBLISH, "there is no such task");
    struct tg_task *task = publish(&graph, 0);
    assert_error(tg_graph_publish(&graph, 0, &ready), TG_ERR_PUBLISH,
                 "publish 0: task 0 (some_kernel, orchestration.c:12) was published before");
    complete(&graph, task);
    assert_error(tg_graph_publish(&graph, 0, &ready), TG_ERR_PUBLISH, "publish 0: ");
    assert_null(ready);
    assert_int_equal(tg_graph_n_complete(&graph), 1);
    tg_graph_fini(&graph);
}

/* Complete tasks in order until the page of task 0 is given back; returns how many tasks there are then. */
static int32_t retire_the_first_page(struct tg_graph *graph)
{
    int32_t n = 0;
    for (; n < 4 * TG_PAGE_TASKS; n++) complete(graph, publish(graph, add(graph)));
    return n;
}

static void a_retired_task_counts_as_complete(void **state)
{
    (void)state;
    struct tg_graph graph;
    tg_graph_init(&graph, NO_LIMIT);
    int32_t n = retire_the_first_page(&graph);
    assert_null(graph.pages[0]);
    assert_true(tg_graph_is_complete(&graph, 0));
    int32_t id = add(&graph);
    edge(&graph, 0, id);
    assert_int_equal(graph.n_edges, 1);
    struct tg_task *ready = publish(&graph, id);
    assert_non_null(ready);
    assert_error(tg_graph_edge(&graph, n - 1, 0), TG_ERR_EDGE, "task 0 is published and complete already");
    assert_error(tg_graph_edge(&graph, 0, 0), TG_ERR_EDGE, "cannot wait for itself");
    assert_error(tg_graph_publish(&graph, 0, &ready), TG_ERR_PUBLISH,
                 "publish 0: the task was published and is complete");
    tg_graph_fini(&graph);
}

/* ---- all interleavings ------------------------------------------------------------------------------------------- */

enum { MODEL_TASKS = 4, STEPS_MAX = 64, OPS_MAX = 24 };

enum op_kind { OP_ADD, OP_EDGE, OP_PUBLISH };

struct op {
    enum op_kind what;
    int8_t from, to;
};

struct program {
    struct op ops[OPS_MAX];
    int n_ops;
};

/* What each step could have been and what it was: the next run takes the next alternative of the last step that has
 * one. */
struct choices {
    int taken[STEPS_MAX], available[STEPS_MAX], n_fixed, n;
};

static int choose(struct choices *choices, int available)
{
    assert_true(choices->n < STEPS_MAX);
    int step = choices->n++;
    if (step >= choices->n_fixed) choices->taken[step] = 0;
    choices->available[step] = available;
    return choices->taken[step];
}

static bool next_alternative(struct choices *choices)
{
    while (choices->n > 0 && choices->taken[choices->n - 1] + 1 >= choices->available[choices->n - 1]) choices->n--;
    if (choices->n == 0) return false;
    choices->taken[choices->n - 1]++;
    choices->n_fixed = choices->n;
    choices->n = 0;
    return true;
}

struct model {
    bool published[MODEL_TASKS], ready[MODEL_TASKS], complete[MODEL_TASKS];
    int waits[MODEL_TASKS][MODEL_TASKS]; /* [to][from]: edges whose source was not complete when they were added */
    struct tg_task *tasks[MODEL_TASKS];  /* ready and not complete */
    int8_t targets[OPS_MAX];             /* of these edges, in the order in which they were added */
    int n_targets;
};

static bool model_can_run(const struct model *model, int task)
{
    for (int from = 0; from < MODEL_TASKS; from++)
        if (model->waits[task][from] && !model->complete[from]) return false;
    return model->published[task] && !model->ready[task];
}

static void now_ready(struct model *model, struct tg_task *task, int expected)
{
    if (!task) fail_msg("task %d is not ready", expected);
    assert_int_equal(task->id, expected);
    model->ready[expected] = true;
    model->tasks[expected] = task;
}

static void build_step(struct tg_graph *graph, struct model *model, struct op op)
{
    struct tg_task *ready;
    switch (op.what) {
    case OP_ADD: assert_int_equal(add(graph), op.to); break;
    case OP_EDGE:
        edge(graph, op.from, op.to);
        if (model->complete[op.from]) break;
        model->waits[op.to][op.from]++;
        model->targets[model->n_targets++] = op.to;
        break;
    case OP_PUBLISH:
        ready = publish(graph, op.to);
        model->published[op.to] = true;
        if (model_can_run(model, op.to)) now_ready(model, ready, op.to);
        else assert_null(ready);
        break;
    }
}

/* Complete the `choice`-th of the tasks that can run. */
static void complete_step(struct tg_graph *graph, struct model *model, int choice)
{
    int task = 0;
    for (;; task++)
        if (model->tasks[task] && choice-- == 0) break;
    struct tg_task *ready = complete(graph, model->tasks[task]);
    model->tasks[task] = NULL;
    model->complete[task] = true;
    assert_true(tg_graph_is_complete(graph, task));
    for (int i = 0; i < model->n_targets; i++) {
        int to = model->targets[i];
        if (!model->waits[to][task] || !model_can_run(model, to)) continue;
        struct tg_task *next = ready ? ready->next_ready : NULL;
        now_ready(model, ready, to);
        ready = next;
    }
    assert_null(ready);
}

static void run_program(const struct program *program, struct choices *choices)
{
    struct tg_graph graph;
    struct model model = {0};
    tg_graph_init(&graph, NO_LIMIT);
    for (int at = 0;;) {
        int n_running = 0, may_build = at < program->n_ops;
        for (int i = 0; i < MODEL_TASKS; i++) n_running += model.tasks[i] != NULL;
        if (n_running + may_build == 0) break;
        int choice = choose(choices, n_running + may_build);
        if (choice < n_running) complete_step(&graph, &model, choice);
        else build_step(&graph, &model, program->ops[at++]);
    }
    for (int i = 0; i < MODEL_TASKS; i++) assert_false(model_can_run(&model, i));
    tg_graph_fini(&graph);
}

static uint64_t run_all(const struct program *program)
{
    struct choices choices = {.n = 0};
    uint64_t n_runs = 0;
    do {
        run_program(program, &choices);
        n_runs++;
    } while (next_alternative(&choices));
    return n_runs;
}

static void append(struct program *program, enum op_kind what, int from, int to)
{
    assert_true(program->n_ops < OPS_MAX);
    program->ops[program->n_ops++] = (struct op){what, (int8_t)from, (int8_t)to};
}

/* Edge number `bit` of the subset goes between two of n tasks: the first half upwards, the second half back. */
static void append_edges(struct program *program, uint32_t edges, int n, int into)
{
    int bit = 0;
    for (int back = 0; back <= 1; back++)
        for (int a = 0; a < n; a++)
            for (int b = a + 1; b < n; b++, bit++) {
                int from = back ? b : a, to = back ? a : b;
                if ((edges >> bit & 1) && (into < 0 || into == to)) append(program, OP_EDGE, from, to);
            }
}

static void every_interleaving_of_three_tasks_and_any_edges(void **state)
{
    (void)state;
    uint64_t n_runs = 0;
    for (uint32_t edges = 0; edges < 64; edges++) {
        struct program at_once = {.n_ops = 0}, reversed = at_once;
        for (int i = 0; i < 3; i++) append(&at_once, OP_ADD, 0, i);
        append_edges(&at_once, edges, 3, -1);
        for (int i = 0; i < 3; i++) append(&at_once, OP_PUBLISH, 0, i);
        for (int i = 0; i < 3; i++) append(&reversed, OP_ADD, 0, i);
        for (int i = 2; i >= 0; i--) {
            append_edges(&reversed, edges, 3, i);
            append_edges(&reversed, edges & (edges >> 1), 3, i); /* some twice */
            append(&reversed, OP_PUBLISH, 0, i);
        }
        n_runs += run_all(&at_once) + run_all(&reversed);
    }
    assert_true(n_runs > 128);
}

static void every_interleaving_of_four_tasks_built_one_by_one(void **state)
{
    (void)state;
    uint64_t n_runs = 0;
    for (uint32_t edges = 0; edges < 64; edges++) {
        struct program program = {.n_ops = 0};
        for (int i = 0; i < 4; i++) {
            append(&program, OP_ADD, 0, i);
            append_edges(&program, edges, 4, i);
            append(&program, OP_PUBLISH, 0, i);
        }
        n_runs += run_all(&program);
    }
    assert_true(n_runs > 10000);
}

/* The bytes by which a limit may be passed. */
enum { ARENA_BLOCK = 8192 + 64 };

/* ---- memory ------------------------------------------------------------------------------------------------------ */

/* Stream n tasks, each after `fan_in` earlier ones, with at most `window` unfinished, finished out of order. */
static void stream(struct tg_graph *graph, int32_t n, int32_t window, int32_t fan_in)
{
    struct tg_task **running = calloc((size_t)window, sizeof(struct tg_task *));
    assert_non_null(running);
    uint64_t random = 7, args[3] = {1, 2, 3};
    int32_t n_running = 0;
    for (int32_t i = 0; i < n; i++) {
        const struct tg_task_spec spec = {args, 3, &kernel, NULL, 0};
        int32_t id;
        assert_int_equal(tg_graph_add(graph, &spec, &id), TG_OK);
        for (int32_t e = 1; e <= fan_in && e <= i; e++)
            edge(graph, i - e * (i % 3 + 1) < 0 ? 0 : i - e * (i % 3 + 1), id);
        struct tg_task *ready = publish(graph, id);
        if (ready) running[n_running++] = ready;
        while (tg_graph_in_flight(graph) >= (uint64_t)window || (i + 1 == n && n_running > 0)) {
            int32_t pick = (int32_t)ref_between(&random, 0, (uint32_t)n_running - 1);
            struct tg_task *task = running[pick];
            running[pick] = running[--n_running];
            for (ready = complete(graph, task); ready; ready = ready->next_ready) running[n_running++] = ready;
        }
    }
    assert_int_equal(tg_graph_n_complete(graph), n);
    free(running);
}

static uint64_t peak_of_stream(int32_t n, uint64_t *table_bytes)
{
    struct tg_graph graph;
    tg_graph_init(&graph, NO_LIMIT);
    stream(&graph, n, 1000, 6);
    *table_bytes = graph.n_pages_max * sizeof graph.pages[0];
    uint64_t peak = graph.peak_bytes;
    assert_true(peak >= graph.bytes);
    tg_graph_fini(&graph);
    return peak;
}

static void a_stream_of_a_million_tasks_takes_the_memory_of_its_window(void **state)
{
    (void)state;
    uint64_t short_table, long_table;
    uint64_t short_peak = peak_of_stream(20000, &short_table);
    uint64_t long_peak = peak_of_stream(TEST_ASAN || TEST_TSAN ? 100000 : 1000000, &long_table);
    assert_true(long_peak - long_table <= short_peak - short_table + short_peak / 8);
    assert_true(long_peak - long_table < 2 << 20);
    assert_true(long_table <= (1 << 20));
}

static void memory_is_counted_down_to_nothing_new(void **state)
{
    (void)state;
    struct tg_graph graph;
    tg_graph_init(&graph, NO_LIMIT);
    stream(&graph, 5000, 100, 3);
    uint64_t bytes = graph.bytes;
    for (int32_t i = 0; i < 5000; i++) complete(&graph, publish(&graph, add(&graph)));
    assert_true(graph.bytes <= bytes + 64 * 1024);
    tg_graph_fini(&graph);
    assert_int_equal(graph.bytes, 0);
}

static void the_limit_is_kept_and_named(void **state)
{
    (void)state;
    enum { LIMIT = 300000 };
    struct tg_graph graph;
    tg_graph_init(&graph, LIMIT);
    uint64_t args[100] = {0};
    const struct tg_task_spec spec = {args, 100, &kernel, NULL, 0};
    int32_t id = -1, n = 0;
    enum tg_status status;
    while ((status = tg_graph_add(&graph, &spec, &id)) == TG_OK) assert_int_equal(id, n++);
    assert_error(status, TG_ERR_MEMORY, "of at most 300000");
    assert_int_equal(id, n - 1);
    assert_int_equal(graph.n_added, n);
    assert_true(n > 100);
    assert_true(graph.peak_bytes <= LIMIT + ARENA_BLOCK);
    /* The built tasks can be finished, and then there is room again. */
    for (int32_t i = 0; i < n; i++) complete(&graph, publish(&graph, i));
    for (int32_t i = n; i < 4 * n; i++) {
        assert_int_equal(tg_graph_add(&graph, &spec, &id), TG_OK);
        assert_int_equal(id, i);
        complete(&graph, publish(&graph, id));
    }
    assert_true(graph.peak_bytes <= LIMIT + ARENA_BLOCK);
    tg_graph_fini(&graph);
}

static void edges_are_held_to_the_limit_too(void **state)
{
    (void)state;
    enum { LIMIT = 200000 };
    struct tg_graph graph;
    tg_graph_init(&graph, LIMIT);
    add(&graph);
    add(&graph);
    enum tg_status status;
    uint64_t n = 0;
    while ((status = tg_graph_edge(&graph, 0, 1)) == TG_OK) n++;
    assert_error(status, TG_ERR_MEMORY, "of at most 200000");
    assert_int_equal(graph.n_edges, n);
    assert_true(graph.peak_bytes <= LIMIT + ARENA_BLOCK);
    /* The edge that failed is not waited for. */
    assert_null(publish(&graph, 1));
    struct tg_task *ready = complete(&graph, publish(&graph, 0));
    assert_non_null(ready);
    assert_int_equal(ready->id, 1);
    tg_graph_fini(&graph);
}

static void a_limit_of_nothing_lets_nothing_in(void **state)
{
    (void)state;
    const struct tg_task_spec spec = {.kernel = &kernel};
    for (uint64_t limit = 0; limit < 5000; limit += 500) {
        struct tg_graph graph;
        int32_t id = -5;
        tg_graph_init(&graph, limit);
        assert_int_equal(tg_graph_add(&graph, &spec, &id), TG_ERR_MEMORY);
        assert_int_equal(id, -5);
        assert_true(graph.bytes <= limit);
        tg_graph_fini(&graph);
    }
}

static void ids_end_where_int32_does(void **state)
{
    (void)state;
    struct tg_graph graph;
    tg_graph_init(&graph, NO_LIMIT);
    graph.n_added = INT32_MAX;
    const struct tg_task_spec spec = {.kernel = &kernel};
    int32_t id = -5;
    assert_error(tg_graph_add(&graph, &spec, &id), TG_ERR_MEMORY, "a graph has at most 2147483647 tasks");
    assert_int_equal(id, -5);
    tg_graph_fini(&graph);
}

/* ---- threads ----------------------------------------------------------------------------------------------------- */

enum { N_COMPLETERS = 2, FAN_IN_MAX = 5 };

/*
 * One builder, two completers. A task's value is a hash of the values of the tasks before it, kept in plain memory:
 * only the graph orders who writes and who reads. A completer runs what it made ready itself; the builder hands over
 * what was ready when it was published, to each completer in its own list.
 */
struct shop {
    struct tg_graph graph;
    uint64_t *values; /* [n] */
    int32_t n, window;
    uint64_t seed;
    struct inbox {
        struct tg_task **tasks; /* [n] */
        _Atomic int32_t n_posted;
    } inboxes[N_COMPLETERS];
    atomic_bool wrong;
};

struct completer {
    struct shop *shop;
    int index;
    pthread_t thread;
};

static uint64_t hash_of(uint64_t value, uint64_t with)
{
    value = (value ^ with) * 0x9E3779B97F4A7C15u;
    return value ^ value >> 29;
}

static void run_task(struct shop *shop, const struct tg_task *task)
{
    uint64_t value = (uint64_t)task->id + 1;
    for (uint32_t i = 0; i < task->n_args; i++) {
        uint64_t before = shop->values[task->args[i]];
        if (before == 0) atomic_store(&shop->wrong, true); /* it has not run */
        value = hash_of(value, before);
    }
    if (shop->values[task->id] != 0) atomic_store(&shop->wrong, true); /* it ran twice */
    shop->values[task->id] = value | 1;
}

/* Let others run. A sleep, for sched_yield costs a whole slice each time on a computer that is busy with other work. */
static void step_aside(void) { nanosleep(&(const struct timespec){.tv_nsec = 1}, NULL); }

static void *complete_tasks(void *arg)
{
    const struct completer *self = arg;
    struct shop *shop = self->shop;
    struct inbox *inbox = &shop->inboxes[self->index];
    struct tg_task *own = NULL;
    uint64_t random = shop->seed + 100 + (uint64_t)self->index;
    struct tg_uncounted uncounted = {.limit = ref_between(&random, 0, 20)};
    for (int32_t taken = 0; tg_graph_n_complete(&shop->graph) < (uint64_t)shop->n;) {
        struct tg_task *task = own;
        if (task) {
            own = task->next_ready;
        } else if (taken < atomic_load_explicit(&inbox->n_posted, memory_order_acquire)) {
            task = inbox->tasks[taken++];
        } else {
            tg_graph_count(&shop->graph, &uncounted);
            step_aside();
            continue;
        }
        if (ref_random(&random) % 32 == 0) step_aside();
        run_task(shop, task);
        struct tg_task *ready = tg_graph_complete(&shop->graph, task, &uncounted);
        while (ready) {
            struct tg_task *next = ready->next_ready;
            ready->next_ready = own;
            own = ready;
            ready = next;
        }
    }
    return NULL;
}

static void build(struct shop *shop, uint64_t *random)
{
    for (int32_t i = 0; i < shop->n; i++) {
        uint64_t before[FAN_IN_MAX];
        uint32_t n_before = i > 0 ? ref_between(random, 0, FAN_IN_MAX) : 0;
        uint32_t reach = (uint32_t)(i < 200 ? i : ref_random(random) % 8 ? 20 : 200);
        for (uint32_t e = 0; e < n_before; e++) before[e] = (uint64_t)i - ref_between(random, 1, reach);
        const struct tg_task_spec spec = {before, n_before, &kernel, NULL, 0};
        int32_t id;
        assert_int_equal(tg_graph_add(&shop->graph, &spec, &id), TG_OK);
        for (uint32_t e = 0; e < n_before; e++) edge(&shop->graph, (int64_t)before[e], id);
        struct tg_task *ready = publish(&shop->graph, id);
        if (ready) {
            struct inbox *inbox = &shop->inboxes[ref_between(random, 0, N_COMPLETERS - 1)];
            int32_t n = atomic_load_explicit(&inbox->n_posted, memory_order_relaxed);
            inbox->tasks[n] = ready;
            atomic_store_explicit(&inbox->n_posted, n + 1, memory_order_release);
        }
        if (i > 0 && i % 16 == 0) { /* a complete task may be read */
            int32_t other = (int32_t)ref_between(random, 0, (uint32_t)i - 1);
            if (tg_graph_is_complete(&shop->graph, other)) assert_true(shop->values[other] != 0);
        }
        while (shop->window > 0 && tg_graph_in_flight(&shop->graph) >= (uint64_t)shop->window) step_aside();
    }
}

static void shop_run(int32_t n, int32_t window, uint64_t seed)
{
    struct shop shop = {.n = n, .window = window, .seed = seed};
    struct completer completers[N_COMPLETERS];
    tg_graph_init(&shop.graph, NO_LIMIT);
    shop.values = calloc((size_t)n, sizeof *shop.values);
    assert_non_null(shop.values);
    for (int i = 0; i < N_COMPLETERS; i++) {
        shop.inboxes[i].tasks = calloc((size_t)n, sizeof(struct tg_task *));
        assert_non_null(shop.inboxes[i].tasks);
        completers[i] = (struct completer){.shop = &shop, .index = i};
        assert_int_equal(pthread_create(&completers[i].thread, NULL, complete_tasks, &completers[i]), 0);
    }
    uint64_t random = seed;
    build(&shop, &random);
    for (int i = 0; i < N_COMPLETERS; i++) assert_int_equal(pthread_join(completers[i].thread, NULL), 0);
    assert_false(atomic_load(&shop.wrong));
    for (int32_t i = 0; i < n; i++) assert_true(shop.values[i] != 0);
    assert_int_equal(tg_graph_in_flight(&shop.graph), 0);
    if (window > 0) assert_true(shop.graph.peak_bytes < 1 << 20);
    for (int i = 0; i < N_COMPLETERS; i++) free(shop.inboxes[i].tasks);
    free(shop.values);
    tg_graph_fini(&shop.graph);
}

static void threads_run_every_task_once_and_after_what_it_waits_for(void **state)
{
    (void)state;
    const char *given = getenv("TG_TEST_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 0) : 20260302;
    print_message("seed %llu (TG_TEST_SEED)\n", (unsigned long long)seed);
    int32_t n = TEST_ASAN || TEST_TSAN ? 2000 : 30000;
    for (uint64_t round = 0; round < 8; round++) {
        shop_run(n, 0, seed + round);
        shop_run(n, 300, seed + round);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_count_up_and_arguments_are_copied),
        cmocka_unit_test(successors_become_ready_in_the_order_of_their_edges),
        cmocka_unit_test(a_task_waits_for_all_of_many),
        cmocka_unit_test(what_is_not_published_is_published_at_the_end),
        cmocka_unit_test(what_is_left_is_visited_by_id),
        cmocka_unit_test(waiting_tasks_are_counted_once_whatever_their_edges),
        cmocka_unit_test(a_task_is_described_by_kernel_and_line),
        cmocka_unit_test(impossible_edges_are_named),
        cmocka_unit_test(impossible_publications_are_named),
        cmocka_unit_test(a_retired_task_counts_as_complete),
        cmocka_unit_test(every_interleaving_of_three_tasks_and_any_edges),
        cmocka_unit_test(every_interleaving_of_four_tasks_built_one_by_one),
        cmocka_unit_test(a_stream_of_a_million_tasks_takes_the_memory_of_its_window),
        cmocka_unit_test(memory_is_counted_down_to_nothing_new),
        cmocka_unit_test(the_limit_is_kept_and_named),
        cmocka_unit_test(edges_are_held_to_the_limit_too),
        cmocka_unit_test(a_limit_of_nothing_lets_nothing_in),
        cmocka_unit_test(ids_end_where_int32_does),
        cmocka_unit_test(threads_run_every_task_once_and_after_what_it_waits_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
