#define TG_MATMUL_FN tg_matmul_portable
#include "tile/matmul.inc"
