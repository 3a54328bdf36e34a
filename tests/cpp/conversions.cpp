// conversions.cpp - half, bfloat16_t and fp8 as functions of arrays, for test_cpp.py.
#include <cstddef>
#include <cstring>
#include <pto/pto-inst.hpp>

template <typename T, typename X> static void convert(const X *from, T *to, size_t n)
{
    for (size_t i = 0; i < n; i++) to[i] = from[i];
}

extern "C" {
__attribute__((visibility("default"))) void half_of_float(const float *x, half *y, size_t n) { convert(x, y, n); }
__attribute__((visibility("default"))) void half_of_double(const double *x, half *y, size_t n) { convert(x, y, n); }
__attribute__((visibility("default"))) void half_of_int64(const int64_t *x, half *y, size_t n) { convert(x, y, n); }
__attribute__((visibility("default"))) void float_of_half(const half *x, float *y, size_t n) { convert(x, y, n); }
__attribute__((visibility("default"))) void bf16_of_float(const float *x, bfloat16_t *y, size_t n) { convert(x, y, n); }
__attribute__((visibility("default"))) void bf16_of_double(const double *x, bfloat16_t *y, size_t n)
{
    convert(x, y, n);
}
__attribute__((visibility("default"))) void bf16_of_int64(const int64_t *x, bfloat16_t *y, size_t n)
{
    convert(x, y, n);
}
__attribute__((visibility("default"))) void float_of_bf16(const bfloat16_t *x, float *y, size_t n) { convert(x, y, n); }
__attribute__((visibility("default"))) void e4m3_of_float(const float *x, float8_e4m3_t *y, size_t n)
{
    convert(x, y, n);
}
__attribute__((visibility("default"))) void e4m3_of_double(const double *x, float8_e4m3_t *y, size_t n)
{
    convert(x, y, n);
}
__attribute__((visibility("default"))) void float_of_e4m3(const float8_e4m3_t *x, float *y, size_t n)
{
    convert(x, y, n);
}
__attribute__((visibility("default"))) void e5m2_of_float(const float *x, float8_e5m2_t *y, size_t n)
{
    convert(x, y, n);
}
__attribute__((visibility("default"))) void e5m2_of_double(const double *x, float8_e5m2_t *y, size_t n)
{
    convert(x, y, n);
}
__attribute__((visibility("default"))) void float_of_e5m2(const float8_e5m2_t *x, float *y, size_t n)
{
    convert(x, y, n);
}
void kernel_entry(int64_t *) {}
}
