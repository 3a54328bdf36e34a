// says: tiles are Vec, Mat, Left, Right, Acc or Bias
#include <pto/pto-inst.hpp>

using namespace pto;

extern "C" void kernel_entry(int64_t *args)
{
    (void)args;
    Tile<TileType::Scaling, float, 1, 32> scale; // here
    TASSIGN(scale, 0);
}
