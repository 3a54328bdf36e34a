// conversions.cpp - half, bfloat16_t and fp8 as functions of arrays, for test_cpp.py.
#include <cstddef>
#include <pto/pto-inst.hpp>

#define CONVERSION(name, X, T)                                                                                         \
    __attribute__((visibility("default"))) void name(const X *from, T *to, size_t n)                                   \
    {                                                                                                                  \
        for (size_t i = 0; i < n; i++) to[i] = from[i];                                                                \
    }

extern "C" {
CONVERSION(half_of_float, float, half)
CONVERSION(half_of_double, double, half)
CONVERSION(half_of_int64, int64_t, half)
CONVERSION(float_of_half, half, float)
CONVERSION(bf16_of_float, float, bfloat16_t)
CONVERSION(bf16_of_double, double, bfloat16_t)
CONVERSION(bf16_of_int64, int64_t, bfloat16_t)
CONVERSION(float_of_bf16, bfloat16_t, float)
CONVERSION(e4m3_of_float, float, float8_e4m3_t)
CONVERSION(e4m3_of_double, double, float8_e4m3_t)
CONVERSION(float_of_e4m3, float8_e4m3_t, float)
CONVERSION(e5m2_of_float, float, float8_e5m2_t)
CONVERSION(e5m2_of_double, double, float8_e5m2_t)
CONVERSION(float_of_e5m2, float8_e5m2_t, float)

void kernel_entry(int64_t *) {}
}
