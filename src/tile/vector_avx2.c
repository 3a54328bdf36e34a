#define TG_VECTOR_FN tg_vector_avx2
#include "tile/vector.inc"
