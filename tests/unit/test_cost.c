/* cost.c: figures that were measured on the device, and that more work never takes less time. */
#include "common/check.h"
#include "platform/sim/cost.h"
#include "tile/rules.h"

static struct tg_sim_machine machine;

static int open_machine(void **state)
{
    (void)state;
    tg_sim_machine_default(&machine);
    return 0;
}

/* What a pipe is busy with an instruction that follows nothing. */
static uint32_t cycles_of(const struct tg_instr *instr)
{
    struct tg_cost cost = tg_instr_cost(&machine, instr);
    return cost.startup + cost.cycles;
}

/* Operands of an instruction, of one shape. */
struct sample {
    struct tg_instr instr;
    struct tg_tile tiles[4];
    struct tg_global global;
};

static bool is_sync(uint32_t op) { return op >= TG_OP_TRESHAPE; }

static bool is_cube(uint32_t op) { return op == TG_OP_TMATMUL || op == TG_OP_TMATMUL_ACC; }

static uint32_t vector_cycles(uint32_t op, uint32_t dtype, uint32_t rows, uint32_t cols)
{
    struct sample s = {.instr = tg_instr_at(op, __FILE__, __LINE__)};
    for (int i = 0; i < 4; i++) s.tiles[i] = tg_tile_vec(dtype, rows, cols);
    s.global = tg_global_nd(0, dtype, rows, cols, cols);
    s.instr.dst = op == TG_OP_TSTORE ? NULL : &s.tiles[0];
    s.instr.a = &s.tiles[1];
    s.instr.b = &s.tiles[2];
    s.instr.tmp = &s.tiles[3];
    s.instr.global = &s.global;
    if (op == TG_OP_TROWMAX || op == TG_OP_TROWSUM) s.tiles[0] = tg_tile_column(dtype, rows);
    return cycles_of(&s.instr);
}

static uint32_t product_cycles(uint32_t op, uint32_t dtype, uint32_t m, uint32_t k, uint32_t n)
{
    struct tg_tile acc = tg_tile_acc(m, n), left = tg_tile_left(dtype, m, k), right = tg_tile_right(dtype, k, n);
    struct tg_instr instr = tg_instr_at(op, __FILE__, __LINE__);
    instr.dst = &acc;
    instr.a = &left;
    instr.b = &right;
    return cycles_of(&instr);
}

static uint32_t cube_transfer_cycles(uint32_t op, uint32_t kind, uint32_t dtype, uint32_t rows, uint32_t cols)
{
    struct tg_tile tile = tg_tile_cube(kind, kind == TG_ACC ? (uint32_t)TG_FP32 : dtype, rows, cols);
    struct tg_tile mat = tg_tile_mat(dtype, rows, cols);
    struct tg_global global = tg_global_nd(0, dtype, rows, cols, cols);
    struct tg_instr instr = tg_instr_at(op, __FILE__, __LINE__);
    instr.dst = op == TG_OP_TSTORE ? NULL : &tile;
    instr.a = op == TG_OP_TSTORE ? &tile : op == TG_OP_TMOV ? &mat : NULL;
    instr.global = op == TG_OP_TMOV ? NULL : &global;
    return cycles_of(&instr);
}

/* Cycles of TMATMUL on the device, as published for these shapes. */
static void products_take_what_was_measured(void **state)
{
    (void)state;
    static const struct {
        uint32_t m, k, n, fp16, fp32;
    } measured[] = {{16, 16, 16, 7, 10}, {16, 128, 128, 70, 262}, {64, 128, 64, 134, 518}, {128, 128, 128, 518, 2054}};
    for (size_t i = 0; i < sizeof measured / sizeof measured[0]; i++)
        for (uint32_t op = TG_OP_TMATMUL; op <= TG_OP_TMATMUL_ACC; op++) {
            uint32_t m = measured[i].m, k = measured[i].k, n = measured[i].n;
            assert_int_equal(product_cycles(op, TG_FP16, m, k, n), measured[i].fp16);
            assert_int_equal(product_cycles(op, TG_BF16, m, k, n), measured[i].fp16);
            assert_int_equal(product_cycles(op, TG_FP32, m, k, n), measured[i].fp32);
        }
    assert_int_equal(product_cycles(TG_OP_TMATMUL, TG_FP16, 1, 1, 1), 7); /* a fractal is the least */
    assert_int_equal(product_cycles(TG_OP_TMATMUL, TG_FP16, 17, 17, 17), 6 + 8);
}

static void vector_instructions_count_repeats_of_256_bytes(void **state)
{
    (void)state;
    uint32_t one = vector_cycles(TG_OP_TADD, TG_FP32, 1, 64), two = vector_cycles(TG_OP_TADD, TG_FP32, 1, 128);
    assert_int_equal(vector_cycles(TG_OP_TADD, TG_FP32, 1, 1), one);
    assert_int_equal(vector_cycles(TG_OP_TADD, TG_FP32, 1, 65), two);
    assert_int_equal(vector_cycles(TG_OP_TADD, TG_FP16, 1, 128), one);
    assert_int_equal(two - one, 2); /* 2 cycles a repeat for two operands */
    assert_int_equal(vector_cycles(TG_OP_TDIV, TG_FP32, 1, 128) - vector_cycles(TG_OP_TDIV, TG_FP32, 1, 64), 4);
    assert_int_equal(vector_cycles(TG_OP_TMULS, TG_FP32, 1, 128) - vector_cycles(TG_OP_TMULS, TG_FP32, 1, 64), 1);
}

static void a_row_of_a_reduction_takes_its_time(void **state)
{
    (void)state;
    for (uint32_t op = TG_OP_TROWMAX; op <= TG_OP_TROWSUM; op++)
        assert_true(vector_cycles(op, TG_FP32, 16, 16) > vector_cycles(op, TG_FP32, 4, 64)); /* the same bytes */
}

static void order_takes_a_cycle(void **state)
{
    (void)state;
    for (uint32_t op = TG_OP_TRESHAPE; op < TG_OP_COUNT; op++) assert_int_equal(vector_cycles(op, TG_FP32, 4, 8), 1);
}

static void every_instruction_takes_time_and_more_for_more(void **state)
{
    (void)state;
    for (uint32_t op = 0; op < TG_OP_COUNT; op++) {
        if (is_sync(op) || is_cube(op)) continue;
        uint32_t before = 0;
        for (uint32_t cols = 8; cols <= 512; cols *= 2) {
            uint32_t cycles = vector_cycles(op, TG_FP32, 16, cols);
            if (cycles < 2 || cycles < before) fail_msg("%s of %u columns: %u cycles", tg_op_name(op), cols, cycles);
            before = cycles;
        }
        if (op != TG_OP_TROWEXPAND) assert_true(before > vector_cycles(op, TG_FP32, 16, 8)); /* that one goes by rows */
        assert_true(vector_cycles(op, TG_FP16, 16, 512) <= before);
    }
    for (uint32_t n = 16; n < 256; n += 16)
        assert_true(product_cycles(TG_OP_TMATMUL, TG_FP16, n + 16, n, n) >
                    product_cycles(TG_OP_TMATMUL, TG_FP16, n, n, n));
}

static void transfers_of_the_cube_have_paths_of_their_own(void **state)
{
    (void)state;
    static const struct {
        uint32_t op, kind;
    } paths[] = {{TG_OP_TLOAD, TG_MAT}, {TG_OP_TMOV, TG_LEFT}, {TG_OP_TMOV, TG_RIGHT}, {TG_OP_TSTORE, TG_ACC}};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        uint32_t small = cube_transfer_cycles(paths[i].op, paths[i].kind, TG_FP32, 16, 16);
        uint32_t large = cube_transfer_cycles(paths[i].op, paths[i].kind, TG_FP32, 128, 128);
        assert_true(small >= 4 && large > small);
    }
    /* What device memory is moved counts, not what the accumulator holds. */
    assert_true(cube_transfer_cycles(TG_OP_TSTORE, TG_ACC, TG_FP16, 128, 128) <
                cube_transfer_cycles(TG_OP_TSTORE, TG_ACC, TG_FP32, 128, 128));
    assert_true(cube_transfer_cycles(TG_OP_TMOV, TG_RIGHT, TG_FP16, 128, 128) >
                cube_transfer_cycles(TG_OP_TMOV, TG_LEFT, TG_FP16, 128, 128));
}

static void only_transfers_move_device_memory(void **state)
{
    (void)state;
    struct tg_tile vec = tg_tile_vec(TG_FP32, 10, 20), half = tg_tile_vec(TG_FP16, 10, 20), acc = tg_tile_acc(10, 20);
    struct tg_global global = tg_global_nd(0, TG_FP32, 10, 20, 20);
    struct tg_instr instr = tg_instr_at(TG_OP_TLOAD, __FILE__, __LINE__);
    instr.dst = &vec;
    instr.global = &global;
    assert_int_equal(tg_instr_cost(&machine, &instr).gm_bytes, 800); /* of the valid part */
    instr = tg_instr_at(TG_OP_TSTORE, __FILE__, __LINE__);
    instr.a = &acc;
    instr.global = &global;
    assert_int_equal(tg_instr_cost(&machine, &instr).gm_bytes, 800);
    global.dtype = TG_BF16; /* as it arrives there */
    assert_int_equal(tg_instr_cost(&machine, &instr).gm_bytes, 400);
    instr = tg_instr_at(TG_OP_TCVT, __FILE__, __LINE__);
    instr.dst = &half;
    instr.a = &vec;
    assert_int_equal(tg_instr_cost(&machine, &instr).gm_bytes, 0);
}

static void only_vector_instructions_start_up(void **state)
{
    (void)state;
    struct tg_tile tile = tg_tile_vec(TG_FP32, 10, 20);
    struct tg_instr instr = tg_instr_at(TG_OP_TADD, __FILE__, __LINE__);
    instr.dst = instr.a = instr.b = &tile;
    assert_int_equal(tg_instr_cost(&machine, &instr).startup, 24);
    assert_int_equal(tg_instr_cost(&machine, &instr).cycles, 2 * 4); /* 800 bytes are four repeats */
    instr = tg_instr_at(TG_OP_SET_FLAG, __FILE__, __LINE__);
    assert_int_equal(tg_instr_cost(&machine, &instr).startup, 0);
}

static void the_machine_decides(void **state)
{
    (void)state;
    uint32_t load = cube_transfer_cycles(TG_OP_TLOAD, TG_MAT, TG_FP32, 128, 128);
    uint32_t product = product_cycles(TG_OP_TMATMUL, TG_FP16, 128, 128, 128);
    machine.gm_to_l1_rate *= 2;
    machine.matmul_fractal *= 3;
    uint32_t faster = cube_transfer_cycles(TG_OP_TLOAD, TG_MAT, TG_FP32, 128, 128);
    assert_in_range(faster, load / 2 - 1, load / 2 + (uint32_t)machine.gm_to_l1_fixed);
    assert_int_equal(product_cycles(TG_OP_TMATMUL, TG_FP16, 128, 128, 128), 3 * (product - 6) + 6);
    tg_sim_machine_default(&machine);
}

/* The builder's published time for a task with its edges and its publication: 0.47 to 0.51 us. */
static void building_a_task_takes_what_was_measured(void **state)
{
    (void)state;
    double task = machine.add_task + 1.5 * machine.add_edge + machine.publish_task;
    CHECK(task >= 450 && task <= 530, "%f ns", task);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_take_what_was_measured),
        cmocka_unit_test(vector_instructions_count_repeats_of_256_bytes),
        cmocka_unit_test(a_row_of_a_reduction_takes_its_time),
        cmocka_unit_test(order_takes_a_cycle),
        cmocka_unit_test(every_instruction_takes_time_and_more_for_more),
        cmocka_unit_test(transfers_of_the_cube_have_paths_of_their_own),
        cmocka_unit_test(only_transfers_move_device_memory),
        cmocka_unit_test(only_vector_instructions_start_up),
        cmocka_unit_test(the_machine_decides),
        cmocka_unit_test(building_a_task_takes_what_was_measured),
    };
    return cmocka_run_group_tests(tests, open_machine, NULL);
}
