// says: round Rows and Cols up
#include <pto/pto-inst.hpp>

using namespace pto;

extern "C" void kernel_entry(int64_t *args)
{
    float *at = reinterpret_cast<float *>(args[0]);
    (void)at;
    Tile<TileType::Mat, half, 20, 16, BLayout::ColMajor, 20, 16, SLayout::RowMajor> t; // here
    TASSIGN(t, 0);
}
