// says: the tile does not fit into its buffer
#include <pto/pto-inst.hpp>

using namespace pto;

extern "C" void kernel_entry(int64_t *args)
{
    float *at = reinterpret_cast<float *>(args[0]);
    (void)at;
    Tile<TileType::Vec, float, 8, 8> a;
    TASSIGN<192 * 1024>(a); // here
}
