#define TG_MATMUL_FN tg_matmul_avx512
#include "tile/matmul.inc"
