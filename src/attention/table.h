/*
 * table.h - the sequences of a KV cache and their rows of block numbers, without data, device or lock.
 *
 * A row holds ceil((n_tokens + n_reserved) / block_tokens) blocks. Tokens are written into reserved room only, and a
 * reservation ends sharing of the block that it begins in. So nobody else sees what a sequence writes.
 *
 * Threads: one at a time; the cache has the lock.
 */
#ifndef TG_ATTENTION_TABLE_H
#define TG_ATTENTION_TABLE_H

#include "attention/pool.h"

struct tg_kv_seq {
    uint32_t generation; /* of the row: sequences that it has had so far */
    bool is_open;
    int32_t next_free; /* row, while it is not open */
    uint32_t n_blocks;
    uint64_t n_tokens, n_reserved, n_known;
    uint64_t n_appends; /* of the cache, when it was part of the last one: no append has a sequence twice */
};

struct tg_kv_table {
    struct tg_kv_pool pool;
    struct tg_kv_seq *seqs; /* [n_rows] */
    int32_t *rows;          /* [n_rows][row_blocks]; TG_KV_NO_BLOCK behind n_blocks of an open one */
    uint32_t n_rows, row_blocks, n_open;
    int32_t free_row;
    uint64_t n_looked_up, n_reused;
};

/* false: no memory. */
bool tg_kv_table_init(struct tg_kv_table *table, uint32_t n_blocks, uint32_t block_tokens, uint32_t n_rows,
                      uint32_t row_blocks, bool reuse);
void tg_kv_table_fini(struct tg_kv_table *table);

/* The handle of a row's sequence, and the row of a handle. NULL: no open sequence has it. */
uint64_t tg_kv_table_handle(const struct tg_kv_table *table, uint32_t row);
struct tg_kv_seq *tg_kv_table_seq(const struct tg_kv_table *table, uint64_t handle);

static inline uint32_t tg_kv_table_row(const struct tg_kv_table *table, const struct tg_kv_seq *seq)
{
    return (uint32_t)(seq - table->seqs);
}
static inline int32_t *tg_kv_table_blocks(const struct tg_kv_table *table, const struct tg_kv_seq *seq)
{
    return table->rows + (uint64_t)tg_kv_table_row(table, seq) * table->row_blocks;
}

/* An empty sequence; NULL: all rows are in use. */
struct tg_kv_seq *tg_kv_table_open(struct tg_kv_table *table);
void tg_kv_table_close(struct tg_kv_table *table, struct tg_kv_seq *seq);

/* Blocks of the prefix of tokens[n_tokens] that are found. */
uint32_t tg_kv_table_find(const struct tg_kv_table *table, const int32_t *tokens, uint64_t n_tokens);

/* The empty sequence begins with the blocks that are found. */
void tg_kv_table_share_prefix(struct tg_kv_table *table, struct tg_kv_seq *seq, const int32_t *tokens,
                              uint64_t n_tokens);

/* `copy` is empty. Its committed tokens, and those of `seq`, are the same; both have nothing reserved. */
void tg_kv_table_share(struct tg_kv_table *table, struct tg_kv_seq *seq, struct tg_kv_seq *copy);

/* The blocks that a reservation of n_tokens needs. */
struct tg_kv_need {
    uint64_t n_blocks;  /* in the row then */
    uint64_t n_new;     /* blocks to take, the copy included */
    uint64_t n_missing; /* of these */
    bool copies;        /* the partial last block is shared, and has to be copied */
};
struct tg_kv_need tg_kv_table_need(const struct tg_kv_table *table, const struct tg_kv_seq *seq, uint64_t n_tokens);

/*
 * Reserve; nothing is missing. With need->copies *from, the shared block, stays in the row, and has one more reference;
 * *to receives its contents. The caller copies the data and calls tg_kv_table_replace.
 */
void tg_kv_table_reserve(struct tg_kv_table *table, struct tg_kv_seq *seq, uint64_t n_tokens,
                         const struct tg_kv_need *need, int32_t *from, int32_t *to);
void tg_kv_table_replace(struct tg_kv_table *table, struct tg_kv_seq *seq, int32_t from, int32_t to);

/* At most the reserved tokens; tokens may be NULL. */
void tg_kv_table_commit(struct tg_kv_table *table, struct tg_kv_seq *seq, const int32_t *tokens, uint64_t n_tokens);

/* At most the committed tokens. */
void tg_kv_table_truncate(struct tg_kv_table *table, struct tg_kv_seq *seq, uint64_t n_tokens);

#endif
