/*
 * Every way in which a kernel or a plugin may use memory without an instruction is seen, whichever compiler made the
 * object: a wrong program has its finding, and its right twin has none.
 */
#include <unistd.h>

#include "common/check.h"
#include "common/script.h"
#include "modules/touch.h"
#include "modules/ways.h"

#define GM_BYTES (64ull << 20)

enum { WAYS_KERNEL = 4, TOUCH_KERNEL = 5, N_DATA = 256, LINE = 16 /* words */ };

static const char *const way_names[] = {
#define WAY_TEXT(name) #name,
    WAYS_OF_64(WAY_TEXT)
#undef WAY_TEXT
};

/* A checked run of a script on N_DATA words that the host has written. */
struct checked {
    struct rig rig;
    struct script script;
    struct tg_proof proof;
    char text[RIG_FINDINGS_BYTES];
};

static void open_with(struct checked *c, const char *kernel)
{
    memset(c, 0, sizeof *c);
    rig_open(&c->rig, GM_BYTES);
    script_load(&c->rig, RIG_CONCURRENT);
    rig_kernel(&c->rig, WAYS_KERNEL, TG_AIV, "ways", rig_module(kernel));
    rig_kernel(&c->rig, TOUCH_KERNEL, TG_AIV, "touch", rig_module("kernel_touch"));
    script_init(&c->script);
    c->rig.config.check = true;
}

/* Add and publish a task after another, or after none if that is -1. */
static int task_after(struct checked *c, int before, int func_id, int64_t a, int64_t b, int64_t d, int64_t e)
{
    const int64_t args[] = {a, b, d, e};
    const int n_args = func_id == TOUCH_KERNEL ? 4 : 3;
    const int task = script_add(&c->script, func_id, TG_AIV, n_args, args);
    if (before >= 0) script_edge(&c->script, before, task);
    script_publish(&c->script, task);
    return task;
}

static int touch_after(struct checked *c, int before, enum touch what, int64_t word, int64_t n)
{
    return task_after(c, before, TOUCH_KERNEL, 1, what, 4 * word, n);
}

static int way_after(struct checked *c, int before, enum way way, int64_t a, int64_t b)
{
    return task_after(c, before, WAYS_KERNEL, way, a, b, 0);
}

static enum tg_status run_and_close(struct checked *c)
{
    static uint32_t data[N_DATA];
    struct script *s = &c->script;
    struct tg_run *run = NULL;
    memset(data, 0, sizeof data);
    script_words(s, 1, (int64_t[]){SCRIPT_END});
    const struct tg_tensor tensors[] = {{"script", s->words, s->n_words * sizeof *s->words, s->n_words, TG_IN},
                                        {"data", data, sizeof data, N_DATA, TG_INOUT}};
    enum tg_status status = tg_run_open(c->rig.program, &c->rig.config, tensors, 2, &run);
    CHECK(status == TG_OK, "%s", tg_last_message());
    status = tg_run_wait(run);
    tg_run_proof(run, &c->proof);
    FILE *stream = fmemopen(c->text, sizeof c->text, "w");
    assert_non_null(stream);
    tg_run_print_findings(run, stream);
    tg_run_print_proof(run, stream);
    fclose(stream);
    tg_run_close(run);
    script_fini(s);
    rig_close(&c->rig);
    return status;
}

static void expect(struct checked *c, const char *what, const char *finding)
{
    const enum tg_status status = run_and_close(c);
    CHECK(status == TG_ERR_CHECK && strstr(c->text, finding), "%s: expected %s, found %s:\n%s", what, finding,
          tg_status_name(status), c->text);
    CHECK(!strstr(c->text, "check: schedule-independent:") || !strstr(finding, "RACE"), "%s", c->text);
}

static void expect_nothing(struct checked *c, const char *what)
{
    const enum tg_status status = run_and_close(c);
    CHECK(status == TG_OK, "%s: %s:\n%s", what, tg_status_name(status), c->text);
    CHECK(c->proof.schedule_independent && c->proof.n_unseen == 0, "%s:\n%s", what, c->text);
}

/* ---- every compiler's objects ---- */

static void every_way_is_seen(const char *kernel)
{
    if (access(rig_module(kernel), R_OK) != 0) skip();
    for (int way = 0; way < WAYS; way++) {
        for (int ordered = 0; ordered < 2; ordered++) {
            struct checked c;
            open_with(&c, kernel);
            const int first = touch_after(&c, -1, TOUCH_STORE, 0, LINE);
            way_after(&c, ordered ? first : -1, (enum way)way, 0, 0);
            if (ordered) expect_nothing(&c, way_names[way]);
            else expect(&c, way_names[way], "check: TASK_RACE: task 1 (ways, graph.script:2)");
        }
    }
}

static void every_way_is_seen_of_this_compiler(void **state)
{
    (void)state;
    every_way_is_seen("kernel_ways");
}

static void every_way_is_seen_of_cxx(void **state)
{
    (void)state;
    every_way_is_seen("kernel_ways_cxx");
}

static void every_way_is_seen_of_clang(void **state)
{
    (void)state;
    every_way_is_seen("kernel_ways_clang");
}

static void every_way_is_seen_of_new_clang(void **state)
{
    (void)state;
    every_way_is_seen("kernel_ways_new_clang");
}

/* ---- what the library reads ---- */

static void descriptors_in_device_memory_are_read(void **state)
{
    (void)state;
    for (int ordered = 0; ordered < 2; ordered++) {
        struct checked c;
        open_with(&c, "kernel_ways");
        script_op(&c.script, SCRIPT_MALLOC, 512);
        script_op(&c.script, SCRIPT_MALLOC, 512);
        script_op(&c.script, SCRIPT_TARGET, 1);
        const int data = touch_after(&c, -1, TOUCH_STORE, 0, 8);
        script_op(&c.script, SCRIPT_TARGET, 0);
        /* Where the second allocation is no script can say: the descriptor names the first, which the kernel fills. */
        (void)data;
        const int put = way_after(&c, -1, WAY_PUT_DESCRIPTOR, 0, 0);
        way_after(&c, ordered ? put : -1, WAY_USE_DESCRIPTOR, 0, 0);
        if (ordered) {
            /* It holds address 0, which is outside; but the descriptor itself was read in order. */
            run_and_close(&c);
            CHECK(!strstr(c.text, "TASK_RACE"), "%s", c.text);
        } else {
            expect(&c, "descriptor", "reads (the operand of TLOAD at kernel_ways.c:");
        }
    }
}

static void counts_of_a_merge_are_written(void **state)
{
    (void)state;
    for (int ordered = 0; ordered < 2; ordered++) {
        struct checked c;
        open_with(&c, "kernel_ways");
        const int first = touch_after(&c, -1, TOUCH_STORE, 0, LINE);
        way_after(&c, ordered ? first : -1, WAY_MERGE, 0, 0);
        if (ordered) expect_nothing(&c, "counts of a merge");
        else expect(&c, "counts of a merge", "writes (the operand of TMRGSORT_LISTS at kernel_ways.c:");
    }
}

/* ---- memory that is not the device's ---- */

static void kernels_keep_nothing_between_tasks(void **state)
{
    (void)state;
    static const enum way ways[] = {WAY_COUNT, WAY_COUNT_IN_THREAD};
    for (int i = 0; i < 2; i++) {
        struct checked c;
        open_with(&c, "kernel_ways");
        way_after(&c, way_after(&c, -1, ways[i], 0, 0), ways[i], 0, 0); /* in order, and yet */
        expect(&c, "state", "check: KERNEL_STATE: a plain load at offset 0x");
        CHECK(strstr(c.text, "not proven, because of KERNEL_STATE"), "%s", c.text);
    }
    struct checked c;
    open_with(&c, "kernel_ways");
    way_after(&c, way_after(&c, -1, WAY_SCRATCH, 0, 0), WAY_SCRATCH, 0, 0);
    expect_nothing(&c, "scratch");
    open_with(&c, "kernel_ways");
    way_after(&c, -1, WAY_SCRATCH, 0, 0);
    way_after(&c, -1, WAY_SCRATCH, 0, 0);
    expect(&c, "scratch of two at once", "of the variables of kernel ways");
}

static void arguments_that_a_task_lacks_are_named(void **state)
{
    (void)state;
    struct checked c;
    open_with(&c, "kernel_ways");
    way_after(&c, -1, WAY_ARGUMENT, 3, 7); /* the address and three more */
    expect_nothing(&c, "the last argument");
    open_with(&c, "kernel_ways");
    way_after(&c, -1, WAY_ARGUMENT, 4, 7);
    expect(&c, "one more", "check: ARGUMENT_MISSING: a plain load at offset 0x");
    CHECK(strstr(c.text, "reads args[4], and the task has 4 arguments"), "%s", c.text);
}

static void memory_of_the_host_is_not_the_kernels(void **state)
{
    (void)state;
    static int of_host;
    static const enum way ways[] = {WAY_HOST_LOAD, WAY_HOST_STORE};
    for (int i = 0; i < 2; i++) {
        struct checked c;
        open_with(&c, "kernel_ways");
        way_after(&c, -1, ways[i], (int64_t)(intptr_t)&of_host, 0);
        expect(&c, "host memory", "check: GM_HOST_ADDRESS: a plain ");
    }
    struct checked c;
    open_with(&c, "kernel_ways");
    way_after(&c, -1, WAY_OWN_MEMORY, 0, 0);
    expect_nothing(&c, "stack, heap, constants");
}

static void device_memory_is_not_the_hosts(void **state)
{
    (void)state;
    static const char *const entries[] = {"by_call", "by_itself"};
    for (int i = 0; i < 2; i++) {
        struct rig rig;
        rig_open(&rig, GM_BYTES);
        rig_set_mode(&rig, RIG_HOST);
        rig_kernel(&rig, WAYS_KERNEL, TG_AIV, "ways", rig_module("kernel_ways"));
        rig_plugin(&rig, rig_module("plugin_host_memory"), entries[i]);
        rig.config.check = true;
        static float in[64];
        const struct tg_tensor tensors[] = {{"in", in, sizeof in, 64, TG_IN}};
        rig_run(&rig, tensors, 1);
        if (i == 0) CHECK(rig.status == TG_OK, "%s: %s", rig.message, rig.findings);
        else CHECK(strstr(rig.findings, "check: GM_FROM_HOST: "), "%s: %s", rig.message, rig.findings);
        rig_close(&rig);
    }
}

static void functions_that_are_not_known_are_named(void **state)
{
    (void)state;
    struct checked c;
    open_with(&c, "kernel_rand");
    way_after(&c, -1, WAY_ATOMIC_LOAD, 0, 0);
    assert_int_equal(run_and_close(&c), TG_OK);
    assert_int_equal(c.proof.n_unseen, 1);
    CHECK(strstr(c.text, "FOOTPRINT_UNKNOWN: kernel ways calls rand: "), "%s", c.text);
    CHECK(strstr(c.text, "as far as accesses are known"), "%s", c.text);
}

/* ---- the scalar unit beside the pipes ---- */

static void plain_accesses_are_in_order_with_transfers(void **state)
{
    (void)state;
    static const struct {
        enum way wrong, right;
        const char *finding;
    } rows[] = {
        {WAY_STORE_AND_LOAD, WAY_STORE_WAIT_LOAD, "check: PIPE_RAW: a plain load at offset 0x"},
        {WAY_PLAIN_AND_TLOAD, WAY_PLAIN_WAIT_TLOAD, "check: PIPE_RAW: TLOAD at kernel_ways.c:"},
    };
    for (int i = 0; i < 2; i++) {
        struct checked c;
        open_with(&c, "kernel_ways");
        way_after(&c, -1, rows[i].wrong, 0, 0);
        expect(&c, "wrong", rows[i].finding);
        CHECK(strstr(c.text, "PIPE_S"), "%s", c.text);
        open_with(&c, "kernel_ways");
        way_after(&c, -1, rows[i].right, 0, 0);
        expect_nothing(&c, "right");
    }
}

static void lines_of_the_cache_have_one_writer_at_a_time(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        enum touch first, second;
        int64_t word;
        bool edge, is_race;
    } rows[] = {
        {"two plain stores", TOUCH_PLAIN_STORE, TOUCH_PLAIN_STORE, 8, false, true},
        {"a plain store, then a transfer", TOUCH_PLAIN_STORE, TOUCH_STORE, 8, false, true},
        {"a transfer, then a plain store", TOUCH_STORE, TOUCH_PLAIN_STORE, 8, false, true},
        {"an addition, then a plain store", TOUCH_ADD, TOUCH_PLAIN_STORE, 8, false, true},
        {"an addition, then a plain store, in order", TOUCH_ADD, TOUCH_PLAIN_STORE, 8, true, false},
        {"two transfers", TOUCH_STORE, TOUCH_STORE, 8, false, false},
        {"a plain load", TOUCH_PLAIN_STORE, TOUCH_PLAIN_LOAD, 8, false, false},
        {"in order", TOUCH_PLAIN_STORE, TOUCH_PLAIN_STORE, 8, true, false},
        {"the next line", TOUCH_PLAIN_STORE, TOUCH_PLAIN_STORE, LINE, false, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct checked c;
        open_with(&c, "kernel_ways");
        const int first = touch_after(&c, -1, rows[i].first, 0, 8);
        touch_after(&c, rows[i].edge ? first : -1, rows[i].second, rows[i].word, 8);
        if (rows[i].is_race) expect(&c, rows[i].what, "check: LINE_RACE: task 1 (touch, graph.script:2) writes (");
        else expect_nothing(&c, rows[i].what);
    }
}

/* ---- wrong addresses ---- */

static void an_address_behind_a_tensor_is_no_neighbours(void **state)
{
    (void)state;
    static const int64_t words[] = {N_DATA, N_DATA + 128, N_DATA + 1000};
    for (int i = 0; i < 3; i++) {
        struct checked c;
        open_with(&c, "kernel_ways");
        script_op(&c.script, SCRIPT_MALLOC, 1024);
        touch_after(&c, -1, TOUCH_PLAIN_STORE, words[i], 1);
        expect(&c, "behind", "check: GM_OUTSIDE: a plain store at offset 0x");
        open_with(&c, "kernel_ways");
        script_op(&c.script, SCRIPT_MALLOC, 1024);
        touch_after(&c, -1, TOUCH_STORE, words[i], 8);
        expect(&c, "behind", "check: GM_OUTSIDE: TSTORE at kernel_touch.c:");
    }
}

static void no_transfer_lies_in_two_allocations(void **state)
{
    (void)state;
    for (int check = 0; check < 2; check++) {
        struct checked c;
        open_with(&c, "kernel_ways");
        c.rig.config.check = check;
        script_op(&c.script, SCRIPT_MALLOC, 1024);
        way_after(&c, -1, WAY_ACROSS, N_DATA - 8, 16);
        const enum tg_status status = run_and_close(&c);
        assert_int_equal(status, check ? TG_ERR_CHECK : TG_ERR_GLOBAL_MEMORY);
    }
}

static void a_stale_address_is_not_a_new_one(void **state)
{
    (void)state;
    struct checked c;
    open_with(&c, "kernel_ways");
    script_op(&c.script, SCRIPT_MALLOC, 1024);
    script_op(&c.script, SCRIPT_FREE, 0);
    script_op(&c.script, SCRIPT_MALLOC, 1024);
    script_op(&c.script, SCRIPT_TARGET, 0);
    touch_after(&c, -1, TOUCH_STORE, 0, 8);
    expect(&c, "stale", "check: GM_FREED: TSTORE at kernel_touch.c:");
    open_with(&c, "kernel_ways");
    script_op(&c.script, SCRIPT_MALLOC, 1024);
    script_op(&c.script, SCRIPT_FREE, 0);
    script_op(&c.script, SCRIPT_MALLOC, 1024);
    script_op(&c.script, SCRIPT_TARGET, 1);
    touch_after(&c, -1, TOUCH_STORE, 0, 8);
    expect_nothing(&c, "fresh");
}

int main(int argc, char **argv)
{
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    if (skip_without_plain_accesses()) return 77;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_way_is_seen_of_this_compiler),
        cmocka_unit_test(every_way_is_seen_of_cxx),
        cmocka_unit_test(every_way_is_seen_of_clang),
        cmocka_unit_test(every_way_is_seen_of_new_clang),
        cmocka_unit_test(descriptors_in_device_memory_are_read),
        cmocka_unit_test(counts_of_a_merge_are_written),
        cmocka_unit_test(kernels_keep_nothing_between_tasks),
        cmocka_unit_test(arguments_that_a_task_lacks_are_named),
        cmocka_unit_test(memory_of_the_host_is_not_the_kernels),
        cmocka_unit_test(device_memory_is_not_the_hosts),
        cmocka_unit_test(functions_that_are_not_known_are_named),
        cmocka_unit_test(plain_accesses_are_in_order_with_transfers),
        cmocka_unit_test(lines_of_the_cache_have_one_writer_at_a_time),
        cmocka_unit_test(an_address_behind_a_tensor_is_no_neighbours),
        cmocka_unit_test(no_transfer_lies_in_two_allocations),
        cmocka_unit_test(a_stale_address_is_not_a_new_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
