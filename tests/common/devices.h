/*
 * devices.h - the same tests on every device that a promise holds on.
 *
 * A test gets its device as *state, and opens it with device_open; what differs is asked of the device.
 */
#ifndef TESTS_COMMON_DEVICES_H
#define TESTS_COMMON_DEVICES_H

#include <stdbool.h>

#include "common/check.h"
#include "common/rig.h"

struct device {
    const char *name;
    uint32_t n_workers; /* 0: the virtual device */
};

/* The virtual one, then this computer with 1, 2 and 16 workers. */
enum { N_DEVICES = 4 };
extern const struct device devices[N_DEVICES];

static inline bool device_is_virtual(const struct device *device) { return device->n_workers == 0; }

void device_open(struct rig *rig, const struct device *device, uint64_t gm_bytes);

/* Run every one of tests[n] on every device; those from tests[n_everywhere] on only on the virtual one. A program's
 * first argument, if there is one, names those to run ("a test, cpu with 2 workers"; * and ? match anything). */
int devices_run(const struct CMUnitTest *tests, size_t n_everywhere, size_t n, int argc, char **argv);

#endif
