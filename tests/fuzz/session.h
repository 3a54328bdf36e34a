/* session.h - a device and a program that serve all inputs of a fuzzer. */
#ifndef TESTS_FUZZ_SESSION_H
#define TESTS_FUZZ_SESSION_H

#include <tilegraph/tilegraph.h>

struct fuzz_kernel {
    int func_id;
    enum tg_core_type core_type;
    const char *name; /* its shared object is NAME.so among the fuzzers' modules */
};

/* Open a device. Without catch_faults a crash of a kernel or plugin is the process's own, and a finding. */
struct tg_device *fuzz_open_device(uint64_t gm_bytes, bool catch_faults);

/* Load kernels and the function `entry` of the plugin `plugin`. */
struct tg_program *fuzz_load(struct tg_device *device, const struct fuzz_kernel *kernels, size_t n_kernels,
                             const char *plugin, const char *entry);

/* The bytes of the module NAME.so; the caller's, to be freed. */
void *fuzz_read_module(const char *name, size_t *n_bytes);

#endif
