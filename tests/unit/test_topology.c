/* topology.c: a processor for each worker, and a thread that is back where it was. */
#include "machine/cpu/topology.h"

#include "common/check.h"

static void every_worker_gets_one_allowed_processor(void **state)
{
    (void)state;
    enum { N = 37 };
    static cpu_set_t place[N];
    cpu_set_t mine;
    assert_int_equal(sched_getaffinity(0, sizeof mine, &mine), 0);
    const int n_allowed = CPU_COUNT(&mine);
    assert_int_equal(tg_topology_processors(), n_allowed);
    tg_topology_spread(N, place);
    int used[CPU_SETSIZE] = {0};
    for (int i = 0; i < N; i++) {
        assert_int_equal(CPU_COUNT(&place[i]), 1);
        for (size_t processor = 0; processor < CPU_SETSIZE; processor++) {
            if (!CPU_ISSET(processor, &place[i])) continue;
            assert_true(CPU_ISSET(processor, &mine));
            used[processor]++;
        }
    }
    /* As evenly as can be: nobody shares while a processor is free. */
    for (size_t processor = 0; processor < CPU_SETSIZE; processor++)
        if (CPU_ISSET(processor, &mine)) assert_in_range(used[processor], N / n_allowed, N / n_allowed + 1);
}

static void a_thread_is_pinned_and_free_again(void **state)
{
    (void)state;
    cpu_set_t place, before, mine, now;
    tg_topology_spread(1, &place);
    assert_int_equal(sched_getaffinity(0, sizeof mine, &mine), 0);
    tg_topology_pin(&place, &before);
    assert_int_equal(sched_getaffinity(0, sizeof now, &now), 0);
    assert_true(CPU_EQUAL(&now, &place));
    assert_int_equal(tg_topology_processors(), 1);
    tg_topology_unpin(&before);
    assert_int_equal(sched_getaffinity(0, sizeof now, &now), 0);
    assert_true(CPU_EQUAL(&now, &mine));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_worker_gets_one_allowed_processor),
        cmocka_unit_test(a_thread_is_pinned_and_free_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
