/* tilegraph/types.h - types that the host, the orchestration and kernels share. */
#ifndef TILEGRAPH_TYPES_H
#define TILEGRAPH_TYPES_H

#include <stdint.h>

/* An address of device memory. */
typedef uint64_t tg_address;

/* Element types. Arithmetic on TG_FP16 rounds each result to nearest even. TG_BF16, 8-bit and unsigned types are only
 * moved and converted, as on the device. Matrix products accumulate in TG_FP32, those of TG_INT8 in TG_INT32. */
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
    TG_DTYPES = 9
};

/* The kind of core that a kernel is for. */
enum tg_core_type { TG_AIC = 0, TG_AIV = 1 };

#endif
