// says: takes a GlobalTensor in Layout::ND
#include <pto/pto-inst.hpp>

using namespace pto;

extern "C" void kernel_entry(int64_t *args)
{
    float *at = reinterpret_cast<float *>(args[0]);
    (void)at;
    Tile<TileType::Vec, float, 8, 8> t;
    GlobalTensor<float, Shape<1, 1, 1, 8, 8>, Stride<1, 1, 1, 1, 8>, Layout::DN> g(at);
    TLOAD(t, g); // here
}
