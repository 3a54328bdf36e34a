#include "machine/sim/memory.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "tile/execute.h"

struct tg_l2_page {
    uint64_t number;       /* address / TG_L2_PAGE_BYTES */
    uint32_t newer, older; /* by last use; NONE at the ends */
    uint32_t next;         /* in the bucket; index + 1 */
    uint32_t lines;        /* the lines in the L2, a bit each */
};

#define NONE UINT32_MAX

enum tg_status tg_memory_init(struct tg_memory *memory, const struct tg_sim_machine *machine)
{
    memset(memory, 0, sizeof *memory);
    memory->l2_bytes_per_ns = machine->l2_rate;
    memory->hbm_bytes_per_ns = machine->hbm_rate;
    double pages = machine->l2_bytes / TG_L2_PAGE_BYTES;
    memory->n_pages = pages < 1 ? 0 : pages > 1 << 24 ? 1 << 24 : (uint32_t)pages;
    memory->n_buckets = 1;
    while (memory->n_buckets < memory->n_pages) memory->n_buckets *= 2;
    memory->pages = calloc(memory->n_pages + 1, sizeof *memory->pages);
    memory->buckets = calloc(memory->n_buckets, sizeof *memory->buckets);
    if (memory->pages && memory->buckets) {
        tg_memory_reset(memory);
        return TG_OK;
    }
    tg_memory_fini(memory);
    return tg_error(TG_ERR_MEMORY, "no memory for the book of an L2 of %u pages", memory->n_pages);
}

void tg_memory_fini(struct tg_memory *memory)
{
    free(memory->pages);
    free(memory->buckets);
    memory->pages = NULL;
    memory->buckets = NULL;
}

void tg_memory_reset(struct tg_memory *memory)
{
    memory->l2_free_ns = memory->hbm_free_ns = 0;
    if (memory->n_used > 0) memset(memory->buckets, 0, memory->n_buckets * sizeof *memory->buckets);
    memory->n_used = 0;
    memory->newest = memory->oldest = NONE;
}

static uint32_t *bucket_of(struct tg_memory *memory, uint64_t number)
{
    /* Fibonacci hashing: D. Knuth, The Art of Computer Programming 3, 6.4. */
    return &memory->buckets[(number * 0x9E3779B97F4A7C15u >> 32) & (memory->n_buckets - 1)];
}

static uint32_t find(struct tg_memory *memory, uint64_t number)
{
    for (uint32_t at = *bucket_of(memory, number); at; at = memory->pages[at - 1].next)
        if (memory->pages[at - 1].number == number) return at - 1;
    return NONE;
}

static void unlink_page(struct tg_memory *memory, uint32_t index)
{
    const struct tg_l2_page *page = &memory->pages[index];
    if (page->newer != NONE) memory->pages[page->newer].older = page->older;
    else memory->newest = page->older;
    if (page->older != NONE) memory->pages[page->older].newer = page->newer;
    else memory->oldest = page->newer;
}

static void link_newest(struct tg_memory *memory, uint32_t index)
{
    struct tg_l2_page *page = &memory->pages[index];
    page->newer = NONE;
    page->older = memory->newest;
    if (memory->newest != NONE) memory->pages[memory->newest].newer = index;
    else memory->oldest = index;
    memory->newest = index;
}

/* A page of the L2 for `number`: a fresh one, or the least recently used one. */
static uint32_t take_page(struct tg_memory *memory)
{
    if (memory->n_used < memory->n_pages) return memory->n_used++;
    uint32_t index = memory->oldest;
    unlink_page(memory, index);
    uint32_t *at = bucket_of(memory, memory->pages[index].number);
    while (*at != index + 1) at = &memory->pages[*at - 1].next;
    *at = memory->pages[index].next;
    return index;
}

/* Use a page, which may be absent; the L2 has at least one page. */
static struct tg_l2_page *use(struct tg_memory *memory, uint64_t number)
{
    uint32_t index = find(memory, number);
    if (index != NONE) {
        if (memory->newest == index) return &memory->pages[index];
        unlink_page(memory, index);
    } else {
        index = take_page(memory);
        memory->pages[index].number = number;
        memory->pages[index].lines = 0;
        memory->pages[index].next = *bucket_of(memory, number);
        *bucket_of(memory, number) = index + 1;
    }
    link_newest(memory, index);
    return &memory->pages[index];
}

/* Use [at, end) of one page. Returns the bytes that the L2 must fetch: all of the lines that it missed. */
static uint64_t miss(struct tg_memory *memory, uint64_t at, uint64_t end)
{
    if (memory->n_pages == 0) return end - at;
    struct tg_l2_page *page = use(memory, at / TG_L2_PAGE_BYTES);
    uint64_t missed = 0;
    for (uint64_t line = at / TG_L2_LINE_BYTES; line <= (end - 1) / TG_L2_LINE_BYTES; line++) {
        const uint32_t bit = 1u << line % (TG_L2_PAGE_BYTES / TG_L2_LINE_BYTES);
        if (!(page->lines & bit)) missed += TG_L2_LINE_BYTES;
        page->lines |= bit;
    }
    return missed;
}

static double later(double a, double b) { return a > b ? a : b; }

double tg_memory_transfer(struct tg_memory *memory, const struct tg_global *global, double now_ns)
{
    uint64_t bytes = 0, missed = 0;
    struct tg_run_of_bytes run;
    for (uint32_t i = 0; tg_global_run(global, i, &run); i++) {
        bytes += run.bytes;
        for (uint64_t at = run.address; at < run.address + run.bytes;) {
            uint64_t page = at / TG_L2_PAGE_BYTES, end = (page + 1) * TG_L2_PAGE_BYTES;
            if (end > run.address + run.bytes) end = run.address + run.bytes;
            missed += miss(memory, at, end);
            at = end;
        }
    }
    memory->l2_free_ns = later(memory->l2_free_ns, now_ns) + (double)bytes / memory->l2_bytes_per_ns;
    if (missed == 0) return memory->l2_free_ns;
    memory->hbm_free_ns = later(memory->hbm_free_ns, now_ns) + (double)missed / memory->hbm_bytes_per_ns;
    return later(memory->l2_free_ns, memory->hbm_free_ns);
}
