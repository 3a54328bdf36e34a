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

void tg_product_by_blocks(const struct tg_product *product, struct tg_stream *stream, tg_product_fn *multiply)
{
    enum { LANES = 16 };
    struct tg_product block = *product;
    block.blocks_apart = false;
    block.next = NULL;
    for (uint32_t col = 0; col < product->n; col += LANES, block.right++, block.sum += product->block_ld) {
        block.n = product->n - col < LANES ? product->n - col : LANES;
        multiply(&block, stream);
    }
}
