// says: tiles hold no elements of this type: use float, half
#include <pto/pto-inst.hpp>

using namespace pto;

extern "C" void kernel_entry(int64_t *args)
{
    float *at = reinterpret_cast<float *>(args[0]);
    (void)at;
    Tile<TileType::Vec, double, 8, 8> t; // here
    TASSIGN(t, 0);
}
