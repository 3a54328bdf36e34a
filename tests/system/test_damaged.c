/*
 * Damaged objects: one bit of a kernel or plugin is another one, or its end is
 * missing. Each is loaded and run in this way: whatever happens, the process
 * lives, and a program that is whole runs right beside it.
 *
 * Without arguments a few hundred damages of tables and data are tried. `test_damaged N SEED` tries N of each kind, of
 * code too, and says which ended a process: damaged code may write wherever it wants, which nobody promises to survive.
 * Many are tried in one process, for a damage may do harm that is seen later; a parent sees which was the last.
 */
#include <elf.h>
#include <link.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/check.h"
#include "common/random.h"
#include "common/rig.h"

enum { GM_BYTES = 64 << 20, N = 1000, A_PROCESS = 50, KERNEL = 0, SECOND_KERNEL = 1, PLUGIN = 2, PARTS = 3 };

/* A program of three objects, one of them damaged. */
struct part {
    const char *name;
    uint8_t *bytes;
    size_t n_bytes;
};
static struct part parts[PARTS] = {{.name = "aiv_add"}, {.name = "aiv_scale"}, {.name = "orchestration"}};

struct kind {
    const char *platform;
    int part;
    bool truncated;
};

static const struct kind kinds[] = {
    {"a2a3sim", KERNEL, false}, {"a2a3sim", PLUGIN, false}, {"cpu", KERNEL, false},
    {"cpu", PLUGIN, false},     {"a2a3sim", PLUGIN, true},  {"cpu", KERNEL, true},
};
enum { N_KINDS = sizeof kinds / sizeof kinds[0] };

/* The child's report to its parent. */
struct progress {
    int n_done, n_ran;
    size_t at;
    int bit;
    char wrong[256];
};
static struct progress *progress;
static bool code_too;

static float in[2][N], out[N];

static enum tg_status load_part(struct tg_program *program, int part, const uint8_t *bytes, size_t n_bytes)
{
    if (part == PLUGIN) return tg_program_set_orchestration(program, bytes, n_bytes, "orchestration");
    return tg_program_add_kernel(program, part, TG_AIV, parts[part].name, bytes, n_bytes);
}

/* Load the program with one part replaced, and run it. */
static enum tg_status load_and_run(struct tg_device *device, int damaged, const uint8_t *bytes, size_t n_bytes)
{
    struct tg_program *program = NULL;
    struct tg_run *run = NULL;
    struct tg_run_config config;
    const struct tg_tensor tensors[] = {{"a", in[0], sizeof in[0], N, TG_IN},
                                        {"b", in[1], sizeof in[1], N, TG_IN},
                                        {"out", out, sizeof out, N, TG_OUT}};
    tg_run_config_init(&config);
    config.kernel_limit_ms = 300;
    enum tg_status status = tg_program_open(device, &program);
    for (int i = 0; i < PARTS && status == TG_OK; i++)
        status = i == damaged ? load_part(program, i, bytes, n_bytes)
                              : load_part(program, i, parts[i].bytes, parts[i].n_bytes);
    if (status == TG_OK) status = tg_run_open(program, &config, tensors, 3, &run);
    if (status == TG_OK) {
        progress->n_ran++;
        status = tg_run_wait(run);
    }
    tg_run_close(run);
    tg_program_close(program);
    return status;
}

static bool whole_one_is_right(struct tg_device *device)
{
    for (int i = 0; i < N; i++) in[0][i] = (float)i, in[1][i] = 1, out[i] = -1;
    if (load_and_run(device, -1, NULL, 0) != TG_OK) return false;
    progress->n_ran--;
    for (int i = 0; i < N; i++)
        if (out[i] != (in[0][i] + in[1][i]) * 2) return false;
    return true;
}

/* A byte of a loaded segment of data, each of them as likely as the others: other bytes are never loaded. */
static size_t draw_loaded(const struct part *part, uint64_t *random)
{
    ElfW(Ehdr) header;
    memcpy(&header, part->bytes, sizeof header);
    for (;;) {
        ElfW(Phdr) segment;
        const size_t i = (size_t)(random_next(random) % header.e_phnum);
        memcpy(&segment, part->bytes + header.e_phoff + i * sizeof segment, sizeof segment);
        if (segment.p_type == PT_LOAD && segment.p_filesz > 0 && (code_too || !(segment.p_flags & PF_X)))
            return (size_t)(segment.p_offset + random_next(random) % segment.p_filesz);
    }
}

static void damage(const struct kind *kind, uint64_t *random, uint8_t *bytes, size_t *n_bytes)
{
    const struct part *part = &parts[kind->part];
    memcpy(bytes, part->bytes, part->n_bytes);
    *n_bytes = part->n_bytes;
    progress->bit = random_below(random, 8);
    progress->at = kind->truncated ? (size_t)(random_next(random) % part->n_bytes) : draw_loaded(part, random);
    if (kind->truncated) *n_bytes = progress->at;
    else bytes[progress->at] ^= (uint8_t)(1u << progress->bit);
}

/* In a process of its own: the damages from n_done on. */
static int child(const struct kind *kind, int n, uint64_t seed)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}; /* cmocka has handlers for them */
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) signal(signals[i], SIG_DFL);
    struct tg_device_config config;
    struct tg_device *device = NULL;
    uint8_t *bytes = malloc(parts[kind->part].n_bytes);
    tg_device_config_init(&config);
    config.platform = kind->platform;
    config.workers = strcmp(kind->platform, "cpu") == 0 ? 2 : 0;
    config.pin = false;
    config.gm_bytes = GM_BYTES;
    config.catch_faults = true;
    if (!bytes || tg_device_open(&config, &device) != TG_OK) return 1;
    for (int i = 0; i < A_PROCESS && progress->n_done < n; i++, progress->n_done++) {
        uint64_t random = seed + (uint64_t)progress->n_done * 1000003u; /* of each damage, wherever a process begins */
        size_t n_bytes;
        (void)alarm(20);
        damage(kind, &random, bytes, &n_bytes);
        const enum tg_status status = load_and_run(device, kind->part, bytes, n_bytes);
        if (status != TG_OK && tg_last_message()[0] == '\0') snprintf(progress->wrong, 64, "no message");
        if (i % 10 == 9 && !whole_one_is_right(device)) snprintf(progress->wrong, 256, "whole: %s", tg_last_message());
        if (progress->wrong[0]) return 2;
    }
    tg_device_close(device);
    free(bytes);
    return 0;
}

/* Returns how many damages have ended a process, or spoiled it. */
static int try_kind(const struct kind *kind, int n, uint64_t seed)
{
    int n_killed = 0;
    memset(progress, 0, sizeof *progress);
    while (progress->n_done < n) {
        int state = -1;
        fflush(NULL);
        const pid_t id = fork();
        if (id == 0) _exit(child(kind, n, seed));
        if (id < 0 || waitpid(id, &state, 0) != id) fail_msg("no process");
        if (state == 0) continue;
        n_killed++;
        print_error("%s, %s%s: %s %zu bit %d ends the process: state 0x%x %s (seed "
                    "%llu, number %d)\n",
                    kind->platform, parts[kind->part].name, kind->truncated ? ", truncated" : "",
                    kind->truncated ? "length" : "byte", progress->at, progress->bit, (unsigned)state, progress->wrong,
                    (unsigned long long)seed, progress->n_done);
        progress->wrong[0] = '\0';
        progress->n_done++;
    }
    print_message("%s, %s%s: %d tried, %d ran, %d killed\n", kind->platform, parts[kind->part].name,
                  kind->truncated ? ", truncated" : "", n, progress->n_ran, n_killed);
    return n_killed;
}

static void read_parts(void)
{
    for (int i = 0; i < PARTS; i++) {
        char path[512];
        snprintf(path, sizeof path, "%s/examples/aicpu_build_graph/vector_example/%s.so", TG_TEST_BUILD_DIR,
                 parts[i].name);
        parts[i].bytes = rig_read_file(path, &parts[i].n_bytes);
    }
    progress = mmap(NULL, sizeof *progress, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(progress, MAP_FAILED);
}

static void release_parts(void)
{
    for (int i = 0; i < PARTS; i++) free(parts[i].bytes);
    munmap(progress, sizeof *progress);
}

static void no_damage_ends_the_process(void **state)
{
    (void)state;
    if (TEST_TSAN || TEST_ASAN) SKIP("what a damaged kernel writes is the sanitizer's finding");
    read_parts();
    for (int i = 0; i < N_KINDS; i++) assert_int_equal(try_kind(&kinds[i], 60, 20260309), 0);
    release_parts();
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(no_damage_ends_the_process)};
    if (argc != 3) return cmocka_run_group_tests(tests, NULL, NULL);
    int n_killed = 0;
    code_too = true;
    read_parts();
    for (int i = 0; i < N_KINDS; i++) n_killed += try_kind(&kinds[i], atoi(argv[1]), strtoull(argv[2], NULL, 10));
    release_parts();
    return n_killed > 0;
}
