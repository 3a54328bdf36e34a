// says: an Acc tile is column-major
#include <pto/pto-inst.hpp>

using namespace pto;

extern "C" void kernel_entry(int64_t *args)
{
    float *at = reinterpret_cast<float *>(args[0]);
    (void)at;
    Tile<TileType::Acc, float, 16, 16, BLayout::ColMajor, 16, 16, SLayout::RowMajor, 512> t; // here
    TASSIGN(t, 0);
}
