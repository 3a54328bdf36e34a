/* transfers.c: which transfers of a kernel touch the same bytes of device memory out of order. */
#include "check/core/transfers.h"
#include "common/check.h"
#include "common/instr.h"
#include "common/random.h"

enum { BASE = 0x10000, BYTES = 4096 };

static struct tg_transfers transfers;
static struct tg_order order;

static struct tg_transfer transfer(const struct tg_global *global, bool stores, uint32_t number)
{
    struct tg_tile tile = tg_tile_vec(TG_FP32, 16, 16);
    struct tg_instr instr = instr_at(stores ? TG_OP_TSTORE : TG_OP_TLOAD, "k.c", 1);
    const struct tg_mark mark = {.number = number, .pipe = stores ? PIPE_MTE3 : PIPE_MTE2};
    instr.global = global;
    if (stores) instr.a = &tile;
    else instr.dst = &tile;
    return tg_transfer_of(&instr, &mark);
}

static struct tg_global draw_global(uint64_t *random)
{
    const uint32_t rows = 1 + (uint32_t)random_below(random, 6), cols = 1 + (uint32_t)random_below(random, 12);
    const int64_t ld = (int64_t)(random_chance(random, 50) ? 12 : 16);
    const uint64_t addr = BASE + 4u * (uint64_t)random_below(random, 400);
    return random_chance(random, 70) ? tg_global_nd(addr, TG_FP32, rows, cols, ld)
                                     : tg_global_dn(addr, TG_FP32, rows, cols, ld);
}

static void mark_bytes(uint8_t bytes[BYTES], const struct tg_global *g, uint8_t bit)
{
    for (uint32_t r = 0; r < g->shape[3]; r++)
        for (uint32_t c = 0; c < g->shape[4]; c++) {
            const int64_t at = (int64_t)(g->addr - BASE) + 4 * (r * g->stride[3] + c * g->stride[4]);
            for (int i = 0; i < 4; i++) bytes[at + i] |= bit;
        }
}

static void a_conflict_is_a_byte_in_common(void **state)
{
    (void)state;
    uint64_t random = 5;
    int n_conflicts = 0;
    for (int n = 0; n < 3000; n++) {
        static uint8_t bytes[BYTES];
        const struct tg_global a = draw_global(&random), b = draw_global(&random);
        const bool a_stores = random_chance(&random, 50), b_stores = random_chance(&random, 50);
        const struct tg_transfer first = transfer(&a, a_stores, 1), second = transfer(&b, b_stores, 2);
        memset(bytes, 0, sizeof bytes);
        mark_bytes(bytes, &a, 1);
        mark_bytes(bytes, &b, 2);
        bool both = false;
        for (int at = 0; at < BYTES; at++) both |= bytes[at] == 3;
        const bool expected = both && (a_stores || b_stores);
        uint64_t common[2] = {0, 0};
        tg_transfers_begin(&transfers);
        tg_transfers_add(&transfers, &first);
        const struct tg_transfer *found = tg_transfers_conflict(&transfers, &order, &second, common);
        CHECK((found != NULL) == expected, "pair %d", n);
        n_conflicts += expected;
        for (uint64_t at = common[0]; found && at < common[1]; at++) assert_int_equal(bytes[at - BASE], 3);
    }
    assert_true(n_conflicts > 300 && n_conflicts < 2700);
}

static void what_is_in_order_is_no_conflict(void **state)
{
    (void)state;
    const struct tg_global g = tg_global_nd(BASE, TG_FP32, 4, 8, 8);
    const struct tg_transfer store = transfer(&g, true, 1), load = transfer(&g, false, 2);
    uint64_t common[2];
    memset(&order, 0, sizeof order);
    tg_transfers_begin(&transfers);
    tg_transfers_add(&transfers, &store);
    assert_non_null(tg_transfers_conflict(&transfers, &order, &load, common));
    order.known[PIPE_MTE2][PIPE_MTE3] = 1;
    assert_null(tg_transfers_conflict(&transfers, &order, &load, common));
    memset(&order, 0, sizeof order);
    tg_transfers_begin(&transfers);
    assert_null(tg_transfers_conflict(&transfers, &order, &load, common));
}

static void the_latest_are_remembered(void **state)
{
    (void)state;
    const struct tg_global far_away = tg_global_nd(0x900000, TG_FP32, 1, 8, 8),
                           g = tg_global_nd(BASE, TG_FP32, 1, 8, 8);
    const struct tg_transfer other = transfer(&far_away, true, 1), store = transfer(&g, true, 1);
    const struct tg_transfer load = transfer(&g, false, 2);
    uint64_t common[2];
    tg_transfers_begin(&transfers);
    tg_transfers_add(&transfers, &store);
    for (int i = 1; i < TG_TRANSFERS_MAX; i++) tg_transfers_add(&transfers, &other);
    assert_non_null(tg_transfers_conflict(&transfers, &order, &load, common));
    tg_transfers_add(&transfers, &other);
    assert_null(tg_transfers_conflict(&transfers, &order, &load, common));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_conflict_is_a_byte_in_common),
    cmocka_unit_test(what_is_in_order_is_no_conflict),
    cmocka_unit_test(the_latest_are_remembered),
};

CHECK_MAIN(tests)
