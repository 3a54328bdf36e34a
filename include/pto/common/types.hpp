// pto/common/types.hpp - element types: half and bfloat16_t as classes of two bytes, and the number of every type.
#ifndef TILEGRAPH_PTO_COMMON_TYPES_HPP
#define TILEGRAPH_PTO_COMMON_TYPES_HPP

#include <cstdint>
#include <cstring>
#include <type_traits>

#include <tilegraph/types.h>

namespace pto
{
namespace detail
{

inline uint32_t bits_of(float value)
{
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
}

inline float float_of(uint32_t bits)
{
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

// The float nearest to x. If it differs from x, the neighbour of x whose last bit is odd (rounding to odd). A second
// rounding, to a type that is at least two bits shorter, then equals one rounding of x.
template <typename X> float round_to_odd(X x)
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
inline uint16_t half_bits(float value)
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

inline float float_of_half(uint16_t half)
{
    const uint32_t sign = (half & 0x8000u) << 16, exponent = half >> 10 & 0x1fu, significand = half & 0x3ffu;
    if (exponent == 0x1fu) return float_of(sign | 0x7f800000u | significand << 13);
    if (exponent > 0) return float_of(sign | (exponent + 112u) << 23 | significand << 13);
    const float size = static_cast<float>(significand) * 0x1p-24f;
    return sign ? -size : size;
}

inline uint16_t bfloat16_bits(float value)
{
    const uint32_t bits = bits_of(value);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>(bits >> 16 | 0x40u);
    return static_cast<uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

} // namespace detail
} // namespace pto

// IEEE 754 binary16. Converts from every number by one rounding to nearest, ties to even, and to float exactly. It has
// no arithmetic. A variable without an initial value has undefined bytes, like a float.
class half
{
  public:
    half() = default;
    half(float value) : bits_(pto::detail::half_bits(value)) {}
    template <typename X, typename = std::enable_if_t<std::is_arithmetic_v<X>>>
    half(X value) : half(pto::detail::round_to_odd(value))
    {
    }
    operator float() const { return pto::detail::float_of_half(bits_); }

  private:
    uint16_t bits_;
};

// The upper half of a float. Converts as half does.
class bfloat16_t
{
  public:
    bfloat16_t() = default;
    bfloat16_t(float value) : bits_(pto::detail::bfloat16_bits(value)) {}
    template <typename X, typename = std::enable_if_t<std::is_arithmetic_v<X>>>
    bfloat16_t(X value) : bfloat16_t(pto::detail::round_to_odd(value))
    {
    }
    operator float() const { return pto::detail::float_of(static_cast<uint32_t>(bits_) << 16); }

  private:
    uint16_t bits_;
};

static_assert(sizeof(half) == 2 && sizeof(bfloat16_t) == 2 && std::is_trivial_v<half> && std::is_trivial_v<bfloat16_t>,
              "arrays of them are arrays of device memory");

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

template <typename T, typename = void> struct has_dtype : std::false_type {
};
template <typename T> struct has_dtype<T, std::void_t<decltype(dtype_of<T>::value)>> : std::true_type {
};

} // namespace detail
} // namespace pto

#endif
