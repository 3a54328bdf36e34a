/*
 * api_walk.h - calls of the public interface in any order that a caller may choose, each answer held against a model.
 *
 * Handles are used from their open to their close, and closed in any order: a device before its programs, a program
 * before its runs. What must hold: each call answers with the status that the model predicts, refusals have a message,
 * outputs are right after success and untouched after failure, and no device memory is left.
 */
#ifndef TESTS_FUZZ_API_WALK_H
#define TESTS_FUZZ_API_WALK_H

#include <stddef.h>
#include <stdint.h>

/* The objects of modules/api_program.h. */
struct api_modules {
    const void *kernel, *plugin;
    size_t n_kernel_bytes, n_plugin_bytes;
};

/* Counts of the calls and endings that a sequence reached. */
struct api_counts {
    unsigned n_launches, n_replays; /* that succeeded */
    unsigned n_failed;              /* launches that were to fail */
    unsigned n_late;                /* runs that were used after their program or device was closed */
};

/* One sequence; it ends with the bytes. An error ends the process with a message. */
struct api_counts api_walk(const struct api_modules *modules, const uint8_t *bytes, size_t n_bytes);

#endif
