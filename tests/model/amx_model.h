/* amx_model.h - the AMX variant of products, compiled over functions in place of the tile instructions
 * (machine/cpu/amx.h). They do what the processor's manual says, and fail an assertion of cmocka where it says that the
 * instruction faults. One thread. */
#ifndef TESTS_MODEL_AMX_MODEL_H
#define TESTS_MODEL_AMX_MODEL_H

#include "machine/cpu/product.h"

/* tg_product_amx, which takes tiles for every product of bf16, however small. Needs AVX-512. */
tg_product_fn tg_product_amx_model;

#endif
