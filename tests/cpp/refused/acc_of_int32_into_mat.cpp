// says: an Acc of float becomes a Mat
#include <pto/pto-inst.hpp>

using namespace pto;

extern "C" void kernel_entry(int64_t *args)
{
    (void)args;
    TileAcc<int32_t, 16, 32> acc;
    Tile<TileType::Mat, half, 16, 32, BLayout::ColMajor, 16, 32, SLayout::RowMajor> mat;
    TMOV(mat, acc); // here
}
