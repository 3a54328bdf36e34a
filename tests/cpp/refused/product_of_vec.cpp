// says: a product is of a Left and a Right tile
#include <pto/pto-inst.hpp>

using namespace pto;

extern "C" void kernel_entry(int64_t *args)
{
    float *at = reinterpret_cast<float *>(args[0]);
    (void)at;
    Tile<TileType::Vec, float, 16, 16> a;
    TMATMUL(a, a, a); // here
}
