// says: go through float, or through half for integers of 8 bits
#include <pto/pto-inst.hpp>

using namespace pto;

extern "C" void kernel_entry(int64_t *args)
{
    (void)args;
    Tile<TileType::Vec, float, 8, 32> x;
    Tile<TileType::Vec, int8_t, 8, 32> q;
    TCVT(q, x, RoundMode::CAST_RINT); // here
}
