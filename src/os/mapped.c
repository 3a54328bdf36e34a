#include "os/mapped.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/grow.h"
#include "os/guard.h"

/* Whole pages. Ranges do not overlap; neighbours may touch. */
struct range {
    uintptr_t low, high;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct range *ranges; /* under the lock; as long as the process */
static size_t n_ranges, ranges_max;

static void enter(void)
{
    tg_guard_enter_runtime();
    pthread_mutex_lock(&lock);
}

static void leave(void)
{
    pthread_mutex_unlock(&lock);
    tg_guard_leave_runtime();
}

static struct range pages_of(const void *address, size_t bytes)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), low = (uintptr_t)address / page * page;
    const uintptr_t end = (uintptr_t)address + bytes + page - 1;
    return (struct range){low, end < low ? UINTPTR_MAX : end / page * page};
}

/* Room for one more range is made before a call, because a mapping cannot be forgotten afterwards. */
static bool has_room(void)
{
    void *room = ranges;
    const bool done = tg_grow(&room, n_ranges + 2, &ranges_max, sizeof *ranges);
    ranges = room;
    return done;
}

static void add(struct range range) { ranges[n_ranges++] = range; }

/* Take the range out of all that it overlaps. Up to one range more than before: has_room(). */
static void take(struct range range)
{
    for (size_t i = n_ranges; i > 0; i--) {
        const struct range whole = ranges[i - 1];
        if (whole.high <= range.low || range.high <= whole.low) continue;
        ranges[i - 1] = ranges[--n_ranges];
        if (whole.low < range.low) add((struct range){whole.low, range.low});
        if (range.high < whole.high) add((struct range){range.high, whole.high});
    }
}

/* Walk from neighbour to neighbour. */
static bool has(struct range range)
{
    bool moved = true;
    for (uintptr_t at = range.low; moved;) {
        if (at >= range.high) return true;
        moved = false;
        for (size_t i = 0; i < n_ranges && !moved; i++) {
            moved = ranges[i].low <= at && at < ranges[i].high;
            if (moved) at = ranges[i].high;
        }
    }
    return false;
}

bool tg_mapped_has(const void *address, size_t bytes)
{
    enter();
    const bool found = has(pages_of(address, bytes));
    leave();
    return found;
}

void *tg_mapped_map(void *address, size_t bytes, int protection, int flags, int fd, long offset)
{
    void *mapped = MAP_FAILED;
    enter();
    if (!has_room()) errno = ENOMEM;
    else mapped = mmap(address, bytes, protection, flags, fd, offset);
    if (mapped != MAP_FAILED) {
        take(pages_of(mapped, bytes));
        add(pages_of(mapped, bytes));
    }
    leave();
    return mapped;
}

int tg_mapped_unmap(void *address, size_t bytes)
{
    int result = -1;
    enter();
    if (!has_room()) errno = ENOMEM;
    else result = munmap(address, bytes);
    if (result == 0) take(pages_of(address, bytes));
    leave();
    return result;
}

void *tg_mapped_move(void *address, size_t before, size_t after, int flags, void *to)
{
    void *moved = MAP_FAILED;
    enter();
    if (!has_room()) errno = ENOMEM;
    else moved = mremap(address, before, after, flags, to);
    if (moved != MAP_FAILED) {
        take(pages_of(address, before));
        take(pages_of(moved, after));
        add(pages_of(moved, after));
    }
    leave();
    return moved;
}
