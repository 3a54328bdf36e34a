#include "launch/launch.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

enum { PART_ALIGNMENT = 8 };

/* Append a part of `bytes` bytes to a block that is `*n_bytes` long; returns where it begins. */
static uint64_t place_part(uint64_t *n_bytes, uint64_t bytes)
{
    const uint64_t at = (*n_bytes + PART_ALIGNMENT - 1) / PART_ALIGNMENT * PART_ALIGNMENT;
    *n_bytes = at + bytes;
    return at;
}

static void copy_part(struct tg_launch_data *to, uint64_t at, const void *from, uint64_t bytes)
{
    if (bytes > 0) memcpy((uint8_t *)to + at, from, bytes);
}

enum tg_status tg_launch_data_write(struct tg_launch_data **data, const struct tg_launch_data *header,
                                    const struct tg_launch_parts *parts)
{
    struct tg_launch_data full = *header;
    const uint64_t args_bytes = header->n_orch_args * sizeof *parts->orch_args;
    const uint64_t changes_bytes = header->n_changes * sizeof *parts->changes;
    const uint64_t name_bytes = strlen(parts->function_name) + 1;
    full.version = TG_LAUNCH_VERSION;
    full.n_bytes = sizeof full + args_bytes;
    full.changes_at = place_part(&full.n_bytes, changes_bytes);
    full.graph_at = place_part(&full.n_bytes, header->graph_bytes);
    full.plugin_at = place_part(&full.n_bytes, header->plugin_bytes);
    full.function_name_at = place_part(&full.n_bytes, name_bytes);
    if (!*data || (*data)->n_bytes < full.n_bytes) {
        struct tg_launch_data *grown = realloc(*data, full.n_bytes);
        if (!grown) return tg_error(TG_ERR_MEMORY, "no memory for the arguments of a launch");
        *data = grown;
    }
    struct tg_launch_data *to = *data;
    memcpy(to, &full, sizeof full);
    copy_part(to, sizeof full, parts->orch_args, args_bytes);
    copy_part(to, full.changes_at, parts->changes, changes_bytes);
    copy_part(to, full.plugin_at, parts->plugin, full.plugin_bytes);
    copy_part(to, full.function_name_at, parts->function_name, name_bytes);
    return TG_OK;
}

static bool is_inside(const struct tg_launch_data *data, uint64_t at, uint64_t n, uint64_t bytes)
{
    return at % PART_ALIGNMENT == 0 && at >= sizeof *data && at <= data->n_bytes && n <= (data->n_bytes - at) / bytes;
}

enum tg_status tg_launch_data_check(const struct tg_launch_data *data, const struct tg_kernels *kernels)
{
    if (data->version != TG_LAUNCH_VERSION)
        return tg_error(TG_ERR_ABI, "a launch of version %u, this control program reads version %u", data->version,
                        TG_LAUNCH_VERSION);
    const uint64_t name_at = data->function_name_at;
    const bool inside = is_inside(data, sizeof *data, data->n_orch_args, sizeof data->orch_args[0]) &&
                        is_inside(data, data->changes_at, data->n_changes, sizeof(struct tg_argument)) &&
                        is_inside(data, data->graph_at, data->graph_bytes, 1) &&
                        is_inside(data, data->plugin_at, data->plugin_bytes, 1) && is_inside(data, name_at, 1, 1) &&
                        memchr(tg_launch_part(data, name_at), 0, data->n_bytes - name_at);
    const bool possible = data->graph_source <= TG_GRAPH_PLUGIN && data->n_cores <= TG_CORES_MAX &&
                          data->n_threads > (data->n_cores > 0 && tg_launch_has_plugin(data) ? 1 : 0) &&
                          data->n_threads <= (data->n_cores > 0 ? TG_AICPU_THREADS_MAX : TG_WORKERS_MAX);
    if (!inside || !possible) return tg_error(TG_ERR_ABI, "the block of the launch is damaged");
    if (kernels && data->program != kernels->fingerprint)
        return tg_error(TG_ERR_ABI, "the launch was written for other kernels than those of the control program");
    return TG_OK;
}
