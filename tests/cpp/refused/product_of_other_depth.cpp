// says: Rows and Cols do not fit
#include <pto/pto-inst.hpp>

using namespace pto;

extern "C" void kernel_entry(int64_t *args)
{
    float *at = reinterpret_cast<float *>(args[0]);
    (void)at;
    TileLeft<float, 16, 16> a;
    TileRight<float, 32, 16> b;
    TileAcc<float, 16, 16> c;
    TMATMUL(c, a, b); // here
}
