#define TG_VECTOR_FN tg_vector_avx512
#include "tile/vector.inc"
