/* The command paged_attention from outside: exit codes, messages, JSON, files; and its mutants. */
#include <stdlib.h>
#include <unistd.h>

#include "common/check.h"
#include "common/folder.h"
#include "common/json.h"
#include "common/process.h"

#define ARGS_MAX 32
#define ARGS(...) ((const char *const[ARGS_MAX]){__VA_ARGS__, NULL})

static struct process run_command(const char *const *args)
{
    const char *argv[ARGS_MAX + 2] = {process_binary("paged_attention")};
    for (size_t i = 0; i < ARGS_MAX && args[i]; i++) argv[i + 1] = args[i];
    struct process process;
    process_run(&process, argv);
    return process;
}

/* Run it and assert how it ends; `says` are parts of stderr. */
static void expect(int exit_code, const char *const *args, const char *const *says)
{
    struct process process = run_command(args);
    CHECK(process.exit_code == exit_code, "exit code %d, expected %d, of %s %s ...: %s%s", process.exit_code, exit_code,
          args[0], args[1] ? args[1] : "", process.out, process.err);
    for (size_t i = 0; says[i]; i++) CHECK(strstr(process.err, says[i]), "expected '%s' in '%s'", says[i], process.err);
    if (exit_code == 0) assert_string_equal(process.err, "");
    else assert_int_equal(strncmp(process.err, "paged_attention: TG_ERR_", 24), 0);
    process_free(&process);
}

/* Run a shell's script in an empty folder, "$@" is the command, and assert how it ends. `says` is a part of stderr. */
static void expect_of_shell(int exit_code, const char *script, const char *says)
{
    if (TG_TEST_EMULATOR[0]) SKIP("an emulator would have to be put into the shell's command");
    char command[2048];
    struct folder folder;
    struct process process;
    folder_make(&folder);
    snprintf(command, sizeof command, "cd %s && { %s\n}", folder.path, script);
    process_run(&process,
                (const char *const[]){"/bin/sh", "-c", command, "sh", process_binary("paged_attention"), NULL});
    CHECK(process.exit_code == exit_code && strstr(process.err, says), "exit code %d of %s: %s%s", process.exit_code,
          script, process.out, process.err);
    process_free(&process);
    folder_remove(&folder);
}

/* Run it with --json and assert that it prints one object and nothing else; free with json_free. */
static struct json *expect_json(int exit_code, const char *const *args)
{
    const char *with_json[ARGS_MAX] = {"--json"};
    for (size_t i = 0; i < ARGS_MAX - 2 && args[i]; i++) with_json[i + 1] = args[i];
    struct process process = run_command(with_json);
    size_t where;
    struct json *json = json_parse(process.out, &where);
    CHECK(json && json->type == JSON_OBJECT, "no JSON object from byte %zu on: %s", where, process.out);
    CHECK(process.exit_code == exit_code, "exit code %d, expected %d: %s", process.exit_code, exit_code, process.err);
    const struct json *pass = json_get(json, "pass");
    assert_non_null(pass);
    assert_int_equal(pass->type, exit_code == 0 ? JSON_TRUE : JSON_FALSE);
    assert_int_equal(process.err[0] == '\0', exit_code == 0);
    process_free(&process);
    return json;
}

/* ---- what works -------------------------------------------------------------------------------------------------- */

static void every_case_passes(void **state)
{
    (void)state;
    for (size_t i = 0; i < pa_n_quick_cases; i++) {
        expect(0, ARGS("--case", pa_cases[i].name), ARGS(NULL));
        expect(0, ARGS("--case", pa_cases[i].name, "--runtime", "host_build_graph"), ARGS(NULL));
        expect(0, ARGS("--case", pa_cases[i].name, "--build-mode", "sequential", "--schedule-seed", "3"), ARGS(NULL));
    }
}

static void it_says_what_happened(void **state)
{
    (void)state;
    struct process process = run_command(ARGS("--case", "Case2"));
    static const char *const says[] = {
        "Case2", "a2a3sim", "16 tasks, 15 edges", "first task started at", "last task published at", "PASS"};
    for (size_t i = 0; i < sizeof says / sizeof says[0]; i++)
        CHECK(strstr(process.out, says[i]), "expected '%s' in '%s'", says[i], process.out);
    process_free(&process);
}

static void help_is_no_failure(void **state)
{
    (void)state;
    struct process process = run_command(ARGS("--help"));
    assert_int_equal(process.exit_code, 0);
    assert_non_null(strstr(process.out, "Usage: paged_attention"));
    process_free(&process);
    process = run_command(ARGS("--help", "cases"));
    for (size_t i = 0; i < pa_n_cases; i++) assert_non_null(strstr(process.out, pa_cases[i].name));
    process_free(&process);
}

static void a_dash_is_standard_output(void **state)
{
    (void)state;
    struct process process = run_command(ARGS("--graph", "-"));
    assert_int_equal(process.exit_code, 0);
    assert_true(strncmp(process.out, "digraph", 7) == 0);
    assert_non_null(strstr(process.err, "PASS"));
    process_free(&process);
    process = run_command(ARGS("--trace", "/dev/stdout")); /* a pipe by its name */
    assert_int_equal(process.exit_code, 0);
    assert_non_null(strstr(process.out, "{\"displayTimeUnit\""));
    process_free(&process);
    expect(2, ARGS("--trace", "-", "--json"), ARGS("would both write standard output"));
    expect(2, ARGS("--trace", "-", "--graph", "-"), ARGS("would both write -"));
}

static void quiet_says_nothing_of_a_success(void **state)
{
    (void)state;
    struct process process = run_command(ARGS("--quiet"));
    assert_int_equal(process.exit_code, 0);
    assert_string_equal(process.out, "");
    assert_string_equal(process.err, "");
    process_free(&process);
}

static size_t n_lines_of(const char *text)
{
    size_t n = 0;
    for (const char *at = text; *at; at++) n += *at == '\n';
    return n;
}

static void brief_is_three_lines(void **state)
{
    (void)state;
    struct process process = run_command(ARGS("--case", "Case2", "--brief"));
    assert_int_equal(process.exit_code, 0);
    CHECK(n_lines_of(process.out) == 3, "%s", process.out);
    static const char *const says[] = {"Case2 on a2a3sim: PASS, 16 tasks, 15 edges, largest error ", "\n  device time ",
                                       "; first task started at ", "\n  bound by builder, "};
    for (size_t i = 0; i < sizeof says / sizeof says[0]; i++)
        CHECK(strstr(process.out, says[i]), "expected '%s' in '%s'", says[i], process.out);
    process_free(&process);
    process = run_command(ARGS("-p", "cpu", "--repeat", "2", "--brief"));
    CHECK(n_lines_of(process.out) == 3 && strstr(process.out, " cold, the first run of the process; warm: best "), "%s",
          process.out);
    process_free(&process);
}

static void json_of_a_checked_run(void **state)
{
    (void)state;
    struct json *json = expect_json(0, ARGS("--case", "Case2", "--check"));
    const struct json *findings = json_get(json, "findings"), *proof = json_get(json, "proof");
    assert_true(findings && findings->type == JSON_ARRAY && !findings->first);
    assert_true(proof && json_get(proof, "schedule_independent")->type == JSON_TRUE);
    assert_int_equal((int)json_number(proof, "tasks"), 16);
    assert_int_equal((int)json_number(proof, "pairs"), 19);
    assert_int_equal((int)json_number(proof, "unordered"), 0);
    json_free(json);
}

static void json_of_the_edges(void **state)
{
    (void)state;
    struct json *json = expect_json(0, ARGS("--case", "Case2", "--edges"));
    assert_int_equal((int)json_number(json, "redundant_edges"), 0);
    assert_int_equal((int)json_number(json, "no_conflict_edges"), 0);
    assert_true(json_number(json, "without_spare_edges_us") > 1);
    json_free(json);
}

static void json_of_a_success(void **state)
{
    (void)state;
    struct json *json = expect_json(0, ARGS("--case", "Case2"));
    assert_string_equal(json_string(json, "case"), "Case2");
    assert_string_equal(json_string(json, "platform"), "a2a3sim");
    assert_string_equal(json_string(json, "runtime"), "aicpu_build_graph");
    assert_int_equal((int)json_number(json, "tasks"), 16);
    assert_int_equal((int)json_number(json, "edges"), 15);
    assert_true(json_number(json, "max_abs_err") <= 1e-5 && json_number(json, "max_abs_err") >= 0);
    assert_true(json_number(json, "max_rel_err") <= 1e-3);
    assert_true(json_number(json, "device_us") > 1);
    json_free(json);
}

static void every_case_runs_on_this_computer(void **state)
{
    (void)state;
    static const char *const workers[] = {"1", "2", "16"};
    for (size_t i = 0; i < pa_n_cases; i++) {
        if (strncmp(pa_cases[i].name, "PA-", 3) == 0 && strcmp(pa_cases[i].name, "PA-small1") != 0) continue;
        for (size_t k = 0; k < 3; k++)
            expect(0, ARGS("-p", "cpu", "--workers", workers[k], "--case", pa_cases[i].name), ARGS(NULL));
        expect(0, ARGS("-p", "cpu", "--case", pa_cases[i].name, "--runtime", "host_build_graph", "--no-pin"),
               ARGS(NULL));
        expect(0, ARGS("-p", "cpu", "--case", pa_cases[i].name, "--build-mode", "sequential"), ARGS(NULL));
    }
}

static void this_computer_says_what_happened(void **state)
{
    (void)state;
    struct process process = run_command(ARGS("-p", "cpu", "--workers", "3", "--case", "Case2"));
    static const char *const says[] = {"cpu, 3 workers", "4 tasks, 3 edges", "up to 32 KV blocks", "workers used",
                                       "PASS",           "3 workers"};
    for (size_t i = 0; i < sizeof says / sizeof says[0]; i++)
        CHECK(strstr(process.out, says[i]), "expected '%s' in '%s'", says[i], process.out);
    CHECK(!strstr(process.out, "AICPU"), "there is no AICPU: '%s'", process.out);
    process_free(&process);
    struct json *json = expect_json(0, ARGS("-p", "cpu", "--workers", "3"));
    assert_string_equal(json_string(json, "platform"), "cpu");
    assert_int_equal((int)json_number(json, "workers"), 3);
    json_free(json);
}

/* ---- what is refused --------------------------------------------------------------------------------------------- */

static void platforms(void **state)
{
    (void)state;
    expect(7, ARGS("-p", "a2a3"), ARGS("TG_ERR_PLATFORM", "not implemented", "a2a3sim", "hint:"));
    expect(7, ARGS("-p", "toaster"), ARGS("TG_ERR_PLATFORM", "toaster", "a2a3sim"));
}

static void options_of_the_other_platform(void **state)
{
    (void)state;
    static const char *const cores_only[][2] = {{"--block-dim", "4"},     {"--aicpu-threads", "3"},
                                                {"--schedule-seed", "1"}, {"--pipes", "late"},
                                                {"--schedules", "2"},     {"--machine", "/dev/null"}};
    for (size_t i = 0; i < sizeof cores_only / sizeof cores_only[0]; i++)
        expect(2, ARGS("-p", "cpu", cores_only[i][0], cores_only[i][1]),
               ARGS("TG_ERR_ARGUMENT", cores_only[i][0], "-p cpu"));
    expect(2, ARGS("-p", "cpu", "--trace", "/dev/null", "--trace-pipes"), ARGS("TG_ERR_ARGUMENT", "--trace-pipes"));
    expect(2, ARGS("--trace-pipes"), ARGS("TG_ERR_ARGUMENT", "--trace-pipes", "--trace FILE"));
    expect(2, ARGS("-p", "cpu", "--check"), ARGS("TG_ERR_ARGUMENT", "--check", "a2a3sim"));
    expect(2, ARGS("--workers", "2"), ARGS("TG_ERR_ARGUMENT", "--workers", "a2a3sim"));
    expect(2, ARGS("--no-pin"), ARGS("TG_ERR_ARGUMENT", "--no-pin", "a2a3sim"));
    expect(2, ARGS("-p", "cpu", "--workers", "0"), ARGS("TG_ERR_ARGUMENT", "--workers"));
    expect(2, ARGS("-p", "cpu", "--workers", "100000"), ARGS("TG_ERR_ARGUMENT", "workers is 100000"));
}

static void runtimes(void **state)
{
    (void)state;
    expect(2, ARGS("--runtime", "tensormap_and_ringbuffer"),
           ARGS("TG_ERR_ARGUMENT", "not offered", "aicpu_build_graph", "host_build_graph"));
    expect(2, ARGS("--runtime", "toaster"), ARGS("TG_ERR_ARGUMENT", "aicpu_build_graph", "host_build_graph"));
    expect(2, ARGS("--build-mode", "eventually"), ARGS("TG_ERR_ARGUMENT", "concurrent", "sequential"));
    expect(2, ARGS("--pipes", "backwards"), ARGS("TG_ERR_ARGUMENT", "backwards", "program, late, early"));
}

static void cases(void **state)
{
    (void)state;
    struct process process = run_command(ARGS("--case", "nothing-like-it"));
    assert_int_equal(process.exit_code, 2);
    for (size_t i = 0; i < pa_n_cases; i++)
        CHECK(strstr(process.err, pa_cases[i].name), "%s is not in %s", pa_cases[i].name, process.err);
    process_free(&process);
}

static void options_that_make_no_sense(void **state)
{
    (void)state;
    static const struct {
        const char *args[8];
        const char *says;
    } rows[] = {
        {{"--colour", "red"}, "--colour"},
        {{"--case"}, "--case needs a value"},
        {{"--json=1"}, "--json takes no value"},
        {{"--case", "Case1", "--case", "Case2"}, "twice"},
        {{"--batch", "0"}, "--batch '0'"},
        {{"--batch", "-1"}, "--batch '-1'"},
        {{"--batch", "99999999999999999999"}, "--batch '99999999999999999999'"},
        {{"--heads", "sixteen"}, "--heads 'sixteen'"},
        {{"--context", "1,,2"}, "--context value 2"},
        {{"--context", "1,2,3", "--batch", "2"}, "--context has 3 values"},
        {{"--dtype", "fp8"}, "fp32, fp16, bf16"},
        {{"--head-dim", "12"}, "head_dim"},
        {{"--head-dim", "264"}, "head_dim"},
        {{"--block-size", "9"}, "block_size"},
        {{"--heads", "16", "--kv-heads", "5"}, "heads"},
        {{"--block-dim", "0"}, "0"},
        {{"--block-dim", "25"}, "24"},
        {{"--aicpu-threads", "1"}, "one builds, the others schedule"},
        {{"--aicpu-threads", "5"}, "5"},
        {{"--window", "0"}, "window"},
        {{"--load", "/tmp", "--case", "Case1"}, "--load"},
        {{"--load", "/tmp", "--context", "5"}, "--load"},
        {{"--load", "/tmp", "--seed", "5"}, "--load"},
        {{"--load", "/tmp/no/such/folder"}, "/tmp/no/such/folder"},
        {{"--save", "/tmp/no/such/folder"}, "/tmp/no/such/folder"},
        {{"--trace", "/tmp/no/such/folder/trace.json"}, "/tmp/no/such/folder"},
        {{"--runtime", "host_build_graph", "--build-mode", "concurrent"}, "--build-mode"},
        {{"--runtime", "host_build_graph", "--window", "5"}, "--window"},
        {{"--build-mode", "sequential", "--window", "5"}, "--window"},
        {{"--program", "/tmp/no/such/folder"}, "/tmp/no/such/folder"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        expect(2, rows[i].args, ARGS(rows[i].says, "hint:"));
        json_free(expect_json(2, rows[i].args));
    }
}

static void problems_that_are_too_large(void **state)
{
    (void)state;
    expect(5, ARGS("--batch", "10000", "--context", "1000000", "--head-dim", "128"), ARGS("TG_ERR_MEMORY", "hint:"));
    expect(2, ARGS("--batch", "100000", "--context", "1000000"), ARGS("TG_ERR_ARGUMENT", "block_table"));
}

static void output_that_cannot_be_written(void **state)
{
    (void)state;
    if (access("/dev/full", W_OK) != 0) SKIP("there is no /dev/full");
    expect_of_shell(2, "\"$@\" --case Case1 > /dev/full", "No space left on device");
    expect_of_shell(2, "\"$@\" --case Case1 >&-", "standard output cannot be written");
    expect_of_shell(2, "{ sleep 0.3; \"$@\" --case Case1; echo $? > e; } | true; exit $(cat e)", "Broken pipe");
    /* The old files stay, and no other file is left beside them. */
    expect_of_shell(
        2,
        "mkdir d; echo old > d/out.npy; ulimit -f 8192; \"$@\" --batch 8 --context 4096 --head-dim 64 --save d; "
        "e=$?; [ \"$(ls -A d) $(cat d/out.npy)\" = 'out.npy old' ] || e=99; exit $e",
        "key_cache.npy: cannot be written: File too large");
    expect_of_shell(5, "ulimit -f 1; \"$@\" --case Case1", "raise the limit (ulimit -f)");
}

static void pipes_do_not_hang_it(void **state)
{
    (void)state;
    expect_of_shell(2, "mkfifo p; \"$@\" --machine p", "cannot read machine file p: it is not a regular file");
    expect_of_shell(2, "\"$@\" --machine .", "cannot read machine file .: it is not a regular file");
    expect_of_shell(2, "mkfifo p; \"$@\" --trace p", "cannot write p");
    expect_of_shell(2, "mkdir d; mkfifo d/query.npy; \"$@\" --load d", "is not a regular file");
}

/* In the middle of the write of a file; the file system may be too fast for the signal, which is no matter. */
static void signals_leave_nothing_of_a_save(void **state)
{
    (void)state;
    if (TG_TEST_EMULATOR[0]) SKIP("an emulator takes the signals");
    static const char *const names[] = {"INT", "TERM", "HUP"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char script[512];
        snprintf(script, sizeof script,
                 "mkdir d; \"$@\" --case gqa --batch 2 --context %d --save d >out 2>err & p=$!; "
                 "while [ -z \"$(ls -A d)\" ] && kill -0 $p 2>/dev/null; do :; done; kill -%s $p 2>/dev/null; wait $p; "
                 "n=$(ls -A d | wc -l); [ $n = 0 ] || [ $n = 6 ]",
                 TEST_ASAN || TEST_TSAN ? 2000 : 20000, names[i]);
        expect_of_shell(0, script, "");
    }
}

static void a_system_without_proc_is_named(void **state)
{
    (void)state;
    if (system("unshare -m mount -t tmpfs none /proc 2>/dev/null") != 0) SKIP("mounts are not allowed here");
    if (TEST_ASAN) SKIP("the leak sanitizer needs /proc, also to read its options");
    expect_of_shell(2, "unshare -m sh -c 'mount -t tmpfs none /proc && exec \"$@\" --case Case1' sh \"$@\"",
                    "/proc is not mounted");
}

/* The program refuses sizes before it draws a tensor, and it refuses only these. */
static void shapes_are_refused_before_the_work(void **state)
{
    (void)state;
    static const struct {
        const char *args[4];
        int exit_code;
    } rows[] = {
        {{"--head-dim", "8"}, 0},
        {{"--head-dim", "12"}, 2},
        {{"--head-dim", "256"}, 0},
        {{"--head-dim", "264"}, 2},
        {{"--block-size", "4"}, 2},
        {{"--block-size", "256"}, 0},
        {{"--block-size", "264"}, 2},
        {{"--heads", "128"}, 0},
        {{"--heads", "129"}, 2},
        {{"--heads", "12", "--kv-heads", "5"}, 2},
        {{"--heads", "12", "--kv-heads", "6"}, 0},
        {{"--heads", "6", "--kv-heads", "12"}, 2},
    };
    struct folder folder;
    folder_make(&folder);
    folder_put_program(&folder, (const char *const[FLAGSHIP_PARTS]){NULL});
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *const *a = rows[i].args, *second = a[2] ? a[2] : "--context", *value = a[3] ? a[3] : "16";
        const bool refused = rows[i].exit_code != 0;
        expect(rows[i].exit_code, ARGS(a[0], a[1], second, value), ARGS(refused ? "TG_ERR_ARGUMENT" : NULL));
        expect(rows[i].exit_code, ARGS(a[0], a[1], second, value, "--program", folder.path),
               ARGS(refused ? "TG_ERR_ORCHESTRATION" : NULL));
    }
    folder_remove(&folder);
    /* Of these the tensors would take minutes, or more memory than there is. */
    expect(2, ARGS("--case", "partial-block", "--kv-heads", "1000000"), ARGS("TG_ERR_ARGUMENT", "--heads"));
    expect(2, ARGS("--head-dim", "100000", "--context", "1000000", "--batch", "1000"), ARGS("--head-dim"));
}

static void limits_of_memory_are_told_with_numbers(void **state)
{
    (void)state;
    if (TEST_ASAN || TEST_TSAN) SKIP("a sanitizer has taken terabytes of addresses");
    expect_of_shell(5, "ulimit -v 4000000; \"$@\" --batch 8 --context 262144 --head-dim 256 --block-size 128",
                    "GiB, the limit of the address space (ulimit -v) leaves");
}

static void it_runs_on_a_small_stack(void **state)
{
    (void)state;
    if (TEST_ASAN || TEST_TSAN) SKIP("instrumented code takes more stack");
    expect_of_shell(0, "ulimit -s 64; \"$@\" --case Case2", "");
    expect_of_shell(tg_status_exit_code(TG_ERR_MEMORY), "ulimit -s 20; \"$@\" --case Case2", "ulimit -s 64");
}

/* ---- programs ---------------------------------------------------------------------------------------------------- */

struct program_row {
    const char *name;
    const char *modules[FLAGSHIP_PARTS];
    int exit_code;
    const char *status, *says; /* NULL: it passes; nothing in particular */
    bool by_signal;            /* a jump out of a signal handler, which the thread sanitizer does not survive */
};

static const struct program_row program_rows[] = {
    {.name = "itself"},
    {.name = "a mutant that changes nothing", .modules = {[FLAGSHIP_ORCHESTRATION] = "mutant_none"}},
    {.name = "no task is submitted",
     .modules = {[FLAGSHIP_ORCHESTRATION] = "mutant_no_task"},
     .exit_code = 1,
     .status = "TG_ERR_MISMATCH",
     .says = "nan"},
    {.name = "the normalisation is broken",
     .modules = {[FLAGSHIP_UP] = "mutant_no_division"},
     .exit_code = 1,
     .status = "TG_ERR_MISMATCH"},
    {.name = "the softmax does not mask at context 33",
     .modules = {[FLAGSHIP_SF] = "mutant_no_mask_sf"},
     .exit_code = 1,
     .status = "TG_ERR_MISMATCH"},
    {.name = "two tasks wait for each other",
     .modules = {[FLAGSHIP_ORCHESTRATION] = "mutant_cycle"},
     .exit_code = 4,
     .status = "TG_ERR_DEADLOCK_CYCLE",
     .says = "aiv_softmax_prepare, orchestration.c:"},
    {.name = "a task is never published",
     .modules = {[FLAGSHIP_ORCHESTRATION] = "mutant_unpublished"},
     .exit_code = 4,
     .status = "TG_ERR_DEADLOCK_UNPUBLISHED",
     .says = "aic_pv_matmul, orchestration.c:"},
    {.name = "a flag is never set",
     .modules = {[FLAGSHIP_SF] = "mutant_no_flag"},
     .exit_code = 6,
     .status = "TG_ERR_TILE",
     .says = "aiv_softmax_prepare, orchestration.c:"},
    {.name = "a kernel crashes",
     .modules = {[FLAGSHIP_UP] = "hostile_crash"},
     .exit_code = 6,
     .status = "TG_ERR_KERNEL_FAULT",
     .says = "aiv_online_update, orchestration.c:",
     .by_signal = true},
    {.name = "the orchestration crashes",
     .modules = {[FLAGSHIP_ORCHESTRATION] = "hostile_crash"},
     .exit_code = 6,
     .status = "TG_ERR_PLUGIN_FAULT",
     .says = "orchestration",
     .by_signal = true},
    {.name = "a kernel has no entry",
     .modules = {[FLAGSHIP_PV] = "no_entry"},
     .exit_code = 8,
     .status = "TG_ERR_SYMBOL",
     .says = "kernel aic_pv_matmul"},
    {.name = "a kernel has other headers",
     .modules = {[FLAGSHIP_PV] = "other_abi"},
     .exit_code = 8,
     .status = "TG_ERR_ABI",
     .says = "kernel aic_pv_matmul"},
    {.name = "a kernel crashes when it is opened",
     .modules = {[FLAGSHIP_PV] = "crash_in_constructor"},
     .exit_code = 8,
     .status = "TG_ERR_LOAD",
     .says = "kernel aic_pv_matmul"},
    {.name = "the orchestration has no entry",
     .modules = {[FLAGSHIP_ORCHESTRATION] = "no_entry"},
     .exit_code = 8,
     .status = "TG_ERR_SYMBOL",
     .says = "orchestration plugin"},
};
enum { N_PROGRAM_ROWS = sizeof program_rows / sizeof program_rows[0] };

static void program(void **state)
{
    const struct program_row *row = *state;
    if (TEST_TSAN && row->by_signal) SKIP("%s under the thread sanitizer", row->name);
    struct folder folder;
    folder_make(&folder);
    folder_put_program(&folder, row->modules);
    const char *const *args = ARGS("--program", folder.path, "--case", "partial-block");
    expect(row->exit_code, args, row->status ? ARGS(row->status, row->says ? row->says : "", "hint:") : ARGS(NULL));
    struct json *json = expect_json(row->exit_code, args);
    assert_string_equal(json_string(json, "status"), row->status ? row->status : "TG_OK");
    json_free(json);
    folder_remove(&folder);
}

/* Without an edge the result depends on the schedule: some of the seeds show it. */
static void removed_edges_show(const char *module)
{
    struct folder folder;
    folder_make(&folder);
    folder_put_program(&folder, (const char *const[FLAGSHIP_PARTS]){[FLAGSHIP_ORCHESTRATION] = module});
    int n_found = 0;
    for (int seed = 1; seed <= 20; seed++) {
        char text[16];
        snprintf(text, sizeof text, "%d", seed);
        const char *const *args = ARGS("--program", folder.path, "--case", "Case2", "--schedule-seed", text);
        struct process process = run_command(args);
        bool race = TEST_TSAN && strstr(process.err, "ThreadSanitizer: data race"); /* which it is */
        CHECK(race || process.exit_code == 0 || process.exit_code == 1, "%d: %s", process.exit_code, process.err);
        if (process.exit_code == 1) assert_non_null(strstr(process.err, "TG_ERR_MISMATCH"));
        n_found += race || process.exit_code == 1;
        process_free(&process);
    }
    print_message("    found in %d of 20 schedules\n", n_found);
    assert_true(n_found > 0);
    folder_remove(&folder);
}

static void one_up_to_up_edge_is_removed(void **state)
{
    (void)state;
    removed_edges_show("mutant_up_edge");
}

static void schedules_that_differ_are_a_finding(void **state)
{
    (void)state;
    if (TEST_TSAN) SKIP("the race itself ends the process");
    struct folder folder;
    folder_make(&folder);
    folder_put_program(&folder, (const char *const[FLAGSHIP_PARTS]){[FLAGSHIP_ORCHESTRATION] = "mutant_up_edge"});
    expect(0, ARGS("--case", "Case2", "--schedules", "20"), ARGS(NULL));
    struct json *json = expect_json(3, ARGS("--program", folder.path, "--case", "Case2", "--schedules", "20"));
    const struct json *findings = json_get(json, "findings");
    assert_non_null(findings);
    assert_int_equal(findings->type, JSON_ARRAY);
    assert_non_null(findings->first);
    assert_string_equal(json_string(findings->first, "code"), "SCHEDULE_DIFFERENCE");
    json_free(json);
    folder_remove(&folder);
}

static void a_finding_decides_the_exit_code_of_a_wrong_result(void **state)
{
    (void)state;
    struct folder folder;
    folder_make(&folder);
    folder_put_program(&folder, (const char *const[FLAGSHIP_PARTS]){[FLAGSHIP_ORCHESTRATION] = "mutant_no_task"});
    expect(1, ARGS("--program", folder.path, "--case", "Case2"), ARGS("TG_ERR_MISMATCH"));
    struct json *json = expect_json(3, ARGS("--program", folder.path, "--case", "Case2", "--check"));
    assert_true(json_number(json, "mismatches") > 0 || json_number(json, "not_finite") > 0);
    const struct json *findings = json_get(json, "findings");
    assert_true(findings && findings->first);
    assert_string_equal(json_string(findings->first, "code"), "OUTPUT_UNWRITTEN");
    json_free(json);
    folder_remove(&folder);
}

static void all_edges_are_removed(void **state)
{
    (void)state;
    removed_edges_show("mutant_no_edges");
}

static void files_that_are_no_program(void **state)
{
    (void)state;
    struct folder folder;
    folder_make(&folder);
    folder_put_program(&folder, NULL);
    folder_put_text(&folder, "aiv_softmax_prepare.so", "int main(void) { return 0; }\n");
    expect(8, ARGS("--program", folder.path), ARGS("TG_ERR_LOAD", "kernel aiv_softmax_prepare", "hint:"));
    folder_put_text(&folder, "aiv_softmax_prepare.so", "");
    expect(8, ARGS("--program", folder.path), ARGS("TG_ERR_LOAD", "kernel aiv_softmax_prepare"));
    unlink(folder_at(&folder, "aiv_softmax_prepare.so"));
    expect(2, ARGS("--program", folder.path), ARGS("TG_ERR_FILE", "aiv_softmax_prepare.so"));
    folder_remove(&folder);
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

static void what_was_saved_can_be_loaded(void **state)
{
    (void)state;
    static const char *const names[] = {"ragged", "gqa", "fp16"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct folder first, second;
        size_t n_first, n_second;
        folder_make(&first);
        folder_make(&second);
        expect(0, ARGS("--case", names[i], "--save", first.path), ARGS(NULL));
        expect(0, ARGS("--load", first.path, "--save", second.path, "--schedule-seed", "9"), ARGS(NULL));
        char *a = rig_read_file(folder_at(&first, "out.npy"), &n_first);
        char *b = rig_read_file(folder_at(&second, "out.npy"), &n_second);
        assert_int_equal(n_first, n_second);
        assert_memory_equal(a, b, n_first);
        free(a);
        free(b);
        folder_remove(&first);
        folder_remove(&second);
    }
}

/* A packed cache gives the result of rows, whether it is drawn or loaded, and files hold the plain layout. */
static void a_packed_cache_is_saved_and_loaded(void **state)
{
    (void)state;
    static const char *const tensors[] = {"key_cache.npy", "value_cache.npy", "out.npy"};
    struct folder rows, packed, loaded;
    folder_make(&rows);
    folder_make(&packed);
    folder_make(&loaded);
    expect(0, ARGS("--case", "fp16", "--save", rows.path), ARGS(NULL));
    expect(0, ARGS("--case", "fp16", "--packed", "--save", packed.path, "--check"), ARGS(NULL));
    expect(0, ARGS("--load", rows.path, "--packed", "--save", loaded.path), ARGS(NULL));
    for (size_t i = 0; i < sizeof tensors / sizeof tensors[0]; i++) {
        size_t n_rows, n_packed, n_loaded;
        char *a = rig_read_file(folder_at(&rows, tensors[i]), &n_rows);
        char *b = rig_read_file(folder_at(&packed, tensors[i]), &n_packed);
        char *c = rig_read_file(folder_at(&loaded, tensors[i]), &n_loaded);
        assert_int_equal(n_packed, n_rows);
        assert_int_equal(n_loaded, n_rows);
        assert_memory_equal(b, a, n_rows);
        assert_memory_equal(c, a, n_rows);
        free(a);
        free(b);
        free(c);
    }
    expect(0, ARGS("--case", "ragged", "--save", rows.path), ARGS(NULL));
    expect(2, ARGS("--load", rows.path, "--packed"), ARGS("TG_ERR_ARGUMENT", "--packed: fp32 has no packed cache"));
    folder_remove(&rows);
    folder_remove(&packed);
    folder_remove(&loaded);
}

static void a_trace_is_json(void **state)
{
    (void)state;
    struct folder folder;
    folder_make(&folder);
    const char *path = folder_at(&folder, "trace.json");
    expect(0, ARGS("--case", "Case2", "--trace", path), ARGS(NULL));
    size_t n_bytes, where;
    char *text = rig_read_file(path, &n_bytes);
    struct json *json = json_parse(text, &where);
    CHECK(json, "no JSON from byte %zu on", where);
    assert_non_null(json_get(json, "traceEvents"));
    json_free(json);
    free(text);
    folder_remove(&folder);
}

/* The inputs of a language model's attention, beside the project where that is checked out with them. */
static void the_activations_of_a_language_model_are_right(void **state)
{
    (void)state;
    static const char folder[] = TG_TEST_SOURCE_DIR "/../shared/models/stories260K-attention";
    if (access(folder, R_OK) != 0) SKIP("there is no %s", folder);
    static const char *const runtimes_of[] = {"aicpu_build_graph", "host_build_graph"};
    for (int i = 0; i < 2; i++) {
        struct json *json = expect_json(0, ARGS("--load", folder, "--runtime", runtimes_of[i]));
        print_message("    %s: largest error %.2e\n", runtimes_of[i], json_number(json, "max_abs_err"));
        assert_true(json_number(json, "max_abs_err") <= 1e-5);
        assert_true(json_number(json, "tasks") > 0);
        json_free(json);
    }
}

static const struct CMUnitTest others[] = {
    cmocka_unit_test(every_case_passes),
    cmocka_unit_test(it_says_what_happened),
    cmocka_unit_test(every_case_runs_on_this_computer),
    cmocka_unit_test(this_computer_says_what_happened),
    cmocka_unit_test(help_is_no_failure),
    cmocka_unit_test(a_dash_is_standard_output),
    cmocka_unit_test(quiet_says_nothing_of_a_success),
    cmocka_unit_test(brief_is_three_lines),
    cmocka_unit_test(json_of_a_success),
    cmocka_unit_test(json_of_a_checked_run),
    cmocka_unit_test(json_of_the_edges),
    cmocka_unit_test(platforms),
    cmocka_unit_test(options_of_the_other_platform),
    cmocka_unit_test(runtimes),
    cmocka_unit_test(cases),
    cmocka_unit_test(options_that_make_no_sense),
    cmocka_unit_test(problems_that_are_too_large),
    cmocka_unit_test(output_that_cannot_be_written),
    cmocka_unit_test(pipes_do_not_hang_it),
    cmocka_unit_test(signals_leave_nothing_of_a_save),
    cmocka_unit_test(a_system_without_proc_is_named),
    cmocka_unit_test(shapes_are_refused_before_the_work),
    cmocka_unit_test(limits_of_memory_are_told_with_numbers),
    cmocka_unit_test(it_runs_on_a_small_stack),
    cmocka_unit_test(one_up_to_up_edge_is_removed),
    cmocka_unit_test(schedules_that_differ_are_a_finding),
    cmocka_unit_test(a_finding_decides_the_exit_code_of_a_wrong_result),
    cmocka_unit_test(all_edges_are_removed),
    cmocka_unit_test(files_that_are_no_program),
    cmocka_unit_test(what_was_saved_can_be_loaded),
    cmocka_unit_test(a_packed_cache_is_saved_and_loaded),
    cmocka_unit_test(a_trace_is_json),
    cmocka_unit_test(the_activations_of_a_language_model_are_right),
};
enum { N_OTHERS = sizeof others / sizeof others[0] };

int main(int argc, char **argv)
{
    struct CMUnitTest tests[N_OTHERS + N_PROGRAM_ROWS];
    memcpy(tests, others, sizeof others);
    for (int i = 0; i < N_PROGRAM_ROWS; i++)
        tests[N_OTHERS + i] = (struct CMUnitTest){program_rows[i].name, program, NULL, NULL,
                                                  (void *)(uintptr_t)&program_rows[i]};
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
