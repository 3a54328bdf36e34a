// Three independent parts: softmax; a chain of products; a message and its receiver, with a window between them.
#include "runtime.h"

#include <iostream>
#include <stdexcept>

namespace
{

enum Func : int { SCRATCH = 10, CHAIN = 20, NARROW = 21, SEND = 30, RECEIVE = 31 };
constexpr int TENSORS = 18;

struct Builder {
    Runtime *runtime;
    AicpuBuildApi &api;

    template <typename... A> int add(Func func, CoreType core, A... args) const
    {
        uint64_t words[] = {static_cast<uint64_t>(args)...};
        const int task = api.add_task(runtime, words, static_cast<int>(sizeof...(args)), func, core,
                                      runtime->kernel_addrs[func]);
        if (task < 0) std::cerr << "no task for kernel " << func << std::endl;
        return task;
    }
};

} // namespace

extern "C" int aicpu_orchestration_entry(Runtime *runtime)
try {
    if (runtime == nullptr || runtime->orch_argc != 2 * TENSORS + 1) throw std::runtime_error("other tensors");
    const uint64_t *t = runtime->orch_args, message_bytes = t[TENSORS + 9];
    Builder builder{runtime, runtime->aicpu_build_api};
    if (!builder.api.add_task || builder.api.device_malloc == nullptr) return -2;

    auto window = reinterpret_cast<uint64_t>(builder.api.device_malloc(message_bytes));
    const int softmax = builder.add(SCRATCH, CoreType::AIV, t[0], t[1], t[2], t[3]);
    const int chain = builder.add(CHAIN, CoreType::AIC, t[4], t[5], t[6], t[7], t[8]);
    const int narrow = builder.add(NARROW, CoreType::AIC, t[12], t[13], t[14], t[15], t[16], t[17]);
    const int send = builder.add(SEND, CoreType::AIV, t[9], window, t[11]);
    const int receive = builder.add(RECEIVE, CoreType::AIV, window, t[10], t[11]);
    if (softmax < 0 || chain < 0 || narrow < 0 || send < 0 || receive < 0) return -3;
    builder.api.add_successor_conditional(runtime, send, receive);
    for (int task : {softmax, chain, narrow, send, receive}) builder.api.publish_task(runtime, task);
    return 0;
} catch (const std::exception &error) {
    std::cerr << error.what() << std::endl;
    return -4;
}
