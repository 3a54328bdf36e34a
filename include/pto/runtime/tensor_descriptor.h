/* pto/runtime/tensor_descriptor.h - the descriptor of tensor.h under the name that it had in February 2026. */
#ifndef TILEGRAPH_PTO_RUNTIME_TENSOR_DESCRIPTOR_H
#define TILEGRAPH_PTO_RUNTIME_TENSOR_DESCRIPTOR_H

#include <pto/runtime/tensor.h>

typedef struct ChipTensor TensorDescriptor;

#endif
