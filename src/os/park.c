#include "os/park.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

_Static_assert(sizeof(_Atomic uint32_t) == sizeof(uint32_t), "a futex is a plain word of 32 bits");

void tg_park(_Atomic uint32_t *word, uint32_t value, uint64_t limit_ns)
{
    const struct timespec limit = {.tv_sec = (time_t)(limit_ns / 1000000000u),
                                   .tv_nsec = (long)(limit_ns % 1000000000u)};
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, &limit, NULL, 0);
}

void tg_unpark(_Atomic uint32_t *word) { syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0); }
