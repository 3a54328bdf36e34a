// Paged attention as a graph that the host builds: QK -> SF -> PV for each block, and a chain of UP for each sequence.
#include "runtime.h"
#include <cstdint>
#include <cstdio>

namespace
{
enum { QUERY, KEY_CACHE, VALUE_CACHE, BLOCK_TABLE, CONTEXT_LENS, OUT, CONFIG, TENSORS };
constexpr size_t MATRIX = 16 * 16 * sizeof(float);
constexpr size_t SCALARS = 16 * sizeof(float);

uint64_t allocate(Runtime *runtime, size_t bytes)
{
    return reinterpret_cast<uint64_t>(runtime->host_api.device_malloc(bytes));
}
} // namespace

extern "C" int build_paged_attention_graph(Runtime *runtime, uint64_t *args, int arg_count)
{
    if (arg_count < 2 * TENSORS + 1) {
        std::fprintf(stderr, "build_paged_attention_graph: %d arguments, expected %d\n", arg_count, 2 * TENSORS + 1);
        return -1;
    }
    const int *block_table = reinterpret_cast<const int *>(args[BLOCK_TABLE]);
    const int *context_lens = reinterpret_cast<const int *>(args[CONTEXT_LENS]);
    const int64_t *config = reinterpret_cast<const int64_t *>(args[CONFIG]);
    const int batch = static_cast<int>(config[0]), max_blocks = static_cast<int>(config[5]);
    const uint64_t scale = static_cast<uint64_t>(config[6]);

    void *device[TENSORS] = {};
    for (int i : {QUERY, KEY_CACHE, VALUE_CACHE, OUT}) {
        device[i] = runtime->host_api.device_malloc(args[TENSORS + i]);
        if (device[i] == nullptr) return -1;
        if (i == OUT) continue;
        if (runtime->host_api.copy_to_device(device[i], reinterpret_cast<void *>(args[i]), args[TENSORS + i]) != 0) {
            runtime->host_api.device_free(device[i]);
            return -1;
        }
    }
    runtime->record_tensor_pair(reinterpret_cast<void *>(args[OUT]), device[OUT], args[TENSORS + OUT]);
    auto at = [&](int tensor, uint64_t index) { return reinterpret_cast<uint64_t>(device[tensor]) + index * MATRIX; };

    int tasks = 0;
    for (int b = 0; b < batch; b++) {
        const int blocks = (context_lens[b] + 15) / 16;
        const uint64_t mi = allocate(runtime, SCALARS), li = allocate(runtime, SCALARS), oi = allocate(runtime, MATRIX);
        int last_update = -1;
        for (int j = 0; j < blocks; j++) {
            const uint64_t block = static_cast<uint64_t>(block_table[b * max_blocks + j]);
            const uint64_t sij = allocate(runtime, MATRIX), pij = allocate(runtime, MATRIX);
            const uint64_t mij = allocate(runtime, SCALARS), lij = allocate(runtime, SCALARS);
            const uint64_t oi_new = allocate(runtime, MATRIX);
            uint64_t args_qk[] = {at(QUERY, static_cast<uint64_t>(b)), at(KEY_CACHE, block), sij};
            uint64_t args_sf[] = {sij, scale, pij, mij, lij};
            uint64_t args_pv[] = {pij, at(VALUE_CACHE, block), oi_new};
            uint64_t args_up[] = {
                mij, lij, oi_new, mi, li, oi, j == 0, j == blocks - 1, at(OUT, static_cast<uint64_t>(b))};
            int t_qk = runtime->add_task(args_qk, 3, 0, CoreType::AIC);
            int t_sf = runtime->add_task(args_sf, 5, 1, CoreType::AIV);
            int t_pv = runtime->add_task(args_pv, 3, 2, CoreType::AIC);
            int t_up = runtime->add_task(args_up, 9, 3, CoreType::AIV);
            runtime->add_successor(t_qk, t_sf);
            runtime->add_successor(t_sf, t_pv);
            runtime->add_successor(t_pv, t_up);
            if (last_update >= 0) runtime->add_successor(last_update, t_up);
            last_update = t_up;
            tasks += 4;
        }
    }
    if (runtime->get_task_count() != tasks) return -1;
    runtime->print_runtime();
    return 0;
}
