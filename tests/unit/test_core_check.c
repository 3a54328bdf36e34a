/* core_check.c: small kernels, and what is found in them. Written as kernels are: the instructions of tile.h go to the
 * check and nowhere else. */
#include "check/core/core_check.h"
#include "common/check.h"
#include "common/instr.h"
#include "tile/rules.h"

static struct tg_core_check *core;
static struct tg_check check;
static struct tg_facts facts = {.ub_library_bytes = 8192};

static void issue(const struct tg_instr *instr)
{
    char message[512];
    const enum tg_core_type type = core->task.core_type;
    CHECK(tg_rules_check(instr, type, message, sizeof message), "%s", message);
    tg_core_check_instr(core, instr, tg_op_pipe(instr));
}

static void order(uint32_t op, uint32_t src_pipe, uint32_t dst_pipe, uint32_t event, const char *file, int line)
{
    const struct tg_instr instr = tg_instr_of_order(op, src_pipe, dst_pipe, event, file, line);
    issue(&instr);
}

static const struct tg_tile_isa isa = {.abi = TG_TILE_ABI, .issue = issue, .order = order};
const struct tg_tile_isa *tg_tile_isa = &isa;

/* ---- what the kernels work on ------------------------------------------------------------------------------------ */

static struct tg_global gm_at(uint64_t addr) { return tg_global_nd(addr, TG_FP32, 16, 16, 16); }

static struct tg_tile vec(uint32_t offset)
{
    struct tg_tile t = tg_tile_vec(TG_FP32, 16, 16); /* 1 KiB */
    TASSIGN(t, offset);
    return t;
}

static struct tg_tile cube(uint32_t kind, uint32_t rows, uint32_t cols, uint32_t offset)
{
    struct tg_tile t = tg_tile_cube(kind, TG_FP32, rows, cols);
    TASSIGN(t, offset);
    return t;
}

static void hand_over(uint32_t from, uint32_t to, uint32_t event)
{
    set_flag(from, to, event);
    wait_flag(from, to, event);
}

static void load(uint32_t offset)
{
    const struct tg_global gm = gm_at(0x10000);
    const struct tg_tile t = vec(offset);
    TLOAD(t, gm);
}

static void store_to(uint64_t addr, uint32_t offset)
{
    const struct tg_global gm = gm_at(addr);
    const struct tg_tile t = vec(offset);
    TSTORE(gm, t);
}

static void store(uint32_t offset) { store_to(0x20000, offset); }

static void square(uint32_t dst, uint32_t src)
{
    const struct tg_tile d = vec(dst), s = vec(src);
    TMUL(d, s, s);
}

/* ---- vector kernels ---------------------------------------------------------------------------------------------- */

static void right(void)
{
    for (uint32_t i = 0; i < 6; i++) {
        const uint32_t set = i % 2, at = set * 2048;
        if (i >= 2) wait_flag(PIPE_MTE3, PIPE_MTE2, set);
        load(at);
        hand_over(PIPE_MTE2, PIPE_V, set);
        square(at + 1024, at);
        pipe_barrier(PIPE_V);
        square(at + 1024, at + 1024);
        hand_over(PIPE_V, PIPE_MTE3, set);
        store_to(0x20000 + i * 1024, at + 1024);
        if (i < 4) set_flag(PIPE_MTE3, PIPE_MTE2, set);
    }
}

/* The scalar unit is a pipe as others are, and in order by itself. */
static void right_with_values(void)
{
    const struct tg_tile t = vec(0), row = tg_tile_first_row(&t), index = tg_tile_vec(TG_INT32, 1, 16);
    struct tg_tile sequence = index, mask = tg_tile_vec(TG_UINT8, 16, 2);
    TASSIGN(sequence, 4096);
    TASSIGN(mask, 8192);
    load(0);
    hand_over(PIPE_MTE2, PIPE_S, 0);
    TCI(sequence, 0, 0);
    TSETVAL(t, 3, TGETVAL(t, 0) + TGETVAL(sequence, 5));
    TSETVAL(t, 3, TGETVAL(t, 3) + 1);
    hand_over(PIPE_S, PIPE_V, 1);
    const struct tg_tile out = vec(1024);
    TCOLEXPANDMUL(out, t, row);
    pipe_barrier(PIPE_V);
    TCMPS(mask, out, 0, TG_CMP_GT);
    pipe_barrier(PIPE_V);
    TSEL(out, mask, out, t);
    hand_over(PIPE_V, PIPE_MTE3, 2);
    store(1024);
}

static void gets_a_value_before_it_is_loaded(void)
{
    const struct tg_tile t = vec(0);
    load(0);
    (void)TGETVAL(t, 7);
}

static void sets_a_value_that_is_still_read(void)
{
    const struct tg_tile t = vec(0);
    load(0);
    hand_over(PIPE_MTE2, PIPE_S, 0); /* every pipe takes it */
    square(1024, 0);
    TSETVAL(t, 7, 1);
}

static void uses_a_mask_before_it_is_made(void)
{
    const struct tg_tile t = vec(0), out = vec(1024);
    struct tg_tile mask = tg_tile_vec(TG_UINT8, 16, 2);
    TASSIGN(mask, 8192);
    load(0);
    hand_over(PIPE_MTE2, PIPE_V, 0);
    TCMPS(mask, t, 0, TG_CMP_GT);
    TSEL(out, mask, t, t);
}

static void reads_a_row_that_nothing_wrote(void)
{
    const struct tg_tile t = vec(0), out = vec(1024);
    struct tg_tile row = tg_tile_vec(TG_FP32, 1, 16);
    TASSIGN(row, 2048);
    load(0);
    hand_over(PIPE_MTE2, PIPE_V, 0);
    TCOLEXPANDADD(out, t, row);
}

static void reads_before_loaded(void)
{
    load(0);
    square(1024, 0);
}

static void loads_over_what_is_read(void)
{
    load(0);
    hand_over(PIPE_MTE2, PIPE_V, 0);
    square(1024, 0);
    load(0);
}

static void loads_over_what_is_stored(void)
{
    load(0);
    hand_over(PIPE_MTE2, PIPE_MTE3, 0);
    store(0);
    load(0);
}

static void loads_twice_into_one_place(void)
{
    load(0);
    load(512); /* the second half of the first */
}

static void no_barrier_between_dependent_instructions(void)
{
    load(0);
    hand_over(PIPE_MTE2, PIPE_V, 0);
    square(1024, 0);
    square(2048, 1024);
}

static void overwrites_in_the_same_pipe_what_was_read(void)
{
    load(0);
    load(1024);
    hand_over(PIPE_MTE2, PIPE_V, 0);
    square(2048, 0);
    square(0, 1024); /* in order: it cannot overtake the read */
}

static void the_flag_is_set_too_early(void)
{
    load(0);
    set_flag(PIPE_MTE2, PIPE_V, 0);
    load(1024);
    wait_flag(PIPE_MTE2, PIPE_V, 0);
    square(2048, 1024);
}

static void order_goes_on_through_a_third_pipe(void)
{
    load(0);
    hand_over(PIPE_MTE2, PIPE_V, 0);
    hand_over(PIPE_V, PIPE_MTE3, 0);
    store(0); /* V did nothing with it, and passed on that it is loaded */
}

static void a_barrier_of_all_pipes_orders_everything(void)
{
    load(0);
    pipe_barrier(PIPE_ALL);
    square(1024, 0);
    pipe_barrier(PIPE_ALL);
    store(1024);
    load(0);
}

static void waits_for_nothing(void)
{
    load(0);
    wait_flag(PIPE_MTE2, PIPE_V, 1);
}

static void sets_too_late(void)
{
    wait_flag(PIPE_MTE2, PIPE_V, 1);
    load(0);
    set_flag(PIPE_MTE2, PIPE_V, 1);
}

/* Each of two pipes waits for the other to go first. */
static void waits_in_a_cycle(void)
{
    wait_flag(PIPE_MTE2, PIPE_V, 1);
    hand_over(PIPE_V, PIPE_MTE2, 0);
    set_flag(PIPE_MTE2, PIPE_V, 1);
}

static void sets_twice(void)
{
    load(0);
    set_flag(PIPE_MTE2, PIPE_V, 0);
    set_flag(PIPE_MTE2, PIPE_V, 0);
    wait_flag(PIPE_MTE2, PIPE_V, 0);
}

/* The second set may come before the first was waited for: MTE2 knows nothing of what V has done. */
static void sets_again_without_knowing(void)
{
    for (uint32_t i = 0; i < 2; i++) {
        load(i * 2048);
        hand_over(PIPE_MTE2, PIPE_V, 0);
        square(i * 2048 + 1024, i * 2048);
    }
}

static void sets_again_after_a_flag_back(void)
{
    for (uint32_t i = 0; i < 2; i++) {
        if (i > 0) hand_over(PIPE_V, PIPE_MTE2, 5);
        load(i * 2048);
        hand_over(PIPE_MTE2, PIPE_V, 0);
        square(i * 2048 + 1024, i * 2048);
    }
}

static void sets_again_what_the_scalar_unit_waits_for(void)
{
    for (uint32_t i = 0; i < 2; i++) {
        load(i * 2048);
        hand_over(PIPE_MTE2, PIPE_S, 0);
        square(i * 2048 + 1024, i * 2048);
    }
}

static void reduces_into_its_scratch(void)
{
    struct tg_tile column = tg_tile_column(TG_FP32, 16);
    TASSIGN(column, 4096);
    const struct tg_tile x = vec(0), tmp = vec(512);
    load(0);
    hand_over(PIPE_MTE2, PIPE_V, 0);
    TROWMAX(column, x, tmp);
}

static void leaves_the_result_in_its_scratch(void)
{
    struct tg_tile column = tg_tile_column(TG_FP32, 16);
    TASSIGN(column, 1024);
    const struct tg_tile x = vec(0), tmp = vec(1024);
    load(0);
    hand_over(PIPE_MTE2, PIPE_V, 0);
    TROWSUM(column, x, tmp);
}

static void leaves_a_flag(void)
{
    load(0);
    set_flag(PIPE_MTE2, PIPE_V, 7);
}

static void reads_what_nobody_wrote(void) { square(1024, 0); }

static void reads_beyond_what_was_loaded(void)
{
    const struct tg_global gm = tg_global_nd(0x10000, TG_FP32, 16, 12, 16);
    struct tg_tile part = vec(0);
    part.valid_cols = 12;
    TLOAD(part, gm);
    hand_over(PIPE_MTE2, PIPE_V, 0);
    square(1024, 0);
}

static void reads_what_an_earlier_load_left(void)
{
    load(0);
    hand_over(PIPE_MTE2, PIPE_V, 0);
    square(1024, 0);
    hand_over(PIPE_V, PIPE_MTE2, 0);
    reads_beyond_what_was_loaded();
}

/* The load leaves columns 12 to 15 undefined: they are in the 32 bytes that it ends in. */
static void pads_and_loads_into_the_same_32_bytes(void)
{
    const struct tg_tile whole = vec(0);
    TEXPANDS(whole, 0.0f);
    hand_over(PIPE_V, PIPE_MTE2, 0);
    reads_beyond_what_was_loaded();
}

/* ---- parts of tiles ---------------------------------------------------------------------------------------------- */

/* Columns [col, col + cols) of the tile at `offset`. */
static struct tg_tile columns(uint32_t offset, uint32_t col, uint32_t cols)
{
    struct tg_tile part = vec(offset + 4 * col);
    part.valid_cols = cols;
    return part;
}

static void load_columns(uint32_t offset, uint32_t col, uint32_t cols)
{
    const struct tg_global gm = tg_global_nd(0x10000 + 4 * col, TG_FP32, 16, cols, 16);
    const struct tg_tile part = columns(offset, col, cols);
    TLOAD(part, gm);
}

static void store_columns(uint32_t offset, uint32_t col, uint32_t cols)
{
    const struct tg_global gm = tg_global_nd(0x20000 + 4 * col, TG_FP32, 16, cols, 16);
    const struct tg_tile part = columns(offset, col, cols);
    TSTORE(gm, part);
}

static void rotates_halves(void)
{
    const struct tg_tile left = columns(0, 0, 8), right = columns(0, 8, 8);
    const struct tg_tile to_left = columns(1024, 0, 8), to_right = columns(1024, 8, 8);
    load(0);
    hand_over(PIPE_MTE2, PIPE_V, 0);
    TMULS(to_left, right, -1.0f);
    TMULS(to_right, left, 1.0f);
    pipe_barrier(PIPE_V);
    square(2048, 1024);
}

static void rotates_halves_without_a_barrier(void)
{
    const struct tg_tile right = columns(0, 8, 8), to_left = columns(1024, 0, 8);
    load(0);
    hand_over(PIPE_MTE2, PIPE_V, 0);
    square(1024, 0);
    TMULS(to_left, right, -1.0f);
}

static void works_on_two_halves_at_once(void)
{
    const struct tg_tile left = columns(0, 0, 8), right = columns(0, 8, 8);
    load(0);
    hand_over(PIPE_MTE2, PIPE_V, 0);
    TMULS(left, left, -1.0f);
    TMULS(right, right, 2.0f); /* other bytes: no barrier is needed between the two */
    hand_over(PIPE_V, PIPE_MTE3, 0);
    store_columns(0, 0, 8);
    store_columns(0, 8, 8);
}

static void stores_the_half_that_is_not_ready(void)
{
    const struct tg_tile left = columns(0, 0, 8), right = columns(0, 8, 8);
    load(0);
    hand_over(PIPE_MTE2, PIPE_V, 0);
    TMULS(left, left, -1.0f);
    set_flag(PIPE_V, PIPE_MTE3, 0);
    TMULS(right, right, 2.0f);
    wait_flag(PIPE_V, PIPE_MTE3, 0);
    store_columns(0, 0, 8);
    store_columns(0, 8, 8);
}

static void loads_a_tile_by_halves(void)
{
    for (uint32_t i = 0; i < 2; i++) {
        load_columns(0, 8 * (1 - i), 8);
        load_columns(0, 8 * i, 8);
        hand_over(PIPE_MTE2, PIPE_V, 0);
        square(1024, 0);
        hand_over(PIPE_V, PIPE_MTE2, 0);
        pipe_barrier(PIPE_MTE2);
        pipe_barrier(PIPE_V);
    }
}

static void loads_only_one_half(void)
{
    load_columns(0, 8, 8);
    hand_over(PIPE_MTE2, PIPE_V, 0);
    square(1024, 0);
}

static void gather_rows(uint32_t but)
{
    for (uint32_t row = 0; row < 16; row++) {
        const struct tg_global gm = tg_global_nd(0x10000 + row * 4096, TG_FP32, 1, 16, 16);
        struct tg_tile narrow = tg_tile_vec(TG_FP32, 1, 16), part = vec(row * 64);
        TASSIGN(narrow, row * 64);
        part.valid_rows = 1;
        if (row == but) continue;
        if (row % 2) TLOAD(narrow, gm);
        else TLOAD(part, gm);
    }
    hand_over(PIPE_MTE2, PIPE_V, 0);
    square(1024, 0);
}

static void gathers_rows(void) { gather_rows(16); }
static void gathers_all_rows_but_one(void) { gather_rows(9); }

static void loads_a_part_anew(void)
{
    load(0);
    hand_over(PIPE_MTE2, PIPE_V, 0);
    square(1024, 0);
    hand_over(PIPE_V, PIPE_MTE2, 0);
    pipe_barrier(PIPE_MTE2);
    load_columns(0, 0, 8);
    hand_over(PIPE_MTE2, PIPE_V, 1);
    pipe_barrier(PIPE_V);
    square(1024, 0);
}

static void pads_once_and_loads_in_a_loop(void)
{
    const struct tg_tile whole = vec(0);
    TEXPANDS(whole, 0.0f);
    for (uint32_t i = 0; i < 3; i++) {
        hand_over(PIPE_V, PIPE_MTE2, 0);
        pipe_barrier(PIPE_MTE2);
        load_columns(0, 0, 8);
        hand_over(PIPE_MTE2, PIPE_V, i % 2);
        pipe_barrier(PIPE_V);
        square(1024, 0);
    }
}

static void reads_a_tail_after_working_in_place(void)
{
    const struct tg_tile part = columns(0, 0, 5);
    load(0);
    hand_over(PIPE_MTE2, PIPE_V, 0);
    square(0, 0);
    hand_over(PIPE_V, PIPE_MTE2, 0);
    pipe_barrier(PIPE_MTE2);
    load_columns(0, 0, 5);
    hand_over(PIPE_MTE2, PIPE_V, 1);
    TMULS(part, part, 2.0f);
    pipe_barrier(PIPE_V);
    square(1024, 0);
}

static void a_tile_lies_across_halves(void)
{
    load_columns(0, 0, 8);
    load_columns(0, 8, 8);
    load(4096);
    hand_over(PIPE_MTE2, PIPE_V, 0);
    square(512, 4096);
    pipe_barrier(PIPE_V);
    square(2048, 0);
}

/* A window that moves over rows which two loads have brought. */
static void reads_rows_of_two_tiles(void)
{
    load(0);
    load(1024);
    hand_over(PIPE_MTE2, PIPE_V, 0);
    for (uint32_t row = 0; row <= 16; row++) square(4096 + row * 1024, row * 64);
}

static void reshapes_once(void)
{
    struct tg_tile wide = tg_tile_vec(TG_FP32, 16, 16), tall = tg_tile_vec(TG_FP32, 32, 8);
    TASSIGN(wide, 0);
    TRESHAPE(tall, wide);
    for (uint32_t i = 0; i < 3; i++) {
        load(0);
        hand_over(PIPE_MTE2, PIPE_V, i % 2);
        TADDS(tall, tall, 1.0f);
        pipe_barrier(PIPE_V);
        square(1024, 0);
        hand_over(PIPE_V, PIPE_MTE2, 0);
        pipe_barrier(PIPE_MTE2);
        pipe_barrier(PIPE_V);
    }
}

/* Bits of another type, and a way to say so. */
static void adds_to_bits(bool says)
{
    struct tg_tile integers = tg_tile_vec(TG_INT32, 16, 16), floats = tg_tile_vec(TG_FP32, 16, 16);
    const struct tg_global gm = tg_global_nd(0x10000, TG_INT32, 16, 16, 16);
    TASSIGN(integers, 0);
    TASSIGN(floats, 0);
    if (says) TRESHAPE(floats, integers);
    TLOAD(integers, gm);
    hand_over(PIPE_MTE2, PIPE_V, 0);
    TADDS(floats, floats, 1.0f);
}

static void casts_bits(void) { adds_to_bits(true); }
static void casts_bits_without_a_word(void) { adds_to_bits(false); }

static void reshapes_another_place(void)
{
    struct tg_tile wide = tg_tile_vec(TG_FP32, 16, 16), tall = tg_tile_vec(TG_FP32, 32, 8);
    TASSIGN(wide, 1024);
    TRESHAPE(tall, wide);
    TASSIGN(tall, 0);
    load(0);
    hand_over(PIPE_MTE2, PIPE_V, 0);
    TADDS(tall, tall, 1.0f);
}

/* ---- plain stores ------------------------------------------------------------------------------------------------ */

static void store_plainly(uint64_t address, uint64_t bytes)
{
    const struct tg_access access = {
        .address = address, .bytes = bytes, .write = true, .plain = true, .file = "test_core_check.c", .line = 1};
    tg_core_check_plain(core, &access);
}

static void flushes_its_stores(void)
{
    store_plainly(0x20000, 4);
    store_plainly(0x2003c, 8); /* and the line behind it */
    dcci(0x20000, TG_CACHE_LINE);
    dcci(0x2007f, TG_CACHE_LINE);
    for (uint64_t i = 0; i < 1000; i++) store_plainly(0x30000 + 100 * i, 4);
    dcci(0, TG_CACHE_ALL);
    dsb();
}

static void flushes_one_line_of_two(void)
{
    store_plainly(0x2003c, 8);
    dcci(0x2003c, TG_CACHE_LINE);
}

static void stores_again_behind_the_flush(void)
{
    store_plainly(0x20000, 4);
    dcci(0x20000, TG_CACHE_LINE);
    store_plainly(0x20000, 4);
}

/* In order by its flag, and still not in device memory. */
static void load_what_was_stored(bool flushes)
{
    store_plainly(0x10000, 4);
    if (flushes) dcci(0x10000, TG_CACHE_LINE);
    hand_over(PIPE_S, PIPE_MTE2, 0);
    load(0);
    dcci(0, TG_CACHE_ALL);
}

static void loads_what_it_has_flushed(void) { load_what_was_stored(true); }
static void loads_what_is_in_the_cache(void) { load_what_was_stored(false); }

/* ---- operands of one instruction that share bytes ---------------------------------------------------------------- */

static void works_in_place(void)
{
    struct tg_tile column = tg_tile_column(TG_FP32, 16);
    TASSIGN(column, 4096);
    const struct tg_tile x = vec(0), scratch = vec(2048);
    load(0);
    hand_over(PIPE_MTE2, PIPE_V, 0);
    TMUL(x, x, x);
    pipe_barrier(PIPE_V);
    TROWMAX(column, x, scratch);
    pipe_barrier(PIPE_V);
    TROWEXPANDSUB(x, x, column);
}

static void writes_a_row_below_what_it_reads(void)
{
    load(0);
    hand_over(PIPE_MTE2, PIPE_V, 0);
    square(64, 0);
}

static void widens_in_place(void)
{
    struct tg_tile halves = tg_tile_vec(TG_FP16, 16, 16);
    TASSIGN(halves, 1024);
    const struct tg_tile x = vec(0), y = vec(1024);
    load(0);
    hand_over(PIPE_MTE2, PIPE_V, 0);
    TCVT(halves, x);
    pipe_barrier(PIPE_V);
    TCVT(y, halves);
}

static void reduces_over_its_own_rows(void)
{
    struct tg_tile column = tg_tile_column(TG_FP32, 16);
    TASSIGN(column, 0);
    const struct tg_tile x = vec(0), scratch = vec(2048);
    load(0);
    hand_over(PIPE_MTE2, PIPE_V, 0);
    TROWSUM(column, x, scratch);
}

static void expands_over_its_own_column(void)
{
    struct tg_tile column = tg_tile_column(TG_FP32, 16);
    TASSIGN(column, 1024 + 960);
    const struct tg_tile x = vec(0), scratch = vec(4096), y = vec(1024);
    load(0);
    hand_over(PIPE_MTE2, PIPE_V, 0);
    TROWSUM(column, x, scratch);
    pipe_barrier(PIPE_V);
    TROWEXPANDMUL(y, x, column);
}

static void stores_rows_over_each_other(void)
{
    const struct tg_global gm = tg_global_nd(0x20000, TG_FP32, 16, 16, 8);
    const struct tg_tile t = vec(0);
    load(0);
    hand_over(PIPE_MTE2, PIPE_MTE3, 0);
    TSTORE(gm, t);
}

static void loads_rows_over_each_other(void)
{
    const struct tg_global gm = tg_global_nd(0x20000, TG_FP32, 16, 16, 8);
    const struct tg_tile t = vec(0);
    TLOAD(t, gm); /* a window that moves by half a row is no conflict */
    hand_over(PIPE_MTE2, PIPE_V, 0);
    square(1024, 0);
}

static void reads_scratch(void)
{
    struct tg_tile column = tg_tile_column(TG_FP32, 16);
    TASSIGN(column, 4096);
    const struct tg_tile x = vec(0), tmp = vec(1024);
    load(0);
    load(1024);
    hand_over(PIPE_MTE2, PIPE_V, 0);
    TROWMAX(column, x, tmp);
    pipe_barrier(PIPE_V);
    square(2048, 1024);
}

static void another_tile_lies_across(void)
{
    load(0);
    load(4096);
    hand_over(PIPE_MTE2, PIPE_V, 0);
    square(512, 4096);
    pipe_barrier(PIPE_V);
    square(2048, 0);
}

static void reads_as_another_type(void)
{
    struct tg_tile halves = tg_tile_vec(TG_FP16, 16, 32), other = halves;
    TASSIGN(halves, 0);
    TASSIGN(other, 2048);
    load(0);
    hand_over(PIPE_MTE2, PIPE_V, 0);
    TADDS(other, halves, 1.0f);
}

static void reads_a_view_of_what_was_written(void)
{
    struct tg_tile row = tg_tile_vec(TG_FP32, 1, 64), column = tg_tile_column(TG_FP32, 16), as_row;
    TASSIGN(row, 64);
    load(0);
    hand_over(PIPE_MTE2, PIPE_V, 0);
    TADDS(row, row, 1.0f); /* four of its rows */
    pipe_barrier(PIPE_V);
    const struct tg_tile x = vec(0), tmp = vec(2048);
    TASSIGN(column, 4096);
    TROWMAX(column, x, tmp);
    pipe_barrier(PIPE_V);
    as_row = tg_tile_vec(TG_FP32, 1, 16);
    TRESHAPE(as_row, column);
    TADDS(as_row, as_row, 1.0f);
}

static void stores_and_loads_the_same_memory(void)
{
    const struct tg_global gm = gm_at(0x10000);
    const struct tg_tile t = vec(0), u = vec(1024);
    TEXPANDS(t, 1.0f);
    hand_over(PIPE_V, PIPE_MTE3, 0);
    TSTORE(gm, t);
    TLOAD(u, gm);
}

static void stores_twice_to_the_same_memory(void)
{
    const struct tg_tile t = vec(0);
    TEXPANDS(t, 1.0f);
    hand_over(PIPE_V, PIPE_MTE3, 0);
    store(0);
    store(0);
}

static void stores_and_loads_it_in_order(void)
{
    const struct tg_global gm = gm_at(0x10000);
    const struct tg_tile t = vec(0), u = vec(1024);
    TEXPANDS(t, 1.0f);
    hand_over(PIPE_V, PIPE_MTE3, 0);
    TSTORE(gm, t);
    hand_over(PIPE_MTE3, PIPE_MTE2, 0);
    TLOAD(u, gm);
}

static void stores_between_the_rows_that_it_loads(void)
{
    const struct tg_global left = tg_global_nd(0x10000, TG_FP32, 16, 16, 32);
    const struct tg_global beside = tg_global_nd(0x10040, TG_FP32, 16, 16, 32);
    const struct tg_tile t = vec(0), u = vec(1024);
    TLOAD(u, left);
    TEXPANDS(t, 1.0f);
    hand_over(PIPE_V, PIPE_MTE3, 0);
    TSTORE(beside, t);
}

static void stores_over_what_it_loads(void)
{
    const struct tg_global gm = gm_at(0x10000), one_further = gm_at(0x10004);
    const struct tg_tile t = vec(0), u = vec(1024);
    TLOAD(u, gm);
    TEXPANDS(t, 1.0f);
    hand_over(PIPE_V, PIPE_MTE3, 0);
    TSTORE(one_further, t);
}

/* ---- facts that a machine file states ---------------------------------------------------------------------------- */

enum { LIBRARY = TG_UB_BYTES - 8192 };

static void expand(uint32_t at)
{
    struct tg_tile column = tg_tile_column(TG_FP32, 16);
    const struct tg_tile x = vec(at), y = vec(at + 1024);
    TASSIGN(column, 4096);
    TEXPANDS(column, 1.0f);
    TEXPANDS(x, 1.0f);
    TEXPANDS(y, 1.0f);
    pipe_barrier(PIPE_V);
    TROWEXPANDMUL(x, x, column);
    TROWEXPANDMUL(y, y, column); /* no barrier: the library orders its scratch itself */
}

static void the_library_leaves_other_places(void)
{
    const struct tg_tile x = vec(LIBRARY - 1024);
    expand(0);
    pipe_barrier(PIPE_V);
    TEXPANDS(x, 1.0f);
    pipe_barrier(PIPE_V);
    square(0, LIBRARY - 1024);
}

static void the_library_overwrites_its_place(void)
{
    const struct tg_tile kept = vec(LIBRARY + 1024);
    TEXPANDS(kept, 1.0f);
    pipe_barrier(PIPE_V);
    expand(0);
    pipe_barrier(PIPE_V);
    square(0, LIBRARY + 1024);
}

static void an_operand_lies_in_the_librarys_place(void)
{
    struct tg_tile column = tg_tile_column(TG_FP32, 16);
    const struct tg_tile x = vec(0);
    TASSIGN(column, LIBRARY);
    TEXPANDS(column, 1.0f);
    TEXPANDS(x, 1.0f);
    pipe_barrier(PIPE_V);
    TROWEXPANDMUL(x, x, column);
}

static void the_end_is_used_without_the_library(void)
{
    load(LIBRARY);
    hand_over(PIPE_MTE2, PIPE_V, 0);
    square(LIBRARY + 1024, LIBRARY);
}

static void loads_into_the_librarys_place(void)
{
    load(LIBRARY);
    expand(0);
}

/* ---- cube kernels ------------------------------------------------------------------------------------------------ */

/* Load, move, multiply and store with every hand-over; `products` of them into one accumulator of rows x cols. */
static void multiply(uint32_t rows, uint32_t cols, int products, bool barrier)
{
    const struct tg_global a_gm = tg_global_nd(0x10000, TG_FP32, rows, 16, 16);
    const struct tg_global b_gm = tg_global_nd(0x20000, TG_FP32, 16, cols, cols);
    const struct tg_global c_gm = tg_global_nd(0x30000, TG_FP32, rows, cols, cols);
    const struct tg_tile a_l1 = cube(TG_MAT, rows, 16, 0), b_l1 = cube(TG_MAT, 16, cols, 65536);
    const struct tg_tile a = cube(TG_LEFT, rows, 16, 0), b = cube(TG_RIGHT, 16, cols, 0);
    const struct tg_tile c = cube(TG_ACC, rows, cols, 0);
    TLOAD(a_l1, a_gm);
    TLOAD(b_l1, b_gm);
    hand_over(PIPE_MTE2, PIPE_MTE1, 0);
    TMOV(a, a_l1);
    TMOV(b, b_l1);
    hand_over(PIPE_MTE1, PIPE_M, 0);
    TMATMUL(c, a, b);
    for (int i = 1; i < products; i++) {
        if (barrier) pipe_barrier(PIPE_M);
        TMATMUL_ACC(c, a, b);
    }
    hand_over(PIPE_M, PIPE_FIX, 0);
    TSTORE(c_gm, c);
}

static void multiplies(void) { multiply(16, 16, 3, true); }
static void small_products_without_barrier(void) { multiply(16, 16, 3, false); }
static void large_products_without_barrier(void) { multiply(64, 64, 3, false); }

/* A device computes one row as 16: the others overwrite what is there, and mean nothing. */
static void multiply_one_row(uint32_t rows)
{
    const struct tg_global row_gm = tg_global_nd(0x10000, TG_FP32, 1, 16, 16), b_gm = gm_at(0x20000);
    const struct tg_global out = tg_global_nd(0x30000, TG_FP32, rows, 16, 16);
    const struct tg_tile row_l1 = cube(TG_MAT, 1, 16, 4096), b_l1 = cube(TG_MAT, 16, 16, 65536);
    const struct tg_tile all = cube(TG_LEFT, 16, 16, 4096), row = cube(TG_LEFT, 1, 16, 0);
    const struct tg_tile b = cube(TG_RIGHT, 16, 16, 0), acc = cube(TG_ACC, 16, 16, 0), acc_row = cube(TG_ACC, 1, 16, 0);
    const struct tg_tile stored = cube(TG_ACC, rows, 16, 0);
    TLOAD(row_l1, row_gm);
    TLOAD(b_l1, b_gm);
    hand_over(PIPE_MTE2, PIPE_MTE1, 0);
    TMOV(all, b_l1);
    TMOV(row, row_l1);
    TMOV(b, b_l1);
    hand_over(PIPE_MTE1, PIPE_M, 0);
    TMATMUL(acc, all, b);
    pipe_barrier(PIPE_M);
    TMATMUL(acc_row, row, b);
    hand_over(PIPE_M, PIPE_FIX, 0);
    TSTORE(out, stored);
}

static void stores_the_row_of_a_product(void) { multiply_one_row(1); }
static void stores_rows_beside_the_one_of_a_product(void) { multiply_one_row(16); }

static void multiplies_before_moved(void)
{
    const struct tg_global gm = gm_at(0x10000);
    const struct tg_tile a_l1 = cube(TG_MAT, 16, 16, 0), a = cube(TG_LEFT, 16, 16, 0), b = cube(TG_RIGHT, 16, 16, 0);
    const struct tg_tile c = cube(TG_ACC, 16, 16, 0);
    TLOAD(a_l1, gm);
    hand_over(PIPE_MTE2, PIPE_MTE1, 0);
    TMOV(a, a_l1);
    hand_over(PIPE_MTE1, PIPE_M, 0);
    TMOV(b, a_l1);
    TMATMUL(c, a, b);
}

/* ---- the end ----------------------------------------------------------------------------------------------------- */

/* These are all of their kernel: no TDRAIN follows. */
static void returns_while_it_loads(void) { load(0); }

static void returns_while_it_stores(void)
{
    load(0);
    hand_over(PIPE_MTE2, PIPE_MTE3, 0);
    store(0);
}

static void waits_for_its_store_by_another_pipe(void)
{
    returns_while_it_stores();
    hand_over(PIPE_MTE3, PIPE_V, 0);
}

static void waits_for_its_store_by_the_scalar_pipe(void)
{
    returns_while_it_stores();
    hand_over(PIPE_MTE3, PIPE_S, 7);
}

static void waits_for_its_store_through_another_pipe(void)
{
    returns_while_it_stores();
    hand_over(PIPE_MTE3, PIPE_V, 0);
    hand_over(PIPE_V, PIPE_S, 0);
}

static void waits_for_its_store_too_early(void)
{
    load(0);
    hand_over(PIPE_MTE2, PIPE_MTE3, 0);
    hand_over(PIPE_MTE3, PIPE_S, 7);
    store(0);
}

static void computes_after_its_store(void)
{
    waits_for_its_store_by_the_scalar_pipe();
    square(1024, 0);
}

static void drains(void)
{
    returns_while_it_stores();
    hand_over(PIPE_MTE3, PIPE_V, 0);
    square(1024, 0);
    TDRAIN();
}

static void has_nothing_to_drain(void) {}

/* ---- the table --------------------------------------------------------------------------------------------------- */

#define NONE TG_FINDING_TILE_RULE /* no kernel here breaks one */

static const struct row {
    const char *name;
    void (*kernel)(void);
    enum tg_core_type core_type;
    enum tg_finding_code first, second; /* expected, in any order; NONE: nothing */
    bool ends_by_itself;                /* else a TDRAIN follows it */
} rows[] = {
#define V(kernel, first, second)                                                                                       \
    {                                                                                                                  \
#kernel, kernel, TG_AIV, first, second, false                                                                  \
    }
#define END(kernel, core_type, first)                                                                                  \
    {                                                                                                                  \
#kernel, kernel, core_type, first, NONE, true                                                                  \
    }
#define C(kernel, first, second)                                                                                       \
    {                                                                                                                  \
#kernel, kernel, TG_AIC, first, second, false                                                                  \
    }
    V(right, NONE, NONE),
    V(right_with_values, NONE, NONE),
    V(gets_a_value_before_it_is_loaded, TG_FINDING_PIPE_RAW, NONE),
    V(sets_a_value_that_is_still_read, TG_FINDING_PIPE_WAR, NONE),
    V(uses_a_mask_before_it_is_made, TG_FINDING_PIPE_RAW, NONE),
    V(reads_a_row_that_nothing_wrote, TG_FINDING_TILE_UNWRITTEN, NONE),
    V(reads_before_loaded, TG_FINDING_PIPE_RAW, NONE),
    V(loads_over_what_is_read, TG_FINDING_PIPE_WAR, TG_FINDING_PIPE_WAW),
    V(loads_over_what_is_stored, TG_FINDING_PIPE_WAR, TG_FINDING_PIPE_WAW),
    V(loads_twice_into_one_place, TG_FINDING_PIPE_WAW, NONE),
    V(no_barrier_between_dependent_instructions, TG_FINDING_PIPE_RAW, NONE),
    V(overwrites_in_the_same_pipe_what_was_read, NONE, NONE),
    V(the_flag_is_set_too_early, TG_FINDING_PIPE_RAW, NONE),
    V(order_goes_on_through_a_third_pipe, NONE, NONE),
    V(a_barrier_of_all_pipes_orders_everything, NONE, NONE),
    V(waits_for_nothing, TG_FINDING_FLAG_NO_SET, NONE),
    V(sets_too_late, TG_FINDING_FLAG_NO_SET, NONE),
    V(waits_in_a_cycle, TG_FINDING_FLAG_NO_SET, NONE),
    V(sets_twice, TG_FINDING_FLAG_SET_TWICE, NONE),
    V(sets_again_without_knowing, TG_FINDING_FLAG_SET_TWICE, NONE),
    V(sets_again_after_a_flag_back, NONE, NONE),
    V(sets_again_what_the_scalar_unit_waits_for, NONE, NONE),
    V(leaves_a_flag, TG_FINDING_FLAG_LEFT, NONE),
    V(reads_what_nobody_wrote, TG_FINDING_TILE_UNWRITTEN, NONE),
    V(reads_beyond_what_was_loaded, TG_FINDING_TILE_UNWRITTEN, NONE),
    V(reads_what_an_earlier_load_left, TG_FINDING_TILE_UNWRITTEN, NONE),
    V(pads_and_loads_into_the_same_32_bytes, TG_FINDING_TILE_UNWRITTEN, NONE),
    V(rotates_halves, NONE, NONE),
    V(rotates_halves_without_a_barrier, TG_FINDING_PIPE_WAW, NONE),
    V(works_on_two_halves_at_once, NONE, NONE),
    V(stores_the_half_that_is_not_ready, TG_FINDING_PIPE_RAW, NONE),
    V(loads_a_tile_by_halves, NONE, NONE),
    V(loads_only_one_half, TG_FINDING_TILE_UNWRITTEN, NONE),
    V(gathers_rows, NONE, NONE),
    V(gathers_all_rows_but_one, TG_FINDING_TILE_UNWRITTEN, NONE),
    V(loads_a_part_anew, NONE, NONE),
    V(pads_once_and_loads_in_a_loop, NONE, NONE),
    V(reads_a_tail_after_working_in_place, TG_FINDING_TILE_UNWRITTEN, NONE),
    V(a_tile_lies_across_halves, TG_FINDING_TILE_CLOBBERED, NONE),
    V(reads_rows_of_two_tiles, NONE, NONE),
    V(reshapes_once, NONE, NONE),
    V(reshapes_another_place, TG_FINDING_TILE_CLOBBERED, NONE),
    V(casts_bits, NONE, NONE),
    V(casts_bits_without_a_word, TG_FINDING_TILE_CLOBBERED, NONE),
    V(flushes_its_stores, NONE, NONE),
    V(flushes_one_line_of_two, TG_FINDING_STORE_NOT_FLUSHED, NONE),
    V(stores_again_behind_the_flush, TG_FINDING_STORE_NOT_FLUSHED, NONE),
    V(loads_what_it_has_flushed, NONE, NONE),
    V(loads_what_is_in_the_cache, TG_FINDING_STORE_NOT_FLUSHED, NONE),
    V(works_in_place, NONE, NONE),
    V(writes_a_row_below_what_it_reads, TG_FINDING_TILE_OVERLAP, NONE),
    V(widens_in_place, TG_FINDING_TILE_OVERLAP, NONE),
    V(reduces_over_its_own_rows, TG_FINDING_TILE_OVERLAP, NONE),
    V(expands_over_its_own_column, TG_FINDING_TILE_OVERLAP, NONE),
    V(stores_rows_over_each_other, TG_FINDING_STORE_OVERLAP, NONE),
    V(loads_rows_over_each_other, NONE, NONE),
    V(reads_scratch, TG_FINDING_TILE_UNWRITTEN, NONE),
    V(reduces_into_its_scratch, TG_FINDING_TILE_CLOBBERED, NONE),
    V(leaves_the_result_in_its_scratch, TG_FINDING_TILE_CLOBBERED, NONE),
    V(another_tile_lies_across, TG_FINDING_TILE_CLOBBERED, NONE),
    V(reads_as_another_type, TG_FINDING_TILE_CLOBBERED, NONE),
    V(reads_a_view_of_what_was_written, NONE, NONE),
    V(stores_and_loads_the_same_memory, TG_FINDING_PIPE_RAW, NONE),
    V(stores_twice_to_the_same_memory, TG_FINDING_PIPE_WAW, NONE),
    V(stores_and_loads_it_in_order, NONE, NONE),
    V(stores_between_the_rows_that_it_loads, NONE, NONE),
    V(stores_over_what_it_loads, TG_FINDING_PIPE_WAR, NONE),
    V(the_library_leaves_other_places, NONE, NONE),
    V(the_library_overwrites_its_place, TG_FINDING_TILE_UNWRITTEN, NONE),
    V(an_operand_lies_in_the_librarys_place, TG_FINDING_TILE_CLOBBERED, NONE),
    V(the_end_is_used_without_the_library, NONE, NONE),
    V(loads_into_the_librarys_place, TG_FINDING_PIPE_WAW, NONE),
    C(multiplies, NONE, NONE),
    C(small_products_without_barrier, TG_FINDING_PIPE_RAW, TG_FINDING_PIPE_WAW),
    C(large_products_without_barrier, NONE, NONE),
    C(stores_the_row_of_a_product, NONE, NONE),
    C(stores_rows_beside_the_one_of_a_product, TG_FINDING_TILE_UNWRITTEN, NONE),
    C(multiplies_before_moved, TG_FINDING_PIPE_RAW, NONE),
    END(returns_while_it_loads, TG_AIV, TG_FINDING_KERNEL_NOT_DRAINED),
    END(returns_while_it_stores, TG_AIV, TG_FINDING_KERNEL_NOT_DRAINED),
    END(waits_for_its_store_by_another_pipe, TG_AIV, TG_FINDING_KERNEL_NOT_DRAINED),
    END(waits_for_its_store_by_the_scalar_pipe, TG_AIV, NONE),
    END(waits_for_its_store_through_another_pipe, TG_AIV, NONE),
    END(waits_for_its_store_too_early, TG_AIV, TG_FINDING_KERNEL_NOT_DRAINED),
    END(computes_after_its_store, TG_AIV, TG_FINDING_KERNEL_NOT_DRAINED),
    END(drains, TG_AIV, NONE),
    END(has_nothing_to_drain, TG_AIV, NONE),
    END(multiplies, TG_AIC, TG_FINDING_KERNEL_NOT_DRAINED),
#undef END
#undef V
#undef C
};

static bool expected(const struct row *row, enum tg_finding_code code)
{
    return code != NONE && (code == row->first || code == row->second);
}

static bool found(enum tg_finding_code code)
{
    for (size_t i = 0; i < check.findings.n; i++)
        if (check.findings.items[i].code == code) return true;
    return false;
}

static void run(const struct row *row)
{
    const struct tg_check_task task = {.task_id = 3, .kernel = row->name, .core_type = row->core_type};
    core = tg_core_check_open(row->core_type);
    assert_non_null(core);
    for (int twice = 0; twice < 2; twice++) { /* the second time on a core that has run it before */
        tg_core_check_begin(core, &check, &task, NULL, &facts);
        row->kernel();
        if (!row->ends_by_itself) TDRAIN();
        tg_core_check_end(core);
    }
    for (size_t i = 0; i < check.findings.n; i++) {
        const struct tg_finding_item *item = &check.findings.items[i];
        CHECK(expected(row, item->code), "%s: %s: %s", row->name, tg_finding_name(item->code), item->what);
        assert_true(item->count >= 2);
        assert_true(item->what && item->where && item->mend);
        assert_non_null(strstr(item->what, "test_core_check.c:"));
        assert_non_null(strstr(item->where, row->name));
    }
    CHECK(row->first == NONE || found(row->first), "%s: nothing found", row->name);
    CHECK(row->second == NONE || found(row->second), "%s: no %s", row->name, tg_finding_name(row->second));
    assert_false(check.findings.lost);
    tg_check_fini(&check);
    tg_core_check_close(core);
}

static void every_kernel_has_its_findings_and_no_others(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) run(&rows[i]);
}

static void a_broken_rule_is_a_finding(void **state)
{
    (void)state;
    const struct tg_check_task task = {.task_id = 3, .kernel = "k", .file = "plugin.c", .line = 9};
    core = tg_core_check_open(TG_AIV);
    assert_non_null(core);
    tg_core_check_begin(core, &check, &task, NULL, &facts);
    const struct tg_instr instr = instr_at(TG_OP_TADD, "k.c", 5);
    tg_core_check_broken(core, &instr, "TADD at k.c:5: a rule");
    assert_true(found(TG_FINDING_TILE_RULE));
    assert_string_equal(check.findings.items[0].what, "TADD at k.c:5: a rule");
    assert_string_equal(check.findings.items[0].where, "task 3 (k, plugin.c:9) on core 0 (AIC)");
    tg_check_fini(&check);
    tg_core_check_close(core);
}

/* The only finding of a kernel says `text`. */
static void expect_said(void (*kernel)(void), const char *text)
{
    const struct tg_check_task task = {.kernel = "k", .core_type = TG_AIV};
    core = tg_core_check_open(TG_AIV);
    assert_non_null(core);
    tg_core_check_begin(core, &check, &task, NULL, &facts);
    kernel();
    TDRAIN();
    tg_core_check_end(core);
    assert_int_equal(check.findings.n, 1);
    CHECK(strstr(check.findings.items[0].what, text), "%s", check.findings.items[0].what);
    tg_check_fini(&check);
    tg_core_check_close(core);
}

static char said[512]; /* by the last kernel's first finding */

static bool is_clean(void (*kernel)(void))
{
    const struct tg_check_task task = {.kernel = "k", .core_type = TG_AIV};
    core = tg_core_check_open(TG_AIV);
    assert_non_null(core);
    tg_core_check_begin(core, &check, &task, NULL, &facts);
    kernel();
    TDRAIN();
    tg_core_check_end(core);
    const bool clean = check.findings.n == 0;
    snprintf(said, sizeof said, "%s", clean ? "no finding" : check.findings.items[0].what);
    tg_check_fini(&check);
    tg_core_check_close(core);
    return clean;
}

static void stores_and_loads_it_with_a_barrier(void)
{
    const struct tg_global gm = gm_at(0x10000);
    const struct tg_tile t = vec(0), u = vec(1024);
    TEXPANDS(t, 1.0f);
    hand_over(PIPE_V, PIPE_MTE3, 0);
    TSTORE(gm, t);
    pipe_barrier(PIPE_ALL);
    TLOAD(u, gm);
}

/* 16 repeats of 64 floats. */
static void long_chain_without_barrier(void)
{
    struct tg_tile t = tg_tile_vec(TG_FP32, 16, 64);
    TASSIGN(t, 0);
    TEXPANDS(t, 1.0f);
    TEXP(t, t);
}

static void short_chain_without_barrier(void)
{
    struct tg_tile t = tg_tile_vec(TG_FP32, 15, 64);
    TASSIGN(t, 0);
    TEXPANDS(t, 1.0f);
    TEXP(t, t);
}

static void long_chain_of_parts_without_barrier(void)
{
    struct tg_tile t = tg_tile_vec(TG_FP32, 32, 64), upper = tg_tile_vec(TG_FP32, 16, 64);
    TASSIGN(t, 0);
    TASSIGN(upper, 0);
    TEXPANDS(t, 1.0f);
    TEXP(upper, upper);
}

static void a_machine_file_can_state_other_rules(void **state)
{
    (void)state;
    static const struct {
        void (*kernel)(void);
        struct tg_facts facts;
        bool clean;
    } cases[] = {
        {the_library_overwrites_its_place, {.ub_library_bytes = 0}, true},
        {an_operand_lies_in_the_librarys_place, {.ub_library_bytes = 0}, true},
        {stores_and_loads_it_in_order, {.strict_round_trip = false}, true},
        {stores_and_loads_it_in_order, {.strict_round_trip = true}, false},
        {stores_and_loads_it_with_a_barrier, {.strict_round_trip = true}, true},
        {stores_over_what_it_loads, {.strict_round_trip = true}, false},
        {long_chain_without_barrier, {.settled_repeats = 0}, false},
        {long_chain_without_barrier, {.settled_repeats = 16}, true},
        {short_chain_without_barrier, {.settled_repeats = 16}, false},
        {long_chain_of_parts_without_barrier, {.settled_repeats = 16}, false},
    };
    const struct tg_facts usual = facts;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        facts = cases[i].facts;
        CHECK(is_clean(cases[i].kernel) == cases[i].clean, "case %zu: %s", i, said);
    }
    facts = usual;
}

static void a_wait_without_set_says_whether_it_is_late_missing_or_in_a_cycle(void **state)
{
    (void)state;
    expect_said(waits_for_nothing, "the kernel does not set the flag PIPE_MTE2 to PIPE_V, event 1 for it");
    expect_said(sets_too_late, "only if its queues hold all that is between the two");
    expect_said(waits_in_a_cycle, "a cycle");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_wait_without_set_says_whether_it_is_late_missing_or_in_a_cycle),
    cmocka_unit_test(every_kernel_has_its_findings_and_no_others),
    cmocka_unit_test(a_machine_file_can_state_other_rules),
    cmocka_unit_test(a_broken_rule_is_a_finding),
};

CHECK_MAIN(tests)
