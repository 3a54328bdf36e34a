/*
 * kv_walk.h - calls of KV caches in any order that a caller may choose, each answer held against a model.
 *
 * The model knows the tokens of every sequence of two caches, which differ in layout and block size. Each element of a
 * key or value follows from the tokens up to its own and from its place. So a block that is shared, copied or moved
 * wrongly shows in what a sequence reads. What must hold: each call answers with the status that the model predicts, a
 * refusal has a message and changes nothing, references of blocks add up, and no block is left.
 */
#ifndef TESTS_FUZZ_KV_WALK_H
#define TESTS_FUZZ_KV_WALK_H

#include <stddef.h>
#include <stdint.h>

struct tg_device;

/* Counts of what a sequence of calls met. */
struct kv_counts {
    uint64_t n_reused, n_copied, n_evicted; /* of tg_kv_stats */
    uint64_t n_full;                        /* refusals for want of blocks or sequences */
    uint64_t n_appended;                    /* tokens that kernels wrote */
    uint64_t n_moved;                       /* sequences that were exported and imported */
    uint64_t n_refused;                     /* wrong calls */
};

/* One sequence of calls; it ends with the bytes. An error ends the process with a message. */
struct kv_counts kv_walk(struct tg_device *device, const uint8_t *bytes, size_t n_bytes);

#endif
