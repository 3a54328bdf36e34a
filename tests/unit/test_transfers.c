/* transfers.c: which transfers of a kernel touch the same bytes of device memory out of order. */
#include "check/core/transfers.h"
#include "common/check.h"
#include "common/instr.h"
#include "common/random.h"

enum { BASE = 0x10000, BYTES = 4096 };

static struct tg_transfers transfers;
static struct tg_order order;

/* The kernel's next transfer. */
static bool conflicts(const struct tg_global *global, bool stores, uint32_t number, struct tg_transfers_conflict *found)
{
    struct tg_tile tile = tg_tile_vec(TG_FP32, 16, 16);
    struct tg_instr instr = instr_at(stores ? TG_OP_TSTORE : TG_OP_TLOAD, "k.c", 1);
    const struct tg_mark mark = {.number = number, .pipe = stores ? PIPE_MTE3 : PIPE_MTE2};
    instr.global = global;
    if (stores) instr.a = &tile;
    else instr.dst = &tile;
    assert_true(tg_transfers_add(&transfers, &order, &instr, &mark, false, found));
    return found->earlier.number > 0;
}

static bool plain_conflicts(uint64_t address, uint64_t bytes, bool stores, uint32_t number)
{
    struct tg_transfers_conflict found;
    const struct tg_mark mark = {.number = number, .line = 7, .op = TG_MARK_PLAIN_STORE, .pipe = PIPE_S};
    assert_true(tg_transfers_plain(&transfers, &order, address, bytes, stores, &mark, &found));
    return found.earlier.number > 0;
}

static int open_transfers(void **state)
{
    (void)state;
    memset(&order, 0, sizeof order);
    assert_true(tg_transfers_init(&transfers));
    return 0;
}

static int close_transfers(void **state)
{
    (void)state;
    tg_transfers_fini(&transfers);
    return 0;
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
        memset(bytes, 0, sizeof bytes);
        mark_bytes(bytes, &a, 1);
        mark_bytes(bytes, &b, 2);
        bool both = false;
        for (int at = 0; at < BYTES; at++) both |= bytes[at] == 3;
        const bool expected = both && (a_stores || b_stores);
        struct tg_transfers_conflict found;
        tg_transfers_begin(&transfers);
        assert_false(conflicts(&a, a_stores, 1, &found));
        CHECK(conflicts(&b, b_stores, 2, &found) == expected, "pair %d", n);
        n_conflicts += expected;
        if (!expected) continue;
        assert_int_equal(found.earlier.number, 1);
        assert_int_equal(found.earlier_stores, a_stores);
        for (uint64_t at = found.low; at < found.high; at++) assert_int_equal(bytes[at - BASE], 3);
    }
    assert_true(n_conflicts > 300 && n_conflicts < 2700);
}

static void what_is_in_order_is_no_conflict(void **state)
{
    (void)state;
    const struct tg_global g = tg_global_nd(BASE, TG_FP32, 4, 8, 8);
    struct tg_transfers_conflict found;
    conflicts(&g, true, 1, &found);
    order.known[PIPE_MTE2][PIPE_MTE3] = 1;
    assert_false(conflicts(&g, false, 2, &found));
    order.known[PIPE_MTE2][PIPE_MTE3] = 0;
    assert_true(conflicts(&g, false, 3, &found));
    tg_transfers_begin(&transfers);
    assert_false(conflicts(&g, false, 4, &found));
}

/* Random kernels, against a table of every byte's accesses. */
static void all_are_remembered(void **state)
{
    (void)state;
    enum { STEPS = 60, WORDS = 64 };
    uint64_t random = 11;
    int n_found = 0;
    for (int round = 0; round < 300; round++) {
        struct {
            uint32_t low, high, number;
            bool stores;
            enum tg_pipe pipe;
        } steps[STEPS];
        memset(&order, 0, sizeof order);
        tg_transfers_begin(&transfers);
        for (uint32_t i = 0; i < STEPS; i++) {
            steps[i].low = (uint32_t)random_below(&random, WORDS - 8);
            steps[i].high = steps[i].low + 1 + (uint32_t)random_below(&random, 8);
            steps[i].number = i + 1;
            steps[i].stores = random_chance(&random, 50);
            steps[i].pipe = random_chance(&random, 30) ? PIPE_S : steps[i].stores ? PIPE_MTE3 : PIPE_MTE2;
            if (random_chance(&random, 60)) /* one pipe learns how far another has come */
                order.known[random_chance(&random, 50)   ? PIPE_MTE2
                            : random_chance(&random, 50) ? PIPE_MTE3
                                                         : PIPE_S][random_chance(&random, 50)   ? PIPE_MTE2
                                                                   : random_chance(&random, 50) ? PIPE_MTE3
                                                                                                : PIPE_S] = i;
            bool expected = false;
            for (uint32_t w = steps[i].low; w < steps[i].high; w++) {
                uint32_t store = 0, load = 0; /* the last of the word, and the transfer that has loaded it since */
                for (uint32_t j = 1; j <= i; j++) {
                    if (w < steps[j - 1].low || w >= steps[j - 1].high) continue;
                    if (steps[j - 1].stores) store = j, load = 0;
                    else if (steps[j - 1].pipe != PIPE_S) load = j;
                }
                const uint32_t others[] = {store, steps[i].stores ? load : 0};
                for (int k = 0; k < 2; k++) {
                    if (others[k] == 0) continue;
                    const enum tg_pipe pipe = steps[others[k] - 1].pipe;
                    if (pipe == PIPE_S && steps[i].pipe == PIPE_S) continue;
                    expected |= order.known[steps[i].pipe][pipe] < others[k];
                }
            }
            const uint64_t address = BASE + 4 * steps[i].low;
            const uint32_t n = steps[i].high - steps[i].low;
            const struct tg_global g = tg_global_nd(address, TG_FP32, 1, n, n);
            struct tg_transfers_conflict found;
            const bool is = steps[i].pipe == PIPE_S ? plain_conflicts(address, 4 * n, steps[i].stores, i + 1)
                                                    : conflicts(&g, steps[i].stores, i + 1, &found);
            CHECK(is == expected, "round %d, step %u", round, i);
            n_found += expected;
        }
    }
    assert_true(n_found > 1000);
}

/* A kernel of a million transfers over one place: the marks of replaced accesses go. */
static void a_long_kernel_takes_no_more_memory(void **state)
{
    (void)state;
    struct tg_transfers_conflict found;
    for (uint32_t i = 0; i < 500000; i++) {
        const struct tg_global g = tg_global_nd(BASE + 64 * (i % 16), TG_FP32, 1, 16, 16);
        order.known[PIPE_MTE2][PIPE_MTE3] = order.known[PIPE_MTE3][PIPE_MTE2] = order.known[PIPE_MTE3][PIPE_MTE3] = 2 *
                                                                                                                    i;
        assert_false(conflicts(&g, true, 2 * i + 1, &found));
        order.known[PIPE_MTE2][PIPE_MTE3] = 2 * i + 1;
        assert_false(conflicts(&g, false, 2 * i + 2, &found));
    }
    assert_true(transfers.capacity < 1000);
    /* The last accesses are remembered all the same. */
    const struct tg_global first = tg_global_nd(BASE, TG_FP32, 16, 16, 16);
    memset(&order, 0, sizeof order);
    assert_true(conflicts(&first, true, 1000001, &found));
    assert_true(found.earlier.number > 1000000 - 32);
}

/* A tall tensor in narrow blocks of columns: every transfer has as many runs as there are rows. */
static void time_and_memory_follow_the_runs(void **state)
{
    (void)state;
    enum { ROWS = 3072, BLOCKS = 64 };
    struct tg_transfers_conflict found;
    for (uint32_t block = 0; block < BLOCKS; block++) {
        const struct tg_global g = tg_global_nd(BASE + 32 * block, TG_FP32, ROWS, 8, 8 * BLOCKS);
        assert_false(conflicts(&g, true, block + 1, &found));
    }
    assert_true(tg_extents_bytes(&transfers.map) < (uint64_t)ROWS * BLOCKS * 100);
    const struct tg_global last = tg_global_nd(BASE + 32 * (BLOCKS - 1), TG_FP32, ROWS, 8, 8 * BLOCKS);
    assert_true(conflicts(&last, false, BLOCKS + 1, &found));
    assert_int_equal(found.earlier.number, BLOCKS);
    tg_transfers_begin(&transfers);
    assert_int_equal(transfers.map.n_extents, 1);
}

static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_transfers, close_transfers)
    TEST(a_conflict_is_a_byte_in_common),     TEST(what_is_in_order_is_no_conflict), TEST(all_are_remembered),
    TEST(a_long_kernel_takes_no_more_memory), TEST(time_and_memory_follow_the_runs),
};

CHECK_MAIN(tests)
