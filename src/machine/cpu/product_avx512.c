#include "machine/cpu/lanes_avx512.h"

#define TG_PRODUCT_FN tg_product_avx512
#define TG_WIDEN_FN tg_widen_avx512
#define TG_UNPACK_FN tg_unpack_avx512
#include "machine/cpu/product.inc"
