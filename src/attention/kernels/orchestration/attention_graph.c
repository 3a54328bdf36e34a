/*
 * attention_graph.c - a step of attention as a graph of tasks.
 *
 * A chain is some query tokens of one sequence and some of the query heads that share one KV head: up to ROWS_MAX rows.
 * Its keys are cut into spans, which begin at multiples of span_blocks KV blocks. So a sequence has the same spans in
 * every batch. Each span has a softmax of its own, which is merged into that of the chain in the order of keys:
 *
 *     span 0   QK -> SM -> PV -> MG
 *                                |
 *     span 1   QK -> SM -> PV -> MG
 *                                |
 *     span 2   QK -> SM -> PV -> MG -> out
 *
 * Where the rows are apart in the query, or of another type than keys, a QU task before the chain gathers them.
 *
 * Keys and values of another type are converted first, by two CV tasks of the span before QK and PV. On `cpu` products
 * widen 8-bit elements themselves, and there are no CV tasks.
 *
 * Sequences that share a prefix have a chain together, which works off whole spans of the prefix for all their rows. It
 * leaves its running softmax to their own chains, which go on from there:
 *
 *     prefix        QK -> SM -> PV -> MG --+-----------------+
 *                                          |                 |
 *     sequence 0    QK -> SM -> PV ------> MG -> out         |
 *     sequence 1    QK -> SM -> PV ------------------------> MG -> out
 *
 * Blocks that no row of the chain sees have no task. A chain without keys is one MG task, which writes zeros.
 *
 * Up to TURN_CHAINS chains take turns, so that their MG tasks, one after the other inside a chain, run side by side. A
 * turn is a wave of up to WAVE_SPANS spans of one chain. Their first tasks are published first, so that as many cores
 * start together.
 *
 * Memory. The tasks of a span share a slot of a ring. A chain has a place of another ring for its running softmax and
 * its gathered rows. Edges alone order their reuse.
 * Each task of a slot lies on the path from the span's first task to its MG, which has an edge to the first task of the
 * slot's next span. Each task of a place lies on a path to the chain's last MG, which has an edge to the first tasks of
 * the place's next chain.
 */
#include <stdbool.h>
#include <stdio.h>

#include <tilegraph/orchestration.h>

#include "../arguments.h"
#include "../scratch.h"
#include "../step.h"

enum { FUNC_QK, FUNC_SOFTMAX, FUNC_PV, FUNC_MERGE, FUNC_QUERY, FUNC_CONVERT };

enum { WAVE_SPANS = 8, TURN_CHAINS = 32, NO_TASK = -1 };

static uint64_t smaller(uint64_t a, uint64_t b) { return a < b ? a : b; }
static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

/* A softmax that is not yet divided: device addresses. */
struct partial {
    uint64_t m, l; /* fp32 [rows] */
    uint64_t o;    /* fp32 [rows][value_dim] */
};

/* The memory that the tasks of a span share: device addresses. */
struct slot {
    uint64_t s, p;         /* fp32 and compute type [rows][span_tokens] */
    uint64_t keys, values; /* compute type, converted: one block of span_tokens */
    struct partial part;
};

/* Places of equal size that are handed out in turn, and the last task that uses each. */
struct ring {
    uint64_t base, place_bytes, n_places, n_taken;
    int user[SLOTS_MAX];
};

struct builder {
    struct tg_runtime *rt;
    const struct step *step;
    const struct step_sequence *sequences;
    const int32_t *ids;
    const uint64_t *tensors;          /* device addresses */
    uint64_t group;                   /* query heads that share a KV head */
    uint64_t tokens_most, heads_most; /* of a chain */
    uint64_t span_tokens;
    uint64_t prefixes;      /* device address of the running softmax of each prefix chain */
    int32_t *prefix_merges; /* in device memory: the last task of each */
    uint64_t n_prefixes;    /* chains of the prefixes before the present one */
    bool dims_are_rows;     /* of a block's keys */
    struct scratch scratch;
    struct ring slots, places;
};

struct chain {
    struct step_sequence sequence; /* of a prefix: all query tokens of those that share it, and its keys */
    uint32_t seq, kv_head;
    uint32_t head, n_heads;   /* of the KV head's query heads */
    uint32_t token, n_tokens; /* of the sequence's query */
    uint64_t rows;
    uint64_t low, high; /* the keys that its rows see */
    uint64_t first_span, n_spans, n_built;
    struct partial running; /* with two spans or more, or a prefix; else 0 */
    int64_t prefix;         /* number of the prefix chain that this one is or goes on from; -1: none */
    bool is_prefix;
    uint64_t rows_at; /* device address of its gathered rows; 0: they are used where they are */
    int gather;       /* task that gathers them, or NO_TASK */
    int last_merge;   /* task, or NO_TASK */
    int place;        /* of b->places, or -1 */
};

struct span {
    uint64_t low, high; /* keys; low is the first of a block */
    struct slot slot;
    uint64_t slot_idx;
    int first, qk; /* tasks: the first one of the slot, and QK, which may be the same */
    char label[96];
};

/* ---- memory between tasks ---------------------------------------------------------------------------------------- */

static struct partial partial_at(const struct builder *b, uint64_t base)
{
    const struct partial part = {base, base + b->scratch.row, base + 2 * b->scratch.row};
    return part;
}

static struct slot slot_at(const struct builder *b, uint64_t base)
{
    struct slot slot;
    slot.s = base;
    slot.p = slot.s + b->scratch.scores;
    slot.keys = slot.p + b->scratch.weights;
    slot.values = slot.keys + b->scratch.keys;
    slot.part = partial_at(b, slot.values + b->scratch.values);
    return slot;
}

static void ring_init(struct ring *ring, uint64_t base, uint64_t place_bytes, uint64_t n_places)
{
    ring->base = base;
    ring->place_bytes = place_bytes;
    ring->n_places = n_places;
    ring->n_taken = 0;
    for (uint64_t i = 0; i < n_places; i++) ring->user[i] = NO_TASK;
}

/* The index of the next place. */
static uint64_t ring_take(struct ring *ring) { return ring->n_taken++ % ring->n_places; }
static uint64_t ring_at(const struct ring *ring, uint64_t idx) { return ring->base + idx * ring->place_bytes; }

/* ---- chains ------------------------------------------------------------------------------------------------------ */

/* The keys that rows [token, token + n_tokens) of the sequence's query see: those that at least one of them sees. */
static void find_keys(const struct builder *b, struct chain *c)
{
    const int64_t context = c->sequence.context, first = context - c->sequence.query_tokens + c->token;
    const int64_t last = first + c->n_tokens - 1;
    int64_t low = 0, high = context;
    if (b->step->left >= 0) low = larger(0, first - b->step->left);
    if (b->step->right >= 0 && last + b->step->right + 1 < high) high = last + b->step->right + 1;
    c->low = c->high = 0;
    if (high <= low) return;
    c->low = (uint64_t)low / b->step->key_align * b->step->key_align;
    c->high = (uint64_t)high;
    c->first_span = c->low / b->span_tokens;
    c->n_spans = (c->high + b->span_tokens - 1) / b->span_tokens - c->first_span;
}

/* Chains of n_tokens: the tokens in parts of tokens_part, the heads of each KV head in parts of heads_most. */
static uint64_t head_parts(const struct builder *b) { return (b->group + b->heads_most - 1) / b->heads_most; }
static uint64_t n_chains(const struct builder *b, uint64_t n_tokens, uint64_t tokens_part)
{
    return (n_tokens + tokens_part - 1) / tokens_part * head_parts(b) * b->step->kv_heads;
}

/* Chain number `idx` of them. */
static struct chain chain_make(const struct builder *b, const struct step_sequence *sequence, uint64_t tokens_part,
                               uint64_t idx)
{
    struct chain c;
    memset(&c, 0, sizeof c);
    c.sequence = *sequence;
    c.head = (uint32_t)(idx % head_parts(b) * b->heads_most);
    c.kv_head = (uint32_t)(idx / head_parts(b) % b->step->kv_heads);
    c.token = (uint32_t)(idx / head_parts(b) / b->step->kv_heads * tokens_part);
    c.n_heads = (uint32_t)smaller(b->group - c.head, b->heads_most);
    c.n_tokens = (uint32_t)smaller(sequence->query_tokens - c.token, tokens_part);
    c.rows = (uint64_t)c.n_heads * c.n_tokens;
    c.gather = c.last_merge = NO_TASK;
    c.place = -1;
    c.prefix = -1;
    return c;
}

/* ---- prefixes ---------------------------------------------------------------------------------------------------- */

static bool leads(const struct builder *b, const struct step_sequence *s)
{
    return b->step->shares && s->n_sharing > 1;
}

/* Query tokens of a prefix chain: whole sequences. */
static uint64_t prefix_part(const struct builder *b, const struct step_sequence *leader)
{
    return b->tokens_most / leader->query_tokens * leader->query_tokens;
}

/* All query tokens of the sequences that share a prefix, and its keys. */
static struct step_sequence prefix_of(const struct builder *b, const struct step_sequence *leader)
{
    struct step_sequence all = *leader;
    all.query_tokens = leader->query_tokens * leader->n_sharing;
    all.context = (uint32_t)(leader->shared_spans * b->span_tokens);
    return all;
}

static uint64_t n_prefix_chains(const struct builder *b, const struct step_sequence *leader)
{
    return n_chains(b, (uint64_t)leader->query_tokens * leader->n_sharing, prefix_part(b, leader));
}

static struct partial prefix_partial(const struct builder *b, uint64_t prefix, uint64_t row)
{
    struct partial part = partial_at(b, b->prefixes + prefix * b->scratch.partial);
    part.m += row * sizeof(float);
    part.l += row * sizeof(float);
    part.o += row * b->step->value_dim * sizeof(float);
    return part;
}

/* Chain number `idx` of the prefix of a leader. */
static struct chain prefix_chain(const struct builder *b, const struct step_sequence *leader, uint64_t idx)
{
    const struct step_sequence all = prefix_of(b, leader);
    struct chain c = chain_make(b, &all, prefix_part(b, leader), idx);
    c.is_prefix = true;
    c.prefix = (int64_t)(b->n_prefixes + idx);
    c.n_spans = leader->shared_spans;
    c.high = all.context;
    return c;
}

/* Chain number `idx` of sequence `seq`. */
static struct chain sequence_chain(const struct builder *b, uint32_t seq, uint64_t idx)
{
    const struct step_sequence *s = &b->sequences[seq], *leader = &b->sequences[s->leader];
    struct chain c = chain_make(b, s, b->tokens_most, idx);
    c.seq = seq;
    find_keys(b, &c);
    if (!leads(b, leader)) return c;
    const uint64_t part = (seq - s->leader) * s->query_tokens / prefix_part(b, leader);
    c.prefix = (int64_t)(b->n_prefixes + part * head_parts(b) * b->step->kv_heads + idx);
    c.low = smaller(leader->shared_spans * b->span_tokens, c.high);
    c.first_span = leader->shared_spans;
    c.n_spans = (c.high - c.low + b->span_tokens - 1) / b->span_tokens;
    return c;
}

static uint64_t n_sequence_chains(const struct builder *b, uint32_t seq)
{
    return n_chains(b, b->sequences[seq].query_tokens, b->tokens_most);
}

/* Has QK to read the rows from a copy? */
static bool gathers(const struct builder *b, const struct chain *c)
{
    const struct step *s = b->step;
    return c->n_spans > 0 &&
           ((c->n_tokens > 1 && c->n_heads > 1) || s->query_dtype != s->compute_dtype || s->rotated > 0);
}

static bool needs_place(const struct builder *b, const struct chain *c)
{
    return (c->n_spans > 1 && c->prefix < 0) || gathers(b, c);
}

/* The chain's first query head, and its first token in the batch. */
static uint64_t first_head(const struct builder *b, const struct chain *c) { return c->kv_head * b->group + c->head; }
static uint64_t first_token(const struct chain *c) { return (uint64_t)c->sequence.first_token + c->token; }

/* The device address of the chain's first row in a tensor. */
static uint64_t row_address(const struct builder *b, const struct chain *c, uint32_t tensor, uint32_t dtype,
                            int64_t token_ld, int64_t head_ld)
{
    const int64_t at = (int64_t)first_token(c) * token_ld + (int64_t)first_head(b, c) * head_ld;
    return b->tensors[tensor] + (uint64_t)(at * (int64_t)scratch_element_bytes(dtype));
}

/* fp32 [heads][8] of the descriptor, from the chain's first head on; 0: the step has none. */
static uint64_t per_head(const struct builder *b, const struct chain *c, uint32_t offset)
{
    return offset ? b->tensors[STEP_DESCRIPTOR] + offset + first_head(b, c) * 8 * sizeof(float) : 0;
}

/* ---- tasks ------------------------------------------------------------------------------------------------------- */

/* Keys or values in the cache. */
struct array {
    uint32_t tensor, scales; /* scales 0: none */
    int64_t block_ld, head_ld;
};
static struct array keys_of(const struct step *s)
{
    const struct array keys = {STEP_KEYS, s->key_scales, s->key_block_ld, s->key_head_ld};
    return keys;
}
static struct array values_of(const struct step *s)
{
    const struct array values = {STEP_VALUES, s->value_scales, s->value_block_ld, s->value_head_ld};
    return values;
}

/* The number of the span's first block in its sequence, and that behind its last. */
static uint64_t first_block(const struct builder *b, const struct span *k) { return k->low / b->step->block_tokens; }
static uint64_t end_block(const struct builder *b, const struct span *k)
{
    return (k->high + b->step->block_tokens - 1) / b->step->block_tokens;
}

static uint64_t block_address(const struct builder *b, const struct chain *c, struct array array, int32_t id)
{
    const uint64_t at = (uint64_t)id * (uint64_t)array.block_ld + c->kv_head * (uint64_t)array.head_ld;
    return b->tensors[array.tensor] + at * scratch_element_bytes(b->step->kv_dtype);
}

/* Write the addresses of the span's blocks to `args`, and return how many they are; `copy`: of the converted ones. */
static int put_blocks(const struct builder *b, const struct chain *c, const struct span *k, struct array array,
                      uint64_t copy, uint64_t *args)
{
    const int32_t *ids = b->ids + c->sequence.table;
    int n = 0;
    if (b->step->converts) {
        args[0] = copy;
        return 1;
    }
    for (uint64_t block = first_block(b, k); block < end_block(b, k); block++)
        args[n++] = block_address(b, c, array, ids[block]);
    return n;
}

/* The same with the scale of each block. */
static int put_scaled_blocks(const struct builder *b, const struct chain *c, const struct span *k, struct array array,
                             uint64_t *args)
{
    const int32_t *ids = b->ids + c->sequence.table;
    int n = 0;
    for (uint64_t block = first_block(b, k); block < end_block(b, k); block++) {
        float scale = 1;
        if (array.scales) {
            const float *scales = (const float *)(uintptr_t)b->tensors[array.scales];
            scale = scales[(uint64_t)ids[block] * b->step->kv_heads + c->kv_head];
        }
        args[n++] = block_address(b, c, array, ids[block]);
        args[n++] = tg_pack_f32(scale);
    }
    return n;
}

static int add_convert(struct builder *b, const struct chain *c, const struct span *k, bool keys)
{
    const struct step *s = b->step;
    uint64_t args[CV_BLOCKS + 2 * CONVERTED_BLOCKS_MAX];
    const bool turned = keys && b->dims_are_rows;
    args[CV_TO] = keys ? k->slot.keys : k->slot.values;
    args[CV_DIM] = keys ? s->key_dim : s->value_dim;
    args[CV_FROM_DTYPE] = s->kv_dtype;
    args[CV_TO_DTYPE] = s->compute_dtype;
    args[CV_TOKENS] = k->high - k->low;
    args[CV_BLOCK_TOKENS] = s->block_tokens;
    args[CV_DIMS_ARE_ROWS] = turned;
    args[CV_FROM_LD] = (uint64_t)(turned ? s->key_dim_ld : keys ? s->key_token_ld : s->value_token_ld);
    args[CV_TO_LD] = turned ? b->span_tokens : args[CV_DIM];
    const int n = put_scaled_blocks(b, c, k, keys ? keys_of(s) : values_of(s), args + CV_BLOCKS);
    return tg_add_task(b->rt, args, CV_BLOCKS + n, FUNC_CONVERT, TG_AIV);
}

static uint64_t query_address(const struct builder *b, const struct chain *c)
{
    const struct step *s = b->step;
    return row_address(b, c, STEP_QUERY, s->query_dtype, s->query_token_ld, s->query_head_ld);
}

/* Gather n tokens of the chain from token `at` on, rotated by the rows of the tables from `row` on. */
static int add_gather(struct builder *b, const struct chain *c, uint64_t at, uint64_t n, uint64_t row)
{
    const struct step *s = b->step;
    uint64_t args[QU_ARGUMENTS] = {0};
    args[QU_FROM] = query_address(b, c) + at * (uint64_t)s->query_token_ld * scratch_element_bytes(s->query_dtype);
    args[QU_TO] = c->rows_at + at * c->n_heads * s->key_dim * scratch_element_bytes(s->compute_dtype);
    args[QU_ROWS] = n * c->n_heads;
    args[QU_GROUP] = c->n_heads;
    args[QU_DIM] = s->key_dim;
    args[QU_FROM_DTYPE] = s->query_dtype;
    args[QU_TO_DTYPE] = s->compute_dtype;
    args[QU_TOKEN_LD] = (uint64_t)s->query_token_ld;
    args[QU_HEAD_LD] = (uint64_t)s->query_head_ld;
    args[QU_ROTATED] = s->rotated;
    if (s->rotary) {
        const uint64_t row_bytes = s->rotated * sizeof(float), table_bytes = s->positions * row_bytes;
        args[QU_COS] = b->tensors[s->rotary] + row * row_bytes;
        args[QU_SIN] = args[QU_COS] + table_bytes;
        args[QU_INDEX] = b->tensors[s->rotary] + 2 * table_bytes;
    }
    return tg_add_task(b->rt, args, QU_ARGUMENTS, FUNC_QUERY, TG_AIV);
}

static int add_qk(struct builder *b, const struct chain *c, const struct span *k)
{
    const struct step *s = b->step;
    uint64_t args[QK_BLOCKS + SPAN_BLOCKS_MAX];
    args[QK_Q] = c->rows_at ? c->rows_at : query_address(b, c);
    args[QK_Q_LD] = c->rows_at ? s->key_dim : (uint64_t)(c->n_tokens == 1 ? s->query_head_ld : s->query_token_ld);
    args[QK_S] = k->slot.s;
    args[QK_LD] = b->span_tokens;
    args[QK_ROWS] = c->rows;
    args[QK_DIM] = s->key_dim;
    args[QK_DTYPE] = s->compute_dtype;
    args[QK_KEY_DTYPE] = s->converts ? s->compute_dtype : s->kv_dtype;
    args[QK_TOKENS] = k->high - k->low;
    args[QK_BLOCK_TOKENS] = s->block_tokens;
    args[QK_TOKEN_LD] = (uint64_t)s->key_token_ld;
    args[QK_DIM_LD] = (uint64_t)s->key_dim_ld;
    if (b->step->converts) {
        args[QK_BLOCK_TOKENS] = b->span_tokens;
        args[QK_TOKEN_LD] = b->dims_are_rows ? 1 : s->key_dim;
        args[QK_DIM_LD] = b->dims_are_rows ? b->span_tokens : 1;
    }
    const int n = put_blocks(b, c, k, keys_of(s), k->slot.keys, args + QK_BLOCKS);
    return tg_add_task(b->rt, args, QK_BLOCKS + n, FUNC_QK, TG_AIC);
}

static int add_softmax(struct builder *b, const struct chain *c, const struct span *k)
{
    const struct step *s = b->step;
    const int64_t position = (int64_t)c->sequence.context - c->sequence.query_tokens + c->token;
    uint64_t args[SM_ARGUMENTS];
    args[SM_S] = k->slot.s;
    args[SM_P] = k->slot.p;
    args[SM_M] = k->slot.part.m;
    args[SM_L] = k->slot.part.l;
    args[SM_ROWS] = c->rows;
    args[SM_GROUP] = c->n_heads;
    args[SM_LD] = b->span_tokens;
    args[SM_TOKENS] = k->high - k->low;
    args[SM_DTYPE] = s->compute_dtype;
    args[SM_SCALE] = tg_pack_f32(s->scale);
    args[SM_SOFT_CAP] = tg_pack_f32(s->soft_cap);
    args[SM_DISTANCE] = (uint64_t)((int64_t)k->low - position);
    /* All rows see all of a prefix. */
    args[SM_LEFT] = (uint64_t)(int64_t)(c->is_prefix ? -1 : s->left);
    args[SM_RIGHT] = (uint64_t)(int64_t)(c->is_prefix ? -1 : s->right);
    args[SM_COUNTS] = b->tensors[STEP_CONSTANTS];
    args[SM_SLOPES] = per_head(b, c, s->slopes);
    args[SM_MASK] = 0;
    if (s->mask) {
        const uint64_t key_bytes = s->mask_dtype == TG_UINT8 ? k->low / 8
                                                             : k->low * scratch_element_bytes(s->mask_dtype);
        args[SM_MASK] = row_address(b, c, s->mask, s->mask_dtype, s->mask_token_ld, s->mask_head_ld) + key_bytes;
    }
    args[SM_MASK_DTYPE] = s->mask_dtype;
    args[SM_MASK_TOKEN_LD] = (uint64_t)s->mask_token_ld;
    args[SM_MASK_HEAD_LD] = (uint64_t)s->mask_head_ld;
    return tg_add_task(b->rt, args, SM_ARGUMENTS, FUNC_SOFTMAX, TG_AIV);
}

static int add_pv(struct builder *b, const struct chain *c, const struct span *k)
{
    const struct step *s = b->step;
    uint64_t args[PV_BLOCKS + SPAN_BLOCKS_MAX];
    args[PV_P] = k->slot.p;
    args[PV_LD] = b->span_tokens;
    args[PV_O] = k->slot.part.o;
    args[PV_ROWS] = c->rows;
    args[PV_DIM] = s->value_dim;
    args[PV_DTYPE] = s->compute_dtype;
    args[PV_VALUE_DTYPE] = s->converts ? s->compute_dtype : s->kv_dtype;
    args[PV_TOKENS] = k->high - k->low;
    args[PV_BLOCK_TOKENS] = b->step->converts ? b->span_tokens : s->block_tokens;
    args[PV_TOKEN_LD] = b->step->converts ? s->value_dim : (uint64_t)s->value_token_ld;
    const int n = put_blocks(b, c, k, values_of(s), k->slot.values, args + PV_BLOCKS);
    return tg_add_task(b->rt, args, PV_BLOCKS + n, FUNC_PV, TG_AIC);
}

/* Merge `part`, what span `idx` of the chain has by itself; NULL: the chain has no span. */
static int add_merge(struct builder *b, const struct chain *c, const struct partial *part, uint64_t idx)
{
    const struct step *s = b->step;
    const bool last = idx + 1 >= c->n_spans && !c->is_prefix;
    const bool has_running = idx > 0 || (c->prefix >= 0 && !c->is_prefix);
    uint64_t args[MG_ARGUMENTS] = {0};
    if (part) {
        args[MG_M_J] = part->m;
        args[MG_L_J] = part->l;
        args[MG_O_J] = part->o;
    }
    args[MG_M] = c->running.m;
    args[MG_L] = c->running.l;
    args[MG_O] = c->running.o;
    args[MG_ROWS] = c->rows;
    args[MG_GROUP] = c->n_heads;
    args[MG_DIM] = s->value_dim;
    args[MG_FLAGS] = (part ? MG_HAS_SPAN : 0u) | (has_running ? MG_HAS_RUNNING : 0u) | (last ? MG_LAST : 0u);
    args[MG_SCALE] = tg_pack_f32(s->value_scale);
    args[MG_OUT] = row_address(b, c, STEP_OUT, s->out_dtype, s->out_token_ld, s->out_head_ld);
    args[MG_OUT_DTYPE] = s->out_dtype;
    args[MG_OUT_TOKEN_LD] = (uint64_t)s->out_token_ld;
    args[MG_OUT_HEAD_LD] = (uint64_t)s->out_head_ld;
    args[MG_LSE] = s->lse ? row_address(b, c, s->lse, TG_FP32, s->lse_token_ld, s->lse_head_ld) : 0;
    args[MG_LSE_TOKEN_LD] = (uint64_t)s->lse_token_ld;
    args[MG_LSE_HEAD_LD] = (uint64_t)s->lse_head_ld;
    args[MG_SINKS] = per_head(b, c, s->sinks);
    return tg_add_task(b->rt, args, MG_ARGUMENTS, FUNC_MERGE, TG_AIV);
}

/* ---- the graph --------------------------------------------------------------------------------------------------- */

/* Give `task` the label and an edge from each of the tasks that is not NO_TASK. -1: there is no task. */
static int join(struct builder *b, int task, const char *label, int before, int before_too)
{
    if (task < 0) return -1;
    b->rt->aicpu_build_api.label_task(b->rt, task, label);
    if (before != NO_TASK) tg_add_edge(b->rt, before, task);
    if (before_too != NO_TASK) tg_add_edge(b->rt, before_too, task);
    return 0;
}

/* Take a slot for the chain's span `idx` and add its first task, after the last user of the slot. It is not yet
 * published. */
static int begin_span(struct builder *b, struct chain *c, uint64_t idx, struct span *k)
{
    const uint64_t from = (c->first_span + idx) * b->span_tokens;
    k->low = from > c->low ? from : c->low;
    k->high = smaller(from + b->span_tokens, c->high);
    k->slot_idx = ring_take(&b->slots);
    k->slot = slot_at(b, ring_at(&b->slots, k->slot_idx));
    (void)snprintf(k->label, sizeof k->label, "token %u head %u keys %u to %u", (unsigned)first_token(c),
                   (unsigned)first_head(b, c), (unsigned)k->low, (unsigned)k->high - 1);
    const int before = b->slots.user[k->slot_idx];
    if (b->step->converts) {
        k->first = add_convert(b, c, k, true);
        if (join(b, k->first, k->label, before, NO_TASK)) return -1;
        k->qk = add_qk(b, c, k);
        return join(b, k->qk, k->label, k->first, c->gather);
    }
    k->first = k->qk = add_qk(b, c, k);
    return join(b, k->qk, k->label, before, c->gather);
}

/* The span's other tasks. */
static int finish_span(struct builder *b, struct chain *c, const struct span *k, uint64_t idx)
{
    int values = NO_TASK;
    if (b->step->converts) {
        tg_publish(b->rt, k->qk);
        values = add_convert(b, c, k, false);
        if (join(b, values, k->label, b->slots.user[k->slot_idx], NO_TASK)) return -1;
        tg_publish(b->rt, values);
    }
    const int softmax = add_softmax(b, c, k);
    if (join(b, softmax, k->label, k->qk, NO_TASK)) return -1;
    tg_publish(b->rt, softmax);

    const int pv = add_pv(b, c, k);
    if (join(b, pv, k->label, softmax, values)) return -1;
    tg_publish(b->rt, pv);

    const int merge = add_merge(b, c, &k->slot.part, idx);
    if (join(b, merge, k->label, pv, c->last_merge)) return -1;
    tg_publish(b->rt, merge);
    c->last_merge = b->slots.user[k->slot_idx] = merge;
    if (c->place >= 0) b->places.user[c->place] = merge;
    return 0;
}

/* The chain's next spans, up to WAVE_SPANS, each of which has a slot of its own. */
static int build_wave(struct builder *b, struct chain *c)
{
    const uint64_t n = smaller(c->n_spans - c->n_built, smaller(WAVE_SPANS, b->step->n_slots));
    struct span spans[WAVE_SPANS];
    for (uint64_t i = 0; i < n; i++)
        if (begin_span(b, c, c->n_built + i, &spans[i])) return -1;
    for (uint64_t i = 0; i < n; i++) tg_publish(b->rt, spans[i].first);
    for (uint64_t i = 0; i < n; i++)
        if (finish_span(b, c, &spans[i], c->n_built + i)) return -1;
    c->n_built += n;
    return 0;
}

/* The one task of a chain without spans of its own. */
static int build_empty(struct builder *b, struct chain *c)
{
    char text[64];
    (void)snprintf(text, sizeof text, "token %u head %u", (unsigned)first_token(c), (unsigned)first_head(b, c));
    const int merge = add_merge(b, c, NULL, 0);
    if (join(b, merge, text, c->last_merge, NO_TASK)) return -1;
    tg_publish(b->rt, merge);
    return 0;
}

/* Tokens of the chain from `at` on that are of one sequence and rotated by rows of the tables behind each other.
 * Sets *row to the first one. */
static uint64_t tokens_in_line(const struct builder *b, const struct chain *c, uint64_t at, uint64_t *row)
{
    const struct step_sequence *own = &c->sequence;
    const uint64_t each = c->is_prefix ? b->sequences[own->leader].query_tokens : c->n_tokens;
    const struct step_sequence *s = c->is_prefix ? &b->sequences[own->leader + (c->token + at) / each] : own;
    const uint64_t most = each - at % each;
    *row = (uint64_t)s->context - s->query_tokens + (c->is_prefix ? 0 : c->token) + at % each;
    if (b->step->rotary_rows == 0) return most;
    const int32_t *rows = (const int32_t *)(uintptr_t)(b->tensors[STEP_DESCRIPTOR] + b->step->rotary_rows) +
                          first_token(c) + at;
    uint64_t n = 1;
    while (n < most && rows[n] == rows[n - 1] + 1) n++;
    *row = (uint64_t)rows[0];
    return n;
}

/* The tasks that gather the chain's rows, one after the other. */
static int build_gathers(struct builder *b, struct chain *c)
{
    char text[64];
    (void)snprintf(text, sizeof text, "token %u head %u", (unsigned)first_token(c), (unsigned)first_head(b, c));
    for (uint64_t at = 0, n; at < c->n_tokens; at += n) {
        uint64_t row;
        n = tokens_in_line(b, c, at, &row);
        const int task = add_gather(b, c, at, n, row);
        if (join(b, task, text, c->gather, NO_TASK)) return -1;
        tg_publish(b->rt, task);
        c->gather = task;
    }
    return 0;
}

/* A place for the gathered rows of a chain, and the task that gathers them; for its running softmax, too, unless it has
 * that of a prefix. */
static int take_place(struct builder *b, struct chain *c)
{
    if (c->prefix >= 0) {
        const struct step_sequence *leader = &b->sequences[c->sequence.leader];
        const uint64_t seq = c->seq - c->sequence.leader, part = prefix_part(b, leader);
        const uint64_t row = c->is_prefix ? 0 : seq * c->sequence.query_tokens % part * c->n_heads;
        c->running = prefix_partial(b, (uint64_t)c->prefix, row);
        if (!c->is_prefix) c->last_merge = b->prefix_merges[c->prefix];
    }
    if (!needs_place(b, c)) return 0;
    c->place = (int)ring_take(&b->places);
    const uint64_t base = ring_at(&b->places, (uint64_t)c->place);
    const int before = b->places.user[c->place];
    if (c->prefix < 0) {
        c->running = partial_at(b, base);
        c->last_merge = before; /* the first merge follows the last one of the chain before */
    }
    if (!gathers(b, c)) return 0;
    c->rows_at = base + b->scratch.partial;
    c->gather = before;
    return build_gathers(b, c);
}

/* n chains, wave by wave in turn. */
static int build_turns(struct builder *b, struct chain *chains, uint64_t n)
{
    uint64_t n_left = 0; /* spans */
    for (uint64_t i = 0; i < n; i++) {
        n_left += chains[i].n_spans;
        if (take_place(b, &chains[i])) return -1;
        if (chains[i].n_spans == 0 && build_empty(b, &chains[i])) return -1;
    }
    for (uint64_t i = 0; n_left; i = (i + 1) % n) {
        const uint64_t n_built = chains[i].n_built;
        if (build_wave(b, &chains[i])) return -1;
        n_left -= chains[i].n_built - n_built;
    }
    for (uint64_t i = 0; i < n; i++)
        if (chains[i].is_prefix) b->prefix_merges[chains[i].prefix] = chains[i].last_merge;
    return 0;
}

/* How the work is divided, and its memory. */
static void builder_init(struct builder *b, struct tg_runtime *rt)
{
    const uint64_t base = rt->orch_args[STEP_DESCRIPTOR];
    const struct step *s = (const struct step *)(uintptr_t)base;
    memset(b, 0, sizeof *b);
    b->rt = rt;
    b->step = s;
    b->tensors = rt->orch_args;
    b->sequences = (const struct step_sequence *)(uintptr_t)(base + s->sequences);
    b->ids = (const int32_t *)(uintptr_t)(base + s->ids);
    b->group = s->heads / s->kv_heads;
    b->span_tokens = (uint64_t)s->span_blocks * s->block_tokens;
    b->dims_are_rows = s->key_dim_ld != 1;

    b->heads_most = attention_chain_heads((uint32_t)b->group, s->value_dim);
    b->tokens_most = attention_chain_tokens((uint32_t)b->group, s->value_dim);
    const uint64_t memory = b->tensors[STEP_SCRATCH];
    b->scratch = scratch_layout(s);
    b->prefixes = memory + b->scratch.prefixes_at;
    b->prefix_merges = (int32_t *)(uintptr_t)(memory + b->scratch.merges_at);
    ring_init(&b->slots, memory, b->scratch.slot, s->n_slots);
    ring_init(&b->places, memory + b->scratch.places_at, b->scratch.place, s->n_places);
}

/* Chains that wait to be built. */
struct turn {
    struct chain chains[TURN_CHAINS];
    uint64_t n;
};

static int build_all(struct builder *b, struct turn *turn)
{
    const uint64_t n = turn->n;
    turn->n = 0;
    return n ? build_turns(b, turn->chains, n) : 0;
}

static int add_chain(struct builder *b, struct turn *turn, struct chain c)
{
    turn->chains[turn->n++] = c;
    return turn->n < TURN_CHAINS ? 0 : build_all(b, turn);
}

TG_PLUGIN_EXPORT int attention(struct tg_runtime *rt);

/* The whole graph. The rings are not freed here, for tasks still use them: they are freed when the run ends. */
int attention(struct tg_runtime *rt)
{
    struct builder b;
    struct turn turn = {.n = 0};
    uint64_t n_prefixes = 0;
    builder_init(&b, rt);
    for (uint32_t seq = 0; seq < b.step->n_sequences; seq++) {
        const struct step_sequence *s = &b.sequences[seq];
        if (s->leader == seq) b.n_prefixes = n_prefixes;
        if (leads(&b, s)) {
            for (uint64_t i = 0; i < n_prefix_chains(&b, s); i++)
                if (add_chain(&b, &turn, prefix_chain(&b, s, i))) return -1;
            if (build_all(&b, &turn)) return -1; /* the chains behind need its last tasks */
            n_prefixes += n_prefix_chains(&b, s);
        }
        for (uint64_t i = 0; i < n_sequence_chains(&b, seq); i++)
            if (add_chain(&b, &turn, sequence_chain(&b, seq, i))) return -1;
    }
    return build_all(&b, &turn);
}
