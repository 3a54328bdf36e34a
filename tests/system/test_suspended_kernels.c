/*
 * A kernel on the virtual device can be suspended between any two of its instructions, while kernels of other cores
 * run.
 *
 * The library's own runs suspend long kernels only (test_long_kernels). Here an observer does it: at each instruction
 * it moves the core's clock and lets every actor go first whose clock is behind.
 */
#include <stdlib.h>

#include "common/check.h"
#include "common/flagship.h"
#include "common/script.h"
#include "host/host.h"
#include "modules/hostile_kernel.h"

static struct rig rig;

/* ---- an observer that suspends kernels --------------------------------------------------------------------------- */

struct suspender {
    struct tg_machine *machine;
    uint32_t in_kernel;           /* cores */
    uint32_t n_kernels, n_beside; /* kernels; those that began while another was suspended */
    bool suspends;
};

static bool kernel_begins(void *context, const struct tg_kernel_begin *begin)
{
    struct suspender *s = context;
    (void)begin;
    s->n_kernels++;
    s->n_beside += s->in_kernel > 0;
    s->in_kernel++;
    return true;
}

static void instruction(void *context, uint32_t core, const struct tg_instr *instr, enum tg_pipe pipe,
                        const char *broken)
{
    struct suspender *s = context;
    (void)core, (void)instr, (void)pipe, (void)broken;
    if (!s->suspends) return;
    s->machine->ops->spend(s->machine, TG_WORK_PUBLISH, 1);
    s->machine->ops->sync(s->machine);
}

static void kernel_ends(void *context, uint32_t core, bool returned)
{
    struct suspender *s = context;
    (void)core, (void)returned;
    s->in_kernel--;
}

/* Run with the observer. The run's message is in rig.message. */
static struct suspender run_observed(bool suspends, const struct tg_tensor *tensors, size_t n_tensors)
{
    static const struct tg_observer_ops ops = {
        .kernel_begins = kernel_begins, .instruction = instruction, .kernel_ends = kernel_ends};
    struct suspender s = {.suspends = suspends};
    struct tg_observer observer = {.ops = &ops, .context = &s};
    struct tg_run *run;
    CHECK(tg_run_open(rig.program, &rig.config, tensors, n_tensors, &run) == TG_OK, "%s", tg_last_message());
    s.machine = rig.device->machine;
    tg_run_observe(run, &observer);
    rig.status = tg_run_wait(run);
    snprintf(rig.message, sizeof rig.message, "%s", rig.status == TG_OK ? "" : tg_last_message());
    tg_run_close(run);
    return s;
}

/* ---- tests ------------------------------------------------------------------------------------------------------- */

static void outputs_do_not_change(void **state)
{
    (void)state;
    struct pa_problem problem;
    flagship_draw(&problem, "Case2", 42);
    void *expected = malloc(flagship_out_bytes(&problem));
    assert_non_null(expected);
    for (enum rig_mode mode = RIG_CONCURRENT; mode < RIG_MODES; mode++) {
        flagship_load(&rig, mode, NULL);
        struct tg_tensor tensors[FLAGSHIP_TENSORS];
        flagship_tensors(&problem, tensors);
        struct suspender s = run_observed(false, tensors, FLAGSHIP_TENSORS);
        CHECK(rig.status == TG_OK, "%s", rig.message);
        assert_int_equal(s.n_beside, 0); /* so the count tells the two apart */
        memcpy(expected, problem.out, flagship_out_bytes(&problem));
        memset(problem.out, 0, flagship_out_bytes(&problem));
        s = run_observed(true, tensors, FLAGSHIP_TENSORS);
        CHECK(rig.status == TG_OK, "%s", rig.message);
        CHECK(s.n_beside > 0, "%s: none of %u kernels ran beside another", rig_mode_names[mode], s.n_kernels);
        assert_int_equal(s.in_kernel, 0);
        assert_memory_equal(problem.out, expected, flagship_out_bytes(&problem));
        assert_int_equal(flagship_mismatches(&problem), 0);
    }
    free(expected);
    pa_problem_free(&problem);
}

/* One kernel breaks a rule while others are suspended: the failure names it, and the others end. */
static void a_failure_beside_suspended_kernels_names_its_task(void **state)
{
    (void)state;
    struct script script;
    script_init(&script);
    for (int i = 0; i < 8; i++) script_publish(&script, script_visit(&script, TG_AIV, 20, 0, NULL));
    const int broken = script_hostile(&script, TG_AIC, KERNEL_PAST_END, 0);
    script_publish(&script, broken);
    for (int i = 0; i < 8; i++) script_publish(&script, script_visit(&script, TG_AIC, 20, 0, NULL));
    script_words(&script, 1, (int64_t[]){SCRIPT_END});
    uint32_t data[64] = {0};
    const struct tg_tensor tensors[] = {
        {"script", script.words, script.n_words * sizeof *script.words, script.n_words, TG_IN},
        {"data", data, sizeof data, 64, TG_INOUT},
    };
    script_load(&rig, RIG_SEQUENTIAL);
    const struct suspender s = run_observed(true, tensors, 2);
    assert_true(s.n_beside > 0);
    assert_int_equal(s.in_kernel, 0);
    rig_expect(&rig, TG_ERR_TILE, "task 8 (hostile_cube", NULL);
    script_prove(&rig, RIG_CONCURRENT);
    script_fini(&script);
}

static int open_device(void **state)
{
    (void)state;
    rig_open(&rig, 1 << 28);
    return 0;
}

static int close_device(void **state)
{
    (void)state;
    rig_close(&rig);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outputs_do_not_change),
        cmocka_unit_test(a_failure_beside_suspended_kernels_names_its_task),
    };
    return cmocka_run_group_tests(tests, open_device, close_device);
}
