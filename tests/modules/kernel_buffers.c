/*
 * kernel_buffers.c - load, e^x, store of n chunks of 64 x 64 fp32, in place, on a vector core: one chunk after the
 * other, or with the load of one in the shadow of the store of another.
 *
 * args  0 data: device address of float [first + n][64][64]; 1 n: chunks
 *       2 buffers: sets of buffers that the chunks go round, 1 or 2
 *       3 events: sets of events that say when a buffer is full and free, 1 to `buffers`. Fewer events than buffers: a
 *         second buffer is there, and nobody is told that it is free.
 *       4 work: instructions on a chunk
 *       5 first: chunks in front of those
 */
#include <tilegraph/tile.h>

#define SIZE 64u
#define CHUNK_BYTES (SIZE * SIZE * 4u)

void kernel_entry(int64_t *args)
{
    const uint32_t n = tg_arg_u32(args[1]), buffers = tg_arg_u32(args[2]), events = tg_arg_u32(args[3]);
    const uint32_t work = tg_arg_u32(args[4]), first = tg_arg_u32(args[5]);
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t event = i % events;
        const uint64_t at = tg_arg_addr(args[0]) + (uint64_t)(first + i) * CHUNK_BYTES;
        const struct tg_global gm = tg_global_nd(at, TG_FP32, SIZE, SIZE, SIZE);
        struct tg_tile tile = tg_tile_vec(TG_FP32, SIZE, SIZE);
        TASSIGN(tile, i % buffers * CHUNK_BYTES);

        if (i >= events) wait_flag(PIPE_MTE3, PIPE_MTE2, event);
        TLOAD(tile, gm);
        set_flag(PIPE_MTE2, PIPE_V, event);

        wait_flag(PIPE_MTE2, PIPE_V, event);
        for (uint32_t step = 0; step < work; step++) {
            TEXP(tile, tile);
            pipe_barrier(PIPE_V);
        }
        set_flag(PIPE_V, PIPE_MTE3, event);

        wait_flag(PIPE_V, PIPE_MTE3, event);
        TSTORE(gm, tile);
        if (i + events < n) set_flag(PIPE_MTE3, PIPE_MTE2, event);
    }
    TDRAIN();
}
