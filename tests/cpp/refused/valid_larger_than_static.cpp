// says: the valid rows are some of the tile's
#include <pto/pto-inst.hpp>

using namespace pto;

extern "C" void kernel_entry(int64_t *args)
{
    float *at = reinterpret_cast<float *>(args[0]);
    (void)at;
    Tile<TileType::Vec, float, 8, 8, BLayout::RowMajor, 9, 8> t; // here
    TASSIGN(t, 0);
}
