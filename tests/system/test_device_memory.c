/*
 * Checked runs of tiny programs: each kind of mistake between tasks, and with device memory, has its finding. The tests
 * cover the whole way from the plugin's calls to the printed finding. Correct programs have no findings.
 */
#include <stdlib.h>

#include "base/random.h"
#include "common/check.h"
#include "common/flagship.h"
#include "common/random_graph.h"
#include "common/script.h"
#include "modules/touch.h"
#include "pa_declare.h"

#define GM_BYTES (64ull << 20)

enum { TOUCH = 4, N_DATA = 256 };

/* A checked run of a script on data of N_DATA words. */
struct checked {
    struct rig rig;
    struct script script;
    uint32_t direction; /* of the data */
    const struct tg_declared *declared;
    size_t n_declared;
    /* After the run: */
    enum tg_status status;
    size_t n;
    enum tg_finding_code code; /* of the first */
    struct tg_proof proof;
    enum tg_status edges_status;
    struct tg_spare_edges edges;
    char text[16384];
};

static void open_with(struct checked *c, enum rig_mode mode, const char *kernel)
{
    memset(c, 0, sizeof *c);
    c->direction = TG_INOUT;
    rig_open(&c->rig, GM_BYTES);
    script_load(&c->rig, mode);
    rig_kernel(&c->rig, TOUCH, TG_AIV, "touch", rig_module(kernel));
    script_init(&c->script);
    c->rig.config.check = true;
}

static void open_mode(struct checked *c, enum rig_mode mode) { open_with(c, mode, "kernel_touch"); }

static void close_checked(struct checked *c)
{
    script_fini(&c->script);
    rig_close(&c->rig);
}

static void look_at(struct checked *c, struct tg_run *run)
{
    c->status = tg_run_wait(run);
    c->n = tg_run_n_findings(run);
    if (c->n > 0) {
        struct tg_finding finding;
        tg_run_finding(run, 0, &finding);
        c->code = finding.code;
    }
    tg_run_proof(run, &c->proof);
    FILE *stream = fmemopen(c->text, sizeof c->text, "w");
    assert_non_null(stream);
    tg_run_print_findings(run, stream);
    tg_run_print_proof(run, stream);
    c->edges_status = tg_run_spare_edges(run, &c->edges, stream);
    fclose(stream);
}

static void run(struct checked *c)
{
    static uint32_t data[N_DATA];
    struct script *s = &c->script;
    memset(data, 0, sizeof data);
    script_words(s, 1, (int64_t[]){SCRIPT_END});
    const struct tg_tensor tensors[] = {
        {"script", s->words, s->n_words * sizeof *s->words, s->n_words, TG_IN},
        {"data", data, sizeof data, N_DATA, c->direction},
    };
    struct tg_run *opened = NULL;
    c->rig.config.declared = c->declared;
    c->rig.config.n_declared = c->n_declared;
    enum tg_status status = tg_run_open(c->rig.program, &c->rig.config, tensors, 2, &opened);
    CHECK(status == TG_OK, "%s", tg_last_message());
    look_at(c, opened);
    tg_run_close(opened);
}

/* Add and publish a task that does one thing with n words from word `at` on. */
static int touch(struct checked *c, int64_t what, int64_t at, int64_t n)
{
    const int64_t args[] = {1, what, what & TOUCH_ABSOLUTE ? at : 4 * at, n};
    return script_add(&c->script, TOUCH, TG_AIV, 4, args);
}

static int touch_after(struct checked *c, int before, int64_t what, int64_t at, int64_t n)
{
    int task = touch(c, what, at, n);
    if (before >= 0) script_edge(&c->script, before, task);
    script_publish(&c->script, task);
    return task;
}

static void expect(const struct checked *c, enum tg_finding_code code, const char *part)
{
    CHECK(c->status == TG_ERR_CHECK, "%s, no findings", tg_status_name(c->status));
    CHECK(c->code == code && strstr(c->text, part), "expected %s '%s' in:\n%s", tg_finding_name(code), part, c->text);
}

static void expect_nothing(const struct checked *c)
{
    CHECK(c->status == TG_OK && c->n == 0, "%s: %s", tg_status_name(c->status), c->text);
    CHECK(c->proof.schedule_independent, "%s", c->text);
}

/* ---- between tasks ---- */

static void what_edges_order_is_right(void **state)
{
    (void)state;
    for (int mode = 0; mode < RIG_MODES; mode++) {
        struct checked c;
        open_mode(&c, (enum rig_mode)mode);
        int writer = touch_after(&c, -1, TOUCH_STORE, 0, 64);
        int reader = touch_after(&c, writer, TOUCH_LOAD, 8, 8);
        int other = touch_after(&c, writer, TOUCH_PLAIN_LOAD, 0, 64);
        int last = touch(&c, TOUCH_STORE, 0, 16);
        script_edge(&c.script, reader, last);
        script_edge(&c.script, other, last);
        script_publish(&c.script, last);
        run(&c);
        expect_nothing(&c);
        assert_non_null(strstr(c.text, "schedule-independent: 4 tasks, 5 conflicting pairs, all ordered"));
        close_checked(&c);
    }
}

static void a_missing_edge_is_found_in_every_mode_and_schedule(void **state)
{
    (void)state;
    static const int64_t deeds[][2] = {{TOUCH_STORE, TOUCH_LOAD},
                                       {TOUCH_LOAD, TOUCH_STORE},
                                       {TOUCH_STORE, TOUCH_STORE},
                                       {TOUCH_PLAIN_STORE, TOUCH_LOAD},
                                       {TOUCH_PLAIN_LOAD, TOUCH_STORE}};
    for (size_t i = 0; i < sizeof deeds / sizeof deeds[0]; i++) {
        for (int mode = 0; mode < RIG_MODES; mode++) {
            for (uint64_t seed = 0; seed < 3; seed++) {
                struct checked c;
                open_mode(&c, (enum rig_mode)mode);
                c.rig.config.schedule_seed = seed;
                touch_after(&c, -1, deeds[i][0], 0, 64);
                touch_after(&c, -1, deeds[i][1], 32, 8);
                run(&c);
                expect(&c, TG_FINDING_TASK_RACE, "bytes 128 to 1");
                expect(&c, TG_FINDING_TASK_RACE, "task 0 (touch, graph.script:1)");
                expect(&c, TG_FINDING_TASK_RACE, "task 1 (touch, graph.script:2)");
                expect(&c, TG_FINDING_TASK_RACE, "mend:  an edge from task ");
                expect(&c, TG_FINDING_TASK_RACE,
                       "not schedule-independent: 2 tasks, 1 conflicting pairs, 1 conflicts not "
                       "ordered");
                assert_int_equal(c.proof.schedule_independent, 0);
                close_checked(&c);
            }
        }
    }
}

/* Tasks that only add to the same words need no edge, and the proof says what their order changes. */
static void additions_need_no_edge(void **state)
{
    (void)state;
    static const struct {
        int64_t first, second;
        bool races;
        uint64_t n_sums;
        const char *part;
    } cases[] = {
        {TOUCH_ADD_INT, TOUCH_ADD_INT, false, 0, "check: schedule-independent: 2 tasks, 0 conflicting pairs"},
        {TOUCH_ADD, TOUCH_ADD, false, 1,
         "check: schedule-independent up to the rounding of sums: 2 tasks, 0 conflicting pairs, all ordered, for this "
         "input; every access is seen; the order of 1 floating-point additions is open and may change last bits\n"},
        {TOUCH_ADD, TOUCH_ADD_INT, true, 0, "adds to"},
        {TOUCH_ADD, TOUCH_LOAD, true, 0, "adds to"},
        {TOUCH_ADD_INT, TOUCH_STORE, true, 0, "adds to"},
        {TOUCH_PLAIN_LOAD, TOUCH_ADD, true, 0, "adds to"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (int mode = 0; mode < RIG_MODES; mode++) {
            struct checked c;
            open_mode(&c, (enum rig_mode)mode);
            touch_after(&c, -1, cases[i].first, 0, 64);
            touch_after(&c, -1, cases[i].second, 32, 8);
            run(&c);
            if (cases[i].races) expect(&c, TG_FINDING_TASK_RACE, cases[i].part);
            else CHECK(c.status == TG_OK && strstr(c.text, cases[i].part), "%s", c.text);
            CHECK(c.proof.n_sums == cases[i].n_sums, "%s", c.text);
            CHECK(c.proof.schedule_independent == (c.status == TG_OK && c.proof.n_sums == 0), "%s", c.text);
            close_checked(&c);
        }
    }
}

/* Random graphs whose tasks look at the words of those that must have run before them: right as they are, and racy as
 * soon as the edges that order these looks are left out. */
static void random_graphs_are_right(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct checked c;
        open_mode(&c, seed % 2 ? RIG_CONCURRENT : RIG_SEQUENTIAL);
        const struct random_graph graph = {
            .n_tasks = 20 * (int)seed, .may_wait = seed % 2 != 0, .unpublished = -1, .cycle = 0};
        random_graph_write(&c.script, &graph, seed);
        c.rig.config.schedule_seed = seed;
        if (c.script.n_tasks <= N_DATA) {
            run(&c);
            expect_nothing(&c);
        }
        close_checked(&c);
    }
}

/* ---- the orchestration ---- */

static void the_orchestration_waits_before_it_looks(void **state)
{
    (void)state;
    struct checked c;
    open_mode(&c, RIG_CONCURRENT);
    int task = touch_after(&c, -1, TOUCH_PLAIN_STORE, 0, 1);
    script_wait(&c.script, task);
    script_expect(&c.script, 0, 0x3F800000);
    run(&c);
    expect_nothing(&c);
    close_checked(&c);
}

static void the_orchestration_looks_without_waiting(void **state)
{
    (void)state;
    struct checked c;
    open_mode(&c, RIG_CONCURRENT);
    int first = touch_after(&c, -1, TOUCH_STORE, 0, 8);
    int second = touch_after(&c, -1, TOUCH_STORE, 8, 8);
    script_wait(&c.script, second);
    for (int i = 0; i < 200; i++) touch_after(&c, -1, TOUCH_LOAD, 16, 8); /* time enough for the first to run */
    script_expect(&c.script, 0, 0x3F800000);
    run(&c);
    (void)first;
    expect(&c, TG_FINDING_BUILDER_RACE, "the orchestration reads (a plain load at offset 0x");
    expect(&c, TG_FINDING_BUILDER_RACE, "what task 0 (touch, graph.script:1) writes");
    expect(&c, TG_FINDING_BUILDER_RACE, "mend:  wait_task(0) before that");
    close_checked(&c);
}

static void the_orchestration_writes_after_it_has_published(void **state)
{
    (void)state;
    struct checked c;
    open_mode(&c, RIG_CONCURRENT);
    touch_after(&c, -1, TOUCH_LOAD, 0, 8);
    script_words(&c.script, 3, (int64_t[]){SCRIPT_STORE, 4, 7});
    run(&c);
    expect(&c, TG_FINDING_BUILDER_RACE, "what the orchestration writes");
    expect(&c, TG_FINDING_BUILDER_RACE, "task 0 (touch, graph.script:1)");
    close_checked(&c);
    open_mode(&c, RIG_SEQUENTIAL); /* nothing runs before the end of the orchestration */
    touch_after(&c, -1, TOUCH_LOAD, 0, 8);
    script_words(&c.script, 3, (int64_t[]){SCRIPT_STORE, 4, 7});
    run(&c);
    expect_nothing(&c);
    close_checked(&c);
}

static void memory_is_freed_while_it_is_used(void **state)
{
    (void)state;
    struct checked c;
    open_mode(&c, RIG_CONCURRENT);
    script_op(&c.script, SCRIPT_MALLOC, 4096);
    script_op(&c.script, SCRIPT_TARGET, 0);
    int user = touch_after(&c, -1, TOUCH_STORE, 0, 64);
    script_op(&c.script, SCRIPT_TARGET, -1);
    int other = touch_after(&c, -1, TOUCH_LOAD, 0, 8);
    script_wait(&c.script, other);
    for (int i = 0; i < 200; i++) touch_after(&c, -1, TOUCH_LOAD, 16, 8);
    script_op(&c.script, SCRIPT_FREE, 0);
    run(&c);
    (void)user;
    expect(&c, TG_FINDING_BUILDER_RACE, "the orchestration frees what task 0 (touch, graph.script:1) writes");
    expect(&c, TG_FINDING_BUILDER_RACE,
           "bytes 0 to 256 of device_malloc #1 of the orchestration (4096 bytes, script.c:");
    close_checked(&c);
}

static void memory_is_used_after_it_was_freed(void **state)
{
    (void)state;
    struct checked c;
    open_mode(&c, RIG_SEQUENTIAL);
    script_op(&c.script, SCRIPT_MALLOC, 4096);
    script_op(&c.script, SCRIPT_TARGET, 0);
    touch_after(&c, -1, TOUCH_STORE, 0, 64);
    script_op(&c.script, SCRIPT_FREE, 0);
    run(&c);
    expect(&c, TG_FINDING_GM_FREED, "bytes 0 to 256 of device_malloc #1 of the orchestration (4096 bytes, script.c:");
    expect(&c, TG_FINDING_GM_FREED, "which the orchestration has freed at script.c:");
    assert_int_equal(c.proof.schedule_independent, 0); /* it has not run to its end */
    close_checked(&c);
}

static void memory_is_allocated_freed_and_allocated_again(void **state)
{
    (void)state;
    struct checked c;
    open_mode(&c, RIG_CONCURRENT);
    for (int i = 0; i < 3; i++) {
        script_op(&c.script, SCRIPT_MALLOC, 4096);
        script_op(&c.script, SCRIPT_TARGET, i);
        int writer = touch_after(&c, -1, TOUCH_STORE, 0, 64);
        int reader = touch_after(&c, writer, TOUCH_LOAD, 0, 64);
        script_wait(&c.script, reader);
        script_op(&c.script, SCRIPT_FREE, i);
    }
    run(&c);
    expect_nothing(&c);
    close_checked(&c);
}

/* ---- device memory ---- */

static void a_transfer_outside_of_an_allocation(void **state)
{
    (void)state;
    for (int mode = 0; mode < RIG_MODES; mode++) {
        struct checked c;
        open_mode(&c, (enum rig_mode)mode);
        touch_after(&c, -1, TOUCH_STORE, N_DATA - 8, 16);
        run(&c);
        expect(&c, TG_FINDING_GM_OUTSIDE, "not inside an allocation of device memory, 0 bytes behind the end of data");
        expect(&c, TG_FINDING_GM_OUTSIDE, "TSTORE at kernel_touch.c:");
        close_checked(&c);
    }
}

static void an_address_of_the_host(void **state)
{
    (void)state;
    static float host[64];
    struct checked c;
    open_mode(&c, RIG_CONCURRENT);
    touch_after(&c, -1, TOUCH_LOAD | TOUCH_ABSOLUTE, (int64_t)(uintptr_t)host, 8);
    run(&c);
    expect(&c, TG_FINDING_GM_HOST_ADDRESS, "which are memory of the host");
    close_checked(&c);
}

static void bytes_that_nobody_has_written(void **state)
{
    (void)state;
    for (int mode = 0; mode < RIG_MODES; mode++) {
        struct checked c;
        open_mode(&c, (enum rig_mode)mode);
        script_op(&c.script, SCRIPT_MALLOC, 4096);
        script_op(&c.script, SCRIPT_TARGET, 0);
        int writer = touch_after(&c, -1, TOUCH_STORE, 0, 60);
        touch_after(&c, writer, TOUCH_LOAD, 0, 64);
        run(&c);
        expect(&c, TG_FINDING_GM_UNWRITTEN, "reads what nobody has written: bytes 240 to 256 of device_malloc #");
        close_checked(&c);
    }
}

static void an_output_that_is_not_complete(void **state)
{
    (void)state;
    for (int mode = 0; mode < RIG_MODES; mode++) {
        struct checked c;
        open_mode(&c, (enum rig_mode)mode);
        c.direction = TG_OUT;
        int half = touch_after(&c, -1, TOUCH_STORE, 0, 128);
        touch_after(&c, half, TOUCH_PLAIN_STORE, 136, 120);
        run(&c);
        expect(&c, TG_FINDING_OUTPUT_UNWRITTEN, "32 of the 1024 bytes that are copied back were never written");
        expect(&c, TG_FINDING_OUTPUT_UNWRITTEN, "bytes 512 to 544 of data (elements 128 to 136)");
        close_checked(&c);
        open_mode(&c, (enum rig_mode)mode);
        c.direction = TG_OUT;
        touch_after(&c, -1, TOUCH_STORE, 0, 128);
        touch_after(&c, -1, TOUCH_PLAIN_STORE, 128, 128);
        run(&c);
        expect_nothing(&c);
        close_checked(&c);
    }
}

/* ---- what the host declares ---- */

static void what_holds_nothing_is_not_read(void **state)
{
    (void)state;
    const struct tg_declared declared[] = {{1, TG_UNDEFINED, 40, 24, "behind the end of row 0"}};
    for (int mode = 0; mode < RIG_MODES; mode++) {
        struct checked c;
        open_mode(&c, (enum rig_mode)mode);
        c.declared = declared;
        c.n_declared = 1;
        touch_after(&c, -1, TOUCH_LOAD, 0, 10);
        touch_after(&c, -1, TOUCH_PLAIN_LOAD, 16, 64);
        run(&c);
        expect_nothing(&c);
        close_checked(&c);
        open_mode(&c, (enum rig_mode)mode);
        c.declared = declared;
        c.n_declared = 1;
        touch_after(&c, -1, TOUCH_PLAIN_LOAD, 0, 11);
        run(&c);
        expect(&c, TG_FINDING_GM_UNWRITTEN, "bytes 40 to 44 of data (elements 10 to 11): behind the end of row 0");
        close_checked(&c);
    }
}

static void what_cannot_be_declared_is_refused(void **state)
{
    (void)state;
    static uint32_t data[16];
    static const struct {
        struct tg_declared declared;
        const char *says;
    } wrong[] = {
        {{1, TG_UNDEFINED, 0, 4, NULL}, "there is no tensor 1"},
        {{0, 2, 0, 4, NULL}, "unknown kind 2"},
        {{0, TG_READ_ONLY, 60, 8, NULL}, "8 bytes from byte 60 on are not in the tensor's 64"},
        {{0, TG_READ_ONLY, UINT64_MAX, 2, NULL}, "are not in the tensor's 64"},
        {{0, TG_READ_ONLY, 0, 0, NULL}, "0 bytes from byte 0"},
    };
    const struct tg_tensor tensor = {"data", data, sizeof data, 16, TG_INOUT};
    struct checked c;
    open_mode(&c, RIG_CONCURRENT);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct tg_run *opened = NULL;
        c.rig.config.declared = &wrong[i].declared;
        c.rig.config.n_declared = 1;
        assert_int_equal(tg_run_open(c.rig.program, &c.rig.config, &tensor, 1, &opened), TG_ERR_ARGUMENT);
        CHECK(strstr(tg_last_message(), wrong[i].says), "%s", tg_last_message());
    }
    close_checked(&c);
}

static void what_is_shared_is_not_written(void **state)
{
    (void)state;
    const struct tg_declared declared[] = {{1, TG_READ_ONLY, 64, 64, "block 1, of sequences 0 and 3"}};
    struct checked c;
    open_mode(&c, RIG_CONCURRENT);
    c.declared = declared;
    c.n_declared = 1;
    touch_after(&c, -1, TOUCH_STORE, 24, 16);
    run(&c);
    expect(&c, TG_FINDING_GM_READ_ONLY, "bytes 96 to 128 of data (elements 24 to 32): block 1, of sequences 0 and 3");
    close_checked(&c);
}

/* Run a drawn problem with all that its tensors hold declared, by `parts` in place of the flagship's; the rig is
 * open. */
static void run_declared(struct checked *c, struct pa_problem *problem, enum rig_mode mode, const char *const *parts)
{
    struct pa_declared declared;
    struct failure why;
    struct tg_tensor tensors[FLAGSHIP_TENSORS];
    struct tg_run *opened = NULL;
    assert_int_equal(pa_declare(problem, &declared, &why), TG_OK);
    flagship_load(&c->rig, mode, parts);
    flagship_tensors(problem, tensors);
    c->rig.config.check = true;
    c->rig.config.declared = declared.items;
    c->rig.config.n_declared = declared.n;
    assert_int_equal(tg_run_open(c->rig.program, &c->rig.config, tensors, FLAGSHIP_TENSORS, &opened), TG_OK);
    look_at(c, opened);
    tg_run_close(opened);
    pa_declared_free(&declared);
}

/* Paged attention is told what its tensors hold: in its own words it says what is read beside them. */
static void an_entry_behind_the_context_is_named(void **state)
{
    (void)state;
    static const char *const plugins[] = {NULL, "mutant_past_context"};
    for (int wrong = 0; wrong < 2; wrong++) {
        struct checked c = {.status = TG_OK};
        struct pa_problem problem;
        rig_open(&c.rig, GM_BYTES);
        flagship_draw(&problem, "ragged", 42);
        run_declared(&c, &problem, RIG_CONCURRENT,
                     (const char *const[FLAGSHIP_PARTS]){[FLAGSHIP_ORCHESTRATION] = plugins[wrong]});
        if (wrong) expect(&c, TG_FINDING_GM_UNWRITTEN, "of block_table (elements ");
        else expect_nothing(&c);
        pa_problem_free(&problem);
        rig_close(&c.rig);
    }
}

/* Every case of the command line, those with many sequences with three of them: no finding, all conflicts ordered. */
static void every_case_is_schedule_independent(void **state)
{
    (void)state;
    for (size_t i = 0; i < pa_n_cases; i++) {
        struct checked c = {.status = TG_OK};
        struct pa_case drawn = pa_cases[i];
        struct pa_problem problem;
        if (drawn.shape.batch > 16) drawn.shape.batch = 3;
        if (drawn.n_lengths > drawn.shape.batch) drawn.n_lengths = drawn.shape.batch;
        rig_open(&c.rig, 0);
        flagship_draw_case(&problem, &drawn, 42);
        run_declared(&c, &problem, (enum rig_mode)(i % RIG_MODES), NULL);
        expect_nothing(&c);
        assert_int_equal(c.proof.n_unseen, 0);
        pa_problem_free(&problem);
        rig_close(&c.rig);
    }
}

/* ---- edges that nobody needs ---- */

static void edges_that_no_conflict_needs_are_listed(void **state)
{
    (void)state;
    struct checked c;
    open_mode(&c, RIG_SEQUENTIAL); /* otherwise each task waits for the builder, and no edge delays it */
    c.rig.config.record = true;
    int first = touch_after(&c, -1, TOUCH_STORE, 0, 8);
    int second = touch(&c, TOUCH_LOAD, 0, 8);
    script_edge(&c.script, first, second);
    script_publish(&c.script, second);
    int third = touch(&c, TOUCH_STORE, 0, 8);
    script_edge(&c.script, second, third);
    script_edge(&c.script, first, third); /* the way over the second is enough */
    script_publish(&c.script, third);
    touch_after(&c, third, TOUCH_STORE, 64, 8); /* other bytes: it need not wait */
    run(&c);
    expect_nothing(&c);
    assert_int_equal(c.edges_status, TG_OK);
    assert_int_equal(c.edges.n_edges, 4);
    assert_int_equal(c.edges.n_redundant, 1);
    assert_int_equal(c.edges.n_no_conflict, 1);
    CHECK(c.edges.without_ns < c.edges.device_ns, "%s", c.text);
    static const char *const lines[] = {
        "edges: 2 of 4 are needed by no conflict",
        "1 like task 0 (touch, graph.script:1) -> task 2 (touch, graph.script:3): a longer way orders them",
        "1 like task 2 (touch, graph.script:3) -> task 3 (touch, graph.script:4): no conflict needs it",
        "us without, estimated",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        CHECK(strstr(c.text, lines[i]), "'%s' in:\n%s", lines[i], c.text);
    close_checked(&c);
}

static void edges_are_not_looked_at_where_conflicts_are_not_ordered(void **state)
{
    (void)state;
    struct checked c;
    open_mode(&c, RIG_CONCURRENT);
    touch_after(&c, -1, TOUCH_STORE, 0, 8);
    touch_after(&c, -1, TOUCH_STORE, 0, 8);
    run(&c);
    assert_int_equal(c.edges_status, TG_ERR_ARGUMENT);
    close_checked(&c);
}

/* ---- what cannot be seen ---- */

static void a_kernel_that_does_not_tell_is_named(void **state)
{
    (void)state;
    struct checked c;
    open_with(&c, RIG_CONCURRENT, "kernel_touch_unseen");
    touch_after(&c, -1, TOUCH_STORE, 0, 64);
    touch_after(&c, -1, TOUCH_PLAIN_LOAD, 0, 8); /* a race that nothing sees */
    run(&c);
    assert_int_equal(c.status, TG_OK);
    CHECK(c.proof.n_unseen == 1, "%s", c.text);
    CHECK(strstr(c.text, "FOOTPRINT_UNKNOWN: kernel touch was compiled without"), "%s", c.text);
    CHECK(strstr(c.text, "all ordered, for this input and as far as accesses are known"), "%s", c.text);
    close_checked(&c);
}

/* ---- several at once ---- */

static void all_mistakes_of_a_program_are_told_apart(void **state)
{
    (void)state;
    struct checked c;
    open_mode(&c, RIG_SEQUENTIAL);
    c.direction = TG_OUT;
    touch_after(&c, -1, TOUCH_LOAD, 0, 8);   /* not written */
    touch_after(&c, -1, TOUCH_STORE, 0, 64); /* a race with the first */
    touch_after(&c, -1, TOUCH_STORE, 32, 8); /* a race with the second */
    run(&c);
    expect(&c, TG_FINDING_GM_UNWRITTEN, "check: GM_UNWRITTEN");
    expect(&c, TG_FINDING_GM_UNWRITTEN, "writes (TSTORE at kernel_touch.c:");
    CHECK(strstr(c.text, "(touch, graph.script:1) reads"), "%s", c.text);
    CHECK(strstr(c.text, "(touch, graph.script:2) writes"), "%s", c.text);
    CHECK(strstr(c.text, "check: OUTPUT_UNWRITTEN"), "%s", c.text);
    assert_int_equal(c.n, 4);
    close_checked(&c);
}

int main(int argc, char **argv)
{
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    if (skip_without_plain_accesses()) return 77;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_edges_order_is_right),
        cmocka_unit_test(a_missing_edge_is_found_in_every_mode_and_schedule),
        cmocka_unit_test(additions_need_no_edge),
        cmocka_unit_test(random_graphs_are_right),
        cmocka_unit_test(the_orchestration_waits_before_it_looks),
        cmocka_unit_test(the_orchestration_looks_without_waiting),
        cmocka_unit_test(the_orchestration_writes_after_it_has_published),
        cmocka_unit_test(memory_is_freed_while_it_is_used),
        cmocka_unit_test(memory_is_used_after_it_was_freed),
        cmocka_unit_test(memory_is_allocated_freed_and_allocated_again),
        cmocka_unit_test(a_transfer_outside_of_an_allocation),
        cmocka_unit_test(an_address_of_the_host),
        cmocka_unit_test(bytes_that_nobody_has_written),
        cmocka_unit_test(an_output_that_is_not_complete),
        cmocka_unit_test(what_holds_nothing_is_not_read),
        cmocka_unit_test(what_cannot_be_declared_is_refused),
        cmocka_unit_test(what_is_shared_is_not_written),
        cmocka_unit_test(an_entry_behind_the_context_is_named),
        cmocka_unit_test(every_case_is_schedule_independent),
        cmocka_unit_test(edges_that_no_conflict_needs_are_listed),
        cmocka_unit_test(edges_are_not_looked_at_where_conflicts_are_not_ordered),
        cmocka_unit_test(a_kernel_that_does_not_tell_is_named),
        cmocka_unit_test(all_mistakes_of_a_program_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
