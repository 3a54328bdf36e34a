/* Device memory that is memory of this process: its addresses are addresses here. */
#include <string.h>

#include "machine/machine.h"

void tg_machine_write_local(struct tg_machine *machine, uint64_t address, const void *host, uint64_t bytes)
{
    tg_gm_write(&machine->gm, address, host, bytes);
}

void tg_machine_read_local(struct tg_machine *machine, void *host, uint64_t address, uint64_t bytes)
{
    (void)machine;
    memcpy(host, (const void *)(uintptr_t)address, bytes);
}

void tg_machine_fill_local(struct tg_machine *machine, uint64_t address, uint8_t value, uint64_t bytes)
{
    (void)machine;
    memset((void *)(uintptr_t)address, value, bytes);
}
