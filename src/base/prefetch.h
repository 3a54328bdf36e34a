/* prefetch.h - fetch a cache line that will be written soon, away from its present owner. */
#ifndef TG_BASE_PREFETCH_H
#define TG_BASE_PREFETCH_H

/* Never faults. */
static inline void tg_prefetch_write(const void *address)
{
#if defined(__x86_64__)
    /* Processors without the instruction ignore it. The compiler's builtin would ask for reading only. */
    __asm__ volatile("prefetchw %0" : : "m"(*(const char *)address));
#else
    __builtin_prefetch(address, 1);
#endif
}

#endif
