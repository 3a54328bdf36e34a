#include "mutants/trial.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mutants/need.h"

#define EXAMPLE "examples/aicpu_build_graph/paged_attention"
enum { WORDS_MAX = 48, LIMIT_S = 30, PATH_BYTES = 1024, EXIT_FINDING = 3, EXIT_MISMATCH = 1 };

/* The cases cover:
 *   - slices of rows, the last one short, and heads and blocks that are cut
 *   - tasks with more chunks of tokens than places, the last one short
 *   - sequences of one span, of no token, and of one token
 *   - both element sizes
 *   - tiles that leave no room for a second set
 *   - products so small that they need a barrier, and products of one row more than whole fractals have
 *   - packed caches: whole column blocks and a part of one, in small blocks side by side and in parts of a large one */
#define MANY_CHUNKS                                                                                                    \
    "--batch 1 --heads 70 --head-dim 16 --block-size 128 --context 1140 --blocks-per-task 9 --dtype bf16"
static const char *const kernel_cases[] = {
    "--batch 4 --heads 100 --head-dim 32 --block-size 32 --context 905,1,0,200 --blocks-per-task 8",
    "--batch 3 --heads 72 --head-dim 128 --block-size 24 --context 403,0,70 --blocks-per-task 9 --dtype bf16",
    "--batch 2 --heads 128 --head-dim 128 --block-size 128 --context 700,128 --blocks-per-task 3",
    "--batch 2 --heads 34 --kv-heads 2 --head-dim 48 --block-size 16 --context 330,16 --blocks-per-task 12",
    "--batch 2 --heads 66 --head-dim 256 --block-size 256 --context 900,130 --blocks-per-task 2",
    "--batch 2 --heads 17 --head-dim 200 --block-size 48 --context 700,48 --blocks-per-task 9 --dtype bf16",
    "--batch 3 --heads 20 --kv-heads 2 --head-dim 144 --block-size 48 --context 330,16,5 --blocks-per-task 12 "
    "--dtype bf16 --packed",
    "--batch 2 --heads 9 --head-dim 256 --block-size 256 --context 491,150 --blocks-per-task 2 --dtype fp16 --packed",
    MANY_CHUNKS,
    NULL,
};

/* Tiles as large as they get; more spans than slots, in one chain and in many; more long chains than accumulators;
 * several KV heads. */
static const char *const plugin_cases[] = {
    "--batch 4 --heads 256 --kv-heads 2 --head-dim 128 --block-size 32 --context 205,1,0,40 --blocks-per-task 3 "
    "--dtype bf16",
    "--batch 80 --heads 4 --kv-heads 2 --head-dim 8 --block-size 8 --context 20 --dtype fp16",
    "--batch 2 --heads 3 --head-dim 16 --block-size 8 --context 2400,50",
    MANY_CHUNKS,
    NULL,
};

const struct part parts[N_PARTS] = {
    {"aic_qk_matmul", "aic/aic_qk_matmul", MUTANT_AIC, "aicpu_build_graph", kernel_cases},
    {"aiv_softmax_prepare", "aiv/aiv_softmax_prepare", MUTANT_AIV, "aicpu_build_graph", kernel_cases},
    {"aic_pv_matmul", "aic/aic_pv_matmul", MUTANT_AIC, "aicpu_build_graph", kernel_cases},
    {"aiv_online_update", "aiv/aiv_online_update", MUTANT_AIV, "aicpu_build_graph", kernel_cases},
    {"orchestration", "orchestration/orchestration", MUTANT_DEVICE_PLUGIN, "aicpu_build_graph", plugin_cases},
    {"orchestration_host", "orchestration/orchestration", MUTANT_HOST_PLUGIN, "host_build_graph", plugin_cases},
};

const char *part_path(const struct part *part)
{
    static char path[PATH_BYTES];
    (void)snprintf(path, sizeof path, "%s/" EXAMPLE "/kernels/%s.c", TG_TEST_SOURCE_DIR, part->file);
    return path;
}

/* ---- processes --------------------------------------------------------------------------------------------------- */

static _Noreturn void become(char *const *argv, int err)
{
    int null = open("/dev/null", O_RDWR);
    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    dup2(err >= 0 ? err : null, STDERR_FILENO);
    alarm(LIMIT_S);
    execvp(argv[0], argv);
    _exit(127);
}

/* Run argv and wait; its first line of output goes to message, unless that is NULL. Returns its exit code, or 128 +
 * signal. */
static int run(char *const *argv, char *message, size_t size)
{
    FILE *said = message ? tmpfile() : NULL;
    pid_t pid = fork();
    NEED(pid >= 0 && (said || !message), "no process or file for %s", argv[0]);
    if (pid == 0) become(argv, said ? fileno(said) : -1);
    int state = 0;
    while (waitpid(pid, &state, 0) < 0 && errno == EINTR) continue;
    if (said) {
        rewind(said);
        if (!fgets(message, (int)size, said)) message[0] = '\0';
        message[strcspn(message, "\n")] = '\0';
        fclose(said);
    }
    int code = WIFSIGNALED(state) ? 128 + WTERMSIG(state) : WEXITSTATUS(state);
    NEED(code != 127, "%s cannot be run", argv[0]);
    return code;
}

/* Append the words of `text`, which is cut up. */
static void add_words(char **argv, size_t *n, char *text)
{
    char *rest;
    for (char *word = strtok_r(text, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        NEED(*n < WORDS_MAX - 1, "a command has more than %d words", WORDS_MAX);
        argv[(*n)++] = word;
    }
    argv[*n] = NULL;
}

/* ---- the folder -------------------------------------------------------------------------------------------------- */

static const char *base_name(const char *file) { return strrchr(file, '/') + 1; }

static void path_in(const struct bench *bench, const char *name, const char *suffix, char path[PATH_BYTES])
{
    (void)snprintf(path, PATH_BYTES, "%s/%s%s", bench->folder, name, suffix);
}

/* The part as it was built. */
static void put_original(const struct bench *bench, const struct part *part)
{
    char path[PATH_BYTES], built[PATH_BYTES];
    const char *name = base_name(part->file);
    path_in(bench, name, ".so", path);
    (void)snprintf(built, sizeof built, "%s/" EXAMPLE "/checked/%s.so", TG_TEST_BUILD_DIR, name);
    unlink(path);
    NEED(symlink(built, path) == 0, "%s: %s", path, strerror(errno));
}

void bench_open(struct bench *bench, unsigned idx, const char *check)
{
    bench->check = check;
    (void)snprintf(bench->folder, sizeof bench->folder, "%s/tests/mutants", TG_TEST_BUILD_DIR);
    (void)mkdir(bench->folder, 0777);
    (void)snprintf(bench->folder, sizeof bench->folder, "%s/tests/mutants/%u", TG_TEST_BUILD_DIR, idx);
    NEED(mkdir(bench->folder, 0777) == 0 || errno == EEXIST, "%s: %s", bench->folder, strerror(errno));
    for (size_t i = 0; i < N_PARTS; i++) put_original(bench, &parts[i]);
}

static void write_mutant(const char *path, const struct source *source, const struct mutant *mutant)
{
    FILE *file = fopen(path, "w");
    NEED(file, "%s: %s", path, strerror(errno));
    const size_t behind = mutant->range.at + mutant->range.length;
    fwrite(source->text, 1, mutant->range.at, file);
    fputs(mutant->replacement, file);
    fwrite(source->text + behind, 1, source->length - behind, file);
    NEED(fclose(file) == 0, "%s: %s", path, strerror(errno));
}

/* A plugin tells of its plain loads and stores, as that of the build does. A kernel has none, and is compiled
 * faster. */
static bool compile(const struct part *part, const char *source, const char *object)
{
    const char *telling = part->core >= MUTANT_DEVICE_PLUGIN ? "-fsanitize=thread -DTG_CHECKED=1 -nodefaultlibs" : "";
    char command[2 * PATH_BYTES], *argv[WORDS_MAX];
    size_t n = 0;
    (void)snprintf(command, sizeof command, "%s -std=c11 -O0 -w -fPIC -shared -fvisibility=hidden -I%s/include %s -o",
                   TG_MUTANTS_CC, TG_TEST_SOURCE_DIR, telling);
    add_words(argv, &n, command);
    argv[n++] = (char *)(uintptr_t)object;
    argv[n++] = (char *)(uintptr_t)source;
    argv[n++] = (char *)(uintptr_t) "-lc";
    argv[n] = NULL;
    return run(argv, NULL, 0) == 0;
}

/* ---- trials ------------------------------------------------------------------------------------------------------ */

static int run_case(const struct bench *bench, const struct part *part, const char *options, struct outcome *outcome)
{
    char command[2 * PATH_BYTES], *argv[WORDS_MAX];
    size_t n = 0;
    (void)snprintf(command, sizeof command, "%s/bin/paged_attention --program %s --runtime %s %s %s", TG_TEST_BUILD_DIR,
                   bench->folder, part->runtime, bench->check, options);
    add_words(argv, &n, command);
    return run(argv, outcome->message, sizeof outcome->message);
}

/* A wrong result alone is not enough to stop: another case may tell why. */
void bench_run(const struct bench *bench, const struct part *part, struct outcome *outcome)
{
    outcome->verdict = VERDICT_SURVIVED;
    for (size_t i = 0; part->cases[i]; i++) {
        struct outcome one = {.options = part->cases[i]};
        one.exit_code = run_case(bench, part, part->cases[i], &one);
        if (one.exit_code == 0) continue;
        one.verdict = one.exit_code == EXIT_FINDING ? VERDICT_FINDING : VERDICT_OTHERWISE;
        if (outcome->verdict == VERDICT_SURVIVED || one.verdict == VERDICT_FINDING) *outcome = one;
        if (one.exit_code != EXIT_MISMATCH) return;
    }
}

void bench_try(const struct bench *bench, const struct part *part, const struct source *source,
               const struct mutant *mutant, struct outcome *outcome)
{
    char path[PATH_BYTES], object[PATH_BYTES];
    const char *name = base_name(part->file);
    path_in(bench, name, ".c", path);
    path_in(bench, name, ".so", object);
    unlink(object); /* a link to the original, which stays as it is */
    write_mutant(path, source, mutant);
    outcome->verdict = VERDICT_NONE;
    if (compile(part, path, object)) bench_run(bench, part, outcome);
    put_original(bench, part);
}
