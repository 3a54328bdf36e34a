/*
 * fuzz.h - what the fuzzers share: the input as a stream of numbers, and a check that ends the process.
 *
 * An input that has come to its end goes on as zeros, so every sequence of bytes means something.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* libFuzzer calls the first once and the second for each input; 0: the input is worth keeping if it reached
 * something. */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes);

/* Say what is wrong and stop: the fuzzer keeps the input. */
#define FUZZ_CHECK(condition, ...)                                                                                     \
    do {                                                                                                               \
        if (condition) break;                                                                                          \
        fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #condition);                                                \
        fprintf(stderr, __VA_ARGS__);                                                                                  \
        fputc('\n', stderr);                                                                                           \
        abort();                                                                                                       \
    } while (0)

/*
 * Count `text` as something reached, its digits aside: an input that brings another message is worth keeping. For what
 * happens where no coverage is seen, in another process or in a plugin. One source of a fuzzer calls it.
 */
static inline void fuzz_reached(const char *text)
{
    __attribute__((section("__libfuzzer_extra_counters"))) static uint8_t counters[4096];
    uint32_t hash = 2166136261u;
    for (; *text; text++)
        if (*text < '0' || *text > '9') hash = (hash ^ (uint8_t)*text) * 16777619u;
    counters[hash % sizeof counters] = 1;
}

struct fuzz_input {
    const uint8_t *at, *end;
};

static inline bool fuzz_is_over(const struct fuzz_input *in) { return in->at == in->end; }

/* The next n <= 8 bytes, the lowest first. */
static inline uint64_t fuzz_bytes(struct fuzz_input *in, unsigned n)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < n && in->at < in->end; i++) value |= (uint64_t)*in->at++ << (8 * i);
    return value;
}

static inline uint8_t fuzz_u8(struct fuzz_input *in) { return (uint8_t)fuzz_bytes(in, 1); }
static inline uint16_t fuzz_u16(struct fuzz_input *in) { return (uint16_t)fuzz_bytes(in, 2); }
static inline uint32_t fuzz_u32(struct fuzz_input *in) { return (uint32_t)fuzz_bytes(in, 4); }
static inline uint64_t fuzz_u64(struct fuzz_input *in) { return fuzz_bytes(in, 8); }

/* A number in [0, n), 0 < n <= 256, of one byte. */
static inline uint32_t fuzz_below(struct fuzz_input *in, uint32_t n) { return fuzz_u8(in) % n; }

#endif
