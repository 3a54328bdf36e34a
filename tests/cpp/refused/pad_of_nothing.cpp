// says: declare dst with PadValue::Zero, Min or Max
#include <pto/pto-inst.hpp>

using namespace pto;

extern "C" void kernel_entry(int64_t *args)
{
    float *at = reinterpret_cast<float *>(args[0]);
    (void)at;
    Tile<TileType::Vec, float, 8, 8> a;
    TFILLPAD(a, a); // here
}
