// pto/common/types.hpp - element types: half, bfloat16_t and fp8 as classes, and the number of every type.
#ifndef TILEGRAPH_PTO_COMMON_TYPES_HPP
#define TILEGRAPH_PTO_COMMON_TYPES_HPP

#include <cstdint>
#include <type_traits>

#include <tilegraph/types.h>

namespace pto
{
namespace detail
{

constexpr uint32_t bits_of(float value) { return __builtin_bit_cast(uint32_t, value); }
constexpr float float_of(uint32_t bits) { return __builtin_bit_cast(float, bits); }

// The float nearest to x. If it differs from x, the neighbour of x whose last bit is odd (rounding to odd). A second
// rounding, to a type that is at least two bits shorter, then equals one rounding of x.
template <typename X> constexpr float round_to_odd(X x)
{
    const float near = static_cast<float>(x);
    const uint32_t bits = bits_of(near);
    const long double exact = static_cast<long double>(x), got = static_cast<long double>(near);
    if (got == exact || exact != exact || (bits & 1u)) return near;
    const bool away = (exact > got) == (exact > 0); // from zero
    if (bits << 1 == 0) return float_of((exact < 0 ? 0x80000000u : 0u) | 1u);
    return float_of(away ? bits + 1u : bits - 1u);
}

// To nearest, ties to even; a number that is too large becomes infinite; NaN stays NaN.
constexpr uint16_t half_bits(float value)
{
    const uint32_t bits = bits_of(value), sign = bits >> 16 & 0x8000u, size = bits & 0x7fffffffu;
    if (size > 0x7f800000u) return static_cast<uint16_t>(sign | 0x7e00u | (size >> 13 & 0x3ffu));
    if (size >= 0x477ff000u) return static_cast<uint16_t>(sign | 0x7c00u); // 65520 and more
    if (size < 0x33000001u) return static_cast<uint16_t>(sign);            // 2^-25 and less
    const uint32_t exponent = size >> 23;
    // A half below 2^-14 has an exponent of its own, so that more bits of the significand go.
    const uint32_t drop = exponent < 113u ? 126u - exponent : 13u;
    const uint32_t significand = (size & 0x7fffffu) | 0x800000u;
    const uint32_t kept = significand >> drop, rest = significand & ((1u << drop) - 1u), middle = 1u << (drop - 1u);
    const uint32_t rounded = kept + (rest > middle || (rest == middle && (kept & 1u)) ? 1u : 0u);
    // The leading bit of a normal significand adds one to the exponent that is put below it.
    return static_cast<uint16_t>(sign | (exponent < 113u ? rounded : ((exponent - 113u) << 10) + rounded));
}

constexpr float float_of_half(uint16_t half)
{
    const uint32_t sign = (half & 0x8000u) << 16, exponent = half >> 10 & 0x1fu, significand = half & 0x3ffu;
    if (exponent == 0x1fu) return float_of(sign | 0x7f800000u | significand << 13);
    if (exponent > 0) return float_of(sign | (exponent + 112u) << 23 | significand << 13);
    const float size = static_cast<float>(significand) * 0x1p-24f;
    return sign ? -size : size;
}

constexpr uint16_t bfloat16_bits(float value)
{
    const uint32_t bits = bits_of(value);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>(bits >> 16 | 0x40u);
    return static_cast<uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

// fp8: a sign, an exponent and `fraction_bits`. `largest` is the code of the largest number, which larger ones and
// infinity become.
struct fp8_format {
    uint32_t fraction_bits, bias, largest, nan;
};
inline constexpr fp8_format e4m3 = {3, 7, 0x7e, 0x7f}, e5m2 = {2, 15, 0x7b, 0x7e};

constexpr uint8_t fp8_bits(float value, const fp8_format &f)
{
    const uint32_t bits = bits_of(value), sign = bits >> 24 & 0x80u, size = bits & 0x7fffffffu;
    if (size > 0x7f800000u) return static_cast<uint8_t>(sign | f.nan);
    const uint32_t exponent = size >> 23, least = 128u - f.bias; // the exponent of the smallest normal number
    const uint32_t drop = 23u - f.fraction_bits + (exponent < least ? least - exponent : 0u);
    const uint32_t significand = (size & 0x7fffffu) | 0x800000u;
    uint32_t code = 0;
    if (drop <= 24u) { // more is less than half of the smallest number
        const uint32_t kept = significand >> drop, rest = significand & ((1u << drop) - 1u), middle = 1u << (drop - 1u);
        code = kept + (rest > middle || (rest == middle && (kept & 1u)) ? 1u : 0u);
        if (exponent > least) code += (exponent - least) << f.fraction_bits;
    }
    return static_cast<uint8_t>(sign | (code > f.largest ? f.largest : code));
}

constexpr float float_of_fp8(uint8_t bits, const fp8_format &f)
{
    const uint32_t sign = static_cast<uint32_t>(bits & 0x80u) << 24, code = bits & 0x7fu;
    const uint32_t exponent = code >> f.fraction_bits, fraction = code & ((1u << f.fraction_bits) - 1u);
    if (code > f.largest) return float_of(sign | (code == f.largest + 1u && code != f.nan ? 0x7f800000u : 0x7fc00000u));
    if (exponent > 0) return float_of(sign | (exponent + 127u - f.bias) << 23 | fraction << (23u - f.fraction_bits));
    const float step = float_of((128u - f.bias - f.fraction_bits) << 23);
    return sign ? -static_cast<float>(fraction) * step : static_cast<float>(fraction) * step;
}

} // namespace detail
} // namespace pto

// The classes of short numbers have this in common: they convert from every number by one rounding to nearest, ties to
// even, and to float exactly. Arithmetic is that of float; its result is rounded when it is assigned.
#define TG_PTO_SHORT_FLOAT(name, word, of_float, to_float)                                                             \
    class name                                                                                                         \
    {                                                                                                                  \
      public:                                                                                                          \
        name() = default;                                                                                              \
        constexpr name(float value) : bits_(of_float) {}                                                               \
        template <typename X, typename = std::enable_if_t<std::is_arithmetic_v<X>>>                                    \
        constexpr name(X value) : name(pto::detail::round_to_odd(value))                                               \
        {                                                                                                              \
        }                                                                                                              \
        constexpr operator float() const { return to_float; }                                                          \
        constexpr name &operator+=(float x) { return *this = *this + x; }                                              \
        constexpr name &operator-=(float x) { return *this = *this - x; }                                              \
        constexpr name &operator*=(float x) { return *this = *this * x; }                                              \
        constexpr name &operator/=(float x) { return *this = *this / x; }                                              \
                                                                                                                       \
      private:                                                                                                         \
        word bits_;                                                                                                    \
    };                                                                                                                 \
    static_assert(sizeof(name) == sizeof(word) && std::is_trivial_v<name>, "arrays of it are arrays of device memory")

// IEEE 754 binary16; the upper half of a float; fp8 of the OCP specification, which saturates. A variable without an
// initial value has undefined bytes, like a float.
TG_PTO_SHORT_FLOAT(half, uint16_t, pto::detail::half_bits(value), pto::detail::float_of_half(bits_));
TG_PTO_SHORT_FLOAT(bfloat16_t, uint16_t, pto::detail::bfloat16_bits(value),
                   pto::detail::float_of(static_cast<uint32_t>(bits_) << 16));
TG_PTO_SHORT_FLOAT(float8_e4m3_t, uint8_t, pto::detail::fp8_bits(value, pto::detail::e4m3),
                   pto::detail::float_of_fp8(bits_, pto::detail::e4m3));
TG_PTO_SHORT_FLOAT(float8_e5m2_t, uint8_t, pto::detail::fp8_bits(value, pto::detail::e5m2),
                   pto::detail::float_of_fp8(bits_, pto::detail::e5m2));
#undef TG_PTO_SHORT_FLOAT

using float16_t = half;
using float32_t = float;

namespace pto
{
namespace detail
{

// The number of an element type in tile.h.
template <typename T> struct dtype_of;
template <> struct dtype_of<float> : std::integral_constant<tg_dtype, TG_FP32> {
};
template <> struct dtype_of<half> : std::integral_constant<tg_dtype, TG_FP16> {
};
template <> struct dtype_of<bfloat16_t> : std::integral_constant<tg_dtype, TG_BF16> {
};
template <> struct dtype_of<int32_t> : std::integral_constant<tg_dtype, TG_INT32> {
};
template <> struct dtype_of<int8_t> : std::integral_constant<tg_dtype, TG_INT8> {
};
template <> struct dtype_of<uint8_t> : std::integral_constant<tg_dtype, TG_UINT8> {
};
template <> struct dtype_of<int16_t> : std::integral_constant<tg_dtype, TG_INT16> {
};
template <> struct dtype_of<uint16_t> : std::integral_constant<tg_dtype, TG_UINT16> {
};
template <> struct dtype_of<uint32_t> : std::integral_constant<tg_dtype, TG_UINT32> {
};
template <> struct dtype_of<float8_e4m3_t> : std::integral_constant<tg_dtype, TG_FP8_E4M3> {
};
template <> struct dtype_of<float8_e5m2_t> : std::integral_constant<tg_dtype, TG_FP8_E5M2> {
};

template <typename T, typename = void> struct has_dtype : std::false_type {
};
template <typename T> struct has_dtype<T, std::void_t<decltype(dtype_of<T>::value)>> : std::true_type {
};

} // namespace detail
} // namespace pto

#endif
