#include "memory/pages.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/error.h"

enum {
    POISON_FILE_BYTES = 4 << 20,
    HUGE_PAGE_BYTES = 2 << 20,
    HUGE_BLOCK_BYTES = 8 << 20, /* fills of at least this size get huge pages */
    /* Blocks of at least this size give their memory back. Where speed matters smaller ones keep it: poisoning it again
     * is faster than the page faults of the next writer. */
    FORGET_BYTES = 4 << 20,
    FORGET_BYTES_FAST = 32 << 20
};

/* An Ascend 910B1 has 64 GiB of HBM a die. */
#define DEFAULT_CAPACITY ((uint64_t)64 << 30)
#define LEAST_CAPACITY ((uint64_t)64 << 20)

/* The state of a huge page's addresses. */
enum {
    TAKEN = 1, /* some were allocated, and may have been written */
    HUGE = 2   /* they are a mapping of their own, not the file's poison */
};

/* ---- a range of addresses ---- */

/* Addresses that begin with a huge page. */
static void *reserve(uint64_t capacity)
{
    const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), bytes = (capacity + page - 1) / page * page;
    uint8_t *all = mmap(NULL, bytes + HUGE_PAGE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (all == MAP_FAILED) return MAP_FAILED;
    const uint64_t before = -(uint64_t)(uintptr_t)all % HUGE_PAGE_BYTES;
    if (before > 0) munmap(all, before);
    if (before < HUGE_PAGE_BYTES) munmap(all + before + bytes, HUGE_PAGE_BYTES - before);
    return all + before;
}

/* The most that is reserved by default: with limited addresses (ulimit -v), half of them stay for other uses. */
static uint64_t default_capacity(void)
{
    struct rlimit limit;
    uint64_t capacity = DEFAULT_CAPACITY;
    if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        while (capacity > limit.rlim_cur / 2 && capacity > LEAST_CAPACITY) capacity /= 2;
    return capacity;
}

/* Make the file behind fresh memory. It is sealed, so that writes of foreign code to its descriptor fail. false: errno
 * says what the system lacks. */
static bool poison_file(struct tg_descriptor *file)
{
    if (tg_descriptor_memory(file, "tilegraph-poison") && tg_descriptor_fill(file, 0xFF, POISON_FILE_BYTES) &&
        tg_descriptor_seal(file))
        return true;
    const int why = errno;
    tg_descriptor_close(file);
    errno = why;
    return false;
}

/* Map poison of `bytes` at `at`. Foreign code may have closed the file's descriptor, and the host may have opened
 * another file under its number. Then a new file of poison is made. false: the system is out of resources. */
static bool map_poison(struct tg_pages *pages, void *at, uint64_t bytes)
{
    if (!tg_descriptor_is_ours(&pages->poison) && !poison_file(&pages->poison)) return false;
    return mmap(at, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, pages->poison.fd, 0) !=
           MAP_FAILED;
}

bool tg_pages_lost_file(struct tg_pages *pages)
{
    if (tg_descriptor_is_ours(&pages->poison)) return false;
    (void)poison_file(&pages->poison); /* if that fails now, map_poison tries again */
    return true;
}

enum tg_status tg_pages_init(struct tg_pages *pages, uint64_t capacity)
{
    const bool chosen = capacity == 0;
    memset(pages, 0, sizeof *pages);
    if (chosen) capacity = default_capacity();
    void *base = reserve(capacity);
    while (base == MAP_FAILED && chosen && capacity > LEAST_CAPACITY) base = reserve(capacity /= 2);
    if (base == MAP_FAILED)
        return tg_error(TG_ERR_MEMORY, "no address space for %llu bytes of device memory",
                        (unsigned long long)capacity);
    const bool poisoned = poison_file(&pages->poison);
    const int why = errno;
    pages->state = calloc(capacity / HUGE_PAGE_BYTES + 1, sizeof *pages->state);
    pages->base = base;
    pages->capacity = capacity;
    if (pages->state && poisoned) return TG_OK;
    tg_descriptor_close(&pages->poison);
    free(pages->state);
    munmap(base, capacity);
    errno = why;
    if (!poisoned) return tg_descriptor_error("device memory", "no file in memory");
    return tg_error(TG_ERR_MEMORY, "no memory for the book of device memory");
}

void tg_pages_fini(struct tg_pages *pages)
{
    munmap(pages->base, pages->capacity);
    tg_descriptor_close(&pages->poison);
    free(pages->state);
}

/* Map poison up to `end` bytes from the base. false: the system is out of resources. */
static bool map_to(struct tg_pages *pages, uint64_t end)
{
    for (; pages->mapped < end; pages->mapped += POISON_FILE_BYTES) {
        uint64_t left = pages->capacity - pages->mapped;
        uint64_t bytes = left < POISON_FILE_BYTES ? left : POISON_FILE_BYTES;
        if (!map_poison(pages, pages->base + pages->mapped, bytes)) return false;
    }
    return true;
}

/* ---- pages ---- */

/* Offsets from the base: [low, high) of some bytes, and the huge pages [first, end) that they touch or fill. */
struct span {
    uint64_t low, high, first, end;
};

static struct span touched_by(const struct tg_pages *pages, uint64_t address, uint64_t bytes)
{
    const uint64_t low = address - (uint64_t)(uintptr_t)pages->base, high = low + bytes;
    return (struct span){low, high, low / HUGE_PAGE_BYTES, (high + HUGE_PAGE_BYTES - 1) / HUGE_PAGE_BYTES};
}

static struct span filled_by(const struct tg_pages *pages, uint64_t address, uint64_t bytes)
{
    const uint64_t low = address - (uint64_t)(uintptr_t)pages->base, high = low + bytes;
    struct span span = {low, high, (low + HUGE_PAGE_BYTES - 1) / HUGE_PAGE_BYTES, high / HUGE_PAGE_BYTES};
    if (span.end < span.first) span.end = span.first;
    return span;
}

static uint8_t *page_at(const struct tg_pages *pages, uint64_t page) { return pages->base + page * HUGE_PAGE_BYTES; }

/* Map a whole huge page to the file's poison again. */
static void forget(struct tg_pages *pages, uint64_t page)
{
    if (!(pages->state[page] & TAKEN)) return;
    void *at = page_at(pages, page);
    if (!(pages->state[page] & HUGE)) {
        madvise(at, HUGE_PAGE_BYTES, MADV_DONTNEED);
    } else if (!map_poison(pages, at, HUGE_PAGE_BYTES)) {
        memset(at, 0xFF, HUGE_PAGE_BYTES);
        return;
    }
    pages->state[page] = 0;
}

static uint64_t forget_bytes(const struct tg_pages *pages) { return pages->fast ? FORGET_BYTES_FAST : FORGET_BYTES; }

bool tg_pages_gives_back(const struct tg_pages *pages, uint64_t bytes) { return bytes >= forget_bytes(pages); }

void tg_pages_give(struct tg_pages *pages, uint64_t address, uint64_t bytes)
{
    if (!tg_pages_gives_back(pages, bytes)) return;
    const struct span span = filled_by(pages, address, bytes);
    for (uint64_t page = span.first; page < span.end; page++) forget(pages, page);
}

bool tg_pages_take(struct tg_pages *pages, uint64_t address, uint64_t bytes)
{
    const struct span span = touched_by(pages, address, bytes);
    if (!map_to(pages, span.high)) return false;
    tg_pages_give(pages, address, bytes); /* of former owners of parts of it */
    for (uint64_t page = span.first; page < span.end; page++) {
        const uint64_t start = page * HUGE_PAGE_BYTES, end = start + HUGE_PAGE_BYTES;
        const uint64_t low = start < span.low ? span.low : start, high = end > span.high ? span.high : end;
        if (pages->state[page] & TAKEN) memset(pages->base + low, 0xFF, high - low);
        pages->state[page] |= TAKEN;
    }
    return true;
}

/* Put huge pages under the addresses of [first, end). false: the system has no memory, and the addresses stay as they
 * are. */
static bool make_huge(struct tg_pages *pages, uint64_t first, uint64_t end)
{
    const size_t bytes = (size_t)(end - first) * HUGE_PAGE_BYTES;
    void *at = mmap(page_at(pages, first), bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) return false;
    madvise(at, bytes, MADV_HUGEPAGE);
    for (uint64_t page = first; page < end; page++) pages->state[page] |= HUGE;
    return true;
}

bool tg_pages_expect(struct tg_pages *pages, uint64_t address, uint64_t bytes)
{
    if (!pages->fast || bytes < HUGE_BLOCK_BYTES) return false;
    const struct span span = filled_by(pages, address, bytes);
    bool made = false;
    for (uint64_t page = span.first; page < span.end;) {
        uint64_t next = page;
        while (next < span.end && !(pages->state[next] & HUGE)) next++;
        if (next > page && make_huge(pages, page, next)) made = true;
        page = next + 1;
    }
    return made;
}
