// A kernel that defines the word of the device's compiler after the include, without asking whether it is there.
#include <pto/pto-inst.hpp>
#define __aicore__ [aicore]
extern "C" __aicore__ void kernel_entry(__gm__ int64_t *args) { (void)args; }
