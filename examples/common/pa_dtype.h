/*
 * pa_dtype.h - the element types of paged attention's tensors on the host: names, sizes, conversion.
 *
 * Threads: any; nothing is shared.
 */
#ifndef EXAMPLES_PA_DTYPE_H
#define EXAMPLES_PA_DTYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Values as in word 7 of `config`, which are those of enum tg_dtype; tilegraph/tile.h itself is for kernels. */
enum pa_dtype { PA_FP32 = 0, PA_FP16 = 1, PA_BF16 = 2, PA_DTYPE_COUNT };

/* "fp32", "fp16", "bf16". */
const char *pa_dtype_name(enum pa_dtype dtype);
bool pa_dtype_by_name(const char *name, enum pa_dtype *out);

/* Bytes of one element. */
size_t pa_dtype_bytes(enum pa_dtype dtype);

/* Unit roundoff: rounding x to this type changes it by at most this times |x|, unless the result is subnormal. */
double pa_dtype_roundoff(enum pa_dtype dtype);

/* Half of the smallest positive number: the most that rounding changes a subnormal result. */
double pa_dtype_underflow(enum pa_dtype dtype);

/* Bits of the nearest number (ties to even) of the 16-bit types, and back; infinities and NaN stay what they are. */
uint16_t pa_fp16_from_float(float value);
uint16_t pa_bf16_from_float(float value);
float pa_fp16_to_float(uint16_t bits);
float pa_bf16_to_float(uint16_t bits);

/* Round `value` to dtype and store it as element `index` of `elements`. */
void pa_store(enum pa_dtype dtype, void *elements, uint64_t index, float value);

/* Round values[n] to dtype and store them as elements [index, index + n). */
void pa_store_all(enum pa_dtype dtype, void *elements, uint64_t index, uint64_t n, const float *values);

/* Elements [index, index + n) as doubles, exactly, into out[n]. */
void pa_load(enum pa_dtype dtype, const void *elements, uint64_t index, uint64_t n, double *out);

#endif
