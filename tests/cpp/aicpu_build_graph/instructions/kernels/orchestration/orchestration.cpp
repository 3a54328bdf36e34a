// A task for each kernel and type. Tensors: a, b and results of each type; then those of rows, products, moves and
// windows.
#include "runtime.h"
#include <cstdint>

extern "C" int orchestration(Runtime *runtime)
{
    enum { ELEMENTWISE, ROWS, PRODUCTS, MOVES, WINDOWS };
    const AicpuBuildApi &api = runtime->aicpu_build_api;
    const uint64_t *tensor = runtime->orch_args;
    auto task = [&](int func, CoreType core, uint64_t *args, int n) {
        int id = api.add_task(runtime, args, n, func, core, 0);
        if (id >= 0) api.publish_task(runtime, id);
        return id >= 0;
    };
    for (uint64_t type = 0; type < 4; type++) {
        uint64_t args[] = {tensor[3 * type], tensor[3 * type + 1], tensor[3 * type + 2], type};
        if (!task(ELEMENTWISE, CoreType::AIV, args, 4)) return -1;
    }
    uint64_t rows[] = {tensor[0], tensor[1], tensor[12], tensor[13]};
    if (!task(ROWS, CoreType::AIV, rows, 4)) return -1;
    for (uint64_t type = 0; type < 2; type++) {
        uint64_t args[] = {tensor[14 + 3 * type], tensor[15 + 3 * type], tensor[16 + 3 * type], type};
        if (!task(PRODUCTS, CoreType::AIC, args, 4)) return -1;
    }
    uint64_t moves[] = {tensor[0], tensor[1], tensor[20], tensor[21]};
    uint64_t windows[] = {tensor[22], tensor[23], tensor[24], tensor[25]};
    return task(MOVES, CoreType::AIV, moves, 4) && task(WINDOWS, CoreType::AIC, windows, 4) ? 0 : -1;
}
