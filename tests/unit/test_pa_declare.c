/* pa_declare.c: what no sequence uses holds nothing, what several use is read only, all else is not spoken of. */
#include <stdlib.h>

#include "common/check.h"
#include "pa_declare.h"

enum { BATCH = 3, COLS = 4, BLOCKS = 5, BLOCK_SIZE = 8 };
#define BLOCK_BYTES (2u * 16u * BLOCK_SIZE * 4u) /* 2 KV heads of 16 x 8 fp32 */

static int32_t table[BATCH * COLS] = {0, 1, -1, -1, /* */ 2, 1, 1, 2, /* */ -1, -1, -1, -1};
static int32_t lengths[BATCH] = {9, 32, 0};

static struct pa_declared declare(void)
{
    const struct pa_problem problem = {
        .shape =
            {.batch = BATCH, .heads = 2, .kv_heads = 2, .head_dim = 16, .block_size = BLOCK_SIZE, .dtype = PA_FP32},
        .table_cols = COLS,
        .n_blocks = BLOCKS,
        .block_table = table,
        .context_lens = lengths,
    };
    struct pa_declared declared;
    struct failure why;
    assert_int_equal(pa_declare(&problem, &declared, &why), TG_OK);
    return declared;
}

/* There is exactly one declaration that begins there, and it is this. */
static void expect(const struct pa_declared *declared, uint32_t tensor, uint64_t offset, uint64_t bytes, uint32_t kind,
                   const char *what)
{
    size_t n = 0;
    for (size_t i = 0; i < declared->n; i++) {
        const struct tg_declared *d = &declared->items[i];
        if (d->tensor != tensor || d->offset != offset) continue;
        n++;
        CHECK(d->bytes == bytes && d->kind == kind && strcmp(d->what, what) == 0, "%s", d->what);
    }
    CHECK(n == 1, "%zu for %s", n, what);
}

static void entries_behind_a_context_hold_nothing(void **state)
{
    (void)state;
    struct pa_declared d = declare();
    expect(&d, PA_TENSOR_BLOCK_TABLE, 8, 8, TG_UNDEFINED, "row 0, whose context of 9 tokens ends with entry 2");
    expect(&d, PA_TENSOR_BLOCK_TABLE, 32, 16, TG_UNDEFINED, "row 2, whose context of 0 tokens ends with entry 0");
    pa_declared_free(&d);
}

static void blocks_are_used_by_none_by_one_or_shared(void **state)
{
    (void)state;
    struct pa_declared d = declare();
    for (uint32_t tensor = PA_TENSOR_KEY_CACHE; tensor <= PA_TENSOR_VALUE_CACHE; tensor++) {
        expect(&d, tensor, 1 * BLOCK_BYTES, BLOCK_BYTES, TG_READ_ONLY,
               "block 1, which 2 sequences share, 0 and 1 among them");
        expect(&d, tensor, 3 * BLOCK_BYTES, BLOCK_BYTES, TG_UNDEFINED, "block 3, which no sequence uses");
        expect(&d, tensor, 4 * BLOCK_BYTES, BLOCK_BYTES, TG_UNDEFINED, "block 4, which no sequence uses");
    }
    assert_int_equal(d.n, 2 + 2 * 3); /* nothing of blocks 0 and 2, each of one sequence */
    pa_declared_free(&d);
}

int main(int argc, char **argv)
{
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_behind_a_context_hold_nothing),
        cmocka_unit_test(blocks_are_used_by_none_by_one_or_shared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
