/* order.c: the set of ended instructions, against a search through everything that orders two instructions. */
#include "check/core/order.h"
#include "common/check.h"
#include "common/instr.h"
#include "common/random.h"

enum { STEPS_MAX = 60, PIPES_USED = 4 };

static struct tg_order order;

/* One step of a random program. */
struct step {
    enum tg_op op;
    uint8_t pipe;    /* on which it is; set, wait: source, destination */
    uint8_t to;      /* set, wait: the other end */
    int matched_set; /* wait: the step that sets its flag, or -1 */
};

static struct step steps[STEPS_MAX];
static int n_steps;

static struct tg_instr instr_of(const struct step *s, uint8_t event)
{
    struct tg_instr instr = instr_at(s->op, "program.c", 1);
    bool waits = s->op == TG_OP_WAIT_FLAG;
    instr.src_pipe = waits ? s->to : s->pipe;
    instr.dst_pipe = waits ? s->pipe : s->to;
    instr.event = event;
    return instr;
}

/*
 * before[i][j]: step i has ended when step j starts. Edges between ends and starts, closed over all pairs in the order
 * of the program, which is an order of time too:
 *   - a step starts no earlier than the one before it on its pipe, unless that is a set, which nobody waits behind;
 *   - a set and a barrier start when all before them on their pipes have ended; nothing passes a barrier or a wait;
 *   - a wait starts when its set has ended.
 */
static bool started_after[STEPS_MAX][STEPS_MAX]; /* [j][i]: i had ended when j started */

static void take(int j, int from)
{
    for (int i = 0; i < n_steps; i++) started_after[j][i] |= started_after[from][i];
}

static bool on_pipe(const struct step *s, uint8_t pipe) { return s->pipe == pipe || s->pipe == PIPE_ALL; }

static void search(void)
{
    memset(started_after, 0, sizeof started_after);
    for (int j = 0; j < n_steps; j++) {
        const struct step *s = &steps[j];
        for (int i = 0; i < j; i++) {
            const struct step *e = &steps[i];
            bool same = s->pipe == PIPE_ALL || on_pipe(e, s->pipe);
            bool stops = e->op == TG_OP_PIPE_BARRIER || e->op == TG_OP_WAIT_FLAG;
            if (same && e->op != TG_OP_SET_FLAG) take(j, i);
            if (same && stops) started_after[j][i] = true;
            if (same && (s->op == TG_OP_SET_FLAG || s->op == TG_OP_PIPE_BARRIER)) started_after[j][i] = true;
        }
        if (s->op == TG_OP_WAIT_FLAG && s->matched_set >= 0) {
            take(j, s->matched_set);
            started_after[j][s->matched_set] = true;
        }
    }
}

/* Flags are named by number here: the test's own book of who set which. */
static int setter[PIPES_USED][PIPES_USED][2];

static void draw_step(uint64_t *random)
{
    struct step *s = &steps[n_steps];
    const int what = random_below(random, 10);
    uint8_t p = (uint8_t)(1 + random_below(random, PIPES_USED - 1));
    uint8_t q = (uint8_t)(1 + random_below(random, PIPES_USED - 1));
    uint8_t event = (uint8_t)random_below(random, 2);
    *s = (struct step){.op = TG_OP_TADD, .pipe = p, .to = p, .matched_set = -1};
    int *set_by = &setter[p][q][event];
    if (what < 3 && p != q && *set_by < 0) {
        s->op = TG_OP_SET_FLAG;
        s->to = q;
        *set_by = n_steps;
    } else if (what < 6 && p != q && *set_by >= 0) {
        *s = (struct step){.op = TG_OP_WAIT_FLAG, .pipe = q, .to = p, .matched_set = *set_by};
        *set_by = -1;
    } else if (what == 6) {
        s->op = TG_OP_PIPE_BARRIER;
        if (random_below(random, 4) == 0) s->pipe = s->to = PIPE_ALL;
    }
    struct tg_instr instr = instr_of(s, event);
    if (s->op == TG_OP_PIPE_BARRIER) instr.src_pipe = instr.dst_pipe = s->pipe;
    const struct tg_mark mark = tg_order_next(&order, &instr, (enum tg_pipe)s->pipe);
    if (s->op == TG_OP_SET_FLAG) assert_true(tg_order_set(&order, &instr, &mark));
    if (s->op == TG_OP_WAIT_FLAG) assert_true(tg_order_wait(&order, &instr));
    if (s->op == TG_OP_PIPE_BARRIER) tg_order_barrier(&order, s->pipe);
    n_steps++;
}

/* The order of each TADD before the next instruction of each pipe equals the search for a step appended there. */
static void compare(uint64_t seed, uint32_t first_number)
{
    for (uint8_t pipe = 1; pipe < PIPES_USED; pipe++) {
        steps[n_steps] = (struct step){.op = TG_OP_TADD, .pipe = pipe, .to = pipe, .matched_set = -1};
        n_steps++;
        search();
        n_steps--;
        for (int i = 0; i < n_steps; i++) {
            if (steps[i].op != TG_OP_TADD) continue;
            const struct tg_mark mark = {.number = first_number + (uint32_t)i, .pipe = steps[i].pipe};
            bool knows = tg_order_knows(&order, (enum tg_pipe)pipe, &mark);
            CHECK(knows == started_after[n_steps][i], "seed %llu: step %d of %d before pipe %d: %d, expected %d",
                  (unsigned long long)seed, i, n_steps, pipe, knows, started_after[n_steps][i]);
        }
    }
}

static void knowledge_is_what_a_search_finds(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        uint64_t random = seed;
        tg_order_begin(&order);
        const uint32_t first_number = order.number + 1;
        n_steps = 0;
        memset(setter, 0xFF, sizeof setter);
        while (n_steps < STEPS_MAX - 1) {
            draw_step(&random);
            if (n_steps % 7 == 0) compare(seed, first_number);
        }
    }
}

static void a_new_kernel_counts_from_one_and_finds_no_flag(void **state)
{
    (void)state;
    const struct step set = {.op = TG_OP_SET_FLAG, .pipe = PIPE_V, .to = PIPE_MTE3};
    const struct tg_instr instr = instr_of(&set, 3);
    const struct tg_mark mark = tg_order_next(&order, &instr, PIPE_V);
    assert_true(tg_order_set(&order, &instr, &mark));
    assert_false(tg_order_set(&order, &instr, &mark));
    tg_order_begin(&order);
    assert_false(tg_order_wait(&order, &instr));
    /* However long the device lives, numbers do not wrap: they begin anew with each kernel. */
    order.number = UINT32_MAX;
    tg_order_begin(&order);
    const struct tg_instr load = instr_at(TG_OP_TLOAD, "program.c", 1);
    const struct tg_mark loaded = tg_order_next(&order, &load, PIPE_MTE2);
    assert_int_equal(loaded.number, 1);
    assert_false(tg_order_knows(&order, PIPE_V, &loaded));
}

static void expect_undrained(const struct tg_mark *mark)
{
    const struct tg_mark *found = tg_order_undrained(&order);
    if (!mark) assert_null(found);
    else CHECK(found && found->number == mark->number, "%u", found ? found->number : 0);
}

static void a_kernel_is_drained_when_the_scalar_pipe_knows_that_all_has_ended(void **state)
{
    (void)state;
    const struct step out = {.op = TG_OP_SET_FLAG, .pipe = PIPE_MTE3, .to = PIPE_S};
    const struct step back = {.op = TG_OP_SET_FLAG, .pipe = PIPE_MTE3, .to = PIPE_V};
    const struct tg_instr to_s = instr_of(&out, 7), to_v = instr_of(&back, 0);
    const struct tg_instr load = instr_at(TG_OP_TLOAD, "program.c", 1), store = instr_at(TG_OP_TSTORE, "program.c", 2);
    tg_order_begin(&order);
    expect_undrained(NULL);
    const struct tg_mark loaded = tg_order_next(&order, &load, PIPE_MTE2);
    expect_undrained(&loaded);
    const struct tg_mark stored = tg_order_next(&order, &store, PIPE_MTE3);
    expect_undrained(&stored); /* of several, the one that other tasks meet */
    struct tg_mark mark = tg_order_next(&order, &to_v, PIPE_MTE3);
    assert_true(tg_order_set(&order, &to_v, &mark) && tg_order_wait(&order, &to_v));
    expect_undrained(&stored); /* V knows it: no reason for the scalar pipe to wait */
    mark = tg_order_next(&order, &to_s, PIPE_MTE3);
    assert_true(tg_order_set(&order, &to_s, &mark) && tg_order_wait(&order, &to_s));
    expect_undrained(&loaded); /* nothing handed the load on */
    const struct tg_instr all = instr_at(TG_OP_PIPE_BARRIER, "program.c", 3);
    tg_order_next(&order, &all, PIPE_S);
    tg_order_barrier(&order, PIPE_ALL);
    expect_undrained(NULL);
    mark = tg_order_next(&order, &store, PIPE_FIX);
    expect_undrained(&mark);
}

static void a_wait_of_the_scalar_pipe_holds_up_every_pipe(void **state)
{
    (void)state;
    tg_order_begin(&order);
    const struct tg_instr load = instr_at(TG_OP_TLOAD, "program.c", 1);
    const struct tg_mark loaded = tg_order_next(&order, &load, PIPE_MTE2);
    const struct step set = {.op = TG_OP_SET_FLAG, .pipe = PIPE_MTE2, .to = PIPE_S};
    const struct tg_instr instr = instr_of(&set, 0);
    const struct tg_mark mark = tg_order_next(&order, &instr, PIPE_MTE2);
    assert_true(tg_order_set(&order, &instr, &mark));
    assert_false(tg_order_knows(&order, PIPE_V, &loaded));
    assert_true(tg_order_wait(&order, &instr));
    assert_true(tg_order_knows(&order, PIPE_V, &loaded));
}

static void only_a_product_of_ten_fractals_settles(void **state)
{
    (void)state;
    struct tg_tile acc = tg_tile_acc(16, 9 * 16);
    struct tg_instr instr = instr_at(TG_OP_TMATMUL, "program.c", 1);
    instr.dst = &acc;
    assert_false(tg_order_next(&order, &instr, PIPE_M).interlocked);
    acc = tg_tile_acc(16, 10 * 16);
    assert_true(tg_order_next(&order, &instr, PIPE_M).interlocked);
    acc.valid_cols = 9 * 16; /* the valid extent counts, not the tile's capacity */
    assert_false(tg_order_next(&order, &instr, PIPE_M).interlocked);
    acc.valid_cols = 9 * 16 + 1;
    assert_true(tg_order_next(&order, &instr, PIPE_M).interlocked);
    instr.op = TG_OP_TADD;
    assert_false(tg_order_next(&order, &instr, PIPE_V).interlocked);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(knowledge_is_what_a_search_finds),
    cmocka_unit_test(a_new_kernel_counts_from_one_and_finds_no_flag),
    cmocka_unit_test(a_kernel_is_drained_when_the_scalar_pipe_knows_that_all_has_ended),
    cmocka_unit_test(a_wait_of_the_scalar_pipe_holds_up_every_pipe),
    cmocka_unit_test(only_a_product_of_ten_fractals_settles),
};

CHECK_MAIN(tests)
