#include "launch/launch.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

enum tg_status tg_launch_data_write(struct tg_launch_data **data, const struct tg_launch_data *header,
                                    const uint64_t *orch_args, const char *function_name)
{
    const size_t args_bytes = header->n_orch_args * sizeof *orch_args, name_bytes = strlen(function_name) + 1;
    const size_t n_bytes = sizeof *header + args_bytes + name_bytes;
    if (!*data) *data = malloc(n_bytes);
    if (!*data) return tg_error(TG_ERR_MEMORY, "no memory for the arguments of a launch");
    struct tg_launch_data *to = *data;
    memcpy(to, header, sizeof *to);
    to->version = TG_LAUNCH_VERSION;
    to->n_bytes = (uint32_t)n_bytes;
    to->function_name_at = (uint32_t)(sizeof *to + args_bytes);
    memcpy(to->orch_args, orch_args, args_bytes);
    memcpy((char *)to + to->function_name_at, function_name, name_bytes);
    return TG_OK;
}

enum tg_status tg_launch_data_check(const struct tg_launch_data *data)
{
    if (data->version == TG_LAUNCH_VERSION) return TG_OK;
    return tg_error(TG_ERR_ABI, "a launch of version %u, this control program reads version %u", data->version,
                    TG_LAUNCH_VERSION);
}
