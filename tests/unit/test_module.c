/*
 * module.c: shared objects from bytes, good ones and broken ones. What passes the probe has to open and close without
 * harm; everything else has to be refused with the reason, and this process lives.
 */
#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <fenv.h>
#include <link.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "common/check.h"
#include "memory/gm.h"
#include "os/module.h"
#include "os/probe.h"
#include "reference.h"

static uint8_t *bytes; /* counter_in_constructor.so */
static size_t n_bytes;

static uint8_t *read_module(const char *name, size_t *n)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s.so", TG_TEST_MODULE_DIR, name);
    FILE *file = fopen(path, "rb");
    if (!file) fail_msg("%s is not there", path);
    fseek(file, 0, SEEK_END);
    *n = (size_t)ftell(file);
    rewind(file);
    uint8_t *out = malloc(*n);
    assert_non_null(out);
    assert_int_equal(fread(out, 1, *n, file), *n);
    fclose(file);
    return out;
}

static int load(void **state)
{
    (void)state;
    bytes = read_module("counter_in_constructor", &n_bytes);
    return 0;
}

static int release(void **state)
{
    (void)state;
    free(bytes);
    return 0;
}

/* The status is one of opening, the message begins with the object's name, and contains `part`. */
static void assert_refused(enum tg_status status, enum tg_status expected, const char *part)
{
    assert_int_equal(status, expected);
    CHECK(strncmp(tg_last_message(), "kernel k: ", 10) == 0, "%s", tg_last_message());
    CHECK(strstr(tg_last_message(), part), "\"%s\" has no \"%s\"", tg_last_message(), part);
}

static enum tg_status probe_for(const void *at, size_t n, const char *symbol)
{
    const struct tg_rehearsal rehearsal = {.symbol = symbol};
    return tg_module_probe(at, n, &rehearsal, "kernel k");
}

static enum tg_status probe(const void *at, size_t n) { return probe_for(at, n, "kernel_entry"); }

static int64_t call(const struct tg_module *module)
{
    void (*entry)(int64_t *);
    void *symbol = tg_module_symbol(module, "kernel_entry");
    assert_non_null(symbol);
    memcpy(&entry, &symbol, sizeof entry);
    int64_t args[1] = {0};
    entry(args);
    return args[0];
}

/* ---- good ones --------------------------------------------------------------------------------------------------- */

static void a_module_is_opened_from_its_bytes(void **state)
{
    (void)state;
    struct tg_module module = {0};
    uint8_t *copy = malloc(n_bytes);
    assert_non_null(copy);
    memcpy(copy, bytes, n_bytes);
    assert_int_equal(probe(copy, n_bytes), TG_OK);
    assert_int_equal(tg_module_open(&module, copy, n_bytes, "kernel k"), TG_OK);
    memset(copy, 0, n_bytes); /* they are not needed any more */
    free(copy);
    assert_int_equal(call(&module), 101);
    assert_int_equal(call(&module), 102);
    assert_null(tg_module_symbol(&module, "no_such_symbol"));
    tg_module_close(&module);
    tg_module_close(&module); /* harmless */
}

static void the_range_of_its_code_is_known(void **state)
{
    (void)state;
    struct tg_module module = {0};
    assert_int_equal(tg_module_open(&module, bytes, n_bytes, "kernel k"), TG_OK);
    uintptr_t entry = (uintptr_t)tg_module_symbol(&module, "kernel_entry");
    assert_true(entry >= module.text.low && entry < module.text.high);
    uintptr_t here = (uintptr_t)(void *)bytes;
    assert_false(here >= module.text.low && here < module.text.high);
    assert_true(module.text.high - module.text.low < 1 << 20);
    tg_module_close(&module);
}

static void equal_bytes_opened_twice_are_two_modules(void **state)
{
    (void)state;
    enum { N = 20 };
    struct tg_module modules[N] = {0};
    for (int i = 0; i < N; i++) assert_int_equal(tg_module_open(&modules[i], bytes, n_bytes, "kernel k"), TG_OK);
    for (int i = 0; i < N; i++)
        for (int calls = 0; calls <= i; calls++) assert_int_equal(call(&modules[i]), 101 + calls);
    for (int i = 0; i < N; i += 2) tg_module_close(&modules[i]);
    for (int i = 1; i < N; i += 2) assert_int_equal(call(&modules[i]), 102 + i);
    for (int i = 0; i < N; i += 2) { /* on the descriptors that became free */
        assert_int_equal(tg_module_open(&modules[i], bytes, n_bytes, "kernel k"), TG_OK);
        assert_int_equal(call(&modules[i]), 101);
    }
    for (int i = 0; i < N; i++) tg_module_close(&modules[i]);
}

static int n_descriptors(void)
{
    int n = 0;
    DIR *folder = opendir("/proc/self/fd");
    assert_non_null(folder);
    while (readdir(folder)) n++;
    closedir(folder);
    return n;
}

static void descriptors_are_given_back(void **state)
{
    (void)state;
    struct tg_module module = {0};
    int before = n_descriptors();
    for (int i = 0; i < 20; i++) {
        assert_int_equal(probe(bytes, n_bytes), TG_OK);
        assert_int_equal(probe(bytes, 1000), TG_ERR_LOAD);
        assert_int_equal(probe_for(bytes, n_bytes, "missing"), TG_ERR_SYMBOL);
        assert_int_equal(tg_module_open(&module, bytes, n_bytes, "kernel k"), TG_OK);
        tg_module_close(&module);
        assert_int_equal(tg_module_open(&module, bytes, 100, "kernel k"), TG_ERR_LOAD);
    }
    assert_int_equal(n_descriptors(), before);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* nor is a child left */
}

static void opening_does_not_change_how_we_compute(void **state)
{
    (void)state;
    volatile float tiny = 1e-40f, one = 1.0f, third = one / 3;
    struct tg_module module = {0};
    assert_int_equal(tg_module_open(&module, bytes, n_bytes, "kernel k"), TG_OK);
    assert_int_equal(fegetround(), FE_TONEAREST);
    assert_true(tiny * one == 1e-40f && tiny * one != 0);
    assert_true(one / 3 == third);
    tg_module_close(&module);
}

/* ---- broken ones ------------------------------------------------------------------------------------------------- */

static void bytes_that_are_no_object_are_refused(void **state)
{
    (void)state;
    uint8_t text[4096];
    memset(text, 'x', sizeof text);
    assert_refused(probe(text, 0), TG_ERR_LOAD, "0 bytes are no shared object");
    assert_refused(probe(text, 7), TG_ERR_LOAD, "7 bytes are no shared object");
    assert_refused(probe(text, sizeof text), TG_ERR_LOAD, "no shared object");
    memcpy(text, ELFMAG, SELFMAG);
    assert_refused(probe(text, sizeof text), TG_ERR_LOAD, "no shared object");
    struct tg_module module = {0};
    assert_refused(tg_module_open(&module, text, sizeof text, "kernel k"), TG_ERR_LOAD, ":");
    assert_null(module.handle);
}

static void noise_is_refused(void **state)
{
    (void)state;
    uint64_t random = 20260306;
    uint8_t noise[8192];
    for (int round = 0; round < 40; round++) {
        for (size_t i = 0; i < sizeof noise; i++) noise[i] = (uint8_t)(ref_random(&random) >> 56);
        if (round % 2) memcpy(noise, bytes, round < 20 ? sizeof(Elf64_Ehdr) : 16); /* behind a good beginning */
        assert_refused(probe(noise, sizeof noise), TG_ERR_LOAD, "");
    }
}

/* An object of another kind, for another processor, of another class: the header says it. */
static void objects_for_elsewhere_are_refused(void **state)
{
    (void)state;
    uint8_t *copy = malloc(n_bytes);
    assert_non_null(copy);
    static const struct {
        size_t at;
        uint8_t value;
    } changes[] = {
        {offsetof(Elf64_Ehdr, e_type), ET_EXEC},
        {offsetof(Elf64_Ehdr, e_type), ET_REL},
        {offsetof(Elf64_Ehdr, e_machine), EM_S390},
        {EI_CLASS, ELFCLASS32},
        {EI_DATA, ELFDATA2MSB},
        {EI_VERSION, 9},
    };
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        memcpy(copy, bytes, n_bytes);
        copy[changes[i].at] = changes[i].value;
        assert_refused(probe(copy, n_bytes), TG_ERR_LOAD, "");
    }
    free(copy);
}

static void a_missing_symbol_is_named(void **state)
{
    (void)state;
    size_t n;
    uint8_t *without = read_module("no_entry", &n);
    assert_refused(probe(without, n), TG_ERR_SYMBOL, "kernel_entry");
    assert_refused(probe_for(bytes, n_bytes, "orchestration"), TG_ERR_SYMBOL, "orchestration");
    assert_refused(probe_for(bytes, n_bytes, ""), TG_ERR_SYMBOL, "''");
    free(without);
}

static void what_runs_while_it_is_opened_does_no_harm(void **state)
{
    (void)state;
    static const struct {
        const char *name, *message;
    } cases[] = {
        {"crash_in_constructor", "crashes (Segmentation fault)"},
        {"exit_in_constructor", "ends the process (exit code 3)"},
        {"crash_in_destructor", "crashes"},
        {"exit_handlers_in_destructor", "runs the exit handlers of the process"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t n;
        uint8_t *hostile = read_module(cases[i].name, &n);
        assert_refused(probe(hostile, n), TG_ERR_LOAD, cases[i].message);
        assert_int_equal(probe(bytes, n_bytes), TG_OK); /* the next one works */
        free(hostile);
    }
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

/* The helper lies elsewhere each time: chance must not place a library behind the object. */
static void a_write_behind_the_object_is_found_each_time(void **state)
{
    (void)state;
    enum { TIMES = 40 };
    size_t n;
    uint8_t *hostile = read_module("writes_behind_in_destructor", &n);
    for (int i = 0; i < TIMES; i++) assert_refused(probe(hostile, n), TG_ERR_LOAD, "crashes (Segmentation fault)");
    free(hostile);
}

static void an_object_for_another_version_of_a_header_is_refused(void **state)
{
    (void)state;
    size_t n;
    uint8_t *other = read_module("other_abi", &n);
    struct tg_rehearsal rehearsal = {.symbol = "kernel_entry", .abi = {"tg_tile_abi", 1, 1, "tile.h"}};
    assert_refused(tg_module_probe(other, n, &rehearsal, "kernel k"), TG_ERR_ABI,
                   "built against version 4711 of tile.h, this library has 1");
    rehearsal.abi.oldest = rehearsal.abi.version = 4711;
    assert_int_equal(tg_module_probe(other, n, &rehearsal, "kernel k"), TG_OK);
    rehearsal.abi.symbol = "no_such_version"; /* an object may have none */
    assert_int_equal(tg_module_probe(other, n, &rehearsal, "kernel k"), TG_OK);
    free(other);
}

/* An object that the probe accepts opens and closes. Tried in a child: a failure of this test is not to end it. */
static bool opens_and_closes(const uint8_t *at, size_t n)
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}; /* cmocka has handlers for them */
        for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) signal(signals[i], SIG_DFL);
        struct tg_module module = {0};
        bool opened = tg_module_open(&module, at, n, "kernel k") == TG_OK;
        if (opened) tg_module_close(&module);
        _exit(opened ? 0 : 1);
    }
    int state = -1;
    return waitpid(child, &state, 0) == child && WIFEXITED(state) && WEXITSTATUS(state) == 0;
}

/* ---- segments: the loader would map these over what lies beside the object ---- */

enum { SEGMENTS_MAX = 16 };

/* Where the program headers of what is loaded are in the object. Returns how many there are. */
static uint32_t find_segments(size_t at[SEGMENTS_MAX])
{
    Elf64_Ehdr header;
    uint32_t n = 0;
    memcpy(&header, bytes, sizeof header);
    for (size_t i = 0; i < header.e_phnum; i++) {
        Elf64_Phdr segment;
        const size_t place = header.e_phoff + i * sizeof segment;
        memcpy(&segment, bytes + place, sizeof segment);
        if (segment.p_type != PT_LOAD) continue;
        assert_true(n < SEGMENTS_MAX);
        at[n++] = place;
    }
    return n;
}

static Elf64_Phdr segment_at(size_t at)
{
    Elf64_Phdr segment;
    memcpy(&segment, bytes + at, sizeof segment);
    return segment;
}

/* The object with other bytes at one place is refused. */
static void assert_patched_refused(size_t at, const void *patch, size_t n_patch, const char *reason)
{
    uint8_t *copy = malloc(n_bytes);
    assert_non_null(copy);
    memcpy(copy, bytes, n_bytes);
    memcpy(copy + at, patch, n_patch);
    assert_refused(probe(copy, n_bytes), TG_ERR_LOAD, reason);
    free(copy);
}

static void a_segment_larger_in_the_file_is_refused(void **state)
{
    (void)state;
    size_t at[SEGMENTS_MAX];
    const uint32_t n = find_segments(at);
    assert_true(n > 0);
    for (uint32_t i = 0; i < n; i++) {
        Elf64_Phdr segment = segment_at(at[i]);
        segment.p_filesz = segment.p_memsz + 1;
        assert_patched_refused(at[i], &segment, sizeof segment, "is larger in the file than in memory");
    }
    Elf64_Ehdr header;
    memcpy(&header, bytes, sizeof header);
    header.e_phnum = UINT16_MAX;
    assert_patched_refused(0, &header, sizeof header, "program headers are not inside");
}

static void segments_out_of_order_are_refused(void **state)
{
    (void)state;
    static const uint64_t wrong[] = {0, UINT64_MAX - 1}; /* where the first one is; so that it wraps around */
    size_t at[SEGMENTS_MAX];
    const uint32_t n = find_segments(at);
    assert_true(n > 1);
    for (uint32_t i = 1; i < n; i++)
        for (size_t k = 0; k < 2; k++) {
            Elf64_Phdr segment = segment_at(at[i]);
            segment.p_vaddr = wrong[k];
            assert_patched_refused(at[i], &segment, sizeof segment, "does not lie behind those before it");
        }
}

static void a_truncated_object_is_refused_or_opens(void **state)
{
    (void)state;
    uint64_t random = 20260307;
    size_t steps = TEST_ASAN || TEST_TSAN ? 60 : 200;
    for (size_t i = 0; i < steps + 80; i++) {
        size_t n = i < 80 ? i : (i - 80) * n_bytes / steps + ref_random(&random) % (n_bytes / steps);
        uint8_t *part = malloc(n + 1); /* exact, but for a byte, which malloc(0) may not give */
        assert_non_null(part);
        memcpy(part, bytes, n);
        enum tg_status status = probe(part, n);
        if (status == TG_OK) CHECK(opens_and_closes(part, n), "%zu of %zu bytes", n, n_bytes);
        else CHECK(status == TG_ERR_LOAD || status == TG_ERR_SYMBOL, "%zu bytes: %s", n, tg_status_name(status));
        if (n < 1000) assert_int_equal(status, TG_ERR_LOAD);
        free(part);
    }
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

/* Half of the flips hit the first kilobyte and what describes the sections: the code is the smaller part of a
 * module. */
static void an_object_with_a_flipped_bit_is_refused_or_opens(void **state)
{
    (void)state;
    uint64_t random = 20260308;
    int n_opened = 0, n_refused = 0, n_flips = TEST_ASAN || TEST_TSAN ? 80 : 400;
    uint8_t *copy = malloc(n_bytes);
    assert_non_null(copy);
    for (int i = 0; i < n_flips; i++) {
        memcpy(copy, bytes, n_bytes);
        size_t at = ref_random(&random) % (i % 2 ? 1024 : n_bytes);
        uint8_t bit = (uint8_t)(1u << (ref_random(&random) >> 32) % 8);
        copy[at] ^= bit;
        enum tg_status status = probe(copy, n_bytes);
        if (status == TG_OK) {
            n_opened++;
            CHECK(opens_and_closes(copy, n_bytes), "byte %zu ^ 0x%02x", at, bit);
        } else {
            n_refused++;
            CHECK(status == TG_ERR_LOAD || status == TG_ERR_SYMBOL, "byte %zu: %s", at, tg_status_name(status));
            assert_true(strlen(tg_last_message()) > 12);
        }
    }
    free(copy);
    assert_true(n_opened > 0 && n_refused > 0);
}

/* ---- threads ----------------------------------------------------------------------------------------------------- */

static void *open_and_close(void *arg)
{
    enum tg_status *status = arg;
    for (int i = 0; i < 20 && *status == TG_OK; i++) {
        struct tg_module module = {0};
        *status = probe(bytes, n_bytes);
        if (*status == TG_OK) *status = tg_module_open(&module, bytes, n_bytes, "kernel k");
        if (*status == TG_OK) tg_module_close(&module);
    }
    return NULL;
}

static void threads_load_at_the_same_time(void **state)
{
    (void)state;
    if (TG_TEST_EMULATOR[0]) SKIP("the emulator does not survive forks beside threads at work");
    enum { N = 3 };
    pthread_t threads[N];
    enum tg_status statuses[N] = {TG_OK};
    for (int i = 0; i < N; i++) assert_int_equal(pthread_create(&threads[i], NULL, open_and_close, &statuses[i]), 0);
    for (int i = 0; i < N; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < N; i++) assert_string_equal(tg_status_name(statuses[i]), "TG_OK");
}

/* A probe on a thread of its own. */
struct probing {
    pthread_t thread;
    const char *module;
    enum tg_status status;
    char message[TG_MESSAGE_BYTES];
};

static void *probe_module(void *arg)
{
    struct probing *probing = arg;
    size_t n;
    uint8_t *it = read_module(probing->module, &n);
    probing->status = probe(it, n);
    snprintf(probing->message, sizeof probing->message, "%s", tg_last_message());
    free(it);
    return NULL;
}

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void one_that_hangs_does_not_hold_up_the_others(void **state)
{
    (void)state;
    if (TG_TEST_EMULATOR[0]) SKIP("the emulator does not survive forks beside threads at work");
    struct probing hanging = {.module = "hang_in_constructor"}, crashing = {.module = "crash_in_constructor"};
    assert_int_equal(pthread_create(&hanging.thread, NULL, probe_module, &hanging), 0);
    const double start = now_s();
    for (int i = 0; i < 20; i++) {
        probe_module(&crashing);
        assert_int_equal(crashing.status, TG_ERR_LOAD);
        CHECK(strstr(crashing.message, "crashes"), "%s", crashing.message);
    }
    CHECK(TEST_TSAN || TG_TEST_EMULATOR[0] || now_s() - start < 4, "%.1f s", now_s() - start);
    pthread_join(hanging.thread, NULL);
    assert_int_equal(hanging.status, TG_ERR_LOAD);
    CHECK(strstr(hanging.message, "does not end"), "%s", hanging.message);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

/* ---- a copy of this process instead of the helper ---- */

/* A system that forbids to execute anything, from here on. */
static bool forbid_exec(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_execve, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_execveat, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EACCES),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {.len = sizeof filter / sizeof filter[0], .filter = filter};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static char said[256];

static void keep_line(void *context, enum tg_log_level level, const char *line)
{
    (void)context;
    (void)level;
    snprintf(said, sizeof said, "%s", line);
}

static int try_without_exec(void)
{
    struct probing crashing = {.module = "crash_in_constructor"}, missing = {.module = "no_entry"};
    tg_log_to(keep_line, NULL, TG_LOG_WARN);
    if (!forbid_exec()) return 77;
    if (probe(bytes, n_bytes) != TG_OK) return 1;
    if (!strstr(said, "tried in copies of this process") || !strstr(said, "Permission denied")) return 2;
    probe_module(&crashing);
    if (crashing.status != TG_ERR_LOAD || !strstr(crashing.message, "crashes (Segmentation fault)")) return 3;
    probe_module(&missing);
    return missing.status == TG_ERR_SYMBOL ? 0 : 4;
}

static int end_of_child(int (*main)(void))
{
    int state = -1;
    fflush(NULL);
    const pid_t child = fork();
    if (child == 0) _exit(main());
    if (waitpid(child, &state, 0) != child || !WIFEXITED(state)) return -1;
    return WEXITSTATUS(state);
}

static void where_nothing_may_be_executed_copies_are_tried(void **state)
{
    (void)state;
    if (TEST_TSAN || TEST_ASAN) SKIP("copies are tried anyway, and nothing is said of it");
    const int end = end_of_child(try_without_exec);
    if (end == 77 || TG_TEST_EMULATOR[0]) SKIP("no filter of system calls");
    assert_int_equal(end, 0);
}

/* A fork on another thread at the worst moment: a process that has all pipes of this one. */
static pid_t copy;
static bool copies;

static void copy_this_process(void)
{
    if (!copies) return;
    copies = false;
    copy = _Fork();
    if (copy != 0) return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) pause();
}

static int try_with_a_pipe_shared(void)
{
    struct probing crashing = {.module = "crash_in_constructor"};
    if (!forbid_exec()) return 77;
    if (pthread_atfork(copy_this_process, NULL, NULL) != 0) return 1;
    copies = true;
    probe_module(&crashing);
    if (copy <= 0 || kill(copy, SIGKILL) != 0 || waitpid(copy, NULL, 0) != copy) return 2;
    return crashing.status == TG_ERR_LOAD && strstr(crashing.message, "crashes") ? 0 : 3;
}

static void a_crash_is_seen_although_another_process_has_the_pipe(void **state)
{
    (void)state;
    if (TEST_TSAN) SKIP("a process that is copied twice at a time");
    if (TG_TEST_EMULATOR[0]) SKIP("the emulator does not survive forks beside threads at work");
    const int end = end_of_child(try_with_a_pipe_shared);
    if (end == 77) SKIP("no filter of system calls");
    assert_int_equal(end, 0);
}

/* ---- what stays, and who answers ---- */

/* Each of them stays loaded, on a descriptor that the next one gets again. */
static void an_object_that_stays_loaded_does_not_answer_for_another(void **state)
{
    (void)state;
    static const char *const names[] = {"stays_one", "stays_two"};
    struct tg_module module = {0};
    int before = -1;
    for (int i = 0; i < 6; i++) {
        size_t n;
        uint8_t *it = read_module(names[i % 2], &n);
        assert_int_equal(probe(it, n), TG_OK);
        assert_int_equal(tg_module_open(&module, it, n, "kernel k"), TG_OK);
        assert_int_equal(call(&module), i % 2 ? 202 : 101);
        assert_true(before < 0 || module.file.fd == before);
        before = module.file.fd;
        tg_module_close(&module);
        free(it);
    }
}

/* At the same time: each has its own variable, although the loader would have one for both. */
static void each_object_has_its_own_variables(void **state)
{
    (void)state;
    struct tg_module one = {0}, two = {0};
    size_t n;
    uint8_t *it = read_module("stays_one", &n);
    assert_int_equal(tg_module_open(&one, it, n, "kernel k"), TG_OK);
    free(it);
    it = read_module("stays_two", &n);
    assert_int_equal(tg_module_open(&two, it, n, "kernel k"), TG_OK);
    free(it);
    assert_ptr_not_equal(tg_module_symbol(&one, "unique_answer"), tg_module_symbol(&two, "unique_answer"));
    assert_int_equal(call(&one), 101);
    assert_int_equal(call(&two), 202);
    tg_module_close(&one);
    tg_module_close(&two);
}

static void only_writable_data_of_the_object_is_a_slot(void **state)
{
    (void)state;
    struct tg_module module = {0};
    size_t n;
    uint8_t *it = read_module("other_abi", &n);
    assert_int_equal(tg_module_open(&module, it, n, "kernel k"), TG_OK);
    assert_non_null(tg_module_symbol(&module, "tg_tile_abi"));
    assert_null(tg_module_slot(&module, "tg_tile_abi"));  /* a constant */
    assert_null(tg_module_slot(&module, "kernel_entry")); /* code */
    assert_null(tg_module_slot(&module, "environ"));      /* of the C library */
    tg_module_close(&module);
    free(it);
}

/* ---- descriptors ---- */

/* The host has none of the standard streams: its output must not arrive in a file of the library. */
static int load_without_streams(void)
{
    struct tg_module module = {0};
    struct tg_gm gm;
    uint64_t address = 0;
    for (int fd = 0; fd < 3; fd++) close(fd);
    if (probe(bytes, n_bytes) != TG_OK) return 1;
    if (tg_module_open(&module, bytes, n_bytes, "kernel k") != TG_OK) return 2;
    if (tg_gm_init(&gm, 1 << 20, false) != TG_OK) return 3;
    for (int fd = 0; fd < 3; fd++)
        if (fcntl(fd, F_GETFD) >= 0) return 4;
    if (write(1, "text", 4) >= 0 || tg_gm_alloc(&gm, 512, NULL, &address) != TG_OK) return 5;
    if (*(const uint32_t *)(uintptr_t)address != UINT32_MAX) return 6;
    tg_gm_fini(&gm);
    tg_module_close(&module);
    return 0;
}

static void own_descriptors_are_behind_the_standard_streams(void **state)
{
    (void)state;
    if (TEST_TSAN) SKIP("a process that is copied twice at a time");
    assert_int_equal(end_of_child(load_without_streams), 0);
}

static int load_with_few_descriptors(void)
{
    static const char limited[] = "no more file descriptors";
    struct tg_module module = {0};
    int n_refused = 0;
    for (rlim_t most = 3; most < 16; most++) {
        const struct rlimit limit = {most, 16};
        if (setrlimit(RLIMIT_NOFILE, &limit) != 0) return 1;
        enum tg_status status = probe(bytes, n_bytes);
        if (status == TG_OK) status = tg_module_open(&module, bytes, n_bytes, "kernel k");
        if (status == TG_OK) tg_module_close(&module);
        else if (status != TG_ERR_MEMORY || !strstr(tg_last_message(), limited)) return 2;
        n_refused += status != TG_OK;
    }
    return n_refused > 0 && n_refused < 13 ? 0 : 3;
}

static void too_few_descriptors_are_said_to_be_that(void **state)
{
    (void)state;
    if (TEST_TSAN) SKIP("a process that is copied twice at a time");
    assert_int_equal(end_of_child(load_with_few_descriptors), 0);
}

/* Foreign code has closed all descriptors, and the host has opened files under the same numbers. */
static void what_the_host_has_opened_meanwhile_is_left_alone(void **state)
{
    (void)state;
    struct tg_module module = {0};
    struct tg_gm gm;
    uint64_t address = 0;
    assert_int_equal(tg_module_open(&module, bytes, n_bytes, "kernel k"), TG_OK);
    assert_int_equal(tg_gm_init(&gm, 64 << 20, false), TG_OK);
    assert_false(tg_gm_lost_file(&gm));
    const int taken[2] = {module.file.fd, gm.pages.poison.fd};
    for (int i = 0; i < 2; i++) assert_int_equal(dup2(STDERR_FILENO, taken[i]), taken[i]);
    assert_int_equal(tg_gm_alloc(&gm, 32 << 20, NULL, &address), TG_OK); /* more than is mapped at first */
    for (uint64_t at = 0; at < 32 << 20; at += 4096)
        CHECK(*(const uint32_t *)(uintptr_t)(address + at) == UINT32_MAX, "offset %llu", (unsigned long long)at);
    assert_int_equal(dup2(STDERR_FILENO, gm.pages.poison.fd), gm.pages.poison.fd);
    assert_true(tg_gm_lost_file(&gm));
    assert_false(tg_gm_lost_file(&gm));
    tg_gm_fini(&gm);
    tg_module_close(&module);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(fcntl(taken[i], F_GETFD), 0);
        close(taken[i]);
    }
}

/* Nothing of this process is in the one in which objects are tried. */
static void the_helper_has_neither_descriptors_nor_signals_of_ours(void **state)
{
    (void)state;
    if (TEST_TSAN || TEST_ASAN || TG_TEST_EMULATOR[0]) SKIP("a copy of this process has all of them");
    sigset_t blocked, before;
    int fds[8];
    size_t n;
    uint8_t *it = read_module("looks_around", &n);
    for (int i = 0; i < 8; i++) fds[i] = dup(STDIN_FILENO); /* exec does not close them */
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &blocked, &before);
    const enum tg_status status = probe(it, n);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    for (int i = 0; i < 8; i++) close(fds[i]);
    free(it);
    CHECK(status == TG_OK, "%s", tg_last_message());
}

/* In the loader, on behalf of nobody: as when an exception is thrown, or a profile taken. */
static _Atomic bool walking;

static int walk_slowly(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)info;
    (void)size;
    (void)arg;
    walking = true;
    const struct timespec longer_than_a_child_takes_to_begin = {0, 400000000};
    nanosleep(&longer_than_a_child_takes_to_begin, NULL);
    return 1;
}

static void *walk_objects(void *arg)
{
    dl_iterate_phdr(walk_slowly, arg);
    return NULL;
}

static void another_thread_in_the_loader_is_waited_for(void **state)
{
    (void)state;
    if (TG_TEST_EMULATOR[0]) SKIP("the emulator does not survive forks beside threads at work");
    pthread_t thread;
    walking = false;
    assert_int_equal(pthread_create(&thread, NULL, walk_objects, NULL), 0);
    while (!walking) continue;
    enum tg_status status = probe(bytes, n_bytes);
    pthread_join(thread, NULL);
    CHECK(status == TG_OK, "%s", tg_last_message());
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_module_is_opened_from_its_bytes),
        cmocka_unit_test(the_range_of_its_code_is_known),
        cmocka_unit_test(equal_bytes_opened_twice_are_two_modules),
        cmocka_unit_test(descriptors_are_given_back),
        cmocka_unit_test(opening_does_not_change_how_we_compute),
        cmocka_unit_test(bytes_that_are_no_object_are_refused),
        cmocka_unit_test(noise_is_refused),
        cmocka_unit_test(objects_for_elsewhere_are_refused),
        cmocka_unit_test(a_missing_symbol_is_named),
        cmocka_unit_test(what_runs_while_it_is_opened_does_no_harm),
        cmocka_unit_test(a_write_behind_the_object_is_found_each_time),
        cmocka_unit_test(an_object_that_stays_loaded_does_not_answer_for_another),
        cmocka_unit_test(each_object_has_its_own_variables),
        cmocka_unit_test(only_writable_data_of_the_object_is_a_slot),
        cmocka_unit_test(own_descriptors_are_behind_the_standard_streams),
        cmocka_unit_test(too_few_descriptors_are_said_to_be_that),
        cmocka_unit_test(what_the_host_has_opened_meanwhile_is_left_alone),
        cmocka_unit_test(the_helper_has_neither_descriptors_nor_signals_of_ours),
        cmocka_unit_test(where_nothing_may_be_executed_copies_are_tried),
        cmocka_unit_test(an_object_for_another_version_of_a_header_is_refused),
        cmocka_unit_test(a_segment_larger_in_the_file_is_refused),
        cmocka_unit_test(segments_out_of_order_are_refused),
        cmocka_unit_test(a_truncated_object_is_refused_or_opens),
        cmocka_unit_test(an_object_with_a_flipped_bit_is_refused_or_opens),
        cmocka_unit_test(threads_load_at_the_same_time),
        cmocka_unit_test(one_that_hangs_does_not_hold_up_the_others),
        cmocka_unit_test(a_crash_is_seen_although_another_process_has_the_pipe),
        cmocka_unit_test(another_thread_in_the_loader_is_waited_for),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, load, release);
}
