/*
 * The library as Python has it: opened by a process that runs already. Its signal handlers then run on threads that
 * have none of its thread-local variables, and may interrupt malloc there: they must not allocate.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/check.h"
#include "common/rig.h"
#include "modules/hostile.h"

enum { ABORT_MS = 200, LIMIT_MS = 3000, HANG_S = 20 };

/* The library's function NAME, of the type that the header declares. */
#define FUNCTION(library, name)                                                                                        \
    __typeof__(&(name)) their_##name;                                                                                  \
    do {                                                                                                               \
        void *address = dlsym(library, #name);                                                                         \
        if (!address) _exit(2);                                                                                        \
        memcpy(&their_##name, &address, sizeof address);                                                               \
    } while (0)

/* Abort inside malloc, which holds a lock then. */
static void *spoil_heap(void *arg)
{
    (void)arg;
    usleep(1000 * ABORT_MS);
    char *volatile block = NULL;
    for (int i = 0; i < 1000; i++) block = malloc(3000); /* the last one lies before what is free */
    memset(block, 0xFF, 3000 + 64);                      /* the size of what is behind it, too */
    __asm__ volatile("" : : "r"(block) : "memory");      /* somebody reads it */
    void *volatile next = malloc(100000);
    (void)next;
    return NULL;
}

/* Watch a plugin that runs on, in a library that is opened now. */
static void run_plugin(void)
{
    void *library = dlopen(TG_TEST_BUILD_DIR "/lib/libtilegraph.so", RTLD_NOW | RTLD_LOCAL);
    if (!library) _exit(1);
    FUNCTION(library, tg_device_config_fill);
    FUNCTION(library, tg_device_open);
    FUNCTION(library, tg_program_open);
    FUNCTION(library, tg_program_set_orchestration);
    FUNCTION(library, tg_run_config_fill);
    FUNCTION(library, tg_run_open_sized);
    FUNCTION(library, tg_run_wait);
    struct tg_device_config device_config = {.size = sizeof device_config};
    if (their_tg_device_config_fill(&device_config) != TG_OK) _exit(3);
    device_config.platform = "cpu";
    device_config.workers = 1;
    device_config.gm_bytes = 32 << 20;
    device_config.catch_faults = true;
    struct tg_device *device;
    struct tg_program *program;
    if (their_tg_device_open(&device_config, &device) != TG_OK || their_tg_program_open(device, &program) != TG_OK)
        _exit(3);
    size_t n_bytes;
    void *bytes = rig_read_file(rig_module("hostile_plugin"), &n_bytes);
    if (their_tg_program_set_orchestration(program, bytes, n_bytes, "orchestration") != TG_OK) _exit(4);
    struct tg_run_config config = {.size = sizeof config};
    if (their_tg_run_config_fill(&config) != TG_OK) _exit(5);
    config.kernel_limit_ms = LIMIT_MS;
    int64_t act[1] = {HOSTILE_SPIN};
    const struct tg_tensor tensor = {"act", act, sizeof act, 1, TG_IN};
    struct tg_run *run;
    if (their_tg_run_open_sized(program, &config, &tensor, sizeof tensor, 1, &run) != TG_OK) _exit(5);
    their_tg_run_wait(run);
    _exit(6);
}

static void an_abort_inside_malloc_of_another_thread_ends_the_process(void **state)
{
    (void)state;
    if (TEST_ASAN || TEST_TSAN) SKIP("a sanitizer has its own malloc");
    if (TG_TEST_EMULATOR[0]) SKIP("the emulator does not survive forks beside threads at work");
    fflush(NULL);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const struct rlimit no_core = {0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        alarm(HANG_S);
        pthread_t thread;
        if (pthread_create(&thread, NULL, spoil_heap, NULL) != 0) _exit(1);
        run_plugin();
    }
    int end = 0;
    assert_int_equal(waitpid(child, &end, 0), child);
    CHECK(WIFSIGNALED(end) && WTERMSIG(end) == SIGABRT, "ended with 0x%x", (unsigned)end);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(an_abort_inside_malloc_of_another_thread_ends_the_process),
};
CHECK_MAIN(tests)
