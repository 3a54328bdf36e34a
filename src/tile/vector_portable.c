#define TG_VECTOR_FN tg_vector_portable
#include "tile/vector.inc"
