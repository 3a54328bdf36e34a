// says: take whole 32-byte units
#include <pto/pto-inst.hpp>

using namespace pto;

extern "C" void kernel_entry(int64_t *args)
{
    float *at = reinterpret_cast<float *>(args[0]);
    (void)at;
    Tile<TileType::Vec, float, 4, 5> t; // here
    TASSIGN(t, 0);
}
