// says: bf16 is computed as fp32
#include <pto/pto-inst.hpp>

using namespace pto;

extern "C" void kernel_entry(int64_t *args)
{
    float *at = reinterpret_cast<float *>(args[0]);
    (void)at;
    Tile<TileType::Vec, bfloat16_t, 8, 16> a;
    TADD(a, a, a); // here
}
