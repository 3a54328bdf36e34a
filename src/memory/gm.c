#include "memory/gm.h"

#include <string.h>

#include "base/error.h"

enum tg_status tg_gm_init(struct tg_gm *gm, uint64_t capacity, bool fast)
{
    memset(gm, 0, sizeof *gm);
    const uint64_t whole = capacity / TG_GM_ALIGNMENT * TG_GM_ALIGNMENT;
    if (capacity > 0 && whole == 0) return tg_error(TG_ERR_ARGUMENT, "gm_bytes is less than %d", TG_GM_ALIGNMENT);
    TG_TRY(tg_pages_init(&gm->pages, whole));
    gm->pages.fast = fast;
    gm->capacity = gm->pages.capacity;
    if (!tg_blocks_init(&gm->blocks, (uint64_t)(uintptr_t)gm->pages.base, gm->capacity)) {
        tg_pages_fini(&gm->pages);
        return tg_error(TG_ERR_MEMORY, "no memory for the book of device memory");
    }
    pthread_mutex_init(&gm->lock, NULL);
    return TG_OK;
}

void tg_gm_fini(struct tg_gm *gm)
{
    tg_blocks_fini(&gm->blocks);
    tg_pages_fini(&gm->pages);
    pthread_mutex_destroy(&gm->lock);
}

static void own(struct tg_gm_owner *owner, struct tg_gm_block *block)
{
    block->owner = owner;
    block->of_before = NULL;
    block->of_after = owner->first;
    if (owner->first) owner->first->of_before = block;
    owner->first = block;
}

static void disown(struct tg_gm_block *block)
{
    if (block->of_before) block->of_before->of_after = block->of_after;
    else block->owner->first = block->of_after;
    if (block->of_after) block->of_after->of_before = block->of_before;
    block->owner = NULL;
}

static uint64_t round_up(uint64_t bytes) { return (bytes + TG_GM_ALIGNMENT - 1) / TG_GM_ALIGNMENT * TG_GM_ALIGNMENT; }

/* ---- red zones, and blocks set aside ---- */

/* A wrong index is often off by one row, and large tensors have long rows. Zones take only addresses; small ones keep
 * small allocations close together in pages. */
enum { ZONE_MIN = 4 << 10, ZONE_MAX = 1 << 20 };

/* Small blocks that are set aside keep their memory, up to this much in total. */
enum { ASIDE_MAX = 64 << 20 };

static uint64_t memory_aside(const struct tg_gm *gm, const struct tg_gm_block *block)
{
    return tg_pages_gives_back(&gm->pages, block->bytes) ? 0 : block->bytes;
}

static uint64_t zone_behind(const struct tg_gm_owner *owner, uint64_t bytes)
{
    if (!owner->guarded) return 0;
    return bytes < ZONE_MIN ? ZONE_MIN : bytes > ZONE_MAX ? ZONE_MAX : bytes;
}

static void release_oldest(struct tg_gm *gm, struct tg_gm_owner *owner)
{
    struct tg_gm_block *block = owner->oldest_aside;
    owner->oldest_aside = block->of_after;
    if (!owner->oldest_aside) owner->newest_aside = NULL;
    owner->aside_bytes -= memory_aside(gm, block);
    tg_blocks_free(&gm->blocks, block);
}

static void set_aside(struct tg_gm *gm, struct tg_gm_owner *owner, struct tg_gm_block *block)
{
    tg_blocks_trim(&gm->blocks, block, round_up(block->asked)); /* its zone is free */
    tg_blocks_set_aside(&gm->blocks, block);
    block->of_after = NULL;
    if (owner->newest_aside) owner->newest_aside->of_after = block;
    else owner->oldest_aside = block;
    owner->newest_aside = block;
    owner->aside_bytes += memory_aside(gm, block);
    while (owner->aside_bytes > ASIDE_MAX && owner->oldest_aside != block) release_oldest(gm, owner);
}

/* The range is nearly full: release the set-aside blocks of `owner`, and all red zones. */
static void give_up_guards(struct tg_gm *gm, struct tg_gm_owner *owner)
{
    while (owner->oldest_aside) release_oldest(gm, owner);
    for (struct tg_gm_block *block = gm->blocks.first; block; block = block->after)
        if (block->asked) tg_blocks_trim(&gm->blocks, block, round_up(block->asked));
}

/* A free block for an allocation of `owner`; *keep: its used bytes, including the red zone. NULL: no such block. */
static struct tg_gm_block *find_room(struct tg_gm *gm, struct tg_gm_owner *owner, uint64_t rounded, uint64_t *keep)
{
    *keep = rounded + zone_behind(owner, rounded);
    struct tg_gm_block *block = tg_blocks_find_free(&gm->blocks, *keep);
    if (block || !owner->guarded) return block;
    *keep = rounded;
    block = tg_blocks_find_free(&gm->blocks, rounded);
    if (block) return block;
    give_up_guards(gm, owner);
    return tg_blocks_find_free(&gm->blocks, rounded);
}

/* ---- allocating ---- */

static enum tg_status alloc_locked(struct tg_gm *gm, uint64_t bytes, struct tg_gm_owner *owner, uint64_t *address)
{
    uint64_t keep = 0;
    const uint64_t rounded = round_up(bytes);
    struct tg_gm_block *block = bytes <= gm->capacity ? find_room(gm, owner, rounded, &keep) : NULL;
    if (!block)
        return tg_error(TG_ERR_DEVICE_MEMORY, "%llu bytes do not fit: %llu of %llu bytes are in use",
                        (unsigned long long)bytes, (unsigned long long)gm->in_use, (unsigned long long)gm->capacity);
    if (!tg_pages_take(&gm->pages, block->address, rounded) || !tg_blocks_use(&gm->blocks, block, keep, bytes))
        return tg_error(TG_ERR_MEMORY, "no host memory for %llu bytes of device memory", (unsigned long long)bytes);
    own(owner, block);
    gm->in_use += rounded;
    if (gm->in_use > gm->peak) gm->peak = gm->in_use;
    *address = block->address;
    return TG_OK;
}

enum tg_status tg_gm_alloc(struct tg_gm *gm, uint64_t bytes, struct tg_gm_owner *owner, uint64_t *address)
{
    if (bytes == 0) return tg_error(TG_ERR_ARGUMENT, "0 bytes are asked for");
    pthread_mutex_lock(&gm->lock);
    enum tg_status status = alloc_locked(gm, bytes, owner ? owner : &gm->host, address);
    pthread_mutex_unlock(&gm->lock);
    return status;
}

/* The owner no longer has the block. */
static void end_use(struct tg_gm *gm, struct tg_gm_block *block)
{
    /* Release, pairs with the acquire of a thread that remembers blocks: it does not use the freed block any more. */
    atomic_fetch_add_explicit(&gm->n_freed, 1, memory_order_release);
    tg_pages_give(&gm->pages, block->address, round_up(block->asked));
    gm->in_use -= round_up(block->asked);
    disown(block);
}

static void free_locked(struct tg_gm *gm, struct tg_gm_owner *owner, struct tg_gm_block *block)
{
    end_use(gm, block);
    if (owner->guarded) set_aside(gm, owner, block);
    else tg_blocks_free(&gm->blocks, block);
}

enum tg_status tg_gm_free(struct tg_gm *gm, struct tg_gm_owner *owner, uint64_t address)
{
    pthread_mutex_lock(&gm->lock);
    struct tg_gm_block *block = tg_blocks_find(&gm->blocks, address);
    const bool found = block && block->asked && block->address == address;
    if (!owner) owner = &gm->host;
    const bool owned = found && block->owner == owner;
    if (owned) free_locked(gm, owner, block);
    pthread_mutex_unlock(&gm->lock);
    if (owned) return TG_OK;
    if (found)
        return tg_error(TG_ERR_GLOBAL_MEMORY,
                        "the allocation at 0x%llx is somebody else's: only who allocated it frees it",
                        (unsigned long long)address);
    return tg_error(TG_ERR_GLOBAL_MEMORY, "no allocation starts at 0x%llx", (unsigned long long)address);
}

void tg_gm_free_all(struct tg_gm *gm, struct tg_gm_owner *owner)
{
    pthread_mutex_lock(&gm->lock);
    while (owner->oldest_aside) release_oldest(gm, owner);
    for (struct tg_gm_block *block; (block = owner->first);) {
        end_use(gm, block);
        tg_blocks_free(&gm->blocks, block);
    }
    pthread_mutex_unlock(&gm->lock);
}

/* ---- contents ---- */

void tg_gm_write(struct tg_gm *gm, uint64_t address, const void *host, uint64_t bytes)
{
    pthread_mutex_lock(&gm->lock);
    tg_pages_expect(&gm->pages, address, bytes);
    pthread_mutex_unlock(&gm->lock);
    memcpy((void *)(uintptr_t)address, host, bytes);
}

void tg_gm_expect_writes(struct tg_gm *gm, uint64_t address, uint64_t bytes)
{
    pthread_mutex_lock(&gm->lock);
    const bool made = tg_pages_expect(&gm->pages, address, bytes);
    pthread_mutex_unlock(&gm->lock);
    if (made) memset((void *)(uintptr_t)address, 0xFF, bytes);
}

/* ---- queries ---- */

bool tg_gm_contains(struct tg_gm *gm, uint64_t address, uint64_t bytes)
{
    pthread_mutex_lock(&gm->lock);
    const struct tg_gm_block *block = tg_blocks_find(&gm->blocks, address);
    bool inside = block && block->asked && bytes <= block->asked && address - block->address <= block->asked - bytes;
    pthread_mutex_unlock(&gm->lock);
    return inside;
}

uint64_t tg_gm_in_use(struct tg_gm *gm)
{
    pthread_mutex_lock(&gm->lock);
    uint64_t in_use = gm->in_use;
    pthread_mutex_unlock(&gm->lock);
    return in_use;
}

uint64_t tg_gm_peak(struct tg_gm *gm)
{
    pthread_mutex_lock(&gm->lock);
    uint64_t peak = gm->peak;
    pthread_mutex_unlock(&gm->lock);
    return peak;
}

void tg_gm_each(struct tg_gm *gm, tg_gm_visit_fn *visit, void *context)
{
    pthread_mutex_lock(&gm->lock);
    for (const struct tg_gm_block *block = gm->blocks.first; block; block = block->after)
        if (block->asked) visit(context, block->owner, block->address, block->asked);
    pthread_mutex_unlock(&gm->lock);
}

bool tg_gm_around(struct tg_gm *gm, uint64_t address, uint64_t *low, uint64_t *high)
{
    pthread_mutex_lock(&gm->lock);
    const struct tg_gm_block *block = tg_blocks_find(&gm->blocks, address);
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

bool tg_gm_lost_file(struct tg_gm *gm)
{
    pthread_mutex_lock(&gm->lock);
    const bool lost = tg_pages_lost_file(&gm->pages);
    pthread_mutex_unlock(&gm->lock);
    return lost;
}
