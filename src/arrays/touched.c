#include "arrays/touched.h"

#include <stdlib.h>
#include <string.h>

#include "base/grow.h"
#include "tile/execute.h"

/* A longer gap between transfers of one argument begins another array. */
enum { GAP_BYTES = 1 << 20 };

/* ---- chunks ---- */

static size_t slot_of(const struct tg_touched *t, uint64_t number)
{
    size_t slot = (size_t)(number * 0x9E3779B97F4A7C15u >> 32) & (t->n_slots - 1);
    while (t->slots[slot] && t->chunks[t->slots[slot] - 1].number != number) slot = (slot + 1) & (t->n_slots - 1);
    return slot;
}

/* At most half of the slots are used. */
static bool make_slots(struct tg_touched *t)
{
    if (t->n_slots > 2 * t->n_chunks) return true;
    const size_t n = t->n_slots ? 2 * t->n_slots : TG_GROW_MIN;
    uint32_t *slots = calloc(n, sizeof *slots);
    if (!slots) return false;
    free(t->slots);
    t->slots = slots;
    t->n_slots = n;
    for (size_t i = 0; i < t->n_chunks; i++) slots[slot_of(t, t->chunks[i].number)] = (uint32_t)i + 1;
    return true;
}

/* The chunk of that number; NULL: it is not touched. */
static const struct tg_touched_chunk *find(const struct tg_touched *t, uint64_t number)
{
    const uint32_t at = t->slots[slot_of(t, number)];
    return at ? &t->chunks[at - 1] : NULL;
}

/* The same; an untouched one is added. NULL: no memory. */
static struct tg_touched_chunk *take(struct tg_touched *t, uint64_t number)
{
    if (!make_slots(t)) return NULL;
    const size_t slot = slot_of(t, number);
    if (t->slots[slot]) return &t->chunks[t->slots[slot] - 1];
    if (!tg_grow((void **)&t->chunks, t->n_chunks + 1, &t->chunk_capacity, sizeof *t->chunks)) return NULL;
    struct tg_touched_chunk *chunk = &t->chunks[t->n_chunks++];
    chunk->number = number;
    memset(chunk->access, 0, sizeof chunk->access);
    t->slots[slot] = (uint32_t)t->n_chunks;
    return chunk;
}

static const uint8_t *device_bytes(uint64_t address) { return (const uint8_t *)(uintptr_t)address; }

/* Mark bytes; save those that are read before the kernel has touched them. */
static bool mark(struct tg_touched *t, struct tg_run_of_bytes run, bool reads, bool writes)
{
    for (uint64_t at = run.address, end = run.address + run.bytes; at < end;) {
        struct tg_touched_chunk *chunk = take(t, at / TG_TOUCHED_CHUNK);
        if (!chunk) return false;
        for (uint32_t i = at % TG_TOUCHED_CHUNK; i < TG_TOUCHED_CHUNK && at < end; i++, at++) {
            if (reads && chunk->access[i] == 0) {
                chunk->before[i] = *device_bytes(at);
                chunk->access[i] = TG_ARRAY_READ;
            }
            if (writes) chunk->access[i] |= TG_ARRAY_WRITTEN;
        }
    }
    return true;
}

/* ---- transfers ---- */

/* The runs of a transfer, and the array that it belongs to: that of the last argument before it, if possible one from
 * which it is whole rows away. */
static bool describe(struct tg_touched_transfer *transfer, struct tg_gm *gm, const struct tg_touched_args *args,
                     const struct tg_global *global)
{
    const struct tg_run_of_bytes all = tg_global_extent(global);
    struct tg_run_of_bytes first, run;
    uint64_t low, high;
    if (!tg_global_run(global, 0, &first) || !tg_gm_around(gm, all.address, &low, &high)) return false;
    if (all.bytes > high - all.address) return false;
    *transfer = (struct tg_touched_transfer){.address = all.address,
                                             .run_bytes = first.bytes,
                                             .bytes = all.bytes,
                                             .base = low,
                                             .argument = -1,
                                             .dtype = global->dtype,
                                             .regular = first.address == all.address};
    uint64_t last = first.address;
    for (uint32_t i = 1; transfer->regular && tg_global_run(global, i, &run); i++) {
        if (i == 1) transfer->pitch = run.address - last;
        transfer->regular = run.address - last == transfer->pitch && run.bytes == first.bytes &&
                            transfer->pitch >= run.bytes;
        last = run.address;
    }
    if (!transfer->regular) transfer->pitch = 0;
    bool whole = false;
    for (uint32_t i = 0; i < args->n; i++) {
        const uint64_t arg = (uint64_t)args->args[i];
        if (arg < low || arg > all.address) continue;
        const bool rows_away = transfer->pitch && (all.address - arg) % transfer->pitch == 0;
        if (transfer->argument >= 0 && (rows_away < whole || (rows_away == whole && arg <= transfer->base))) continue;
        transfer->argument = (int32_t)i;
        transfer->base = arg;
        whole = rows_away;
    }
    return true;
}

bool tg_touched_add(struct tg_touched *t, struct tg_gm *gm, const struct tg_touched_args *args,
                    const struct tg_instr *instr)
{
    struct tg_touched_transfer transfer;
    if (!describe(&transfer, gm, args, instr->global)) return true;
    const bool writes = instr->op == TG_OP_TSTORE, adds = writes && tg_store_added(instr);
    struct tg_run_of_bytes run;
    for (uint32_t i = 0; tg_global_merged_run(instr->global, &i, &run);)
        if (!mark(t, run, !writes || adds, writes)) return false;
    if (!tg_grow((void **)&t->transfers, t->n_transfers + 1, &t->transfer_capacity, sizeof *t->transfers)) return false;
    t->transfers[t->n_transfers++] = transfer;
    return true;
}

/* ---- arrays ---- */

/* The order of arrays: by argument, those of none last; pieces by address. */
static int by_place(const void *left, const void *right)
{
    const struct tg_touched_transfer *a = left, *b = right;
    const uint32_t argument_a = (uint32_t)a->argument, argument_b = (uint32_t)b->argument;
    if (argument_a != argument_b) return argument_a < argument_b ? -1 : 1;
    return a->address < b->address ? -1 : a->address > b->address;
}

/* A part of device memory as rows: bytes. */
struct layout {
    uint64_t address, pitch, row_bytes, rows;
    uint8_t dtype;
};

/* Transfers as rows of one distance; false: they are none. */
static bool lay_rows(const struct tg_touched_transfer *t, size_t n, struct layout *layout)
{
    uint64_t pitch = 0, first_row = UINT64_MAX, last_row = 0, low = UINT64_MAX, high = 0;
    for (size_t i = 0; i < n; i++) {
        if (!t[i].regular || (pitch && t[i].pitch && t[i].pitch != pitch)) return false;
        if (t[i].pitch) pitch = t[i].pitch;
    }
    if (pitch == 0 || pitch % tg_dtype_bytes(layout->dtype) != 0) return false;
    for (size_t i = 0; i < n; i++) {
        const uint64_t at = t[i].address - t[i].base, col = at % pitch;
        if (t[i].base != t[0].base || col + t[i].run_bytes > pitch) return false;
        if (at / pitch < first_row) first_row = at / pitch;
        if ((at + t[i].bytes - 1) / pitch > last_row) last_row = (at + t[i].bytes - 1) / pitch;
        if (col < low) low = col;
        if (col + t[i].run_bytes > high) high = col + t[i].run_bytes;
    }
    layout->address = t->base + first_row * pitch + low;
    layout->pitch = pitch;
    layout->row_bytes = high - low;
    layout->rows = last_row - first_row + 1;
    return true;
}

static void lay_flat(const struct tg_touched_transfer *t, size_t n, struct layout *layout)
{
    uint64_t end = 0;
    for (size_t i = 0; i < n; i++)
        if (t[i].address + t[i].bytes > end) end = t[i].address + t[i].bytes;
    layout->address = t->address;
    layout->pitch = layout->row_bytes = end - t->address;
    layout->rows = 1;
}

static struct layout lay(const struct tg_touched_transfer *t, size_t n)
{
    struct layout layout = {.dtype = t->dtype};
    for (size_t i = 1; i < n; i++)
        if (t[i].dtype != layout.dtype || (t[i].address - t->address) % tg_dtype_bytes(layout.dtype) != 0)
            layout.dtype = TG_UINT8;
    if (!lay_rows(t, n, &layout)) lay_flat(t, n, &layout);
    return layout;
}

/* Copy the bytes of the touched chunks. Written bytes come from device memory. */
static void fill(const struct tg_touched *t, const struct layout *layout, struct tg_kept_array *array)
{
    const uint32_t width = tg_dtype_bytes(layout->dtype);
    uint8_t *before = (uint8_t *)(uintptr_t)array->before, *after = (uint8_t *)(uintptr_t)array->after;
    uint8_t *access = (uint8_t *)(uintptr_t)array->access;
    for (uint64_t i = 0; i < layout->rows * layout->row_bytes; i++) {
        const uint64_t at = layout->address + i / layout->row_bytes * layout->pitch + i % layout->row_bytes;
        const struct tg_touched_chunk *chunk = find(t, at / TG_TOUCHED_CHUNK);
        const uint8_t how = chunk ? chunk->access[at % TG_TOUCHED_CHUNK] : 0;
        if (how & TG_ARRAY_READ) before[i] = chunk->before[at % TG_TOUCHED_CHUNK];
        if (how & TG_ARRAY_WRITTEN) after[i] = *device_bytes(at);
        access[i / width] |= how;
        array->accesses |= how;
    }
}

/* One array of n transfers. false: no memory. */
static bool make(const struct tg_touched *t, const struct tg_touched_transfer *transfers, size_t n,
                 struct tg_kept_array *array)
{
    const struct layout layout = lay(transfers, n);
    const uint32_t width = tg_dtype_bytes(layout.dtype);
    const size_t bytes = layout.rows * layout.row_bytes;
    uint8_t *before = malloc(bytes), *after = malloc(bytes), *access = calloc(bytes / width, 1);
    *array = (struct tg_kept_array){.size = sizeof *array,
                                    .argument = transfers->argument,
                                    .dtype = layout.dtype,
                                    .address = layout.address,
                                    .rows = layout.rows,
                                    .cols = layout.row_bytes / width,
                                    .ld = layout.pitch / width,
                                    .before = before,
                                    .after = after,
                                    .access = access};
    if (!before || !after || !access) return false;
    memset(before, 0xFF, bytes);
    memset(after, 0xFF, bytes);
    fill(t, &layout, array);
    return true;
}

void tg_touched_free_arrays(struct tg_kept_array *arrays, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free((void *)(uintptr_t)arrays[i].before);
        free((void *)(uintptr_t)arrays[i].after);
        free((void *)(uintptr_t)arrays[i].access);
    }
    free(arrays);
}

/* The number of transfers, from the first on, that belong to its array. */
static size_t count_of_array(const struct tg_touched_transfer *t, size_t n)
{
    uint64_t end = t->address + t->bytes;
    size_t i = 1;
    for (; i < n && t[i].argument == t->argument && t[i].address <= end + GAP_BYTES; i++)
        if (t[i].address + t[i].bytes > end) end = t[i].address + t[i].bytes;
    return i;
}

bool tg_touched_lay_out(struct tg_touched *t, struct tg_kept_array **out, size_t *n_out)
{
    struct tg_kept_array *arrays = NULL;
    size_t n_arrays = 0, capacity = 0;
    bool good = true;
    if (t->n_transfers > 0) qsort(t->transfers, t->n_transfers, sizeof *t->transfers, by_place);
    for (size_t i = 0, n; good && i < t->n_transfers; i += n) {
        n = count_of_array(t->transfers + i, t->n_transfers - i);
        good = tg_grow((void **)&arrays, n_arrays + 1, &capacity, sizeof *arrays) &&
               make(t, t->transfers + i, n, &arrays[n_arrays++]);
    }
    t->n_chunks = t->n_transfers = 0;
    if (t->slots) memset(t->slots, 0, t->n_slots * sizeof *t->slots);
    if (!good) {
        tg_touched_free_arrays(arrays, n_arrays);
        arrays = NULL;
        n_arrays = 0;
    }
    *out = arrays;
    *n_out = n_arrays;
    return good;
}

void tg_touched_fini(struct tg_touched *t)
{
    free(t->chunks);
    free(t->slots);
    free(t->transfers);
    memset(t, 0, sizeof *t);
}
