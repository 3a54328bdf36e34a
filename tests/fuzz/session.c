#include "session.h"

#include "file.h"
#include "fuzz.h"

struct tg_device *fuzz_open_device(uint64_t gm_bytes, bool catch_faults)
{
    struct tg_device_config config;
    struct tg_device *device = NULL;
    tg_device_config_init(&config);
    config.gm_bytes = gm_bytes;
    config.catch_faults = catch_faults;
    FUZZ_CHECK(tg_device_open(&config, &device) == TG_OK, "%s", tg_last_message());
    return device;
}

void *fuzz_read_module(const char *name, size_t *n_bytes)
{
    char file[256];
    void *bytes = NULL;
    struct failure failure = {""};
    (void)snprintf(file, sizeof file, "%s.so", name);
    FUZZ_CHECK(file_read_in(FUZZ_MODULE_DIR, file, &bytes, n_bytes, &failure) == TG_OK, "%s", failure.message);
    return bytes;
}

struct tg_program *fuzz_load(struct tg_device *device, const struct fuzz_kernel *kernels, size_t n_kernels,
                             const char *plugin, const char *entry)
{
    struct tg_program *program = NULL;
    size_t n_bytes = 0;
    FUZZ_CHECK(tg_program_open(device, &program) == TG_OK, "%s", tg_last_message());
    for (size_t i = 0; i < n_kernels; i++) {
        const struct fuzz_kernel *k = &kernels[i];
        void *bytes = fuzz_read_module(k->name, &n_bytes);
        enum tg_status status = tg_program_add_kernel(program, k->func_id, k->core_type, k->name, bytes, n_bytes);
        FUZZ_CHECK(status == TG_OK, "%s", tg_last_message());
        free(bytes);
    }
    void *bytes = fuzz_read_module(plugin, &n_bytes);
    FUZZ_CHECK(tg_program_set_orchestration(program, bytes, n_bytes, entry) == TG_OK, "%s", tg_last_message());
    free(bytes);
    return program;
}
