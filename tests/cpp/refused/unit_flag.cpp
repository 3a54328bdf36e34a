// says: unit flags are not offered
#include <pto/pto-inst.hpp>

using namespace pto;

extern "C" void kernel_entry(int64_t *args)
{
    (void)args;
    TileLeft<half, 16, 16> left;
    TileRight<half, 16, 16> right;
    TileAcc<float, 16, 16> acc;
    TMATMUL<AccPhase::Final>(acc, left, right); // here
}
