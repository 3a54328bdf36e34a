/*
 * Conversions, masks, elements that change places, windows, integers on the cube, and stores that do more than copy:
 * through the macros of tile.h, in every variant that this computer can run, against exact results by other ways.
 */
#include <stdlib.h>

#include "common/check.h"
#include "reference.h"
#include "tile/execute.h"
#include "tile/rules.h"

static struct tg_buffers buffers;
static enum tg_core_type core;
static uint64_t random_state = 20261130;
static char refused[512]; /* the rules' message about the last instruction; empty: accepted */
static bool expect_refusal;

static int allocate(void **state)
{
    (void)state;
    for (uint32_t kind = 0; kind < TG_TILE_KINDS; kind++) {
        buffers.of_kind[kind] = malloc(tg_kind_capacity(kind));
        if (!buffers.of_kind[kind]) return -1;
        for (uint32_t i = 0; i < tg_kind_capacity(kind); i++)
            buffers.of_kind[kind][i] = (uint8_t)(ref_random(&random_state) >> 56);
    }
    buffers.scratch = malloc(TG_SCRATCH_BYTES);
    return buffers.scratch ? 0 : -1;
}

static int release(void **state)
{
    (void)state;
    for (uint32_t kind = 0; kind < TG_TILE_KINDS; kind++) free(buffers.of_kind[kind]);
    free(buffers.scratch);
    return 0;
}

static void issue(const struct tg_instr *instr)
{
    refused[0] = '\0';
    if (tg_rules_check(instr, core, refused, sizeof refused)) {
        refused[0] = '\0';
        tg_execute(instr, &buffers);
    }
    if (!expect_refusal && refused[0]) fail_msg("%s", refused);
}

static void announce_order(uint32_t op, uint32_t src_pipe, uint32_t dst_pipe, uint32_t event, const char *file,
                           int line)
{
    const struct tg_instr instr = tg_instr_of_order(op, src_pipe, dst_pipe, event, file, line);
    issue(&instr);
}

static const struct tg_tile_isa isa = {.abi = TG_TILE_ABI, .issue = issue, .order = announce_order};
const struct tg_tile_isa *tg_tile_isa = &isa;

/* Every variant of the arithmetic in turn. */
#define EACH_VARIANT                                                                                                   \
    for (size_t v_ = 0; tg_tile_variant_at(v_) && (buffers.variant = tg_tile_variant_at(v_)); v_++)                    \
        if (buffers.variant->needs <= tg_isa_usable())

/* `what` has to be refused, with a message that has `rule` in it. */
#define REFUSED(rule, what)                                                                                            \
    do {                                                                                                               \
        expect_refusal = true;                                                                                         \
        what;                                                                                                          \
        expect_refusal = false;                                                                                        \
        if (!strstr(refused, rule)) fail_msg("the message is \"%s\", without \"%s\"", refused, rule);                  \
    } while (0)

/* ---- elements ---- */

/* Where an element is, by the definition of each layout: fractals one after the other, and elements in a fractal. */
static uint32_t place(const struct tg_tile *t, uint32_t row, uint32_t col)
{
    const uint32_t width = t->kind == TG_ACC ? 16 : 32 / tg_dtype_bytes(t->dtype);
    const bool zn = t->kind == TG_RIGHT || (t->kind == TG_MAT && t->layout == TG_COL_MAJOR);
    if (t->kind == TG_BIAS || (t->kind == TG_MAT && t->rows == 1)) return col;
    if (t->kind == TG_VEC) return t->layout == TG_ROW_MAJOR ? row * t->cols + col : col * t->rows + row;
    if (zn) return (row / width * (t->cols / 16) + col / 16) * 16 * width + col % 16 * width + row % width;
    if (t->kind == TG_LEFT)
        return (row / 16 * (t->cols / width) + col / width) * 16 * width + row % 16 * width + col % width;
    return (col / width * (t->rows / 16) + row / 16) * 16 * width + row % 16 * width + col % width;
}

static uint8_t *at(const struct tg_tile *t, uint32_t row, uint32_t col)
{
    return buffers.of_kind[t->kind] + t->offset + (size_t)place(t, row, col) * tg_dtype_bytes(t->dtype);
}

static double get(const struct tg_tile *t, uint32_t row, uint32_t col) { return ref_load(t->dtype, at(t, row, col)); }
static void set(const struct tg_tile *t, uint32_t row, uint32_t col, double value)
{
    ref_store(t->dtype, value, at(t, row, col));
}

static double any_number(uint32_t dtype)
{
    double low, high;
    if (!ref_integer(dtype, &low, &high)) return ref_number(&random_state);
    return floor(low + (high - low) * ((double)(ref_random(&random_state) >> 11) * 0x1p-53));
}

static void fill(const struct tg_tile *t)
{
    for (uint32_t row = 0; row < t->valid_rows; row++)
        for (uint32_t col = 0; col < t->valid_cols; col++) set(t, row, col, any_number(t->dtype));
}

static struct tg_tile vec(uint32_t dtype, uint32_t rows, uint32_t cols, uint32_t offset)
{
    struct tg_tile t = tg_tile_vec(dtype, rows, cols);
    TASSIGN(t, offset);
    return t;
}

/* ---- TCVT ---- */

/* The neighbours of a value among the numbers of a format; both are the value if it is one. */
static double step(uint32_t dtype, double value, double towards)
{
    const int exponent = dtype == TG_FP16 ? 5 : 8, fraction = dtype == TG_FP16 ? 10 : dtype == TG_BF16 ? 7 : 23;
    const double near = ref_value(ref_bits(value, exponent, fraction), exponent, fraction);
    if (isnan(value) || near == value || (towards > value) == (near > value)) return near;
    const uint32_t bits = ref_bits(fabs(near), exponent, fraction);
    const bool grows = (towards > value) == (near > 0 || (near == 0 && towards > 0));
    const double next = ref_value(grows ? bits + 1 : bits - 1, exponent, fraction);
    return near < 0 || (near == 0 && towards < 0) ? -next : next;
}

static bool is_odd(uint32_t dtype, double value)
{
    return ref_bits(fabs(value), dtype == TG_FP16 ? 5 : 8, dtype == TG_FP16 ? 10 : dtype == TG_BF16 ? 7 : 23) & 1u;
}

static double expected_float(uint32_t dtype, double value, enum tg_cast cast)
{
    const double down = step(dtype, value, -INFINITY), up = step(dtype, value, INFINITY), zero = value < 0 ? up : down;
    if (isnan(value) || isinf(value) || down == up) return value;
    switch (cast) {
    case TG_CAST_FLOOR: return down;
    case TG_CAST_CEIL: return up;
    case TG_CAST_TRUNC: return zero;
    case TG_CAST_ODD: return is_odd(dtype, zero) || isinf(down) || isinf(up) ? zero : value < 0 ? down : up;
    case TG_CAST_ROUND:
        if (isfinite(down) && isfinite(up) && value - down == up - value) return value < 0 ? down : up;
        return ref_round(dtype, value);
    default: return ref_round(dtype, value);
    }
}

/* By the list of numbers. Numbers that are too large become infinity in E5M2 and NaN in E4M3, unless they saturate. */
static double expected_fp8(uint32_t dtype, double value, enum tg_cast cast, bool saturates)
{
    const double size = fabs(value), largest = ref_fp8(dtype, ref_fp8_largest(dtype));
    const double beyond = dtype == TG_FP8_E5M2 ? (double)INFINITY : (double)NAN;
    const double sign = signbit(value) ? -1 : 1;
    uint32_t low = 0;
    if (isnan(value)) return value;
    if (isinf(value)) return sign * (saturates ? largest : beyond);
    while (low < ref_fp8_largest(dtype) && ref_fp8(dtype, low + 1) <= size) low++;
    const double down = ref_fp8(dtype, low);
    if (down == size) return value;
    const bool ends = low == ref_fp8_largest(dtype);
    const double up = ends ? 2 * down - ref_fp8(dtype, low - 1) : ref_fp8(dtype, low + 1); /* as if it went on */
    bool away = false;
    switch (cast) {
    case TG_CAST_FLOOR: away = sign < 0; break;
    case TG_CAST_CEIL: away = sign > 0; break;
    case TG_CAST_TRUNC: break;
    case TG_CAST_ODD: break;
    case TG_CAST_ROUND: away = size - down >= up - size; break;
    default: away = size - down > up - size || (size - down == up - size && low % 2 == 1); break;
    }
    if (!away) return sign * down;
    return sign * (!ends ? up : saturates ? largest : beyond);
}

static double whole(double value, enum tg_cast cast)
{
    const double down = floor(value), rest = value - down;
    switch (cast) {
    case TG_CAST_FLOOR: return down;
    case TG_CAST_CEIL: return ceil(value);
    case TG_CAST_TRUNC: return value < 0 ? ceil(value) : down;
    case TG_CAST_ROUND: return rest == 0.5 ? (value < 0 ? down : down + 1) : floor(value + 0.5);
    default: return rest == 0.5 ? 2 * floor((down + 1) / 2) : rest < 0.5 ? down : down + 1;
    }
}

static double expected_integer(uint32_t dtype, double value, enum tg_cast cast, bool saturates)
{
    double low = 0, high = 0, rounded = isnan(value) ? 0 : isinf(value) ? value : whole(value, cast);
    assert_true(ref_integer(saturates ? dtype : (uint32_t)TG_INT32, &low, &high));
    rounded = rounded < low ? low : rounded > high ? high : rounded;
    const int64_t bits = (int64_t)rounded;
    return dtype == TG_INT8    ? (double)(int8_t)bits
           : dtype == TG_UINT8 ? (double)(uint8_t)bits
           : dtype == TG_INT16 ? (double)(int16_t)bits
                               : (double)(int32_t)bits;
}

static const struct conversion {
    uint8_t from, to;
    bool wraps; /* without being asked */
} conversions[] = {
    {TG_FP32, TG_FP16, 0},     {TG_FP32, TG_BF16, 0},     {TG_FP32, TG_INT32, 0},    {TG_FP32, TG_INT16, 1},
    {TG_FP32, TG_FP32, 0},     {TG_FP16, TG_FP32, 0},     {TG_FP16, TG_INT32, 0},    {TG_FP16, TG_INT16, 1},
    {TG_FP16, TG_INT8, 1},     {TG_FP16, TG_UINT8, 1},    {TG_BF16, TG_FP32, 0},     {TG_BF16, TG_INT32, 0},
    {TG_INT32, TG_FP32, 0},    {TG_INT32, TG_FP16, 0},    {TG_INT32, TG_INT16, 1},   {TG_INT16, TG_FP32, 0},
    {TG_INT16, TG_FP16, 0},    {TG_INT8, TG_FP16, 0},     {TG_UINT8, TG_FP16, 0},    {TG_FP32, TG_FP8_E4M3, 0},
    {TG_FP16, TG_FP8_E4M3, 0}, {TG_BF16, TG_FP8_E4M3, 0}, {TG_FP32, TG_FP8_E5M2, 0}, {TG_FP16, TG_FP8_E5M2, 0},
    {TG_BF16, TG_FP8_E5M2, 0}, {TG_FP8_E4M3, TG_FP32, 0}, {TG_FP8_E4M3, TG_FP16, 0}, {TG_FP8_E4M3, TG_BF16, 0},
    {TG_FP8_E5M2, TG_FP32, 0}, {TG_FP8_E5M2, TG_FP16, 0}, {TG_FP8_E5M2, TG_BF16, 0}};
enum { N_CONVERSIONS = sizeof conversions / sizeof conversions[0] };

/* Numbers on which conversions turn: halves, the ends of each type, the smallest ones; then any. */
static double turning_point(uint32_t n)
{
    static const double points[] = {0,
                                    -0.0,
                                    0.5,
                                    1.5,
                                    2.5,
                                    0.49999997,
                                    1.0009765625,
                                    1.00048828125,
                                    1.00146484375,
                                    1.00390625,
                                    1.01171875,
                                    65504,
                                    65519,
                                    65520,
                                    65535,
                                    65536,
                                    32767,
                                    32767.5,
                                    32768,
                                    127.5,
                                    128,
                                    255,
                                    255.5,
                                    256,
                                    2147483520,
                                    2147483648.0,
                                    3e10,
                                    0x1p-24,
                                    0x1p-25,
                                    0x1.8p-25,
                                    0x1p-26,
                                    0x1.ffcp-15,
                                    0x1.ffep-15,
                                    0x1p-149,
                                    448,
                                    464,
                                    0x1.d00002p8,
                                    480,
                                    57344,
                                    61440,
                                    0x1p-6,
                                    0x1p-9,
                                    0x1p-10,
                                    0x1.8p-10,
                                    0x1.8p-9,
                                    0x1p-14,
                                    0x1p-16,
                                    0x1p-17,
                                    0x1.8p-16,
                                    1.0625,
                                    1.1875,
                                    1.125,
                                    1.375,
                                    3.3e38,
                                    0x1.fffffep127,
                                    0x1.fep127,
                                    0x1.ffp127,
                                    INFINITY,
                                    NAN,
                                    16777217,
                                    33554433};
    enum { N = sizeof points / sizeof points[0] };
    return n < N ? points[n] : n < 2 * N ? -points[n - N] : NAN;
}

static void conversions_round_and_saturate_as_asked(void **state)
{
    (void)state;
    enum { COLS = 203 };
    core = TG_AIV;
    EACH_VARIANT
    for (int c = 0; c < N_CONVERSIONS; c++)
        for (int cast = TG_CAST_NONE; cast <= TG_CAST_ODD; cast++)
            for (int saturation = TG_SATURATION_DEFAULT; saturation <= TG_SATURATION_OFF; saturation++) {
                const struct conversion *pair = &conversions[c];
                struct tg_tile src = vec(pair->from, 3, COLS, 0), dst = vec(pair->to, 3, COLS, 65536);
                if (cast == TG_CAST_ODD && (pair->from != TG_FP32 || pair->to != TG_FP16)) {
                    REFUSED("TG_CAST_ODD", TCVT(dst, src, cast, saturation));
                    continue;
                }
                fill(&src);
                for (uint32_t i = 0; i < 100; i++) set(&src, 1, i, turning_point(i));
                TCVT(dst, src, cast, saturation);
                for (uint32_t row = 0; row < 3; row++)
                    for (uint32_t col = 0; col < COLS; col++) {
                        double low, high, value = get(&src, row, col), expected;
                        const bool saturates = saturation == TG_SATURATION_DEFAULT ? !pair->wraps
                                                                                   : saturation == TG_SATURATION_ON;
                        if (ref_integer(pair->to, &low, &high))
                            expected = expected_integer(pair->to, value, (enum tg_cast)cast, saturates);
                        else if (pair->from == TG_FP32 && pair->to == TG_FP32)
                            expected = isfinite(value) ? whole(value, (enum tg_cast)cast) : value;
                        else if (ref_is_fp8(pair->to))
                            expected = expected_fp8(pair->to, value, (enum tg_cast)cast, saturates);
                        else expected = expected_float(pair->to, value, (enum tg_cast)cast);
                        if (!ref_equal(get(&dst, row, col), expected))
                            fail_msg("%s: type %u to %u, cast %d, saturation %d: %.17g gives %.17g, not %.17g",
                                     buffers.variant->name, pair->from, pair->to, cast, saturation, value,
                                     get(&dst, row, col), expected);
                    }
            }
}

static void conversions_that_the_device_lacks_are_refused(void **state)
{
    (void)state;
    core = TG_AIV;
    for (uint32_t from = 0; from < TG_DTYPES; from++)
        for (uint32_t to = 0; to < TG_DTYPES; to++) {
            struct tg_tile src = vec(from, 2, 32, 0), dst = vec(to, 2, 32, 4096);
            bool known = false;
            for (int c = 0; c < N_CONVERSIONS; c++) known |= conversions[c].from == from && conversions[c].to == to;
            if (known) TCVT(dst, src);
            else REFUSED("TCVT goes from", TCVT(dst, src));
        }
}

/* ---- masks ---- */

static bool is_true(double a, double b, int how)
{
    const bool less = a<b, equal = a == b, greater = a> b;
    const bool results[] = {equal, !equal, less, less || equal, greater, greater || equal};
    return results[how];
}

static void masks_have_a_bit_for_each_element(void **state)
{
    (void)state;
    static const uint32_t cols[] = {1, 7, 8, 9, 31, 33, 200};
    static const uint32_t types[] = {TG_FP32, TG_FP16, TG_INT32, TG_INT16};
    core = TG_AIV;
    for (size_t t = 0; t < 4; t++)
        for (size_t c = 0; c < 7; c++)
            for (int how = TG_CMP_EQ; how <= TG_CMP_GE; how++) {
                const uint32_t n = cols[c], dtype = types[t];
                struct tg_tile a = vec(dtype, 5, n, 0), b = vec(dtype, 5, n, 16384), out = vec(dtype, 5, n, 32768);
                struct tg_tile mask = vec(TG_UINT8, 5, (n + 7) / 8, 49152);
                fill(&a);
                fill(&b);
                for (uint32_t col = 0; col < n; col += 2) set(&b, 2, col, get(&a, 2, col));
                const double scalar = get(&a, 0, 0);
                TCMP(mask, a, b, how);
                TSEL(out, mask, a, b);
                for (uint32_t row = 0; row < 5; row++)
                    for (uint32_t col = 0; col < n; col++) {
                        const bool expected = is_true(get(&a, row, col), get(&b, row, col), how);
                        const uint32_t bits = (uint32_t)get(&mask, row, col / 8);
                        CHECK((bits >> col % 8 & 1u) == expected, "TCMP %d type %u [%u][%u]", how, dtype, row, col);
                        CHECK(ref_equal(get(&out, row, col), get(expected ? &a : &b, row, col)), "TSEL type %u", dtype);
                    }
                CHECK(n % 8 == 0 || (uint32_t)get(&mask, 0, n / 8) >> n % 8 == 0, "bits behind the last column");
                TCMPS(mask, a, scalar, how);
                for (uint32_t col = 0; col < n; col++)
                    CHECK(((uint32_t)get(&mask, 1, col / 8) >> col % 8 & 1u) == is_true(get(&a, 1, col), scalar, how),
                          "TCMPS %d type %u [1][%u]", how, dtype, col);
            }
    struct tg_tile a = vec(TG_FP32, 5, 20, 0), mask = vec(TG_UINT8, 5, 2, 49152), wide = vec(TG_INT8, 5, 3, 49152);
    REFUSED("a bit for each of 20 columns", TCMP(mask, a, a, TG_CMP_EQ));
    REFUSED("its element type is uint8", TCMP(wide, a, a, TG_CMP_EQ));
    wide.dtype = TG_UINT8;
    REFUSED("is no enum tg_compare", TCMP(wide, a, a, 6));
}

/* ---- elements that change places ---- */

static void gathered_elements_are_those_of_the_indices(void **state)
{
    (void)state;
    static const uint32_t types[] = {TG_FP32, TG_FP16, TG_BF16, TG_INT32, TG_UINT32, TG_INT16, TG_UINT16};
    core = TG_AIV;
    for (size_t t = 0; t < 7; t++) {
        const uint32_t dtype = types[t];
        struct tg_tile src = vec(dtype, 9, 33, 0), dst = vec(dtype, 4, 17, 16384), index = vec(TG_INT32, 4, 17, 32768);
        struct tg_tile tmp = vec(TG_INT32, 4, 17, 49152);
        fill(&src);
        for (uint32_t row = 0; row < 4; row++)
            for (uint32_t col = 0; col < 17; col++)
                set(&index, row, col, ref_between(&random_state, 0, 8) * src.cols + ref_between(&random_state, 0, 32));
        set(&index, 3, 16, 1e6);
        set(&index, 3, 15, -1);
        TGATHER(dst, src, index, tmp);
        for (uint32_t row = 0; row < 4; row++)
            for (uint32_t col = 0; col < 17; col++) {
                const uint32_t from = (uint32_t)(int32_t)get(&index, row, col);
                if (row == 3 && col >= 15) continue;
                CHECK(memcmp(at(&dst, row, col), at(&src, from / src.cols, from % src.cols), tg_dtype_bytes(dtype)) ==
                          0,
                      "TGATHER type %u [%u][%u]", dtype, row, col);
            }
        static const uint8_t ones[4] = {0xFF, 0xFF, 0xFF, 0xFF}; /* an index outside shows */
        assert_memory_equal(at(&dst, 3, 16), ones, tg_dtype_bytes(dtype));
        assert_memory_equal(at(&dst, 3, 15), ones, tg_dtype_bytes(dtype));
    }
    struct tg_tile bytes = vec(TG_INT8, 4, 17, 0), index = vec(TG_INT32, 4, 17, 32768),
                   short_index = vec(TG_INT16, 4, 17, 0);
    struct tg_tile words = vec(TG_FP32, 4, 17, 16384);
    REFUSED("TGATHER takes", TGATHER(bytes, bytes, index, index));
    REFUSED("an integer of 4 bytes", TGATHER(words, words, short_index, index));
}

static void a_mask_takes_some_of_each_four(void **state)
{
    (void)state;
    static const char *const patterns[] = {"0101", "1010", "0001", "0010", "0100", "1000", "1111"};
    core = TG_AIV;
    for (int p = 0; p < 7; p++)
        for (uint32_t n = 3; n < 70; n += 13) {
            struct tg_tile src = vec(TG_FP32, 3, n, 0);
            uint32_t taken[70], n_taken = 0;
            for (uint32_t i = 0; i < n; i++)
                if (patterns[p][3 - i % 4] == '1') taken[n_taken++] = i; /* read from the right */
            if (n_taken == 0) continue;
            struct tg_tile dst = vec(TG_UINT32, 3, n_taken, 8192);
            fill(&src);
            TGATHER_MASK(dst, src, TG_MASK_P0101 + p);
            for (uint32_t row = 0; row < 3; row++)
                for (uint32_t i = 0; i < n_taken; i++)
                    assert_memory_equal(at(&dst, row, i), at(&src, row, taken[i]), 4);
            dst.valid_cols--;
            if (dst.valid_cols > 0) REFUSED("what the pattern takes", TGATHER_MASK(dst, src, TG_MASK_P0101 + p));
        }
}

static void scattered_elements_go_to_the_rows_of_the_indices(void **state)
{
    (void)state;
    core = TG_AIV;
    for (uint32_t dtype = 0; dtype < TG_DTYPES; dtype++) {
        const uint32_t bytes = tg_dtype_bytes(dtype);
        struct tg_tile src = vec(dtype, 6, 21, 0), dst = vec(dtype, 8, 30, 8192);
        struct tg_tile index = vec(bytes == 4 ? TG_UINT32 : TG_INT16, 6, 21, 16384);
        uint8_t expected[8][30][4];
        fill(&src);
        fill(&dst);
        for (uint32_t row = 0; row < 8; row++)
            for (uint32_t col = 0; col < 30; col++) memcpy(expected[row][col], at(&dst, row, col), bytes);
        for (uint32_t row = 0; row < 6; row++)
            for (uint32_t col = 0; col < 21; col++) {
                const uint32_t to = ref_between(&random_state, 0, 8); /* 8: there is no such row */
                set(&index, row, col, to);
                if (to < 8) memcpy(expected[to][col], at(&src, row, col), bytes);
            }
        TSCATTER(dst, src, index);
        for (uint32_t row = 0; row < 8; row++)
            for (uint32_t col = 0; col < 30; col++)
                CHECK(memcmp(at(&dst, row, col), expected[row][col], bytes) == 0, "TSCATTER type %u [%u][%u]", dtype,
                      row, col);
    }
}

static void sequences_go_up_and_down(void **state)
{
    (void)state;
    static const uint32_t types[] = {TG_INT32, TG_UINT32, TG_INT16, TG_UINT16};
    core = TG_AIV;
    for (size_t t = 0; t < 4; t++)
        for (int down = 0; down <= 1; down++) {
            struct tg_tile dst = vec(types[t], 1, 77, 64);
            TCI(dst, 1000, down);
            for (uint32_t col = 0; col < 77; col++)
                assert_true(get(&dst, 0, col) == (down ? 1000.0 - col : 1000.0 + col));
        }
    struct tg_tile two = vec(TG_INT32, 2, 8, 0), floats = vec(TG_FP32, 1, 8, 0);
    REFUSED("has to have one valid row", TCI(two, 0, 0));
    REFUSED("TCI takes int32", TCI(floats, 0, 0));
}

static void transposed_and_joined_tiles_keep_their_elements(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {1, 15, 16, 33};
    core = TG_AIV;
    for (uint32_t dtype = 0; dtype < TG_DTYPES; dtype++)
        for (size_t r = 0; r < 4; r++)
            for (size_t c = 0; c < 4; c++) {
                const uint32_t rows = sizes[r], cols = sizes[c], bytes = tg_dtype_bytes(dtype);
                struct tg_tile src = vec(dtype, rows, cols, 0), dst = vec(dtype, cols, rows, 16384);
                struct tg_tile tmp = vec(dtype, cols, tg_round_up(rows, bytes == 1 ? 32 : 16), 32768);
                struct tg_tile second = vec(dtype, rows, 19, 49152), joined = vec(dtype, rows, cols + 19, 65536);
                fill(&src);
                fill(&second);
                TTRANS(dst, src, tmp);
                TCONCAT(joined, src, second);
                for (uint32_t row = 0; row < rows; row++) {
                    for (uint32_t col = 0; col < cols; col++) {
                        assert_memory_equal(at(&dst, col, row), at(&src, row, col), bytes);
                        assert_memory_equal(at(&joined, row, col), at(&src, row, col), bytes);
                    }
                    for (uint32_t col = 0; col < 19; col++)
                        assert_memory_equal(at(&joined, row, cols + col), at(&second, row, col), bytes);
                }
                dst.valid_rows = cols == 1 ? 2 : cols - 1;
                dst.rows = cols + 1;
                REFUSED("its valid shape has to be", TTRANS(dst, src, tmp));
                second.valid_cols--;
                REFUSED("valid columns", TCONCAT(joined, src, second));
            }
}

/* ---- sorting ---- */

struct pair {
    double value;
    uint32_t index;
};

static struct pair pair_at(const struct tg_tile *t, uint32_t row, uint32_t number)
{
    const uint8_t *from = at(t, row, 0) + (size_t)number * 8;
    struct pair pair = {ref_load(t->dtype, from), 0};
    memcpy(&pair.index, from + 4, 4);
    return pair;
}

/* Largest first, NaN before all; the smaller index first among equal ones. */
static int by_value(const void *left, const void *right)
{
    const struct pair *a = left, *b = right;
    if (isnan(a->value) != isnan(b->value)) return isnan(a->value) ? -1 : 1;
    if (!isnan(a->value) && a->value != b->value) return a->value > b->value ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

static void assert_sorted(const struct tg_tile *t, uint32_t row, uint32_t first, struct pair *expected, uint32_t n)
{
    qsort(expected, n, sizeof *expected, by_value);
    for (uint32_t i = 0; i < n; i++) {
        const struct pair got = pair_at(t, row, first + i);
        CHECK(ref_equal(got.value, expected[i].value) && got.index == expected[i].index,
              "pair %u of row %u is (%g, %u), not (%g, %u)", first + i, row, got.value, got.index, expected[i].value,
              expected[i].index);
    }
}

static void sorting_and_merging_give_one_order(void **state)
{
    (void)state;
    enum { N = 512 };
    core = TG_AIV;
    for (uint32_t dtype = TG_FP32; dtype <= TG_FP16; dtype++) {
        const uint32_t width = 8 / tg_dtype_bytes(dtype); /* elements of a pair */
        struct tg_tile src = vec(dtype, 1, N, 0), index = vec(TG_UINT32, 1, N, 4096),
                       pairs = vec(dtype, 1, N * width, 8192);
        struct tg_tile merged = vec(dtype, 1, N * width, 16384), tmp = vec(dtype, 1, N * width, 24576);
        struct pair expected[N];
        for (uint32_t i = 0; i < N; i++) {
            set(&src, 0, i, i % 7 == 0 ? 1.0 : ref_number(&random_state));
            set(&index, 0, i, i);
            expected[i] = (struct pair){get(&src, 0, i), i};
        }
        TSORT32(pairs, src, index);
        for (uint32_t i = 0; i < N; i += 32) assert_sorted(&pairs, 0, i, expected + i, 32);
        TMRGSORT(merged, pairs, 32 * width);
        for (uint32_t i = 0; i < N; i += 128) assert_sorted(&merged, 0, i, expected + i, 128);
        TMRGSORT(pairs, merged, 128 * width);
        assert_sorted(&pairs, 0, 0, expected, N);
        REFUSED("has to be a multiple of 64", TMRGSORT(merged, pairs, 32));
        REFUSED("a multiple of 4 runs", TMRGSORT(merged, pairs, 512 * width));

        struct tg_tile lists[4];
        for (uint32_t i = 0; i < 4; i++) lists[i] = vec(dtype, 1, 128 * width, merged.offset + i * 1024);
        struct tg_merge_counts counts;
        TMRGSORT4(tmp, counts, pairs, lists[0], lists[1], lists[2], lists[3], 0);
        assert_sorted(&tmp, 0, 0, expected, N);
        for (int i = 0; i < 4; i++) assert_int_equal(counts.n[i], 128);
        struct tg_tile some = vec(dtype, 1, 256 * width, 32768);
        TMRGSORT2(some, counts, pairs, lists[0], lists[1], 1);
        assert_true((counts.n[0] == 128) != (counts.n[1] == 128)); /* it stopped where one ended */
        for (uint32_t i = 1; i < counts.n[0] + counts.n[1]; i++) {
            const struct pair a = pair_at(&some, 0, i - 1), b = pair_at(&some, 0, i);
            assert_true(by_value(&a, &b) <= 0);
        }
        REFUSED("the lists have", TMRGSORT3(some, counts, pairs, lists[0], lists[1], lists[2], 0));
    }
}

static void single_elements_are_read_and_written(void **state)
{
    (void)state;
    core = TG_AIV;
    for (uint32_t dtype = 0; dtype < TG_DTYPES; dtype++) {
        struct tg_tile t = vec(dtype, 3, 40, TG_UB_BYTES - 4096);
        fill(&t);
        for (uint32_t i = 0; i < 40; i++) assert_true(ref_equal(TGETVAL(t, 2 * t.cols + i), get(&t, 2, i)));
        const double before = get(&t, 1, 0), behind = get(&t, 1, 2);
        TSETVAL(t, t.cols + 1, 77.75);
        double low, high;
        assert_true(get(&t, 1, 1) == (ref_integer(dtype, &low, &high) ? 77 : ref_round(dtype, 77.75)));
        assert_true(ref_equal(get(&t, 1, 0), before) && ref_equal(get(&t, 1, 2), behind));
        REFUSED("has no element", (void)TGETVAL(t, 3 * t.cols));
        REFUSED("has no element", TSETVAL(t, -1, 0));
    }
}

/* ---- products of rows and of columns ---- */

/* Powers of two and signs, so that a product in any order is exact; of integers, any. */
static double factor(uint32_t dtype)
{
    static const double factors[] = {1, -1, 2, 0.5, -2, -0.5, 1, 1};
    return TG_TYPES_INTEGERS >> dtype & 1 ? any_number(dtype) : factors[ref_between(&random_state, 0, 7)];
}

static double product_of(uint32_t dtype, const struct tg_tile *t, uint32_t line, uint32_t n, bool of_row)
{
    double product = 1;
    uint32_t low = 1; /* bits of a product of integers */
    for (uint32_t i = 0; i < n; i++) {
        const double value = of_row ? get(t, line, i) : get(t, i, line);
        product *= value;
        low *= TG_TYPES_INTEGERS >> dtype & 1 ? (uint32_t)(int32_t)value : 0;
    }
    return dtype == TG_INT32 ? (int32_t)low : dtype == TG_INT16 ? (int16_t)low : product;
}

static void rows_and_columns_are_multiplied(void **state)
{
    (void)state;
    static const uint32_t types[] = {TG_FP32, TG_FP16, TG_INT32, TG_INT16}, cols[] = {1, 7, 15, 16, 17, 65};
    core = TG_AIV;
    EACH_VARIANT
    for (size_t t = 0; t < 4; t++)
        for (size_t c = 0; c < 6; c++) {
            const uint32_t dtype = types[t], n = cols[c];
            struct tg_tile src = vec(dtype, 5, n, 0), tmp = vec(dtype, 5, n, 16384);
            struct tg_tile column = tg_tile_column(dtype, 5), row = vec(dtype, 1, n, 40960);
            TASSIGN(column, 32768);
            for (uint32_t r = 0; r < 5; r++)
                for (uint32_t i = 0; i < n; i++) set(&src, r, i, factor(dtype));
            if (t < 2 && n > 7) set(&src, 1, 7, (double)NAN), set(&src, 2, 3, (double)INFINITY), set(&src, 3, 2, 0);
            TROWPROD(column, src, tmp);
            for (uint32_t r = 0; r < 5; r++)
                CHECK(ref_equal(get(&column, r, 0), ref_round(dtype, product_of(dtype, &src, r, n, true))),
                      "TROWPROD type %u row %u of %u", dtype, r, n);
            TCOLPROD(row, src);
            for (uint32_t i = 0; i < n; i++)
                CHECK(ref_equal(get(&row, 0, i), ref_round(dtype, product_of(dtype, &src, i, 5, false))),
                      "TCOLPROD type %u column %u", dtype, i);
        }
}

/* ---- the cube ---- */

static struct tg_tile cube(struct tg_tile t, uint32_t offset)
{
    TASSIGN(t, offset);
    return t;
}

static void windows_change_the_layout_and_zero_the_padding(void **state)
{
    (void)state;
    static const uint32_t types[] = {TG_FP32, TG_FP16, TG_BF16, TG_INT8};
    core = TG_AIC;
    for (size_t t = 0; t < 4; t++)
        for (int zn = 0; zn <= 1; zn++)
            for (int right = 0; right <= 1; right++)
                for (uint32_t n = 1; n <= 64; n += 21) {
                    const uint32_t dtype = types[t], row = 32, col = 64, bytes = tg_dtype_bytes(dtype);
                    struct tg_tile src = cube(zn ? tg_tile_mat_zn(dtype, 128, 160) : tg_tile_mat(dtype, 128, 160), 64);
                    struct tg_tile dst = cube(tg_tile_cube(right ? TG_RIGHT : TG_LEFT, dtype, n + 3, n), 512);
                    fill(&src);
                    TEXTRACT(dst, src, row, col);
                    static const uint8_t zeros[4];
                    for (uint32_t r = 0; r < dst.rows; r++)
                        for (uint32_t c = 0; c < dst.cols; c++) {
                            const bool valid = r < n + 3 && c < n;
                            if (memcmp(at(&dst, r, c), valid ? at(&src, row + r, col + c) : zeros, bytes) != 0)
                                fail_msg("type %u, ZN %d, Right %d, %u: element [%u][%u]", dtype, zn, right, n, r, c);
                        }
                    TMOV(dst, src); /* as much as dst means */
                    assert_memory_equal(at(&dst, n + 2, n - 1), at(&src, n + 2, n - 1), bytes);
                    REFUSED("is not inside", TEXTRACT(dst, src, 128, 0));
                    REFUSED("is not inside", TEXTRACT(dst, src, -16, 0));
                    REFUSED("not at multiples of", TEXTRACT(dst, src, 1, 0));
                    REFUSED("not at multiples of", TEXTRACT(dst, src, 0, 1));
                }
    core = TG_AIV;
    struct tg_tile src = vec(TG_FP16, 9, 50, 0), dst = vec(TG_FP16, 3, 17, 8192), small = vec(TG_FP16, 2, 60, 16384);
    fill(&src);
    fill(&small);
    TEXTRACT(dst, src, 5, 31);
    for (uint32_t r = 0; r < 3; r++)
        for (uint32_t c = 0; c < 17; c++) assert_memory_equal(at(&dst, r, c), at(&src, 5 + r, 31 + c), 2);
    TMOV(src, small); /* what both mean */
    for (uint32_t c = 0; c < 50; c++) assert_memory_equal(at(&src, 1, c), at(&small, 1, c), 2);
}

static void sums_become_an_operand(void **state)
{
    (void)state;
    static const uint32_t types[] = {TG_FP32, TG_FP16, TG_BF16};
    core = TG_AIC;
    for (size_t t = 0; t < 3; t++)
        for (uint32_t n = 1; n <= 49; n += 16) {
            struct tg_tile acc = cube(tg_tile_acc(64, 96), 64), mat = cube(tg_tile_mat(types[t], n, n + 5), 64);
            fill(&acc);
            TMOV(mat, acc);
            for (uint32_t r = 0; r < mat.rows; r++)
                for (uint32_t c = 0; c < mat.cols; c++) {
                    const double expected = r < n && c < n + 5 ? ref_round(types[t], get(&acc, r, c)) : 0;
                    CHECK(ref_equal(get(&mat, r, c), expected), "type %u, %u: element [%u][%u]", types[t], n, r, c);
                }
            if (n > 48) continue;
            TEXTRACT(mat, acc, 16, 32);
            assert_true(ref_equal(get(&mat, n - 1, n + 4), ref_round(types[t], get(&acc, 15 + n, 36 + n))));
        }
    struct tg_tile acc = cube(tg_tile_acc_int32(16, 16), 64), mat = cube(tg_tile_mat(TG_FP16, 16, 16), 64);
    struct tg_tile zn = cube(tg_tile_mat_zn(TG_FP16, 16, 16), 64), sums = cube(tg_tile_acc(16, 16), 64);
    REFUSED("an Acc of fp32 becomes a Mat", TMOV(mat, acc));
    REFUSED("has to be NZ", TMOV(zn, sums));
}

static void a_transposed_operand_is_loaded_by_columns(void **state)
{
    (void)state;
    static const uint32_t types[] = {TG_FP32, TG_FP16, TG_BF16, TG_INT8};
    static uint8_t memory[70 * 90 * 4];
    core = TG_AIC;
    for (size_t i = 0; i < sizeof memory; i++) memory[i] = (uint8_t)(ref_random(&random_state) >> 56);
    for (size_t t = 0; t < 4; t++)
        for (uint32_t rows = 1; rows <= 70; rows += 23) {
            const uint32_t dtype = types[t], cols = 37, bytes = tg_dtype_bytes(dtype);
            const struct tg_global dn = tg_global_dn((uint64_t)(uintptr_t)memory, dtype, rows, cols, 90);
            struct tg_tile mat = cube(tg_tile_mat_zn(dtype, rows, cols), 0);
            TLOAD(mat, dn);
            for (uint32_t r = 0; r < mat.rows; r++)
                for (uint32_t c = 0; c < mat.cols; c++) {
                    static const uint8_t zeros[4];
                    const uint8_t *expected = r < rows && c < cols ? memory + (size_t)(c * 90 + r) * bytes : zeros;
                    assert_memory_equal(at(&mat, r, c), expected, bytes);
                }
            const struct tg_global nd = tg_global_nd((uint64_t)(uintptr_t)memory, dtype, rows, cols, 90);
            REFUSED("a ZN tile takes a GlobalTensor in DN", TLOAD(mat, nd));
        }
}

/* Small whole numbers, so that sums in any order are exact. */
static void a_product_starts_with_its_bias(void **state)
{
    (void)state;
    static const uint32_t types[] = {TG_FP32, TG_FP16, TG_BF16, TG_INT8}, sizes[] = {1, 15, 16, 17, 33, 50};
    core = TG_AIC;
    EACH_VARIANT
    for (size_t t = 0; t < 4; t++)
        for (size_t i = 0; i < 6; i++) {
            const uint32_t m = sizes[i], k = sizes[5 - i], n = sizes[(i + 2) % 6];
            const uint32_t sum = types[t] == TG_INT8 ? TG_INT32 : TG_FP32;
            struct tg_tile left = cube(tg_tile_left(types[t], m, k), 512),
                           right = cube(tg_tile_right(types[t], k, n), 0);
            struct tg_tile acc = cube(sum == TG_INT32 ? tg_tile_acc_int32(m, n) : tg_tile_acc(m, n), 64);
            struct tg_tile row = cube(tg_tile_mat_row(sum, n), 4096), bias = cube(tg_tile_bias(sum, n), 128);
            for (uint32_t r = 0; r < m; r++)
                for (uint32_t c = 0; c < k; c++) set(&left, r, c, (double)ref_between(&random_state, 0, 20) - 10);
            for (uint32_t r = 0; r < k; r++)
                for (uint32_t c = 0; c < n; c++) set(&right, r, c, (double)ref_between(&random_state, 0, 20) - 10);
            for (uint32_t c = 0; c < n; c++) set(&row, 0, c, (double)ref_between(&random_state, 0, 2000) - 1000);
            TMOV(bias, row);
            TMATMUL_BIAS(acc, left, right, bias);
            for (uint32_t r = 0; r < m; r++)
                for (uint32_t c = 0; c < n; c++) {
                    double expected = get(&row, 0, c);
                    for (uint32_t j = 0; j < k; j++) expected += get(&left, r, j) * get(&right, j, c);
                    CHECK(get(&acc, r, c) == expected, "type %u, %u x %u x %u: [%u][%u]", types[t], m, k, n, r, c);
                }
        }
    struct tg_tile left = cube(tg_tile_left(TG_FP16, 16, 16), 0), right = cube(tg_tile_right(TG_FP16, 16, 16), 0);
    struct tg_tile acc = cube(tg_tile_acc(16, 16), 0), wide = cube(tg_tile_bias(TG_FP32, 512), 0);
    REFUSED("do not fit into the bias table, which has 1024 bytes", TMATMUL_BIAS(acc, left, right, wide));
}

static void products_of_int8_are_exact(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {1, 16, 33, 64};
    static int32_t stored[64 * 64];
    static uint16_t scaled[64 * 64];
    core = TG_AIC;
    EACH_VARIANT
    for (size_t i = 0; i < 64; i++) {
        const uint32_t m = sizes[i % 4], k = sizes[i / 4 % 4], n = sizes[i / 16];
        struct tg_tile left = cube(tg_tile_left(TG_INT8, m, k), 0), right = cube(tg_tile_right(TG_INT8, k, n), 0);
        struct tg_tile acc = cube(tg_tile_acc_int32(m, n), 64), floats = cube(tg_tile_acc(m, n), 64);
        fill(&left);
        fill(&right);
        TMATMUL(acc, left, right);
        TMATMUL_ACC(acc, left, right);
        const struct tg_global out = tg_global_nd((uint64_t)(uintptr_t)stored, TG_INT32, m, n, n);
        const struct tg_global half = tg_global_nd((uint64_t)(uintptr_t)scaled, TG_FP16, m, n, n);
        TSTORE(out, acc);
        TSTORE_WITH(half, acc, TG_STORE_SCALE | TG_STORE_RELU, 0.01);
        for (uint32_t row = 0; row < m; row++)
            for (uint32_t col = 0; col < n; col++) {
                double sum = 0;
                for (uint32_t j = 0; j < k; j++) sum += 2 * get(&left, row, j) * get(&right, j, col);
                assert_true(stored[row * n + col] == sum);
                const double expected = ref_round(TG_FP16, (double)((float)sum * 0.01f));
                assert_true(ref_load(TG_FP16, &scaled[row * n + col]) == (expected < 0 ? 0 : expected));
            }
        REFUSED("those of int8 in int32", TMATMUL(floats, left, right));
        REFUSED("the GlobalTensor holds fp16", TSTORE(half, acc));
        REFUSED("the GlobalTensor holds int32", TSTORE_SCALED(out, acc, 2));
    }
}

/* ---- stores ---- */

static void stores_add_to_device_memory(void **state)
{
    (void)state;
    static const uint32_t types[] = {TG_FP32, TG_FP16, TG_BF16, TG_INT32, TG_INT16};
    static uint8_t memory[7 * 40 * 4], before[7 * 40 * 4];
    for (size_t t = 0; t < 5; t++) {
        const uint32_t dtype = types[t], bytes = tg_dtype_bytes(dtype);
        const struct tg_global g = tg_global_nd((uint64_t)(uintptr_t)memory, dtype, 7, 33, 40);
        for (int acc = 0; acc <= 1; acc++) {
            if (acc && dtype == TG_INT16) continue;
            struct tg_tile src = acc ? cube(dtype == TG_INT32 ? tg_tile_acc_int32(7, 33) : tg_tile_acc(7, 33), 64)
                                     : vec(dtype, 7, 33, 64);
            core = acc ? TG_AIC : TG_AIV;
            fill(&src);
            for (uint32_t i = 0; i < 7 * 40; i++) ref_store(dtype, any_number(dtype), memory + (size_t)i * bytes);
            memcpy(before, memory, sizeof before);
            TSTORE_ADD(g, src);
            for (uint32_t i = 0; i < 7 * 40; i++) {
                const double was = ref_load(dtype, before + (size_t)i * bytes),
                             got = ref_load(dtype, memory + (size_t)i * bytes);
                double more = i % 40 < 33 ? ref_round(dtype, get(&src, i / 40, i % 40)) : 0, expected = was + more;
                if (dtype == TG_INT32) expected = (int32_t)(int64_t)expected;
                if (dtype == TG_INT16) expected = (int16_t)(int64_t)expected;
                if (i % 40 < 33 && !ref_equal(got, ref_round(dtype, expected)))
                    fail_msg("type %u, Acc %d: %.17g and %.17g give %.17g", dtype, acc, was, more, got);
                if (i % 40 >= 33) assert_memory_equal(memory + (size_t)i * bytes, before + (size_t)i * bytes, bytes);
            }
        }
    }
    core = TG_AIV;
    struct tg_tile bytes = vec(TG_INT8, 1, 32, 0);
    const struct tg_global g = tg_global_nd((uint64_t)(uintptr_t)memory, TG_INT8, 1, 32, 32);
    REFUSED("device memory adds", TSTORE_ADD(g, bytes));
    REFUSED("has to be an Acc tile", TSTORE_RELU(g, bytes));
    REFUSED("has other bits", TSTORE_WITH(g, bytes, 8, 0));
}

static void a_line_is_stored_to_either_layout(void **state)
{
    (void)state;
    static float memory[40 * 3];
    core = TG_AIV;
    struct tg_tile row = vec(TG_FP32, 1, 40, 0), column = tg_tile_column(TG_FP32, 40), square = vec(TG_FP32, 8, 8, 0);
    TASSIGN(column, 4096);
    fill(&row);
    fill(&column);
    const struct tg_global dn_row = tg_global_dn((uint64_t)(uintptr_t)memory, TG_FP32, 1, 40, 3);
    TSTORE(dn_row, row);
    for (uint32_t i = 0; i < 40; i++) assert_memory_equal(&memory[i * 3], at(&row, 0, i), 4);
    const struct tg_global nd_column = tg_global_nd((uint64_t)(uintptr_t)memory, TG_FP32, 40, 1, 3);
    TSTORE(nd_column, column);
    for (uint32_t i = 0; i < 40; i++) assert_memory_equal(&memory[i * 3], at(&column, i, 0), 4);
    const struct tg_global dn = tg_global_dn((uint64_t)(uintptr_t)memory, TG_FP32, 8, 8, 8);
    REFUSED("a row-major tile takes a GlobalTensor in ND", TSTORE(dn, square));
    REFUSED("a row-major tile takes a GlobalTensor in ND", TLOAD(row, dn_row));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conversions_round_and_saturate_as_asked),
        cmocka_unit_test(conversions_that_the_device_lacks_are_refused),
        cmocka_unit_test(masks_have_a_bit_for_each_element),
        cmocka_unit_test(gathered_elements_are_those_of_the_indices),
        cmocka_unit_test(a_mask_takes_some_of_each_four),
        cmocka_unit_test(scattered_elements_go_to_the_rows_of_the_indices),
        cmocka_unit_test(sequences_go_up_and_down),
        cmocka_unit_test(transposed_and_joined_tiles_keep_their_elements),
        cmocka_unit_test(sorting_and_merging_give_one_order),
        cmocka_unit_test(single_elements_are_read_and_written),
        cmocka_unit_test(windows_change_the_layout_and_zero_the_padding),
        cmocka_unit_test(sums_become_an_operand),
        cmocka_unit_test(a_transposed_operand_is_loaded_by_columns),
        cmocka_unit_test(rows_and_columns_are_multiplied),
        cmocka_unit_test(a_product_starts_with_its_bias),
        cmocka_unit_test(products_of_int8_are_exact),
        cmocka_unit_test(stores_add_to_device_memory),
        cmocka_unit_test(a_line_is_stored_to_either_layout),
    };
    return cmocka_run_group_tests(tests, allocate, release);
}
