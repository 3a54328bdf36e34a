#include "attention/program.h"

#include "base/error.h"

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
