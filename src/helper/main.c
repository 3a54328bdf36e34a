/*
 * The helper: a small program that tries a shared object before the host's process opens it.
 *
 * The build embeds its bytes in the library, which runs them from a file in memory: it needs no installation.
 * Arguments: the descriptors of the object and of the answer, the symbol to look up, the symbol of a version or "", and
 * the size of the object in address space.
 */
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/coro.h"
#include "os/rehearse.h"

/* The distance that an instruction can reach from its own address. */
#define REACH ((size_t)1 << 31)

/* Gaps are filled with pieces of this size and smaller ones. */
#define GAP_BYTES_MAX ((size_t)1 << 30)

/* A sanitizer in the library would look for leaks of the object; this program has no sanitizer. */
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void) { return 1; }

/* The object's functions run on a stack that ends in an inaccessible page (os/foreign.h). */
_Thread_local struct tg_coro *tg_coro_running;

enum { STACK_BYTES = 8 << 20 };

struct tg_coro *tg_coro_first(void)
{
    static struct tg_coro own;
    char *stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    char *fence = stack + STACK_BYTES - (size_t)sysconf(_SC_PAGESIZE);
    if (stack != MAP_FAILED && mprotect(fence, 1, PROT_NONE) == 0) own.fence = own.foreign_top = fence;
    tg_coro_running = &own;
    return &own;
}

/* Close descriptors that the host left open: a lock or the end of a pipe must not stay open here. */
static void close_others(int object_fd, int answer_fd)
{
    const unsigned low = (unsigned)(object_fd < answer_fd ? object_fd : answer_fd);
    const unsigned high = (unsigned)(object_fd < answer_fd ? answer_fd : object_fd);
    if (low > 3) syscall(SYS_close_range, 3U, low - 1, 0U);
    if (high - low > 1) syscall(SYS_close_range, low + 1, high - 1, 0U);
    syscall(SYS_close_range, high + 1, UINT_MAX, 0U);
}

static char *map_nothing(size_t bytes)
{
    return mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

/* The system takes the highest gap that is large enough: fill all gaps above `low`, the large ones first. */
static void fill_gaps_above(const char *low, size_t page)
{
    for (size_t bytes = GAP_BYTES_MAX; bytes >= page; bytes /= 2) {
        char *at = map_nothing(bytes);
        while (at != MAP_FAILED && at > low) at = map_nothing(bytes);
        if (at != MAP_FAILED) munmap(at, bytes);
    }
}

/*
 * Map the addresses around the object without access, so that damaged offsets in its code hit nothing:
 *
 *     no access, REACH bytes | hole for the object | no access, REACH bytes | libraries, no access between them
 */
static void leave_a_hole(size_t span)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), hole = (span + page - 1) / page * page + page;
    char *all = map_nothing(2 * REACH + hole);
    if (all == MAP_FAILED) return;
    fill_gaps_above(all, page);
    munmap(all + REACH, hole);
}

int main(int argc, char **argv)
{
    if (argc != 6) {
        fputs("This program is started by the tilegraph library, which tries shared objects in it.\n", stderr);
        return 2;
    }
    const struct tg_rehearsal_task task = {
        .object_fd = atoi(argv[1]), .answer_fd = atoi(argv[2]), .symbol = argv[3], .abi_symbol = argv[4]};
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* no other process would end it */
    close_others(task.object_fd, task.answer_fd);
    tg_rehearse_quietly();
    atexit(tg_rehearse_note_exit);
    tg_rehearse_begin(&task);
    leave_a_hole((size_t)strtoull(argv[5], NULL, 10));
    tg_rehearse(&task);
    return 0; /* objects that stay loaded run their destructors now */
}
