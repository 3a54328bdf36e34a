/*
 * reorder.c: a kernel whose flags and barriers put its accesses in order gives the same bytes in every order; one that
 * lacks one of them gives others.
 */
#include <stdlib.h>

#include "common/check.h"
#include "machine/sim/reorder.h"
#include "tile/execute.h"
#include "tile/rules.h"

enum { ROWS = 8, COLS = 16, N = ROWS * COLS, N_GM = 4, ALL = 0 };
enum order { PROGRAM, LATE, EARLY, ORDERS };

static struct tg_reorder reorder;
static struct tg_buffers buffers;
static uint8_t *memory;
static size_t n_memory;
static float gm[N_GM][N]; /* device memory: 0 and 1 are read, 2 and 3 written */
static enum order order;
static enum tg_core_type core;
static int omitted; /* the number of what the kernel leaves out */

static int allocate(void **state)
{
    (void)state;
    const size_t bytes[] = {TG_L1_BYTES, TG_L0A_BYTES, TG_L0B_BYTES, TG_L0C_BYTES, TG_UB_BYTES};
    n_memory = TG_SCRATCH_BYTES;
    for (int kind = 0; kind < 5; kind++) n_memory += bytes[kind];
    memory = malloc(n_memory);
    if (!memory) return -1;
    uint8_t *at = memory;
    for (int kind = 0; kind < 5; at += bytes[kind++]) buffers.of_kind[kind] = at;
    buffers.scratch = (float *)(void *)at;
    buffers.variant = tg_tile_variant_at(0);
    return 0;
}

static int release(void **state)
{
    (void)state;
    tg_reorder_fini(&reorder);
    free(memory);
    return 0;
}

static void issue(const struct tg_instr *instr)
{
    char why[256];
    CHECK(tg_rules_check(instr, core, why, sizeof why), "%s", why);
    if (order == PROGRAM) tg_execute(instr, &buffers);
    else assert_true(tg_reorder_add(&reorder, instr, tg_op_pipe(instr)));
}

static void announce_order(uint32_t op, uint32_t src_pipe, uint32_t dst_pipe, uint32_t event, const char *file,
                           int line)
{
    const struct tg_instr instr = tg_instr_of_order(op, src_pipe, dst_pipe, event, file, line);
    issue(&instr);
}

/* What tile.h's macros announce an instruction to. */
static const struct tg_tile_isa isa = {.abi = TG_TILE_ABI, .issue = issue, .order = announce_order};
const struct tg_tile_isa *tg_tile_isa = &isa;

/* Part `number` of a kernel, unless it is left out. */
#define PART(number, what) ((number) == omitted ? (void)0 : (what))

typedef void kernel_fn(void);

/* Run it in an order; buffers hold zeros before. */
static void run(kernel_fn *kernel, enum order how)
{
    order = how;
    memset(memory, 0, n_memory);
    memset(gm, 0xFF, sizeof gm);
    for (int i = 0; i < N; i++) {
        gm[0][i] = (float)i;
        gm[1][i] = (float)(i * 2 + 1000);
    }
    if (how != PROGRAM) tg_reorder_begin(&reorder, &buffers, NULL, how == EARLY);
    kernel();
    if (how != PROGRAM) assert_true(tg_reorder_end(&reorder));
    tg_reorder_land(&reorder);
}

/* Whether it gives other bytes than in its own order. */
static bool differs(kernel_fn *kernel, enum order how)
{
    float right[N_GM][N];
    run(kernel, PROGRAM);
    memcpy(right, gm, sizeof gm);
    run(kernel, how);
    return memcmp(right, gm, sizeof gm) != 0;
}

static void expect_right(kernel_fn *kernel)
{
    omitted = ALL;
    assert_false(differs(kernel, LATE));
    assert_false(differs(kernel, EARLY));
}

/* Without part `number` one of the orders shows it, and that is `how`. */
static void expect_shown(kernel_fn *kernel, int number, enum order how)
{
    omitted = number;
    CHECK(differs(kernel, how), "without part %d the result is right", number);
    omitted = ALL;
}

static struct tg_global matrix(int idx)
{
    return tg_global_nd((uint64_t)(uintptr_t)gm[idx], TG_FP32, ROWS, COLS, COLS);
}

static struct tg_tile vec(uint32_t idx)
{
    struct tg_tile tile = tg_tile_vec(TG_FP32, ROWS, COLS);
    TASSIGN(tile, idx * N * 4);
    return tile;
}

/* ---- a vector core ----------------------------------------------------------------------------------------------- */

/* (x + 1) * 2 and y + 3, through one place for what is loaded and one for the result. */
static void vector_kernel(void)
{
    const struct tg_global x = matrix(0), y = matrix(1), first = matrix(2), second = matrix(3);
    const struct tg_tile a = vec(0), b = vec(1);
    TLOAD(a, x);
    set_flag(PIPE_MTE2, PIPE_V, 0);
    PART(1, wait_flag(PIPE_MTE2, PIPE_V, 0));
    TADDS(b, a, 1);
    set_flag(PIPE_V, PIPE_MTE2, 1);
    PART(2, pipe_barrier(PIPE_V));
    TMULS(b, b, 2);
    set_flag(PIPE_V, PIPE_MTE3, 0);
    PART(3, wait_flag(PIPE_V, PIPE_MTE3, 0));
    TSTORE(first, b);
    set_flag(PIPE_MTE3, PIPE_V, 0);

    PART(4, wait_flag(PIPE_V, PIPE_MTE2, 1));
    TLOAD(a, y);
    set_flag(PIPE_MTE2, PIPE_V, 2);
    PART(5, wait_flag(PIPE_MTE2, PIPE_V, 2));
    PART(6, wait_flag(PIPE_MTE3, PIPE_V, 0));
    TADDS(b, a, 3);
    set_flag(PIPE_V, PIPE_MTE3, 1);
    PART(7, wait_flag(PIPE_V, PIPE_MTE3, 1));
    TSTORE(second, b);
}

/* The scalar unit reads an element, and the kernel goes on with it at once. */
static void value_kernel(void)
{
    const struct tg_global x = matrix(0), first = matrix(2);
    const struct tg_tile a = vec(0);
    TLOAD(a, x);
    set_flag(PIPE_MTE2, PIPE_S, 0);
    PART(1, wait_flag(PIPE_MTE2, PIPE_S, 0));
    const double value = TGETVAL(a, 5);
    TSETVAL(a, 0, value * 10);
    set_flag(PIPE_S, PIPE_MTE3, 1);
    PART(2, wait_flag(PIPE_S, PIPE_MTE3, 1));
    TSTORE(first, a);
}

static void a_value_is_that_which_its_flags_promise(void **state)
{
    (void)state;
    run(value_kernel, PROGRAM);
    assert_true(gm[2][0] == 50 && gm[2][1] == 1);
    expect_right(value_kernel);
    expect_shown(value_kernel, 1, LATE);
    expect_shown(value_kernel, 2, LATE);
}

static void what_a_vector_core_hands_over_needs_its_flags(void **state)
{
    (void)state;
    core = TG_AIV;
    expect_right(vector_kernel);
    expect_shown(vector_kernel, 1, LATE);
    expect_shown(vector_kernel, 2, LATE);
    expect_shown(vector_kernel, 3, LATE);
    expect_shown(vector_kernel, 4, EARLY);
    expect_shown(vector_kernel, 5, LATE);
    expect_shown(vector_kernel, 6, EARLY);
    expect_shown(vector_kernel, 7, LATE);
}

/* Twice to one place. */
static void overwriting_kernel(void)
{
    const struct tg_global out = matrix(2);
    const struct tg_tile a = vec(0);
    TEXPANDS(a, 1);
    PART(1, pipe_barrier(PIPE_V));
    TEXPANDS(a, 2);
    set_flag(PIPE_V, PIPE_MTE3, 0);
    wait_flag(PIPE_V, PIPE_MTE3, 0);
    TSTORE(out, a);
}

static void the_later_of_two_writes_needs_a_barrier(void **state)
{
    (void)state;
    core = TG_AIV;
    expect_right(overwriting_kernel);
    assert_true(gm[2][0] == 2);
    expect_shown(overwriting_kernel, 1, LATE);
}

/* The scratch tile of a reduction is read. */
static void scratch_kernel(void)
{
    const struct tg_global x = matrix(0), out = matrix(2);
    const struct tg_tile a = vec(0), scratch = vec(1), b = vec(2);
    struct tg_tile column = tg_tile_column(TG_FP32, ROWS);
    TASSIGN(column, 3 * N * 4);
    TLOAD(a, x);
    set_flag(PIPE_MTE2, PIPE_V, 0);
    wait_flag(PIPE_MTE2, PIPE_V, 0);
    TMOV(scratch, a);
    pipe_barrier(PIPE_V);
    TROWMAX(column, a, scratch);
    pipe_barrier(PIPE_V);
    TMOV(b, scratch);
    set_flag(PIPE_V, PIPE_MTE3, 0);
    wait_flag(PIPE_V, PIPE_MTE3, 0);
    TSTORE(out, b);
}

static void scratch_holds_nothing_afterwards(void **state)
{
    (void)state;
    core = TG_AIV;
    assert_true(differs(scratch_kernel, LATE));
    assert_true(differs(scratch_kernel, EARLY));
}

static void unwritten_kernel(void)
{
    const struct tg_global out = matrix(2);
    const struct tg_tile a = vec(0);
    TSTORE(out, a);
}

static void what_an_earlier_task_left_is_no_result(void **state)
{
    (void)state;
    core = TG_AIV;
    assert_true(differs(unwritten_kernel, LATE));
    assert_true(differs(unwritten_kernel, EARLY));
}

/* ---- a cube core ------------------------------------------------------------------------------------------------- */

/* x y^T twice into one accumulator, of m rows and columns; x and y are read as [m][8]. */
static void products(uint32_t m)
{
    const uint64_t from[2] = {(uint64_t)(uintptr_t)gm[0], (uint64_t)(uintptr_t)gm[1]};
    const struct tg_global x = tg_global_nd(from[0], TG_FP32, m, 8, 1), y = tg_global_nd(from[1], TG_FP32, 8, m, 8);
    const struct tg_global out = tg_global_nd((uint64_t)(uintptr_t)gm[2], TG_FP32, ROWS, COLS, COLS);
    struct tg_tile x_l1 = tg_tile_mat(TG_FP32, m, 8), x_l0a = tg_tile_left(TG_FP32, m, 8);
    struct tg_tile y_l1 = tg_tile_mat(TG_FP32, 8, m), y_l0b = tg_tile_right(TG_FP32, 8, m);
    struct tg_tile acc = tg_tile_acc(m, m), part = tg_tile_acc(ROWS, COLS);
    TASSIGN(x_l1, 0);
    TASSIGN(y_l1, tg_tile_bytes(&x_l1));
    TASSIGN(x_l0a, 0);
    TASSIGN(y_l0b, 0);
    TASSIGN(acc, 0);
    TASSIGN(part, 0);
    TLOAD(x_l1, x);
    TLOAD(y_l1, y);
    set_flag(PIPE_MTE2, PIPE_MTE1, 0);
    PART(1, wait_flag(PIPE_MTE2, PIPE_MTE1, 0));
    TMOV(x_l0a, x_l1);
    TMOV(y_l0b, y_l1);
    set_flag(PIPE_MTE1, PIPE_M, 0);
    PART(2, wait_flag(PIPE_MTE1, PIPE_M, 0));
    TMATMUL(acc, x_l0a, y_l0b);
    PART(3, pipe_barrier(PIPE_M));
    TMATMUL_ACC(acc, x_l0a, y_l0b);
    set_flag(PIPE_M, PIPE_FIX, 0);
    PART(4, wait_flag(PIPE_M, PIPE_FIX, 0));
    part.rows = acc.rows;
    TSTORE(out, part);
}

static void small_products(void) { products(16); }
static void large_products(void) { products(64); }

static void what_a_cube_core_hands_over_needs_its_flags(void **state)
{
    (void)state;
    core = TG_AIC;
    expect_right(small_products);
    for (int part = 1; part <= 4; part++) expect_shown(small_products, part, LATE);
}

static void a_large_product_settles_before_the_next(void **state)
{
    (void)state;
    core = TG_AIC;
    omitted = 3;
    assert_false(differs(large_products, LATE));
    omitted = ALL;
}

/* ---- order by other means ---------------------------------------------------------------------------------------- */

/* The scalar unit waits, and with it everything that it has not issued yet. */
static void scalar_kernel(void)
{
    const struct tg_global x = matrix(0), out = matrix(2);
    const struct tg_tile a = vec(0);
    TLOAD(a, x);
    set_flag(PIPE_MTE2, PIPE_S, 3);
    PART(1, wait_flag(PIPE_MTE2, PIPE_S, 3));
    TADDS(a, a, 1);
    set_flag(PIPE_V, PIPE_S, 3);
    PART(2, wait_flag(PIPE_V, PIPE_S, 3));
    TSTORE(out, a);
}

static void a_wait_of_the_scalar_unit_orders_all_pipes(void **state)
{
    (void)state;
    core = TG_AIV;
    expect_right(scalar_kernel);
    expect_shown(scalar_kernel, 1, LATE);
    expect_shown(scalar_kernel, 2, LATE);
}

static void barrier_kernel(void)
{
    const struct tg_global x = matrix(0), out = matrix(2);
    const struct tg_tile a = vec(0);
    TLOAD(a, x);
    PART(1, pipe_barrier(PIPE_ALL));
    TADDS(a, a, 1);
    PART(2, pipe_barrier(PIPE_ALL));
    TSTORE(out, a);
}

static void a_barrier_of_all_pipes_orders_them(void **state)
{
    (void)state;
    core = TG_AIV;
    expect_right(barrier_kernel);
    expect_shown(barrier_kernel, 1, LATE);
    expect_shown(barrier_kernel, 2, LATE);
}

/* The flag that is missing holds up nothing: it is not what is found here. */
static void unset_kernel(void)
{
    const struct tg_global x = matrix(0), out = matrix(2);
    const struct tg_tile a = vec(0);
    TLOAD(a, x);
    wait_flag(PIPE_MTE2, PIPE_V, 5);
    pipe_barrier(PIPE_ALL);
    TSTORE(out, a);
}

static void a_wait_for_a_flag_that_nobody_sets_is_passed(void **state)
{
    (void)state;
    core = TG_AIV;
    expect_right(unset_kernel);
    assert_true(gm[2][5] == 5);
}

/* More instructions than are kept at once, with a flag that is always set. */
static void long_kernel(void)
{
    const struct tg_global x = matrix(0), out = matrix(2);
    const struct tg_tile a = vec(0);
    TLOAD(a, x);
    set_flag(PIPE_MTE2, PIPE_V, 0);
    wait_flag(PIPE_MTE2, PIPE_V, 0);
    set_flag(PIPE_V, PIPE_MTE3, 0);
    for (uint32_t i = 0; i < 12345; i++) {
        TADDS(a, a, 1);
        set_flag(PIPE_MTE2, PIPE_MTE3, 1 + i % 2);
        PART(1, pipe_barrier(PIPE_V));
        wait_flag(PIPE_MTE2, PIPE_MTE3, 1 + i % 2);
    }
    wait_flag(PIPE_V, PIPE_MTE3, 0);
    TSTORE(out, a);
}

static void a_long_kernel_is_executed_in_pieces(void **state)
{
    (void)state;
    core = TG_AIV;
    expect_right(long_kernel);
    assert_true(gm[2][7] == 12345 + 7);
    expect_shown(long_kernel, 1, LATE);
}

/* ---- the end of a kernel, and plain accesses --------------------------------------------------------------------- */

/* matrix `to` = matrix `from` + 1; part 1 drains, part 2 waits by the scalar pipe for the store. */
static void increment(int from, int to)
{
    const struct tg_global x = matrix(from), out = matrix(to);
    const struct tg_tile a = vec(0);
    TLOAD(a, x);
    set_flag(PIPE_MTE2, PIPE_V, 0);
    wait_flag(PIPE_MTE2, PIPE_V, 0);
    TADDS(a, a, 1);
    set_flag(PIPE_V, PIPE_MTE3, 0);
    wait_flag(PIPE_V, PIPE_MTE3, 0);
    TSTORE(out, a);
    set_flag(PIPE_MTE3, PIPE_V, 0);
    wait_flag(PIPE_MTE3, PIPE_V, 0); /* V has waited: that does not hold up the kernel's end */
    PART(1, TDRAIN());
}

static void one_after_the_other(void)
{
    increment(0, 2);
    if (order != PROGRAM) {
        assert_true(tg_reorder_end(&reorder));
        tg_reorder_begin(&reorder, &buffers, NULL, order == EARLY);
    }
    increment(2, 3);
}

static void a_successor_reads_old_bytes_of_a_store_that_was_not_waited_for(void **state)
{
    (void)state;
    core = TG_AIV;
    expect_right(one_after_the_other);
    assert_true(gm[3][5] == 7);
    expect_shown(one_after_the_other, 1, LATE);
    omitted = 1;
    run(one_after_the_other, LATE);
    assert_true(gm[2][5] == 6); /* in the end everything has landed */
    omitted = ALL;
}

/* Reads by plain C what it has stored, and overwrites what it has loaded. */
static void plain_kernel(void)
{
    const struct tg_global x = matrix(0), tmp = matrix(2), out = matrix(3);
    const struct tg_tile a = vec(0), b = vec(1);
    TLOAD(a, x);
    set_flag(PIPE_MTE2, PIPE_MTE3, 0);
    wait_flag(PIPE_MTE2, PIPE_MTE3, 0);
    TSTORE(tmp, a);
    set_flag(PIPE_MTE3, PIPE_S, 0);
    PART(1, wait_flag(PIPE_MTE3, PIPE_S, 0));
    const float last = gm[2][N - 1];
    TEXPANDS(b, last == last ? last : -1.0f);
    set_flag(PIPE_V, PIPE_MTE3, 1);
    wait_flag(PIPE_V, PIPE_MTE3, 1);
    TSTORE(out, b);
    TDRAIN();
}

static void a_plain_load_finds_what_the_scalar_pipe_has_waited_for(void **state)
{
    (void)state;
    core = TG_AIV;
    expect_right(plain_kernel);
    assert_true(gm[3][0] == N - 1);
    expect_shown(plain_kernel, 1, LATE);
}

static void padding_kernel(void)
{
    const struct tg_global x = tg_global_nd((uint64_t)(uintptr_t)gm[0], TG_FP32, ROWS, 5, COLS), out = matrix(2);
    const struct tg_tile whole = vec(0);
    struct tg_tile part = whole;
    part.valid_cols = 5;
    TEXPANDS(whole, 1);
    set_flag(PIPE_V, PIPE_MTE2, 0);
    wait_flag(PIPE_V, PIPE_MTE2, 0);
    TLOAD(part, x);
    TDRAIN();
    TSTORE(out, whole);
    TDRAIN();
}

static void a_load_leaves_the_rest_of_its_32_bytes_undefined(void **state)
{
    (void)state;
    core = TG_AIV;
    for (enum order how = LATE; how <= EARLY; how++) {
        run(padding_kernel, how);
        for (int i = 0; i < COLS; i++)
            CHECK(i < 5   ? gm[2][i] == (float)i
                  : i < 8 ? gm[2][i] != gm[2][i]
                          : gm[2][i] == 1,
                  "column %d: %f", i, (double)gm[2][i]);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_vector_core_hands_over_needs_its_flags),
        cmocka_unit_test(a_value_is_that_which_its_flags_promise),
        cmocka_unit_test(the_later_of_two_writes_needs_a_barrier),
        cmocka_unit_test(scratch_holds_nothing_afterwards),
        cmocka_unit_test(what_an_earlier_task_left_is_no_result),
        cmocka_unit_test(what_a_cube_core_hands_over_needs_its_flags),
        cmocka_unit_test(a_large_product_settles_before_the_next),
        cmocka_unit_test(a_wait_of_the_scalar_unit_orders_all_pipes),
        cmocka_unit_test(a_barrier_of_all_pipes_orders_them),
        cmocka_unit_test(a_wait_for_a_flag_that_nobody_sets_is_passed),
        cmocka_unit_test(a_long_kernel_is_executed_in_pieces),
        cmocka_unit_test(a_successor_reads_old_bytes_of_a_store_that_was_not_waited_for),
        cmocka_unit_test(a_plain_load_finds_what_the_scalar_pipe_has_waited_for),
        cmocka_unit_test(a_load_leaves_the_rest_of_its_32_bytes_undefined),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, allocate, release);
}
