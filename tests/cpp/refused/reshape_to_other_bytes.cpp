// says: the same number of bytes
#include <pto/pto-inst.hpp>

using namespace pto;

extern "C" void kernel_entry(int64_t *args)
{
    float *at = reinterpret_cast<float *>(args[0]);
    (void)at;
    Tile<TileType::Vec, float, 8, 8> a;
    Tile<TileType::Vec, float, 4, 8> b;
    TRESHAPE(b, a); // here
}
