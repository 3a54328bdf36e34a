// says: instead of a Scaling tile give TSTORE one scale
#include <pto/pto-inst.hpp>

using namespace pto;

extern "C" void kernel_entry(int64_t *args)
{
    float *at = reinterpret_cast<float *>(args[0]);
    (void)at;
    Tile<TileType::Scaling, float, 1, 16> t; // here
    (void)t;
}
