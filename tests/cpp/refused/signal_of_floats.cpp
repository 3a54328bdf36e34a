// says: a signal is a GlobalTensor of int32_t
#include <pto/pto-inst.hpp>

using namespace pto;

extern "C" void kernel_entry(int64_t *args)
{
    GlobalTensor<float, Shape<1, 1, 1, 1, 1>, Stride<1, 1, 1, 1, 1>> signal(reinterpret_cast<float *>(args[0]));
    comm::TWAIT(signal, 1, comm::WaitCmp::GE); // here
}
