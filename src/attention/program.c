#include "attention/program.h"

#include "base/error.h"
#include "base/sized.h"

/* The first version ended before declared_size. */
static const struct tg_sized sized_run = {"tg_run_config", sizeof(struct tg_run_config),
                                          offsetof(struct tg_run_config, declared_size)};

enum tg_status tg_embedded_program_open(struct tg_device *device, const struct tg_embedded *kernels, size_t n,
                                        const struct tg_embedded *plugin, const char *entry, bool checked,
                                        struct tg_program **out)
{
    const int kind = checked ? 1 : 0;
    struct tg_program *program;
    TG_TRY(tg_program_open(device, &program));
    enum tg_status status = TG_OK;
    for (size_t i = 0; i < n && status == TG_OK; i++)
        status = tg_program_add_kernel(program, (int)i, kernels[i].core_type, kernels[i].name, kernels[i].bytes[kind],
                                       *kernels[i].n_bytes[kind]);
    if (status == TG_OK)
        status = tg_program_set_orchestration(program, plugin->bytes[kind], *plugin->n_bytes[kind], entry);
    if (status != TG_OK) {
        tg_program_close(program);
        return status;
    }
    *out = program;
    return TG_OK;
}

enum tg_status tg_embedded_run_config(const struct tg_device *device, const struct tg_run_config *from,
                                      struct tg_run_config *to)
{
    tg_run_config_init(to);
    if (from) return tg_sized_take(&sized_run, to, from);
    if (tg_device_blocks(device)) to->block_dim = tg_device_blocks(device);
    return TG_OK;
}
