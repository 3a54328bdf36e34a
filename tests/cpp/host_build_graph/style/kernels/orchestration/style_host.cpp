// Two tasks that do not depend on each other. Tensors as in golden.py; the settings are read on the host.
#include "runtime.h"

#include <array>
#include <cstdint>
#include <iostream>
#include <sstream>

namespace
{

class Tensors
{
  public:
    static constexpr int COUNT = 6;

    Tensors(Runtime &runtime, uint64_t *args) : runtime_(runtime), args_(args) {}

    bool upload()
    {
        for (int i = 0; i < COUNT; ++i) {
            device_[i] = runtime_.host_api.device_malloc(bytes(i));
            if (!device_[i]) return false;
            if (isOutput(i)) runtime_.record_tensor_pair(host(i), device_[i], bytes(i));
            else if (runtime_.host_api.copy_to_device(device_[i], host(i), bytes(i)) != 0) return false;
        }
        return true;
    }
    uint64_t operator[](int i) const { return reinterpret_cast<uint64_t>(device_[i]); }
    void *host(int i) const { return reinterpret_cast<void *>(args_[i]); }
    std::size_t bytes(int i) const { return static_cast<std::size_t>(args_[COUNT + i]); }

  private:
    static bool isOutput(int i) { return i == 3 || i == 4; }

    Runtime &runtime_;
    uint64_t *args_;
    std::array<void *, COUNT> device_{};
};

} // namespace

extern "C" int build_style_graph(Runtime *runtime, uint64_t *args, int arg_count)
{
    if (arg_count < 2 * Tensors::COUNT + 1) {
        std::ostringstream text;
        text << "expected " << 2 * Tensors::COUNT + 1 << " arguments, got " << arg_count;
        std::cerr << text.str() << std::endl;
        return -1;
    }
    Tensors tensors(*runtime, args);
    if (!tensors.upload()) return -1;
    const int64_t *settings = static_cast<const int64_t *>(tensors.host(5));
    uint64_t polynomial[7] = {tensors[0], tensors[1], tensors[3]};
    for (int i = 0; i < 4; ++i) polynomial[3 + i] = static_cast<uint64_t>(settings[i]);
    uint64_t squares[] = {tensors[2], tensors[4]};
    const bool added = runtime->add_task(polynomial, 7, 0, CoreType::AIV) >= 0 &&
                       runtime->add_task(squares, 2, 1, CoreType::AIC) >= 0;
    std::cout << "style: " << runtime->get_task_count() << " tasks\n";
    return added ? 0 : -1;
}
