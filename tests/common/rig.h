/*
 * rig.h - a device with a program on it, for tests: load shared objects from files, run, look at what was said.
 *
 * Everything that is not under test is asserted: a missing file or a refused kernel fails the test. Nothing here knows
 * what the program does.
 */
#ifndef TESTS_COMMON_RIG_H
#define TESTS_COMMON_RIG_H

#include <stddef.h>
#include <stdint.h>

#include <tilegraph/tilegraph.h>

enum { RIG_MESSAGE_BYTES = 4096, RIG_FINDINGS_BYTES = 16384 };

struct rig {
    struct tg_device *device;
    struct tg_program *program;
    struct tg_run_config config; /* of the next run */
    bool can_check;              /* the device's runs can be checked; it is the virtual one */
    bool loses_thread;           /* the next run's device memory stays in use, for foreign code that cannot be ended */
    const char *trace_path;      /* where the next run writes its trace, or NULL */
    /* Of the last run: */
    enum tg_status status;
    char message[RIG_MESSAGE_BYTES]; /* "" after TG_OK */
    size_t n_findings;
    char findings[RIG_FINDINGS_BYTES]; /* of tg_run_print_findings, as much as has room */
    struct tg_run_result result;
};

/* Open a virtual device of gm_bytes, which turns faults into statuses, and an empty program on it. config has the
 * defaults, but for a kernel_limit_ms and graph_bytes that catch soon what runs away. */
void rig_open(struct rig *rig, uint64_t gm_bytes);

/* The same on another platform. */
void rig_open_on(struct rig *rig, const char *platform, uint64_t gm_bytes);

/* The same on platform cpu, with that many workers. */
void rig_open_workers(struct rig *rig, uint32_t workers, uint64_t gm_bytes);

/* Close both; asserts that no device memory is in use. */
void rig_close(struct rig *rig);

/* Begin another program on the same device. */
void rig_clear(struct rig *rig);

/* Register a kernel or set the plugin from the file `path`; returns the status, the message is in rig->message. */
enum tg_status rig_try_kernel(struct rig *rig, int func_id, enum tg_core_type type, const char *name, const char *path);
enum tg_status rig_try_plugin(struct rig *rig, const char *path, const char *entry);

/* The same, asserting that it works. */
void rig_kernel(struct rig *rig, int func_id, enum tg_core_type type, const char *name, const char *path);
void rig_plugin(struct rig *rig, const char *path, const char *entry);

/* Open a run, wait for it, write its trace, close it, and assert that its device memory is released. The status is also
 * returned. An unchecked run that fails is repeated with checks, and has to fail again: a check never takes a refusal
 * away. The rig keeps what the first run left. */
enum tg_status rig_run(struct rig *rig, const struct tg_tensor *tensors, size_t n_tensors);

/* Assert the status of the last run, and that its message contains every one of the strings up to a NULL. */
void rig_expect(const struct rig *rig, enum tg_status status, ...) __attribute__((sentinel));

/* Choose the runtime and build mode of the next run, and the plugin's entry for it. */
enum rig_mode { RIG_CONCURRENT = 0, RIG_SEQUENTIAL, RIG_HOST, RIG_MODES };
extern const char *const rig_mode_names[RIG_MODES];
void rig_set_mode(struct rig *rig, enum rig_mode mode);

/* The path of tests/modules/NAME.so, and of a compiled file of an example, as checked runs have it; in a static buffer
 * of two turns. */
const char *rig_module(const char *name);
const char *rig_example(const char *example, const char *name);

/* All bytes of a file, to be freed; asserts that it can be read. */
void *rig_read_file(const char *path, size_t *n_bytes);

#endif
