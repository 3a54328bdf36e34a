#define TG_MATMUL_FN tg_matmul_avx2
#include "tile/matmul.inc"
