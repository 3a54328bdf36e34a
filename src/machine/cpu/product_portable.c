#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "tile/number.h"

struct lanes {
    float of[16];
};

static inline struct lanes lanes_zero(void) { return (struct lanes){{0}}; }
static inline struct lanes lanes_load(const float *from)
{
    struct lanes a;
    memcpy(a.of, from, sizeof a.of);
    return a;
}
static inline struct lanes lanes_fp32(const float *low, const float *high)
{
    struct lanes a;
    memcpy(a.of, low, sizeof a.of / 2);
    memcpy(a.of + 8, high, sizeof a.of / 2);
    return a;
}
static inline void lanes_store(float *to, struct lanes a) { memcpy(to, a.of, sizeof a.of); }
static inline struct lanes lanes_sum(struct lanes a, struct lanes b)
{
    for (int i = 0; i < 16; i++) a.of[i] += b.of[i];
    return a;
}

struct factor {
    float all;
};

static inline struct factor factor_of(const float *from, bool shared)
{
    (void)shared;
    return (struct factor){*from};
}
static inline struct lanes lanes_add_product(struct lanes sum, struct factor factor, struct lanes line)
{
    for (int i = 0; i < 16; i++) sum.of[i] += factor.all * line.of[i];
    return sum;
}
static inline struct lanes lanes_bf16(const uint8_t *from)
{
    uint16_t halves[16];
    struct lanes a;
    memcpy(halves, from, sizeof halves);
    for (int i = 0; i < 16; i++) a.of[i] = tg_f32_of_bf16(halves[i]);
    return a;
}

static inline struct lanes lanes_split(struct lanes a) { return a; }
static inline struct lanes lanes_join(struct lanes a) { return a; }
static inline struct lanes lanes_fp16(const uint8_t *from)
{
    uint16_t halves[16];
    struct lanes a;
    memcpy(halves, from, sizeof halves);
    for (int i = 0; i < 16; i++) a.of[i] = tg_f32_of_f16(halves[i]);
    return a;
}
static inline struct lanes lanes_int8(const uint8_t *from)
{
    struct lanes a;
    for (int i = 0; i < 16; i++) a.of[i] = (int8_t)from[i];
    return a;
}
static inline struct lanes lanes_e4m3(const uint8_t *from)
{
    struct lanes a;
    for (int i = 0; i < 16; i++) a.of[i] = tg_f32_of_e4m3(from[i]);
    return a;
}
static inline struct lanes lanes_e5m2(const uint8_t *from)
{
    struct lanes a;
    for (int i = 0; i < 16; i++) a.of[i] = tg_f32_of_e5m2(from[i]);
    return a;
}
static inline void lanes_put_bf16(uint8_t *to, struct lanes a)
{
    uint16_t halves[16];
    for (int i = 0; i < 16; i++) halves[i] = tg_bf16_of_f32(a.of[i]);
    memcpy(to, halves, sizeof halves);
}
static inline void lanes_put_fp16(uint8_t *to, struct lanes a)
{
    uint16_t halves[16];
    for (int i = 0; i < 16; i++) halves[i] = tg_f16_of_f32(a.of[i]);
    memcpy(to, halves, sizeof halves);
}
static inline void lanes_turn(uint8_t *to, const uint8_t *from, size_t from_ld)
{
    for (size_t i = 0; i < 16; i++)
        for (size_t j = 0; j < 16; j++) memcpy(to + j * 32 + i * 2, from + i * from_ld + j * 2, 2);
}

/* Registers of 16 bytes: sums of one block of two rows. */
#define ROWS_MOST 4
#define WIDE(rows) 1u
#define DEEP(rows) 1u
#define TG_PRODUCT_FN tg_product_portable
#define TG_WIDEN_FN tg_widen_portable
#define TG_UNPACK_FN tg_unpack_portable
#include "machine/cpu/product.inc"
