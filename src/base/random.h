/* random.h - a small generator for schedules; not for cryptography. */
#ifndef TG_BASE_RANDOM_H
#define TG_BASE_RANDOM_H

#include <stdint.h>

/* The next 64 bits of `state`. splitmix64: G. Steele, D. Lea, C. Flood, "Fast splittable pseudorandom number
 * generators", OOPSLA 2014; its three constants. */
static inline uint64_t tg_random_next(uint64_t *state)
{
    uint64_t z = (*state += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

/* A number in [0, n); n > 0. The bias for n far below 2^32 does not matter to a schedule. */
static inline uint32_t tg_random_below(uint64_t *state, uint32_t n)
{
    return (uint32_t)(((tg_random_next(state) >> 32) * n) >> 32);
}

#endif
