/*
 * transfer.c, and matmul and vector in every variant that this computer can run, through tg_execute: every instruction,
 * type and layout, on awkward sizes.
 *
 * Buffers and device memory are of the exact size and full of noise. Before an instruction they are copied. Afterwards
 * every valid element of the result is compared with a computation in double precision. All bytes outside of the
 * written tile or rows must be unchanged. A variant has to leave the same bits in the buffers as the portable
 * one, but for those of a NaN.
 */
#include <stdlib.h>

#include "common/check.h"
#include "common/instr.h"
#include "reference.h"
#include "tile/execute.h"
#include "tile/rules.h"

enum {
    ROUNDS = TEST_TSAN ? 4 : 40,
    N_KINDS = 5,
    TILES_MAX = 4,
    AIC_BUFFERS = 15,
    AIV_BUFFERS = 16 /* sets of kinds, a bit each */
};

static struct tg_buffers buffers;
static uint8_t *before[N_KINDS], *portable[N_KINDS]; /* the buffers' contents; the portable variant's result */
static uint64_t random_state = 20260301;

/* ---- buffers and tiles ------------------------------------------------------------------------------------------- */

static int allocate(void **state)
{
    (void)state;
    for (uint32_t kind = 0; kind < N_KINDS; kind++) {
        buffers.of_kind[kind] = malloc(tg_kind_capacity(kind));
        before[kind] = malloc(tg_kind_capacity(kind));
        portable[kind] = malloc(tg_kind_capacity(kind));
        if (!buffers.of_kind[kind] || !before[kind] || !portable[kind]) return -1;
        for (uint32_t i = 0; i < tg_kind_capacity(kind); i += 8) {
            uint64_t noise = ref_random(&random_state);
            memcpy(buffers.of_kind[kind] + i, &noise, 8);
        }
    }
    buffers.scratch = malloc(TG_SCRATCH_BYTES);
    return buffers.scratch ? 0 : -1;
}

static int release(void **state)
{
    (void)state;
    for (uint32_t kind = 0; kind < N_KINDS; kind++) {
        free(buffers.of_kind[kind]);
        free(before[kind]);
        free(portable[kind]);
    }
    free(buffers.scratch);
    return 0;
}

static uint32_t alignment_of(uint32_t kind) { return kind == TG_LEFT || kind == TG_RIGHT ? 512 : 64; }

/* Place tiles of one buffer in any order with any gaps; now and then the last one ends where the buffer does. */
static void place(struct tg_tile *const *tiles, uint32_t n)
{
    uint32_t kind = tiles[0]->kind, step = alignment_of(kind), used = 0, at = 0;
    struct tg_tile *order[TILES_MAX];
    for (uint32_t i = 0; i < n; i++) {
        uint32_t j = ref_between(&random_state, 0, i);
        order[i] = order[j];
        order[j] = tiles[i];
        used += tg_round_up(tg_tile_bytes(tiles[i]), step);
    }
    assert_true(used <= tg_kind_capacity(kind));
    uint32_t spare = (tg_kind_capacity(kind) - used) / step;
    for (uint32_t i = 0; i < n; i++) {
        bool to_the_end = i + 1 == n && ref_between(&random_state, 0, 3) == 0;
        uint32_t gap = to_the_end ? spare : ref_between(&random_state, 0, spare);
        spare -= gap;
        at += gap * step;
        if (to_the_end) /* exactly, also where the size is no multiple of the step */
            at = (tg_kind_capacity(kind) - tg_tile_bytes(order[i])) & ~31u;
        TASSIGN(*order[i], at);
        at += tg_round_up(tg_tile_bytes(order[i]), step);
    }
}

/* Where each element is, in elements from the tile's start, as map[row * cols + col]: the layouts written out. */
static uint32_t *map_of(const struct tg_tile *t)
{
    uint32_t *map = malloc((size_t)t->rows * t->cols * sizeof *map), next = 0;
    assert_non_null(map);
    uint32_t narrow = t->kind == TG_ACC ? 16 : 32 / tg_dtype_bytes(t->dtype);
    if (t->kind == TG_VEC && t->layout == TG_ROW_MAJOR) {
        for (uint32_t i = 0; i < t->rows * t->cols; i++) map[i] = i;
    } else if (t->kind == TG_VEC) {
        for (uint32_t col = 0; col < t->cols; col++)
            for (uint32_t row = 0; row < t->rows; row++) map[row * t->cols + col] = next++;
    } else if (t->kind == TG_LEFT) {
        for (uint32_t row = 0; row < t->rows; row += 16)
            for (uint32_t col = 0; col < t->cols; col += narrow)
                for (uint32_t r = 0; r < 16; r++)
                    for (uint32_t c = 0; c < narrow; c++) map[(row + r) * t->cols + col + c] = next++;
    } else if (t->kind == TG_RIGHT) {
        for (uint32_t row = 0; row < t->rows; row += narrow)
            for (uint32_t col = 0; col < t->cols; col += 16)
                for (uint32_t c = 0; c < 16; c++)
                    for (uint32_t r = 0; r < narrow; r++) map[(row + r) * t->cols + col + c] = next++;
    } else {
        for (uint32_t col = 0; col < t->cols; col += narrow)
            for (uint32_t row = 0; row < t->rows; row++)
                for (uint32_t c = 0; c < narrow; c++) map[row * t->cols + col + c] = next++;
    }
    return map;
}

/* The tile's elements as they were before the instruction (or are now), [rows][cols] with the padding. */
static double *elements_of(const struct tg_tile *t, bool now)
{
    const uint8_t *tile = (now ? buffers.of_kind : before)[t->kind] + t->offset;
    uint32_t bytes = tg_dtype_bytes(t->dtype), *map = map_of(t);
    double *out = malloc((size_t)t->rows * t->cols * sizeof *out);
    assert_non_null(out);
    for (uint32_t i = 0; i < t->rows * t->cols; i++) out[i] = ref_load(t->dtype, tile + (size_t)map[i] * bytes);
    free(map);
    return out;
}

enum fill { FILL_ANY, FILL_ORDINARY, FILL_POSITIVE };

static double number(uint32_t dtype, enum fill fill)
{
    double value, low, high;
    if (ref_integer(dtype, &low, &high)) {
        const double corners[] = {0, 1, 16777217, -16777219, high, low};
        value = corners[ref_between(&random_state, 0, 5)];
        if (value >= low && value <= high && ref_between(&random_state, 0, 7) == 0) return value;
        return floor(low + (high - low) * ((double)(ref_random(&random_state) >> 11) * 0x1p-53));
    }
    do value = ref_number(&random_state);
    while (fill != FILL_ANY && !(fabs(value) < 1000));
    return fill == FILL_POSITIVE ? fabs(value) : value;
}

/* Give every valid element a value; the padding stays noise. */
static void fill_tile(const struct tg_tile *t, enum fill fill)
{
    uint8_t *tile = buffers.of_kind[t->kind] + t->offset;
    uint32_t *map = map_of(t), bytes = tg_dtype_bytes(t->dtype);
    for (uint32_t row = 0; row < t->valid_rows; row++)
        for (uint32_t col = 0; col < t->valid_cols; col++)
            ref_store(t->dtype, number(t->dtype, fill), tile + (size_t)map[row * t->cols + col] * bytes);
    free(map);
}

/* A row-major Vec tile whose static size is more than it needs. */
static struct tg_tile loose_vec(uint32_t dtype, uint32_t rows, uint32_t cols)
{
    struct tg_tile t = tg_tile_vec(dtype, rows, cols);
    t.rows += ref_between(&random_state, 0, 2);
    t.cols += ref_between(&random_state, 0, 2) * (32 / tg_dtype_bytes(dtype));
    return t;
}

static struct tg_tile loose_cube(uint32_t kind, uint32_t dtype, uint32_t rows, uint32_t cols)
{
    struct tg_tile t = tg_tile_cube(kind, dtype, rows, cols);
    t.rows += 16 * ref_between(&random_state, 0, 1);
    t.cols += 16 * ref_between(&random_state, 0, 1);
    return t;
}

/* ---- one instruction --------------------------------------------------------------------------------------------- */

static char what[256]; /* the case, for messages */

/* Of two NaN operands either may be the one that is passed on. */
static bool are_same_bits(const uint8_t *a, const uint8_t *b, uint32_t n_bytes)
{
    if (memcmp(a, b, n_bytes) == 0) return true;
    for (uint32_t i = 0; i < n_bytes; i += 4)
        if (memcmp(a + i, b + i, 4) != 0 && !(isnan(ref_load(TG_FP32, a + i)) && isnan(ref_load(TG_FP32, b + i))))
            return false;
    return true;
}

/* The instruction again, by the portable variant, on what there was before: the buffers have to be the same. */
static void assert_as_portable(const struct tg_instr *instr, uint32_t kinds)
{
    struct tg_buffers again = {.variant = tg_tile_variant_at(0), .scratch = buffers.scratch};
    for (uint32_t kind = 0; kind < N_KINDS; kind++) {
        again.of_kind[kind] = portable[kind];
        if (kinds >> kind & 1) memcpy(portable[kind], before[kind], tg_kind_capacity(kind));
    }
    tg_execute(instr, &again);
    for (uint32_t kind = 0; kind < N_KINDS; kind++)
        if ((kinds >> kind & 1) && !are_same_bits(portable[kind], buffers.of_kind[kind], tg_kind_capacity(kind)))
            fail_msg("%s: %s and portable differ in buffer %u", what, buffers.variant->name, kind);
}

static void run(const struct tg_instr *instr, enum tg_core_type core_type, uint32_t kinds)
{
    char message[512];
    if (!tg_rules_check(instr, core_type, message, sizeof message)) fail_msg("%s: %s", what, message);
    for (uint32_t kind = 0; kind < N_KINDS; kind++)
        if (kinds >> kind & 1) memcpy(before[kind], buffers.of_kind[kind], tg_kind_capacity(kind));
    tg_execute(instr, &buffers);
    if (buffers.variant->needs != TG_ISA_PORTABLE && !instr->global) assert_as_portable(instr, kinds);
}

/* Nothing but `written` (with its padding) and `scratch` has changed. NULL: none. */
static void assert_rest_untouched(uint32_t kinds, const struct tg_tile *written, const struct tg_tile *scratch)
{
    const struct tg_tile *allowed[] = {written, scratch};
    for (int i = 0; i < 2; i++) {
        const struct tg_tile *t = allowed[i];
        if (t) memcpy(before[t->kind] + t->offset, buffers.of_kind[t->kind] + t->offset, tg_tile_bytes(t));
    }
    for (uint32_t kind = 0; kind < N_KINDS; kind++)
        if ((kinds >> kind & 1) && memcmp(before[kind], buffers.of_kind[kind], tg_kind_capacity(kind)) != 0)
            fail_msg("%s: bytes of buffer %u outside of the written tile have changed", what, kind);
}

/* Steps of the type's grid between two values of it. */
static double steps_between(uint32_t dtype, double a, double b)
{
    if (ref_equal(a, b)) return 0;
    if (isnan(a) || isnan(b)) return INFINITY;
    int exponent_bits = dtype == TG_FP16 ? 5 : 8, fraction_bits = dtype == TG_FP16 ? 10 : dtype == TG_BF16 ? 7 : 23;
    uint32_t at_a = ref_bits(fabs(a), exponent_bits, fraction_bits);
    uint32_t at_b = ref_bits(fabs(b), exponent_bits, fraction_bits);
    return fabs((a < 0 ? -1.0 : 1.0) * at_a - (b < 0 ? -1.0 : 1.0) * at_b);
}

static void assert_near(uint32_t dtype, uint32_t row, uint32_t col, double got, double expected, double steps)
{
    double low, high;
    if (ref_integer(dtype, &low, &high) ? got == expected : steps_between(dtype, got, expected) <= steps) return;
    fail_msg("%s: element [%u][%u] is %.17g, not %.17g", what, row, col, got, expected);
}

/* ---- element by element ------------------------------------------------------------------------------------------ */

static double max_or_nan(double a, double b) { return isnan(a) || isnan(b) ? (double)NAN : a > b ? a : b; }
static double min_or_nan(double a, double b) { return isnan(a) || isnan(b) ? (double)NAN : a < b ? a : b; }

static double expected_of(uint32_t op, double a, double b)
{
    switch (op) {
    case TG_OP_TADDS:
    case TG_OP_TROWEXPANDADD:
    case TG_OP_TCOLEXPANDADD:
    case TG_OP_TADD: return a + b;
    case TG_OP_TSUBS:
    case TG_OP_TROWEXPANDSUB:
    case TG_OP_TCOLEXPANDSUB:
    case TG_OP_TSUB: return a - b;
    case TG_OP_TMULS:
    case TG_OP_TROWEXPANDMUL:
    case TG_OP_TCOLEXPANDMUL:
    case TG_OP_TMUL: return a * b;
    case TG_OP_TDIVS:
    case TG_OP_TROWEXPANDDIV:
    case TG_OP_TCOLEXPANDDIV:
    case TG_OP_TDIV: return a / b;
    case TG_OP_TMAXS:
    case TG_OP_TROWEXPANDMAX:
    case TG_OP_TCOLEXPANDMAX:
    case TG_OP_TMAX: return max_or_nan(a, b);
    case TG_OP_TMINS:
    case TG_OP_TROWEXPANDMIN:
    case TG_OP_TCOLEXPANDMIN:
    case TG_OP_TMIN: return min_or_nan(a, b);
    case TG_OP_TROWEXPANDEXPDIF:
    case TG_OP_TCOLEXPANDEXPDIF: return exp((double)((float)a - (float)b)); /* the difference is an fp32 number */
    case TG_OP_TNEG: return -a;
    case TG_OP_TABS: return fabs(a);
    case TG_OP_TRELU: return max_or_nan(a, 0);
    case TG_OP_TRECIP: return 1 / a;
    case TG_OP_TEXP: return exp(a);
    case TG_OP_TLOG: return log(a);
    case TG_OP_TSQRT: return sqrt(a);
    case TG_OP_TRSQRT: return 1 / sqrt(a);
    case TG_OP_TROWEXPAND:
    case TG_OP_TCOLEXPAND:
    case TG_OP_TEXPANDS: return b;
    default: return a; /* TCVT, TMOV */
    }
}

static bool is_product(uint32_t op)
{
    return op == TG_OP_TMUL || op == TG_OP_TMULS || op == TG_OP_TROWEXPANDMUL || op == TG_OP_TCOLEXPANDMUL;
}

/* Bits of two numbers; a shift multiplies or divides by a power of two. */
static int64_t expected_bits(uint32_t op, uint32_t dtype, int64_t a, int64_t b)
{
    const bool out = b < 0 || b >= 8 * (int64_t)tg_dtype_bytes(dtype);
    switch (op) {
    case TG_OP_TAND:
    case TG_OP_TANDS: return a & b;
    case TG_OP_TOR:
    case TG_OP_TORS: return a | b;
    case TG_OP_TXOR:
    case TG_OP_TXORS: return (a | b) - (a & b);
    case TG_OP_TNOT: return -a - 1;
    case TG_OP_TSHL:
    case TG_OP_TSHLS: return out ? 0 : (int64_t)((uint64_t)a * ((uint64_t)1 << b));
    default: return out ? (a < 0 ? -1 : 0) : (int64_t)floor(ldexp((double)a, -(int)b));
    }
}

/* Of two integers: the low bits of the exact result. */
static double expected_integer(uint32_t op, uint32_t dtype, double a, double b)
{
    const bool bits = op >= TG_OP_TAND && op <= TG_OP_TSHRS;
    const int64_t exact = bits             ? expected_bits(op, dtype, (int64_t)a, (int64_t)b)
                          : is_product(op) ? (int64_t)a * (int64_t)b
                                           : (int64_t)expected_of(op, a, b);
    switch (dtype) {
    case TG_INT16: return (int16_t)exact;
    case TG_UINT16: return (uint16_t)exact;
    case TG_UINT32: return (uint32_t)exact;
    default: return (int32_t)exact;
    }
}

/* The functions are allowed two steps in fp32, and one where that is rounded once more. */
static double steps_allowed(uint32_t op, uint32_t dtype)
{
    if (op != TG_OP_TEXP && op != TG_OP_TLOG && op != TG_OP_TRSQRT && op != TG_OP_TROWEXPANDEXPDIF &&
        op != TG_OP_TCOLEXPANDEXPDIF)
        return 0;
    return dtype == TG_FP32 ? 2 : 1;
}

static uint32_t form_of(uint32_t op) { return tg_op_info(op)->form; }

static bool only_moves(uint32_t op)
{
    const uint32_t form = form_of(op);
    return form == TG_FORM_CONVERT || form == TG_FORM_FILL || form == TG_FORM_ROW_EXPAND || form == TG_FORM_COL_EXPAND;
}

static bool expands_column(uint32_t op)
{
    return form_of(op) == TG_FORM_ROW_EXPAND || form_of(op) == TG_FORM_ROW_EXPAND_WITH;
}

static bool expands_row(uint32_t op)
{
    return form_of(op) == TG_FORM_COL_EXPAND || form_of(op) == TG_FORM_COL_EXPAND_WITH;
}

/* The element of a source that belongs to dst's [row][col]. */
static double operand_at(uint32_t op, const struct tg_tile *t, const double *values, uint32_t row, uint32_t col,
                         bool full)
{
    if (full) return values[row * t->cols + col];
    if (expands_row(op)) return values[col];
    return values[row * t->cols + (t->layout == TG_ROW_MAJOR ? col % t->valid_cols : 0)];
}

/* dst's valid elements against the function of a's and b's; b is a tile like dst, a column or a row. */
static void assert_elements(const struct tg_instr *instr)
{
    const struct tg_tile *dst = instr->dst, *a = instr->a, *b = instr->b;
    const bool swapped = tg_first_is_expanded(instr), expands = expands_column(instr->op) || expands_row(instr->op);
    double *got = elements_of(dst, true), *x = a ? elements_of(a, false) : NULL, *y = b ? elements_of(b, false) : NULL;
    double low = 0, high = 0;
    const bool integer = ref_integer(dst->dtype, &low, &high);
    const double scalar = integer ? fmin(fmax(trunc(instr->scalar), low), high) : ref_round(dst->dtype, instr->scalar);
    for (uint32_t row = 0; row < dst->valid_rows; row++)
        for (uint32_t col = 0; col < dst->valid_cols; col++) {
            double left = x ? operand_at(instr->op, a, x, row, col, !swapped) : 0, right = scalar;
            if (y) right = operand_at(instr->op, b, y, row, col, swapped || !expands);
            double expected = integer && !only_moves(instr->op)
                                  ? expected_integer(instr->op, dst->dtype, left, right)
                                  : ref_round(dst->dtype, expected_of(instr->op, left, right));
            assert_near(dst->dtype, row, col, got[row * dst->cols + col], expected,
                        steps_allowed(instr->op, dst->dtype));
        }
    free(got);
    free(x);
    free(y);
    assert_rest_untouched(AIV_BUFFERS, dst, NULL);
}

static const uint32_t awkward_rows[] = {1, 3, 16, 17};
static const uint32_t awkward_cols[] = {1, 2, 7, 8, 15, 16, 17, 31, 33, 64, 255, 256, 257, 515};
#define EACH_SIZE(rows, cols)                                                                                          \
    for (size_t r_ = 0; r_ < sizeof awkward_rows / sizeof awkward_rows[0]; r_++)                                       \
        for (size_t c_ = 0; c_ < sizeof awkward_cols / sizeof awkward_cols[0]; c_++)                                   \
            for (uint32_t rows = awkward_rows[r_], cols = awkward_cols[c_], once_ = tries_all() || (r_ + c_) % 2 == 0; \
                 once_; once_ = 0)

enum alias { ALIAS_NONE, ALIAS_A, ALIAS_B, ALIAS_BOTH, N_ALIASES };

static void one_elementwise(uint32_t op, uint32_t dtype, uint32_t rows, uint32_t cols, enum alias alias)
{
    struct tg_tile dst = loose_vec(dtype, rows, cols), a = loose_vec(dtype, rows, cols),
                   b = loose_vec(dtype, rows, cols);
    place((struct tg_tile *[]){&dst, &a, &b}, 3);
    const struct tg_tile *left = alias == ALIAS_A || alias == ALIAS_BOTH ? &dst : &a;
    const struct tg_tile *right = alias == ALIAS_B || alias == ALIAS_BOTH ? &dst : &b;
    snprintf(what, sizeof what, "%s type %u, %u x %u, alias %d", tg_op_name(op), dtype, rows, cols, (int)alias);
    fill_tile(left, FILL_ANY);
    fill_tile(right, FILL_ANY);
    struct tg_instr instr = instr_at(op, __FILE__, __LINE__);
    instr.dst = &dst;
    instr.a = left;
    instr.b = form_of(op) == TG_FORM_BINARY ? right : NULL;
    instr.scalar = number(TG_FP16, FILL_ORDINARY);
    run(&instr, TG_AIV, AIV_BUFFERS);
    assert_elements(&instr);
}

#define EACH_TYPE(op, dtype)                                                                                           \
    for (uint32_t dtype = 0; dtype < TG_DTYPES; dtype++)                                                               \
        if (tg_op_info(op)->types >> dtype & 1u)

/* Instructions whose operands all have dst's shape. */
static bool is_elementwise(uint32_t op)
{
    const uint32_t form = form_of(op);
    return form == TG_FORM_BINARY || form == TG_FORM_UNARY || form == TG_FORM_UNARY_SCALAR || form == TG_FORM_UNARY_TMP;
}

#define EACH_ELEMENTWISE(op)                                                                                           \
    for (uint32_t op = 0; op < TG_OP_COUNT; op++)                                                                      \
        if (is_elementwise(op))

static void arithmetic_is_that_of_double_precision_rounded_once(void **state)
{
    (void)state;
    EACH_ELEMENTWISE(op) EACH_SIZE(rows, cols) EACH_TYPE(op, dtype)
    {
        one_elementwise(op, dtype, rows, cols, ALIAS_NONE);
    }
}

/* Shifts by every number of bits, and by more. */
static void bits_are_shifted_by_every_count(void **state)
{
    (void)state;
    for (uint32_t op = TG_OP_TSHLS; op <= TG_OP_TSHRS; op++) EACH_TYPE(op, dtype)
    for (int count = -1; count <= 33; count++) {
        struct tg_tile dst = loose_vec(dtype, 3, 70), a = loose_vec(dtype, 3, 70);
        place((struct tg_tile *[]){&dst, &a}, 2);
        snprintf(what, sizeof what, "%s type %u by %d", tg_op_name(op), dtype, count);
        fill_tile(&a, FILL_ANY);
        struct tg_instr instr = instr_at(op, __FILE__, __LINE__);
        instr.dst = &dst;
        instr.a = &a;
        instr.scalar = count;
        run(&instr, TG_AIV, AIV_BUFFERS);
        assert_elements(&instr);
        struct tg_tile counts = loose_vec(dtype, 3, 70);
        place((struct tg_tile *[]){&dst, &a, &counts}, 3);
        fill_tile(&a, FILL_ANY);
        for (uint32_t i = 0; i < counts.rows * counts.cols; i++)
            ref_store(dtype, (double)((int)(i % 40) - 2),
                      buffers.of_kind[TG_VEC] + counts.offset + (size_t)i * tg_dtype_bytes(dtype));
        instr.op = op == TG_OP_TSHLS ? TG_OP_TSHL : TG_OP_TSHR;
        instr.b = &counts;
        run(&instr, TG_AIV, AIV_BUFFERS);
        assert_elements(&instr);
    }
}

static void the_destination_may_be_a_source(void **state)
{
    (void)state;
    EACH_ELEMENTWISE(op)
    for (int alias = ALIAS_A; alias < N_ALIASES; alias++) EACH_TYPE(op, dtype)
        {
            if (!(tg_op_info(op)->in_place & TG_IN_PLACE_A)) continue;
            one_elementwise(op, dtype, 5, 37, (enum alias)alias);
            one_elementwise(op, dtype, 3, 600, (enum alias)alias);
        }
}

/* Floats of every exponent, both signs, infinities and NaN, at equal distances of their bits. */
static void the_functions_take_any_number(void **state)
{
    (void)state;
    enum { ROWS = 64, COLS = 512, STEP = 65521 };
    uint32_t bits = 0;
    for (uint32_t op = TG_OP_TABS; op <= TG_OP_TRSQRT; op++)
        for (uint32_t part = 0; part < UINT32_MAX / STEP / (ROWS * COLS) + 1; part++) {
            struct tg_tile t = tg_tile_vec(TG_FP32, ROWS, COLS);
            place((struct tg_tile *[]){&t}, 1);
            snprintf(what, sizeof what, "%s of floats up to bits 0x%x", tg_op_name(op), bits);
            for (uint32_t i = 0; i < ROWS * COLS; i++, bits += STEP)
                memcpy(buffers.of_kind[TG_VEC] + t.offset + (size_t)i * 4, &bits, sizeof bits);
            struct tg_instr instr = instr_at(op, __FILE__, __LINE__);
            instr.dst = instr.a = &t;
            run(&instr, TG_AIV, AIV_BUFFERS);
            assert_elements(&instr);
        }
}

static void the_scalar_may_be_any_number(void **state)
{
    (void)state;
    static const float scalars[] = {0.0f, -0.0f, INFINITY, -INFINITY, NAN, 1e-40f};
    for (uint32_t op = TG_OP_TADDS; op <= TG_OP_TMINS; op++)
        for (size_t i = 0; i < sizeof scalars / sizeof scalars[0]; i++) {
            struct tg_tile dst = loose_vec(TG_FP32, 4, 40), a = loose_vec(TG_FP32, 4, 40);
            place((struct tg_tile *[]){&dst, &a}, 2);
            snprintf(what, sizeof what, "%s by %g", tg_op_name(op), (double)scalars[i]);
            fill_tile(&a, FILL_ANY);
            struct tg_instr instr = instr_at(op, __FILE__, __LINE__);
            instr.dst = &dst;
            instr.a = &a;
            instr.scalar = (double)scalars[i];
            run(&instr, TG_AIV, AIV_BUFFERS);
            assert_elements(&instr);
        }
}

/* The scalar is rounded to the tile's type before it meets an element, and from double precision at once. */
static void a_scalar_has_the_type_of_the_tile(void **state)
{
    (void)state;
    static const double scalars[] = {0.1,       0x1.002p0,    0x1.0020000000001p0, 0x1.001fffffffffp0,
                                     0x1.006p0, 0x1p-25,      0x1.0000000001p-25,  65519.999999,
                                     65520.0,   0x1.000001p0, 0x1.0000010000001p0};
    for (uint32_t op = TG_OP_TADDS; op <= TG_OP_TMINS; op++)
        for (uint32_t dtype = TG_FP32; dtype <= TG_FP16; dtype++)
            for (size_t i = 0; i < 2 * (sizeof scalars / sizeof scalars[0]); i++) {
                struct tg_tile dst = loose_vec(dtype, 4, 1024), a = loose_vec(dtype, 4, 1024);
                place((struct tg_tile *[]){&dst, &a}, 2);
                struct tg_instr instr = instr_at(op, __FILE__, __LINE__);
                instr.scalar = i % 2 ? -scalars[i / 2] : scalars[i / 2];
                snprintf(what, sizeof what, "%s type %u by %a", tg_op_name(op), dtype, instr.scalar);
                fill_tile(&a, FILL_ORDINARY);
                instr.dst = &dst;
                instr.a = &a;
                run(&instr, TG_AIV, AIV_BUFFERS);
                assert_elements(&instr);
            }
}

static void conversions_round_to_nearest_even(void **state)
{
    (void)state;
    static const uint8_t pairs[][2] = {{TG_FP32, TG_FP16}, {TG_FP32, TG_BF16}, {TG_FP32, TG_INT32},
                                       {TG_FP16, TG_FP32}, {TG_BF16, TG_FP32}, {TG_INT32, TG_FP32}};
    for (size_t p = 0; p < sizeof pairs / sizeof pairs[0]; p++) EACH_SIZE(rows, cols)
        {
            struct tg_tile dst = loose_vec(pairs[p][1], rows, cols), src = loose_vec(pairs[p][0], rows, cols);
            place((struct tg_tile *[]){&dst, &src}, 2);
            snprintf(what, sizeof what, "TCVT type %u to %u, %u x %u", src.dtype, dst.dtype, rows, cols);
            fill_tile(&src, FILL_ANY);
            struct tg_instr instr = instr_at(TG_OP_TCVT, __FILE__, __LINE__);
            instr.dst = &dst;
            instr.a = &src;
            run(&instr, TG_AIV, AIV_BUFFERS);
            assert_elements(&instr);
        }
}

static void a_conversion_to_int32_turns_at_halves_and_saturates(void **state)
{
    (void)state;
    static const float in[] = {0.5f,          1.5f,          2.5f,        -0.5f,          -1.5f,          -2.5f,
                               2147483520.0f, 2147483648.0f, 3e10f,       -2147483648.0f, -2147483904.0f, NAN,
                               INFINITY,      -INFINITY,     16777215.0f, -0.49999997f};
    static const int32_t out[] = {0,         2,         2,         0, -2,        -2,        2147483520, INT32_MAX,
                                  INT32_MAX, INT32_MIN, INT32_MIN, 0, INT32_MAX, INT32_MIN, 16777215,   0};
    struct tg_tile dst = tg_tile_vec(TG_INT32, 1, 16), src = tg_tile_vec(TG_FP32, 1, 16);
    place((struct tg_tile *[]){&dst, &src}, 2);
    memcpy(buffers.of_kind[TG_VEC] + src.offset, in, sizeof in);
    struct tg_instr instr = instr_at(TG_OP_TCVT, __FILE__, __LINE__);
    instr.dst = &dst;
    instr.a = &src;
    run(&instr, TG_AIV, AIV_BUFFERS);
    assert_memory_equal(buffers.of_kind[TG_VEC] + dst.offset, out, sizeof out);
}

static void a_scalar_is_written_everywhere(void **state)
{
    (void)state;
    static const double scalars[] = {0.1, -(double)INFINITY, 7, -3.9, 300, -1e10, NAN};
    for (uint32_t layout = TG_ROW_MAJOR; layout <= TG_COL_MAJOR; layout++) EACH_TYPE(TG_OP_TEXPANDS, dtype)
    EACH_SIZE(rows, cols)
    {
        struct tg_tile dst = loose_vec(dtype, rows, cols);
        if (layout == TG_COL_MAJOR) {
            dst = tg_tile_make(TG_VEC, dtype, layout, tg_round_up(cols, 32) + 32, rows, cols, rows);
            if (rows > 1) dst.cols++;
        }
        place((struct tg_tile *[]){&dst}, 1);
        snprintf(what, sizeof what, "TEXPANDS type %u layout %u, %u x %u", dtype, layout, rows, cols);
        struct tg_instr instr = instr_at(TG_OP_TEXPANDS, __FILE__, __LINE__);
        instr.dst = &dst;
        instr.scalar = scalars[(rows + cols) % 7];
        if (isnan(instr.scalar) && dtype >= TG_INT32) instr.scalar = 0;
        run(&instr, TG_AIV, AIV_BUFFERS);
        assert_elements(&instr);
    }
}

static void one_fill_pad(uint32_t op, uint32_t dtype, uint32_t rows, uint32_t cols, bool in_place)
{
    struct tg_tile dst = loose_vec(dtype, rows, cols), src = dst;
    place((struct tg_tile *[]){&dst}, 1);
    if (!in_place) {
        src = loose_vec(dtype, rows, cols);
        place((struct tg_tile *[]){&dst, &src}, 2);
    }
    src.offset = in_place ? dst.offset : src.offset;
    src.valid_rows = ref_between(&random_state, 1, rows);
    src.valid_cols = ref_between(&random_state, 1, cols);
    snprintf(what, sizeof what, "fill pad type %u, %u x %u of %u x %u", dtype, src.valid_rows, src.valid_cols, rows,
             cols);
    fill_tile(&src, FILL_ANY);
    struct tg_instr instr = instr_at(op, __FILE__, __LINE__);
    instr.dst = &dst;
    instr.a = &src;
    instr.scalar = -INFINITY;
    run(&instr, TG_AIV, AIV_BUFFERS);
    double *got = elements_of(&dst, true), *from = elements_of(&src, false);
    for (uint32_t row = 0; row < rows; row++)
        for (uint32_t col = 0; col < cols; col++) {
            bool copied = row < src.valid_rows && col < src.valid_cols;
            assert_near(dtype, row, col, got[row * dst.cols + col],
                        copied ? from[row * src.cols + col] : ref_round(dtype, -INFINITY), 0);
        }
    free(got);
    free(from);
    assert_rest_untouched(AIV_BUFFERS, &dst, NULL);
}

static void a_filled_pad_surrounds_the_source(void **state)
{
    (void)state;
    EACH_TYPE(TG_OP_TFILLPAD, dtype) EACH_SIZE(rows, cols)
    {
        one_fill_pad(TG_OP_TFILLPAD, dtype, rows, cols, false);
        one_fill_pad(TG_OP_TFILLPAD, dtype, rows, cols, true);
        one_fill_pad(TG_OP_TFILLPAD_INPLACE, dtype, rows, cols, true);
    }
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

enum reduction { SUM, MAXIMUM, MINIMUM };

static enum reduction reduction_of(uint32_t op)
{
    return op == TG_OP_TROWSUM || op == TG_OP_TCOLSUM   ? SUM
           : op == TG_OP_TROWMAX || op == TG_OP_TCOLMAX ? MAXIMUM
                                                        : MINIMUM;
}

/* The reduction of n numbers that are `step` apart, and how far off fp32 sums in any order may be. */
static double reduced(enum reduction what_of, const double *first, uint32_t n, uint32_t step, double *slack)
{
    double value = what_of == SUM ? 0 : what_of == MAXIMUM ? -INFINITY : INFINITY, size = 0;
    for (uint32_t i = 0; i < n; i++) {
        const double next = first[(size_t)i * step];
        value = what_of == SUM ? value + next : what_of == MAXIMUM ? max_or_nan(value, next) : min_or_nan(value, next);
        size += fabs(next);
    }
    *slack = what_of == SUM ? size * n * 0x1p-24 : 0;
    return value;
}

static void assert_reduced(uint32_t op, uint32_t dtype, uint32_t at, double got, double expected, double slack)
{
    double low, high;
    if (ref_integer(dtype, &low, &high)) {
        const int64_t whole = (int64_t)expected;
        if (reduction_of(op) == SUM) expected = dtype == TG_INT16 ? (int16_t)whole : (int32_t)whole;
        slack = 0;
    }
    bool right = ref_equal(got, ref_round(dtype, expected));
    if (reduction_of(op) == SUM && isfinite(expected) && slack > 0) /* half a step of the type, besides */
        right = fabs(got - expected) <= slack + fabs(expected) * (dtype == TG_FP16 ? 0x1p-11 : 0x1p-24) + 0x1p-25;
    if (!right) fail_msg("%s: result %u is %.17g, not %.17g", what, at, got, expected);
}

static void one_reduction(uint32_t op, uint32_t dtype, uint32_t rows, uint32_t cols, enum fill fill)
{
    struct tg_tile src = loose_vec(dtype, rows, cols), tmp = loose_vec(dtype, rows, cols);
    struct tg_tile column = tg_tile_column(dtype, rows);
    if (cols % 2) column = loose_vec(dtype, rows, 1);
    place((struct tg_tile *[]){&src, &tmp, &column}, 3);
    snprintf(what, sizeof what, "%s type %u, %u x %u", tg_op_name(op), dtype, rows, cols);
    fill_tile(&src, fill);
    struct tg_instr instr = instr_at(op, __FILE__, __LINE__);
    instr.dst = &column;
    instr.a = &src;
    instr.tmp = &tmp;
    run(&instr, TG_AIV, AIV_BUFFERS);
    double *got = elements_of(&column, true), *from = elements_of(&src, false), slack;
    for (uint32_t row = 0; row < rows; row++) {
        double expected = reduced(reduction_of(op), from + (size_t)row * src.cols, cols, 1, &slack);
        assert_reduced(op, dtype, row, got[row * column.cols], expected, slack);
    }
    free(got);
    free(from);
    assert_rest_untouched(AIV_BUFFERS, &column, &tmp);
}

static void rows_are_reduced_to_a_column(void **state)
{
    (void)state;
    EACH_TYPE(TG_OP_TROWMAX, dtype) EACH_SIZE(rows, cols)
    {
        one_reduction(TG_OP_TROWMAX, dtype, rows, cols, FILL_ANY);
        one_reduction(TG_OP_TROWMIN, dtype, rows, cols, FILL_ANY);
        one_reduction(TG_OP_TROWMAX, dtype, rows, cols, FILL_ORDINARY);
        one_reduction(TG_OP_TROWSUM, dtype, rows, cols, FILL_ORDINARY);
        one_reduction(TG_OP_TROWSUM, dtype, rows, cols, FILL_POSITIVE);
    }
}

static void columns_are_reduced_to_a_row(void **state)
{
    (void)state;
    for (uint32_t op = TG_OP_TCOLMAX; op <= TG_OP_TCOLSUM; op++) EACH_TYPE(op, dtype) EACH_SIZE(rows, cols)
        {
            struct tg_tile src = loose_vec(dtype, rows, cols), row = loose_vec(dtype, 1, cols);
            place((struct tg_tile *[]){&src, &row}, 2);
            snprintf(what, sizeof what, "%s type %u, %u x %u", tg_op_name(op), dtype, rows, cols);
            fill_tile(&src, op == TG_OP_TCOLSUM ? FILL_ORDINARY : FILL_ANY);
            struct tg_instr instr = instr_at(op, __FILE__, __LINE__);
            instr.dst = &row;
            instr.a = &src;
            run(&instr, TG_AIV, AIV_BUFFERS);
            double *got = elements_of(&row, true), *from = elements_of(&src, false), slack;
            for (uint32_t col = 0; col < cols; col++) {
                double expected = reduced(reduction_of(op), from + col, rows, src.cols, &slack);
                assert_reduced(op, dtype, col, got[col], expected, slack);
            }
            free(got);
            free(from);
            assert_rest_untouched(AIV_BUFFERS, &row, NULL);
        }
}

static void the_first_of_the_largest_is_found(void **state)
{
    (void)state;
    for (uint32_t dtype = TG_FP32; dtype <= TG_FP16; dtype++) EACH_SIZE(rows, cols)
        {
            struct tg_tile src = loose_vec(dtype, rows, cols), tmp = loose_vec(dtype, rows, cols);
            struct tg_tile column = tg_tile_column(TG_INT32, rows);
            place((struct tg_tile *[]){&src, &tmp, &column}, 3);
            snprintf(what, sizeof what, "TROWARGMAX type %u, %u x %u", dtype, rows, cols);
            fill_tile(&src, FILL_ANY);
            if (cols > 1) /* each row has its first element twice */
                for (uint32_t row = 0; row < rows; row++) {
                    uint8_t *at = buffers.of_kind[TG_VEC] + src.offset + (size_t)row * src.cols * tg_dtype_bytes(dtype);
                    memcpy(at + (cols - 1) * tg_dtype_bytes(dtype), at, tg_dtype_bytes(dtype));
                }
            struct tg_instr instr = instr_at(TG_OP_TROWARGMAX, __FILE__, __LINE__);
            instr.dst = &column;
            instr.a = &src;
            instr.tmp = &tmp;
            run(&instr, TG_AIV, AIV_BUFFERS);
            double *got = elements_of(&column, true), *from = elements_of(&src, false);
            for (uint32_t row = 0; row < rows; row++) {
                const double *x = from + (size_t)row * src.cols;
                uint32_t best = 0;
                for (uint32_t col = 1; col < cols && !isnan(x[best]); col++)
                    if (isnan(x[col]) || x[col] > x[best]) best = col;
                if (got[row] != best) fail_msg("%s: row %u is %g, not %u", what, row, got[row], best);
            }
            free(got);
            free(from);
            assert_rest_untouched(AIV_BUFFERS, &column, &tmp);
        }
}

/* One NaN, or one infinity, in any place of a row shows in its result. */
static void a_reduction_hides_no_poison(void **state)
{
    (void)state;
    static const double poison[] = {NAN, INFINITY};
    for (uint32_t cols = 1; cols <= 300; cols += cols < 40 ? 1 : 37)
        for (uint32_t at = 0; at < cols; at++)
            for (int p = 0; p < 2; p++)
                for (uint32_t op = TG_OP_TROWMAX; op <= TG_OP_TROWSUM; op++) {
                    if (op == TG_OP_TROWMIN && p == 1) continue; /* an infinity is no minimum */
                    struct tg_tile src = tg_tile_vec(TG_FP32, 1, cols), tmp = src, column = tg_tile_column(TG_FP32, 1);
                    TASSIGN(src, 0);
                    TASSIGN(tmp, 4096);
                    TASSIGN(column, 8192);
                    fill_tile(&src, FILL_ORDINARY);
                    ref_store(TG_FP32, poison[p], buffers.of_kind[TG_VEC] + (size_t)at * 4);
                    struct tg_instr instr = instr_at(op, __FILE__, __LINE__);
                    instr.dst = &column;
                    instr.a = &src;
                    instr.tmp = &tmp;
                    tg_execute(&instr, &buffers);
                    double got = ref_load(TG_FP32, buffers.of_kind[TG_VEC] + 8192);
                    if (!ref_equal(got, poison[p]))
                        fail_msg("%s hides %g in column %u of %u: %g", tg_op_name(op), poison[p], at, cols, got);
                }
}

enum shape { COLUMN_SHAPE, BLOCK_SHAPE, ROW_SHAPE };

/* dst from a full tile, dst itself if in place, and one that is expanded; in both orders. */
static void one_expansion(uint32_t op, uint32_t dtype, uint32_t rows, uint32_t cols, enum shape shape, bool in_place,
                          bool swapped)
{
    struct tg_tile dst = loose_vec(dtype, rows, cols), full = loose_vec(dtype, rows, cols);
    struct tg_tile narrow = shape == COLUMN_SHAPE  ? tg_tile_column(dtype, rows)
                            : shape == BLOCK_SHAPE ? tg_tile_vec(dtype, rows, 32 / tg_dtype_bytes(dtype))
                                                   : loose_vec(dtype, 1, cols);
    place((struct tg_tile *[]){&dst, &full, &narrow}, 3);
    const struct tg_tile *a = in_place ? &dst : &full;
    snprintf(what, sizeof what, "%s type %u, %u x %u, shape %d, in place %d, swapped %d", tg_op_name(op), dtype, rows,
             cols, (int)shape, in_place, swapped);
    fill_tile(a, FILL_ANY);
    fill_tile(&narrow, FILL_ANY);
    const bool alone = form_of(op) == TG_FORM_ROW_EXPAND || form_of(op) == TG_FORM_COL_EXPAND;
    struct tg_instr instr = instr_at(op, __FILE__, __LINE__);
    instr.dst = &dst;
    instr.a = alone ? NULL : swapped ? &narrow : a;
    instr.b = alone || !swapped ? &narrow : a;
    run(&instr, TG_AIV, AIV_BUFFERS);
    assert_elements(&instr);
}

static void a_column_is_spread_over_the_rows(void **state)
{
    (void)state;
    for (uint32_t op = TG_OP_TROWEXPAND; op <= TG_OP_TROWEXPANDEXPDIF; op++) EACH_TYPE(op, dtype)
    for (int in_place = 0; in_place <= 1; in_place++) EACH_SIZE(rows, cols)
        {
            one_expansion(op, dtype, rows, cols, COLUMN_SHAPE, in_place, false);
            if (op == TG_OP_TROWEXPAND || in_place || cols % 3 == 0) continue;
            one_expansion(op, dtype, rows, cols, BLOCK_SHAPE, in_place, false);
            one_expansion(op, dtype, rows, cols, COLUMN_SHAPE, in_place, true);
            if (cols != 32 / tg_dtype_bytes(dtype)) /* else which one is full cannot be seen, nor does it matter */
                one_expansion(op, dtype, rows, cols, BLOCK_SHAPE, in_place, true);
        }
}

static void a_row_is_spread_over_the_columns(void **state)
{
    (void)state;
    for (uint32_t op = TG_OP_TCOLEXPAND; op <= TG_OP_TCOLEXPANDEXPDIF; op++) EACH_TYPE(op, dtype)
    for (int in_place = 0; in_place <= 1; in_place++) EACH_SIZE(rows, cols)
        {
            one_expansion(op, dtype, rows, cols, ROW_SHAPE, in_place, false);
            if (op != TG_OP_TCOLEXPAND && rows > 1) one_expansion(op, dtype, rows, cols, ROW_SHAPE, in_place, true);
        }
}

/* ---- device memory ----------------------------------------------------------------------------------------------- */

/* A GlobalTensor in memory of exactly its size, full of noise. */
struct memory {
    struct tg_global global;
    uint8_t *bytes, *before; /* [n] */
    size_t n;
    int64_t lowest; /* element offset of bytes[0] */
};

/* The offset of an element, in elements from the tensor's address. */
static int64_t global_at(const struct tg_global *g, uint32_t i, uint32_t j, uint32_t k, uint32_t row, uint32_t col)
{
    return i * g->stride[0] + j * g->stride[1] + k * g->stride[2] + row * g->stride[3] + col * g->stride[4];
}

static void memory_make(struct memory *m, uint32_t dtype, uint32_t layout, const uint32_t shape[5],
                        const int64_t stride[5])
{
    m->lowest = 0;
    int64_t highest = 0;
    for (int d = 0; d < 5; d++) {
        int64_t last = (int64_t)(shape[d] - 1) * stride[d];
        if (last < 0) m->lowest += last;
        else highest += last;
    }
    m->n = (size_t)(highest - m->lowest + 1) * tg_dtype_bytes(dtype);
    m->bytes = malloc(m->n);
    m->before = malloc(m->n);
    assert_non_null(m->bytes);
    assert_non_null(m->before);
    for (size_t i = 0; i < m->n; i++) m->bytes[i] = (uint8_t)(ref_random(&random_state) >> 56);
    memcpy(m->before, m->bytes, m->n);
    uint64_t addr = (uint64_t)(uintptr_t)m->bytes - (uint64_t)(m->lowest * (int64_t)tg_dtype_bytes(dtype));
    m->global = tg_global_make(addr, dtype, layout, shape, stride);
}

static void memory_free(struct memory *m)
{
    free(m->bytes);
    free(m->before);
}

static uint8_t *memory_at(const struct memory *m, uint8_t *bytes, int64_t at)
{
    return bytes + (at - m->lowest) * (int64_t)tg_dtype_bytes(m->global.dtype);
}

/* A stack of row-major matrices, with gaps between everything; any dimension may run backwards. Rows that overlap (a
 * stride of 0) are for loads only. */
static void memory_make_nd(struct memory *m, uint32_t dtype, const uint32_t shape[5], bool may_overlap)
{
    int64_t stride[5] = {0, 0, 0, 0, 1};
    int64_t extent = shape[4];
    for (int d = 3; d >= 0; d--) {
        stride[d] = extent + ref_between(&random_state, 0, 5);
        extent = stride[d] * shape[d];
        if (ref_between(&random_state, 0, 3) == 0) stride[d] = -stride[d];
        if (may_overlap && ref_between(&random_state, 0, 7) == 0) stride[d] = 0;
    }
    memory_make(m, dtype, TG_ROW_MAJOR, shape, stride);
}

static void memory_make_dn(struct memory *m, uint32_t dtype, uint32_t rows, uint32_t cols)
{
    const uint32_t shape[5] = {1, 1, 1, rows, cols};
    int64_t ld = rows + ref_between(&random_state, 0, 5);
    const int64_t stride[5] = {0, 0, 0, 1, ref_between(&random_state, 0, 3) ? ld : -ld};
    memory_make(m, dtype, TG_COL_MAJOR, shape, stride);
}

/* Any two to four dimensions of rows; at least one each. */
static void draw_shape(uint32_t shape[5], uint32_t rows_max, uint32_t cols)
{
    uint32_t left = rows_max;
    for (int d = 0; d < 4; d++) {
        shape[d] = ref_between(&random_state, 1, left < 4 || d == 3 ? left : 4);
        left /= shape[d];
    }
    shape[4] = cols;
}

/* Compare the tile's valid part with the tensor; zeros in the padding of a Mat tile. Only bytes move, so bits are
 * equal. */
static void assert_loaded(const struct tg_tile *t, const struct memory *m)
{
    const struct tg_global *g = &m->global;
    uint32_t bytes = tg_dtype_bytes(t->dtype), *map = map_of(t), row = 0;
    const uint8_t *tile = buffers.of_kind[t->kind] + t->offset;
    uint8_t *expected = calloc((size_t)t->rows * t->cols, bytes);
    assert_non_null(expected);
    if (t->kind == TG_VEC) memcpy(expected, tile, tg_tile_bytes(t)); /* the padding may hold anything */
    for (uint32_t i = 0; i < g->shape[0]; i++)
        for (uint32_t j = 0; j < g->shape[1]; j++)
            for (uint32_t k = 0; k < g->shape[2]; k++)
                for (uint32_t r = 0; r < g->shape[3]; r++, row++)
                    for (uint32_t col = 0; col < g->shape[4]; col++)
                        memcpy(expected + (size_t)map[row * t->cols + col] * bytes,
                               memory_at(m, m->bytes, global_at(g, i, j, k, r, col)), bytes);
    if (memcmp(expected, tile, tg_tile_bytes(t)) != 0) fail_msg("%s: the tile is not what was loaded", what);
    free(expected);
    free(map);
}

static void one_load(struct tg_tile dst, struct memory *m)
{
    uint32_t kinds = dst.kind == TG_VEC ? AIV_BUFFERS : AIC_BUFFERS;
    place((struct tg_tile *[]){&dst}, 1);
    struct tg_instr instr = instr_at(TG_OP_TLOAD, __FILE__, __LINE__);
    instr.dst = &dst;
    instr.global = &m->global;
    run(&instr, dst.kind == TG_VEC ? TG_AIV : TG_AIC, kinds);
    assert_loaded(&dst, m);
    assert_rest_untouched(kinds, &dst, NULL);
    assert_memory_equal(m->before, m->bytes, m->n);
    memory_free(m);
}

static void a_load_stacks_the_rows_of_five_dimensions(void **state)
{
    (void)state;
    static const uint32_t cols[] = {1, 5, 8, 15, 16, 17, 64, 100};
    for (int round = 0; round < (tries_all() ? ROUNDS : ROUNDS / 2); round++)
        for (size_t c = 0; c < sizeof cols / sizeof cols[0]; c++)
            for (uint32_t dtype = TG_FP32; dtype < TG_DTYPES; dtype++) {
                uint32_t shape[5];
                draw_shape(shape, 70, cols[c]);
                uint32_t rows = shape[0] * shape[1] * shape[2] * shape[3];
                struct memory m;
                memory_make_nd(&m, dtype, shape, true);
                snprintf(what, sizeof what, "TLOAD ND type %u to Vec, %u x %u", dtype, rows, cols[c]);
                one_load(loose_vec(dtype, rows, cols[c]), &m);
                if (dtype >= TG_INT32) continue; /* the cube takes none */
                memory_make_nd(&m, dtype, shape, true);
                snprintf(what, sizeof what, "TLOAD ND type %u to Mat, %u x %u", dtype, rows, cols[c]);
                one_load(loose_cube(TG_MAT, dtype, rows, cols[c]), &m);
            }
}

static void a_load_takes_columns(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {1, 2, 15, 16, 17, 33, 64};
    for (size_t r = 0; r < 7; r++)
        for (size_t c = 0; c < 7; c++)
            for (uint32_t dtype = TG_FP32; dtype < TG_DTYPES; dtype++) {
                uint32_t rows = sizes[r], cols = sizes[c];
                struct memory m;
                struct tg_tile dst = tg_tile_make(TG_VEC, dtype, TG_COL_MAJOR, tg_round_up(rows, 32) + 32, cols + 1,
                                                  rows, cols);
                memory_make_dn(&m, dtype, rows, cols);
                snprintf(what, sizeof what, "TLOAD DN type %u to Vec, %u x %u", dtype, rows, cols);
                one_load(dst, &m);
                if (dtype >= TG_INT32) continue;
                memory_make_dn(&m, dtype, rows, cols);
                snprintf(what, sizeof what, "TLOAD DN type %u to Mat, %u x %u", dtype, rows, cols);
                one_load(loose_cube(TG_MAT, dtype, rows, cols), &m);
            }
}

/* Rows and columns through column blocks that lie apart, with whole rows stacked above each other. */
static void a_load_of_nz_finds_each_element(void **state)
{
    (void)state;
    static uint8_t device[64 << 10];
    for (size_t i = 0; i < sizeof device; i++) device[i] = (uint8_t)(ref_between(&random_state, 0, 255));
    for (uint32_t dtype = TG_FP32; dtype <= TG_BF16; dtype++)
        for (uint32_t rows = 1; rows <= 33; rows += 4)
            for (uint32_t stacked = 1; stacked <= 2; stacked++) {
                const uint32_t bytes = tg_dtype_bytes(dtype), width = 32 / bytes, cols = 3 * width, ld = rows + 3;
                struct tg_global global = tg_global_nz((uint64_t)(uintptr_t)device, dtype, rows, cols, ld);
                global.shape[0] = stacked;
                struct tg_tile dst = tg_tile_mat(dtype, stacked * rows, cols);
                place((struct tg_tile *[]){&dst}, 1);
                struct tg_instr instr = instr_at(TG_OP_TLOAD, __FILE__, __LINE__);
                instr.dst = &dst;
                instr.global = &global;
                run(&instr, TG_AIC, AIC_BUFFERS);
                const uint8_t *tile = buffers.of_kind[TG_MAT] + dst.offset;
                for (uint32_t row = 0; row < dst.rows; row++)
                    for (uint32_t col = 0; col < dst.cols; col++) {
                        static const uint8_t zeros[4];
                        const size_t at = ((size_t)(row / rows * 3 * ld) + col / width * ld + row % rows) * width +
                                          col % width;
                        const bool valid = row < stacked * rows && col < cols;
                        assert_memory_equal(tile + tg_at_nz(dst.rows, width, row, col) * bytes,
                                            valid ? device + at * bytes : zeros, bytes);
                    }
            }
}

/* The tensor holds the tile's valid part, rounded to its type, and what is between its rows is as it was. */
static void assert_stored(const struct tg_tile *t, struct memory *m)
{
    const struct tg_global *g = &m->global;
    uint32_t row = 0, *map = map_of(t), bytes = tg_dtype_bytes(t->dtype);
    for (uint32_t i = 0; i < g->shape[0]; i++)
        for (uint32_t j = 0; j < g->shape[1]; j++)
            for (uint32_t k = 0; k < g->shape[2]; k++)
                for (uint32_t r = 0; r < g->shape[3]; r++, row++)
                    for (uint32_t col = 0; col < g->shape[4]; col++) {
                        const uint8_t *from = buffers.of_kind[t->kind] + t->offset + map[row * t->cols + col] * bytes;
                        uint8_t *to = memory_at(m, m->before, global_at(g, i, j, k, r, col));
                        if (g->dtype == t->dtype) memcpy(to, from, bytes);
                        else ref_store(g->dtype, ref_load(t->dtype, from), to);
                    }
    free(map);
    if (memcmp(m->before, m->bytes, m->n) != 0) fail_msg("%s: device memory is not what was stored", what);
}

static void one_store(struct tg_tile src, struct memory *m)
{
    uint32_t kinds = src.kind == TG_VEC ? AIV_BUFFERS : AIC_BUFFERS;
    place((struct tg_tile *[]){&src}, 1);
    fill_tile(&src, src.kind == TG_ACC ? FILL_ORDINARY : FILL_ANY);
    struct tg_instr instr = instr_at(TG_OP_TSTORE, __FILE__, __LINE__);
    instr.a = &src;
    instr.global = &m->global;
    run(&instr, src.kind == TG_VEC ? TG_AIV : TG_AIC, kinds);
    assert_stored(&src, m);
    assert_rest_untouched(kinds, NULL, NULL);
    memory_free(m);
}

static void a_store_touches_the_valid_part_only(void **state)
{
    (void)state;
    static const uint32_t cols[] = {1, 5, 8, 15, 16, 17, 64, 100};
    for (int round = 0; round < (tries_all() ? ROUNDS : ROUNDS / 2); round++)
        for (size_t c = 0; c < sizeof cols / sizeof cols[0]; c++)
            for (uint32_t dtype = TG_FP32; dtype < TG_DTYPES; dtype++) {
                uint32_t shape[5];
                draw_shape(shape, 70, cols[c]);
                uint32_t rows = shape[0] * shape[1] * shape[2] * shape[3];
                struct memory m;
                memory_make_nd(&m, dtype, shape, false);
                snprintf(what, sizeof what, "TSTORE ND Vec type %u, %u x %u", dtype, rows, cols[c]);
                one_store(loose_vec(dtype, rows, cols[c]), &m);
                memory_make_dn(&m, dtype, rows, cols[c]);
                snprintf(what, sizeof what, "TSTORE DN Vec type %u, %u x %u", dtype, rows, cols[c]);
                one_store(tg_tile_make(TG_VEC, dtype, TG_COL_MAJOR, tg_round_up(rows, 32), cols[c], rows, cols[c]), &m);
                if (dtype >= TG_INT32) continue;
                memory_make_nd(&m, dtype, shape, false);
                snprintf(what, sizeof what, "TSTORE ND Acc to type %u, %u x %u", dtype, rows, cols[c]);
                one_store(loose_cube(TG_ACC, TG_FP32, rows, cols[c]), &m);
            }
}

static void the_runs_of_a_tensor_are_its_rows_or_columns(void **state)
{
    (void)state;
    const uint32_t shape[5] = {2, 1, 3, 4, 10};
    const int64_t stride[5] = {1000, 77, -200, 20, 1};
    struct tg_global nd = tg_global_make(0x100000, TG_FP16, TG_ROW_MAJOR, shape, stride);
    struct tg_run_of_bytes found;
    uint32_t n = 0;
    for (uint32_t i = 0; i < 2; i++)
        for (uint32_t k = 0; k < 3; k++)
            for (uint32_t row = 0; row < 4; row++, n++) {
                assert_true(tg_global_run(&nd, n, &found));
                assert_int_equal(found.address, 0x100000 + 2 * (1000 * (int)i - 200 * (int)k + 20 * (int)row));
                assert_int_equal(found.bytes, 20);
            }
    assert_false(tg_global_run(&nd, n, &found));

    struct tg_global dn = tg_global_dn(0x100000, TG_FP32, 7, 3, 50);
    for (uint32_t col = 0; col < 3; col++) {
        assert_true(tg_global_run(&dn, col, &found));
        assert_int_equal(found.address, 0x100000 + 200 * col);
        assert_int_equal(found.bytes, 28);
    }
    assert_false(tg_global_run(&dn, 3, &found));
}

/* ---- inside the core --------------------------------------------------------------------------------------------- */

static void one_move(struct tg_tile dst, struct tg_tile src)
{
    uint32_t kinds = dst.kind == TG_VEC ? AIV_BUFFERS : AIC_BUFFERS;
    if (dst.kind == TG_VEC) {
        place((struct tg_tile *[]){&dst, &src}, 2);
    } else {
        place((struct tg_tile *[]){&dst}, 1);
        place((struct tg_tile *[]){&src}, 1);
    }
    snprintf(what, sizeof what, "TMOV type %u kind %u, %u x %u of %u x %u from %u x %u", dst.dtype, dst.kind,
             dst.valid_rows, dst.valid_cols, dst.rows, dst.cols, src.rows, src.cols);
    struct tg_instr instr = instr_at(TG_OP_TMOV, __FILE__, __LINE__);
    instr.dst = &dst;
    instr.a = &src;
    run(&instr, dst.kind == TG_VEC ? TG_AIV : TG_AIC, kinds);
    uint32_t *from = map_of(&src), *to = map_of(&dst), bytes = tg_dtype_bytes(dst.dtype);
    const uint8_t *in = before[src.kind] + src.offset, *out = buffers.of_kind[dst.kind] + dst.offset;
    static const uint8_t zeros[4];
    for (uint32_t row = 0; row < dst.rows; row++)
        for (uint32_t col = 0; col < dst.cols; col++) {
            bool valid = row < dst.valid_rows && col < dst.valid_cols;
            if (!valid && dst.kind == TG_VEC) continue;
            const uint8_t *expected = valid ? in + (size_t)from[row * src.cols + col] * bytes : zeros;
            if (memcmp(out + (size_t)to[row * dst.cols + col] * bytes, expected, bytes) != 0)
                fail_msg("%s: element [%u][%u] is wrong", what, row, col);
        }
    free(from);
    free(to);
    assert_rest_untouched(kinds, &dst, NULL);
}

static void a_move_changes_the_layout_and_zeroes_the_padding(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {1, 8, 15, 16, 17, 40, 64};
    for (size_t r = 0; r < 7; r++)
        for (size_t c = 0; c < 7; c++)
            for (uint32_t dtype = TG_FP32; dtype <= TG_BF16; dtype++)
                for (uint32_t kind = TG_LEFT; kind <= TG_RIGHT; kind++)
                    one_move(loose_cube(kind, dtype, sizes[r], sizes[c]),
                             loose_cube(TG_MAT, dtype, sizes[r], sizes[c]));
}

static void a_move_inside_the_unified_buffer_copies_rows(void **state)
{
    (void)state;
    for (uint32_t dtype = TG_FP32; dtype < TG_DTYPES; dtype++)
        EACH_SIZE(rows, cols) one_move(loose_vec(dtype, rows, cols), loose_vec(dtype, rows, cols));
}

/* acc's valid part against the product in double precision, and how far fp32 sums in any order may be from it. */
static void assert_product(const struct tg_instr *instr)
{
    const struct tg_tile *acc = instr->dst, *left = instr->a, *right = instr->b;
    double *a = elements_of(left, false), *b = elements_of(right, false);
    double *was = elements_of(acc, false), *got = elements_of(acc, true);
    uint32_t k = left->valid_cols;
    for (uint32_t row = 0; row < acc->valid_rows; row++)
        for (uint32_t col = 0; col < acc->valid_cols; col++) {
            double sum = instr->op == TG_OP_TMATMUL_ACC ? was[row * acc->cols + col] : 0, size = fabs(sum);
            for (uint32_t i = 0; i < k; i++) {
                double product = a[row * left->cols + i] * b[i * right->cols + col];
                sum += product;
                size += fabs(product);
            }
            double value = got[row * acc->cols + col];
            if (!(fabs(value - sum) <= size * (k + 2) * 0x1p-24 + 0x1p-140)) /* where fp32 is subnormal, the grid */
                fail_msg("%s: element [%u][%u] is %.9g, not %.9g", what, row, col, value, sum);
        }
    free(a);
    free(b);
    free(was);
    free(got);
    assert_rest_untouched(AIC_BUFFERS, acc, NULL);
}

static void multiply_filled(uint32_t op, struct tg_tile *left, struct tg_tile *right, struct tg_tile *acc)
{
    struct tg_tile *const tiles[] = {left, right, acc};
    for (int i = 0; i < 3; i++) {
        place(&tiles[i], 1);
        fill_tile(tiles[i], FILL_ORDINARY);
    }
    snprintf(what, sizeof what, "%s type %u, %u x %u x %u", tg_op_name(op), left->dtype, left->valid_rows,
             left->valid_cols, right->valid_cols);
    struct tg_instr instr = instr_at(op, __FILE__, __LINE__);
    instr.dst = acc;
    instr.a = left;
    instr.b = right;
    run(&instr, TG_AIC, AIC_BUFFERS);
    assert_product(&instr);
}

static void one_product(uint32_t op, uint32_t dtype, uint32_t m, uint32_t k, uint32_t n, bool loose)
{
    struct tg_tile left = tg_tile_left(dtype, m, k), right = tg_tile_right(dtype, k, n), acc = tg_tile_acc(m, n);
    if (loose) {
        left = loose_cube(TG_LEFT, dtype, m, k);
        right = loose_cube(TG_RIGHT, dtype, k, n);
        acc = loose_cube(TG_ACC, TG_FP32, m, n);
    }
    multiply_filled(op, &left, &right, &acc);
}

static void products_are_those_of_double_precision(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {1, 7, 16, 17, 40, 64};
    for (uint32_t dtype = TG_FP32; dtype <= TG_BF16; dtype++)
        for (size_t m = 0; m < 6; m++)
            for (size_t k = 0; k < 6; k++)
                for (size_t n = TEST_TSAN ? 4 : 0; n < 6; n++)
                    one_product((m + k + n) % 2 ? TG_OP_TMATMUL : TG_OP_TMATMUL_ACC, dtype, sizes[m], sizes[k],
                                sizes[n], true);
}

/* Fractals of fp32 are eight columns wide, so that K may be a multiple of eight. */
static void a_product_of_fp32_may_be_eight_deep(void **state)
{
    (void)state;
    static const uint32_t depths[] = {5, 8, 24};
    for (size_t i = 0; i < 3; i++) {
        const uint32_t k = depths[i], deep = tg_round_up(k, 8);
        struct tg_tile left = tg_tile_make(TG_LEFT, TG_FP32, TG_ROW_MAJOR, 32, deep, 17, k);
        struct tg_tile right = tg_tile_make(TG_RIGHT, TG_FP32, TG_ROW_MAJOR, deep, 32, k, 19);
        struct tg_tile acc = tg_tile_make(TG_ACC, TG_FP32, TG_ROW_MAJOR, 32, 32, 17, 19);
        multiply_filled(TG_OP_TMATMUL, &left, &right, &acc);
    }
}

static void products_may_fill_the_buffers(void **state)
{
    (void)state;
    static const struct {
        uint32_t dtype, m, k, n;
    } cases[] = {{TG_FP16, 16, 16, 2048}, {TG_FP32, 16, 16, 1024}, {TG_FP32, 128, 128, 128}, {TG_BF16, 128, 256, 128},
                 {TG_FP16, 2048, 16, 16}, {TG_FP16, 9, 2048, 13},  {TG_FP32, 128, 16, 256}};
    for (size_t i = 0; i < (TEST_TSAN ? 1 : sizeof cases / sizeof cases[0]); i++) {
        one_product(TG_OP_TMATMUL, cases[i].dtype, cases[i].m, cases[i].k, cases[i].n, false);
        one_product(TG_OP_TMATMUL_ACC, cases[i].dtype, cases[i].m, cases[i].k, cases[i].n, false);
    }
}

/* One NaN in an operand shows in the row or column that it belongs to and nowhere else. */
static void a_product_spreads_poison_as_far_as_it_belongs(void **state)
{
    (void)state;
    struct tg_tile left = tg_tile_left(TG_FP16, 20, 18), right = tg_tile_right(TG_FP16, 18, 22),
                   acc = tg_tile_acc(20, 22);
    struct tg_tile *poisoned[] = {&left, &right};
    for (int side = 0; side < 2; side++) {
        TASSIGN(left, 0);
        TASSIGN(right, 512);
        TASSIGN(acc, 64);
        fill_tile(&left, FILL_POSITIVE);
        fill_tile(&right, FILL_POSITIVE);
        uint32_t *map = map_of(poisoned[side]);
        ref_store(TG_FP16, NAN,
                  buffers.of_kind[poisoned[side]->kind] + poisoned[side]->offset +
                      map[3 * poisoned[side]->cols + 5] * 2);
        free(map);
        struct tg_instr instr = instr_at(TG_OP_TMATMUL, __FILE__, __LINE__);
        instr.dst = &acc;
        instr.a = &left;
        instr.b = &right;
        run(&instr, TG_AIC, AIC_BUFFERS);
        double *got = elements_of(&acc, true);
        for (uint32_t row = 0; row < 20; row++)
            for (uint32_t col = 0; col < 22; col++)
                assert_int_equal(!!isnan(got[row * acc.cols + col]), side == 0 ? row == 3 : col == 5);
        free(got);
    }
}

static void order_and_names_move_no_bytes(void **state)
{
    (void)state;
    struct tg_tile row = tg_tile_vec(TG_FP32, 1, 16), column = tg_tile_column(TG_FP32, 16);
    place((struct tg_tile *[]){&row}, 1);
    column.offset = row.offset;
    snprintf(what, sizeof what, "an instruction that moves nothing");
    struct tg_instr instr = instr_at(TG_OP_TRESHAPE, __FILE__, __LINE__);
    instr.dst = &column;
    instr.a = &row;
    run(&instr, TG_AIV, AIV_BUFFERS);
    assert_rest_untouched(AIV_BUFFERS, NULL, NULL);
    for (uint32_t op = TG_OP_SET_FLAG; op <= TG_OP_PIPE_BARRIER; op++) {
        instr = instr_at(op, __FILE__, __LINE__);
        instr.src_pipe = PIPE_MTE2;
        instr.dst_pipe = PIPE_V;
        run(&instr, TG_AIV, AIV_BUFFERS);
        assert_rest_untouched(AIV_BUFFERS, NULL, NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arithmetic_is_that_of_double_precision_rounded_once),
        cmocka_unit_test(bits_are_shifted_by_every_count),
        cmocka_unit_test(the_destination_may_be_a_source),
        cmocka_unit_test(the_functions_take_any_number),
        cmocka_unit_test(the_scalar_may_be_any_number),
        cmocka_unit_test(a_scalar_has_the_type_of_the_tile),
        cmocka_unit_test(conversions_round_to_nearest_even),
        cmocka_unit_test(a_conversion_to_int32_turns_at_halves_and_saturates),
        cmocka_unit_test(a_scalar_is_written_everywhere),
        cmocka_unit_test(a_filled_pad_surrounds_the_source),
        cmocka_unit_test(rows_are_reduced_to_a_column),
        cmocka_unit_test(a_reduction_hides_no_poison),
        cmocka_unit_test(columns_are_reduced_to_a_row),
        cmocka_unit_test(the_first_of_the_largest_is_found),
        cmocka_unit_test(a_column_is_spread_over_the_rows),
        cmocka_unit_test(a_row_is_spread_over_the_columns),
        cmocka_unit_test(a_load_stacks_the_rows_of_five_dimensions),
        cmocka_unit_test(a_load_takes_columns),
        cmocka_unit_test(a_load_of_nz_finds_each_element),
        cmocka_unit_test(a_store_touches_the_valid_part_only),
        cmocka_unit_test(the_runs_of_a_tensor_are_its_rows_or_columns),
        cmocka_unit_test(a_move_changes_the_layout_and_zeroes_the_padding),
        cmocka_unit_test(a_move_inside_the_unified_buffer_copies_rows),
        cmocka_unit_test(products_are_those_of_double_precision),
        cmocka_unit_test(a_product_of_fp32_may_be_eight_deep),
        cmocka_unit_test(products_may_fill_the_buffers),
        cmocka_unit_test(a_product_spreads_poison_as_far_as_it_belongs),
        cmocka_unit_test(order_and_names_move_no_bytes),
    };
    int n_failed = 0;
    for (size_t i = 0; (buffers.variant = tg_tile_variant_at(i)) != NULL; i++) {
        if (buffers.variant->needs <= tg_isa_usable())
            n_failed += cmocka_run_group_tests_name(buffers.variant->name, tests, allocate, release);
        else print_message("skipped: this computer has no %s\n", buffers.variant->name);
    }
    return n_failed;
}
