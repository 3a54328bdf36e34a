/*
 * touched.h - the device memory that one kernel reads and writes by transfers.
 *
 *     touch     each TLOAD, before it reads: bytes that the kernel has not touched yet are saved
 *               each TSTORE: its bytes are marked
 *     lay out   after the kernel: the touched bytes as arrays, one for each argument that points to them
 *
 * Plain loads and stores of the kernel are not collected.
 *
 * Threads: one collection belongs to one core.
 */
#ifndef TG_ARRAYS_TOUCHED_H
#define TG_ARRAYS_TOUCHED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tilegraph/tile.h>
#include <tilegraph/tilegraph.h>

#include "memory/gm.h"

/* Touched bytes of one aligned piece of device memory. */
enum { TG_TOUCHED_CHUNK = 512 };
struct tg_touched_chunk {
    uint64_t number;                  /* its address / TG_TOUCHED_CHUNK */
    uint8_t before[TG_TOUCHED_CHUNK]; /* contents before the kernel wrote there, of bytes that it reads */
    uint8_t access[TG_TOUCHED_CHUNK]; /* of each byte: TG_ARRAY_READ, TG_ARRAY_WRITTEN */
};

/* One transfer: n_runs runs of equal length. */
struct tg_touched_transfer {
    uint64_t address, run_bytes;
    uint64_t pitch; /* bytes from run to run; 0: one run, or they have no common distance */
    uint64_t bytes; /* from the first byte to the end of the last one */
    uint64_t base;  /* of the array: an argument, or the start of the allocation */
    int32_t argument;
    uint8_t dtype;
    bool regular; /* one run, or pitch counts */
};

/* Zero is empty. */
struct tg_touched {
    struct tg_touched_chunk *chunks; /* [n_chunks], owned */
    size_t n_chunks, chunk_capacity;
    uint32_t *slots; /* [n_slots] hash table: index of a chunk + 1, or 0; owned; n_slots is a power of two */
    size_t n_slots;
    struct tg_touched_transfer *transfers; /* [n_transfers], owned */
    size_t n_transfers, transfer_capacity;
};

/* The arguments of a kernel, before it can change them. */
struct tg_touched_args {
    const int64_t *args; /* [n] */
    uint32_t n;
};

/* The instruction, a TLOAD or TSTORE, is about to be executed. A transfer outside allocations is left out: the machine
 * refuses it. false: no memory. */
bool tg_touched_add(struct tg_touched *touched, struct tg_gm *gm, const struct tg_touched_args *args,
                    const struct tg_instr *instr);

/* The arrays of the touched bytes, and what they hold now. The collection is empty afterwards.
 * Owns      the caller calls tg_touched_free_arrays
 * false     no memory; *out is NULL */
bool tg_touched_lay_out(struct tg_touched *touched, struct tg_kept_array **out, size_t *n_out);
void tg_touched_free_arrays(struct tg_kept_array *arrays, size_t n);

void tg_touched_fini(struct tg_touched *touched);

#endif
