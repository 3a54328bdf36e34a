/*
 * The helper: a small program in which a shared object is tried before the host's process opens it.
 *
 * Its bytes are part of the library (embedded by the build), which runs them from a file in memory: nothing has to be
 * installed or found. Arguments: the descriptors of the object and of the answer, the symbol to look for, the symbol of a
 * version or "", and the bytes of address space that the object takes.
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

#include "os/rehearse.h"

/* As far as an instruction reaches from its own address. */
#define REACH ((size_t)1 << 31)

/* The library's own sanitizer would look for leaks of the object; this program has none. */
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void) { return 1; }

/* Descriptors of the host that it did not mark to be closed: a lock or the end of a pipe is not to live on here. */
static void close_others(int object_fd, int answer_fd)
{
    const unsigned low = (unsigned)(object_fd < answer_fd ? object_fd : answer_fd);
    const unsigned high = (unsigned)(object_fd < answer_fd ? answer_fd : object_fd);
    if (low > 3) syscall(SYS_close_range, 3U, low - 1, 0U);
    if (high - low > 1) syscall(SYS_close_range, low + 1, high - 1, 0U);
    syscall(SYS_close_range, high + 1, UINT_MAX, 0U);
}

/*
 * Make nothing of the addresses around the object, so that code which is damaged in an offset hits nothing. The loader takes
 * the highest room that is large enough, which is then this hole:
 *
 *     no access, REACH bytes | hole for the object | no access, REACH bytes
 */
static void leave_a_hole(size_t span)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), hole = (span + page - 1) / page * page + page;
    char *all = mmap(NULL, 2 * REACH + hole, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (all != MAP_FAILED) munmap(all + REACH, hole);
}

int main(int argc, char **argv)
{
    if (argc != 6) {
        fputs("This program is started by the tilegraph library, which tries shared objects in it.\n", stderr);
        return 2;
    }
    const struct tg_rehearsal_task task = {
        .object_fd = atoi(argv[1]), .answer_fd = atoi(argv[2]), .symbol = argv[3], .abi_symbol = argv[4]};
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* nobody else ends it */
    close_others(task.object_fd, task.answer_fd);
    tg_rehearse_quietly();
    atexit(tg_rehearse_note_exit);
    tg_rehearse_begin(&task);
    leave_a_hole((size_t)strtoull(argv[5], NULL, 10));
    tg_rehearse(&task);
    return 0; /* what stays loaded has its destructors run now */
}
