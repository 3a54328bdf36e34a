/* pipes.c: what follows on a pipe, what overlaps across pipes, and what flags and barriers put in order. */
#include <math.h>
#include <stdlib.h>

#include "common/check.h"
#include "common/instr.h"
#include "machine/sim/pipes.h"
#include "reference.h"
#include "trace/recorder.h"

static struct tg_pipes pipes;
static struct tg_kernel_times times;

/* ---- programs: a cycle is a ns ----------------------------------------------------------------------------------- */

static void work_after(enum tg_pipe pipe, uint32_t startup, uint32_t cycles)
{
    struct tg_instr instr = instr_at(TG_OP_TADD, __FILE__, __LINE__);
    const struct tg_cost cost = {.startup = startup, .cycles = cycles};
    assert_int_equal(tg_pipes_append(&pipes, &instr, pipe, &cost), TG_PIPES_OK);
}

static void work(enum tg_pipe pipe, uint32_t cycles) { work_after(pipe, 0, cycles); }

static enum tg_pipes_append order(uint32_t op, uint32_t from, uint32_t to, uint32_t event, uint32_t cycles)
{
    struct tg_instr instr = instr_at(op, __FILE__, __LINE__);
    const struct tg_cost cost = {.cycles = cycles};
    instr.src_pipe = (uint8_t)from;
    instr.dst_pipe = (uint8_t)to;
    instr.event = (uint8_t)event;
    return tg_pipes_append(&pipes, &instr, PIPE_S, &cost);
}

static void set(uint32_t from, uint32_t to, uint32_t event)
{
    assert_int_equal(order(TG_OP_SET_FLAG, from, to, event, 0), TG_PIPES_OK);
}

static void wait(uint32_t from, uint32_t to, uint32_t event)
{
    assert_int_equal(order(TG_OP_WAIT_FLAG, from, to, event, 0), TG_PIPES_OK);
}

static void barrier(uint32_t pipe) { assert_int_equal(order(TG_OP_PIPE_BARRIER, pipe, pipe, 0, 0), TG_PIPES_OK); }

/* A transfer that takes `cycles` alone and asks the shared memory for `bytes`. */
static void transfer(enum tg_pipe pipe, uint32_t cycles, uint32_t bytes)
{
    struct tg_instr instr = instr_at(TG_OP_TLOAD, __FILE__, __LINE__);
    struct tg_global global = tg_global_nd(0, TG_FP16, 1, bytes / 2, bytes / 2);
    const struct tg_cost cost = {.cycles = cycles, .gm_bytes = bytes};
    instr.global = &global;
    assert_int_equal(tg_pipes_append(&pipes, &instr, pipe, &cost), TG_PIPES_OK);
    global.shape[4] = 0; /* it is copied */
}

/* A byte a ns, one after the other. */
struct shared {
    double free_at, asked_at;
    uint32_t n_asked;
    bool went_back;
};

static double pass(void *context, const struct tg_global *global, double at_ns)
{
    struct shared *shared = context;
    if (at_ns < shared->asked_at) shared->went_back = true;
    shared->asked_at = at_ns;
    shared->n_asked++;
    if (at_ns > shared->free_at) shared->free_at = at_ns;
    shared->free_at += 2.0 * global->shape[4];
    return shared->free_at;
}

/* Play what was appended, as it is. */
static double play_undrained(double start_ns, double ns_per_cycle, struct shared *shared)
{
    memset(&times, 0, sizeof times);
    const struct tg_player player = {start_ns, ns_per_cycle, pass, shared, &times};
    double end = tg_pipes_play(&pipes, &player);
    assert_false(shared->went_back);
    return end;
}

/* Kernels end with a drain: when it is passed, all pipes are done. */
static double play_from(double start_ns, struct shared *shared)
{
    barrier(PIPE_ALL);
    return play_undrained(start_ns, 1.0, shared);
}

static double play(void)
{
    struct shared shared = {0};
    return play_from(0, &shared);
}

#define assert_time(got, expected)                                                                                     \
    CHECK(fabs((got) - (expected)) < 1e-6, "%f, not %f", (double)(got), (double)(expected))

static int begin(void **state)
{
    (void)state;
    tg_pipes_reset(&pipes);
    return 0;
}

static int end(void **state)
{
    (void)state;
    tg_pipes_fini(&pipes);
    memset(&pipes, 0, sizeof pipes);
    return 0;
}

/* ---- what is told ---- */

static void each_instruction_is_logged_where_it_was_played(void **state)
{
    (void)state;
    struct tg_recorder recorder;
    struct tg_record record = {.n_steps = 0};
    assert_int_equal(tg_recorder_open(&recorder, 1, true), TG_OK);
    pipes.observers = &recorder.observer;
    pipes.core = 7;
    transfer(PIPE_MTE2, 10, 4);
    set(PIPE_MTE2, PIPE_V, 0);
    wait(PIPE_MTE2, PIPE_V, 0);
    work_after(PIPE_V, 5, 20);
    work_after(PIPE_V, 5, 30);
    struct shared shared = {0};
    play_from(100, &shared);
    assert_int_equal(tg_recorder_take(&recorder, &record), TG_OK);
    static const struct tg_record_step expected[] = {
        {100, 110, 7, PIPE_MTE2, TG_OP_TLOAD}, {110, 135, 7, PIPE_V, TG_OP_TADD}, {135, 165, 7, PIPE_V, TG_OP_TADD}};
    assert_int_equal(record.n_steps, 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(record.steps[i].start_ns, expected[i].start_ns);
        assert_int_equal(record.steps[i].end_ns, expected[i].end_ns);
        assert_int_equal(record.steps[i].core, expected[i].core);
        assert_int_equal(record.steps[i].pipe, expected[i].pipe);
        assert_int_equal(record.steps[i].op, expected[i].op);
    }
    assert_int_equal(recorder.pipes.steps.n, 0);
    tg_record_fini(&record);
    tg_recorder_close(&recorder);
}

/* ---- one pipe, several pipes ------------------------------------------------------------------------------------- */

static void nothing_takes_no_time(void **state)
{
    (void)state;
    struct shared shared = {0};
    assert_time(play(), 0);
    assert_time(play_from(1234, &shared), 1234);
}

static void ten_and_seven(void)
{
    tg_pipes_reset(&pipes);
    work(PIPE_V, 10);
    work(PIPE_V, 7);
}

static void one_pipe_does_one_thing_after_the_other(void **state)
{
    (void)state;
    struct shared shared = {0};
    ten_and_seven();
    assert_time(play(), 17);
    assert_int_equal(times.pipe_busy_ns[PIPE_V], 17);
    ten_and_seven();
    assert_time(play_from(1000, &shared), 1017);
    ten_and_seven();
    barrier(PIPE_ALL);
    assert_time(play_undrained(0, 0.5, &shared), 8.5); /* a faster core */
}

static void pipes_overlap(void **state)
{
    (void)state;
    for (uint32_t pipe = 0; pipe < TG_PIPES; pipe++) work((enum tg_pipe)pipe, 100 + pipe);
    assert_time(play(), 100 + TG_PIPES - 1);
    for (uint32_t pipe = 0; pipe < TG_PIPES; pipe++) assert_int_equal(times.pipe_busy_ns[pipe], 100 + pipe);
}

static void a_reset_forgets_the_kernel_before(void **state)
{
    (void)state;
    work(PIPE_M, 500);
    set(PIPE_MTE2, PIPE_V, EVENT_ID0);
    play();
    tg_pipes_reset(&pipes);
    assert_int_equal(order(TG_OP_WAIT_FLAG, PIPE_MTE2, PIPE_V, EVENT_ID0, 0), TG_PIPES_NO_FLAG);
    tg_pipes_reset(&pipes);
    work(PIPE_V, 3);
    assert_time(play(), 3);
}

/* ---- the scalar unit, and the end of a kernel ---- */

/* Instructions behind a wait of PIPE_S are issued after it, to every pipe. */
static void a_wait_of_the_scalar_pipe_holds_up_every_pipe(void **state)
{
    (void)state;
    for (int held = 0; held < 2; held++) {
        tg_pipes_reset(&pipes);
        const uint32_t waits = held ? PIPE_S : PIPE_V;
        work(PIPE_MTE2, 100);
        set(PIPE_MTE2, waits, EVENT_ID0);
        wait(PIPE_MTE2, waits, EVENT_ID0);
        work(PIPE_MTE1, 30); /* nothing hands anything over to it */
        assert_time(play(), held ? 130 : 100);
    }
}

static void waits_of_the_scalar_pipe_add_up(void **state)
{
    (void)state;
    double expected = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        work(PIPE_MTE2, 10);
        set(PIPE_MTE2, PIPE_S, i % 8);
        wait(PIPE_MTE2, PIPE_S, i % 8);
        work(PIPE_V, 3); /* beside the next of MTE2 */
        expected += 10;
    }
    assert_time(play(), expected + 3);
}

static void a_kernel_ends_when_its_scalar_code_returns(void **state)
{
    (void)state;
    struct shared shared = {0};
    work(PIPE_V, 500);
    assert_time(play_undrained(100, 1.0, &shared), 100);
    tg_pipes_reset(&pipes);
    work(PIPE_MTE2, 40);
    set(PIPE_MTE2, PIPE_S, EVENT_ID0);
    wait(PIPE_MTE2, PIPE_S, EVENT_ID0);
    transfer(PIPE_MTE3, 60, 2);
    assert_time(play_undrained(100, 1.0, &shared), 140);
}

/* Kernels of a core are one stream to each pipe. */
static void what_a_kernel_leaves_is_done_before_the_next(void **state)
{
    (void)state;
    struct shared shared = {0};
    work(PIPE_MTE3, 50);
    transfer(PIPE_MTE3, 60, 2);
    transfer(PIPE_MTE2, 5, 2);
    assert_time(play_undrained(100, 1.0, &shared), 100);
    assert_int_equal(shared.n_asked, 1); /* the load has started at 100; the store has not */
    for (int i = 0; i < 3; i++) {
        tg_pipes_begin(&pipes);
        work(PIPE_MTE2, 10);
        assert_time(play_undrained(110 + 5 * i, 1.0, &shared), 110 + 5 * i);
        assert_int_equal(shared.n_asked, 1);
    }
    assert_int_equal(pipes.n_left, 1);
    tg_pipes_begin(&pipes);
    work(PIPE_MTE3, 1);
    set(PIPE_MTE3, PIPE_S, EVENT_ID0);
    wait(PIPE_MTE3, PIPE_S, EVENT_ID0);
    assert_time(play_undrained(130, 1.0, &shared), 211); /* 150, the 60 of the store, its own 1 */
    assert_int_equal(shared.n_asked, 2);
    tg_pipes_begin(&pipes);
    assert_int_equal(pipes.n_steps, 0);
    work(PIPE_V, 7);
    assert_time(play_from(300, &shared), 307);
}

/* ---- long kernels ------------------------------------------------------------------------------------------------ */

/* Loads, work and stores with two places, ten steps a round: no pipe is far ahead of another. */
static void append_round(uint32_t round)
{
    const uint32_t place = round % 2;
    if (round >= 2) wait(PIPE_MTE3, PIPE_MTE2, place);
    transfer(PIPE_MTE2, 40 + round % 7, 64);
    set(PIPE_MTE2, PIPE_V, place);
    wait(PIPE_MTE2, PIPE_V, place);
    work_after(PIPE_V, 5, 20 + round % 11);
    set(PIPE_V, PIPE_MTE3, place);
    wait(PIPE_V, PIPE_MTE3, place);
    transfer(PIPE_MTE3, 30 + round % 5, 32 + 2 * (round % 50));
    set(PIPE_MTE3, PIPE_MTE2, place);
    if (round % 97 == 0) {
        set(PIPE_V, PIPE_S, EVENT_ID7);
        wait(PIPE_V, PIPE_S, EVENT_ID7);
    }
}

/* Play a block at a time. */
static void play_full(struct shared *shared)
{
    const struct tg_player player = {100, 1.0, pass, shared, &times};
    if (tg_pipes_are_full(&pipes)) assert_true(tg_pipes_play_block(&pipes, &player));
}

/* The end of so many rounds, played at once, or in parts: after `part` rounds each, and whenever the list is full. */
static double end_of_rounds(uint32_t rounds, uint32_t part, uint64_t *busy_ns)
{
    struct shared shared = {0};
    const struct tg_player player = {100, 1.0, pass, &shared, &times};
    tg_pipes_reset(&pipes);
    memset(&times, 0, sizeof times);
    for (uint32_t round = 0; round < rounds; round++) {
        append_round(round);
        if (part > 0 && round % part == part - 1) assert_true(tg_pipes_play_block(&pipes, &player));
    }
    barrier(PIPE_ALL);
    const double end = tg_pipes_play(&pipes, &player);
    *busy_ns = times.memory_wait_ns;
    for (int pipe = 0; pipe < TG_PIPES; pipe++) *busy_ns += times.pipe_busy_ns[pipe];
    assert_false(shared.went_back);
    return end;
}

static void parts_change_no_time(void **state)
{
    (void)state;
    uint64_t at_once_ns, in_parts_ns;
    const double at_once = end_of_rounds(1500, 0, &at_once_ns);
    for (uint32_t part = 4; part < 1500; part = part * 3 / 2) {
        assert_time(end_of_rounds(1500, part, &in_parts_ns), at_once);
        assert_int_equal(in_parts_ns, at_once_ns);
    }
}

static void a_long_list_takes_no_more_memory(void **state)
{
    (void)state;
    struct shared shared = {0};
    for (uint32_t round = 0; round < 50000; round++) {
        play_full(&shared);
        append_round(round);
        assert_true(pipes.n_steps <= 2 * TG_PIPES_BLOCK + 12 && pipes.n_globals <= pipes.n_steps);
        assert_true(pipes.n_gates <= pipes.n_steps);
    }
    assert_true(pipes.steps_max <= 4 * TG_PIPES_BLOCK && pipes.passed_max <= 4 * TG_PIPES_BLOCK);
    play_from(100, &shared);
    assert_int_equal(shared.n_asked, 100000);
}

/* A pipe that nothing holds up starts when its instruction is issued: two blocks ahead of the others at most. */
static void the_scalar_unit_is_two_blocks_ahead_at_most(void **state)
{
    (void)state;
    for (int more = 0; more < 2; more++) {
        struct shared shared = {0};
        tg_pipes_reset(&pipes);
        for (int i = 0; i < 2 * TG_PIPES_BLOCK - 1 + more; i++) {
            play_full(&shared);
            work(PIPE_V, 1);
        }
        play_full(&shared);
        transfer(PIPE_MTE2, 1, 2);
        play_full(&shared);
        barrier(PIPE_ALL);
        play_undrained(100, 1.0, &shared);
        assert_time(shared.asked_at, more ? 100 + TG_PIPES_BLOCK : 100);
    }
}

/* ---- flags ------------------------------------------------------------------------------------------------------- */

static void who_waits_goes_on_when_the_flag_was_set(void **state)
{
    (void)state;
    work(PIPE_MTE2, 100);
    set(PIPE_MTE2, PIPE_V, EVENT_ID0);
    work(PIPE_MTE2, 500); /* after the flag: nobody waits for that */
    wait(PIPE_MTE2, PIPE_V, EVENT_ID0);
    work(PIPE_V, 10);
    set(PIPE_V, PIPE_MTE3, EVENT_ID0);
    wait(PIPE_V, PIPE_MTE3, EVENT_ID0);
    work(PIPE_MTE3, 1000);
    assert_time(play(), 1110);
    assert_int_equal(times.pipe_busy_ns[PIPE_V], 10); /* waiting is not busy */
}

static void who_is_late_does_not_wait(void **state)
{
    (void)state;
    work(PIPE_MTE2, 10);
    set(PIPE_MTE2, PIPE_V, EVENT_ID1);
    work(PIPE_V, 300);
    wait(PIPE_MTE2, PIPE_V, EVENT_ID1);
    assert_time(play(), 300);
}

static void a_flag_that_nobody_set_is_not_passed(void **state)
{
    (void)state;
    assert_int_equal(order(TG_OP_WAIT_FLAG, PIPE_MTE2, PIPE_V, EVENT_ID0, 0), TG_PIPES_NO_FLAG);
    set(PIPE_MTE2, PIPE_V, EVENT_ID0);
    assert_int_equal(order(TG_OP_WAIT_FLAG, PIPE_MTE2, PIPE_V, EVENT_ID1, 0), TG_PIPES_NO_FLAG); /* another event */
    assert_int_equal(order(TG_OP_WAIT_FLAG, PIPE_V, PIPE_MTE2, EVENT_ID0, 0), TG_PIPES_NO_FLAG); /* the other way */
    assert_int_equal(order(TG_OP_WAIT_FLAG, PIPE_MTE2, PIPE_MTE3, EVENT_ID0, 0), TG_PIPES_NO_FLAG);
    wait(PIPE_MTE2, PIPE_V, EVENT_ID0);
    assert_int_equal(order(TG_OP_WAIT_FLAG, PIPE_MTE2, PIPE_V, EVENT_ID0, 0), TG_PIPES_NO_FLAG); /* it is passed once */
}

static void every_flag_is_one_of_its_own(void **state)
{
    (void)state;
    for (uint32_t from = 0; from < TG_PIPES; from++)
        for (uint32_t to = 0; to < TG_PIPES; to++)
            for (uint32_t event = 0; event < TG_EVENTS; event++) set(from, to, event);
    for (uint32_t from = 0; from < TG_PIPES; from++)
        for (uint32_t to = 0; to < TG_PIPES; to++)
            for (uint32_t event = 0; event < TG_EVENTS; event++) {
                wait(from, to, event);
                assert_int_equal(order(TG_OP_WAIT_FLAG, from, to, event, 0), TG_PIPES_NO_FLAG);
            }
}

static void a_flag_that_is_set_twice_is_passed_twice(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 3; i++) {
        work(PIPE_MTE2, 100);
        set(PIPE_MTE2, PIPE_V, EVENT_ID0);
    }
    for (uint32_t i = 0; i < 3; i++) {
        wait(PIPE_MTE2, PIPE_V, EVENT_ID0);
        work(PIPE_V, 10);
    }
    assert_time(play(), 310); /* 100 and 10, 200 and 10, 300 and 10 */
}

static void order_takes_its_cycles_on_the_right_pipe(void **state)
{
    (void)state;
    assert_int_equal(order(TG_OP_SET_FLAG, PIPE_MTE1, PIPE_M, EVENT_ID2, 3), TG_PIPES_OK);
    assert_int_equal(order(TG_OP_WAIT_FLAG, PIPE_MTE1, PIPE_M, EVENT_ID2, 5), TG_PIPES_OK);
    assert_time(play(), 8);
}

/* ---- barriers ---------------------------------------------------------------------------------------------------- */

static void a_barrier_of_all_pipes_lines_them_up(void **state)
{
    (void)state;
    work(PIPE_V, 10);
    work(PIPE_MTE2, 70);
    barrier(PIPE_ALL);
    work(PIPE_V, 5);
    work(PIPE_S, 1);
    barrier(PIPE_ALL);
    work(PIPE_MTE3, 2);
    assert_time(play(), 77);
}

static void a_barrier_of_one_pipe_holds_no_other(void **state)
{
    (void)state;
    work(PIPE_MTE2, 70);
    barrier(PIPE_V);
    work(PIPE_V, 5);
    set(PIPE_V, PIPE_S, EVENT_ID0);
    wait(PIPE_V, PIPE_S, EVENT_ID0);
    work(PIPE_S, 1);
    assert_time(play(), 70);
}

/* ---- vector instructions ----------------------------------------------------------------------------------------- */

static void vector_instructions_in_a_row_start_up_once(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) work_after(PIPE_V, 24, 6);
    assert_time(play(), 24 + 4 * 6);
}

static void a_barrier_makes_the_next_start_up_anew(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        work_after(PIPE_V, 24, 6);
        barrier(PIPE_V);
    }
    assert_time(play(), 4 * (24 + 6));
}

static void a_gap_makes_the_next_start_up_anew(void **state)
{
    (void)state;
    work(PIPE_MTE2, 500);
    set(PIPE_MTE2, PIPE_V, EVENT_ID0);
    work_after(PIPE_V, 24, 6);
    wait(PIPE_MTE2, PIPE_V, EVENT_ID0); /* V stands still here */
    work_after(PIPE_V, 24, 6);
    assert_time(play(), 500 + 30);
    tg_pipes_reset(&pipes);
    set(PIPE_MTE2, PIPE_V, EVENT_ID0);
    work_after(PIPE_V, 24, 6);
    wait(PIPE_MTE2, PIPE_V, EVENT_ID0); /* the flag was there already */
    work_after(PIPE_V, 24, 6);
    assert_time(play(), 36);
}

/* ---- transfers --------------------------------------------------------------------------------------------------- */

static void a_transfer_takes_its_own_time_or_that_of_the_memory(void **state)
{
    (void)state;
    transfer(PIPE_MTE2, 100, 40);
    assert_time(play(), 100);
    assert_int_equal(times.memory_wait_ns, 0);
    tg_pipes_reset(&pipes);
    transfer(PIPE_MTE2, 100, 400); /* the memory takes longer */
    assert_time(play(), 400);
    assert_int_equal(times.memory_wait_ns, 300);
    assert_int_equal(times.pipe_busy_ns[PIPE_MTE2], 400);
}

static void transfers_of_two_pipes_meet_in_the_memory(void **state)
{
    (void)state;
    transfer(PIPE_MTE2, 10, 200);
    transfer(PIPE_MTE3, 10, 200);
    struct shared shared = {0};
    assert_time(play_from(0, &shared), 400);
    assert_int_equal(shared.n_asked, 2);
}

static void a_busy_memory_holds_up_who_waits_for_the_transfer(void **state)
{
    (void)state;
    transfer(PIPE_MTE2, 100, 10);
    set(PIPE_MTE2, PIPE_V, EVENT_ID0);
    wait(PIPE_MTE2, PIPE_V, EVENT_ID0);
    work(PIPE_V, 10);
    struct shared shared = {.free_at = 1000}; /* other cores were first */
    assert_time(play_from(0, &shared), 1020);
    assert_int_equal(times.memory_wait_ns, 910);
}

/* Two buffers, load and compute alternating: the loads are hidden behind the longer of the two. */
static void double_buffering_hides_the_shorter_pipe(void **state)
{
    (void)state;
    enum { N = 10, LOAD = 60, COMPUTE = 100 };
    set(PIPE_V, PIPE_MTE2, EVENT_ID0);
    set(PIPE_V, PIPE_MTE2, EVENT_ID1);
    for (uint32_t i = 0; i < N; i++) {
        wait(PIPE_V, PIPE_MTE2, i % 2);
        transfer(PIPE_MTE2, LOAD, 2);
        set(PIPE_MTE2, PIPE_V, i % 2);
        wait(PIPE_MTE2, PIPE_V, i % 2);
        work(PIPE_V, COMPUTE);
        set(PIPE_V, PIPE_MTE2, i % 2);
    }
    assert_time(play(), LOAD + N * COMPUTE);
}

/* ---- any program ------------------------------------------------------------------------------------------------- */

enum { FLAGS = TG_PIPES * TG_PIPES * 2, OUTSTANDING = 4 };

/* The same program in program order: each instruction starts when it is issued, its pipe is free and what it waits for
 * has happened. */
struct plain {
    double free_at[TG_PIPES];
    double issued_at; /* when PIPE_S passed its last wait */
    double set_at[FLAGS][OUTSTANDING];
    int n_set[FLAGS], n_waited[FLAGS];
};

static void random_step(struct plain *plain, uint64_t *random)
{
    uint32_t from = ref_between(random, 0, TG_PIPES - 1), to = ref_between(random, 0, TG_PIPES - 1);
    uint32_t event = ref_between(random, 0, 1), flag = (from * TG_PIPES + to) * 2 + event;
    int outstanding = plain->n_set[flag] - plain->n_waited[flag];
    uint32_t cycles = ref_between(random, 1, 50);
    for (int i = 0; i < TG_PIPES; i++) /* who stands still needs no issue to stand still until then */
        if (plain->free_at[i] < plain->issued_at) plain->free_at[i] = plain->issued_at;
    switch (ref_between(random, 0, 9)) {
    case 0:
        barrier(PIPE_ALL);
        for (int i = 0; i < TG_PIPES; i++)
            if (plain->free_at[i] > plain->free_at[0]) plain->free_at[0] = plain->free_at[i];
        for (int i = 1; i < TG_PIPES; i++) plain->free_at[i] = plain->free_at[0];
        break;
    case 1:
    case 2:
    case 3:
        if (from == to || outstanding >= OUTSTANDING) break;
        set(from, to, event);
        plain->set_at[flag][plain->n_set[flag]++ % OUTSTANDING] = plain->free_at[from];
        break;
    case 4:
    case 5:
    case 6:
        if (outstanding == 0) break;
        wait(from, to, event);
        double time = plain->set_at[flag][plain->n_waited[flag]++ % OUTSTANDING];
        if (time > plain->free_at[to]) plain->free_at[to] = time;
        if (to == PIPE_S) plain->issued_at = plain->free_at[to];
        break;
    default:
        work((enum tg_pipe)to, cycles);
        plain->free_at[to] += cycles;
        break;
    }
}

static void any_program_takes_what_its_order_says(void **state)
{
    (void)state;
    uint64_t random = 20260310;
    for (int round = 0; round < 500; round++) {
        struct plain plain = {.n_set = {0}};
        double last = 0;
        tg_pipes_reset(&pipes);
        for (uint32_t n = ref_between(&random, 1, 400); n > 0; n--) random_step(&plain, &random);
        for (int pipe = 0; pipe < TG_PIPES; pipe++) last = plain.free_at[pipe] > last ? plain.free_at[pipe] : last;
        assert_time(play(), last);
    }
}

static void a_long_program_fits(void **state)
{
    (void)state;
    for (int i = 0; i < 100000; i++) {
        transfer(PIPE_MTE2, 2, 2);
        set(PIPE_MTE2, PIPE_V, EVENT_ID5);
        wait(PIPE_MTE2, PIPE_V, EVENT_ID5);
        work(PIPE_V, 1);
    }
    assert_time(play(), 200001);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_instruction_is_logged_where_it_was_played, begin, end),
        TEST(nothing_takes_no_time),
        TEST(one_pipe_does_one_thing_after_the_other),
        TEST(pipes_overlap),
        TEST(a_reset_forgets_the_kernel_before),
        TEST(a_wait_of_the_scalar_pipe_holds_up_every_pipe),
        TEST(waits_of_the_scalar_pipe_add_up),
        TEST(a_kernel_ends_when_its_scalar_code_returns),
        TEST(what_a_kernel_leaves_is_done_before_the_next),
        TEST(parts_change_no_time),
        TEST(a_long_list_takes_no_more_memory),
        TEST(the_scalar_unit_is_two_blocks_ahead_at_most),
        TEST(who_waits_goes_on_when_the_flag_was_set),
        TEST(who_is_late_does_not_wait),
        TEST(a_flag_that_nobody_set_is_not_passed),
        TEST(every_flag_is_one_of_its_own),
        TEST(a_flag_that_is_set_twice_is_passed_twice),
        TEST(order_takes_its_cycles_on_the_right_pipe),
        TEST(a_barrier_of_all_pipes_lines_them_up),
        TEST(a_barrier_of_one_pipe_holds_no_other),
        TEST(vector_instructions_in_a_row_start_up_once),
        TEST(a_barrier_makes_the_next_start_up_anew),
        TEST(a_gap_makes_the_next_start_up_anew),
        TEST(a_transfer_takes_its_own_time_or_that_of_the_memory),
        TEST(transfers_of_two_pipes_meet_in_the_memory),
        TEST(a_busy_memory_holds_up_who_waits_for_the_transfer),
        TEST(double_buffering_hides_the_shorter_pipe),
        TEST(any_program_takes_what_its_order_says),
        TEST(a_long_program_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
