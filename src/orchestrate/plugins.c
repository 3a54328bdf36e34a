#include "orchestrate/plugins.h"

#include <stdlib.h>

#include "base/error.h"

/* Unlink the idle plugin of this number. NULL: no plugin of the number is idle. */
static struct tg_plugin *unlink_idle(struct tg_machine *machine, uint64_t number)
{
    for (struct tg_plugin **at = &machine->idle_plugins; *at; at = &(*at)->next) {
        struct tg_plugin *plugin = *at;
        if (plugin->number != number) continue;
        *at = plugin->next;
        return plugin;
    }
    return NULL;
}

bool tg_plugins_have(const struct tg_machine *machine, uint64_t number)
{
    const struct tg_plugin *plugin = machine->idle_plugins;
    while (plugin && plugin->number != number) plugin = plugin->next;
    return plugin;
}

static void close_plugin(struct tg_plugin *plugin)
{
    if (!plugin) return;
    tg_module_close(&plugin->module);
    tg_reset_fini(&plugin->reset);
    free(plugin);
}

struct tg_plugin *tg_plugins_take(struct tg_machine *machine, const struct tg_plugin_bytes *bytes,
                                  enum tg_status *status)
{
    struct tg_plugin *plugin = unlink_idle(machine, bytes->number);
    if (plugin) return plugin;
    plugin = calloc(1, sizeof *plugin);
    if (!plugin) {
        *status = tg_error(TG_ERR_MEMORY, "orchestration plugin: no memory for it");
        return NULL;
    }
    plugin->number = bytes->number;
    *status = tg_module_open(&plugin->module, bytes->bytes, bytes->n_bytes, "orchestration plugin");
    if (*status == TG_OK) {
        tg_reset_init(&plugin->reset, &plugin->module);
        return plugin;
    }
    free(plugin);
    return NULL;
}

void tg_plugins_prepare(struct tg_machine *machine, const struct tg_plugin_bytes *bytes)
{
    enum tg_status status = TG_OK;
    struct tg_plugin *plugin = tg_plugins_take(machine, bytes, &status);
    if (!plugin) return;
    plugin->next = machine->idle_plugins;
    machine->idle_plugins = plugin;
}

void tg_plugins_give(struct tg_machine *machine, struct tg_plugin *plugin, bool sound)
{
    if (!plugin) return;
    struct tg_plugin *other = sound && tg_reset_possible(&plugin->reset) ? unlink_idle(machine, plugin->number)
                                                                         : plugin;
    close_plugin(other); /* one idle plugin of a number is enough */
    if (other == plugin) return;
    tg_reset_restore(&plugin->reset, &plugin->module);
    plugin->next = machine->idle_plugins;
    machine->idle_plugins = plugin;
}

void tg_plugins_forget(struct tg_machine *machine, uint64_t number) { close_plugin(unlink_idle(machine, number)); }
