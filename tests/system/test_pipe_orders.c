/*
 * The other orders of a core's pipes: the example gives the same bytes in each, in the same device time; with a wait or
 * a barrier less it gives wrong ones, where its own order hides that.
 */
#include <stdlib.h>

#include "common/check.h"
#include "common/flagship.h"
#include "common/process.h"

#define GM_BYTES (256ull << 20)

static struct rig rig;

static int open_rig(void **state)
{
    (void)state;
    rig_open(&rig, GM_BYTES);
    return 0;
}

static int close_rig(void **state)
{
    (void)state;
    rig_close(&rig);
    return 0;
}

/* Run in an order and keep the output, which is to be freed. */
static void *out_of(struct pa_problem *problem, uint32_t order)
{
    void *out = malloc(flagship_out_bytes(problem));
    assert_non_null(out);
    rig.config.pipe_order = order;
    flagship_run(&rig, problem);
    CHECK(rig.status == TG_OK, "%s", rig.message);
    memcpy(out, problem->out, flagship_out_bytes(problem));
    return out;
}

static void expect_equal(struct pa_problem *problem)
{
    void *program = out_of(problem, TG_PIPE_ORDER_PROGRAM);
    const uint64_t device_ns = rig.result.device_ns;
    for (uint32_t order = TG_PIPE_ORDER_LATE; order <= TG_PIPE_ORDER_EARLY; order++) {
        void *other = out_of(problem, order);
        assert_memory_equal(other, program, flagship_out_bytes(problem));
        assert_int_equal(rig.result.device_ns, device_ns);
        free(other);
    }
    free(program);
}

static void the_example_gives_the_same_bytes_in_every_order(void **state)
{
    (void)state;
    static const int64_t blocks[] = {1, 3};
    flagship_load(&rig, RIG_CONCURRENT, NULL);
    for (size_t i = 0; i < pa_n_quick_cases; i++) {
        for (size_t k = 0; k < sizeof blocks / sizeof blocks[0]; k++) {
            struct pa_problem problem;
            flagship_draw(&problem, pa_cases[i].name, 42);
            problem.config[PA_CONFIG_BLOCKS_PER_TASK] = blocks[k];
            expect_equal(&problem);
            pa_problem_free(&problem);
        }
    }
}

/* `order` shows the defect of `part`; the kernel's own order does not. */
static void expect_shown(enum flagship_part part, const char *module, uint32_t order)
{
    const char *modules[FLAGSHIP_PARTS] = {NULL};
    struct pa_problem problem;
    modules[part] = module;
    flagship_load(&rig, RIG_CONCURRENT, modules);
    /* Several spans for UP; for the others a span of several tiles, so that they use their buffers again. */
    const struct pa_case drawn = {"tiles", "", {1, 16, 1, 16, 16, PA_FP32}, (const uint32_t[]){1000}, 1, 0, 0.1f};
    flagship_draw_case(&problem, &drawn, 42);
    problem.config[PA_CONFIG_BLOCKS_PER_TASK] = part == FLAGSHIP_UP ? 1 : 64;
    free(out_of(&problem, TG_PIPE_ORDER_PROGRAM));
    assert_int_equal(flagship_mismatches(&problem), 0);
    free(out_of(&problem, order));
    assert_true(flagship_mismatches(&problem) > 0);
    pa_problem_free(&problem);
}

static void late_shows_a_read_before_the_load(void **state)
{
    (void)state;
    expect_shown(FLAGSHIP_SF, "mutant_no_wait_sf", TG_PIPE_ORDER_LATE);
}

static void show_a_missing_barrier(void *arg)
{
    (void)arg;
    expect_shown(FLAGSHIP_UP, "mutant_no_barrier_up", TG_PIPE_ORDER_LATE);
}

/* The mutant does not wait for its last store either: it lands while a task on another core writes the same bytes. */
static void late_shows_a_missing_barrier(void **state)
{
    (void)state;
    if (TEST_TSAN) process_expect_race(show_a_missing_barrier, NULL);
    else show_a_missing_barrier(NULL);
}

static void early_shows_a_load_before_the_last_read(void **state)
{
    (void)state;
    expect_shown(FLAGSHIP_QK, "mutant_no_wait_qk", TG_PIPE_ORDER_EARLY);
}

static void an_unknown_order_is_refused(void **state)
{
    (void)state;
    struct pa_problem problem;
    flagship_load(&rig, RIG_CONCURRENT, NULL);
    flagship_draw(&problem, "Case1", 42);
    rig.config.pipe_order = 3;
    flagship_run(&rig, &problem);
    rig_expect(&rig, TG_ERR_ARGUMENT, "unknown pipe order 3", NULL);
    pa_problem_free(&problem);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_example_gives_the_same_bytes_in_every_order),
        cmocka_unit_test(late_shows_a_read_before_the_load),
        cmocka_unit_test(late_shows_a_missing_barrier),
        cmocka_unit_test(early_shows_a_load_before_the_last_read),
        cmocka_unit_test(an_unknown_order_is_refused),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, open_rig, close_rig);
}
