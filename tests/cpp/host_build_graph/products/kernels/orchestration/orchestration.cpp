// Tensors: x, w, b, y; then a, b and results of uint32_t and of int16_t; then f and results of float.
#include "runtime.h"

extern "C" int build(Runtime *runtime, uint64_t *args, int arg_count)
{
    constexpr int n = 12;
    if (arg_count != 2 * n + 1) return -1;
    uint64_t device[n];
    for (int i = 0; i < n; i++) {
        void *host = reinterpret_cast<void *>(args[i]), *at = runtime->host_api.device_malloc(args[n + i]);
        const bool is_output = i == 3 || i == 6 || i == 9 || i == 11;
        if (at == nullptr) return -1;
        if (is_output) runtime->record_tensor_pair(host, at, args[n + i]);
        else if (runtime->host_api.copy_to_device(at, host, args[n + i]) != 0) return -1;
        device[i] = reinterpret_cast<uint64_t>(at);
    }
    uint64_t words[] = {device[4], device[5], device[6], 0, device[10], device[11]};
    uint64_t shorts[] = {device[7], device[8], device[9], 1};
    if (runtime->add_task(device, 4, 0, CoreType::AIC) < 0) return -1;
    if (runtime->add_task(words, 6, 1, CoreType::AIV) < 0) return -1;
    return runtime->add_task(shorts, 4, 1, CoreType::AIV) < 0 ? -1 : 0;
}
