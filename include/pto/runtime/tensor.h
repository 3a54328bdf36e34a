/*
 * pto/runtime/tensor.h - the tensor descriptor that later versions of the family pass to a kernel.
 *
 * There args[i] is the device address of such a structure, and the kernel reads it by plain loads. A plugin here passes
 * the address of the elements itself. For such a kernel it fills a descriptor in device memory and passes its address.
 */
#ifndef TILEGRAPH_PTO_RUNTIME_TENSOR_H
#define TILEGRAPH_PTO_RUNTIME_TENSOR_H

#include <stddef.h>
#include <stdint.h>

struct ChipTensor {
    struct {
        uint64_t addr; /* device address of the allocation */
        uint64_t size; /* bytes */
    } buffer;
    uint64_t task_id;
    uint64_t start_offset; /* elements from buffer.addr to the tensor's first */
    int32_t version;
    uint32_t ndims;
    uint8_t dtype;
    uint8_t flags[3];
    uint32_t shapes[5];  /* elements, outermost first */
    uint32_t strides[5]; /* elements */
    uint8_t reserved[44];
};

#ifdef __cplusplus
static_assert(sizeof(ChipTensor) == 128, "two lines of a cache");
static_assert(offsetof(ChipTensor, start_offset) == 24, "read by kernels");
static_assert(offsetof(ChipTensor, shapes) == 44, "read by kernels");
#endif

#endif
