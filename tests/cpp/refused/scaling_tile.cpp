// says: instead of a Scaling tile give TSTORE one scale
#include <pto/pto-inst.hpp>

using namespace pto;

extern "C" void kernel_entry(int64_t *args)
{
    (void)args;
    Tile<TileType::Scaling, float, 1, 32> scale; // here
    TASSIGN(scale, 0);
}
