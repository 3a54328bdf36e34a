// Paged attention as a graph: QK -> SF -> PV for each block, and a chain of UP tasks for each sequence.
#include "runtime.h"
#include <cstdint>
#include <cstdio>

#define FUNC_QK_MATMUL 0
#define FUNC_SOFTMAX_PREPARE 1
#define FUNC_PV_MATMUL 2
#define FUNC_ONLINE_UPDATE 3

extern "C" int orchestration(Runtime *runtime)
{
    if (runtime == nullptr) return -1;
    const AicpuBuildApi &api = runtime->aicpu_build_api;
    if (api.add_task == nullptr || api.add_successor_conditional == nullptr || api.publish_task == nullptr ||
        api.device_malloc == nullptr || api.device_free == nullptr) {
        std::fprintf(stderr, "orchestration: a build call is missing\n");
        return -1;
    }
    if (runtime->orch_argc < 15) {
        std::fprintf(stderr, "orchestration: %d arguments, expected 15\n", runtime->orch_argc);
        return -1;
    }

    uint64_t query = runtime->orch_args[0];
    uint64_t key_cache = runtime->orch_args[1];
    uint64_t value_cache = runtime->orch_args[2];
    int *block_table = reinterpret_cast<int *>(runtime->orch_args[3]);
    int *context_lens = reinterpret_cast<int *>(runtime->orch_args[4]);
    uint64_t out = runtime->orch_args[5];
    int64_t *config = reinterpret_cast<int64_t *>(runtime->orch_args[6]);

    int batch = static_cast<int>(config[0]);
    int num_heads = static_cast<int>(config[1]);
    int head_dim = static_cast<int>(config[3]);
    int block_size = static_cast<int>(config[4]);
    int max_blocks = static_cast<int>(config[5]);
    uint64_t scale = static_cast<uint64_t>(config[6]);
    if (num_heads != 16 || head_dim != 16 || block_size != 16) return -1;

    constexpr size_t matrix = 16 * 16 * sizeof(float);
    constexpr size_t scalars = 16 * sizeof(float);
    for (int b = 0; b < batch; b++) {
        int blocks = (context_lens[b] + block_size - 1) / block_size;
        uint64_t mi = reinterpret_cast<uint64_t>(api.device_malloc(scalars));
        uint64_t li = reinterpret_cast<uint64_t>(api.device_malloc(scalars));
        uint64_t oi = reinterpret_cast<uint64_t>(api.device_malloc(matrix));
        if (mi == 0 || li == 0 || oi == 0) return -1;
        int last_update = -1;
        for (int j = 0; j < blocks; j++) {
            uint64_t block = static_cast<uint64_t>(block_table[b * max_blocks + j]);
            uint64_t qi = query + static_cast<uint64_t>(b) * matrix;
            uint64_t kj = key_cache + block * matrix;
            uint64_t vj = value_cache + block * matrix;
            uint64_t sij = reinterpret_cast<uint64_t>(api.device_malloc(matrix));
            uint64_t pij = reinterpret_cast<uint64_t>(api.device_malloc(matrix));
            uint64_t mij = reinterpret_cast<uint64_t>(api.device_malloc(scalars));
            uint64_t lij = reinterpret_cast<uint64_t>(api.device_malloc(scalars));
            uint64_t oi_new = reinterpret_cast<uint64_t>(api.device_malloc(matrix));

            uint64_t args_qk[] = {qi, kj, sij};
            int t_qk = api.add_task(runtime, args_qk, 3, FUNC_QK_MATMUL, CoreType::AIC, 0);
            if (t_qk < 0) return -1;
            api.publish_task(runtime, t_qk);

            uint64_t args_sf[] = {sij, scale, pij, mij, lij};
            int t_sf = api.add_task(runtime, args_sf, 5, FUNC_SOFTMAX_PREPARE, CoreType::AIV, 0);
            if (t_sf < 0) return -1;
            api.add_successor_conditional(runtime, t_qk, t_sf);
            api.publish_task(runtime, t_sf);

            uint64_t args_pv[] = {pij, vj, oi_new};
            int t_pv = api.add_task(runtime, args_pv, 3, FUNC_PV_MATMUL, CoreType::AIC,
                                    runtime->kernel_addrs[FUNC_PV_MATMUL]);
            if (t_pv < 0) return -1;
            api.add_successor_conditional(runtime, t_sf, t_pv);
            api.publish_task(runtime, t_pv);

            uint64_t args_up[] = {
                mij, lij, oi_new, mi, li, oi, j == 0, j == blocks - 1, out + static_cast<uint64_t>(b) * matrix};
            int t_up = api.add_task(runtime, args_up, 9, FUNC_ONLINE_UPDATE, CoreType::AIV, 0);
            if (t_up < 0) return -1;
            api.add_successor_conditional(runtime, t_pv, t_up);
            if (last_update >= 0) api.add_successor_conditional(runtime, last_update, t_up);
            api.publish_task(runtime, t_up);
            last_update = t_up;
        }
    }
    return 0;
}
