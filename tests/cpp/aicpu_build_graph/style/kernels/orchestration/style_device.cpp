// Two tasks that do not depend on each other, with the calls in variables.
#include <cstddef>
#include <cstdint>
#include <cstdio>

#include "runtime.h"

static const char *const kName = "style";

template <std::size_t N> static bool publish(Runtime *runtime, int func, CoreType core, uint64_t (&args)[N])
{
    auto &&api = runtime->aicpu_build_api;
    auto add = api.add_task;
    int (*pointer)(Runtime *, uint64_t *, int, int, CoreType, uint64_t) = add;
    const int task = func == 0
                         ? add(runtime, args, static_cast<int>(N), func, core, 0)
                         : (*pointer)(runtime, args, static_cast<int>(N), func, core, runtime->kernel_addrs[func]);
    if (task < 0) return false;
    const auto show = api.publish_task;
    show(runtime, task);
    return true;
}

extern "C" {

int orchestrate(Runtime *runtime)
{
    const uint64_t *t = runtime->orch_args;
    const int64_t *settings = (const int64_t *)(uintptr_t)t[5];
    uint64_t polynomial[] = {
        t[0], t[1], t[3], (uint64_t)settings[0], (uint64_t)settings[1], (uint64_t)settings[2], (uint64_t)settings[3]};
    uint64_t squares[] = {t[2], t[4]};
    if (!publish(runtime, 0, CoreType::AIV, polynomial) || !publish(runtime, 1, CoreType::AIC, squares)) {
        fprintf(stderr, "%s: no task\n", kName);
        return 1;
    }
    return 0;
}
}
