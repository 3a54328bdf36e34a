/* clock.c: everybody sees the world in the order of virtual time, and a stall is a fact. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "machine/sim/clock.h"
#include "reference.h"

enum { STACK_BYTES = 128 * 1024, ACTORS = 16 };

static struct tg_clock *the_clock; /* large: not on a stack */
static char events[1 << 16];       /* what happened, in the order in which it did */

static int allocate(void **state)
{
    (void)state;
    the_clock = calloc(1, sizeof *the_clock);
    return the_clock ? 0 : -1;
}

static int release(void **state)
{
    (void)state;
    tg_clock_fini(the_clock);
    free(the_clock);
    return 0;
}

static void note(const char *what)
{
    size_t at = strlen(events);
    snprintf(events + at, sizeof events - at, "%s ", what);
}

/* The running actor: its number, its time, moving it. */
static uint32_t self(void) { return (uint32_t)(the_clock->running - the_clock->actors); }

static uint64_t now(void) { return the_clock->running->now; }

static void work(uint64_t ns)
{
    the_clock->running->now += ns;
    tg_coro_publish(events);
    tg_clock_yield(the_clock);
    tg_coro_observe(events);
}

/* The thread sanitizer sees no order in a switch between actors. What these tests share is ordered by the clock itself,
 * and it is told so. */
static bool sleep_until_woken(void)
{
    tg_coro_publish(events);
    bool stalled = tg_clock_sleep(the_clock);
    tg_coro_observe(events);
    return stalled;
}

static _Noreturn void end(void)
{
    tg_coro_publish(events);
    tg_clock_end(the_clock);
}

static bool run(void)
{
    tg_coro_publish(events);
    bool ended = tg_clock_run(the_clock);
    tg_coro_observe(events);
    return ended;
}

static void begin(uint64_t seed)
{
    events[0] = '\0';
    tg_clock_reset(the_clock, seed);
}

static void add(tg_coro_fn *entry, void *arg, bool can_stall)
{
    assert_int_equal(tg_clock_add(the_clock, 0, STACK_BYTES, can_stall, entry, arg), TG_OK);
}

/* ---- turns ------------------------------------------------------------------------------------------------------- */

/* Note name and time after each of some steps. */
struct steps {
    const char *name;
    uint64_t ns[4];
    int n;
};

static void take_steps(void *arg)
{
    tg_coro_observe(events);
    const struct steps *steps = arg;
    char text[32];
    for (int i = 0; i < steps->n; i++) {
        work(steps->ns[i]);
        snprintf(text, sizeof text, "%s%llu", steps->name, (unsigned long long)now());
        note(text);
    }
    end();
}

static void actors_take_turns_by_their_clocks(void **state)
{
    (void)state;
    struct steps a = {"a", {10, 10, 100}, 3}, b = {"b", {15, 15, 15, 15}, 4}, c = {"c", {1, 1, 1, 200}, 4};
    begin(0);
    add(take_steps, &a, false);
    add(take_steps, &b, false);
    add(take_steps, &c, false);
    assert_true(run());
    assert_string_equal(events, "c1 c2 c3 a10 b15 a20 b30 b45 b60 a120 c203 ");
}

static void at_equal_times_the_first_added_goes_first(void **state)
{
    (void)state;
    struct steps a = {"a", {5, 5}, 2}, b = {"b", {5, 5}, 2}, c = {"c", {10}, 1};
    begin(0);
    add(take_steps, &c, false);
    add(take_steps, &b, false);
    add(take_steps, &a, false);
    assert_true(run());
    assert_string_equal(events, "b5 a5 c10 b10 a10 ");
}

static void a_clock_without_actors_ends_at_once(void **state)
{
    (void)state;
    begin(0);
    assert_int_equal(tg_clock_next(the_clock), TG_NEVER);
    assert_true(run());
}

static void look_at_the_next(void *arg)
{
    tg_coro_observe(events);
    (void)arg;
    char text[64];
    work(50 + self());
    uint64_t next = tg_clock_next(the_clock);
    snprintf(text, sizeof text, "%llu->%lld", (unsigned long long)now(), next == TG_NEVER ? -1 : (long long)next);
    note(text);
    end();
}

static void the_next_turn_is_known(void **state)
{
    (void)state;
    begin(0);
    for (int i = 0; i < 3; i++) add(look_at_the_next, NULL, false);
    assert_int_equal(tg_clock_next(the_clock), 0);
    assert_true(run());
    assert_string_equal(events, "50->51 51->52 52->-1 ");
}

/* ---- sleeping and waking ----------------------------------------------------------------------------------------- */

/* Sleep `n` times and note when and how it ended. */
static void sleeper(void *arg)
{
    tg_coro_observe(events);
    char text[32];
    for (int n = *(int *)arg; n > 0; n--) {
        bool stalled = sleep_until_woken();
        snprintf(text, sizeof text, "%s%llu", stalled ? "stall" : "woken", (unsigned long long)now());
        note(text);
    }
    end();
}

static void wake_later(void *arg)
{
    tg_coro_observe(events);
    (void)arg;
    work(10);
    tg_clock_wake(the_clock, &the_clock->actors[0], 40);
    note("waker10");
    work(20);
    note("waker30");
    work(20);
    note("waker50");
    end();
}

static void a_sleeper_wakes_at_the_time_it_was_given(void **state)
{
    (void)state;
    int once = 1;
    begin(0);
    add(sleeper, &once, false);
    add(wake_later, NULL, false);
    assert_true(run());
    assert_string_equal(events, "waker10 waker30 woken40 waker50 ");
}

static void wake_twice(void *arg)
{
    tg_coro_observe(events);
    const uint64_t *times = arg;
    work(10);
    tg_clock_wake(the_clock, &the_clock->actors[0], times[0]);
    tg_clock_wake(the_clock, &the_clock->actors[0], times[1]);
    end();
}

static void of_two_wakes_the_earlier_counts(void **state)
{
    (void)state;
    int once = 1;
    uint64_t falling[] = {90, 30}, rising[] = {30, 90};
    for (int i = 0; i < 2; i++) {
        begin(0);
        add(sleeper, &once, false);
        add(wake_twice, i ? rising : falling, false);
        assert_true(run());
        assert_string_equal(events, "woken30 ");
    }
}

static void fall_asleep_late(void *arg)
{
    tg_coro_observe(events);
    work(100);
    sleeper(arg);
}

static void a_wake_that_came_before_the_sleep_ends_it_at_once(void **state)
{
    (void)state;
    int once = 1;
    uint64_t past[] = {20, 30}, future[] = {500, 300};
    begin(0);
    add(fall_asleep_late, &once, false);
    add(wake_twice, past, false);
    assert_true(run());
    assert_string_equal(events, "woken100 "); /* time does not go back */
    begin(0);
    add(fall_asleep_late, &once, false);
    add(wake_twice, future, false);
    assert_true(run());
    assert_string_equal(events, "woken300 ");
}

static void wake_in_the_past(void *arg)
{
    tg_coro_observe(events);
    (void)arg;
    work(200);
    tg_clock_wake(the_clock, &the_clock->actors[0], 7);
    end();
}

static void nobody_wakes_before_he_fell_asleep(void **state)
{
    (void)state;
    int once = 1;
    begin(0);
    add(fall_asleep_late, &once, false);
    add(wake_in_the_past, NULL, false);
    assert_true(run());
    assert_string_equal(events, "woken100 ");
}

static void wake_long_ago(void *arg)
{
    tg_coro_observe(events);
    (void)arg;
    work(10);
    tg_clock_wake(the_clock, &the_clock->actors[0], 500); /* it still runs, and will nap until then */
    work(190);
    tg_clock_wake(the_clock, &the_clock->actors[0], 7);
    end();
}

static void nobody_is_woken_from_a_nap_before_it_began(void **state)
{
    (void)state;
    int once = 1;
    begin(0);
    add(fall_asleep_late, &once, false);
    add(wake_long_ago, NULL, false);
    assert_true(run());
    assert_string_equal(events, "woken100 ");
}

static void wake_the_ended(void *arg)
{
    tg_coro_observe(events);
    (void)arg;
    work(50);
    tg_clock_wake(the_clock, &the_clock->actors[0], 60);
    note("waker");
    end();
}

static void to_wake_who_has_ended_does_nothing(void **state)
{
    (void)state;
    struct steps a = {"a", {1}, 1};
    begin(0);
    add(take_steps, &a, false);
    add(wake_the_ended, NULL, false);
    assert_true(run());
    assert_string_equal(events, "a1 waker ");
}

/* ---- stalls ------------------------------------------------------------------------------------------------------ */

static void a_stall_is_given_to_one_after_the_other(void **state)
{
    (void)state;
    int once = 1;
    begin(0);
    add(sleeper, &once, false); /* takes none: it sleeps for good */
    add(sleeper, &once, true);
    add(sleeper, &once, true);
    assert_false(run());
    assert_string_equal(events, "stall0 stall0 ");
    assert_int_equal(the_clock->actors[0].state, TG_ACTOR_ASLEEP);
}

static void who_ends_a_stall_without_moving_anything_gets_no_second(void **state)
{
    (void)state;
    int many = 10;
    begin(0);
    add(sleeper, &many, true);
    add(sleeper, &many, true);
    assert_false(run());
    assert_string_equal(events, "stall0 stall0 ");
}

static void wake_on_stall(void *arg)
{
    tg_coro_observe(events);
    const uint32_t *whom = arg;
    for (int i = 0; i < 3; i++) {
        note(sleep_until_woken() ? "S" : "W");
        if (i < 2) tg_clock_wake(the_clock, &the_clock->actors[*whom], now() + 5);
    }
    end();
}

static void after_something_has_moved_a_stall_is_a_new_one(void **state)
{
    (void)state;
    uint32_t second = 1;
    int twice = 2;
    begin(0);
    add(wake_on_stall, &second, true);
    add(sleeper, &twice, false);
    assert_true(run());
    assert_string_equal(events, "S woken5 S woken10 S ");
}

static void stall_and_wake_each_other(void *arg)
{
    tg_coro_observe(events);
    uint32_t other = 1 - self();
    char text[16];
    for (int i = 0; i < 2; i++) {
        bool stalled = sleep_until_woken();
        snprintf(text, sizeof text, "%s%u", stalled ? "S" : "W", self());
        note(text);
        tg_clock_wake(the_clock, &the_clock->actors[other], now() + 1);
    }
    (void)arg;
    end();
}

static void a_stall_is_told_from_a_wake(void **state)
{
    (void)state;
    begin(0);
    add(stall_and_wake_each_other, NULL, true);
    add(stall_and_wake_each_other, NULL, true);
    assert_true(run());
    assert_string_equal(events, "S0 W1 W0 W1 ");
}

static void a_stall_waits_until_nobody_naps(void **state)
{
    (void)state;
    int once = 1;
    struct steps late = {"late", {1000}, 1};
    begin(0);
    add(sleeper, &once, true);
    add(take_steps, &late, false);
    assert_true(run());
    assert_string_equal(events, "late1000 stall1000 ");
}

/* ---- any program ------------------------------------------------------------------------------------------------- */

static uint64_t world_time; /* of the last look at what is shared */
static uint64_t n_looks, hash;
static bool backwards;

static void look(void)
{
    if (now() < world_time) backwards = true;
    world_time = now();
    hash = (hash ^ now() ^ self()) * 0x9E3779B97F4A7C15u;
    n_looks++;
}

static void act_at_random(void *arg)
{
    tg_coro_observe(events);
    uint64_t random = *(uint64_t *)arg + self() + 1;
    for (int i = 0; i < 300; i++) {
        work(ref_between(&random, 0, 40));
        look();
        uint32_t other = ref_between(&random, 0, ACTORS - 1);
        if (other != self()) tg_clock_wake(the_clock, &the_clock->actors[other], now() + ref_between(&random, 0, 60));
        if (ref_between(&random, 0, 3) == 0) {
            uint64_t before = now();
            sleep_until_woken();
            if (now() < before) backwards = true;
            look();
        }
    }
    end();
}

static uint64_t run_at_random(uint64_t program, uint64_t schedule)
{
    begin(schedule);
    world_time = n_looks = hash = 0;
    backwards = false;
    for (int i = 0; i < ACTORS; i++) add(act_at_random, &program, true);
    assert_true(run());
    assert_false(backwards);
    assert_true(n_looks > ACTORS * 300);
    return hash;
}

static void the_world_is_seen_in_the_order_of_time(void **state)
{
    (void)state;
    for (uint64_t program = 1; program <= 20; program++)
        for (uint64_t schedule = 0; schedule < 3; schedule++) run_at_random(program, schedule);
}

static void equal_seeds_give_equal_runs(void **state)
{
    (void)state;
    bool differ = false;
    for (uint64_t schedule = 0; schedule < 5; schedule++) {
        uint64_t first = run_at_random(3, schedule);
        for (int i = 0; i < 3; i++) assert_int_equal(run_at_random(3, schedule), first);
        differ = differ || first != run_at_random(3, 0);
    }
    assert_true(differ);
}

static void a_seed_draws_who_goes_first_at_equal_times(void **state)
{
    (void)state;
    struct steps steps[] = {{"a", {5, 5, 5}, 3}, {"b", {5, 5, 5}, 3}, {"c", {5, 5, 5}, 3}, {"d", {5, 5, 5}, 3}};
    char first[sizeof events] = "";
    int n_other = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        begin(seed);
        for (int i = 0; i < 4; i++) add(take_steps, &steps[i], false);
        assert_true(run());
        assert_int_equal(strlen(events), 4 * 3 + 4 * 8); /* everybody, three times */
        if (seed == 1) snprintf(first, sizeof first, "%s", events);
        else if (strcmp(first, events) != 0) n_other++;
    }
    assert_true(n_other > 10);
}

static void all_actors_of_a_device_fit(void **state)
{
    (void)state;
    struct steps steps = {"", {3, 3, 3, 3}, 4};
    for (int round = 0; round < 2; round++) { /* the second time on the stacks of the first */
        begin(0);
        for (int i = 0; i < TG_ACTORS_MAX; i++) add(take_steps, &steps, false);
        assert_true(run());
        size_t n = 0;
        for (const char *at = events; (at = strchr(at, ' ')) != NULL; at++) n++;
        assert_int_equal(n, 4 * TG_ACTORS_MAX);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(actors_take_turns_by_their_clocks),
        cmocka_unit_test(at_equal_times_the_first_added_goes_first),
        cmocka_unit_test(a_clock_without_actors_ends_at_once),
        cmocka_unit_test(the_next_turn_is_known),
        cmocka_unit_test(a_sleeper_wakes_at_the_time_it_was_given),
        cmocka_unit_test(of_two_wakes_the_earlier_counts),
        cmocka_unit_test(a_wake_that_came_before_the_sleep_ends_it_at_once),
        cmocka_unit_test(nobody_wakes_before_he_fell_asleep),
        cmocka_unit_test(nobody_is_woken_from_a_nap_before_it_began),
        cmocka_unit_test(to_wake_who_has_ended_does_nothing),
        cmocka_unit_test(a_stall_is_given_to_one_after_the_other),
        cmocka_unit_test(who_ends_a_stall_without_moving_anything_gets_no_second),
        cmocka_unit_test(after_something_has_moved_a_stall_is_a_new_one),
        cmocka_unit_test(a_stall_is_told_from_a_wake),
        cmocka_unit_test(a_stall_waits_until_nobody_naps),
        cmocka_unit_test(the_world_is_seen_in_the_order_of_time),
        cmocka_unit_test(equal_seeds_give_equal_runs),
        cmocka_unit_test(a_seed_draws_who_goes_first_at_equal_times),
        cmocka_unit_test(all_actors_of_a_device_fit),
    };
    return cmocka_run_group_tests(tests, allocate, release);
}
