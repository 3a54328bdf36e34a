/* random.h - numbers drawn for tests: equal seeds draw equal numbers everywhere. */
#ifndef TESTS_COMMON_RANDOM_H
#define TESTS_COMMON_RANDOM_H

#include <stdint.h>

/* splitmix64. */
static inline uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

/* 0 to n - 1; n > 0. */
static inline int random_below(uint64_t *state, int n) { return (int)(random_next(state) % (uint64_t)n); }

/* true in `percent` of 100 cases. */
static inline int random_chance(uint64_t *state, int percent) { return random_below(state, 100) < percent; }

#endif
