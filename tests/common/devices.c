#include "common/devices.h"

#include <stdlib.h>

const struct device devices[N_DEVICES] = {
    {"a2a3sim", 0}, {"cpu with 1 worker", 1}, {"cpu with 2 workers", 2}, {"cpu with 16 workers", 16}};

void device_open(struct rig *rig, const struct device *device, uint64_t gm_bytes)
{
    if (device_is_virtual(device)) rig_open(rig, gm_bytes);
    else rig_open_workers(rig, device->n_workers, gm_bytes);
}

/* cmocka's own function wants an array. */
static int run(const struct CMUnitTest *tests, size_t n)
{
    return _cmocka_run_group_tests("tests", tests, n, NULL, NULL);
}

int devices_run(const struct CMUnitTest *tests, size_t n_everywhere, size_t n, int argc, char **argv)
{
    const size_t n_all = (N_DEVICES - 1) * n_everywhere + n;
    struct CMUnitTest *all = calloc(n_all, sizeof *all);
    char(*names)[256] = calloc(n_all, sizeof *names);
    size_t n_made = 0;
    for (size_t d = 0; all && names && d < N_DEVICES; d++)
        for (size_t i = 0; i < (d == 0 ? n : n_everywhere); i++, n_made++) {
            snprintf(names[n_made], sizeof *names, "%s, %s", tests[i].name, devices[d].name);
            all[n_made] = tests[i];
            all[n_made].name = names[n_made];
            all[n_made].initial_state = (void *)(uintptr_t)&devices[d];
        }
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    int n_failed = all && names ? run(all, n_all) : 1;
    free(names);
    free(all);
    return n_failed;
}
