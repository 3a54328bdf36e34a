/* footprint.c: which bytes an instruction uses, against the elements one by one. */
#include "common/check.h"
#include "common/instr.h"
#include "common/random.h"
#include "tile/buffers.h"
#include "tile/footprint.h"

static uint8_t meant[TG_L1_BYTES];

/* Mark the bytes of each valid element. */
static void mark_elements(const struct tg_tile *t, uint8_t bit)
{
    const uint32_t bytes = tg_dtype_bytes(t->dtype);
    for (uint32_t r = 0; r < t->valid_rows; r++)
        for (uint32_t c = 0; c < t->valid_cols; c++)
            for (uint32_t i = 0; i < bytes; i++) meant[t->offset + tg_element_at(t, r, c) * bytes + i] |= bit;
}

static uint32_t up_to(uint64_t *random, uint32_t most) { return 1 + (uint32_t)random_below(random, (int)most); }

static struct tg_tile draw_tile(uint64_t *random)
{
    const uint32_t rows = up_to(random, 20), cols = up_to(random, 40);
    const uint32_t dtype = random_chance(random, 50) ? TG_FP32 : TG_FP16;
    struct tg_tile t = tg_tile_vec(dtype, rows, cols);
    if (random_chance(random, 30)) t = tg_tile_column(dtype, rows);
    if (random_chance(random, 30)) t.valid_cols = up_to(random, t.valid_cols);
    if (random_chance(random, 30)) t.valid_rows = up_to(random, t.valid_rows);
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
    }
}

/* Runs of a cube tile are whole rows of fractals, or whole fractals: what they hold beside valid elements is padding
 * that lies in the same fractals. */
static void a_cube_tile_is_its_fractals(void **state)
{
    (void)state;
    uint64_t random = 7;
    for (int n = 0; n < 500; n++) {
        const uint32_t kind = (uint32_t)random_below(&random, TG_VEC);
        const uint32_t dtype = kind != TG_ACC && random_chance(&random, 50) ? TG_FP16 : TG_FP32;
        struct tg_tile t = tg_tile_cube(kind, dtype, up_to(&random, 70), up_to(&random, 70)), rounded;
        t.valid_rows = up_to(&random, t.rows);
        t.valid_cols = up_to(&random, t.cols);
        t.offset = 512u * (uint32_t)random_below(&random, 4);
        if (kind == TG_MAT && random_chance(&random, 50)) t.layout = TG_COL_MAJOR; /* ZN, as Right */
        rounded = t;
        const uint32_t width = tg_fractal_cols(dtype);
        const bool zn = kind == TG_RIGHT || t.layout == TG_COL_MAJOR;
        rounded.valid_cols = tg_round_up(t.valid_cols, kind == TG_ACC || zn ? 16 : width);
        if (kind == TG_LEFT) rounded.valid_rows = tg_round_up(t.valid_rows, 16);
        if (zn) rounded.valid_rows = tg_round_up(t.valid_rows, width);
        memset(meant, 0, sizeof meant);
        mark_elements(&rounded, 1);
        struct tg_bytes run, last = {0, 0};
        for (uint32_t i = 0; tg_tile_run(&t, i, &run); i++) {
            assert_true(run.low >= last.high);
            for (uint32_t at = run.low; at < run.high; at++) CHECK(meant[at]++ == 1, "tile %d, byte %u", n, at);
            last = run;
        }
        for (size_t at = 0; at < sizeof meant; at++) CHECK(meant[at] != 1, "tile %d, byte %zu is in no run", n, at);
    }
}

static void tiles_meet_and_contain_as_their_bytes_do(void **state)
{
    (void)state;
    uint64_t random = 2;
    int n_meetings = 0, n_inside = 0;
    for (int n = 0; n < 3000; n++) {
        struct tg_tile a = draw_tile(&random), b = draw_tile(&random);
        if (random_chance(&random, 50)) { /* a part of the other */
            b = a;
            b.valid_rows = up_to(&random, a.valid_rows);
            b.valid_cols = up_to(&random, a.valid_cols);
            b.offset += 32u * (uint32_t)random_below(&random, 3);
        }
        struct tg_bytes common = {0, 0};
        memset(meant, 0, 16384);
        mark_elements(&a, 1);
        mark_elements(&b, 2);
        bool both = false, inside = true;
        for (uint32_t at = 0; at < 16384; at++) {
            both |= meant[at] == 3;
            inside &= meant[at] != 2;
        }
        CHECK(tg_tiles_meet(&a, &b, &common) == both, "pair %d", n);
        CHECK(tg_tile_inside(&b, &a) == inside, "pair %d", n);
        n_meetings += both;
        n_inside += inside;
        for (uint32_t at = common.low; both && at < common.high; at++) assert_int_equal(meant[at], 3);
    }
    assert_true(n_meetings > 400 && n_meetings < 2700);
    assert_true(n_inside > 300 && n_inside < 2700);
}

/* [r][c] of a tile of `rows` x `cols` fp32 at an offset. */
static struct tg_tile vec_at(uint32_t rows, uint32_t cols, uint32_t valid_rows, uint32_t valid_cols, uint32_t offset)
{
    struct tg_tile t = tg_tile_make(TG_VEC, TG_FP32, TG_ROW_MAJOR, rows, cols, valid_rows, valid_cols);
    TASSIGN(t, offset);
    return t;
}

static void sub_tiles_agree_and_other_shapes_do_not(void **state)
{
    (void)state;
    const struct tg_tile whole = vec_at(16, 16, 16, 16, 4096);
    const struct {
        struct tg_tile tile;
        bool agrees;
    } others[] = {
        {vec_at(16, 16, 16, 8, 4096), true},           /* the left half */
        {vec_at(16, 16, 16, 8, 4096 + 32), true},      /* the right half, whose static size reaches beyond */
        {vec_at(16, 16, 4, 16, 4096 + 256), true},     /* some rows */
        {vec_at(16, 16, 3, 8, 4096 + 256 + 32), true}, /* a part of some rows */
        {vec_at(1, 16, 1, 16, 4096 + 64), true},       /* a row */
        {vec_at(1, 64, 1, 64, 4096), true},            /* four rows as one */
        {vec_at(16, 16, 16, 16, 4096 + 32), false},    /* rows that begin in the middle of the other's */
        {vec_at(8, 32, 8, 32, 4096), false},           /* the same bytes in longer rows */
        {vec_at(32, 8, 32, 8, 4096), false},
    };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        CHECK(tg_tiles_agree(&whole, &others[i].tile) == others[i].agrees, "tile %zu", i);
        CHECK(tg_tiles_agree(&others[i].tile, &whole) == others[i].agrees, "tile %zu", i);
    }
    struct tg_tile other_type = whole;
    other_type.dtype = TG_INT32;
    assert_false(tg_tiles_agree(&whole, &other_type));
}

static struct tg_tile cube_at(uint32_t kind, uint32_t rows, uint32_t cols, uint32_t valid_rows, uint32_t valid_cols,
                              uint32_t offset)
{
    struct tg_tile t = tg_tile_make(kind, TG_FP32, TG_ROW_MAJOR, rows, cols, valid_rows, valid_cols);
    TASSIGN(t, offset);
    return t;
}

/* fp32: fractals are 16 rows of 8 columns, 512 bytes; those of Right 8 rows of 16 columns. */
static void windows_of_cube_tiles_agree(void **state)
{
    (void)state;
    const struct {
        uint32_t kind, rows, cols, valid_rows, valid_cols, offset;
        bool agrees;
    } others[] = {
        {TG_MAT, 32, 16, 32, 16, 2048, true},   /* blocks of columns */
        {TG_MAT, 32, 16, 16, 16, 512, true},    /* the lower half of the first two */
        {TG_MAT, 32, 16, 32, 16, 512, false},   /* columns that begin in the middle of the other's */
        {TG_MAT, 16, 64, 16, 64, 0, false},     /* shorter columns */
        {TG_MAT, 16, 16, 16, 8, 512, true},     /* one column of fractals */
        {TG_LEFT, 16, 64, 16, 64, 4096, true},  /* a row of fractals */
        {TG_LEFT, 32, 64, 32, 32, 0, true},     /* the left half */
        {TG_LEFT, 32, 64, 32, 32, 2048, true},  /* the right half */
        {TG_LEFT, 32, 64, 32, 64, 2048, false}, /* rows that begin in the middle of the other's */
        {TG_LEFT, 32, 32, 32, 32, 0, false},    /* shorter rows */
        {TG_RIGHT, 16, 64, 16, 64, 4096, true}, /* two rows of fractals */
        {TG_RIGHT, 32, 32, 32, 32, 0, false},   /* shorter rows */
    };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        const struct tg_tile whole = cube_at(others[i].kind, 32, 64, 32, 64, 0);
        const struct tg_tile part = cube_at(others[i].kind, others[i].rows, others[i].cols, others[i].valid_rows,
                                            others[i].valid_cols, others[i].offset);
        CHECK(tg_tiles_agree(&whole, &part) == others[i].agrees, "tile %zu", i);
        CHECK(tg_tiles_agree(&part, &whole) == others[i].agrees, "tile %zu", i);
    }
}

static void cube_tiles_are_filled_whole_and_read_where_they_are_valid(void **state)
{
    (void)state;
    struct tg_tile t = tg_tile_mat(TG_FP16, 5, 7), left = tg_tile_left(TG_FP16, 5, 7);
    struct tg_operand o[TG_OPERANDS_MAX];
    struct tg_bytes run;
    TASSIGN(t, 64);
    TASSIGN(left, 0);
    struct tg_instr instr = instr_at(TG_OP_TMOV, __FILE__, __LINE__);
    instr.dst = &left;
    instr.a = &t;
    assert_int_equal(tg_footprint(&instr, o), 2);
    assert_true(o[0].use == TG_USE_READ && tg_tile_run(&o[0].tile, 0, &run));
    assert_true(run.low == 64 && run.high == 64 + 5 * 32);
    assert_true(o[1].use == TG_USE_WRITE && tg_tile_run(&o[1].tile, 0, &run));
    assert_true(run.low == 0 && run.high == 16 * 16 * 2);
}

/* Source: pto-isa, TLoad of A2/A3: behind a row, up to a multiple of 32 bytes, the result is undefined. */
static void a_load_spoils_the_rest_of_its_32_bytes_and_no_more(void **state)
{
    (void)state;
    const struct tg_tile t = vec_at(4, 16, 4, 5, 256);
    struct tg_operand o[TG_OPERANDS_MAX];
    struct tg_instr instr = instr_at(TG_OP_TLOAD, __FILE__, __LINE__);
    instr.dst = &t;
    assert_int_equal(tg_footprint(&instr, o), 2);
    assert_true(o[0].use == TG_USE_SCRATCH && o[0].tile.valid_cols == 8 && o[0].tile.valid_rows == 4);
    assert_true(o[1].use == TG_USE_WRITE && o[1].tile.valid_cols == 5);
    struct tg_tile column = tg_tile_column(TG_FP16, 3);
    TASSIGN(column, 0);
    instr.dst = &column;
    assert_int_equal(tg_footprint(&instr, o), 2);
    assert_true(o[0].use == TG_USE_SCRATCH && o[0].tile.valid_rows == 16 && o[0].tile.valid_cols == 1);
}

static void a_window_is_what_is_read(void **state)
{
    (void)state;
    struct tg_operand o[TG_OPERANDS_MAX];
    struct tg_bytes run;
    struct tg_tile from = vec_at(16, 16, 16, 16, 4096), to = vec_at(4, 8, 4, 8, 0);
    struct tg_instr instr = instr_at(TG_OP_TEXTRACT, __FILE__, __LINE__);
    instr.dst = &to;
    instr.a = &from;
    instr.immediate[0] = 2;
    instr.immediate[1] = 8;
    assert_int_equal(tg_footprint(&instr, o), 2);
    for (uint32_t r = 0; r < 4; r++) {
        assert_true(tg_tile_run(&o[0].tile, r, &run));
        assert_true(run.low == 4096 + (2 + r) * 64 + 32 && run.high == run.low + 32);
    }
    assert_false(tg_tile_run(&o[0].tile, 4, &run));
}

static void padding_goes_up_to_the_static_columns(void **state)
{
    (void)state;
    struct tg_operand o[TG_OPERANDS_MAX];
    struct tg_tile part = vec_at(4, 16, 4, 5, 0), whole = vec_at(4, 16, 4, 10, 0);
    struct tg_instr instr = instr_at(TG_OP_TFILLPAD, __FILE__, __LINE__);
    instr.dst = &whole;
    instr.a = &part;
    assert_int_equal(tg_footprint(&instr, o), 2);
    assert_true(o[0].tile.valid_cols == 5 && o[1].use == TG_USE_WRITE && o[1].tile.valid_cols == 16);
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
    assert_true(o[0].tile.kind == TG_LEFT && o[0].use == TG_USE_READ);
    assert_true(o[2].tile.kind == TG_ACC && o[2].use == TG_USE_WRITE);
    instr.op = TG_OP_TMATMUL_ACC;
    assert_int_equal(tg_footprint(&instr, o), 4);
    assert_true(o[2].tile.kind == TG_ACC && o[2].use == TG_USE_READ);
    assert_true(o[3].tile.kind == TG_ACC && o[3].use == TG_USE_WRITE);
    instr.op = TG_OP_TROWMAX;
    instr.b = NULL;
    instr.tmp = &b;
    assert_int_equal(tg_footprint(&instr, o), 3);
    assert_true(o[1].tile.kind == TG_RIGHT && o[1].use == TG_USE_SCRATCH);
    instr.op = TG_OP_TRESHAPE;
    assert_int_equal(tg_footprint(&instr, o), 0);
    instr = instr_at(TG_OP_PIPE_BARRIER, __FILE__, __LINE__);
    assert_int_equal(tg_footprint(&instr, o), 0);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(runs_are_the_bytes_of_valid_elements),
    cmocka_unit_test(a_cube_tile_is_its_fractals),
    cmocka_unit_test(tiles_meet_and_contain_as_their_bytes_do),
    cmocka_unit_test(sub_tiles_agree_and_other_shapes_do_not),
    cmocka_unit_test(windows_of_cube_tiles_agree),
    cmocka_unit_test(cube_tiles_are_filled_whole_and_read_where_they_are_valid),
    cmocka_unit_test(a_load_spoils_the_rest_of_its_32_bytes_and_no_more),
    cmocka_unit_test(a_window_is_what_is_read),
    cmocka_unit_test(padding_goes_up_to_the_static_columns),
    cmocka_unit_test(instructions_use_their_operands),
};

CHECK_MAIN(tests)
