/* park.c: who sleeps on a word is woken, and does not sleep when the word has changed already. */
#include "os/park.h"

#include <pthread.h>
#include <sched.h>

#include "common/check.h"

static _Atomic uint32_t word, n_asleep;

static void *sleep_on_word(void *arg)
{
    (void)arg;
    atomic_fetch_add(&n_asleep, 1);
    while (atomic_load(&word) == 1) tg_park(&word, 1, UINT64_C(100000000000));
    return NULL;
}

/* Would sleep for 100 seconds if it did not return: the test's time limit is the check. */
static void a_changed_word_is_not_slept_on(void **state)
{
    (void)state;
    atomic_store(&word, 2);
    tg_park(&word, 1, UINT64_C(100000000000));
    assert_int_equal(atomic_load(&word), 2);
}

static void a_sleeper_is_woken(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++) {
        pthread_t thread;
        atomic_store(&word, 1);
        atomic_store(&n_asleep, 0);
        assert_int_equal(pthread_create(&thread, NULL, sleep_on_word, NULL), 0);
        while (atomic_load(&n_asleep) == 0) sched_yield();
        atomic_store(&word, 0);
        tg_unpark(&word);
        assert_int_equal(pthread_join(thread, NULL), 0);
    }
}

static void a_sleep_ends_by_itself(void **state)
{
    (void)state;
    atomic_store(&word, 1);
    tg_park(&word, 1, 1000000);
    assert_int_equal(atomic_load(&word), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_changed_word_is_not_slept_on),
        cmocka_unit_test(a_sleeper_is_woken),
        cmocka_unit_test(a_sleep_ends_by_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
