#include "machine/cpu/product.h"

static const struct tg_product_variant variants[] = {
#define TG_PRODUCT_VARIANT(name, needs, widening)                                                                      \
    {#name, needs, tg_product_##name, tg_widen_##widening, tg_unpack_##widening},
#include "machine/cpu/product_variants.inc"
#undef TG_PRODUCT_VARIANT
};
enum { N_VARIANTS = sizeof variants / sizeof variants[0] };

const struct tg_product_variant *tg_product_variant_at(size_t idx) { return idx < N_VARIANTS ? &variants[idx] : NULL; }

const struct tg_product_variant *tg_product_variant_for(enum tg_isa isa)
{
    const struct tg_product_variant *best = &variants[0]; /* needs nothing */
    for (size_t i = 1; i < N_VARIANTS; i++)
        if (variants[i].needs <= isa) best = &variants[i];
    return best;
}
