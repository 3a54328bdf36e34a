/*
 * Nine classes of defects that a program in its own order hides, and a missing drain. Each is found in one run, by
 * name, and the kernel without the defect has no finding. Defects of a core's pipes are seen a second time, as wrong
 * bytes, when the pipes run late or early.
 */
#include "common/check.h"
#include "common/script.h"
#include "modules/defects.h"

#define GM_BYTES (64ull << 20)
enum { N_MATRICES = 8, N = DEFECT_DIM * DEFECT_DIM };
enum { VECTOR, CUBE }; /* func_id */

static struct rig rig;
static float matrices[N_MATRICES][N];

/* A task of the program: the kernel, its defect, the pairs of matrices that it reads and writes. */
struct task {
    int func_id;
    enum defect defect;
    int64_t in, out;
};

static void add(struct script *script, const struct task *task)
{
    const int64_t args[] = {task->defect, task->in, task->out};
    script_add(script, task->func_id, task->func_id == CUBE ? TG_AIC : TG_AIV, 3, args);
}

static void load(enum rig_mode mode)
{
    rig_clear(&rig);
    rig_kernel(&rig, VECTOR, TG_AIV, "twice_plus_one", rig_module("kernel_defects_aiv"));
    rig_kernel(&rig, CUBE, TG_AIC, "square", rig_module("kernel_defects_aic"));
    rig_plugin(&rig, rig_module("script"), mode == RIG_HOST ? "orchestration_host" : "orchestration");
    rig_set_mode(&rig, mode);
}

static void run(struct script *script)
{
    for (uint32_t m = 0; m < N_MATRICES; m++)
        for (uint32_t i = 0; i < N; i++) matrices[m][i] = m < 2 ? (float)(i % 7 + 3 * m + 1) : 0;
    const struct tg_tensor tensors[] = {
        {"script", script->words, script->n_words * sizeof *script->words, script->n_words, TG_IN},
        {"matrices", matrices, sizeof matrices, N_MATRICES * N, TG_INOUT},
    };
    rig_run(&rig, tensors, 2);
}

static void expect_named(const char *const *says)
{
    CHECK(rig.status == TG_ERR_CHECK, "%s: %s", tg_status_name(rig.status), rig.message);
    for (size_t i = 0; says[i]; i++) CHECK(strstr(rig.findings, says[i]), "no '%s' in '%s'", says[i], rig.findings);
}

static void expect_clean(void) { CHECK(rig.status == TG_OK, "%s: %s", rig.message, rig.findings); }

/* ---- inside a kernel --------------------------------------------------------------------------------------------- */

static const struct row {
    const char *name;
    int func_id;
    enum defect defect;
    const char *says[4];
    uint32_t shown; /* the order of pipes that gives wrong bytes; TG_PIPE_ORDER_PROGRAM: none */
} rows[] = {
    {"missing barrier of PIPE_V",
     VECTOR,
     DEFECT_V_BARRIER,
     {"PIPE_RAW: TADDS at kernel_defects_aiv.c:", "TMULS", "pipe_barrier(PIPE_V)"},
     TG_PIPE_ORDER_LATE},
    {"race of V and S",
     VECTOR,
     DEFECT_V_SCALAR,
     {"PIPE_RAW: TSTORE at kernel_defects_aiv.c:", "TADDS", "PIPE_V"},
     TG_PIPE_ORDER_LATE},
    {"reuse of an event",
     VECTOR,
     DEFECT_EVENT_REUSE,
     {"FLAG_SET_TWICE: set_flag at kernel_defects_aiv.c:", "PIPE_MTE2 to PIPE_V, event 0"},
     TG_PIPE_ORDER_PROGRAM},
    {"read after write on L1",
     CUBE,
     DEFECT_RAW_L1,
     {"PIPE_RAW: TMOV at kernel_defects_aic.c:", "of L1 that TLOAD", "set_flag(PIPE_MTE2, PIPE_MTE1"},
     TG_PIPE_ORDER_LATE},
    {"read after write on L0",
     CUBE,
     DEFECT_RAW_L0,
     {"PIPE_RAW: TMATMUL at kernel_defects_aic.c:", "of L0A that TMOV", "of L0B that TMOV"},
     TG_PIPE_ORDER_LATE},
    {"write after read on L1",
     CUBE,
     DEFECT_WAR_L1,
     {"PIPE_WAR: TLOAD at kernel_defects_aic.c:", "of L1 that TMOV", "set_flag(PIPE_MTE1, PIPE_MTE2"},
     TG_PIPE_ORDER_EARLY},
    {"write after read on L0",
     CUBE,
     DEFECT_WAR_L0,
     {"PIPE_WAR: TMOV at kernel_defects_aic.c:", "of L0A that TMATMUL", "set_flag(PIPE_M, PIPE_MTE1"},
     TG_PIPE_ORDER_EARLY},
};
enum { N_ROWS = sizeof rows / sizeof rows[0] };

static void run_one(const struct task *task)
{
    struct script script;
    script_init(&script);
    add(&script, task);
    script_publish(&script, 0);
    script_op(&script, SCRIPT_RETURN, 0);
    run(&script);
    script_fini(&script);
}

/* Whether the task's result differs from that of its own order. */
static bool is_wrong_in(const struct task *task, uint32_t order)
{
    float right[N_MATRICES][N];
    rig.config.check = false;
    rig.config.pipe_order = TG_PIPE_ORDER_PROGRAM;
    run_one(task);
    expect_clean();
    memcpy(right, matrices, sizeof right);
    rig.config.pipe_order = order;
    run_one(task);
    expect_clean();
    rig.config.pipe_order = TG_PIPE_ORDER_PROGRAM;
    return memcmp(right, matrices, sizeof right) != 0;
}

static void is_found(void **state)
{
    const struct row *row = *state;
    const struct task without = {row->func_id, DEFECT_NONE, 0, 2}, with = {row->func_id, row->defect, 0, 2};
    rig_open(&rig, GM_BYTES);
    load(RIG_CONCURRENT);
    rig.config.check = true;
    run_one(&without);
    expect_clean();
    run_one(&with);
    expect_named(row->says);
    if (row->shown != TG_PIPE_ORDER_PROGRAM) {
        assert_false(is_wrong_in(&without, row->shown));
        assert_true(is_wrong_in(&with, row->shown));
    }
    rig_close(&rig);
}

/* ---- between tasks ----------------------------------------------------------------------------------------------- */

/* Three tasks and the edges between them; in every runtime. */
static void check_tasks(const struct task tasks[3], int n_edges, const int (*edges)[2], const char *const *says)
{
    for (enum rig_mode mode = RIG_CONCURRENT; mode < RIG_MODES; mode++) {
        struct script script;
        script_init(&script);
        for (int i = 0; i < 3; i++) add(&script, &tasks[i]);
        for (int i = 0; i < n_edges; i++) script_edge(&script, edges[i][0], edges[i][1]);
        for (int i = 0; i < 3; i++) script_publish(&script, i);
        script_op(&script, SCRIPT_RETURN, 0);
        rig_open(&rig, GM_BYTES);
        load(mode);
        rig.config.check = true;
        run(&script);
        if (says) expect_named(says);
        else expect_clean();
        rig_close(&rig);
        script_fini(&script);
    }
}

static void a_missing_edge_is_found(void **state)
{
    (void)state;
    static const struct task tasks[3] = {
        {VECTOR, DEFECT_NONE, 0, 2}, {CUBE, DEFECT_NONE, 2, 4}, {VECTOR, DEFECT_NONE, 4, 6}};
    static const int edges[][2] = {{0, 1}, {1, 2}};
    check_tasks(tasks, 2, edges, NULL);
    check_tasks(tasks, 1, edges, (const char *const[]){"TASK_RACE", "task 1 (square", "task 2 (twice_plus_one", NULL});
}

/* Run a kernel, then another one that reads its result in order; is the other's result that of the pipes' own order? */
static bool successor_is_right(enum defect defect, uint32_t order)
{
    static const int edge[2] = {0, 1};
    struct script script;
    float right[N_MATRICES][N];
    rig_open(&rig, GM_BYTES);
    load(RIG_SEQUENTIAL);
    for (uint32_t i = 0; i < 2; i++) {
        script_init(&script);
        add(&script, &(struct task){VECTOR, i == 0 ? DEFECT_NONE : defect, 0, 2});
        add(&script, &(struct task){CUBE, DEFECT_NONE, 2, 4});
        script_edge(&script, edge[0], edge[1]);
        for (int task = 0; task < 2; task++) script_publish(&script, task);
        script_op(&script, SCRIPT_RETURN, 0);
        rig.config.pipe_order = i == 0 ? TG_PIPE_ORDER_PROGRAM : order;
        run(&script);
        expect_clean();
        if (i == 0) memcpy(right, matrices, sizeof right);
        script_fini(&script);
    }
    rig_close(&rig);
    return memcmp(right[4], matrices[4], 2 * sizeof right[4]) == 0;
}

/* A device reports a task as complete when its kernel returns: a successor then reads what was there before. */
static void a_successor_reads_old_bytes_of_a_kernel_without_a_drain(void **state)
{
    (void)state;
    static const struct task without = {VECTOR, DEFECT_NO_DRAIN, 0, 2};
    assert_true(successor_is_right(DEFECT_NONE, TG_PIPE_ORDER_LATE));
    assert_true(successor_is_right(DEFECT_NO_DRAIN, TG_PIPE_ORDER_PROGRAM));
    assert_false(successor_is_right(DEFECT_NO_DRAIN, TG_PIPE_ORDER_LATE));
    rig_open(&rig, GM_BYTES);
    load(RIG_CONCURRENT);
    rig.config.check = true;
    run_one(&without);
    expect_named((const char *const[]){"KERNEL_NOT_DRAINED", "TSTORE at kernel_defects_aiv.c:", "TDRAIN()", NULL});
    rig_close(&rig);
}

/* The third task writes where the first one did, while the second may still read it. */
static void a_write_to_a_recycled_address_is_found(void **state)
{
    (void)state;
    static const struct task tasks[3] = {
        {VECTOR, DEFECT_NONE, 0, 2}, {CUBE, DEFECT_NONE, 2, 4}, {VECTOR, DEFECT_NONE, 0, 2}};
    static const int edges[][2] = {{0, 1}, {0, 2}, {1, 2}};
    check_tasks(tasks, 3, edges, NULL);
    check_tasks(tasks, 2, edges, (const char *const[]){"TASK_RACE", "task 1 (square", "task 2 (twice_plus_one", NULL});
}

int main(int argc, char **argv)
{
    struct CMUnitTest tests[N_ROWS + 3];
    for (int i = 0; i < N_ROWS; i++)
        tests[i] = (struct CMUnitTest){rows[i].name, is_found, NULL, NULL, (void *)(uintptr_t)&rows[i]};
    tests[N_ROWS] = (struct CMUnitTest)cmocka_unit_test(a_missing_edge_is_found);
    tests[N_ROWS + 1] = (struct CMUnitTest)cmocka_unit_test(a_write_to_a_recycled_address_is_found);
    tests[N_ROWS + 2] = (struct CMUnitTest)cmocka_unit_test(a_successor_reads_old_bytes_of_a_kernel_without_a_drain);
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
