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
static inline void lanes_store(float *to, struct lanes a) { memcpy(to, a.of, sizeof a.of); }
static inline struct lanes lanes_sum(struct lanes a, struct lanes b)
{
    for (int i = 0; i < 16; i++) a.of[i] += b.of[i];
    return a;
}
static inline struct lanes lanes_add_product(struct lanes sum, float factor, struct lanes line)
{
    for (int i = 0; i < 16; i++) sum.of[i] += factor * line.of[i];
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

struct pair {
    struct lanes a, b;
};

static inline struct pair pair_split(struct pair blocks)
{
    struct pair pair;
    for (int i = 0; i < 8; i++) {
        pair.a.of[i] = blocks.a.of[2 * i];
        pair.a.of[8 + i] = blocks.b.of[2 * i];
        pair.b.of[i] = blocks.a.of[2 * i + 1];
        pair.b.of[8 + i] = blocks.b.of[2 * i + 1];
    }
    return pair;
}
static inline struct pair pair_join(struct pair pair)
{
    struct pair blocks;
    for (int i = 0; i < 8; i++) {
        blocks.a.of[2 * i] = pair.a.of[i];
        blocks.a.of[2 * i + 1] = pair.b.of[i];
        blocks.b.of[2 * i] = pair.a.of[8 + i];
        blocks.b.of[2 * i + 1] = pair.b.of[8 + i];
    }
    return blocks;
}
static inline struct pair pair_bf16(const uint8_t *from)
{
    return pair_split((struct pair){lanes_bf16(from), lanes_bf16(from + 32)});
}
static inline struct lanes lanes_f16(const uint8_t *from)
{
    uint16_t halves[16];
    struct lanes a;
    memcpy(halves, from, sizeof halves);
    for (int i = 0; i < 16; i++) a.of[i] = tg_f32_of_f16(halves[i]);
    return a;
}

#define TG_PRODUCT_FN tg_product_portable
#define TG_WIDEN_FN tg_widen_portable
#define PAIRS_OF_1 1
#define PAIRS_OF_2 1
#define PAIRS_OF_4 1
#include "machine/cpu/product.inc"
