/* cache.h - the structure behind struct tg_kv_cache, shared by the sources of the cache. */
#ifndef TG_ATTENTION_CACHE_H
#define TG_ATTENTION_CACHE_H

#include <pthread.h>
#include <stdatomic.h>

#include <tilegraph/kv_cache.h>

#include "attention/layout.h"
#include "attention/rotary.h"
#include "attention/table.h"

struct tg_kv_cache {
    struct tg_device *device;
    struct tg_kv_cache_config config; /* without the caller's addresses */
    struct tg_kv_view *views;         /* [n_layers] */
    uint32_t n_allocated;             /* layers whose memory is the cache's own */
    pthread_mutex_t lock;             /* guards table and n_copied */
    struct tg_kv_table table;
    uint64_t n_copied;
    /* Of the thread of the device: */
    struct tg_run_config run;
    tg_address scales;         /* fp32 [layer][2][block][head], of keys and of values; 0: none */
    tg_address rotary;         /* tables of rotary.h; 0: keys are not rotated */
    struct tg_program *append; /* NULL before the first append */
    struct tg_run *last_run;
    atomic_bool appends; /* tg_kv_append sets and clears it: a second thread is refused */
    uint64_t n_appends;
    void *descriptor; /* of the last append; borrowed by last_run */
    size_t descriptor_bytes;
};

static inline struct tg_rotary tg_kv_cache_rotary(const struct tg_kv_cache_config *config)
{
    return (struct tg_rotary){config->rotary_dims, config->rotary_interleaved, config->rotary_positions,
                              config->rotary_cos, config->rotary_sin};
}

/* TG_ERR_ARGUMENT, with a message. */
enum tg_status tg_kv_no_sequence(uint64_t sequence);

#endif
