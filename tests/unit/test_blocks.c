/* blocks.c: the tree of blocks against a walk over the neighbours, after random use and after the worst there is. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/check.h"
#include "memory/blocks.h"
#include "reference.h"

enum { UNIT = 512 };

static uint64_t n_nodes;

/* Every node knows the height and the largest free block of its subtree, and no subtree leans. Returns the largest. */
static uint64_t check_node(const struct tg_gm_block *node, uint64_t low, uint64_t high, int *height)
{
    int left = 0, right = 0;
    *height = 0;
    if (!node) return 0;
    n_nodes++;
    assert_true(node->address >= low && node->address + node->bytes <= high);
    uint64_t largest = node->asked ? 0 : node->bytes;
    const uint64_t in_low = check_node(node->low, low, node->address, &left);
    const uint64_t in_high = check_node(node->high, node->address + node->bytes, high, &right);
    if (in_low > largest) largest = in_low;
    if (in_high > largest) largest = in_high;
    *height = 1 + (left > right ? left : right);
    assert_true(left - right <= 1 && right - left <= 1);
    assert_int_equal(node->height, *height);
    assert_int_equal(node->largest_free, largest);
    return largest;
}

/* Neighbours cover the range, no two that are free beside each other, and the tree has all of them. */
static void check_all(const struct tg_blocks *blocks, uint64_t address, uint64_t bytes)
{
    uint64_t at = address, n = 0;
    const struct tg_gm_block *before = NULL;
    for (const struct tg_gm_block *block = blocks->first; block; block = block->after) {
        assert_int_equal(block->address, at);
        assert_ptr_equal(block->before, before);
        assert_true(!before || before->asked || block->asked);
        assert_ptr_equal(tg_blocks_find(blocks, block->address), block);
        assert_ptr_equal(tg_blocks_find(blocks, block->address + block->bytes - 1), block);
        at += block->bytes;
        before = block;
        n++;
    }
    assert_int_equal(at, address + bytes);
    int height;
    n_nodes = 0;
    check_node(blocks->root, address, address + bytes, &height);
    assert_int_equal(n_nodes, n);
}

/* The lowest that is large enough, by a walk. */
static struct tg_gm_block *first_fit(const struct tg_blocks *blocks, uint64_t bytes)
{
    struct tg_gm_block *block = blocks->first;
    while (block && (block->asked || block->bytes < bytes)) block = block->after;
    return block;
}

static void random_use_keeps_tree_and_neighbours(void **state)
{
    (void)state;
    enum { N = 400, STEPS = 20000 };
    const uint64_t address = 1 << 20, bytes = 6000 * UNIT;
    struct tg_blocks blocks;
    struct tg_gm_block *used[N];
    int n = 0, n_refused = 0;
    uint64_t random = 7;
    assert_true(tg_blocks_init(&blocks, address, bytes));
    assert_null(tg_blocks_find(&blocks, address - 1));
    assert_null(tg_blocks_find(&blocks, address + bytes));
    for (int step = 0; step < STEPS; step++) {
        if (n < N && (n == 0 || ref_between(&random, 0, 99) < 53)) {
            const uint64_t wanted = (uint64_t)ref_between(&random, 1, step % 1000 < 500 ? 8 : 40) * UNIT;
            struct tg_gm_block *block = tg_blocks_find_free(&blocks, wanted);
            assert_ptr_equal(block, first_fit(&blocks, wanted));
            n_refused += !block;
            if (!block) continue;
            assert_true(tg_blocks_use(&blocks, block, wanted, wanted - 1));
            used[n++] = block;
        } else {
            const uint32_t pick = ref_between(&random, 0, (uint32_t)n - 1);
            tg_blocks_free(&blocks, used[pick]);
            used[pick] = used[--n];
        }
        if (step % 50 == 0) check_all(&blocks, address, bytes);
    }
    assert_true(n_refused > 0);
    while (n > 0) tg_blocks_free(&blocks, used[--n]);
    check_all(&blocks, address, bytes);
    assert_null(blocks.first->after);
    tg_blocks_fini(&blocks);
}

/* 100,000 holes, none of them large enough: the way down the tree is short all the same. */
static void many_holes_leave_the_tree_low(void **state)
{
    (void)state;
    enum { N = 100000 };
    struct tg_blocks blocks;
    struct tg_gm_block **used = malloc(2 * N * sizeof *used);
    assert_non_null(used);
    assert_true(tg_blocks_init(&blocks, 0, (uint64_t)(3 * N + 3) * UNIT));
    for (int i = 0; i < 2 * N; i++) {
        const uint64_t bytes = i % 2 ? UNIT : 2 * UNIT;
        used[i] = tg_blocks_find_free(&blocks, bytes);
        assert_true(used[i] && tg_blocks_use(&blocks, used[i], bytes, bytes));
    }
    for (int i = 0; i < 2 * N; i += 2) tg_blocks_free(&blocks, used[i]);
    check_all(&blocks, 0, (uint64_t)(3 * N + 3) * UNIT);
    assert_true(blocks.root->height <= 1.45 * log2(2 * N + 3));
    assert_ptr_equal(tg_blocks_find_free(&blocks, 3 * UNIT), first_fit(&blocks, 3 * UNIT)); /* the rest at the end */
    assert_null(tg_blocks_find_free(&blocks, 4 * UNIT));
    tg_blocks_fini(&blocks);
    free(used);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_use_keeps_tree_and_neighbours),
        cmocka_unit_test(many_holes_leave_the_tree_low),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
