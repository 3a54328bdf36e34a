/*
 * Conditions of a host: its descriptors, signals, limits, threads and rounding. Under each condition, on each
 * platform, a good program has the right bytes, a crash and an endless loop have their status, and the condition is the
 * same afterwards. Each cell of this matrix is a process of its own.
 *
 * TG_TEST_PRODUCT=1: under each combination of signals, descriptors and limits, too (make test-long).
 */
#include <errno.h>
#include <fcntl.h>
#include <fenv.h>
#include <linux/capability.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/check.h"
#include "common/devices.h"
#include "common/script.h"
#include "modules/hostile.h"

enum { GM_BYTES = 32 << 20, N_TASKS = 20, NO_USER = 65534 };

/* The message of a cell's process; shared with the test. */
static char *said;
enum { SAID_BYTES = 4096 };

#define REQUIRE(condition, ...)                                                                                        \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            snprintf(said, SAID_BYTES, __VA_ARGS__);                                                                   \
            _exit(1);                                                                                                  \
        }                                                                                                              \
    } while (0)

/* ---- conditions -------------------------------------------------------------------------------------------------- */

static void nothing(void) {}

static void round_upward(void) { fesetround(FE_UPWARD); }

static void rounds_upward(void) { REQUIRE(fegetround() == FE_UPWARD, "it rounds in another way"); }

static void block_signals(void)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
}

static void signals_are_blocked(void)
{
    sigset_t now;
    pthread_sigmask(SIG_SETMASK, NULL, &now);
    for (int number = 1; number < 32; number++)
        REQUIRE(number == SIGKILL || number == SIGSTOP || sigismember(&now, number) == 1, "signal %d is not blocked",
                number);
}

static void ignore_children(void) { signal(SIGCHLD, SIG_IGN); }

static void children_are_ignored(void)
{
    struct sigaction now;
    sigaction(SIGCHLD, NULL, &now);
    REQUIRE(now.sa_handler == SIG_IGN, "SIGCHLD is not ignored");
}

static void set_limit(__rlimit_resource_t resource, rlim_t value)
{
    struct rlimit limit;
    getrlimit(resource, &limit);
    limit.rlim_cur = value;
    REQUIRE(setrlimit(resource, &limit) == 0, "setrlimit: %s", strerror(errno));
}

static void few_descriptors(void) { set_limit(RLIMIT_NOFILE, 16); }
static void small_files(void) { set_limit(RLIMIT_FSIZE, 16 << 20); }
static void no_signal_waits(void) { set_limit(RLIMIT_SIGPENDING, 0); }
static void few_addresses(void) { set_limit(RLIMIT_AS, (rlim_t)4 << 30); }
static void small_stack(void) { set_limit(RLIMIT_STACK, 64 << 10); }

static volatile sig_atomic_t n_alarms;

static void count_alarm(int number)
{
    (void)number;
    n_alarms++;
}

static void own_fault(int number) { _exit(100 + number); }

static void own_handlers(void)
{
    const struct sigaction fault = {.sa_handler = own_fault}, count = {.sa_handler = count_alarm};
    sigaction(SIGSEGV, &fault, NULL);
    sigaction(SIGALRM, &count, NULL);
    const struct itimerval often = {{0, 2000}, {0, 2000}};
    setitimer(ITIMER_REAL, &often, NULL);
}

static void handlers_are_own(void)
{
    struct sigaction now;
    sigaction(SIGSEGV, NULL, &now);
    REQUIRE(now.sa_handler == own_fault, "the handler of SIGSEGV is another");
    REQUIRE(n_alarms > 0, "no alarm came");
}

static atomic_bool threads_end;

static void *allocate(void *arg)
{
    (void)arg;
    while (!threads_end) {
        void *volatile block = malloc(10000);
        free(block);
        usleep(100);
    }
    return NULL;
}

static pthread_t threads[4];

static void start_threads(void)
{
    for (int i = 0; i < 4; i++) REQUIRE(pthread_create(&threads[i], NULL, allocate, NULL) == 0, "no thread");
}

static void threads_still_run(void)
{
    threads_end = true;
    for (int i = 0; i < 4; i++) REQUIRE(pthread_join(threads[i], NULL) == 0, "a thread is gone");
}

/* Those that the library would take. */
static void own_signals(void)
{
    const struct sigaction count = {.sa_handler = count_alarm};
    sigaction(SIGURG, &count, NULL);
    sigaction(SIGRTMIN + 4, &count, NULL);
}

/* Where no signal may wait, Linux refuses to send the second one. */
static void signals_are_own(void)
{
    const int n = (raise(SIGURG) == 0) + (raise(SIGRTMIN + 4) == 0);
    REQUIRE(n > 0 && n_alarms == n, "%d of %d signals came", (int)n_alarms, n);
}

/* A real-time signal is left. */
static void own_more_signals(void)
{
    const struct sigaction count = {.sa_handler = count_alarm};
    own_signals();
    sigaction(SIGSTKFLT, &count, NULL);
}

static void more_signals_are_own(void)
{
    signals_are_own();
    n_alarms = 0;
    raise(SIGSTKFLT);
    REQUIRE(n_alarms == 1, "%d signals came", (int)n_alarms);
}

static void close_range_of(int first, int last)
{
    for (int fd = first; fd <= last; fd++) close(fd);
}

static void range_is_closed(int first, int last)
{
    for (int fd = first; fd <= last; fd++) REQUIRE(fcntl(fd, F_GETFD) == -1, "descriptor %d is open", fd);
}

static void close_streams(void) { close_range_of(0, 2); }
static void streams_are_closed(void) { range_is_closed(0, 2); }
static void close_input(void) { close_range_of(0, 0); }
static void input_is_closed(void) { range_is_closed(0, 0); }
static void close_outputs(void) { close_range_of(1, 2); }
static void outputs_are_closed(void) { range_is_closed(1, 2); }

/* Root has as many processes as it wants, unless it is another user's and lacks two capabilities. */
static void few_processes(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
    const unsigned both = 1u << CAP_SYS_RESOURCE | 1u << CAP_SYS_ADMIN;
    if (geteuid() != 0) return; /* its other processes count, too */
    REQUIRE(setresuid(NO_USER, 0, 0) == 0 && syscall(SYS_capget, &header, data) == 0, "%s", strerror(errno));
    data[0].effective &= ~both;
    REQUIRE(syscall(SYS_capset, &header, data) == 0, "capset: %s", strerror(errno));
    set_limit(RLIMIT_NPROC, 40);
}

static void handle_broken_pipes(void)
{
    const struct sigaction count = {.sa_handler = count_alarm};
    sigaction(SIGPIPE, &count, NULL);
}

static void broken_pipes_are_own(void)
{
    REQUIRE(n_alarms == 0, "%d came from elsewhere", (int)n_alarms);
    raise(SIGPIPE);
    REQUIRE(n_alarms == 1, "%d signals came", (int)n_alarms);
}

enum kind { SIGNALS, DESCRIPTORS, LIMITS, KINDS, OTHERS = KINDS };

struct condition {
    enum kind kind;
    const char *name;
    void (*set)(void);
    void (*holds)(void); /* afterwards */
};

static const struct condition conditions[] = {
    {OTHERS, "nothing special", nothing, nothing},
    {OTHERS, "rounding upward", round_upward, rounds_upward},
    {OTHERS, "threads that run", start_threads, threads_still_run},
    {OTHERS, "more own signals", own_more_signals, more_signals_are_own},
    {SIGNALS, "all signals blocked", block_signals, signals_are_blocked},
    {SIGNALS, "SIGCHLD ignored", ignore_children, children_are_ignored},
    {SIGNALS, "own handlers and a fast timer", own_handlers, handlers_are_own},
    {SIGNALS, "own signals", own_signals, signals_are_own},
    {SIGNALS, "own handler of SIGPIPE", handle_broken_pipes, broken_pipes_are_own},
    {DESCRIPTORS, "descriptors 0 to 2 closed", close_streams, streams_are_closed},
    {DESCRIPTORS, "descriptor 0 closed", close_input, input_is_closed},
    {DESCRIPTORS, "descriptors 1 and 2 closed", close_outputs, outputs_are_closed},
    {LIMITS, "few descriptors", few_descriptors, nothing},
    {LIMITS, "files of at most 16 MiB", small_files, nothing},
    {LIMITS, "4 GiB of addresses", few_addresses, nothing},
    {LIMITS, "a stack of 64 KiB", small_stack, nothing},
    {LIMITS, "no signal may wait", no_signal_waits, nothing},
    {LIMITS, "few processes", few_processes, nothing},
};
enum { N_CONDITIONS = sizeof conditions / sizeof conditions[0] };

/* ---- programs ---------------------------------------------------------------------------------------------------- */

static void run_good(struct rig *rig)
{
    struct script s;
    script_init(&s);
    for (int i = 0; i < N_TASKS; i++) {
        script_visit(&s, i % 2 ? TG_AIC : TG_AIV, 3, i > 0 ? 1 : 0, (int[]){i - 1});
        if (i > 0) script_edge(&s, i - 1, i);
    }
    for (int i = 0; i < N_TASKS; i++) script_publish(&s, i);
    script_run(rig, &s);
    REQUIRE(rig->status == TG_OK, "a good program: %s: %.2000s", tg_status_name(rig->status), rig->message);
    REQUIRE(script_disorder(&s) == 0, "%d tasks of a good program are wrong", script_disorder(&s));
    script_fini(&s);
}

static void run_hostile(struct rig *rig, int64_t act, enum tg_status status)
{
    struct script s;
    script_init(&s);
    script_publish(&s, script_hostile(&s, TG_AIV, act, 0));
    script_run(rig, &s);
    REQUIRE(rig->status == status, "expected %s, got %s: %.2000s", tg_status_name(status), tg_status_name(rig->status),
            rig->message);
    script_fini(&s);
}

/* One condition of each kind; NULL: none. */
struct cell {
    const struct condition *of[KINDS + 1];
};

static void run_cell(const struct cell *cell, const struct device *device)
{
    struct rig rig;
    for (int kind = 0; kind <= KINDS; kind++)
        if (cell->of[kind]) cell->of[kind]->set();
    device_open(&rig, device, GM_BYTES);
    script_load(&rig, RIG_CONCURRENT);
    run_good(&rig);
    if (!TEST_TSAN) {
        run_hostile(&rig, HOSTILE_SEGV, TG_ERR_KERNEL_FAULT);
        rig.config.kernel_limit_ms /= 4;
        run_hostile(&rig, HOSTILE_SPIN, TG_ERR_KERNEL_TIMEOUT);
        rig.config.kernel_limit_ms *= 4;
        run_hostile(&rig, HOSTILE_END_TASK, TG_ERR_KERNEL_FAULT);
    }
    run_good(&rig);
    rig_close(&rig);
    for (int kind = 0; kind <= KINDS; kind++)
        if (cell->of[kind]) cell->of[kind]->holds();
}

static const char *name_of(const struct condition *condition) { return condition ? condition->name : "-"; }

static void try_cell(const struct cell *cell, const struct device *device)
{
    said[0] = '\0';
    fflush(NULL);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        setenv("CMOCKA_TEST_ABORT", "1", 1); /* a check that fails must not go on in this process */
        run_cell(cell, device);
        _exit(0);
    }
    int end = 0;
    assert_int_equal(waitpid(child, &end, 0), child);
    CHECK(end == 0, "%s; %s; %s; %s; %s: ended with 0x%x: %s", name_of(cell->of[SIGNALS]),
          name_of(cell->of[DESCRIPTORS]), name_of(cell->of[LIMITS]), name_of(cell->of[OTHERS]), device->name,
          (unsigned)end, said);
}

static void a_host_may_be_like_this(void **state)
{
    const struct device *device = *state;
    if (TG_TEST_EMULATOR[0]) SKIP("the emulator does not survive forks beside threads at work");
    if (TEST_ASAN || TEST_TSAN) SKIP("a sanitizer does not let a thread be given up");
    for (const struct condition *condition = conditions; condition < conditions + N_CONDITIONS; condition++) {
        struct cell cell = {.of = {NULL}};
        cell.of[condition->kind] = condition;
        try_cell(&cell, device);
    }
}

/* Each combination of one condition, or none, of each kind. */
static int try_product(struct cell *cell, enum kind kind, const struct device *device)
{
    if (kind == KINDS) {
        try_cell(cell, device);
        return 1;
    }
    cell->of[kind] = NULL;
    int n = try_product(cell, kind + 1, device);
    for (const struct condition *condition = conditions; condition < conditions + N_CONDITIONS; condition++) {
        if (condition->kind != kind) continue;
        cell->of[kind] = condition;
        n += try_product(cell, kind + 1, device);
    }
    return n;
}

static void a_host_may_be_all_of_this(void **state)
{
    struct cell cell = {.of = {NULL}};
    if (TG_TEST_EMULATOR[0]) SKIP("the emulator does not survive forks beside threads at work");
    if (TEST_ASAN || TEST_TSAN) SKIP("a sanitizer does not let a thread be given up");
    if (!getenv("TG_TEST_PRODUCT")) SKIP("make test-long has time for it");
    print_message("  %d combinations\n", try_product(&cell, 0, *state));
}

/* A host that may start no thread is told so. */
static void run_without_threads(const char *platform)
{
    struct rig rig;
    few_processes();
    rig_open_on(&rig, platform, GM_BYTES);
    set_limit(RLIMIT_NPROC, 0);
    const pid_t copy = fork();
    if (copy == 0) _exit(0);
    REQUIRE(copy == -1, "the limit does not hold");
    const enum tg_status status = rig_try_kernel(&rig, SCRIPT_VISIT_AIV, TG_AIV, "visit", rig_module("kernel_visit"));
    const bool told = status == TG_ERR_MEMORY && rig.message[0];
    REQUIRE(told || status == TG_OK, "a kernel: %s: %.2000s", tg_status_name(status), rig.message);
    set_limit(RLIMIT_NPROC, 40);
    script_load(&rig, RIG_CONCURRENT);
    run_good(&rig);
    set_limit(RLIMIT_NPROC, 0);
    struct script s;
    script_init(&s);
    script_publish(&s, script_visit(&s, TG_AIV, 0, 0, NULL));
    script_run(&rig, &s);
    REQUIRE(rig.status == TG_OK || (rig.status == TG_ERR_MEMORY && rig.message[0]), "a run: %s: %.2000s",
            tg_status_name(rig.status), rig.message);
    script_fini(&s);
    set_limit(RLIMIT_NPROC, 40);
    run_good(&rig);
    rig_close(&rig);
}

static void processes_that_are_too_few_are_a_status(void **state)
{
    (void)state;
    if (geteuid() != 0) SKIP("only root can be another user");
    if (TG_TEST_EMULATOR[0]) SKIP("the emulator does not survive forks beside threads at work");
    if (TEST_ASAN || TEST_TSAN) SKIP("a sanitizer has threads of its own");
    for (int i = 0; i < 2; i++) {
        const char *platform = i ? "cpu" : "a2a3sim";
        said[0] = '\0';
        fflush(NULL);
        const pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            setenv("CMOCKA_TEST_ABORT", "1", 1);
            run_without_threads(platform);
            _exit(0);
        }
        int end = 0;
        assert_int_equal(waitpid(child, &end, 0), child);
        CHECK(end == 0, "%s: ended with 0x%x: %s", platform, (unsigned)end, said);
    }
}

/* Where device memory, or a program, does not fit into the files that are allowed: a status that names the limit. */
static void run_with_tiny_files(rlim_t bytes, const char *platform)
{
    struct tg_device_config config;
    struct tg_device *device;
    set_limit(RLIMIT_FSIZE, bytes);
    tg_device_config_init(&config);
    config.platform = platform;
    config.gm_bytes = GM_BYTES;
    const enum tg_status status = tg_device_open(&config, &device);
    REQUIRE(status == TG_ERR_MEMORY, "a device is opened: %s", tg_status_name(status));
    REQUIRE(strstr(tg_last_message(), "ulimit -f"), "it says: %.2000s", tg_last_message());
}

static void files_that_are_too_small_are_a_status(void **state)
{
    (void)state;
    static const rlim_t limits[] = {0, 4096, 1 << 20, (4 << 20) - 1};
    for (size_t i = 0; i < 2 * sizeof limits / sizeof limits[0]; i++) {
        const char *platform = i % 2 ? "cpu" : "a2a3sim";
        said[0] = '\0';
        fflush(NULL);
        const pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            run_with_tiny_files(limits[i / 2], platform);
            _exit(0);
        }
        int end = 0;
        assert_int_equal(waitpid(child, &end, 0), child);
        CHECK(end == 0, "%llu bytes, %s: ended with 0x%x: %s", (unsigned long long)limits[i / 2], platform,
              (unsigned)end, said);
    }
}

int main(int argc, char **argv)
{
    /* The virtual device, and this computer with two workers. */
    const struct CMUnitTest tests[] = {
        {"a host may be like this, a2a3sim", a_host_may_be_like_this, NULL, NULL, (void *)(uintptr_t)&devices[0]},
        {"a host may be like this, cpu", a_host_may_be_like_this, NULL, NULL, (void *)(uintptr_t)&devices[2]},
        {"a host may be all of this, a2a3sim", a_host_may_be_all_of_this, NULL, NULL, (void *)(uintptr_t)&devices[0]},
        {"a host may be all of this, cpu", a_host_may_be_all_of_this, NULL, NULL, (void *)(uintptr_t)&devices[2]},
        cmocka_unit_test(processes_that_are_too_few_are_a_status),
        cmocka_unit_test(files_that_are_too_small_are_a_status),
    };
    said = mmap(NULL, SAID_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (said == MAP_FAILED) return 1;
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
