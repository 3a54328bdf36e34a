// says: give all five values, or one for each dynamic dimension
#include <pto/pto-inst.hpp>

using namespace pto;

extern "C" void kernel_entry(int64_t *args)
{
    float *at = reinterpret_cast<float *>(args[0]);
    (void)at;
    Shape<1, 1, 1, DYNAMIC, DYNAMIC> shape(1, 2, 3); // here
    (void)shape;
}
