/*
 * plugins.h - the plugins that are open on a machine, between launches.
 *
 * Opening a plugin takes longer than a small launch. So a plugin stays open after a launch, with its variables as they
 * were after opening (os/reset.h), and the next launch of the same program takes it. A plugin that cannot be restored,
 * or whose run failed, is closed, and the next launch opens its bytes again. A launch that takes a plugin while another
 * run has it opens the bytes once more. So every launch finds the plugin in the state after opening.
 *
 *     set_orchestration ---> open ---> idle ---> take ---> launch, and replays ---> give ---> restored: idle
 *                                                                                         `-> closed
 *
 * Threads: one at a time.
 */
#ifndef TG_ORCHESTRATE_PLUGINS_H
#define TG_ORCHESTRATE_PLUGINS_H

#include "machine/machine.h"
#include "os/module.h"
#include "os/reset.h"

struct tg_plugin {
    struct tg_module module;
    struct tg_reset reset;
    uint64_t number;
    struct tg_plugin *next; /* of the idle ones */
};

/* The bytes of a plugin, which were probed (os/probe.h). The number is theirs alone in this process. */
struct tg_plugin_bytes {
    uint64_t number;
    const void *bytes;
    size_t n_bytes;
};

/* Open a plugin before its first launch, which then does not wait for it. A launch opens it if that fails now. */
void tg_plugins_prepare(struct tg_machine *machine, const struct tg_plugin_bytes *bytes);

/* Is a plugin of this number open and idle, so that a launch does not need its bytes? */
bool tg_plugins_have(const struct tg_machine *machine, uint64_t number);

/* Take a plugin, which is open and in the state after opening. Errors: NULL, and tg_last_message has the reason;
 * *status: TG_ERR_LOAD, TG_ERR_MEMORY. */
struct tg_plugin *tg_plugins_take(struct tg_machine *machine, const struct tg_plugin_bytes *bytes,
                                  enum tg_status *status);

/* Give it back when no pointer leads into it any more. sound: its run has succeeded, and nothing else than the plugin
 * has changed its variables. NULL: nothing to give. */
void tg_plugins_give(struct tg_machine *machine, struct tg_plugin *plugin, bool sound);

/* Close the idle plugin of this number, if there is one. */
void tg_plugins_forget(struct tg_machine *machine, uint64_t number);

#endif
