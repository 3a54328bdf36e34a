/* pipes.c: what follows on a pipe, what overlaps across pipes, and what flags and barriers put in order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "platform/sim/pipes.h"

static struct tg_pipes pipes;

static void work(enum tg_pipe pipe, uint32_t cycles)
{
    struct tg_instr instr = tg_instr_at(TG_OP_TADD, __FILE__, __LINE__);
    assert_true(tg_pipes_issue(&pipes, &instr, pipe, cycles));
}

static bool sync(uint32_t op, uint32_t from, uint32_t to, uint32_t event, uint32_t cycles)
{
    struct tg_instr instr = tg_instr_at(op, __FILE__, __LINE__);
    instr.src_pipe = (uint8_t)from;
    instr.dst_pipe = (uint8_t)to;
    instr.event = (uint8_t)event;
    return tg_pipes_issue(&pipes, &instr, PIPE_S, cycles);
}

static void set(uint32_t from, uint32_t to, uint32_t event)
{
    assert_true(sync(TG_OP_SET_FLAG, from, to, event, 0));
}

static bool wait(uint32_t from, uint32_t to, uint32_t event) { return sync(TG_OP_WAIT_FLAG, from, to, event, 0); }

static void one_pipe_does_one_thing_after_the_other(void **state)
{
    (void)state;
    tg_pipes_reset(&pipes);
    assert_int_equal(tg_pipes_end(&pipes), 0);
    work(PIPE_V, 10);
    work(PIPE_V, 7);
    assert_int_equal(pipes.free_at[PIPE_V], 17);
    assert_int_equal(tg_pipes_end(&pipes), 17);
}

static void pipes_overlap(void **state)
{
    (void)state;
    tg_pipes_reset(&pipes);
    for (uint32_t pipe = 0; pipe < TG_PIPES; pipe++) work((enum tg_pipe)pipe, 100 + pipe);
    for (uint32_t pipe = 0; pipe < TG_PIPES; pipe++) assert_int_equal(pipes.free_at[pipe], 100 + pipe);
    assert_int_equal(tg_pipes_end(&pipes), 100 + TG_PIPES - 1);
}

static void who_waits_goes_on_when_the_flag_was_set(void **state)
{
    (void)state;
    tg_pipes_reset(&pipes);
    work(PIPE_MTE2, 100);
    set(PIPE_MTE2, PIPE_V, EVENT_ID0);
    work(PIPE_MTE2, 500); /* after the flag: nobody waits for that */
    assert_true(wait(PIPE_MTE2, PIPE_V, EVENT_ID0));
    work(PIPE_V, 10);
    assert_int_equal(pipes.free_at[PIPE_V], 110);
    assert_int_equal(tg_pipes_end(&pipes), 600);
}

static void who_is_late_does_not_wait(void **state)
{
    (void)state;
    tg_pipes_reset(&pipes);
    work(PIPE_MTE2, 10);
    set(PIPE_MTE2, PIPE_V, EVENT_ID1);
    work(PIPE_V, 300);
    assert_true(wait(PIPE_MTE2, PIPE_V, EVENT_ID1));
    assert_int_equal(pipes.free_at[PIPE_V], 300);
}

static void a_flag_that_nobody_set_is_not_passed(void **state)
{
    (void)state;
    tg_pipes_reset(&pipes);
    assert_false(wait(PIPE_MTE2, PIPE_V, EVENT_ID0));
    set(PIPE_MTE2, PIPE_V, EVENT_ID0);
    assert_false(wait(PIPE_MTE2, PIPE_V, EVENT_ID1));   /* another event */
    assert_false(wait(PIPE_V, PIPE_MTE2, EVENT_ID0));   /* the other way */
    assert_false(wait(PIPE_MTE2, PIPE_MTE3, EVENT_ID0)); /* another pipe */
    assert_true(wait(PIPE_MTE2, PIPE_V, EVENT_ID0));
    assert_false(wait(PIPE_MTE2, PIPE_V, EVENT_ID0)); /* it is passed once */
    set(PIPE_MTE2, PIPE_V, EVENT_ID0);
    tg_pipes_reset(&pipes);
    assert_false(wait(PIPE_MTE2, PIPE_V, EVENT_ID0)); /* nothing is left from the kernel before */
}

static void every_flag_is_one_of_its_own(void **state)
{
    (void)state;
    tg_pipes_reset(&pipes);
    for (uint32_t from = 0; from < TG_PIPES; from++)
        for (uint32_t to = 0; to < TG_PIPES; to++)
            for (uint32_t event = 0; event < TG_EVENTS; event++) set(from, to, event);
    for (uint32_t from = 0; from < TG_PIPES; from++)
        for (uint32_t to = 0; to < TG_PIPES; to++)
            for (uint32_t event = 0; event < TG_EVENTS; event++) {
                assert_true(wait(from, to, event));
                assert_false(wait(from, to, event));
            }
}

static void order_takes_its_cycles_on_the_right_pipe(void **state)
{
    (void)state;
    tg_pipes_reset(&pipes);
    assert_true(sync(TG_OP_SET_FLAG, PIPE_MTE1, PIPE_M, EVENT_ID2, 3));
    assert_int_equal(pipes.free_at[PIPE_MTE1], 3);
    assert_int_equal(pipes.free_at[PIPE_M], 0);
    assert_true(sync(TG_OP_WAIT_FLAG, PIPE_MTE1, PIPE_M, EVENT_ID2, 5));
    assert_int_equal(pipes.free_at[PIPE_M], 8);
    assert_int_equal(pipes.free_at[PIPE_MTE1], 3);
}

static void a_barrier_of_all_pipes_lines_them_up(void **state)
{
    (void)state;
    tg_pipes_reset(&pipes);
    work(PIPE_V, 10);
    work(PIPE_MTE2, 70);
    assert_true(sync(TG_OP_PIPE_BARRIER, PIPE_V, PIPE_V, 0, 0));
    assert_int_equal(pipes.free_at[PIPE_V], 10); /* of its own pipe: no other waits */
    assert_true(sync(TG_OP_PIPE_BARRIER, PIPE_ALL, PIPE_ALL, 0, 0));
    for (uint32_t pipe = 0; pipe < TG_PIPES; pipe++) assert_int_equal(pipes.free_at[pipe], 70);
}

/* Two buffers, load and compute alternating: the loads are hidden behind the longer of the two. */
static void double_buffering_hides_the_shorter_pipe(void **state)
{
    (void)state;
    enum { N = 10, LOAD = 60, COMPUTE = 100 };
    tg_pipes_reset(&pipes);
    set(PIPE_V, PIPE_MTE2, EVENT_ID0);
    set(PIPE_V, PIPE_MTE2, EVENT_ID1);
    for (uint32_t i = 0; i < N; i++) {
        assert_true(wait(PIPE_V, PIPE_MTE2, i % 2));
        work(PIPE_MTE2, LOAD);
        set(PIPE_MTE2, PIPE_V, i % 2);
        assert_true(wait(PIPE_MTE2, PIPE_V, i % 2));
        work(PIPE_V, COMPUTE);
        set(PIPE_V, PIPE_MTE2, i % 2);
    }
    assert_int_equal(tg_pipes_end(&pipes), LOAD + N * COMPUTE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_pipe_does_one_thing_after_the_other), cmocka_unit_test(pipes_overlap),
        cmocka_unit_test(who_waits_goes_on_when_the_flag_was_set), cmocka_unit_test(who_is_late_does_not_wait),
        cmocka_unit_test(a_flag_that_nobody_set_is_not_passed),    cmocka_unit_test(every_flag_is_one_of_its_own),
        cmocka_unit_test(order_takes_its_cycles_on_the_right_pipe), cmocka_unit_test(a_barrier_of_all_pipes_lines_them_up),
        cmocka_unit_test(double_buffering_hides_the_shorter_pipe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
