#include "memory/gm.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"

enum {
    POISON_FILE_BYTES = 4 << 20,
    HUGE_PAGE_BYTES = 2 << 20,
    HUGE_BLOCK_BYTES = 8 << 20, /* blocks of this size and more get huge pages, if asked for */
    /* Blocks of this size and more give their memory back when they are freed. Where speed matters smaller ones keep it: to
     * poison it again takes less time than to be given other pages, one by one, by whoever writes there first. */
    FORGET_BYTES = 4 << 20,
    FORGET_BYTES_RESIDENT = 32 << 20
};

/* What an Ascend 910B1 has: 64 GiB of HBM a die. */
#define DEFAULT_CAPACITY ((uint64_t)64 << 30)
#define LEAST_CAPACITY ((uint64_t)64 << 20)

struct tg_gm_block {
    uint64_t address, bytes; /* bytes: a multiple of the alignment */
    uint64_t asked;          /* bytes the caller asked for; 0: the block is free */
    const void *owner;
    struct tg_gm_block *before, *after;            /* neighbours in memory */
    struct tg_gm_block *previous_free, *next_free; /* in the list of its class, while free */
};

/* Order of the index: by address; a key of asked == 0 and bytes == 1 finds the block around an address. */
static int compare(const void *left, const void *right)
{
    const struct tg_gm_block *a = left, *b = right;
    if (a->address + a->bytes <= b->address) return -1;
    return b->address + b->bytes <= a->address ? 1 : 0;
}

static unsigned class_of(uint64_t bytes)
{
    uint64_t units = bytes / TG_GM_ALIGNMENT;
    unsigned c = 63u - (unsigned)__builtin_clzll(units);
    return c < TG_GM_CLASSES ? c : TG_GM_CLASSES - 1;
}

static void free_list_add(struct tg_gm *gm, struct tg_gm_block *block)
{
    struct tg_gm_block **list = &gm->free_lists[class_of(block->bytes)];
    block->previous_free = NULL;
    block->next_free = *list;
    if (*list) (*list)->previous_free = block;
    *list = block;
}

static void free_list_remove(struct tg_gm *gm, struct tg_gm_block *block)
{
    if (block->previous_free) block->previous_free->next_free = block->next_free;
    else gm->free_lists[class_of(block->bytes)] = block->next_free;
    if (block->next_free) block->next_free->previous_free = block->previous_free;
}

static struct tg_gm_block *block_new(struct tg_gm *gm, uint64_t address, uint64_t bytes)
{
    struct tg_gm_block *block = calloc(1, sizeof *block);
    if (!block) return NULL;
    block->address = address;
    block->bytes = bytes;
    if (!tsearch(block, &gm->index, compare)) {
        free(block);
        return NULL;
    }
    return block;
}

static void block_delete(struct tg_gm *gm, struct tg_gm_block *block)
{
    tdelete(block, &gm->index, compare);
    if (block->before) block->before->after = block->after;
    else gm->first = block->after;
    if (block->after) block->after->before = block->before;
    free(block);
}

/* ---- pages ---- */

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

/* The file that fresh memory is made of; -1: none to be had. */
static int poison_file(void)
{
    int fd = memfd_create("tilegraph-poison", MFD_CLOEXEC);
    if (fd < 0) return -1;
    void *bytes = MAP_FAILED;
    if (ftruncate(fd, POISON_FILE_BYTES) == 0)
        bytes = mmap(NULL, POISON_FILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (bytes == MAP_FAILED) {
        close(fd);
        return -1;
    }
    memset(bytes, 0xFF, POISON_FILE_BYTES);
    munmap(bytes, POISON_FILE_BYTES);
    return fd;
}

/* Map memory up to `end` bytes from the base. false: the system has no more. */
static bool map_to(struct tg_gm *gm, uint64_t end)
{
    for (; gm->mapped < end; gm->mapped += POISON_FILE_BYTES) {
        uint64_t left = gm->capacity - gm->mapped;
        uint64_t bytes = left < POISON_FILE_BYTES ? left : POISON_FILE_BYTES;
        void *at = mmap(gm->base + gm->mapped, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE,
                        gm->poison_fd, 0);
        if (at == MAP_FAILED) return false;
    }
    return true;
}

/* The page of the size of a huge one that has the address. */
static uint64_t page_of(const struct tg_gm *gm, uint64_t address)
{
    return (address - (uint64_t)(uintptr_t)gm->base) / HUGE_PAGE_BYTES;
}

/* The pages that lie in a block as a whole: [first, end). */
struct pages {
    uint64_t first, end;
};

static struct pages pages_in(const struct tg_gm *gm, uint64_t address, uint64_t bytes)
{
    return (struct pages){page_of(gm, address + HUGE_PAGE_BYTES - 1), page_of(gm, address + bytes)};
}

static void *page_at(const struct tg_gm *gm, uint64_t page) { return gm->base + page * HUGE_PAGE_BYTES; }

/* Put a huge page under the addresses of a page where the system has one; without, it stays as it is. */
static void make_huge(struct tg_gm *gm, uint64_t page)
{
    if (gm->is_huge[page]) return;
    void *at = mmap(page_at(gm, page), HUGE_PAGE_BYTES, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) return;
    madvise(at, HUGE_PAGE_BYTES, MADV_HUGEPAGE);
    memset(at, 0xFF, HUGE_PAGE_BYTES);
    gm->is_huge[page] = true;
}

/* Map the file of poison over what make_huge has mapped. */
static void unmake_huge(struct tg_gm *gm, uint64_t page)
{
    if (!gm->is_huge[page]) return;
    void *at = mmap(page_at(gm, page), HUGE_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE,
                    gm->poison_fd, 0);
    if (at == MAP_FAILED) memset(page_at(gm, page), 0xFF, HUGE_PAGE_BYTES);
    else gm->is_huge[page] = false;
}

/* Put huge pages under a block that is worth it. */
static void use_huge_pages(struct tg_gm *gm, uint64_t address, uint64_t bytes)
{
    if (!gm->resident || bytes < HUGE_BLOCK_BYTES) return;
    const struct pages pages = pages_in(gm, address, bytes);
    for (uint64_t page = pages.first; page < pages.end; page++) make_huge(gm, page);
}

static uint64_t forget_bytes(const struct tg_gm *gm) { return gm->resident ? FORGET_BYTES_RESIDENT : FORGET_BYTES; }

/* Give the bytes the poison back that writes have replaced. */
static void poison(struct tg_gm *gm, uint64_t address, uint64_t bytes)
{
    if (bytes < forget_bytes(gm)) {
        memset((void *)(uintptr_t)address, 0xFF, bytes);
        return;
    }
    const struct pages pages = pages_in(gm, address, bytes);
    uint8_t *first = page_at(gm, pages.first), *end = page_at(gm, pages.end);
    memset((void *)(uintptr_t)address, 0xFF, (uint64_t)(uintptr_t)first - address);
    madvise(first, (size_t)(end - first), MADV_DONTNEED);
    for (uint64_t page = pages.first; page < pages.end; page++) unmake_huge(gm, page);
    memset(end, 0xFF, address + bytes - (uint64_t)(uintptr_t)end);
}

enum tg_status tg_gm_init(struct tg_gm *gm, uint64_t capacity)
{
    memset(gm, 0, sizeof *gm);
    bool chosen = capacity == 0;
    capacity = chosen ? DEFAULT_CAPACITY : capacity / TG_GM_ALIGNMENT * TG_GM_ALIGNMENT;
    if (capacity == 0) return tg_error(TG_ERR_ARGUMENT, "gm_bytes is less than %d", TG_GM_ALIGNMENT);
    void *base = reserve(capacity);
    while (base == MAP_FAILED && chosen && capacity > LEAST_CAPACITY) base = reserve(capacity /= 2);
    if (base == MAP_FAILED)
        return tg_error(TG_ERR_MEMORY, "no address space for %llu bytes of device memory",
                        (unsigned long long)capacity);
    gm->poison_fd = poison_file();
    gm->base = base;
    gm->capacity = capacity;
    gm->first = block_new(gm, (uint64_t)(uintptr_t)base, capacity);
    gm->is_huge = calloc(capacity / HUGE_PAGE_BYTES + 1, sizeof *gm->is_huge);
    if (!gm->first || !gm->is_huge || gm->poison_fd < 0) {
        while (gm->first) block_delete(gm, gm->first);
        free(gm->is_huge);
        if (gm->poison_fd >= 0) close(gm->poison_fd);
        munmap(base, capacity);
        return tg_error(TG_ERR_MEMORY, "no memory for the book of device memory");
    }
    free_list_add(gm, gm->first);
    pthread_mutex_init(&gm->lock, NULL);
    return TG_OK;
}

void tg_gm_fini(struct tg_gm *gm)
{
    while (gm->first) block_delete(gm, gm->first);
    free(gm->is_huge);
    munmap(gm->base, gm->capacity);
    close(gm->poison_fd);
    pthread_mutex_destroy(&gm->lock);
}

/* A free block of at least `bytes`: any of a larger class, or the first that fits of the same one. */
static struct tg_gm_block *find_free(struct tg_gm *gm, uint64_t bytes)
{
    for (unsigned c = class_of(bytes); c < TG_GM_CLASSES; c++)
        for (struct tg_gm_block *block = gm->free_lists[c]; block; block = block->next_free)
            if (block->bytes >= bytes) return block;
    return NULL;
}

/* Cut a free block down to `bytes`; the rest becomes a free block behind it. false: no memory for its descriptor. */
static bool split(struct tg_gm *gm, struct tg_gm_block *block, uint64_t bytes)
{
    uint64_t whole = block->bytes;
    if (whole == bytes) return true;
    block->bytes = bytes; /* before the rest enters the index, where ranges must not overlap */
    struct tg_gm_block *rest = block_new(gm, block->address + bytes, whole - bytes);
    if (!rest) {
        block->bytes = whole;
        return false;
    }
    rest->before = block;
    rest->after = block->after;
    if (rest->after) rest->after->before = rest;
    block->after = rest;
    free_list_add(gm, rest);
    return true;
}

static enum tg_status alloc_locked(struct tg_gm *gm, uint64_t bytes, const void *owner, struct tg_gm_block **out)
{
    uint64_t rounded = (bytes + TG_GM_ALIGNMENT - 1) / TG_GM_ALIGNMENT * TG_GM_ALIGNMENT;
    struct tg_gm_block *block = bytes <= gm->capacity ? find_free(gm, rounded) : NULL;
    if (!block)
        return tg_error(TG_ERR_DEVICE_MEMORY, "%llu bytes do not fit: %llu of %llu bytes are in use",
                        (unsigned long long)bytes, (unsigned long long)gm->in_use, (unsigned long long)gm->capacity);
    free_list_remove(gm, block);
    uint64_t start = block->address - (uint64_t)(uintptr_t)gm->base, was_mapped = gm->mapped;
    if (!map_to(gm, start + rounded) || !split(gm, block, rounded)) {
        free_list_add(gm, block);
        return tg_error(TG_ERR_MEMORY, "no host memory for %llu bytes of device memory", (unsigned long long)bytes);
    }
    /* What was mapped before may have been written by a former owner. */
    if (start < was_mapped) poison(gm, block->address, start + rounded < was_mapped ? rounded : was_mapped - start);
    use_huge_pages(gm, block->address, rounded);
    block->asked = bytes;
    block->owner = owner;
    gm->in_use += rounded;
    if (gm->in_use > gm->peak) gm->peak = gm->in_use;
    *out = block;
    return TG_OK;
}

enum tg_status tg_gm_alloc(struct tg_gm *gm, uint64_t bytes, const void *owner, uint64_t *address)
{
    if (bytes == 0) return tg_error(TG_ERR_ARGUMENT, "0 bytes are asked for");
    struct tg_gm_block *block = NULL;
    pthread_mutex_lock(&gm->lock);
    enum tg_status status = alloc_locked(gm, bytes, owner, &block);
    pthread_mutex_unlock(&gm->lock);
    if (status != TG_OK) return status;
    *address = block->address;
    return TG_OK;
}

/* Join a free block with its neighbour behind if that is free, too. */
static void join(struct tg_gm *gm, struct tg_gm_block *block)
{
    struct tg_gm_block *after = block ? block->after : NULL;
    if (!after || block->asked || after->asked) return;
    uint64_t bytes = after->bytes;
    free_list_remove(gm, block);
    free_list_remove(gm, after);
    block_delete(gm, after);
    block->bytes += bytes;
    free_list_add(gm, block);
}

static void free_locked(struct tg_gm *gm, struct tg_gm_block *block)
{
    /* Release, pairs with the acquire of who remembers a block: it is not used any more. */
    atomic_fetch_add_explicit(&gm->n_freed, 1, memory_order_release);
    if (block->bytes >= forget_bytes(gm)) poison(gm, block->address, block->bytes);
    gm->in_use -= block->bytes;
    block->asked = 0;
    block->owner = NULL;
    free_list_add(gm, block);
    join(gm, block);
    join(gm, block->before);
}

/* The block around `address`, used or free; NULL outside of device memory. */
static struct tg_gm_block *find(struct tg_gm *gm, uint64_t address)
{
    struct tg_gm_block key = {.address = address, .bytes = 1};
    struct tg_gm_block **node = tfind(&key, &gm->index, compare);
    return node ? *node : NULL;
}

enum tg_status tg_gm_free(struct tg_gm *gm, uint64_t address)
{
    pthread_mutex_lock(&gm->lock);
    struct tg_gm_block *block = find(gm, address);
    bool found = block && block->asked && block->address == address;
    if (found) free_locked(gm, block);
    pthread_mutex_unlock(&gm->lock);
    if (found) return TG_OK;
    return tg_error(TG_ERR_GLOBAL_MEMORY, "no allocation starts at 0x%llx", (unsigned long long)address);
}

void tg_gm_free_all(struct tg_gm *gm, const void *owner)
{
    pthread_mutex_lock(&gm->lock);
    struct tg_gm_block *block = gm->first;
    while (block) {
        /* Freeing may join the free neighbour behind, so go on after that one. */
        struct tg_gm_block *next = block->after;
        while (next && next->asked == 0) next = next->after;
        if (block->asked && block->owner == owner) free_locked(gm, block);
        block = next;
    }
    pthread_mutex_unlock(&gm->lock);
}

bool tg_gm_contains(struct tg_gm *gm, uint64_t address, uint64_t bytes)
{
    pthread_mutex_lock(&gm->lock);
    const struct tg_gm_block *block = find(gm, address);
    bool inside = block && block->asked && bytes <= block->asked && address - block->address <= block->asked - bytes;
    pthread_mutex_unlock(&gm->lock);
    return inside;
}

uint64_t tg_gm_peak(struct tg_gm *gm)
{
    pthread_mutex_lock(&gm->lock);
    uint64_t peak = gm->peak;
    pthread_mutex_unlock(&gm->lock);
    return peak;
}

void tg_gm_each_foreign(struct tg_gm *gm, const void *owner, tg_gm_visit_fn *visit, void *context)
{
    pthread_mutex_lock(&gm->lock);
    for (const struct tg_gm_block *block = gm->first; block; block = block->after)
        if (block->asked && block->owner != owner) visit(context, block->address, block->asked);
    pthread_mutex_unlock(&gm->lock);
}

bool tg_gm_around(struct tg_gm *gm, uint64_t address, uint64_t *low, uint64_t *high)
{
    pthread_mutex_lock(&gm->lock);
    const struct tg_gm_block *block = find(gm, address);
    const bool used = block && block->asked;
    if (used) {
        *low = block->address;
        *high = block->address + block->asked;
    }
    pthread_mutex_unlock(&gm->lock);
    return used;
}

void tg_gm_reset_peak(struct tg_gm *gm)
{
    pthread_mutex_lock(&gm->lock);
    gm->peak = gm->in_use;
    pthread_mutex_unlock(&gm->lock);
}
