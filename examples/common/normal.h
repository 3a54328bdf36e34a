/*
 * normal.h - standard normal random numbers: any thread draws any of them in any order, the same on every computer.
 *
 * A number is a function of its stream and its index. It is made of IEEE operations alone, and of none that a library
 * may round in its own way, so that a seed means the same numbers everywhere.
 */
#ifndef EXAMPLES_NORMAL_H
#define EXAMPLES_NORMAL_H

#include <stdint.h>

/* Every bit of `x` moves every bit of the result: a hash, and random bits for counters. */
uint64_t random_mix(uint64_t x);

/*
 * Draw the numbers [index, index + n) of `stream`, times `deviation`, into out[n].
 *
 * Two streams are independent, whatever their numbers are. The largest magnitude is 6.7 deviations.
 */
void normal_draw(uint64_t stream, uint64_t index, uint64_t n, float deviation, float *out);

#endif
