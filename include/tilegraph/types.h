/* tilegraph/types.h - types that the host, the orchestration and kernels share. */
#ifndef TILEGRAPH_TYPES_H
#define TILEGRAPH_TYPES_H

#include <stdint.h>

/* An address of device memory. */
typedef uint64_t tg_address;

/* Element types. Arithmetic on TG_FP16 rounds each result to nearest even. TG_BF16, 8-bit and unsigned types are only
 * moved and converted, as on the device. Matrix products accumulate in TG_FP32, those of TG_INT8 in TG_INT32.
 *
 * The two fp8 types are those of the OCP specification of 2023: E4M3FN has no infinity, its NaN is 0x7F and its largest
 * number 448; E5M2 is the upper half of an fp16, its largest number is 57344. A2 and A3 have no fp8: the types serve
 * data that is stored so, and programs for A5. */
enum tg_dtype {
    TG_FP32 = 0,
    TG_FP16 = 1,
    TG_BF16 = 2,
    TG_INT32 = 3,
    TG_INT8 = 4,
    TG_UINT8 = 5,
    TG_INT16 = 6,
    TG_UINT16 = 7,
    TG_UINT32 = 8,
    TG_FP8_E4M3 = 9,
    TG_FP8_E5M2 = 10,
    TG_DTYPES = 11
};

/* The kind of core that a kernel is for. */
enum tg_core_type { TG_AIC = 0, TG_AIV = 1 };

#endif
