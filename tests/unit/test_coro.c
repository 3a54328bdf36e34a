/* coro.c and the switches: each side finds everything as it left it. */
#include <fcntl.h>
#include <fenv.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/check.h"
#include "os/coro.h"

enum { STACK_BYTES = 128 * 1024 };

/* A coroutine that yields numbers to its resumer. */
struct generator {
    struct tg_coro coro;
    struct tg_coro *caller;
    uint64_t value;
    uint32_t index;
};

/* The thread sanitizer sees no order in a switch. Here there is one, and it is told so. */
static _Thread_local char order;

static void switch_in_order(struct tg_coro *to)
{
    tg_coro_publish(&order);
    tg_coro_switch(to);
    tg_coro_observe(&order);
}

static uint64_t resume(struct generator *generator)
{
    generator->caller = tg_coro_current();
    switch_in_order(&generator->coro);
    return generator->value;
}

static void yield(struct generator *generator, uint64_t value)
{
    generator->value = value;
    switch_in_order(generator->caller);
}

static void open_generator(struct generator *generator, size_t stack_bytes, tg_coro_fn *entry)
{
    assert_int_equal(tg_coro_init(&generator->coro, stack_bytes), TG_OK);
    tg_coro_start(&generator->coro, entry, generator);
}

/* ---- switching --------------------------------------------------------------------------------------------------- */

static void fibonacci(void *arg)
{
    tg_coro_observe(&order);
    struct generator *generator = arg;
    for (uint64_t a = 0, b = 1;;) {
        yield(generator, a);
        uint64_t next = a + b;
        a = b;
        b = next;
    }
}

static void squares(void *arg)
{
    tg_coro_observe(&order);
    struct generator *generator = arg;
    for (uint64_t i = 0;; i++) yield(generator, i * i);
}

static void coroutines_keep_their_variables(void **state)
{
    (void)state;
    struct generator one, other;
    open_generator(&one, STACK_BYTES, fibonacci);
    open_generator(&other, STACK_BYTES, squares);
    uint64_t a = 0, b = 1;
    for (uint64_t i = 0; i < 80; i++) {
        assert_int_equal(resume(&one), a);
        assert_int_equal(resume(&other), i * i);
        uint64_t next = a + b;
        a = b;
        b = next;
    }
    tg_coro_fini(&one.coro);
    tg_coro_fini(&other.coro);
}

/* Depth-first walk of a binary tree of depth 12: deep frames, a switch in each. */
static void walk(struct generator *generator, uint64_t node, int depth)
{
    if (depth > 0) walk(generator, 2 * node, depth - 1);
    yield(generator, node);
    if (depth > 0) walk(generator, 2 * node + 1, depth - 1);
}

static void walk_all(void *arg)
{
    tg_coro_observe(&order);
    struct generator *generator = arg;
    walk(generator, 1, 12);
    yield(generator, 0);
    abort();
}

static void switches_happen_at_any_depth(void **state)
{
    (void)state;
    enum { N = 3 };
    struct generator walkers[N];
    for (int i = 0; i < N; i++) open_generator(&walkers[i], STACK_BYTES, walk_all);
    uint64_t n = 0;
    for (uint64_t node = 1; node != 0; n++) {
        node = resume(&walkers[0]);
        for (int i = 1; i < N; i++) assert_int_equal(resume(&walkers[i]), node);
    }
    assert_int_equal(n, (1 << 13) - 1 + 1);
    for (int i = 0; i < N; i++) tg_coro_fini(&walkers[i].coro);
}

/* More live values than there are registers, integers and floats, all over a switch. */
static uint64_t busy(struct generator *generator, uint64_t x, double y)
{
    uint64_t a = x * 3, b = x ^ 0x55, c = x + 17, d = x << 7, e = ~x, f = x * x, g = x % 97, h = x >> 3;
    double p = y * 1.5, q = y - 2, r = y / 3, s = y * y, t = y + 0.25, u = -y, v = y * 7, w = y - 100;
    if (generator) yield(generator, 0);
    uint64_t sum = a + 2 * b + 3 * c + 5 * d + 7 * e + 11 * f + 13 * g + 17 * h;
    double total = p + 2 * q + 3 * r + 5 * s + 7 * t + 11 * u + 13 * v + 17 * w;
    uint64_t bits;
    memcpy(&bits, &total, sizeof bits);
    return sum ^ bits;
}

static void busy_all(void *arg)
{
    tg_coro_observe(&order);
    struct generator *generator = arg;
    for (uint32_t i = 0;; i++) {
        uint64_t seed = i * 1000003u + generator->index;
        uint64_t value = busy(generator, seed, (double)seed / 7);
        yield(generator, value);
    }
}

static void registers_survive_a_switch(void **state)
{
    (void)state;
    enum { N = 5 };
    struct generator workers[N];
    for (uint32_t i = 0; i < N; i++) {
        workers[i].index = i;
        open_generator(&workers[i], STACK_BYTES, busy_all);
    }
    for (uint32_t round = 0; round < 200; round++) {
        for (int i = 0; i < N; i++) resume(&workers[i]); /* in the middle of it */
        for (uint32_t i = N; i-- > 0;) {
            uint64_t seed = round * 1000003u + i;
            assert_int_equal(resume(&workers[i]), busy(NULL, seed, (double)seed / 7));
        }
    }
    for (int i = 0; i < N; i++) tg_coro_fini(&workers[i].coro);
}

/* Coroutines hand on to each other in a ring, without coming back in between. */
static struct generator ring[64];
static uint64_t n_passed;

static void pass_on(void *arg)
{
    tg_coro_observe(&order);
    const struct generator *self = arg;
    for (;;) {
        uint64_t here = n_passed++;
        if (here % 64 != self->index) abort();
        struct tg_coro *next = &ring[(self->index + 1) % 64].coro;
        switch_in_order(here == 64 * 100 - 1 ? ring[0].caller : next);
    }
}

static void coroutines_hand_on_to_each_other(void **state)
{
    (void)state;
    n_passed = 0;
    for (uint32_t i = 0; i < 64; i++) {
        ring[i].index = i;
        open_generator(&ring[i], STACK_BYTES, pass_on);
    }
    resume(&ring[0]);
    assert_int_equal(n_passed, 64 * 100);
    for (int i = 0; i < 64; i++) tg_coro_fini(&ring[i].coro);
}

static struct tg_coro *seen_inside;

static void look_around(void *arg)
{
    tg_coro_observe(&order);
    seen_inside = tg_coro_current();
    yield(arg, 1);
}

static void everybody_knows_who_runs(void **state)
{
    (void)state;
    struct generator generator;
    struct tg_coro *outside = tg_coro_current();
    assert_non_null(outside);
    assert_null(outside->stack.low); /* the thread's own */
    open_generator(&generator, STACK_BYTES, look_around);
    resume(&generator);
    assert_ptr_equal(seen_inside, &generator.coro);
    assert_ptr_equal(tg_coro_current(), outside);
    tg_coro_fini(&generator.coro);
}

static void a_coroutine_can_be_started_anew(void **state)
{
    (void)state;
    struct generator generator;
    open_generator(&generator, STACK_BYTES, squares);
    for (int round = 0; round < (TEST_TSAN ? 50 : 1000); round++) {
        for (uint64_t i = 0; i < 4; i++) assert_int_equal(resume(&generator), i * i);
        tg_coro_start(&generator.coro, squares, &generator); /* dropped in the middle */
    }
    tg_coro_fini(&generator.coro);
    open_generator(&generator, STACK_BYTES, fibonacci);
    assert_int_equal(resume(&generator), 0);
    tg_coro_fini(&generator.coro);
}

/* ---- floating point ---------------------------------------------------------------------------------------------- */

static void round_upwards(void *arg)
{
    tg_coro_observe(&order);
    struct generator *generator = arg;
    fesetround(FE_UPWARD);
    for (;;) yield(generator, (uint64_t)fegetround());
}

static void the_rounding_mode_belongs_to_the_coroutine(void **state)
{
    (void)state;
    struct generator generator;
    int mode = fegetround();
    open_generator(&generator, STACK_BYTES, round_upwards);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(resume(&generator), FE_UPWARD);
        assert_int_equal(fegetround(), mode);
    }
    tg_coro_fini(&generator.coro);
}

static void report_rounding(void *arg)
{
    tg_coro_observe(&order);
    struct generator *generator = arg;
    yield(generator, (uint64_t)fegetround());
}

static void a_coroutine_begins_in_the_default_state(void **state)
{
    (void)state;
    struct generator generator;
    int mode = fegetround();
    open_generator(&generator, STACK_BYTES, report_rounding);
    fesetround(FE_DOWNWARD);
    uint64_t inside = resume(&generator);
    fesetround(mode);
    assert_int_equal(inside, FE_TONEAREST);
    tg_coro_fini(&generator.coro);
}

/* ---- stacks ------------------------------------------------------------------------------------------------------ */

static void look_at_the_stack(void *arg)
{
    tg_coro_observe(&order);
    struct generator *generator = arg;
    _Alignas(16) volatile char aligned[16];
    aligned[0] = 1;
    yield(generator, (uint64_t)(uintptr_t)aligned);
}

static void a_stack_is_aligned_and_ours(void **state)
{
    (void)state;
    for (size_t bytes = 64 * 1024; bytes < 66 * 1024; bytes += 100) {
        struct generator generator;
        open_generator(&generator, bytes, look_at_the_stack);
        uint64_t at = resume(&generator), low = (uint64_t)(uintptr_t)generator.coro.stack.low;
        assert_int_equal(at % 16, 0);
        /* Under the address sanitizer variables may live elsewhere. */
        if (!TEST_ASAN) assert_true(at > low && at < low + generator.coro.stack.bytes);
        assert_true(generator.coro.stack.bytes > bytes);
        tg_coro_fini(&generator.coro);
    }
}

/* Write `left` bytes of stack, 256 at a time. */
static __attribute__((noinline)) uint64_t use_stack(size_t left)
{
    volatile uint8_t piece[256];
    for (size_t i = 0; i < sizeof piece; i++) piece[i] = (uint8_t)left;
    uint64_t sum = left > 512 ? use_stack(left - 512) : 0;
    for (size_t i = 0; i < sizeof piece; i++) sum += piece[i];
    return sum;
}

static void use_most_of_it(void *arg)
{
    tg_coro_observe(&order);
    struct generator *generator = arg;
    for (;;) yield(generator, use_stack(STACK_BYTES / ((TEST_ASAN || TEST_TSAN) ? 8 : 2)));
}

static void all_of_a_stack_can_be_used(void **state)
{
    (void)state;
    struct generator one, other;
    open_generator(&one, STACK_BYTES, use_most_of_it);
    open_generator(&other, STACK_BYTES, use_most_of_it);
    uint64_t expected = use_stack(STACK_BYTES / ((TEST_ASAN || TEST_TSAN) ? 8 : 2));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(resume(&one), expected);
        assert_int_equal(resume(&other), expected);
    }
    tg_coro_fini(&one.coro);
    tg_coro_fini(&other.coro);
}

static void an_address_below_the_stack_is_an_overflow(void **state)
{
    (void)state;
    struct tg_coro coro;
    assert_int_equal(tg_coro_init(&coro, STACK_BYTES), TG_OK);
    const char *foreign = tg_stack_foreign(&coro.stack), *own = tg_stack_own(&coro.stack);
    assert_true(tg_coro_overflowed(&coro, foreign - (1 << 20)));
    assert_true(tg_coro_overflowed(&coro, foreign - 1));
    assert_false(tg_coro_overflowed(&coro, foreign));
    assert_false(tg_coro_overflowed(&coro, coro.stack.low - 1));
    assert_false(tg_coro_overflowed(&coro, coro.stack.low + coro.stack.bytes - 1));
    assert_false(tg_coro_overflowed(&coro, NULL));
    assert_false(tg_coro_overflowed(tg_coro_current(), foreign - 1));
    /* Frames of the library end at the fence. It is above those of foreign code. */
    tg_coro_start(&coro, use_most_of_it, NULL);
    assert_true(tg_coro_overflowed(&coro, own - 1));
    coro.foreign_top = NULL;
    assert_false(tg_coro_overflowed(&coro, own - 1));
    tg_coro_fini(&coro);
}

static void a_stack_that_cannot_be_had_is_refused(void **state)
{
    (void)state;
    struct tg_coro coro;
    assert_int_equal(tg_coro_init(&coro, (size_t)1 << 60), TG_ERR_MEMORY);
    assert_non_null(strstr(tg_last_message(), "1152921504606846976 bytes"));
    assert_null(coro.stack.low);
    tg_coro_fini(&coro); /* harmless */
}

static void many_coroutines_fit(void **state)
{
    (void)state;
    enum { N = TEST_TSAN ? 100 : 2000 };
    struct generator *all = calloc(N, sizeof *all);
    assert_non_null(all);
    for (int i = 0; i < N; i++) open_generator(&all[i], 512 * 1024, squares);
    for (uint64_t round = 0; round < 3; round++)
        for (int i = 0; i < N; i++) assert_int_equal(resume(&all[i]), round * round);
    for (int i = 0; i < N; i++) tg_coro_fini(&all[i].coro);
    free(all);
}

/* ---- races ------------------------------------------------------------------------------------------------------- */

static int raced;

static void write_unordered(void *arg)
{
    struct generator *generator = arg;
    for (;;) {
        raced++;
        tg_coro_switch(generator->caller);
    }
}

/* Two coroutines write one variable, and nothing orders them but that one thread runs both. */
static int race(void)
{
    struct generator one, other;
    open_generator(&one, STACK_BYTES, write_unordered);
    open_generator(&other, STACK_BYTES, write_unordered);
    one.caller = other.caller = tg_coro_current();
    tg_coro_switch(&one.coro);
    tg_coro_switch(&other.coro);
    return 0;
}

static void the_thread_sanitizer_finds_a_race_of_coroutines(void **state)
{
    (void)state;
    if (!TEST_TSAN) SKIP("this program is not built with the thread sanitizer");
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
        setenv("TSAN_OPTIONS", "exitcode=66", 1);
        execl("/proc/self/exe", "test_coro", "race", (char *)NULL);
        _exit(1);
    }
    int ended = 0;
    assert_int_equal(waitpid(child, &ended, 0), child);
    assert_true(WIFEXITED(ended));
    assert_int_equal(WEXITSTATUS(ended), 66);
}

/* ---- threads ----------------------------------------------------------------------------------------------------- */

static void *switch_alone(void *arg)
{
    struct generator generator;
    uint64_t *sum = arg;
    if (tg_coro_init(&generator.coro, STACK_BYTES) != TG_OK) return NULL;
    tg_coro_start(&generator.coro, squares, &generator);
    for (int i = 0; i < 10000; i++) *sum += resume(&generator);
    tg_coro_fini(&generator.coro);
    return NULL;
}

static void threads_switch_without_each_other(void **state)
{
    (void)state;
    pthread_t threads[3];
    uint64_t sums[3] = {0};
    for (int i = 0; i < 3; i++) assert_int_equal(pthread_create(&threads[i], NULL, switch_alone, &sums[i]), 0);
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(sums[i], 333283335000u);
    }
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "race") == 0) return race();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(coroutines_keep_their_variables),
        cmocka_unit_test(switches_happen_at_any_depth),
        cmocka_unit_test(registers_survive_a_switch),
        cmocka_unit_test(coroutines_hand_on_to_each_other),
        cmocka_unit_test(everybody_knows_who_runs),
        cmocka_unit_test(a_coroutine_can_be_started_anew),
        cmocka_unit_test(the_rounding_mode_belongs_to_the_coroutine),
        cmocka_unit_test(a_coroutine_begins_in_the_default_state),
        cmocka_unit_test(a_stack_is_aligned_and_ours),
        cmocka_unit_test(all_of_a_stack_can_be_used),
        cmocka_unit_test(an_address_below_the_stack_is_an_overflow),
        cmocka_unit_test(a_stack_that_cannot_be_had_is_refused),
        cmocka_unit_test(many_coroutines_fit),
        cmocka_unit_test(the_thread_sanitizer_finds_a_race_of_coroutines),
        cmocka_unit_test(threads_switch_without_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
