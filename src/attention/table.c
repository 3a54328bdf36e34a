#include "attention/table.h"

#include <stdlib.h>
#include <string.h>

static const struct tg_kv_identity root = {TG_KV_NO_BLOCK, 0};

bool tg_kv_table_init(struct tg_kv_table *table, uint32_t n_blocks, uint32_t block_tokens, uint32_t n_rows,
                      uint32_t row_blocks, bool reuse)
{
    memset(table, 0, sizeof *table);
    if (!tg_kv_pool_init(&table->pool, n_blocks, block_tokens, reuse)) return false;
    table->n_rows = n_rows;
    table->row_blocks = row_blocks;
    table->seqs = calloc(n_rows, sizeof *table->seqs);
    table->rows = malloc((size_t)n_rows * row_blocks * sizeof *table->rows);
    if (!table->seqs || !table->rows) {
        tg_kv_table_fini(table);
        return false;
    }
    for (uint32_t i = 0; i < n_rows; i++) table->seqs[i].next_free = i + 1 < n_rows ? (int32_t)i + 1 : -1;
    return true;
}

void tg_kv_table_fini(struct tg_kv_table *table)
{
    tg_kv_pool_fini(&table->pool);
    free(table->seqs);
    free(table->rows);
    memset(table, 0, sizeof *table);
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

/* Generations begin at 1, so that no handle is 0. */
uint64_t tg_kv_table_handle(const struct tg_kv_table *table, uint32_t row)
{
    return (uint64_t)table->seqs[row].generation << 32 | row;
}

struct tg_kv_seq *tg_kv_table_seq(const struct tg_kv_table *table, uint64_t handle)
{
    const uint32_t row = (uint32_t)handle;
    if (row >= table->n_rows) return NULL;
    struct tg_kv_seq *seq = &table->seqs[row];
    return seq->is_open && seq->generation == handle >> 32 ? seq : NULL;
}

struct tg_kv_seq *tg_kv_table_open(struct tg_kv_table *table)
{
    if (table->free_row < 0) return NULL;
    struct tg_kv_seq *seq = &table->seqs[table->free_row];
    table->free_row = seq->next_free;
    table->n_open++;
    seq->is_open = true;
    /* Rows take no memory before they are used for the first time. 0xFF bytes are TG_KV_NO_BLOCK. */
    if (seq->generation == 0) memset(tg_kv_table_blocks(table, seq), 0xFF, table->row_blocks * sizeof *table->rows);
    if (++seq->generation == 0) seq->generation = 1;
    seq->n_blocks = 0;
    seq->n_tokens = seq->n_reserved = seq->n_known = 0;
    return seq;
}

/* Shorten the row to n_blocks. The last block goes first: the order in which kept blocks are evicted (pool.h). */
static void shrink(struct tg_kv_table *table, struct tg_kv_seq *seq, uint32_t n_blocks)
{
    int32_t *blocks = tg_kv_table_blocks(table, seq);
    while (seq->n_blocks > n_blocks) {
        tg_kv_pool_drop(&table->pool, blocks[--seq->n_blocks]);
        blocks[seq->n_blocks] = TG_KV_NO_BLOCK;
    }
}

void tg_kv_table_close(struct tg_kv_table *table, struct tg_kv_seq *seq)
{
    shrink(table, seq, 0);
    seq->is_open = false;
    seq->next_free = table->free_row;
    table->free_row = (int32_t)tg_kv_table_row(table, seq);
    table->n_open--;
}

static uint64_t blocks_for(const struct tg_kv_table *table, uint64_t n_tokens)
{
    return (n_tokens + table->pool.block_tokens - 1) / table->pool.block_tokens;
}

static void give_back_reserved(struct tg_kv_table *table, struct tg_kv_seq *seq)
{
    shrink(table, seq, (uint32_t)blocks_for(table, seq->n_tokens));
    seq->n_reserved = 0;
}

/* ---- sharing ----------------------------------------------------------------------------------------------------- */

/* Call it for the next block of a prefix: the block behind *parent, which becomes the parent. */
static int32_t find_next(const struct tg_kv_table *table, struct tg_kv_identity *parent, const int32_t *tokens)
{
    const int32_t block = tg_kv_pool_find(&table->pool, *parent, tokens);
    if (block >= 0) *parent = (struct tg_kv_identity){block, table->pool.blocks[block].generation};
    return block;
}

static uint64_t most_blocks(const struct tg_kv_table *table, uint64_t n_tokens)
{
    const uint64_t n = n_tokens / table->pool.block_tokens;
    return n < table->row_blocks ? n : table->row_blocks;
}

uint32_t tg_kv_table_find(const struct tg_kv_table *table, const int32_t *tokens, uint64_t n_tokens)
{
    struct tg_kv_identity parent = root;
    const uint64_t most = most_blocks(table, n_tokens);
    uint32_t n = 0;
    while (n < most && find_next(table, &parent, tokens + (uint64_t)n * table->pool.block_tokens) >= 0) n++;
    return n;
}

void tg_kv_table_share_prefix(struct tg_kv_table *table, struct tg_kv_seq *seq, const int32_t *tokens,
                              uint64_t n_tokens)
{
    struct tg_kv_identity parent = root;
    int32_t *blocks = tg_kv_table_blocks(table, seq);
    for (const uint64_t most = most_blocks(table, n_tokens); seq->n_blocks < most; seq->n_blocks++) {
        const int32_t block = find_next(table, &parent, tokens + (uint64_t)seq->n_blocks * table->pool.block_tokens);
        if (block < 0) break;
        tg_kv_pool_share(&table->pool, block);
        blocks[seq->n_blocks] = block;
    }
    seq->n_tokens = seq->n_known = (uint64_t)seq->n_blocks * table->pool.block_tokens;
    table->n_looked_up += n_tokens;
    table->n_reused += seq->n_tokens;
}

void tg_kv_table_share(struct tg_kv_table *table, struct tg_kv_seq *seq, struct tg_kv_seq *copy)
{
    give_back_reserved(table, seq);
    int32_t *from = tg_kv_table_blocks(table, seq), *to = tg_kv_table_blocks(table, copy);
    for (uint32_t i = 0; i < seq->n_blocks; i++) {
        tg_kv_pool_share(&table->pool, from[i]);
        to[i] = from[i];
    }
    copy->n_blocks = seq->n_blocks;
    copy->n_tokens = seq->n_tokens;
    copy->n_known = seq->n_known;
}

/* ---- growing ----------------------------------------------------------------------------------------------------- */

/* The block that the next token goes into if it has tokens already; else TG_KV_NO_BLOCK. */
static int32_t partial_block(const struct tg_kv_table *table, const struct tg_kv_seq *seq)
{
    const uint32_t block_tokens = table->pool.block_tokens;
    if (seq->n_tokens % block_tokens == 0) return TG_KV_NO_BLOCK;
    return tg_kv_table_blocks(table, seq)[seq->n_tokens / block_tokens];
}

struct tg_kv_need tg_kv_table_need(const struct tg_kv_table *table, const struct tg_kv_seq *seq, uint64_t n_tokens)
{
    struct tg_kv_need need = {0, 0, 0, false};
    const int32_t partial = n_tokens ? partial_block(table, seq) : TG_KV_NO_BLOCK;
    const uint32_t n_available = tg_kv_pool_available(&table->pool);
    need.n_blocks = blocks_for(table, seq->n_tokens + n_tokens);
    need.copies = partial >= 0 && table->pool.blocks[partial].refs > 1;
    need.n_new = (need.n_blocks > seq->n_blocks ? need.n_blocks - seq->n_blocks : 0) + need.copies;
    need.n_missing = need.n_new > n_available ? need.n_new - n_available : 0;
    return need;
}

void tg_kv_table_reserve(struct tg_kv_table *table, struct tg_kv_seq *seq, uint64_t n_tokens,
                         const struct tg_kv_need *need, int32_t *from, int32_t *to)
{
    int32_t *blocks = tg_kv_table_blocks(table, seq);
    const int32_t partial = n_tokens ? partial_block(table, seq) : TG_KV_NO_BLOCK;
    if (need->copies) {
        *from = partial;
        *to = tg_kv_pool_take(&table->pool);
        tg_kv_pool_share(&table->pool, partial);
    } else if (partial >= 0) {
        tg_kv_pool_forget(&table->pool, partial);
    }
    shrink(table, seq, (uint32_t)need->n_blocks);
    while (seq->n_blocks < need->n_blocks) blocks[seq->n_blocks++] = tg_kv_pool_take(&table->pool);
    seq->n_reserved = n_tokens;
}

void tg_kv_table_replace(struct tg_kv_table *table, struct tg_kv_seq *seq, int32_t from, int32_t to)
{
    struct tg_kv_pool *pool = &table->pool;
    const uint32_t block_tokens = pool->block_tokens;
    if (pool->tokens)
        memcpy(tg_kv_pool_tokens(pool, to), tg_kv_pool_tokens(pool, from), block_tokens * sizeof *pool->tokens);
    tg_kv_table_blocks(table, seq)[seq->n_tokens / block_tokens] = to;
    tg_kv_pool_drop(pool, from); /* of the row */
    tg_kv_pool_drop(pool, from); /* of the copy that is done */
}

/* Block number `idx` of the row is full, and all tokens up to its end are known. */
static void identify(struct tg_kv_table *table, const struct tg_kv_seq *seq, uint64_t idx)
{
    const int32_t *blocks = tg_kv_table_blocks(table, seq);
    const struct tg_kv_identity parent = idx ? table->pool.blocks[blocks[idx - 1]].same_as : root;
    tg_kv_pool_identify(&table->pool, blocks[idx], parent);
}

void tg_kv_table_commit(struct tg_kv_table *table, struct tg_kv_seq *seq, const int32_t *tokens, uint64_t n_tokens)
{
    const uint32_t block_tokens = table->pool.block_tokens;
    const bool known = tokens && table->pool.tokens && seq->n_known == seq->n_tokens;
    for (uint64_t done = 0; known && done < n_tokens;) {
        const uint64_t at = seq->n_known % block_tokens, idx = seq->n_known / block_tokens;
        const uint64_t room = block_tokens - at, n = n_tokens - done < room ? n_tokens - done : room;
        const int32_t block = tg_kv_table_blocks(table, seq)[idx];
        memcpy(tg_kv_pool_tokens(&table->pool, block) + at, tokens + done, n * sizeof *tokens);
        seq->n_known += n;
        done += n;
        if (n == room) identify(table, seq, idx);
    }
    seq->n_tokens += n_tokens;
    seq->n_reserved -= n_tokens;
}

void tg_kv_table_truncate(struct tg_kv_table *table, struct tg_kv_seq *seq, uint64_t n_tokens)
{
    seq->n_tokens = n_tokens;
    if (seq->n_known > n_tokens) seq->n_known = n_tokens;
    give_back_reserved(table, seq);
}
