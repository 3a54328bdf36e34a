// says: the other layouts are not offered
#include <pto/pto-inst.hpp>

using namespace pto;

extern "C" void kernel_entry(int64_t *args)
{
    float *at = reinterpret_cast<float *>(args[0]);
    (void)at;
    GlobalTensor<float, Shape<1, 1, 1, 8, 8>, Stride<1, 1, 1, 8, 1>, Layout::NHWC> g(at); // here
    (void)g;
}
