// Tensors: a, b [3][32][32] and c [32][32]; x and y of softmax; x, y and count of descriptors; x, y, z of shuffle.
#include "runtime.h"
#include "tensor.h"
#include <cstdio>

extern "C" {

static uint64_t descriptor(Runtime *runtime, uint64_t tensor, uint32_t rows)
{
    ChipTensor made = {};
    made.buffer.addr = tensor;
    made.ndims = 2;
    made.shapes[0] = rows;
    made.shapes[1] = 64;
    void *at = runtime->host_api.device_malloc(sizeof made);
    if (at == nullptr || runtime->host_api.copy_to_device(at, &made, sizeof made) != 0) return 0;
    return reinterpret_cast<uint64_t>(at);
}

int build_idioms(Runtime *runtime, uint64_t *args, int arg_count)
{
    const int n = 11;
    if (arg_count < 2 * n + 1) {
        std::fprintf(stderr, "expected %d arguments, got %d\n", 2 * n + 1, arg_count);
        return -1;
    }
    uint64_t tensor[n];
    for (int i = 0; i < n; i++) {
        void *host = reinterpret_cast<void *>(args[i]);
        const size_t bytes = static_cast<size_t>(args[n + i]);
        void *device = runtime->host_api.device_malloc(bytes);
        if (device == nullptr) return -1;
        const bool grows = i == 2, is_output = grows || i == 4 || i == 6 || i == 7 || i == 9 || i == 10;
        if (!is_output || grows) runtime->host_api.copy_to_device(device, host, bytes);
        if (is_output) runtime->record_tensor_pair(host, device, bytes);
        tensor[i] = reinterpret_cast<uint64_t>(device);
    }

    const uint64_t tile = 32 * 32 * sizeof(float);
    const uint64_t parts = reinterpret_cast<uint64_t>(runtime->host_api.device_malloc(3 * tile));
    int last = -1;
    for (uint64_t k = 0; k < 3; k++) {
        uint64_t product[] = {tensor[0] + k * tile, tensor[1] + k * tile, parts + k * tile};
        uint64_t sum[] = {tensor[2], parts + k * tile};
        const int multiplies = runtime->add_task(product, 3, 0, CoreType::AIC);
        const int adds = runtime->add_task(sum, 2, 1, CoreType::AIV);
        if (multiplies < 0 || adds < 0) return -1;
        runtime->add_successor(multiplies, adds);
        if (last >= 0) runtime->add_successor(last, adds);
        last = adds;
    }
    uint64_t softmax[] = {tensor[3], tensor[4], 5, 49, 49};
    uint64_t described[] = {descriptor(runtime, tensor[5], 10), descriptor(runtime, tensor[6], 10), tensor[7]};
    if (described[0] == 0 || described[1] == 0) return -1;
    if (runtime->add_task(softmax, 5, 2, CoreType::AIV) < 0) return -1;
    if (runtime->add_task(described, 3, 3, CoreType::AIV) < 0) return -1;
    return runtime->add_task(tensor + 8, 3, 4, CoreType::AIV) < 0 ? -1 : 0;
}
}
