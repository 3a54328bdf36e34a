/* ready.c: nothing is lost, nothing comes twice, and without a generator the oldest comes first. Seed: TG_TEST_SEED. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <pthread.h>
#include <sched.h>

#include <cmocka.h>

#include "aicpu/ready.h"
#include "common/check.h"
#include "reference.h"

enum { N = 1000, DRAWN_FROM = 16 };

static struct tg_task tasks[N];

static int number_the_tasks(void **state)
{
    (void)state;
    for (int i = 0; i < N; i++) tasks[i].id = i;
    return 0;
}

static void an_empty_queue_gives_nothing(void **state)
{
    (void)state;
    struct tg_ready ready;
    uint64_t random = 1;
    tg_ready_init(&ready);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(tg_ready_count(&ready), 0);
        assert_null(tg_ready_pop(&ready, NULL));
        assert_null(tg_ready_pop(&ready, &random));
    }
    tg_ready_push(&ready, &tasks[0]);
    assert_ptr_equal(tg_ready_pop(&ready, &random), &tasks[0]);
    assert_null(tg_ready_pop(&ready, NULL));
}

static void the_oldest_comes_first(void **state)
{
    (void)state;
    struct tg_ready ready;
    tg_ready_init(&ready);
    int pushed = 0, popped = 0;
    uint64_t random = 5;
    while (popped < N) { /* in waves, so that it runs empty now and then */
        for (uint32_t n = ref_between(&random, 0, 5); n > 0 && pushed < N; n--) tg_ready_push(&ready, &tasks[pushed++]);
        for (uint32_t n = ref_between(&random, 0, 5); n > 0; n--) {
            assert_int_equal(tg_ready_count(&ready), pushed - popped);
            struct tg_task *task = tg_ready_pop(&ready, NULL);
            if (popped == pushed) assert_null(task);
            else assert_ptr_equal(task, &tasks[popped++]);
        }
    }
    assert_int_equal(tg_ready_count(&ready), 0);
}

/* Every draw is one of the oldest few, each of them is drawn at some time, and what is not drawn keeps its order. */
static void a_draw_takes_one_of_the_oldest(void **state)
{
    (void)state;
    struct tg_ready ready;
    uint64_t random = 7;
    int order[N], n_left = N, drawn_at[DRAWN_FROM] = {0};
    tg_ready_init(&ready);
    for (int i = 0; i < N; i++) {
        order[i] = i;
        tg_ready_push(&ready, &tasks[i]);
    }
    while (n_left > 0) {
        struct tg_task *task = tg_ready_pop(&ready, &random);
        assert_non_null(task);
        int at = 0;
        while (at < n_left && order[at] != task->id) at++;
        assert_true(at < DRAWN_FROM && at < n_left);
        drawn_at[at]++;
        for (int i = at; i + 1 < n_left; i++) order[i] = order[i + 1];
        n_left--;
        assert_int_equal(tg_ready_count(&ready), n_left);
    }
    assert_null(tg_ready_pop(&ready, &random));
    for (int i = 0; i < DRAWN_FROM; i++) assert_true(drawn_at[i] > 0);
}

static void a_queue_that_draws_can_be_filled_again(void **state)
{
    (void)state;
    struct tg_ready ready;
    uint64_t random = 9;
    tg_ready_init(&ready);
    bool in_queue[N] = {false};
    int n_in_queue = 0;
    for (int step = 0; step < 20000; step++) {
        int i = (int)ref_between(&random, 0, 39);
        if (!in_queue[i] && step % 2) {
            tg_ready_push(&ready, &tasks[i]);
            in_queue[i] = true;
            n_in_queue++;
        } else {
            struct tg_task *task = tg_ready_pop(&ready, step % 3 ? &random : NULL);
            if (n_in_queue == 0) {
                assert_null(task);
                continue;
            }
            assert_non_null(task);
            assert_true(in_queue[task->id]);
            in_queue[task->id] = false;
            n_in_queue--;
        }
    }
}

static void equal_generators_draw_equally(void **state)
{
    (void)state;
    int first[N];
    for (int round = 0; round < 2; round++) {
        struct tg_ready ready;
        uint64_t random = 11;
        tg_ready_init(&ready);
        for (int i = 0; i < N; i++) tg_ready_push(&ready, &tasks[i]);
        for (int i = 0; i < N; i++) {
            int id = tg_ready_pop(&ready, &random)->id;
            if (round == 0) first[i] = id;
            assert_int_equal(id, first[i]);
        }
    }
}

/* ---- threads ----------------------------------------------------------------------------------------------------- */

enum { N_PUSHERS = 2, N_POPPERS = 2 };

struct counter {
    struct tg_ready ready;
    struct tg_task *tasks; /* [n] */
    int *payload;          /* [n]: written before the push, read after the pop, plainly */
    int n;
    _Atomic int n_popped;
    uint64_t seed;
    bool draw;
};

struct worker {
    struct counter *counter;
    int index;
    bool in_order;
    pthread_t thread;
};

static void *push_all(void *arg)
{
    const struct worker *self = arg;
    struct counter *counter = self->counter;
    for (int i = self->index; i < counter->n; i += N_PUSHERS) {
        counter->payload[i] = i + 1;
        tg_ready_push(&counter->ready, &counter->tasks[i]);
    }
    return NULL;
}

static void *pop_all(void *arg)
{
    struct worker *self = arg;
    struct counter *counter = self->counter;
    uint64_t random = counter->seed + (uint64_t)self->index;
    int latest[N_PUSHERS] = {-1, -1};
    self->in_order = true;
    while (atomic_load(&counter->n_popped) < counter->n) {
        struct tg_task *task = tg_ready_pop(&counter->ready, counter->draw ? &random : NULL);
        if (!task) {
            sched_yield();
            continue;
        }
        int id = task->id, pusher = id % N_PUSHERS;
        if (id < latest[pusher] && !counter->draw) self->in_order = false;
        latest[pusher] = id;
        counter->payload[id] = -counter->payload[id];
        atomic_fetch_add(&counter->n_popped, 1);
    }
    return NULL;
}

static void count_with_threads(uint64_t seed, bool draw)
{
    struct counter counter = {.n = (TEST_ASAN || TEST_TSAN) ? 2000 : 100000, .seed = seed, .draw = draw};
    struct worker workers[N_PUSHERS + N_POPPERS];
    counter.tasks = calloc((size_t)counter.n, sizeof *counter.tasks);
    counter.payload = calloc((size_t)counter.n, sizeof *counter.payload);
    assert_non_null(counter.tasks);
    assert_non_null(counter.payload);
    tg_ready_init(&counter.ready);
    for (int i = 0; i < counter.n; i++) counter.tasks[i].id = i;
    for (int i = 0; i < N_PUSHERS + N_POPPERS; i++) {
        workers[i] = (struct worker){.counter = &counter, .index = i < N_PUSHERS ? i : i - N_PUSHERS};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, i < N_PUSHERS ? push_all : pop_all, &workers[i]), 0);
    }
    for (int i = 0; i < N_PUSHERS + N_POPPERS; i++) pthread_join(workers[i].thread, NULL);
    for (int i = N_PUSHERS; i < N_PUSHERS + N_POPPERS; i++) assert_true(workers[i].in_order);
    for (int i = 0; i < counter.n; i++) assert_int_equal(counter.payload[i], -(i + 1)); /* once each */
    assert_int_equal(tg_ready_count(&counter.ready), 0);
    free(counter.tasks);
    free(counter.payload);
}

static void threads_get_every_task_once(void **state)
{
    (void)state;
    const char *given = getenv("TG_TEST_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 0) : 20260304;
    print_message("seed %llu (TG_TEST_SEED)\n", (unsigned long long)seed);
    for (uint64_t round = 0; round < 4; round++) count_with_threads(seed + round, round % 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_queue_gives_nothing),   cmocka_unit_test(the_oldest_comes_first),
        cmocka_unit_test(a_draw_takes_one_of_the_oldest), cmocka_unit_test(a_queue_that_draws_can_be_filled_again),
        cmocka_unit_test(equal_generators_draw_equally),  cmocka_unit_test(threads_get_every_task_once),
    };
    return cmocka_run_group_tests(tests, number_the_tasks, NULL);
}
