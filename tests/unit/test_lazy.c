/* lazy.c: random kernels of a cube core must leave the same products and the same memory, executed lazily and at once.
 * The place of an operand's bytes must not matter to the lazy core where it promises not to copy. */
#include <stdlib.h>

#include "common/check.h"
#include "common/instr.h"
#include "machine/cpu/lazy.h"
#include "reference.h"
#include "tile/rules.h"

enum { MEMORY = 1 << 16, N_KINDS = 4, STEPS = 400, ROUNDS = TEST_TSAN || TEST_ASAN ? 4 : 40 };

static uint64_t random_state = 99;

/* A core and its device memory. */
struct side {
    struct tg_buffers buffers;
    uint8_t *memory; /* [MEMORY] */
};

static struct side plain, other; /* `other` is the one of `lazy` */
static struct tg_lazy lazy;

static uint32_t between(uint32_t low, uint32_t high) { return ref_between(&random_state, low, high); }

static void side_open(struct side *s)
{
    for (uint32_t kind = 0; kind < N_KINDS; kind++) {
        s->buffers.of_kind[kind] = malloc(tg_kind_capacity(kind));
        assert_non_null(s->buffers.of_kind[kind]);
    }
    s->buffers.scratch = malloc(TG_SCRATCH_BYTES);
    s->buffers.variant = tg_tile_variant_at(0);
    s->memory = aligned_alloc(64, MEMORY);
    assert_non_null(s->buffers.scratch);
    assert_non_null(s->memory);
}

static int open_both(void **state)
{
    (void)state;
    side_open(&plain);
    side_open(&other);
    lazy.buffers = &other.buffers;
    return 0;
}

static void side_close(struct side *s)
{
    for (uint32_t kind = 0; kind < N_KINDS; kind++) free(s->buffers.of_kind[kind]);
    free(s->buffers.scratch);
    free(s->memory);
}

static int close_both(void **state)
{
    (void)state;
    side_close(&plain);
    side_close(&other);
    return 0;
}

/* Numbers of the type everywhere, the same on both sides, so that a kernel reads numbers only. */
static void fill(uint32_t dtype)
{
    const uint32_t bytes = tg_dtype_bytes(dtype);
    for (uint32_t kind = 0; kind < N_KINDS; kind++) {
        const uint32_t step = kind == TG_ACC ? 4 : bytes;
        for (uint32_t at = 0; at < tg_kind_capacity(kind); at += step)
            ref_store(kind == TG_ACC ? TG_FP32 : dtype, (double)between(0, 64) / 16 - 2,
                      plain.buffers.of_kind[kind] + at);
        memcpy(other.buffers.of_kind[kind], plain.buffers.of_kind[kind], tg_kind_capacity(kind));
    }
    for (uint32_t at = 0; at < MEMORY; at += bytes)
        ref_store(dtype, (double)between(0, 64) / 16 - 2, plain.memory + at);
    memcpy(other.memory, plain.memory, MEMORY);
}

/* On both sides; the view's address is an offset into each one's memory. */
static void both(struct tg_instr instr, const struct tg_global *global)
{
    char message[512];
    struct tg_global g = global ? *global : (struct tg_global){0};
    instr.global = global ? &g : NULL;
    g.addr += (uint64_t)(uintptr_t)plain.memory;
    if (!tg_rules_check_widening(&instr, TG_AIC, message, sizeof message)) fail_msg("%s", message);
    tg_execute(&instr, &plain.buffers);
    g.addr += (uint64_t)(uintptr_t)other.memory - (uint64_t)(uintptr_t)plain.memory;
    tg_lazy_execute(&lazy, &instr);
}

/* Steps of fp32 in units of the largest sum's: products may be fused and added in another order. */
static void assert_same_product(const struct tg_tile *acc, const char *what)
{
    const float *a = (const float *)(const void *)tg_tile_at(&plain.buffers, acc);
    float *b = (float *)(void *)tg_tile_at(&other.buffers, acc);
    for (uint32_t row = 0; row < acc->valid_rows; row++)
        for (uint32_t col = 0; col < acc->valid_cols; col++) {
            const uint32_t at = tg_at_nz(acc->rows, 16, row, col);
            if (fabs((double)(a[at] - b[at])) > 1e-3)
                fail_msg("%s: [%u][%u] is %g, not %g", what, row, col, (double)b[at], (double)a[at]);
            b[at] = a[at]; /* differences do not add up */
        }
}

static uint32_t place(uint32_t kind, uint32_t n) { return between(0, n) * (kind == TG_MAT ? 1024 : 2048); }

static struct tg_tile tile(uint32_t kind, uint32_t dtype, uint32_t rows, uint32_t cols)
{
    struct tg_tile t = tg_tile_cube(kind, dtype, rows, cols);
    TASSIGN(t, place(kind, kind == TG_ACC ? 0 : 6));
    return t;
}

static struct tg_global view(uint32_t dtype, uint32_t rows, uint32_t cols, bool may_be_columns)
{
    const uint32_t width = tg_fractal_cols(dtype);
    if (may_be_columns && cols % width == 0 && between(0, 2) == 0) {
        const uint32_t rows_apart = rows + between(0, 1) * between(1, 9);
        const uint64_t bytes_nz = (uint64_t)cols / width * rows_apart * 32;
        return tg_global_nz(between(0, (uint32_t)((MEMORY - bytes_nz) / 64)) * 64, dtype, rows, cols, rows_apart);
    }
    const bool columns = may_be_columns && between(0, 5) == 0;
    const uint32_t run = columns ? rows : cols, n_runs = columns ? cols : rows;
    const int64_t ld = run + between(0, 1) * between(1, 9);
    const uint64_t bytes = ((uint64_t)(n_runs - 1) * (uint64_t)ld + run) * tg_dtype_bytes(dtype);
    const uint64_t addr = between(0, (uint32_t)((MEMORY - bytes) / 64)) * 64;
    return columns ? tg_global_dn(addr, dtype, rows, cols, ld) : tg_global_nd(addr, dtype, rows, cols, ld);
}

/* Columns, each of them contiguous. */
static struct tg_global columns_view(uint32_t dtype, uint32_t rows, uint32_t cols)
{
    const int64_t ld = rows + between(0, 1) * between(1, 9);
    const uint64_t bytes = ((uint64_t)(cols - 1) * (uint64_t)ld + rows) * tg_dtype_bytes(dtype);
    return tg_global_dn(between(0, (uint32_t)((MEMORY - bytes) / 64)) * 64, dtype, rows, cols, ld);
}

static const uint32_t sizes[] = {1, 5, 8, 16, 17, 32, 40};
static uint32_t size(void) { return sizes[between(0, 6)]; }

/* The tiles that a kernel has loaded and moved lately. Most next instructions use them. */
struct lately {
    struct tg_tile mat, left, right;
};

static void step(uint32_t dtype, struct lately *l)
{
    struct tg_instr instr = instr_at(TG_OP_TLOAD, __FILE__, __LINE__);
    const uint32_t choice = between(0, 9), m = size(), k = size(), n = size();
    if (choice <= 3) {
        const bool turned = between(0, 3) == 0;
        struct tg_global g = turned ? columns_view(dtype, m, n) : view(dtype, m, n, true);
        l->mat = tile(TG_MAT, dtype, m, n);
        if (turned) {
            const uint32_t offset = l->mat.offset;
            l->mat = tg_tile_mat_zn(dtype, m, n);
            TASSIGN(l->mat, offset);
        }
        instr.dst = &l->mat;
        both(instr, &g);
    } else if (choice <= 6) {
        const bool right = l->mat.layout == TG_COL_MAJOR || between(0, 1);
        struct tg_tile *dst = right ? &l->right : &l->left, src = l->mat;
        if (between(0, 4) == 0) src = tile(TG_MAT, dtype, m, n); /* with its present contents */
        *dst = tile(right ? TG_RIGHT : TG_LEFT, dtype, src.valid_rows, src.valid_cols);
        instr.op = TG_OP_TMOV;
        instr.dst = dst;
        instr.a = &src;
        both(instr, NULL);
    } else if (choice <= 8) {
        struct tg_tile left = l->left, right = l->right;
        if (left.valid_cols != right.valid_rows && between(0, 1)) left = tile(TG_LEFT, dtype, m, right.valid_rows);
        else if (left.valid_cols != right.valid_rows) right = tile(TG_RIGHT, dtype, left.valid_cols, k);
        struct tg_tile acc = tile(TG_ACC, TG_FP32, left.valid_rows, right.valid_cols);
        instr.op = (uint16_t)between(TG_OP_TMATMUL, TG_OP_TMATMUL_ACC);
        instr.dst = &acc;
        instr.a = &left;
        instr.b = &right;
        if (instr.op == TG_OP_TMATMUL_ACC) acc.offset = tg_kind_capacity(TG_ACC) / 2; /* numbers of ordinary size */
        both(instr, NULL);
        assert_same_product(&acc, "a random kernel");
    } else {
        struct tg_tile acc = tile(TG_ACC, TG_FP32, m, n);
        struct tg_global g = view(dtype, m, n, false);
        TASSIGN(acc, tg_kind_capacity(TG_ACC) / 4); /* never written: numbers as they were drawn */
        instr.op = TG_OP_TSTORE;
        instr.a = &acc;
        both(instr, &g);
        assert_memory_equal(plain.memory, other.memory, MEMORY);
    }
}

static void random_kernels_leave_what_they_leave_without_laziness(void **state)
{
    (void)state;
    for (size_t v = 0; tg_product_variant_at(v); v++) {
        lazy.product = tg_product_variant_at(v);
        if (lazy.product->needs > tg_isa_usable()) continue;
        for (int round = 0; round < ROUNDS; round++) {
            const uint32_t dtype = between(TG_FP32, TG_BF16);
            struct lately l = {tg_tile_mat(dtype, 16, 16), tg_tile_left(dtype, 16, 16), tg_tile_right(dtype, 16, 16)};
            TASSIGN(l.mat, 0);
            TASSIGN(l.left, 0);
            TASSIGN(l.right, 0);
            fill(dtype);
            tg_lazy_begin(&lazy);
            for (int i = 0; i < STEPS; i++) step(dtype, &l);
        }
    }
}

/* Overwrite all that a lazy core could have copied to: if the product is right, nothing was. */
static void spoil(struct tg_buffers *buffers)
{
    for (uint32_t kind = TG_MAT; kind <= TG_RIGHT; kind++) memset(buffers->of_kind[kind], 0xFF, tg_kind_capacity(kind));
}

/* Tokens of a block: a whole fractal, or several. */
static uint32_t block_of(uint32_t dtype) { return tg_dtype_bytes(dtype) == 1 ? 32 : 16; }

/* Keys as a cube kernel loads them: blocks side by side in one Mat tile, one move, one product. Values: blocks below
 * each other in one Right tile. */
static void assert_uncopied(uint32_t q_dtype, uint32_t dtype, bool side_by_side, uint32_t n_blocks, uint32_t last)
{
    enum { DIM = 64, ROWS = 3, KV = 4096 };
    const uint32_t block = block_of(dtype), tokens = (n_blocks - 1) * block + last;
    struct tg_tile q_l1 = tg_tile_mat(q_dtype, ROWS, side_by_side ? DIM : tokens), acc;
    struct tg_tile q = tg_tile_left(q_dtype, ROWS, side_by_side ? DIM : tokens);
    struct tg_tile right = side_by_side ? tg_tile_right(dtype, DIM, tokens) : tg_tile_right(dtype, tokens, DIM);
    struct tg_instr instr = instr_at(TG_OP_TLOAD, __FILE__, __LINE__);
    struct tg_global g = tg_global_nd(0, q_dtype, ROWS, q.valid_cols, q.valid_cols);
    fill(q_dtype);
    for (uint32_t at = KV; at < MEMORY && dtype != q_dtype; at++)
        ref_store(dtype, (double)between(0, 64) / 4 - 8, plain.memory + at);
    memcpy(other.memory, plain.memory, MEMORY);
    tg_lazy_begin(&lazy);
    TASSIGN(q_l1, 0);
    TASSIGN(q, 0);
    TASSIGN(right, 0);
    instr.dst = &q_l1;
    both(instr, &g);
    instr = instr_at(TG_OP_TMOV, __FILE__, __LINE__);
    instr.dst = &q;
    instr.a = &q_l1;
    both(instr, NULL);
    for (uint32_t i = 0; i < n_blocks; i++) {
        const uint32_t valid = i + 1 < n_blocks ? block : last, at = KV + (n_blocks - i) * 4096;
        struct tg_tile l1 = side_by_side ? tg_tile_mat(dtype, DIM, valid) : tg_tile_mat(dtype, valid, DIM);
        struct tg_tile part = tg_tile_right(dtype, valid, DIM);
        g = side_by_side ? tg_global_nd(at, dtype, DIM, valid, block) : tg_global_nd(at, dtype, valid, DIM, DIM);
        TASSIGN(l1, 8192 + i * DIM * block * tg_dtype_bytes(dtype));
        TASSIGN(part, i * DIM * block * tg_dtype_bytes(dtype));
        instr = instr_at(TG_OP_TLOAD, __FILE__, __LINE__);
        instr.dst = &l1;
        both(instr, &g);
        if (side_by_side) continue;
        instr = instr_at(TG_OP_TMOV, __FILE__, __LINE__);
        instr.dst = &part;
        instr.a = &l1;
        both(instr, NULL);
    }
    if (side_by_side) {
        struct tg_tile all = tg_tile_mat(dtype, DIM, tokens);
        TASSIGN(all, 8192);
        instr = instr_at(TG_OP_TMOV, __FILE__, __LINE__);
        instr.dst = &right;
        instr.a = &all;
        both(instr, NULL);
    }
    spoil(&other.buffers);
    acc = tg_tile_acc(ROWS, right.valid_cols);
    TASSIGN(acc, 0);
    instr = instr_at(TG_OP_TMATMUL, __FILE__, __LINE__);
    instr.dst = &acc;
    instr.a = &q;
    instr.b = &right;
    both(instr, NULL);
    assert_same_product(&acc, side_by_side ? "blocks side by side" : "blocks below each other");
}

static void assert_all_uncopied(uint32_t q_dtype, uint32_t dtype)
{
    for (uint32_t n_blocks = 1; n_blocks <= 8; n_blocks += 3)
        for (uint32_t last = 1; last <= block_of(dtype); last += 5) {
            assert_uncopied(q_dtype, dtype, true, n_blocks, last);
            assert_uncopied(q_dtype, dtype, false, n_blocks, last);
        }
}

static void blocks_that_were_loaded_apart_are_one_operand_without_a_copy(void **state)
{
    (void)state;
    lazy.product = tg_product_variant_for(tg_isa_usable());
    for (uint32_t dtype = TG_FP32; dtype <= TG_BF16; dtype++) assert_all_uncopied(dtype, dtype);
}

/* Keys as rows of a token: columns of the operand. */
static void a_transposed_operand_is_turned_where_it_is(void **state)
{
    (void)state;
    enum { DIM = 72, TOKENS = 150, ROWS = 3, KV = 8192 };
    for (size_t v = 0; tg_product_variant_at(v); v++) {
        lazy.product = tg_product_variant_at(v);
        if (lazy.product->needs > tg_isa_usable()) continue;
        for (uint32_t dtype = TG_FP16; dtype <= TG_BF16; dtype++) {
            struct tg_tile q_l1 = tg_tile_mat(dtype, ROWS, DIM), q = tg_tile_left(dtype, ROWS, DIM);
            struct tg_tile k_l1 = tg_tile_mat_zn(dtype, DIM, TOKENS), k = tg_tile_right(dtype, DIM, TOKENS);
            struct tg_tile acc = tg_tile_acc(ROWS, TOKENS);
            const struct tg_global q_gm = tg_global_nd(0, dtype, ROWS, DIM, DIM);
            const struct tg_global k_gm = tg_global_dn(KV, dtype, DIM, TOKENS, DIM + 8);
            TASSIGN(q_l1, 0);
            TASSIGN(q, 0);
            TASSIGN(k_l1, 8192);
            TASSIGN(k, 0);
            TASSIGN(acc, 0);
            fill(dtype);
            tg_lazy_begin(&lazy);
            struct tg_instr instr = instr_at(TG_OP_TLOAD, __FILE__, __LINE__);
            instr.dst = &q_l1;
            both(instr, &q_gm);
            instr.dst = &k_l1;
            both(instr, &k_gm);
            instr = instr_at(TG_OP_TMOV, __FILE__, __LINE__);
            instr.dst = &q;
            instr.a = &q_l1;
            both(instr, NULL);
            instr.dst = &k;
            instr.a = &k_l1;
            both(instr, NULL);
            spoil(&other.buffers);
            instr = instr_at(TG_OP_TMATMUL, __FILE__, __LINE__);
            instr.dst = &acc;
            instr.a = &q;
            instr.b = &k;
            both(instr, NULL);
            assert_same_product(&acc, "keys that are rows");
        }
    }
}

static void a_right_operand_of_8_bits_is_widened_where_it_is(void **state)
{
    (void)state;
    static const uint32_t narrow[] = {TG_INT8, TG_FP8_E4M3, TG_FP8_E5M2};
    for (size_t v = 0; tg_product_variant_at(v); v++) {
        lazy.product = tg_product_variant_at(v);
        if (lazy.product->needs > tg_isa_usable()) continue;
        for (uint32_t dtype = TG_FP32; dtype <= TG_BF16; dtype++)
            for (int i = 0; i < 3; i++) assert_all_uncopied(dtype, narrow[i]);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_kernels_leave_what_they_leave_without_laziness),
        cmocka_unit_test(blocks_that_were_loaded_apart_are_one_operand_without_a_copy),
        cmocka_unit_test(a_right_operand_of_8_bits_is_widened_where_it_is),
        cmocka_unit_test(a_transposed_operand_is_turned_where_it_is),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, open_both, close_both);
}
