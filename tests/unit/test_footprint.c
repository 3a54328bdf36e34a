/* footprint.c: which bytes an instruction uses, against the elements one by one. */
#include "check/core/footprint.h"
#include "common/check.h"
#include "common/instr.h"
#include "common/random.h"
#include "tile/buffers.h"

static uint8_t meant[TG_L1_BYTES];

/* Mark the bytes of each valid element of a Vec or Acc tile. */
static void mark_elements(const struct tg_tile *t, uint8_t bit)
{
    const uint32_t bytes = tg_dtype_bytes(t->dtype);
    for (uint32_t r = 0; r < t->valid_rows; r++)
        for (uint32_t c = 0; c < t->valid_cols; c++) {
            uint32_t at = t->layout == TG_ROW_MAJOR ? r * t->cols + c : c * t->rows + r;
            if (t->kind == TG_ACC) at = tg_at_nz(t->rows, 16, r, c);
            for (uint32_t i = 0; i < bytes; i++) meant[t->offset + at * bytes + i] |= bit;
        }
}

static struct tg_tile draw_tile(uint64_t *random)
{
    const uint32_t rows = 1 + (uint32_t)random_below(random, 20), cols = 1 + (uint32_t)random_below(random, 40);
    const uint32_t dtype = random_chance(random, 50) ? TG_FP32 : TG_FP16;
    struct tg_tile t = tg_tile_vec(dtype, rows, cols);
    if (random_chance(random, 30)) t = tg_tile_column(dtype, rows);
    if (random_chance(random, 30)) t.valid_cols = 1 + (uint32_t)random_below(random, (int)t.valid_cols);
    t.offset = 32u * (uint32_t)random_below(random, 40);
    return t;
}

static void runs_are_the_bytes_of_valid_elements(void **state)
{
    (void)state;
    uint64_t random = 1;
    for (int n = 0; n < 500; n++) {
        struct tg_tile t = draw_tile(&random);
        struct tg_bytes run, last = {0, 0};
        memset(meant, 0, sizeof meant);
        mark_elements(&t, 1);
        for (uint32_t i = 0; tg_tile_run(&t, i, &run); i++) {
            assert_true(run.low >= last.high && run.high > run.low);
            for (uint32_t at = run.low; at < run.high; at++) CHECK(meant[at]++ == 1, "tile %d, byte %u", n, at);
            last = run;
        }
        for (size_t at = 0; at < sizeof meant; at++) CHECK(meant[at] != 1, "tile %d, byte %zu is in no run", n, at);
        const struct tg_bytes span = tg_tile_span(&t), extent = tg_tile_extent(&t);
        assert_int_equal(meant[span.low], 2);
        assert_int_equal(meant[span.high - 1], 2);
        assert_int_equal(span.high, last.high);
        assert_true(extent.low == t.offset && extent.high == t.offset + tg_tile_bytes(&t) && span.high <= extent.high);
    }
}

static void an_accumulator_is_its_columns_of_fractals(void **state)
{
    (void)state;
    struct tg_tile t = tg_tile_acc(5, 40);
    TASSIGN(t, 1024);
    struct tg_bytes run;
    memset(meant, 0, sizeof meant);
    mark_elements(&t, 1);
    uint32_t n = 0;
    for (; tg_tile_run(&t, n, &run); n++)
        for (uint32_t at = run.low; at < run.high; at++) meant[at] |= 2;
    assert_int_equal(n, 3);
    /* Whole rows of fractals: the last one has columns that are not valid. */
    for (size_t at = 0; at < sizeof meant; at++) assert_true(meant[at] != 1);
}

static void tiles_meet_where_they_mean_the_same_bytes(void **state)
{
    (void)state;
    uint64_t random = 2;
    int n_meetings = 0;
    for (int n = 0; n < 2000; n++) {
        const struct tg_tile a = draw_tile(&random), b = draw_tile(&random);
        struct tg_bytes common = {0, 0};
        memset(meant, 0, 8192);
        mark_elements(&a, 1);
        mark_elements(&b, 2);
        bool both = false;
        for (uint32_t at = 0; at < 8192 && !both; at++) both = meant[at] == 3;
        CHECK(tg_tiles_meet(&a, &b, &common) == both, "pair %d", n);
        n_meetings += both;
        for (uint32_t at = common.low; both && at < common.high; at++) assert_int_equal(meant[at], 3);
    }
    assert_true(n_meetings > 200 && n_meetings < 1800);
}

static void cube_tiles_are_used_whole(void **state)
{
    (void)state;
    struct tg_tile t = tg_tile_mat(TG_FP16, 5, 7);
    TASSIGN(t, 64);
    const struct tg_bytes span = tg_tile_span(&t);
    assert_int_equal(span.low, 64);
    assert_int_equal(span.high, 64 + 16 * 16 * 2);
}

static void instructions_use_their_operands(void **state)
{
    (void)state;
    struct tg_tile dst = tg_tile_acc(16, 16), a = tg_tile_left(TG_FP32, 16, 16), b = tg_tile_right(TG_FP32, 16, 16);
    struct tg_operand o[TG_OPERANDS_MAX];
    struct tg_instr instr = instr_at(TG_OP_TMATMUL, __FILE__, __LINE__);
    instr.dst = &dst;
    instr.a = &a;
    instr.b = &b;
    assert_int_equal(tg_footprint(&instr, o), 3);
    assert_true(o[0].tile == &a && o[0].use == TG_USE_READ && o[2].tile == &dst && o[2].use == TG_USE_WRITE);
    instr.op = TG_OP_TMATMUL_ACC;
    assert_int_equal(tg_footprint(&instr, o), 4);
    assert_true(o[2].tile == &dst && o[2].use == TG_USE_READ && o[3].tile == &dst && o[3].use == TG_USE_WRITE);
    instr.op = TG_OP_TROWMAX;
    instr.b = NULL;
    instr.tmp = &b;
    assert_int_equal(tg_footprint(&instr, o), 3);
    assert_true(o[1].tile == &b && o[1].use == TG_USE_SCRATCH);
    instr.op = TG_OP_TRESHAPE;
    assert_int_equal(tg_footprint(&instr, o), 0);
    instr = instr_at(TG_OP_PIPE_BARRIER, __FILE__, __LINE__);
    assert_int_equal(tg_footprint(&instr, o), 0);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(runs_are_the_bytes_of_valid_elements),
    cmocka_unit_test(an_accumulator_is_its_columns_of_fractals),
    cmocka_unit_test(tiles_meet_where_they_mean_the_same_bytes),
    cmocka_unit_test(cube_tiles_are_used_whole),
    cmocka_unit_test(instructions_use_their_operands),
};

CHECK_MAIN(tests)
