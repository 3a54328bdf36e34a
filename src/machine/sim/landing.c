#include "machine/sim/landing.h"

#include <stdlib.h>
#include <string.h>

#include "base/grow.h"

void tg_landing_fini(struct tg_landing *landing)
{
    free(landing->writes);
    free(landing->data);
    memset(landing, 0, sizeof *landing);
}

static uint8_t *at(const struct tg_landing_write *write) { return (uint8_t *)(uintptr_t)write->address; }

bool tg_landing_note(struct tg_landing *landing, uint64_t address, uint64_t n_bytes)
{
    void *writes = landing->writes, *data = landing->data;
    bool room = tg_grow(&writes, landing->n_writes + 1, &landing->writes_max, sizeof *landing->writes);
    landing->writes = writes;
    room = room && tg_grow(&data, landing->n_data + n_bytes, &landing->data_max, 1);
    landing->data = data;
    if (!room) return false;
    const struct tg_landing_write write = {address, n_bytes, landing->n_data};
    landing->writes[landing->n_writes++] = write;
    memcpy(landing->data + write.data, at(&write), n_bytes);
    landing->n_data += n_bytes;
    return true;
}

/* Bytes that two writes share: the first write gets the new ones. */
void tg_landing_hold(struct tg_landing *landing)
{
    for (size_t i = 0; i < landing->n_writes; i++) {
        uint8_t *memory = at(&landing->writes[i]), *kept = landing->data + landing->writes[i].data;
        for (uint64_t k = 0; k < landing->writes[i].n_bytes; k++) {
            const uint8_t byte = memory[k];
            memory[k] = kept[k];
            kept[k] = byte;
        }
    }
}

/* The first write lands last, because it has the new bytes of shared ranges. */
void tg_landing_land(struct tg_landing *landing, struct tg_gm *gm)
{
    for (size_t i = landing->n_writes; i > 0; i--) {
        const struct tg_landing_write *write = &landing->writes[i - 1];
        if (!gm || tg_gm_contains(gm, write->address, write->n_bytes))
            memcpy(at(write), landing->data + write->data, write->n_bytes);
    }
    landing->n_writes = landing->n_data = 0;
}
