// says: have one element type; convert with TCVT
#include <pto/pto-inst.hpp>

using namespace pto;

extern "C" void kernel_entry(int64_t *args)
{
    float *at = reinterpret_cast<float *>(args[0]);
    (void)at;
    Tile<TileType::Vec, float, 8, 16> a;
    Tile<TileType::Vec, half, 8, 16> b;
    TADD(a, a, b); // here
}
