// says: a Left tile has row-major fractals
#include <pto/pto-inst.hpp>

using namespace pto;

extern "C" void kernel_entry(int64_t *args)
{
    float *at = reinterpret_cast<float *>(args[0]);
    (void)at;
    Tile<TileType::Left, half, 16, 16, BLayout::RowMajor, 16, 16, SLayout::ColMajor> t; // here
    TASSIGN(t, 0);
}
