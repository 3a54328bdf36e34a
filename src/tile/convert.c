/* TCVT of all types in all roundings, compares and selects. It works element by element in double precision, which
 * represents every value of every type. vector.inc has the fast conversions. */
#include <math.h>
#include <string.h>

#include "tile/execute.h"
#include "tile/facts.h"
#include "tile/number.h"

static uint8_t *element_at(const struct tg_buffers *buffers, const struct tg_tile *t, uint32_t row, uint32_t col)
{
    return tg_tile_at(buffers, t) + ((size_t)row * t->cols + col) * tg_dtype_bytes(t->dtype);
}

/* ---- rounding ---- */

static double whole_number(double value, enum tg_cast cast)
{
    switch (cast) {
    case TG_CAST_ROUND: return round(value);
    case TG_CAST_FLOOR: return floor(value);
    case TG_CAST_CEIL: return ceil(value);
    case TG_CAST_TRUNC: return trunc(value);
    default: return nearbyint(value);
    }
}

static uint64_t bits_of_f64(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* A truncated number has lost `rest` of 2 * `half`: does rounding make it one step larger? */
static bool goes_up(enum tg_cast cast, bool negative, uint64_t kept, uint64_t rest, uint64_t half)
{
    switch (cast) {
    case TG_CAST_ROUND: return rest >= half;
    case TG_CAST_FLOOR: return negative && rest > 0;
    case TG_CAST_CEIL: return !negative && rest > 0;
    case TG_CAST_TRUNC: return false;
    case TG_CAST_ODD: return rest > 0 && (kept & 1u) == 0;
    default: return rest > half || (rest == half && (kept & 1u));
    }
}

/* A binary format: sign, exponent, fraction. The code behind the largest number is infinity, in E4M3FN NaN. */
struct format {
    uint8_t exponent_bits, fraction_bits;
    uint32_t largest, nan; /* the codes without sign */
    bool saturates;        /* a number that is too large, and infinity, become the largest number */
};

/* An overflow becomes infinity when rounding is away from zero or to nearest, otherwise the largest number. */
static uint32_t overflowed(const struct format *f, bool negative, enum tg_cast cast)
{
    const bool stays = cast == TG_CAST_TRUNC || cast == TG_CAST_ODD || (cast == TG_CAST_FLOOR && !negative) ||
                       (cast == TG_CAST_CEIL && negative);
    return stays || f->saturates ? f->largest : f->largest + 1;
}

/* `value` in the format, rounded once. */
static uint32_t rounded_bits(double value, const struct format *f, enum tg_cast cast)
{
    enum { F64_FRACTION = 52, F64_BIAS = 1023 };
    const uint32_t exponent_bits = f->exponent_bits, fraction_bits = f->fraction_bits;
    const int32_t bias = (1 << (exponent_bits - 1)) - 1;
    const uint64_t bits = bits_of_f64(value), magnitude = bits & INT64_MAX;
    const uint32_t sign = (uint32_t)(bits >> 63) << (exponent_bits + fraction_bits);
    if (value != value) return sign | f->nan;
    if (isinf(value)) return sign | (f->saturates ? f->largest : f->largest + 1);
    if (magnitude == 0) return sign;

    const int32_t exponent = (int32_t)(magnitude >> F64_FRACTION) - F64_BIAS;
    const uint64_t number = (magnitude & ((1ull << F64_FRACTION) - 1)) | 1ull << F64_FRACTION;
    const bool subnormal = exponent < 1 - bias;
    const int32_t cut = F64_FRACTION - (int32_t)fraction_bits + (subnormal ? 1 - bias - exponent : 0);
    uint64_t kept = 0, rest = 1, half = 2; /* less than half a step */
    if (cut <= F64_FRACTION + 1) {
        kept = number >> cut;
        rest = number & ((1ull << cut) - 1);
        half = 1ull << (cut - 1);
    }
    kept += goes_up(cast, sign != 0, kept, rest, half);
    /* A carry out of the fraction is one more in the exponent, as it should be. */
    const int32_t above = subnormal ? 0 : exponent + bias - 1;
    if (above >= (1 << exponent_bits)) kept = 0;
    const uint64_t result = above >= (1 << exponent_bits) ? UINT64_MAX : ((uint64_t)above << fraction_bits) + kept;
    return sign | (result <= f->largest ? (uint32_t)result : overflowed(f, sign != 0, cast));
}

/* ---- TCVT ---- */

static struct format format_of(uint32_t dtype, bool saturates)
{
    switch (dtype) {
    case TG_FP16: return (struct format){5, 10, 0x7BFF, 0x7E00, false};
    case TG_BF16: return (struct format){8, 7, 0x7F7F, 0x7FC0, false};
    case TG_FP8_E5M2: return (struct format){5, 2, 0x7B, 0x7E, saturates};
    case TG_FP8_E4M3: return (struct format){4, 3, 0x7E, 0x7F, saturates};
    default: return (struct format){8, 23, 0x7F7FFFFF, 0x7FC00000, false};
    }
}

static void store_float(uint8_t *to, double value, uint32_t dtype, enum tg_cast cast, bool saturates)
{
    const struct format format = format_of(dtype, saturates);
    const uint32_t bits = rounded_bits(value, &format, cast);
    memcpy(to, &bits, tg_dtype_bytes(dtype));
}

static void store_integer(uint8_t *to, double value, uint32_t dtype, bool saturates)
{
    uint8_t word[4];
    tg_store_f64(word, value, saturates ? dtype : (uint32_t)TG_INT32);
    memcpy(to, word, tg_dtype_bytes(dtype));
}

static bool is_narrow_integer(uint32_t dtype) { return dtype == TG_INT16 || dtype == TG_INT8 || dtype == TG_UINT8; }

bool tg_convert_saturates(const struct tg_instr *instr)
{
    const uint32_t from = instr->a->dtype, to = instr->dst->dtype, asked = instr->mode >> 3;
    const bool wraps = is_narrow_integer(to);
    return asked == TG_SATURATION_DEFAULT ? !(wraps && from != to) : asked == TG_SATURATION_ON;
}

bool tg_uses_library_scratch(const struct tg_instr *instr)
{
    if (instr->tmp) return false; /* the program's own */
    switch (tg_op_info(instr->op)->form) {
    case TG_FORM_ROW_EXPAND_WITH: return instr->a->layout == TG_COL_MAJOR || instr->b->layout == TG_COL_MAJOR;
    case TG_FORM_CONVERT:
        return is_narrow_integer(instr->dst->dtype) && !tg_convert_saturates(instr) &&
               tg_dtype_bytes(instr->dst->dtype) < tg_dtype_bytes(instr->a->dtype);
    default: return false;
    }
}

void tg_execute_convert(const struct tg_instr *instr, const struct tg_buffers *buffers)
{
    const struct tg_tile *dst = instr->dst, *src = instr->a;
    const enum tg_cast cast = (enum tg_cast)(instr->mode & 7u);
    const bool to_float = TG_TYPES_BINARY >> dst->dtype & 1;
    const bool saturates = tg_convert_saturates(instr), whole = src->dtype == TG_FP32 && dst->dtype == TG_FP32;
    for (uint32_t row = 0; row < dst->valid_rows; row++)
        for (uint32_t col = 0; col < dst->valid_cols; col++) {
            const double value = tg_load_f64(element_at(buffers, src, row, col), src->dtype);
            uint8_t *to = element_at(buffers, dst, row, col);
            if (to_float) store_float(to, whole ? whole_number(value, cast) : value, dst->dtype, cast, saturates);
            else store_integer(to, whole_number(value, cast), dst->dtype, saturates);
        }
}

/* ---- masks ---- */

static bool compares(double a, double b, enum tg_compare how)
{
    switch (how) {
    case TG_CMP_EQ: return a == b;
    case TG_CMP_NE: return a != b;
    case TG_CMP_LT: return a < b;
    case TG_CMP_LE: return a <= b;
    case TG_CMP_GT: return a > b;
    default: return a >= b;
    }
}

static double scalar_of(const struct tg_instr *instr)
{
    uint8_t element[4];
    tg_store_f64(element, instr->scalar, instr->a->dtype);
    return tg_load_f64(element, instr->a->dtype);
}

void tg_execute_compare(const struct tg_instr *instr, const struct tg_buffers *buffers)
{
    const struct tg_tile *a = instr->a, *b = instr->b;
    const double scalar = scalar_of(instr);
    for (uint32_t row = 0; row < a->valid_rows; row++) {
        uint8_t *mask = element_at(buffers, instr->dst, row, 0);
        memset(mask, 0, instr->dst->valid_cols);
        for (uint32_t col = 0; col < a->valid_cols; col++) {
            const double x = tg_load_f64(element_at(buffers, a, row, col), a->dtype);
            const double y = b ? tg_load_f64(element_at(buffers, b, row, col), b->dtype) : scalar;
            if (compares(x, y, (enum tg_compare)instr->mode)) mask[col / 8] |= (uint8_t)(1u << col % 8);
        }
    }
}

void tg_execute_select(const struct tg_instr *instr, const struct tg_buffers *buffers)
{
    const struct tg_tile *dst = instr->dst;
    const uint32_t bytes = tg_dtype_bytes(dst->dtype);
    for (uint32_t row = 0; row < dst->valid_rows; row++) {
        const uint8_t *mask = element_at(buffers, instr->index, row, 0);
        for (uint32_t col = 0; col < dst->valid_cols; col++) {
            const struct tg_tile *from = (uint32_t)mask[col / 8] >> col % 8 & 1u ? instr->a : instr->b;
            memmove(element_at(buffers, dst, row, col), element_at(buffers, from, row, col), bytes);
        }
    }
}
