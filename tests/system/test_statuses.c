/* Every status that the library has can be had: a row each, and no row is missing. */
#include <stdlib.h>

#include <tilegraph/kv_cache.h>

#include "common/check.h"
#include "common/folder.h"
#include "common/process.h"
#include "common/script.h"
#include "modules/hostile_kernel.h"

#define GM_BYTES (64ull << 20)

/* ---- the ways to provoke them: each returns what the library said ------------------------------------------------ */

static struct rig rig;

/* Run a script that `write` has written. */
static enum tg_status run(enum rig_mode mode, void (*write)(struct script *s))
{
    struct script s;
    script_init(&s);
    write(&s);
    script_load(&rig, mode);
    enum tg_status status = script_run(&rig, &s);
    script_fini(&s);
    return status;
}

static void write_nothing(struct script *s) { (void)s; }

static enum tg_status provoke_ok(void) { return run(RIG_CONCURRENT, write_nothing); }

/* Only a command compares a result with a reference. */
static enum tg_status provoke_mismatch(void)
{
    struct folder folder;
    folder_make(&folder);
    folder_put_program(&folder, (const char *const[FLAGSHIP_PARTS]){[FLAGSHIP_UP] = "mutant_no_division"});
    struct process result;
    process_run(&result, (const char *const[]){process_binary("paged_attention"), "--program", folder.path, NULL});
    bool said = strstr(result.err, tg_status_name(TG_ERR_MISMATCH)) != NULL;
    assert_int_equal(result.exit_code, tg_status_exit_code(TG_ERR_MISMATCH));
    process_free(&result);
    folder_remove(&folder);
    return said ? TG_ERR_MISMATCH : TG_OK;
}

static enum tg_status provoke_argument(void)
{
    struct script s;
    script_init(&s);
    script_load(&rig, RIG_CONCURRENT);
    rig.config.block_dim = 25;
    enum tg_status status = script_run(&rig, &s);
    rig.config.block_dim = 24;
    script_fini(&s);
    return status;
}

static enum tg_status provoke_file(void)
{
    rig.trace_path = "/tmp/no/such/folder/trace.json";
    enum tg_status status = run(RIG_CONCURRENT, write_nothing);
    rig.trace_path = NULL;
    return status;
}

static void write_failure(struct script *s) { script_words(s, 1, (int64_t[]){SCRIPT_FAIL}); }
static enum tg_status provoke_orchestration(void) { return run(RIG_HOST, write_failure); }

static void write_unknown_func(struct script *s) { script_add(s, 77, TG_AIV, 0, NULL); }
static enum tg_status provoke_unknown_func(void) { return run(RIG_CONCURRENT, write_unknown_func); }

static void write_core_type(struct script *s) { script_add(s, SCRIPT_VISIT_AIC, TG_AIV, 0, NULL); }
static enum tg_status provoke_core_type(void) { return run(RIG_CONCURRENT, write_core_type); }

static void write_edge(struct script *s) { script_edge(s, 0, 1); }
static enum tg_status provoke_edge(void) { return run(RIG_CONCURRENT, write_edge); }

static void write_publish(struct script *s) { script_publish(s, 0); }
static enum tg_status provoke_publish(void) { return run(RIG_CONCURRENT, write_publish); }

static void write_wait(struct script *s) { script_wait(s, script_visit(s, TG_AIV, 0, 0, NULL)); }
static enum tg_status provoke_misuse(void) { return run(RIG_SEQUENTIAL, write_wait); }
static enum tg_status provoke_deadlock_wait(void) { return run(RIG_CONCURRENT, write_wait); }

static void write_cycle(struct script *s)
{
    int a = script_visit(s, TG_AIV, 0, 0, NULL), b = script_visit(s, TG_AIV, 0, 0, NULL);
    script_edge(s, a, b);
    script_edge(s, b, a);
    script_publish(s, a);
    script_publish(s, b);
}
static enum tg_status provoke_deadlock_cycle(void) { return run(RIG_CONCURRENT, write_cycle); }

static void write_unpublished(struct script *s) { script_visit(s, TG_AIV, 0, 0, NULL); }
static enum tg_status provoke_deadlock_unpublished(void) { return run(RIG_CONCURRENT, write_unpublished); }

static void write_many(struct script *s)
{
    for (int i = 0; i < 1000; i++) script_visit(s, TG_AIV, 0, 0, NULL);
}
static enum tg_status provoke_memory(void)
{
    uint64_t before = rig.config.graph_bytes;
    rig.config.graph_bytes = 64 * 1024;
    enum tg_status status = run(RIG_CONCURRENT, write_many);
    rig.config.graph_bytes = before;
    return status;
}

static void write_malloc(struct script *s) { script_op(s, SCRIPT_MALLOC, (int64_t)GM_BYTES); }
static enum tg_status provoke_device_memory(void) { return run(RIG_CONCURRENT, write_malloc); }

static void write_args(struct script *s)
{
    int64_t args[TG_TASK_ARGS_MAX] = {0};
    script_add(s, SCRIPT_VISIT_AIV, TG_AIV, TG_TASK_ARGS_MAX, args); /* the plugin adds one */
}
static enum tg_status provoke_too_many_args(void) { return run(RIG_CONCURRENT, write_args); }

static enum tg_status run_hostile(int64_t act, int64_t word)
{
    struct script s;
    script_init(&s);
    script_publish(&s, script_hostile(&s, TG_AIV, act, word));
    script_load(&rig, RIG_CONCURRENT);
    enum tg_status status = script_run(&rig, &s);
    script_fini(&s);
    return status;
}

static enum tg_status provoke_tile(void) { return run_hostile(KERNEL_UNASSIGNED, 0); }
static enum tg_status provoke_kernel_fault(void) { return run_hostile(HOSTILE_SEGV, 0); }
static enum tg_status provoke_kernel_timeout(void) { return run_hostile(HOSTILE_SPIN, 0); }
static enum tg_status provoke_global_memory(void) { return run_hostile(KERNEL_STORE, 4096); }

static enum tg_status provoke_check(void)
{
    rig.config.check = true;
    enum tg_status status = run_hostile(KERNEL_UNASSIGNED, 0);
    rig.config.check = false;
    return status;
}

static enum tg_status run_hostile_plugin(int64_t act)
{
    uint32_t data[64] = {0};
    const struct tg_tensor tensors[] = {{"act", &act, sizeof act, 1, TG_IN}, {"data", data, sizeof data, 64, TG_INOUT}};
    script_load(&rig, RIG_CONCURRENT);
    rig_plugin(&rig, rig_module("hostile_plugin"), "orchestration");
    return rig_run(&rig, tensors, 2);
}

static enum tg_status provoke_plugin_fault(void) { return run_hostile_plugin(HOSTILE_SEGV); }
static enum tg_status provoke_plugin_timeout(void) { return run_hostile_plugin(HOSTILE_SPIN); }

static enum tg_status provoke_platform(void)
{
    struct tg_device_config config;
    struct tg_device *device = NULL;
    tg_device_config_init(&config);
    config.platform = "a2a3";
    enum tg_status status = tg_device_open(&config, &device);
    assert_null(device);
    return status;
}

static enum tg_status provoke_load(void) { return tg_program_add_kernel(rig.program, 0, TG_AIV, "text", "text", 4); }

static enum tg_status provoke_symbol(void)
{
    return rig_try_kernel(&rig, 0, TG_AIV, "no_entry", rig_module("no_entry"));
}

static enum tg_status provoke_abi(void)
{
    return rig_try_kernel(&rig, 0, TG_AIV, "other_abi", rig_module("other_abi"));
}

static enum tg_status provoke_cancelled(void)
{
    int64_t words[64] = {0};
    uint32_t data[64] = {0};
    const struct tg_tensor tensors[] = {{"script", words, sizeof words, 64, TG_IN},
                                        {"data", data, sizeof data, 64, TG_INOUT}};
    struct tg_run *run;
    script_load(&rig, RIG_CONCURRENT);
    assert_int_equal(tg_run_open(rig.program, &rig.config, tensors, 2, &run), TG_OK);
    tg_run_cancel(run);
    enum tg_status status = tg_run_wait(run);
    tg_run_close(run);
    return status;
}

static enum tg_status provoke_cache_full(void)
{
    struct tg_kv_cache_config config;
    struct tg_kv_cache *cache;
    uint64_t sequence, n_missing;
    tg_kv_cache_config_init(&config);
    config.n_blocks = 2;
    config.kv_heads = 1;
    config.key_dim = 8;
    config.max_blocks = 4;
    assert_int_equal(tg_kv_cache_open(rig.device, &config, &cache), TG_OK);
    assert_int_equal(tg_kv_start(cache, NULL, 0, &sequence, NULL), TG_OK);
    enum tg_status status = tg_kv_reserve(cache, sequence, 3 * config.block_tokens, &n_missing);
    assert_int_equal(n_missing, 1);
    tg_kv_cache_close(cache);
    return status;
}

/* ---- the table --------------------------------------------------------------------------------------------------- */

struct row {
    enum tg_status status;
    enum tg_status (*provoke)(void);
    bool by_signal; /* a jump out of a signal handler, which the thread sanitizer does not survive */
};

static const struct row rows[] = {
    {TG_OK, provoke_ok, false},
    {TG_ERR_MISMATCH, provoke_mismatch, false},
    {TG_ERR_ARGUMENT, provoke_argument, false},
    {TG_ERR_FILE, provoke_file, false},
    {TG_ERR_ORCHESTRATION, provoke_orchestration, false},
    {TG_ERR_UNKNOWN_FUNC, provoke_unknown_func, false},
    {TG_ERR_CORE_TYPE, provoke_core_type, false},
    {TG_ERR_EDGE, provoke_edge, false},
    {TG_ERR_PUBLISH, provoke_publish, false},
    {TG_ERR_MISUSE, provoke_misuse, false},
    {TG_ERR_DEADLOCK_CYCLE, provoke_deadlock_cycle, false},
    {TG_ERR_DEADLOCK_UNPUBLISHED, provoke_deadlock_unpublished, false},
    {TG_ERR_DEADLOCK_WAIT, provoke_deadlock_wait, false},
    {TG_ERR_MEMORY, provoke_memory, false},
    {TG_ERR_DEVICE_MEMORY, provoke_device_memory, false},
    {TG_ERR_TOO_MANY_ARGS, provoke_too_many_args, false},
    {TG_ERR_TILE, provoke_tile, false},
    {TG_ERR_KERNEL_FAULT, provoke_kernel_fault, true},
    {TG_ERR_KERNEL_TIMEOUT, provoke_kernel_timeout, true},
    {TG_ERR_PLUGIN_FAULT, provoke_plugin_fault, true},
    {TG_ERR_PLUGIN_TIMEOUT, provoke_plugin_timeout, true},
    {TG_ERR_PLATFORM, provoke_platform, false},
    {TG_ERR_LOAD, provoke_load, false},
    {TG_ERR_SYMBOL, provoke_symbol, false},
    {TG_ERR_ABI, provoke_abi, false},
    {TG_ERR_GLOBAL_MEMORY, provoke_global_memory, false},
    {TG_ERR_CHECK, provoke_check, false},
    {TG_ERR_CANCELLED, provoke_cancelled, false},
    {TG_ERR_CACHE_FULL, provoke_cache_full, false},
};
enum { N_ROWS = sizeof rows / sizeof rows[0] };

static const enum tg_status all[] = {
#define STATUS_VALUE(name, value, exit_code, sentence, hint) TG_##name,
    TG_STATUSES(STATUS_VALUE)
#undef STATUS_VALUE
};
enum { N_ALL = sizeof all / sizeof all[0] };

static const struct row *row_of(enum tg_status status)
{
    for (int i = 0; i < N_ROWS; i++)
        if (rows[i].status == status) return &rows[i];
    return NULL;
}

static void every_status_has_a_row(void **state)
{
    (void)state;
    for (int i = 0; i < N_ALL; i++) CHECK(row_of(all[i]), "nothing provokes %s", tg_status_name(all[i]));
    assert_int_equal(N_ROWS, N_ALL);
}

static void every_status_is_raised(void **state)
{
    (void)state;
    rig_open(&rig, GM_BYTES);
    for (int i = 0; i < N_ROWS; i++) {
        if (TEST_TSAN && rows[i].by_signal) {
            print_message("skipped, %s: under the thread sanitizer\n", tg_status_name(rows[i].status));
            continue;
        }
        rig_clear(&rig);
        enum tg_status status = rows[i].provoke();
        CHECK(status == rows[i].status, "%s is %s: %s", tg_status_name(rows[i].status), tg_status_name(status),
              tg_last_message());
        bool by_command = status == TG_ERR_MISMATCH; /* its output was compared */
        CHECK(status == TG_OK || by_command || tg_last_message()[0], "%s says nothing", tg_status_name(status));
        script_prove(&rig, RIG_CONCURRENT);
    }
    rig_close(&rig);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(every_status_has_a_row),
    cmocka_unit_test(every_status_is_raised),
};

CHECK_MAIN(tests)
