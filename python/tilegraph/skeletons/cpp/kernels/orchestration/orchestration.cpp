// orchestration.cpp - out = exp(a) + b, in pieces of 4096 elements.
//
// Tensors: a[n], b[n], out[n], fp32; n is a multiple of 4096. Each piece is two tasks with an edge between them.
//
//     exp[0] -> add[0]     exp[1] -> add[1]     ...
#include "runtime.h"
#include <cstdint>

enum { A, B, OUT, N_TENSORS };
enum { FUNC_EXP = 0, FUNC_ADD = 1 }; // the func_id of each kernel in kernel_config.py

extern "C" int orchestration(Runtime *runtime)
{
    const AicpuBuildApi &api = runtime->aicpu_build_api;
    // The device addresses of the tensors, their sizes in bytes, and the number of elements of the first one.
    const uint64_t *addr = runtime->orch_args, *bytes = addr + N_TENSORS;
    constexpr uint64_t piece = 4096 * sizeof(float);
    if (runtime->orch_argc != 2 * N_TENSORS + 1 || bytes[A] % piece || bytes[B] != bytes[A] || bytes[OUT] != bytes[A])
        return -1;

    const uint64_t exp = reinterpret_cast<uint64_t>(api.device_malloc(bytes[A]));
    if (exp == 0) return -1;
    for (uint64_t at = 0; at < bytes[A]; at += piece) {
        uint64_t exp_args[] = {addr[A] + at, exp + at};
        uint64_t add_args[] = {exp + at, addr[B] + at, addr[OUT] + at};

        const int exp_task = api.add_task(runtime, exp_args, 2, FUNC_EXP, CoreType::AIV, 0);
        const int add_task = api.add_task(runtime, add_args, 3, FUNC_ADD, CoreType::AIV, 0);
        if (exp_task < 0 || add_task < 0) return -1; // the run has failed with a reason
        api.add_successor_conditional(runtime, exp_task, add_task); // add reads what exp writes
        api.publish_task(runtime, exp_task); // it may run from here on
        api.publish_task(runtime, add_task);
    }
    return 0;
}
