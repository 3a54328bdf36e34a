/* rotary.h - the tables of rotary embeddings in device memory, as the kernels that rotate rows read them (step.h). */
#ifndef TG_ATTENTION_ROTARY_H
#define TG_ATTENTION_ROTARY_H

#include <tilegraph/tilegraph.h>

/* The caller's description; kernels/rotate.h says what a rotation is. */
struct tg_rotary {
    uint32_t dims; /* the first dimensions of a row, an even number; 0: no rotation */
    bool interleaved;
    uint32_t positions;
    const float *cos, *sin; /* [positions][dims / 2] */
};

/* TG_ERR_ARGUMENT, naming the field of the configuration. */
enum tg_status tg_rotary_check(const struct tg_rotary *rotary, uint32_t key_dim);

/* Bytes of the tensor. */
uint64_t tg_rotary_bytes(const struct tg_rotary *rotary, uint32_t key_dim);

/* Fill a new allocation of tg_device_malloc, which the caller frees. TG_ERR_MEMORY, TG_ERR_DEVICE_MEMORY. */
enum tg_status tg_rotary_open(struct tg_device *device, const struct tg_rotary *rotary, uint32_t key_dim,
                              tg_address *out);

#endif
