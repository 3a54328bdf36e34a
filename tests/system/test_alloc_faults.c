/*
 * Every allocation of the library fails once: the n-th, for n = 1, 2, ... until a whole scenario needs no more than
 * that.
 *
 * Each time the call fails with a status and a message, or the library does without this memory and the result is
 * right. Nothing is half done. No descriptor, child process or device memory is left. Afterwards the same device does
 * the same work without a fault. Leaks of memory are found where the address sanitizer is built in.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <tilegraph/attention.h>

#include "common/alloc_faults.h"
#include "common/check.h"
#include "common/flagship.h"
#include "common/folder.h"

enum { GM_BYTES = 64 << 20, ALLOCATIONS_MAX = 20000 };

/* Of platform cpu, in every scenario that has a device of it. */
enum { N_WORKERS = 3 };

/* Workers that come too late for a run allocate nothing for it: so many runs without a fault end a scenario. */
enum { RUNS_WITHOUT = 3 };

/* ---- one scenario after the other -------------------------------------------------------------------------------- */

/* The state of a scenario. The scenario is under test; its preparation is not. */
struct stage {
    struct rig rig;
    uint32_t n_workers; /* of a device of platform cpu; 0: it is of a2a3sim */
    struct pa_problem problem;
    struct folder folder;
    void *parts[FLAGSHIP_PARTS]; /* the program's shared objects */
    size_t n_bytes[FLAGSHIP_PARTS];
    unsigned char right[4096]; /* the output of a run without a fault, once there was one */
    bool has_right;
};

typedef enum tg_status scenario_fn(struct stage *stage);

/* The lowest descriptor that is free. */
static int free_descriptor(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    close(fd);
    return fd;
}

/* Those that say that memory itself is out. Others are for what memory is needed for: files, processes, objects. */
static bool is_memory(const char *function)
{
    static const char *const names[] = {"malloc", "calloc", "realloc", "aligned_alloc", "strdup", "mmap", "mprotect"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(function, names[i]) == 0) return true;
    return false;
}

static void check_failure(enum tg_status status, const char *function, uint64_t nth)
{
    if (status == TG_OK) return; /* it did without */
    CHECK(tg_last_message()[0], "allocation %llu, %s: no message for %s", (unsigned long long)nth, function,
          tg_status_name(status));
    bool named = status == TG_ERR_MEMORY || (!is_memory(function) && (status == TG_ERR_FILE || status == TG_ERR_LOAD));
    CHECK(named, "allocation %llu, %s: %s: %s", (unsigned long long)nth, function, tg_status_name(status),
          tg_last_message());
}

/* `expected`: the scenario's status without a fault. */
static void fail_each(struct stage *stage, scenario_fn *scenario, enum tg_status expected)
{
    uint64_t nth = 1, n_failed = 0, n_survived = 0;
    const uint64_t step = TG_TEST_EMULATOR[0] ? 17 : 1; /* an emulator takes minutes for all */
    for (int n_without = 0; n_without < RUNS_WITHOUT; nth += step) {
        CHECK(nth < ALLOCATIONS_MAX, "more than %d allocations", ALLOCATIONS_MAX);
        int fd = free_descriptor();
        alloc_faults_arm(nth);
        enum tg_status status = scenario(stage);
        const char *function = alloc_faults_disarm();
        n_without += !function;
        n_failed += function != NULL;
        n_survived += function && status == expected;
        if (function && status != expected) check_failure(status, function, nth);
        if (!function) CHECK(status == expected, "%s: %s", tg_status_name(status), tg_last_message());
        CHECK(free_descriptor() == fd, "allocation %llu, %s: a descriptor is left open", (unsigned long long)nth,
              function);
        CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD, "a child process is left");
        if (stage->rig.device) assert_int_equal(tg_device_bytes_in_use(stage->rig.device), 0);
        status = scenario(stage);
        CHECK(status == expected, "after a fault of %s (%llu): %s: %s", function ? function : "nothing",
              (unsigned long long)nth, tg_status_name(status), tg_last_message());
    }
    print_message("  %llu allocations failed, the library does without %llu of them\n", (unsigned long long)n_failed,
                  (unsigned long long)n_survived);
}

/* ---- device ------------------------------------------------------------------------------------------------------ */

static enum tg_status open_device(struct stage *stage)
{
    struct tg_device_config config;
    struct tg_device *device = NULL;
    tg_device_config_init(&config);
    if (TG_TEST_EMULATOR[0]) config.gm_bytes = GM_BYTES; /* emulators keep book of pages, for ever */
    config.machine_file = stage->folder.path[0] ? folder_at(&stage->folder, "machine") : NULL;
    enum tg_status status = tg_device_open(&config, &device);
    assert_true((status == TG_OK) == (device != NULL));
    tg_device_close(device);
    return status;
}

static void a_device_opens_or_says_why_not(void **state)
{
    (void)state;
    struct stage stage = {0};
    fail_each(&stage, open_device, TG_OK);
}

static void a_machine_file_is_read_or_it_is_said_why_not(void **state)
{
    (void)state;
    struct stage stage = {0};
    folder_make(&stage.folder);
    assert_int_equal(tg_machine_write(folder_at(&stage.folder, "machine")), TG_OK);
    fail_each(&stage, open_device, TG_OK);
    folder_remove(&stage.folder);
}

/* ---- program ----------------------------------------------------------------------------------------------------- */

static void read_parts(struct stage *stage, const char *plugin)
{
    for (int i = 0; i < FLAGSHIP_PARTS; i++) {
        bool other = i == FLAGSHIP_ORCHESTRATION && plugin;
        const char *path = other ? rig_module(plugin) : rig_example(FLAGSHIP_EXAMPLE, flagship_files[i]);
        stage->parts[i] = rig_read_file(path, &stage->n_bytes[i]);
    }
}

static enum tg_status load(struct stage *stage, struct tg_program *program, const char *entry)
{
    static const enum tg_core_type types[] = {TG_AIC, TG_AIV, TG_AIC, TG_AIV};
    for (int i = 0; i < FLAGSHIP_ORCHESTRATION; i++) {
        enum tg_status status = tg_program_add_kernel(program, i, types[i], flagship_files[i], stage->parts[i],
                                                      stage->n_bytes[i]);
        if (status != TG_OK) return status;
    }
    return tg_program_set_orchestration(program, stage->parts[FLAGSHIP_ORCHESTRATION],
                                        stage->n_bytes[FLAGSHIP_ORCHESTRATION], entry);
}

static enum tg_status load_program(struct stage *stage)
{
    struct tg_program *program = NULL;
    enum tg_status status = tg_program_open(stage->rig.device, &program);
    if (status != TG_OK) return status;
    status = load(stage, program, "orchestration");
    /* A kernel that was refused can be registered again. */
    if (status != TG_OK) assert_true(tg_last_message()[0]);
    tg_program_close(program);
    return status;
}

/* ---- run --------------------------------------------------------------------------------------------------------- */

/* A run that fails leaves the output alone; all that succeed compute the same, which is right. */
static void check_output(struct stage *stage, enum tg_status status, size_t n_out)
{
    const unsigned char *out = stage->problem.out;
    for (size_t i = 0; status != TG_OK && i < n_out; i++) assert_int_equal(out[i], 0x5A);
    if (status != TG_OK) return;
    assert_true(n_out <= sizeof stage->right);
    if (stage->has_right) assert_memory_equal(out, stage->right, n_out);
    memcpy(stage->right, out, n_out);
    stage->has_right = true;
}

/* On a device with a loaded program: run it, look at the result. */
static enum tg_status run_program(struct stage *stage)
{
    struct tg_tensor tensors[FLAGSHIP_TENSORS];
    struct tg_run *run = NULL;
    size_t n_out = flagship_out_bytes(&stage->problem);
    flagship_tensors(&stage->problem, tensors);
    memset(stage->problem.out, 0x5A, n_out);
    enum tg_status status = tg_run_open(stage->rig.program, &stage->rig.config, tensors, FLAGSHIP_TENSORS, &run);
    if (status == TG_OK) status = tg_run_wait(run);
    tg_run_close(run);
    check_output(stage, status, n_out);
    return status;
}

/* A checked run of a program with a missing flag: the findings are there, or it is said that they are not. */
static enum tg_status run_checked(struct stage *stage)
{
    struct tg_tensor tensors[FLAGSHIP_TENSORS];
    struct tg_run *run = NULL;
    flagship_tensors(&stage->problem, tensors);
    enum tg_status status = tg_run_open(stage->rig.program, &stage->rig.config, tensors, FLAGSHIP_TENSORS, &run);
    if (status == TG_OK) status = tg_run_wait(run);
    assert_int_equal(status == TG_ERR_CHECK, run && tg_run_n_findings(run) > 0);
    for (size_t i = 0; status == TG_ERR_CHECK && i < tg_run_n_findings(run); i++) {
        struct tg_finding finding;
        tg_run_finding(run, i, &finding);
        assert_true(finding.what && finding.where && finding.mend && finding.count > 0);
    }
    tg_run_close(run);
    return status;
}

/* The same and then all that can be written of it. */
static enum tg_status run_and_write(struct stage *stage)
{
    typedef enum tg_status write_fn(const struct tg_run *run, const char *path);
    static write_fn *const writes[] = {tg_run_write_trace, tg_run_write_graph, tg_run_write_report};
    struct tg_tensor tensors[FLAGSHIP_TENSORS];
    struct tg_analysis analysis;
    struct tg_run *run = NULL;
    flagship_tensors(&stage->problem, tensors);
    enum tg_status status = tg_run_open(stage->rig.program, &stage->rig.config, tensors, FLAGSHIP_TENSORS, &run);
    if (status == TG_OK) status = tg_run_wait(run);
    if (status == TG_OK) status = tg_run_analyse(run, &analysis);
    for (size_t i = 0; status == TG_OK && i < sizeof writes / sizeof writes[0]; i++) {
        const char *path = folder_at(&stage->folder, "written");
        status = writes[i](run, path);
        /* Complete or not there, and nothing beside it. */
        assert_int_equal(access(path, F_OK), status == TG_OK ? 0 : -1);
        if (status == TG_OK) unlink(path);
        assert_int_equal(rmdir(stage->folder.path), 0);
        assert_int_equal(mkdir(stage->folder.path, 0700), 0);
    }
    tg_run_close(run);
    return status;
}

/* On a new device each time, whose memory, stacks, threads and buffers are the run's first. */
static enum tg_status run_on_new_device(struct stage *stage)
{
    struct tg_device_config config;
    tg_device_config_init(&config);
    config.platform = stage->n_workers > 0 ? "cpu" : "a2a3sim";
    config.workers = stage->n_workers;
    config.gm_bytes = GM_BYTES;
    config.catch_faults = true;
    enum tg_status status = tg_device_open(&config, &stage->rig.device);
    if (status != TG_OK) return status;
    status = tg_program_open(stage->rig.device, &stage->rig.program);
    if (status == TG_OK) status = load(stage, stage->rig.program, "orchestration");
    if (status == TG_OK) status = run_program(stage);
    tg_program_close(stage->rig.program);
    assert_int_equal(tg_device_bytes_in_use(stage->rig.device), 0);
    tg_device_close(stage->rig.device);
    stage->rig.program = NULL;
    stage->rig.device = NULL;
    return status;
}

static void stage_open_on(struct stage *stage, uint32_t n_workers, const char *plugin)
{
    memset(stage, 0, sizeof *stage);
    stage->n_workers = n_workers;
    if (n_workers > 0) rig_open_workers(&stage->rig, n_workers, GM_BYTES);
    else rig_open(&stage->rig, GM_BYTES);
    stage->rig.config.block_dim = 2;
    stage->rig.config.kernel_limit_ms = 10000;
    flagship_draw(&stage->problem, "Case2", 1);
    folder_make(&stage->folder);
    read_parts(stage, plugin);
}

static void stage_open(struct stage *stage, const char *plugin) { stage_open_on(stage, 0, plugin); }

static void stage_close(struct stage *stage)
{
    for (int i = 0; i < FLAGSHIP_PARTS; i++) free(stage->parts[i]);
    folder_remove(&stage->folder);
    pa_problem_free(&stage->problem);
    if (stage->rig.device) rig_close(&stage->rig);
}

static void a_program_loads_or_says_why_not(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage, NULL);
    fail_each(&stage, load_program, TG_OK);
    stage_close(&stage);
}

/* An operator from its opening to its end: a step of two sequences, and its result combined with itself. */
static enum tg_status attend(struct stage *stage)
{
    enum { HEADS = 4, DIM = 8, BLOCK = 8 };
    struct tg_device *device = stage->rig.device;
    static float query[3 * HEADS * DIM], out[3 * HEADS * DIM], lse[3 * HEADS], both[3 * HEADS * DIM];
    const int32_t query_lens[] = {1, 2}, context_lens[] = {9, 4}, table[] = {1, 0, 2, -1};
    const float zeros[3 * BLOCK * HEADS * DIM] = {0};
    struct tg_attention_config config;
    struct tg_attention *attention = NULL;
    struct tg_kv_view kv;
    tg_attention_config_init(&config);
    config.heads = config.kv_heads = HEADS;
    config.key_dim = DIM;
    config.block_tokens = BLOCK;
    tg_kv_view_init(&kv);
    kv.n_blocks = 3;
    kv.block_tokens = BLOCK;
    kv.kv_heads = HEADS;
    kv.key_dim = kv.value_dim = DIM;
    enum tg_status status = tg_device_malloc(device, sizeof zeros, &kv.key);
    if (status != TG_OK) return status;
    kv.value = kv.key;
    (void)tg_kv_view_place(&kv, TG_KV_PACKED);
    struct tg_attention_batch batch = {.size = sizeof batch, .n_sequences = 2, .table_stride = 2};
    batch.query_lens = query_lens;
    batch.context_lens = context_lens;
    batch.block_table = table;
    struct tg_attention_step step = {.size = sizeof step, .kv = &kv};
    step.query.data = query;
    step.out.data = out;
    step.lse.data = lse;
    const struct tg_attention_part part = {step.out, step.lse}, parts[] = {part, part};
    const struct tg_attention_data result = {.data = both};
    memset(both, 0xA5, sizeof both);
    status = tg_copy_to_device(device, kv.key, zeros, sizeof zeros);
    if (status == TG_OK) status = tg_attention_open(device, &config, &attention);
    if (status == TG_OK) status = tg_attention_plan(attention, &batch);
    if (status == TG_OK) status = tg_attention_run(attention, &step);
    if (status == TG_OK) status = tg_attention_combine(attention, 3, parts, 2, &result, NULL);
    const float is = both[0];
    if (status == TG_OK) assert_true(is == 0);
    else assert_true(is < 0); /* 0xA5A5A5A5: untouched */
    tg_attention_close(attention);
    (void)tg_device_free(device, kv.key);
    return status;
}

static void an_operator_attends_or_says_why_not(void **state)
{
    (void)state;
    struct stage stage;
    stage_open_on(&stage, N_WORKERS, NULL);
    fail_each(&stage, attend, TG_OK);
    stage_close(&stage);
}

/* `check`: as a checked run. */
static void first_run(uint32_t n_workers, bool check)
{
    struct stage stage;
    stage_open_on(&stage, n_workers, NULL);
    rig_close(&stage.rig);
    stage.rig.config.check = check;
    fail_each(&stage, run_on_new_device, TG_OK);
    assert_int_equal(flagship_mismatches(&stage.problem), 0);
    stage_close(&stage);
}

static void a_first_run_succeeds_or_says_why_not(void **state)
{
    (void)state;
    first_run(0, false);
    first_run(0, true);
    first_run(N_WORKERS, false);
}

static void run_in_mode(enum rig_mode mode)
{
    for (uint32_t n_workers = 0; n_workers <= N_WORKERS; n_workers += N_WORKERS) {
        struct stage stage;
        stage_open_on(&stage, n_workers, NULL);
        flagship_load(&stage.rig, mode, NULL);
        fail_each(&stage, run_program, TG_OK);
        assert_int_equal(flagship_mismatches(&stage.problem), 0);
        stage_close(&stage);
    }
}

static void a_graph_of_the_device_is_run_or_it_is_said_why_not(void **state)
{
    (void)state;
    run_in_mode(RIG_CONCURRENT);
}

static void a_graph_of_the_host_is_run_or_it_is_said_why_not(void **state)
{
    (void)state;
    run_in_mode(RIG_HOST);
}

static void what_happened_is_written_or_it_is_said_why_not(void **state)
{
    (void)state;
    for (uint32_t n_workers = 0; n_workers <= N_WORKERS; n_workers += N_WORKERS) {
        struct stage stage;
        stage_open_on(&stage, n_workers, NULL);
        flagship_load(&stage.rig, RIG_CONCURRENT, NULL);
        stage.rig.config.record = true;
        fail_each(&stage, run_and_write, TG_OK);
        stage_close(&stage);
    }
}

static void what_is_wrong_is_found_or_it_is_said_why_not(void **state)
{
    (void)state;
    struct stage stage;
    stage_open(&stage, NULL);
    flagship_load(&stage.rig, RIG_CONCURRENT, (const char *const[FLAGSHIP_PARTS]){[FLAGSHIP_SF] = "mutant_no_flag"});
    stage.rig.config.check = true;
    fail_each(&stage, run_checked, TG_ERR_CHECK);
    stage_close(&stage);
}

static void a_deadlock_is_judged_or_it_is_said_why_not(void **state)
{
    (void)state;
    const char *const modules[FLAGSHIP_PARTS] = {[FLAGSHIP_ORCHESTRATION] = "mutant_cycle"};
    for (uint32_t n_workers = 0; n_workers <= N_WORKERS; n_workers += N_WORKERS) {
        struct stage stage;
        stage_open_on(&stage, n_workers, "mutant_cycle");
        flagship_load(&stage.rig, RIG_CONCURRENT, modules);
        fail_each(&stage, run_program, TG_ERR_DEADLOCK_CYCLE);
        stage_close(&stage);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_device_opens_or_says_why_not),
        cmocka_unit_test(a_machine_file_is_read_or_it_is_said_why_not),
        cmocka_unit_test(a_program_loads_or_says_why_not),
        cmocka_unit_test(an_operator_attends_or_says_why_not),
        cmocka_unit_test(a_first_run_succeeds_or_says_why_not),
        cmocka_unit_test(a_graph_of_the_device_is_run_or_it_is_said_why_not),
        cmocka_unit_test(a_graph_of_the_host_is_run_or_it_is_said_why_not),
        cmocka_unit_test(what_happened_is_written_or_it_is_said_why_not),
        cmocka_unit_test(what_is_wrong_is_found_or_it_is_said_why_not),
        cmocka_unit_test(a_deadlock_is_judged_or_it_is_said_why_not),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
