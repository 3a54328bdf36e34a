/* park.h - sleep until a word changes. Linux futexes; private to the process. */
#ifndef TG_OS_PARK_H
#define TG_OS_PARK_H

#include <stdatomic.h>
#include <stdint.h>

/* Return when *word is not `value`, on a wake, after limit_ns, or spuriously. */
void tg_park(_Atomic uint32_t *word, uint32_t value, uint64_t limit_ns);

/* Wake all threads that sleep on *word. */
void tg_unpark(_Atomic uint32_t *word);

/* A pause between two reads of memory that another processor writes. */
static inline void tg_park_pause(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

#endif
