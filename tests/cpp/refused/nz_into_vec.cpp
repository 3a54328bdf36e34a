// says: a row-major Vec tile takes a GlobalTensor in Layout::ND
#include <pto/pto-inst.hpp>

using namespace pto;

extern "C" void kernel_entry(int64_t *args)
{
    GlobalTensor<float, TileShape2D<float, 16, 16, Layout::NZ>, BaseShape2D<float, 16, 16, Layout::NZ>, Layout::NZ> g(
        reinterpret_cast<float *>(args[0]));
    Tile<TileType::Vec, float, 16, 16> t;
    TLOAD(t, g); // here
}
