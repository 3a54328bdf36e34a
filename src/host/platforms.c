/* The list of platforms. */
#include "machine/machine.h"

#include <string.h>

struct platform {
    const char *name;
    enum tg_status (*open)(const struct tg_device_config *config, struct tg_machine **out);
    const char *why_not; /* open is NULL: the reason for the caller */
};

static const struct platform platforms[] = {
    {"a2a3sim", tg_sim_open, NULL},
    {"cpu", tg_cpu_open, NULL},
    {"a2a3", NULL, "(the hardware) is not implemented yet"},
};
enum { N_PLATFORMS = sizeof platforms / sizeof platforms[0] };

const char *tg_platforms(void) { return "a2a3sim cpu"; }

enum tg_status tg_machine_open(const struct tg_device_config *config, struct tg_machine **out)
{
    if (!config->platform) return tg_error(TG_ERR_ARGUMENT, "no platform is named; there are: %s", tg_platforms());
    for (int i = 0; i < N_PLATFORMS; i++) {
        if (strcmp(config->platform, platforms[i].name) != 0) continue;
        if (platforms[i].open) return platforms[i].open(config, out);
        return tg_error(TG_ERR_PLATFORM, "platform '%s' %s; there are: %s", platforms[i].name, platforms[i].why_not,
                        tg_platforms());
    }
    const char *names[N_PLATFORMS];
    for (int i = 0; i < N_PLATFORMS; i++) names[i] = platforms[i].name;
    const char *meant = tg_nearest_name(config->platform, names, N_PLATFORMS);
    return tg_error(TG_ERR_PLATFORM, "there is no platform '%s'; there are: %s%s%s", config->platform, tg_platforms(),
                    meant ? "; did you mean " : "", meant ? meant : "");
}
