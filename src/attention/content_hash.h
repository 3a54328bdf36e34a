/* content_hash.h - 64 bits that stand for some bytes: of the tokens of a block, of an exported sequence. Not a defence
 * against bytes that are made to collide, unless the seed is secret. */
#ifndef TG_ATTENTION_CONTENT_HASH_H
#define TG_ATTENTION_CONTENT_HASH_H

#include <stdint.h>
#include <string.h>

__extension__ typedef unsigned __int128 tg_kv_wide;

/* Both halves of a product, mixed: each bit of the result depends on all bits of a and b. */
static inline uint64_t tg_kv_mix(uint64_t a, uint64_t b)
{
    const tg_kv_wide product = (tg_kv_wide)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Constants with about as many ones as zeros: fractional digits of the square roots of 2 and 3. */
#define TG_KV_ROOT_2 0x6A09E667F3BCC909u
#define TG_KV_ROOT_3 0xBB67AE8584CAA73Bu

/* Two chains of multiplications: one chain would wait 4 cycles for each 16 bytes. */
static inline uint64_t tg_kv_hash(uint64_t seed, const void *bytes, uint64_t n)
{
    uint64_t a = seed ^ TG_KV_ROOT_2, b = seed ^ TG_KV_ROOT_3, words[4];
    const char *at = (const char *)bytes;
    for (uint64_t left = n; left > 0;) {
        const uint64_t part = left < sizeof words ? left : sizeof words;
        if (part < sizeof words) memset(words, 0, sizeof words);
        memcpy(words, at, part);
        a = tg_kv_mix(a ^ words[0], TG_KV_ROOT_3 ^ words[1]);
        b = tg_kv_mix(b ^ words[2], TG_KV_ROOT_2 ^ words[3]);
        at += part;
        left -= part;
    }
    return tg_kv_mix(a ^ n, b ^ TG_KV_ROOT_2);
}

#endif
