/*
 * guard.c: every way in which foreign code can end, on the thread's own stack and on a coroutine's; and that the
 * process is afterwards as it was. What needs a signal handler to be left is skipped under the thread sanitizer.
 */
#include <fenv.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/check.h"
#include "common/rig.h"
#include "modules/foreign_loops.h"
#include "os/coro.h"
#include "os/guard.h"
#include "os/module.h"

enum { LIMIT_MS = 160, NEVER_MS = 100000 };

#define NEEDS_HANDLERS()                                                                                               \
    if (TEST_TSAN) SKIP("a signal handler cannot be left under the thread sanitizer")

static const struct tg_text_range no_code = {0, 0};

static const int watched_signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};
enum { N_WATCHED = sizeof watched_signals / sizeof watched_signals[0] };

static enum tg_guard_end guarded(struct tg_guard *guard, tg_guarded_fn *fn, void *arg)
{
    return tg_guard_call(guard, no_code, fn, arg);
}

/* ---- foreign code ------------------------------------------------------------------------------------------------ */

static void add_one(void *arg) { ++*(int *)arg; }

static void raise_it(void *arg)
{
    ++*(int *)arg;
    tg_guard_raise();
}

static __attribute__((noinline)) void write_to(uintptr_t address) { *(volatile int *)address = 1; }

static void crash_by_address(void *arg)
{
    (void)arg;
    write_to(0x40);
}

static void crash_by_mapping(void *arg)
{
    FILE *empty = tmpfile();
    *(volatile char **)arg = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fileno(empty), 0);
    fclose(empty);
    (void)**(volatile char **)arg; /* behind the end of the file */
}

static void crash_by_division(void *arg)
{
    (void)arg;
#if defined(__x86_64__)
    __asm__ volatile("xorl %%edx, %%edx; movl $1, %%eax; xorl %%ecx, %%ecx; divl %%ecx" : : : "eax", "ecx", "edx");
#else
    raise(SIGFPE); /* other processors do not trap */
#endif
}

static void crash_by_instruction(void *arg)
{
    (void)arg;
#if defined(__x86_64__)
    __asm__ volatile("ud2");
#elif defined(__aarch64__)
    __asm__ volatile(".inst 0");
#else
    raise(SIGILL);
#endif
}

static void crash_by_trap(void *arg)
{
    (void)arg;
#if defined(__x86_64__)
    __asm__ volatile("int3");
#elif defined(__aarch64__)
    __asm__ volatile("brk #0");
#else
    raise(SIGTRAP);
#endif
}

static void crash_by_abort(void *arg)
{
    (void)arg;
    abort();
}

static void crash_by_raise(void *arg) { raise(*(int *)arg); }

/* Each frame writes to the one above, so no compiler makes a loop of it: the stack ends long before the recursion
 * does. */
static __attribute__((noinline)) void overflow(int depth, volatile char *above)
{
    volatile char frame[512];
    frame[depth % 512] = 1;
    if (depth < 1000000) overflow(depth + 1, frame);
    *above = frame[depth % 512];
}

static void overflow_it(void *arg) { overflow(0, arg); }

/* One frame that is larger than a page: it must not step over what is below the stack. */
static __attribute__((noinline)) void step_far(int depth, volatile char *above)
{
    volatile char frame[48 * 1024];
    frame[0] = (char)depth; /* the low end first */
    if (depth < 1000) step_far(depth + 1, frame);
    *above = frame[0];
}

static void overflow_by_steps(void *arg) { step_far(0, arg); }

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void sleep_forever(void *arg)
{
    (void)arg;
    for (;;) pause();
}

/* A shared object, as kernels and plugins are. */
static struct tg_module loops;

static int open_loops(void **state)
{
    (void)state;
    size_t n_bytes;
    void *bytes = rig_read_file(rig_module("foreign_loops"), &n_bytes);
    enum tg_status status = tg_module_open(&loops, bytes, n_bytes, "foreign_loops");
    free(bytes);
    return status == TG_OK ? 0 : -1;
}

static int close_loops(void **state)
{
    (void)state;
    tg_module_close(&loops);
    return 0;
}

static void *foreign(const char *name)
{
    void *address = tg_module_symbol(&loops, name);
    CHECK(address, "no %s", name);
    return address;
}

static enum tg_guard_end call_foreign(struct tg_guard *guard, const char *name, void *arg)
{
    void *address = foreign(name);
    tg_guarded_fn *fn;
    memcpy(&fn, &address, sizeof fn);
    return tg_guard_call(guard, loops.text, fn, arg);
}

/* A watch of this thread, and a thread that looks at it, as the library's waiting threads do. */
struct watched {
    struct tg_watch watch;
    pthread_t thread;
    atomic_bool ends;
    atomic_bool lost;
};

static void *look(void *arg)
{
    struct watched *watched = arg;
    const uint32_t ms = tg_watch_look_ms(watched->watch.limit_ms);
    while (!watched->ends) {
        usleep(1000 * ms);
        if (tg_watch_look(&watched->watch, ms) == TG_WATCH_LOST) watched->lost = true;
    }
    return NULL;
}

static enum tg_status watch_begin(struct watched *watched, uint32_t limit_ms)
{
    const enum tg_status status = tg_watch_begin(&watched->watch, limit_ms);
    assert_int_equal(pthread_create(&watched->thread, NULL, look, watched), 0);
    return status;
}

static void watch_end(struct watched *watched)
{
    watched->ends = true;
    pthread_join(watched->thread, NULL);
    tg_watch_end(&watched->watch);
    assert_false(watched->lost);
}

/* ---- without a watch --------------------------------------------------------------------------------------------- */

static void a_call_returns(void **state)
{
    (void)state;
    struct tg_guard guard;
    int n = 0;
    assert_int_equal(guarded(&guard, add_one, &n), TG_GUARD_RETURNED);
    assert_int_equal(guard.end, TG_GUARD_RETURNED);
    assert_int_equal(n, 1);
    assert_null(tg_coro_current()->guard);
}

static void a_call_raises(void **state)
{
    (void)state;
    struct tg_guard guard;
    int n = 0;
    for (int i = 0; i < 1000; i++) assert_int_equal(guarded(&guard, raise_it, &n), TG_GUARD_RAISED);
    assert_int_equal(n, 1000);
    assert_null(tg_coro_current()->guard);
}

struct nest {
    struct tg_guard *inner;
    int depth;
    int n_left, n_after;
};

static void go_deeper(void *arg)
{
    struct nest *nest = arg;
    if (nest->depth-- == 0) tg_guard_raise();
    struct tg_guard guard;
    if (guarded(&guard, go_deeper, nest) == TG_GUARD_RAISED) nest->n_left++;
    nest->n_after++;
    if (nest->n_after == 3) tg_guard_raise(); /* now out of this one */
}

static void to_raise_leaves_the_innermost_call(void **state)
{
    (void)state;
    struct nest nest = {.depth = 6};
    struct tg_guard guard;
    assert_int_equal(guarded(&guard, go_deeper, &nest), TG_GUARD_RETURNED);
    assert_int_equal(nest.n_after, 6);
    assert_int_equal(nest.n_left, 2);
    assert_null(tg_coro_current()->guard);
}

static void change_the_rounding(void *arg)
{
    fesetround(FE_UPWARD);
    if (*(int *)arg) tg_guard_raise();
}

static void foreign_code_does_not_change_how_we_round(void **state)
{
    (void)state;
    struct tg_guard guard;
    for (int raises = 0; raises <= 1; raises++) {
        guarded(&guard, change_the_rounding, &raises);
        assert_int_equal(fegetround(), FE_TONEAREST);
    }
}

/* ---- crashes ----------------------------------------------------------------------------------------------------- */

static const struct {
    tg_guarded_fn *fn;
    int signal;
    const char *description;
} crashes[] = {
    {crash_by_address, SIGSEGV, "SIGSEGV at address 0x40"},
    {crash_by_mapping, SIGBUS, "SIGBUS at address 0x"},
    {crash_by_division, SIGFPE, "SIGFPE"},
    {crash_by_instruction, SIGILL, "SIGILL"},
    {crash_by_trap, SIGTRAP, "SIGTRAP"},
    {crash_by_abort, SIGABRT, "SIGABRT (abort"},
};
enum { N_CRASHES = sizeof crashes / sizeof crashes[0] };

static void assert_crashes(int i)
{
    struct tg_guard guard;
    void *mapping = NULL;
    char text[256];
    assert_int_equal(guarded(&guard, crashes[i].fn, &mapping), TG_GUARD_CRASHED);
    assert_int_equal(guard.signal, crashes[i].signal);
    tg_guard_describe(&guard, text, sizeof text);
    CHECK(strncmp(text, crashes[i].description, strlen(crashes[i].description)) == 0, "\"%s\"", text);
    if (crashes[i].fn == crash_by_address) assert_ptr_equal(guard.address, (void *)(uintptr_t)0x40);
    if (crashes[i].fn == crash_by_mapping) {
        assert_ptr_equal(guard.address, mapping);
        munmap(mapping, 4096);
    }
    assert_null(tg_coro_current()->guard);
}

static void every_crash_ends_its_call_and_is_named(void **state)
{
    (void)state;
    NEEDS_HANDLERS();
    struct watched watch = {0};
    assert_int_equal(watch_begin(&watch, NEVER_MS), TG_OK);
    for (int i = 0; i < N_CRASHES; i++) assert_crashes(i);
    watch_end(&watch);
}

static void a_signal_that_was_sent_has_no_address(void **state)
{
    (void)state;
    NEEDS_HANDLERS();
    struct watched watch = {0};
    assert_int_equal(watch_begin(&watch, NEVER_MS), TG_OK);
    for (int i = 0; i < N_WATCHED; i++) {
        struct tg_guard guard;
        char text[256];
        int signal = watched_signals[i];
        assert_int_equal(guarded(&guard, crash_by_raise, &signal), TG_GUARD_CRASHED);
        assert_int_equal(guard.signal, signal);
        tg_guard_describe(&guard, text, sizeof text);
        assert_null(strstr(text, "0x"));
    }
    watch_end(&watch);
}

static void crashes_may_follow_each_other(void **state)
{
    (void)state;
    NEEDS_HANDLERS();
    struct watched watch = {0};
    struct tg_guard guard;
    int n = 0;
    assert_int_equal(watch_begin(&watch, NEVER_MS), TG_OK);
    for (int i = 0; i < 500; i++) {
        assert_int_equal(guarded(&guard, i % 2 ? crash_by_abort : crash_by_address, NULL), TG_GUARD_CRASHED);
        assert_int_equal(guarded(&guard, add_one, &n), TG_GUARD_RETURNED);
    }
    assert_int_equal(n, 500);
    watch_end(&watch);
}

static void crash_inside(void *arg)
{
    struct tg_guard inner;
    int *steps = arg;
    if (guarded(&inner, crash_by_address, NULL) == TG_GUARD_CRASHED) ++*steps;
    if (guarded(&inner, add_one, steps) == TG_GUARD_RETURNED) ++*steps;
    crash_by_instruction(NULL); /* with the inner calls behind it: out of the outer one */
}

static void a_crash_ends_the_innermost_call(void **state)
{
    (void)state;
    NEEDS_HANDLERS();
    struct watched watch = {0};
    struct tg_guard outer;
    int steps = 0;
    assert_int_equal(watch_begin(&watch, NEVER_MS), TG_OK);
    assert_int_equal(guarded(&outer, crash_inside, &steps), TG_GUARD_CRASHED);
    assert_int_equal(outer.signal, SIGILL);
    assert_int_equal(steps, 3);
    watch_end(&watch);
}

/* ---- coroutines -------------------------------------------------------------------------------------------------- */

struct worker {
    struct tg_coro coro;
    struct tg_coro *back;
    tg_guarded_fn *fn;
    struct tg_guard guard;
    int n_ended, result;
};

/* The thread sanitizer sees no order in a switch. Here there is one, and it is told so. */
static void switch_in_order(struct tg_coro *to)
{
    static char order;
    tg_coro_publish(&order);
    if (to) tg_coro_switch(to);
    tg_coro_observe(&order);
}

static void guard_on_coroutine(void *arg)
{
    struct worker *worker = arg;
    switch_in_order(NULL);
    for (;;) {
        worker->result = 0;
        tg_guard_call(&worker->guard, no_code, worker->fn,
                      worker->fn == crash_inside ? &worker->result : (void *)worker);
        worker->n_ended++;
        switch_in_order(worker->back);
    }
}

static void open_worker(struct worker *worker, tg_guarded_fn *fn)
{
    memset(worker, 0, sizeof *worker);
    assert_int_equal(tg_coro_init(&worker->coro, 256 * 1024), TG_OK);
    worker->back = tg_coro_current();
    worker->fn = fn;
    tg_coro_start(&worker->coro, guard_on_coroutine, worker);
}

static void crash_on_coroutine(void *arg)
{
    (void)arg;
    write_to(0x40);
}

static void a_crash_on_a_coroutine_ends_its_call_there(void **state)
{
    (void)state;
    NEEDS_HANDLERS();
    struct watched watch = {0};
    struct worker worker;
    assert_int_equal(watch_begin(&watch, NEVER_MS), TG_OK);
    open_worker(&worker, crash_on_coroutine);
    for (int i = 1; i <= 50; i++) {
        switch_in_order(&worker.coro);
        assert_int_equal(worker.n_ended, i);
        assert_int_equal(worker.guard.end, TG_GUARD_CRASHED);
        assert_ptr_equal(worker.guard.address, (void *)(uintptr_t)0x40);
    }
    tg_coro_fini(&worker.coro);
    watch_end(&watch);
}

static void an_overflow_is_told_from_a_crash(void **state)
{
    (void)state;
    NEEDS_HANDLERS();
    static tg_guarded_fn *const overflows[] = {overflow_it, overflow_by_steps};
    struct watched watch = {0};
    assert_int_equal(watch_begin(&watch, NEVER_MS), TG_OK);
    for (int i = 0; i < 2; i++) {
        struct worker worker;
        char text[64];
        open_worker(&worker, overflows[i]);
        for (int round = 1; round <= 3; round++) {
            switch_in_order(&worker.coro);
            assert_int_equal(worker.n_ended, round);
            assert_int_equal(worker.guard.end, TG_GUARD_OVERFLOWED);
            tg_guard_describe(&worker.guard, text, sizeof text);
            assert_string_equal(text, "stack overflow");
        }
        tg_coro_fini(&worker.coro);
    }
    watch_end(&watch);
}

/* A coroutine stops inside its guarded call; another one crashes; then the first goes on. */
static void stop_in_between(void *arg)
{
    struct worker *worker = arg;
    switch_in_order(worker->back);
    worker->result = 7;
    tg_guard_raise();
}

static void guards_belong_to_their_coroutines(void **state)
{
    (void)state;
    struct watched watch = {0};
    struct worker patient, other;
    if (!TEST_TSAN) assert_int_equal(watch_begin(&watch, NEVER_MS), TG_OK);
    open_worker(&patient, stop_in_between);
    open_worker(&other, TEST_TSAN ? stop_in_between : crash_on_coroutine);
    for (int round = 1; round <= 5; round++) {
        switch_in_order(&patient.coro);
        assert_null(tg_coro_current()->guard);
        assert_non_null(patient.coro.guard);
        switch_in_order(&other.coro);
        if (TEST_TSAN) switch_in_order(&other.coro);
        assert_int_equal(other.n_ended, round);
        assert_int_equal(patient.n_ended, round - 1);
        switch_in_order(&patient.coro);
        assert_int_equal(patient.n_ended, round);
        assert_int_equal(patient.result, 7);
        assert_int_equal(patient.guard.end, TG_GUARD_RAISED);
    }
    tg_coro_fini(&patient.coro);
    tg_coro_fini(&other.coro);
    if (!TEST_TSAN) watch_end(&watch);
}

/* ---- no end ------------------------------------------------------------------------------------------------------ */

static void code_that_runs_on_is_cut_off(void **state)
{
    (void)state;
    NEEDS_HANDLERS();
    struct watched watch = {0};
    struct tg_guard guard;
    int forever = 1, n = 0;
    char text[128];
    assert_int_equal(watch_begin(&watch, LIMIT_MS), TG_OK);
    for (int i = 0; i < 2; i++) {
        double start = seconds_now();
        assert_int_equal(call_foreign(&guard, "loop_here", &forever), TG_GUARD_STUCK);
        CHECK(seconds_now() - start > LIMIT_MS * 0.8e-3, "after %f s", seconds_now() - start);
        tg_guard_describe(&guard, text, sizeof text);
        assert_non_null(strstr(text, "time limit"));
        assert_int_equal(guarded(&guard, add_one, &n), TG_GUARD_RETURNED);
    }
    watch_end(&watch);
}

/* The allocator's lock would stay locked, and the process would hang at the next allocation of another thread. */
static void *allocate_often(void *arg)
{
    for (int i = 0; i < 10000; i++) {
        void *volatile block = malloc(2000);
        free(block);
    }
    return arg;
}

static void code_in_an_allocator_is_cut_off_when_it_is_back(void **state)
{
    (void)state;
    NEEDS_HANDLERS();
    if (TEST_ASAN) SKIP("what the code holds when it is cut off is a leak");
    struct watched watch = {0};
    struct tg_guard guard;
    int forever = 1;
    assert_int_equal(watch_begin(&watch, 10), TG_OK);
    for (int i = 0; i < 20; i++) {
        pthread_t thread;
        assert_int_equal(call_foreign(&guard, "loop_in_allocator", &forever), TG_GUARD_STUCK);
        assert_int_equal(pthread_create(&thread, NULL, allocate_often, NULL), 0);
        allocate_often(NULL);
        pthread_join(thread, NULL);
    }
    watch_end(&watch);
}

/* It may hold a lock there, so it gets twice the time. */
static void code_that_waits_in_a_library_is_cut_off_later(void **state)
{
    (void)state;
    NEEDS_HANDLERS();
    struct watched watch = {0};
    struct tg_guard guard;
    int ends[2], forever = 0;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(watch_begin(&watch, LIMIT_MS), TG_OK);
    double start = seconds_now();
    assert_int_equal(call_foreign(&guard, "loop_in_system", &ends[0]), TG_GUARD_STUCK);
    CHECK(seconds_now() - start > 2 * LIMIT_MS * 0.8e-3, "after %f s", seconds_now() - start);
    assert_int_equal(guarded(&guard, sleep_forever, NULL), TG_GUARD_STUCK);
    assert_int_equal(call_foreign(&guard, "loop_here", &forever), TG_GUARD_RETURNED); /* its code runs again */
    watch_end(&watch);
    close(ends[0]);
    close(ends[1]);
}

/* The same code on a thread of the foreign program's own: it stands still until the call has been cut off. */
static void other_threads_of_the_code_outlive_the_cut(void **state)
{
    (void)state;
    NEEDS_HANDLERS();
    struct watched watch = {0};
    struct tg_guard guard;
    struct foreign_count count = {0};
    void *address = foreign("count_until_told");
    void *(*counter)(void *);
    memcpy(&counter, &address, sizeof counter);
    pthread_t thread;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(pthread_create(&thread, NULL, counter, &count), 0);
    assert_int_equal(watch_begin(&watch, 60), TG_OK);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(call_foreign(&guard, "loop_in_system", &ends[0]), TG_GUARD_STUCK);
        uint64_t n = atomic_load(&count.n);
        while (atomic_load(&count.n) == n) usleep(1000);
    }
    watch_end(&watch);
    atomic_store(&count.stop, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    close(ends[0]);
    close(ends[1]);
}

static void stay_alive(void *arg)
{
    double start = seconds_now();
    while (seconds_now() - start < 4 * LIMIT_MS * 1e-3) {
        tg_guard_alive();
        ++*(int *)arg;
    }
}

static void a_sign_of_life_renews_the_time(void **state)
{
    (void)state;
    NEEDS_HANDLERS();
    struct watched watch = {0};
    struct tg_guard guard;
    int n = 0;
    assert_int_equal(watch_begin(&watch, LIMIT_MS), TG_OK);
    assert_int_equal(guarded(&guard, stay_alive, &n), TG_GUARD_RETURNED);
    assert_true(n > 0);
    watch_end(&watch);
}

static void our_own_code_is_not_cut_off(void **state)
{
    (void)state;
    struct watched watch = {0};
    assert_int_equal(watch_begin(&watch, 20), TG_OK);
    double start = seconds_now();
    while (seconds_now() - start < 0.1) continue;
    watch_end(&watch);
}

static void run_on_coroutine(void *arg)
{
    (void)arg;
    volatile int forever = 1;
    while (forever) continue;
}

static void a_coroutine_that_runs_on_is_cut_off(void **state)
{
    (void)state;
    NEEDS_HANDLERS();
    struct watched watch = {0};
    struct worker worker;
    assert_int_equal(watch_begin(&watch, 60), TG_OK);
    open_worker(&worker, run_on_coroutine);
    for (int i = 1; i <= 2; i++) {
        switch_in_order(&worker.coro);
        assert_int_equal(worker.n_ended, i);
        assert_int_equal(worker.guard.end, TG_GUARD_STUCK);
    }
    tg_coro_fini(&worker.coro);
    watch_end(&watch);
}

/* ---- the process is as it was ------------------------------------------------------------------------------------ */

struct surroundings {
    struct sigaction actions[65];
    stack_t stack;
    sigset_t mask;
};

static void look_around(struct surroundings *now)
{
    memset(now, 0, sizeof *now);
    for (int signal = 1; signal <= 64; signal++) sigaction(signal, NULL, &now->actions[signal]);
    sigaltstack(NULL, &now->stack);
    pthread_sigmask(SIG_SETMASK, NULL, &now->mask);
}

static bool same_action(const struct sigaction *a, const struct sigaction *b)
{
    return a->sa_flags == b->sa_flags && a->sa_sigaction == b->sa_sigaction && memcmp(&a->sa_mask, &b->sa_mask, 8) == 0;
}

static void assert_as_before(const struct surroundings *before)
{
    struct surroundings now;
    look_around(&now);
    for (int signal = 1; signal <= 64; signal++)
        CHECK(same_action(&now.actions[signal], &before->actions[signal]), "handler of signal %d", signal);
    assert_ptr_equal(now.stack.ss_sp, before->stack.ss_sp);
    assert_int_equal(now.stack.ss_size, before->stack.ss_size);
    assert_int_equal(now.stack.ss_flags, before->stack.ss_flags);
    assert_memory_equal(&now.mask, &before->mask, 8);
}

static void a_watch_leaves_everything_as_it_was(void **state)
{
    (void)state;
    struct surroundings before, during;
    struct tg_watch watch = {0}, inner = {0};
    struct tg_guard guard;
    static char own_stack[64 * 1024];
    stack_t own = {.ss_sp = own_stack, .ss_size = sizeof own_stack}, none;
    assert_int_equal(sigaltstack(&own, &none), 0);
    look_around(&before);
    assert_int_equal(tg_watch_begin(&watch, NEVER_MS), TG_OK);
    look_around(&during);
    for (int i = 0; i < N_WATCHED; i++)
        assert_false(same_action(&during.actions[watched_signals[i]], &before.actions[watched_signals[i]]));
    assert_ptr_not_equal(during.stack.ss_sp, own_stack);
    assert_int_equal(tg_watch_begin(&inner, NEVER_MS), TG_OK);
    tg_watch_end(&inner);
    assert_as_before(&during); /* the outer one is still there */
    if (!TEST_TSAN) assert_int_equal(guarded(&guard, crash_by_address, NULL), TG_GUARD_CRASHED);
    tg_watch_end(&watch);
    assert_as_before(&before);
    tg_watch_end(&watch); /* harmless */
    assert_as_before(&before);
    sigaltstack(&none, NULL);
}

static void nothing_is_left_after_a_crash_or_a_cut(void **state)
{
    (void)state;
    NEEDS_HANDLERS();
    struct surroundings before;
    struct tg_guard guard;
    int forever = 1;
    look_around(&before);
    for (int i = 0; i < 3; i++) {
        struct watched watch = {0};
        assert_int_equal(watch_begin(&watch, 30), TG_OK);
        assert_int_equal(guarded(&guard, crash_by_abort, NULL), TG_GUARD_CRASHED);
        assert_int_equal(call_foreign(&guard, "loop_here", &forever), TG_GUARD_STUCK);
        watch_end(&watch);
        assert_as_before(&before);
    }
    struct timespec pause = {0, 100 * 1000000};
    nanosleep(&pause, NULL); /* a tick that came now would end the process */
}

/* ---- handlers that were there before ----------------------------------------------------------------------------- */

static sigjmp_buf out_of_handler;
static volatile int handled_signal;
static void *volatile handled_address;

static void own_handler(int signal)
{
    handled_signal = signal;
    siglongjmp(out_of_handler, 1);
}

static void own_detailed_handler(int signal, siginfo_t *info, void *context)
{
    handled_address = context ? info->si_addr : NULL;
    own_handler(signal);
}

/* Fault outside of any guarded call. */
static void fault_here(void)
{
    handled_signal = 0;
    handled_address = NULL;
    if (sigsetjmp(out_of_handler, 1) == 0) write_to(0x80);
}

static void a_fault_of_our_own_reaches_the_previous_handler(void **state)
{
    (void)state;
    NEEDS_HANDLERS();
    for (int detailed = 0; detailed <= 1; detailed++) {
        struct sigaction action, old;
        memset(&action, 0, sizeof action);
        action.sa_flags = detailed ? SA_SIGINFO : 0;
        if (detailed) action.sa_sigaction = own_detailed_handler;
        else action.sa_handler = own_handler;
        sigaction(SIGSEGV, &action, &old);
        struct watched watch = {0};
        struct tg_guard guard;
        assert_int_equal(watch_begin(&watch, NEVER_MS), TG_OK);
        for (int i = 0; i < 3; i++) {
            fault_here();
            assert_int_equal(handled_signal, SIGSEGV);
            if (detailed) assert_ptr_equal(handled_address, (void *)(uintptr_t)0x80);
            assert_int_equal(guarded(&guard, crash_by_address, NULL), TG_GUARD_CRASHED);
        }
        watch_end(&watch);
        sigaction(SIGSEGV, &old, NULL);
    }
}

static void reset_handlers(void)
{
    for (int i = 0; i < N_WATCHED; i++) signal(watched_signals[i], SIG_DFL);
}

/* Run fn in a child with default handlers, under a watch, after a guarded crash; how it ends. */
static int end_of_child(void (*prepare)(void), tg_guarded_fn *fn, void *arg)
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        struct watched watch = {0};
        struct tg_guard guard;
        reset_handlers();
        if (prepare) prepare();
        if (watch_begin(&watch, NEVER_MS) != TG_OK) _exit(99);
        if (guarded(&guard, crash_by_address, NULL) != TG_GUARD_CRASHED) _exit(98);
        fn(arg);
        _exit(0);
    }
    int state = -1;
    assert_int_equal(waitpid(child, &state, 0), child);
    return state;
}

static void a_fault_of_our_own_without_a_handler_ends_the_process(void **state)
{
    (void)state;
    NEEDS_HANDLERS();
    for (int i = 0; i < N_CRASHES; i++) {
        void *mapping;
        int ended = end_of_child(NULL, crashes[i].fn, &mapping);
        assert_true(WIFSIGNALED(ended));
        assert_int_equal(WTERMSIG(ended), crashes[i].signal);
    }
    for (int i = 0; i < N_WATCHED; i++) {
        int signal = watched_signals[i], ended = end_of_child(NULL, crash_by_raise, &signal);
        assert_true(WIFSIGNALED(ended));
        assert_int_equal(WTERMSIG(ended), signal);
    }
}

static void ignore_signals(void)
{
    for (int i = 0; i < N_WATCHED; i++) signal(watched_signals[i], SIG_IGN);
}

static void a_signal_that_was_ignored_stays_ignored(void **state)
{
    (void)state;
    NEEDS_HANDLERS();
    for (int i = 0; i < N_WATCHED; i++) {
        int signal = watched_signals[i], ended = end_of_child(ignore_signals, crash_by_raise, &signal);
        CHECK(WIFEXITED(ended) && WEXITSTATUS(ended) == 0, "signal %d: state 0x%x", signal, (unsigned)ended);
    }
    int ended = end_of_child(ignore_signals, crash_by_address, NULL); /* this one cannot be ignored */
    assert_true(WIFSIGNALED(ended));
    assert_int_equal(WTERMSIG(ended), SIGSEGV);
}

/* ---- threads ----------------------------------------------------------------------------------------------------- */

struct watched_thread {
    pthread_t thread;
    bool blocks_signals;
    int n_right;
};

static void *crash_often(void *arg)
{
    struct watched_thread *self = arg;
    struct watched watch = {0};
    struct tg_guard guard;
    int forever = 1;
    sigset_t all, mask;
    sigfillset(&all);
    if (self->blocks_signals) pthread_sigmask(SIG_BLOCK, &all, NULL);
    if (watch_begin(&watch, 60) != TG_OK) return NULL;
    for (int i = 0; i < 50; i++) {
        self->n_right += guarded(&guard, crash_by_address, NULL) == TG_GUARD_CRASHED && guard.signal == SIGSEGV;
        self->n_right += guarded(&guard, crash_by_abort, NULL) == TG_GUARD_CRASHED && guard.signal == SIGABRT;
    }
    self->n_right += call_foreign(&guard, "loop_here", &forever) == TG_GUARD_STUCK;
    watch_end(&watch);
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    self->n_right += sigismember(&mask, SIGSEGV) == self->blocks_signals;
    return NULL;
}

static void threads_are_watched_each_by_itself(void **state)
{
    (void)state;
    NEEDS_HANDLERS();
    struct surroundings before;
    struct watched_thread threads[3] = {{.blocks_signals = false}, {.blocks_signals = true}, {.blocks_signals = true}};
    look_around(&before);
    for (int i = 0; i < 3; i++) assert_int_equal(pthread_create(&threads[i].thread, NULL, crash_often, &threads[i]), 0);
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i].thread, NULL);
        assert_int_equal(threads[i].n_right, 102);
    }
    assert_as_before(&before);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_returns),
        cmocka_unit_test(a_call_raises),
        cmocka_unit_test(to_raise_leaves_the_innermost_call),
        cmocka_unit_test(foreign_code_does_not_change_how_we_round),
        cmocka_unit_test(every_crash_ends_its_call_and_is_named),
        cmocka_unit_test(a_signal_that_was_sent_has_no_address),
        cmocka_unit_test(crashes_may_follow_each_other),
        cmocka_unit_test(a_crash_ends_the_innermost_call),
        cmocka_unit_test(a_crash_on_a_coroutine_ends_its_call_there),
        cmocka_unit_test(an_overflow_is_told_from_a_crash),
        cmocka_unit_test(guards_belong_to_their_coroutines),
        cmocka_unit_test(code_that_runs_on_is_cut_off),
        cmocka_unit_test(code_in_an_allocator_is_cut_off_when_it_is_back),
        cmocka_unit_test(code_that_waits_in_a_library_is_cut_off_later),
        cmocka_unit_test(other_threads_of_the_code_outlive_the_cut),
        cmocka_unit_test(a_sign_of_life_renews_the_time),
        cmocka_unit_test(our_own_code_is_not_cut_off),
        cmocka_unit_test(a_coroutine_that_runs_on_is_cut_off),
        cmocka_unit_test(a_watch_leaves_everything_as_it_was),
        cmocka_unit_test(nothing_is_left_after_a_crash_or_a_cut),
        cmocka_unit_test(a_fault_of_our_own_reaches_the_previous_handler),
        cmocka_unit_test(a_fault_of_our_own_without_a_handler_ends_the_process),
        cmocka_unit_test(a_signal_that_was_ignored_stays_ignored),
        cmocka_unit_test(threads_are_watched_each_by_itself),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, open_loops, close_loops);
}
