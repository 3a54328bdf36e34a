/*
 * program.h - programs whose kernels and plugin are a part of the library.
 *
 * Each source in src/attention/kernels/{aic,aiv,orchestration} becomes a shared object, which is embedded twice: as
 * it is, and instrumented for checked runs (TG_CHECKED of tilegraph/access.h).
 */
#ifndef TG_ATTENTION_PROGRAM_H
#define TG_ATTENTION_PROGRAM_H

#include <stdbool.h>

#include <tilegraph/tilegraph.h>

/* The bytes of a shared object; [1]: for checked runs. */
struct tg_embedded {
    const char *name;
    enum tg_core_type core_type; /* of a kernel */
    const unsigned char *bytes[2];
    const size_t *n_bytes[2];
};

/* Declare the two objects of kernels/<folder>/NAME.c ... */
#define TG_EMBEDDED_OBJECTS(NAME)                                                                                      \
    extern const unsigned char tg_kernel_##NAME[], tg_kernel_checked_##NAME[];                                         \
    extern const size_t tg_kernel_##NAME##_bytes, tg_kernel_checked_##NAME##_bytes

/* ... and describe them. */
#define TG_EMBEDDED(NAME, CORE_TYPE)                                                                                   \
    {                                                                                                                  \
#NAME, CORE_TYPE, {tg_kernel_##NAME, tg_kernel_checked_##NAME },                                               \
        {                                                                                                              \
            &tg_kernel_##NAME##_bytes, &tg_kernel_checked_##NAME##_bytes                                               \
        }                                                                                                              \
    }

/* Open a program of kernels[n], whose func_ids are their numbers, and the plugin with its entry function.
 *
 * Owns      *out until tg_program_close
 * Errors    those of tg_program_open and tg_program_add_kernel */
enum tg_status tg_embedded_program_open(struct tg_device *device, const struct tg_embedded *kernels, size_t n,
                                        const struct tg_embedded *plugin, const char *entry, bool checked,
                                        struct tg_program **out);

/* Copy the caller's configuration of runs. NULL: the defaults, on all blocks that the device has.
 *
 * Errors    TG_ERR_ARGUMENT: the structure is of a version that this library does not know */
enum tg_status tg_embedded_run_config(const struct tg_device *device, const struct tg_run_config *from,
                                      struct tg_run_config *to);

#endif
