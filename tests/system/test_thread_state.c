/*
 * Rounding, subnormals, traps and flags belong to the program that sets them. A setting that a kernel or plugin leaves
 * behind changes no other task's result and no state of the caller. The caller's own state changes no result. On every
 * device. docs/hostile.md lists the states.
 */
#include <fenv.h>
#include <stdlib.h>

#include "common/check.h"
#include "common/devices.h"
#include "modules/leaves_state.h"
#include "os/state.h"

static const char *const states[LEFT_STATES] = {
    [LEFT_UPWARD] = "state: rounding upward",     [LEFT_FLUSH] = "state: subnormals flushed",
    [LEFT_TRAPS] = "state: exceptions that trap", [LEFT_X87] = "state: x87 control word",
    [LEFT_MMX] = "state: x87 registers in use",   [LEFT_DIRECTION] = "state: direction flag",
    [LEFT_ALIGNMENT] = "state: alignment check",
};

struct outputs {
    float floats[STATE_TASKS * STATE_FLOATS];
};

static void open_program(struct rig *rig, const struct device *device, enum rig_mode mode)
{
    device_open(rig, device, 64 << 20);
    rig_kernel(rig, 0, TG_AIV, "leaves_state", rig_module("leaves_state"));
    rig_set_mode(rig, mode);
    rig_plugin(rig, rig_module("leaves_state"), mode == RIG_HOST ? "orchestration_host" : "orchestration");
}

static float values[STATE_VALUES]; /* every second one is subnormal */

static void run(struct rig *rig, int64_t who, int64_t what, struct outputs *out)
{
    int64_t words[2] = {who, what};
    const struct tg_tensor tensors[] = {{"words", words, sizeof words, 2, TG_IN},
                                        {"values", values, sizeof values, STATE_VALUES, TG_IN},
                                        {"out", out->floats, sizeof out->floats, STATE_TASKS * STATE_FLOATS, TG_OUT}};
    rig_run(rig, tensors, 3);
}

static void expect_right(const struct outputs *out)
{
    for (int task = 0; task < STATE_TASKS; task++)
        for (int i = 0; i < STATE_VALUES; i++) {
            const double value = (double)values[i];
            const float *floats = &out->floats[task * STATE_FLOATS];
            CHECK(floats[i] == (float)(value * (double)1.1f), "task %d, tile %d: %a", task, i, (double)floats[i]);
            CHECK(floats[STATE_VALUES + i] == (float)(value * (double)1.1f), "task %d, scalar %d", task, i);
            CHECK(floats[2 * STATE_VALUES + i] == (float)(value / 3.0), "task %d, long double %d: %a", task, i,
                  (double)floats[2 * STATE_VALUES + i]);
            CHECK(floats[3 * STATE_VALUES + i] == (float)(value + (double)(1.0f / 3.0f)), "task %d, sum %d", task, i);
        }
}

static void what_is_left_is_nobody_elses(void **state)
{
    const struct device *device = *state;
    for (enum rig_mode mode = 0; mode < RIG_MODES; mode++) {
        struct rig rig;
        open_program(&rig, device, mode);
        for (int what = LEFT_NOTHING; what < LEFT_STATES; what++)
            for (int who = LEFT_BY_KERNEL; who <= LEFT_BY_PLUGIN; who++) {
                /* An instruction of the plugin's own, or of libc for it, may be what traps. */
                const bool may_fault = who == LEFT_BY_PLUGIN && (what == LEFT_TRAPS || what == LEFT_ALIGNMENT);
                if (TEST_TSAN && may_fault) continue;
                if (TEST_ASAN && what == LEFT_ALIGNMENT) continue; /* the sanitizer's own accesses are not aligned */
                struct outputs out;
                run(&rig, who, what, &out);
                if (may_fault && rig.status == TG_ERR_PLUGIN_FAULT) continue;
                CHECK(rig.status == TG_OK, "%s by %d, %s: %s", states[what], who, rig_mode_names[mode], rig.message);
                expect_right(&out);
            }
        rig_close(&rig);
    }
}

/* ---- the caller's state ------------------------------------------------------------------------------------------ */

static void round_upward(void) { fesetround(FE_UPWARD); }

static void flush(void)
{
#if defined(__x86_64__)
    __builtin_ia32_ldmxcsr(__builtin_ia32_stmxcsr() | 0x8040);
#endif
}

static void keep_exceptions(void) { feraiseexcept(FE_INVALID | FE_OVERFLOW); }

static void (*const callers[])(void) = {round_upward, flush, keep_exceptions};
enum { N_CALLERS = sizeof callers / sizeof callers[0] };

static void results_do_not_depend_on_the_callers_state(void **state)
{
    const struct device *device = *state;
    for (enum rig_mode mode = 0; mode < RIG_MODES; mode++)
        for (int i = 0; i < N_CALLERS; i++) {
            struct rig rig;
            struct outputs out;
            open_program(&rig, device, mode);
            fenv_t before, after;
            fegetenv(&before);
            callers[i]();
            const struct tg_state theirs = tg_state_enter();
            tg_state_leave(&theirs);
            const int raised = fetestexcept(FE_ALL_EXCEPT);
            run(&rig, LEFT_BY_NOBODY, LEFT_NOTHING, &out);
            CHECK(fetestexcept(FE_ALL_EXCEPT) == raised, "exceptions %x before, %x after", raised,
                  fetestexcept(FE_ALL_EXCEPT));
            const struct tg_state found = tg_state_enter();
            fesetenv(&before);
            fegetenv(&after);
            CHECK(memcmp(&found, &theirs, sizeof found) == 0, "the caller's state %d was changed", i);
            rig_expect(&rig, TG_OK, NULL);
            expect_right(&out);
            rig_close(&rig);
        }
}

/* ---- the document ------------------------------------------------------------------------------------------------ */

static void the_document_lists_these_states(void **state)
{
    (void)state;
    size_t n_bytes;
    char *text = rig_read_file(TG_TEST_SOURCE_DIR "/docs/hostile.md", &n_bytes);
    int n = 0;
    for (const char *at = text; (at = strstr(at, "\n| state: ")) != NULL; at++) n++;
    for (int what = LEFT_NOTHING + 1; what < LEFT_STATES; what++) {
        char row[128];
        snprintf(row, sizeof row, "\n| %s |", states[what]);
        CHECK(strstr(text, row), "docs/hostile.md lacks%s", row);
    }
    assert_int_equal(n, LEFT_STATES - 1);
    free(text);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(what_is_left_is_nobody_elses),
    cmocka_unit_test(results_do_not_depend_on_the_callers_state),
    cmocka_unit_test(the_document_lists_these_states),
};

int main(int argc, char **argv)
{
    for (int i = 0; i < STATE_VALUES; i++) values[i] = i % 2 ? 1.0f / (float)(i + 3) : 1e-39f * (float)(i + 1);
    return devices_run(tests, 2, 3, argc, argv);
}
