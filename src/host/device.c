/* Devices and their memory. */
#include <stdlib.h>
#include <string.h>

#include "base/sized.h"
#include "host/host.h"
#include "os/state.h"

static const struct tg_sized sized_config = {"tg_device_config", sizeof(struct tg_device_config),
                                             offsetof(struct tg_device_config, isa)};
static const struct tg_device_config defaults = {
    .size = sizeof defaults, .platform = "a2a3sim", .pin = true, .catch_faults = false};

uint32_t tg_version(void) { return TG_VERSION_NUMBER; }

enum tg_status tg_device_config_fill(struct tg_device_config *config)
{
    return tg_sized_give(&sized_config, config, &defaults);
}

enum tg_status tg_device_open(const struct tg_device_config *config, struct tg_device **out)
{
    TG_OWN_STATE;
    TG_REQUIRE(config);
    TG_REQUIRE(out);
    struct tg_device_config known = defaults;
    TG_TRY(tg_sized_take(&sized_config, &known, config));
    struct tg_device *device = calloc(1, sizeof *device);
    if (!device) return tg_error(TG_ERR_MEMORY, "no memory for a device");
    device->n_users = 1;
    enum tg_status status = tg_machine_open(&known, &device->machine);
    if (status != TG_OK) {
        free(device);
        return status;
    }
    *out = device;
    return TG_OK;
}

enum tg_status tg_device_get_info(const struct tg_device *device, struct tg_device_info *info)
{
    static const struct tg_sized sized = {"tg_device_info", sizeof *info, sizeof *info};
    TG_REQUIRE(device);
    TG_REQUIRE(info);
    struct tg_machine *machine = device->machine;
    const struct tg_device_info known = {.size = sizeof known,
                                         .n_blocks = machine->n_blocks,
                                         .n_workers = machine->n_workers,
                                         .isa = machine->isa_name,
                                         .gm_bytes = machine->gm.capacity,
                                         .bytes_in_use = tg_gm_in_use(&machine->gm),
                                         .peak_bytes = tg_gm_peak(&machine->gm)};
    return tg_sized_give(&sized, info, &known);
}

uint32_t tg_device_blocks(const struct tg_device *device) { return device ? device->machine->n_blocks : 0; }

uint32_t tg_device_workers(const struct tg_device *device) { return device ? device->machine->n_workers : 0; }

const char *tg_device_isa(const struct tg_device *device) { return device ? device->machine->isa_name : ""; }

void tg_device_release(struct tg_device *device)
{
    if (--device->n_users > 0) return;
    device->machine->ops->close(device->machine);
    free(device);
}

void tg_device_close(struct tg_device *device)
{
    if (device) tg_device_release(device);
}

enum tg_status tg_device_malloc(struct tg_device *device, uint64_t bytes, tg_address *address)
{
    TG_REQUIRE(device);
    TG_REQUIRE(address);
    return tg_gm_alloc(&device->machine->gm, bytes, NULL, address);
}

enum tg_status tg_device_free(struct tg_device *device, tg_address address)
{
    TG_REQUIRE(device);
    return tg_gm_free(&device->machine->gm, NULL, address);
}

enum tg_status tg_device_check_range(struct tg_device *device, tg_address address, uint64_t bytes)
{
    if (tg_gm_contains(&device->machine->gm, address, bytes)) return TG_OK;
    return tg_error(TG_ERR_GLOBAL_MEMORY, "%llu bytes at 0x%llx are not inside one allocation of device memory",
                    (unsigned long long)bytes, (unsigned long long)address);
}

enum tg_status tg_copy_to_device(struct tg_device *device, tg_address address, const void *host, uint64_t bytes)
{
    TG_REQUIRE(device);
    TG_REQUIRE(host || bytes == 0);
    TG_TRY(tg_device_check_range(device, address, bytes));
    device->machine->ops->write(device->machine, address, host, bytes);
    return TG_OK;
}

enum tg_status tg_copy_from_device(struct tg_device *device, void *host, tg_address address, uint64_t bytes)
{
    TG_REQUIRE(device);
    TG_REQUIRE(host || bytes == 0);
    TG_TRY(tg_device_check_range(device, address, bytes));
    device->machine->ops->read(device->machine, host, address, bytes);
    return TG_OK;
}

uint64_t tg_device_bytes_in_use(const struct tg_device *device)
{
    return device ? tg_gm_in_use(&device->machine->gm) : 0;
}
