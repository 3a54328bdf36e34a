#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "tile/number.h"

/* Four registers, named: compilers leave some arrays in memory. */
typedef float quarter __attribute__((vector_size(16)));
struct lanes {
    quarter a, b, c, d;
};

static inline struct lanes lanes_zero(void) { return (struct lanes){{0}, {0}, {0}, {0}}; }
static inline struct lanes lanes_load(const float *from)
{
    struct lanes a;
    memcpy(&a, from, sizeof a);
    return a;
}
static inline struct lanes lanes_fp32(const float *low, const float *high)
{
    struct lanes a;
    memcpy(&a, low, sizeof a / 2);
    memcpy(&a.c, high, sizeof a / 2);
    return a;
}
static inline void lanes_store(float *to, struct lanes a) { memcpy(to, &a, sizeof a); }
static inline struct lanes lanes_sum(struct lanes a, struct lanes b)
{
    return (struct lanes){a.a + b.a, a.b + b.b, a.c + b.c, a.d + b.d};
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
    const quarter all = {factor.all, factor.all, factor.all, factor.all};
    return (struct lanes){sum.a + all * line.a, sum.b + all * line.b, sum.c + all * line.c, sum.d + all * line.d};
}
static inline struct lanes lanes_bf16(const uint8_t *from)
{
    uint16_t halves[16];
    float of[16];
    memcpy(halves, from, sizeof halves);
    for (int i = 0; i < 16; i++) of[i] = tg_f32_of_bf16(halves[i]);
    return lanes_load(of);
}

static inline struct lanes lanes_split(struct lanes a) { return a; }
static inline struct lanes lanes_join(struct lanes a) { return a; }
static inline quarter f16_4(const uint8_t *from)
{
    uint16_t half[4];
    memcpy(half, from, sizeof half);
    return (quarter){tg_f32_of_f16(half[0]), tg_f32_of_f16(half[1]), tg_f32_of_f16(half[2]), tg_f32_of_f16(half[3])};
}
static inline struct lanes lanes_fp16(const uint8_t *from)
{
    return (struct lanes){f16_4(from), f16_4(from + 8), f16_4(from + 16), f16_4(from + 24)};
}
static inline struct lanes lanes_int8(const uint8_t *from)
{
    float of[16];
    for (int i = 0; i < 16; i++) of[i] = (int8_t)from[i];
    return lanes_load(of);
}
static inline struct lanes lanes_e4m3(const uint8_t *from)
{
    float of[16];
    for (int i = 0; i < 16; i++) of[i] = tg_f32_of_e4m3(from[i]);
    return lanes_load(of);
}
static inline struct lanes lanes_e5m2(const uint8_t *from)
{
    float of[16];
    for (int i = 0; i < 16; i++) of[i] = tg_f32_of_e5m2(from[i]);
    return lanes_load(of);
}
static inline void lanes_put_bf16(uint8_t *to, struct lanes a)
{
    uint16_t halves[16];
    float of[16];
    lanes_store(of, a);
    for (int i = 0; i < 16; i++) halves[i] = tg_bf16_of_f32(of[i]);
    memcpy(to, halves, sizeof halves);
}
static inline void lanes_put_fp16(uint8_t *to, struct lanes a)
{
    uint16_t halves[16];
    float of[16];
    lanes_store(of, a);
    for (int i = 0; i < 16; i++) halves[i] = tg_f16_of_f32(of[i]);
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
