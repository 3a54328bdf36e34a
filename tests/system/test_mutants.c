/*
 * The checks can fail: paged attention with one thing broken is never taken for right. Every mutant is made of the
 * example's own sources (tests/modules/mutant_*.c), and one of them changes nothing and has to pass.
 */
#include <stdbool.h>
#include <stdlib.h>

#include "common/check.h"
#include "common/flagship.h"
#include "common/process.h"

#define GM_BYTES (256ull << 20)
enum { N_SEEDS = 20, N_CHECKED = 4 };

/* How a mutant is found out. */
enum verdict {
    RIGHT,         /* not at all: nothing is wrong with it */
    WRONG_ALWAYS,  /* by its result, under every schedule */
    WRONG_IN_SOME, /* by its result, in some of N_SEEDS schedules */
    REFUSED        /* by the status of the run */
};

struct mutant {
    const char *name;
    const char *modules[FLAGSHIP_PARTS];
    const char *case_name;
    enum verdict verdict;
    enum tg_status status; /* REFUSED */
    const char *says[2];   /* REFUSED: parts of the message */
    bool only_on_device;   /* host_build_graph mends it */
};

static const struct mutant mutants[] = {
    {.name = "nothing is wrong",
     .modules = {[FLAGSHIP_ORCHESTRATION] = "mutant_none"},
     .case_name = "Case2",
     .verdict = RIGHT},
    {.name = "no task is submitted",
     .modules = {[FLAGSHIP_ORCHESTRATION] = "mutant_no_task"},
     .case_name = "Case2",
     .verdict = WRONG_ALWAYS},
    {.name = "all edges are removed",
     .modules = {[FLAGSHIP_ORCHESTRATION] = "mutant_no_edges"},
     .case_name = "Case2",
     .verdict = WRONG_IN_SOME},
    {.name = "one UP -> UP edge is removed",
     .modules = {[FLAGSHIP_ORCHESTRATION] = "mutant_up_edge"},
     .case_name = "Case2",
     .verdict = WRONG_IN_SOME},
    {.name = "two tasks wait for each other",
     .modules = {[FLAGSHIP_ORCHESTRATION] = "mutant_cycle"},
     .case_name = "Case2",
     .verdict = REFUSED,
     .status = TG_ERR_DEADLOCK_CYCLE,
     .says = {"aiv_softmax_prepare, orchestration.c:", "aic_pv_matmul, orchestration.c:"}},
    {.name = "a task is never published",
     .modules = {[FLAGSHIP_ORCHESTRATION] = "mutant_unpublished"},
     .case_name = "Case2",
     .verdict = REFUSED,
     .status = TG_ERR_DEADLOCK_UNPUBLISHED,
     .says = {"aic_pv_matmul, orchestration.c:", "published tasks wait behind"},
     .only_on_device = true},
    {.name = "the normalisation is broken",
     .modules = {[FLAGSHIP_UP] = "mutant_no_division"},
     .case_name = "Case2",
     .verdict = WRONG_ALWAYS},
    {.name = "a flag is never set",
     .modules = {[FLAGSHIP_SF] = "mutant_no_flag"},
     .case_name = "Case2",
     .verdict = REFUSED,
     .status = TG_ERR_TILE,
     .says = {"aiv_softmax_prepare, orchestration.c:", "no set_flag"}},
    {.name = "no kernel masks",
     .modules = {"mutant_no_mask_qk", "mutant_no_mask_sf", "mutant_no_mask_pv", NULL, NULL},
     .case_name = "partial-block",
     .verdict = WRONG_ALWAYS},
    {.name = "the softmax does not mask",
     .modules = {[FLAGSHIP_SF] = "mutant_no_mask_sf"},
     .case_name = "partial-block",
     .verdict = WRONG_ALWAYS},
};
enum { N_MUTANTS = sizeof mutants / sizeof mutants[0] };

/* Tokens behind a context hold NaN, which every wrong read shows. A cache in use holds what was there before:
 * numbers. */
static void fill_unowned_tokens(struct pa_problem *problem)
{
    const uint64_t n = pa_problem_counts(problem).cache;
    void *const caches[] = {problem->key_cache, problem->value_cache};
    assert_int_equal(problem->shape.dtype, PA_FP32);
    for (size_t c = 0; c < sizeof caches / sizeof caches[0]; c++) {
        float *cache = caches[c];
        for (uint64_t i = 0; i < n; i++)
            if (cache[i] != cache[i]) cache[i] = 0.25f;
    }
}

static int runs_that_are_wrong(struct rig *rig, struct pa_problem *problem)
{
    int n_wrong = 0;
    for (uint64_t seed = 0; seed < N_SEEDS; seed++) {
        rig->config.schedule_seed = seed;
        flagship_run(rig, problem);
        CHECK(rig->status == TG_OK, "%s: %s", tg_status_name(rig->status), rig->message);
        n_wrong += flagship_mismatches(problem) > 0;
    }
    return n_wrong;
}

static void check_results(struct rig *rig, const struct mutant *mutant, struct pa_problem *problem)
{
    int n_wrong = runs_that_are_wrong(rig, problem);
    print_message("    %s: wrong in %d of %d schedules\n", mutant->name, n_wrong, N_SEEDS);
    if (mutant->verdict == RIGHT) assert_int_equal(n_wrong, 0);
    else if (mutant->verdict == WRONG_ALWAYS) assert_int_equal(n_wrong, N_SEEDS);
    else assert_true(n_wrong > 0);
}

/* The check compares the order of tasks and not their times: it finds the race under every seed. */
static void check_findings(struct rig *rig, struct pa_problem *problem)
{
    rig->config.check = true;
    for (uint64_t seed = 0; seed < N_CHECKED; seed++) {
        rig->config.schedule_seed = seed;
        flagship_run(rig, problem);
        rig_expect(rig, TG_ERR_CHECK, NULL);
        CHECK(strstr(rig->findings, "TASK_RACE"), "seed %d: %s", (int)seed, rig->findings);
    }
    rig->config.check = false;
}

static void check_refusal(struct rig *rig, const struct mutant *mutant, struct pa_problem *problem)
{
    for (uint64_t seed = 0; seed < N_SEEDS; seed++) {
        rig->config.schedule_seed = seed;
        memset(problem->out, 0x5A, flagship_out_bytes(problem));
        flagship_run(rig, problem);
        rig_expect(rig, mutant->status, mutant->says[0], mutant->says[1], NULL);
        assert_int_equal(((uint8_t *)problem->out)[0], 0x5A); /* outputs of a failed run are untouched */
    }
}

static void try_mutant(struct rig *rig, enum rig_mode mode, const struct mutant *mutant, bool fill)
{
    struct pa_problem problem;
    flagship_draw(&problem, mutant->case_name, 42);
    if (fill) fill_unowned_tokens(&problem);
    flagship_load(rig, mode, mutant->modules);
    if (mutant->verdict == REFUSED) check_refusal(rig, mutant, &problem);
    else check_results(rig, mutant, &problem);
    if (mutant->verdict == WRONG_IN_SOME) check_findings(rig, &problem);

    /* The original on the same device. */
    rig->config.schedule_seed = 0;
    flagship_load(rig, mode, NULL);
    flagship_run(rig, &problem);
    flagship_expect_right(rig, &problem);
    pa_problem_free(&problem);
}

static void try_modes(void *arg)
{
    const struct mutant *mutant = arg;
    struct rig rig;
    rig_open(&rig, GM_BYTES);
    for (enum rig_mode mode = RIG_CONCURRENT; mode < RIG_MODES; mode++) {
        if (mode == RIG_HOST && mutant->only_on_device) continue;
        try_mutant(&rig, mode, mutant, false);
        if (strcmp(mutant->case_name, "partial-block") == 0) try_mutant(&rig, mode, mutant, true);
    }
    rig_close(&rig);
}

static void found_out(void **state)
{
    const struct mutant *mutant = *state;
    /* Tasks that a missing edge leaves unordered race. */
    if (TEST_TSAN && mutant->verdict == WRONG_IN_SOME) process_expect_race(try_modes, *state);
    else try_modes(*state);
}

int main(int argc, char **argv)
{
    struct CMUnitTest tests[N_MUTANTS];
    for (int i = 0; i < N_MUTANTS; i++)
        tests[i] = (struct CMUnitTest){mutants[i].name, found_out, NULL, NULL, (void *)(uintptr_t)&mutants[i]};
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
