#include "memory/blocks.h"

#include <stdlib.h>

/* ---- an AVL tree ---- */

static int height(const struct tg_gm_block *node) { return node ? node->height : 0; }

static uint64_t largest_free(const struct tg_gm_block *node) { return node ? node->largest_free : 0; }

static bool is_free(const struct tg_gm_block *block) { return block->asked == 0 && !block->aside; }

static uint64_t larger(uint64_t a, uint64_t b) { return a > b ? a : b; }

/* Update a node's summary of its subtree from its children. */
static void update(struct tg_gm_block *node)
{
    const int low = height(node->low), high = height(node->high);
    node->height = 1 + (low > high ? low : high);
    node->largest_free = larger(is_free(node) ? node->bytes : 0,
                                larger(largest_free(node->low), largest_free(node->high)));
}

static struct tg_gm_block *rotate_up_low(struct tg_gm_block *node)
{
    struct tg_gm_block *top = node->low;
    node->low = top->high;
    top->high = node;
    update(node);
    update(top);
    return top;
}

static struct tg_gm_block *rotate_up_high(struct tg_gm_block *node)
{
    struct tg_gm_block *top = node->high;
    node->high = top->low;
    top->low = node;
    update(node);
    update(top);
    return top;
}

/* The root of a subtree whose children differ in height by 2 at most. */
static struct tg_gm_block *balance(struct tg_gm_block *node)
{
    update(node);
    const int lean = height(node->low) - height(node->high);
    if (lean > 1) {
        if (height(node->low->low) < height(node->low->high)) node->low = rotate_up_high(node->low);
        return rotate_up_low(node);
    }
    if (lean < -1) {
        if (height(node->high->high) < height(node->high->low)) node->high = rotate_up_low(node->high);
        return rotate_up_high(node);
    }
    return node;
}

static struct tg_gm_block *insert(struct tg_gm_block *node, struct tg_gm_block *block)
{
    if (!node) {
        block->low = block->high = NULL;
        update(block);
        return block;
    }
    if (block->address < node->address) node->low = insert(node->low, block);
    else node->high = insert(node->high, block);
    return balance(node);
}

/* Take the block with the lowest address out of a subtree. */
static struct tg_gm_block *remove_lowest(struct tg_gm_block *node, struct tg_gm_block **lowest)
{
    if (!node->low) {
        *lowest = node;
        return node->high;
    }
    node->low = remove_lowest(node->low, lowest);
    return balance(node);
}

/* Remove the block at `address`, which exists. */
static struct tg_gm_block *take_out(struct tg_gm_block *node, uint64_t address)
{
    if (address < node->address) {
        node->low = take_out(node->low, address);
    } else if (address > node->address) {
        node->high = take_out(node->high, address);
    } else {
        if (!node->high) return node->low;
        struct tg_gm_block *next = NULL, *high = remove_lowest(node->high, &next);
        next->low = node->low;
        next->high = high;
        node = next;
    }
    return balance(node);
}

/* The block at `address` has changed: update the summaries above it. */
static void changed(struct tg_gm_block *node, uint64_t address)
{
    if (address < node->address) changed(node->low, address);
    else if (address > node->address) changed(node->high, address);
    update(node);
}

/* ---- blocks ---- */

bool tg_blocks_init(struct tg_blocks *blocks, uint64_t address, uint64_t bytes)
{
    struct tg_gm_block *all = calloc(1, sizeof *all);
    if (!all) return false;
    all->address = address;
    all->bytes = bytes;
    blocks->first = all;
    blocks->root = insert(NULL, all);
    return true;
}

void tg_blocks_fini(struct tg_blocks *blocks)
{
    for (struct tg_gm_block *block = blocks->first, *after; block; block = after) {
        after = block->after;
        free(block);
    }
    blocks->first = blocks->root = NULL;
}

struct tg_gm_block *tg_blocks_find(const struct tg_blocks *blocks, uint64_t address)
{
    struct tg_gm_block *node = blocks->root;
    while (node && address - node->address >= node->bytes) node = address < node->address ? node->low : node->high;
    return node;
}

struct tg_gm_block *tg_blocks_find_free(const struct tg_blocks *blocks, uint64_t bytes)
{
    struct tg_gm_block *node = blocks->root;
    if (largest_free(node) < bytes) return NULL;
    for (;;) {
        if (largest_free(node->low) >= bytes) node = node->low;
        else if (is_free(node) && node->bytes >= bytes) return node;
        else node = node->high;
    }
}

/* Keep the first `bytes` of a block. The rest becomes a block of its own, which is returned for inserting. NULL: no
 * memory. */
static struct tg_gm_block *cut(struct tg_gm_block *block, uint64_t bytes)
{
    struct tg_gm_block *rest = calloc(1, sizeof *rest);
    if (!rest) return NULL;
    rest->address = block->address + bytes;
    rest->bytes = block->bytes - bytes;
    rest->before = block;
    rest->after = block->after;
    if (rest->after) rest->after->before = rest;
    block->after = rest;
    block->bytes = bytes;
    return rest;
}

bool tg_blocks_use(struct tg_blocks *blocks, struct tg_gm_block *block, uint64_t bytes, uint64_t asked)
{
    struct tg_gm_block *rest = NULL;
    if (block->bytes > bytes && !(rest = cut(block, bytes))) return false;
    block->asked = asked;
    changed(blocks->root, block->address);
    if (rest) blocks->root = insert(blocks->root, rest);
    return true;
}

/* Join two free neighbours. */
static struct tg_gm_block *join(struct tg_blocks *blocks, struct tg_gm_block *block, struct tg_gm_block *after)
{
    blocks->root = take_out(blocks->root, after->address);
    block->bytes += after->bytes;
    block->after = after->after;
    if (block->after) block->after->before = block;
    free(after);
    return block;
}

void tg_blocks_trim(struct tg_blocks *blocks, struct tg_gm_block *block, uint64_t bytes)
{
    struct tg_gm_block *rest = block->bytes > bytes ? cut(block, bytes) : NULL;
    if (!rest) return;
    changed(blocks->root, block->address);
    blocks->root = insert(blocks->root, rest);
    tg_blocks_free(blocks, rest);
}

void tg_blocks_set_aside(struct tg_blocks *blocks, struct tg_gm_block *block)
{
    block->asked = 0;
    block->aside = true;
    changed(blocks->root, block->address);
}

void tg_blocks_free(struct tg_blocks *blocks, struct tg_gm_block *block)
{
    block->asked = 0;
    block->aside = false;
    if (block->after && is_free(block->after)) block = join(blocks, block, block->after);
    if (block->before && is_free(block->before)) block = join(blocks, block->before, block);
    changed(blocks->root, block->address);
}
