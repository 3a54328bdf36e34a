/* The operator: options are checked when it is opened, batches when they are planned, data when a step runs. */
#include <tilegraph/attention.h>

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "attention/kernels/arguments.h"
#include "attention/kernels/combine.h"
#include "attention/kernels/scratch.h"
#include "attention/kernels/step.h"
#include "attention/layout.h"
#include "attention/program.h"
#include "attention/rotary.h"
#include "base/error.h"
#include "base/sized.h"

#include <tilegraph/tile.h>

enum {
    DIM_STEP = 8,
    DIM_MAX = 576,
    BLOCK_TOKENS_MAX = 1024,
    HEADS_MAX = 65536,
    SPAN_TOKENS_MAX = 65536,
    SPAN_TOKENS = 512,    /* of a span, about: scores of 128 rows are 256 KiB */
    TOKENS_MAX = 1 << 24, /* positions are exact in fp32 */
    SOFT_CAP_MAX = 10000,
    SLOTS_MIN = 32,
    WORKER_SLOTS = 4,
    SLOTS_BYTES = 96 << 20,
    TENSORS_MAX = STEP_TENSORS + 5
};

TG_EMBEDDED_OBJECTS(aic_qk);
TG_EMBEDDED_OBJECTS(aiv_softmax);
TG_EMBEDDED_OBJECTS(aic_pv);
TG_EMBEDDED_OBJECTS(aiv_merge);
TG_EMBEDDED_OBJECTS(aiv_query);
TG_EMBEDDED_OBJECTS(aiv_convert);
TG_EMBEDDED_OBJECTS(attention_graph);
TG_EMBEDDED_OBJECTS(aiv_combine);
TG_EMBEDDED_OBJECTS(combine_graph);

/* In the order of enum func of attention_graph.c. */
static const struct tg_embedded kernels[] = {
    TG_EMBEDDED(aic_qk, TG_AIC),    TG_EMBEDDED(aiv_softmax, TG_AIV), TG_EMBEDDED(aic_pv, TG_AIC),
    TG_EMBEDDED(aiv_merge, TG_AIV), TG_EMBEDDED(aiv_query, TG_AIV),   TG_EMBEDDED(aiv_convert, TG_AIV),
};
static const struct tg_embedded plugin = TG_EMBEDDED(attention_graph, TG_AIV);
static const struct tg_embedded combine_kernel = TG_EMBEDDED(aiv_combine, TG_AIV);
static const struct tg_embedded combine_plugin = TG_EMBEDDED(combine_graph, TG_AIV);

/* A block id of the plan, and where it stands in the batch. */
struct place {
    uint32_t sequence;
    uint64_t block;
    int32_t id;
};

/* A batch as a descriptor (step.h) in host memory, whose head and per-head values each run fills in. */
struct plan {
    unsigned char *descriptor;     /* [room], owned */
    uint64_t room, used;           /* bytes */
    uint32_t rotary_rows;          /* where they are; 0: tokens stand at the last keys */
    uint64_t n_tokens;             /* of all queries */
    uint32_t n_sequences;          /* with query tokens */
    uint64_t n_chains, n_prefixes; /* attention_graph.c; the latter if prefixes are shared */
    uint32_t most_tokens;          /* of a sequence's query */
    int32_t longest;               /* context */
    struct place highest;          /* block id */
};

struct tg_attention {
    struct tg_device *device;
    struct tg_program *program;
    struct tg_program *combiner;       /* NULL: not used yet */
    struct tg_attention_config config; /* with value_dim and scale filled in, without the caller's addresses */
    struct tg_run_config run;
    tg_address constants; /* arguments.h */
    tg_address rotary;    /* step.h; 0: queries are not rotated */
    struct plan plans[2]; /* the present one, and room for the next */
    int current;
    bool planned;
    tg_address scratch;      /* kernels/scratch.h */
    uint64_t scratch_bytes;  /* allocated */
    struct tg_run *last_run; /* NULL: none */
    atomic_bool busy;        /* a call is in progress; enter and leave are partners */
};

/* ---- the structures of callers ----------------------------------------------------------------------------------- */

static const struct tg_attention_config defaults = {.size = sizeof defaults,
                                                    .heads = 1,
                                                    .kv_heads = 1,
                                                    .key_dim = 128,
                                                    .block_tokens = 16,
                                                    .share_prefixes = true,
                                                    .window_left = -1,
                                                    .window_right = -1,
                                                    .out_scale = 1};
static const struct tg_sized sized_config = {"tg_attention_config", sizeof defaults,
                                             offsetof(struct tg_attention_config, out_scale)};
static const struct tg_sized sized_batch = {"tg_attention_batch", sizeof(struct tg_attention_batch),
                                            offsetof(struct tg_attention_batch, rotary_rows)};
static const struct tg_sized sized_step = {"tg_attention_step", sizeof(struct tg_attention_step),
                                           sizeof(struct tg_attention_step)};

enum tg_status tg_attention_config_fill(struct tg_attention_config *config)
{
    return tg_sized_give(&sized_config, config, &defaults);
}

/* ---- opening ----------------------------------------------------------------------------------------------------- */

static enum tg_status check_dim(const char *name, uint32_t dim)
{
    if (dim >= DIM_STEP && dim <= DIM_MAX && dim % DIM_STEP == 0) return TG_OK;
    return tg_error(TG_ERR_ARGUMENT, "%s is %u: a multiple of %d up to %d is possible", name, dim, DIM_STEP, DIM_MAX);
}

static bool is_float(uint32_t dtype) { return dtype == TG_FP32 || dtype == TG_FP16 || dtype == TG_BF16; }

static bool is_narrow(uint32_t dtype) { return dtype == TG_INT8 || dtype == TG_FP8_E4M3 || dtype == TG_FP8_E5M2; }

static enum tg_status check_dtype(const char *name, uint32_t dtype)
{
    if (is_float(dtype) || is_narrow(dtype)) return TG_OK;
    return tg_error(TG_ERR_ARGUMENT,
                    "%s is %u: TG_FP32, TG_FP16, TG_BF16, TG_INT8, TG_FP8_E4M3 and TG_FP8_E5M2 are possible", name,
                    dtype);
}

static enum tg_status check_window(const char *name, int32_t keys)
{
    if (keys >= -1 && keys <= TOKENS_MAX) return TG_OK;
    return tg_error(TG_ERR_ARGUMENT, "%s is %d: 0 to %d keys are possible, or -1 for all", name, keys, TOKENS_MAX);
}

static struct tg_rotary rotary_of(const struct tg_attention_config *c)
{
    return (struct tg_rotary){c->rotary_dims, c->rotary_interleaved, c->rotary_positions, c->rotary_cos, c->rotary_sin};
}

static enum tg_status check_config(const struct tg_attention_config *c)
{
    if (c->kv_heads < 1 || c->kv_heads > HEADS_MAX)
        return tg_error(TG_ERR_ARGUMENT, "kv_heads is %u: 1 to %d are possible", c->kv_heads, HEADS_MAX);
    if (c->heads < 1 || c->heads > HEADS_MAX || c->heads % c->kv_heads)
        return tg_error(TG_ERR_ARGUMENT, "heads is %u: a multiple of the %u KV heads up to %d is possible", c->heads,
                        c->kv_heads, HEADS_MAX);
    TG_TRY(check_dim("key_dim", c->key_dim));
    TG_TRY(check_dim("value_dim", c->value_dim));
    if (c->block_tokens < 1 || c->block_tokens > BLOCK_TOKENS_MAX)
        return tg_error(TG_ERR_ARGUMENT, "block_tokens is %u: 1 to %d are possible", c->block_tokens, BLOCK_TOKENS_MAX);
    TG_TRY(check_dtype("query_dtype", c->query_dtype));
    TG_TRY(check_dtype("out_dtype", c->out_dtype));
    TG_TRY(check_dtype("kv_dtype", c->kv_dtype));
    TG_TRY(tg_kv_check_scale("out_scale", c->out_scale));
    if (c->out_scale != 1 && !is_narrow(c->out_dtype))
        return tg_error(TG_ERR_ARGUMENT, "out_scale is %g; only 8-bit outputs have a scale", (double)c->out_scale);
    if (!(c->scale >= 0 && c->scale <= TG_KV_SCALE_MAX))
        return tg_error(TG_ERR_ARGUMENT,
                        "scale is %g: a positive number up to %g is possible, or 0 for 1 / sqrt(key_dim)",
                        (double)c->scale, (double)TG_KV_SCALE_MAX);
    if (!(c->soft_cap >= 0 && c->soft_cap <= SOFT_CAP_MAX))
        return tg_error(TG_ERR_ARGUMENT, "soft_cap is %g: a positive number up to %d is possible, or 0 for none",
                        (double)c->soft_cap, SOFT_CAP_MAX);
    if (c->span_tokens > SPAN_TOKENS_MAX)
        return tg_error(TG_ERR_ARGUMENT, "span_tokens is %u: up to %d are possible", c->span_tokens, SPAN_TOKENS_MAX);
    TG_TRY(check_window("window_left", c->window_left));
    TG_TRY(check_window("window_right", c->window_right));
    const struct tg_rotary rotary = rotary_of(c);
    return tg_rotary_check(&rotary, c->key_dim);
}

/* The constants of arguments.h. */
static enum tg_status open_constants(struct tg_attention *a)
{
    float values[CONSTANTS_BYTES / sizeof(float)];
    for (int row = 0; row < ROWS_MAX; row++)
        for (int i = 0; i < 8; i++) values[row * 8 + i] = (float)row;
    for (int i = 0; i < COUNTS; i++) values[ROWS_MAX * 8 + i] = (float)i;
    TG_TRY(tg_device_malloc(a->device, sizeof values, &a->constants));
    return tg_copy_to_device(a->device, a->constants, values, sizeof values);
}

/* Where parts of a descriptor begin. */
static uint32_t slopes_at(void) { return (uint32_t)((sizeof(struct step) + 63) / 64 * 64); }
static uint32_t sinks_at(const struct tg_attention *a)
{
    return slopes_at() + a->config.heads * 8 * (uint32_t)sizeof(float);
}
static uint32_t sequences_at(const struct tg_attention *a)
{
    return sinks_at(a) + a->config.heads * 8 * (uint32_t)sizeof(float);
}

static enum tg_status open_parts(struct tg_attention *a, struct tg_device *device)
{
    const bool checked = a->run.check;
    TG_TRY(tg_embedded_program_open(device, kernels, sizeof kernels / sizeof *kernels, &plugin, "attention", checked,
                                    &a->program));
    a->device = device;
    TG_TRY(open_constants(a));
    const struct tg_rotary rotary = rotary_of(&a->config);
    return rotary.dims ? tg_rotary_open(device, &rotary, a->config.key_dim, &a->rotary) : TG_OK;
}

enum tg_status tg_attention_open(struct tg_device *device, const struct tg_attention_config *config,
                                 struct tg_attention **out)
{
    TG_REQUIRE(device);
    TG_REQUIRE(config);
    TG_REQUIRE(out);
    struct tg_attention_config c = defaults;
    TG_TRY(tg_sized_take(&sized_config, &c, config));
    if (c.value_dim == 0) c.value_dim = c.key_dim;
    if (c.span_tokens == 0) c.span_tokens = SPAN_TOKENS;
    TG_TRY(check_config(&c));
    if (c.scale == 0) c.scale = (float)(1 / sqrt((double)c.key_dim));

    struct tg_attention *a = calloc(1, sizeof *a);
    if (!a) return tg_error(TG_ERR_MEMORY, "no memory for an attention operator");
    a->config = c;
    enum tg_status status = tg_embedded_run_config(device, c.run, &a->run);
    if (status == TG_OK) status = open_parts(a, device);
    if (status != TG_OK) {
        tg_attention_close(a);
        return status;
    }
    a->config.run = NULL;
    a->config.rotary_cos = a->config.rotary_sin = NULL;
    *out = a;
    return TG_OK;
}

void tg_attention_close(struct tg_attention *a)
{
    if (!a) return;
    tg_run_close(a->last_run);
    if (a->constants) (void)tg_device_free(a->device, a->constants);
    if (a->scratch) (void)tg_device_free(a->device, a->scratch);
    if (a->rotary) (void)tg_device_free(a->device, a->rotary);
    tg_program_close(a->program);
    tg_program_close(a->combiner);
    for (int i = 0; i < 2; i++) free(a->plans[i].descriptor);
    free(a);
}

uint64_t tg_attention_device_bytes(const struct tg_attention *a)
{
    if (!a) return 0;
    const struct tg_rotary rotary = rotary_of(&a->config);
    return CONSTANTS_BYTES + a->scratch_bytes + (a->rotary ? tg_rotary_bytes(&rotary, a->config.key_dim) : 0);
}

struct tg_run *tg_attention_last_run(const struct tg_attention *a) { return a ? a->last_run : NULL; }

/* A second thread in a call would change what the first one works with. */
static enum tg_status enter(struct tg_attention *a, const char *call)
{
    if (!atomic_exchange_explicit(&a->busy, true, memory_order_acquire)) return TG_OK;
    return tg_error(TG_ERR_ARGUMENT, "%s: another thread is in a call of this operator", call);
}

static enum tg_status leave(struct tg_attention *a, enum tg_status status)
{
    atomic_store_explicit(&a->busy, false, memory_order_release);
    return status;
}

/* ---- planning ---------------------------------------------------------------------------------------------------- */

/* A batch in progress of being read. */
struct reading {
    const struct tg_attention_batch *batch;
    uint64_t n_tokens, n_ids;
    uint32_t n_sequences; /* with query tokens */
    int32_t longest;
};

static int32_t query_len(const struct tg_attention_batch *b, uint32_t i)
{
    return b->query_lens ? b->query_lens[i] : 1;
}

/* Blocks of a context; it has TOKENS_MAX keys at most. */
static uint32_t blocks_for(const struct tg_attention *a, uint32_t n_keys)
{
    return (n_keys + a->config.block_tokens - 1) / a->config.block_tokens;
}

/* The row of sequence i in the block table, if it has keys. */
static enum tg_status check_table(const struct tg_attention *a, const struct tg_attention_batch *b, uint32_t i)
{
    const uint64_t n = blocks_for(a, (uint32_t)b->context_lens[i]);
    if (n > 0 && b->table_rows && b->table_rows[i] < 0)
        return tg_error(TG_ERR_ARGUMENT, "table_rows[%u] is %d: rows count from 0", i, b->table_rows[i]);
    if (b->table_stride > INT32_MAX)
        return tg_error(TG_ERR_ARGUMENT, "table_stride is %lld: up to %d entries are possible",
                        (long long)b->table_stride, INT32_MAX);
    if (b->table_stride < 0 || (uint64_t)b->table_stride < n)
        return tg_error(TG_ERR_ARGUMENT, "table_stride is %lld: sequence %u has %llu blocks",
                        (long long)b->table_stride, i, (unsigned long long)n);
    return TG_OK;
}

/* The rotation of query tokens needs a row of the tables for each. */
static enum tg_status check_positions(const struct tg_attention *a, const struct reading *r, uint32_t i, int32_t q,
                                      int32_t context)
{
    if (a->config.rotary_dims == 0) return TG_OK;
    for (int32_t token = 0; r->batch->rotary_rows && token < q; token++) {
        const int32_t row = r->batch->rotary_rows[r->n_tokens + (uint64_t)token];
        if (row < 0 || (uint32_t)row >= a->config.rotary_positions)
            return tg_error(TG_ERR_ARGUMENT,
                            "sequence %u, query token %d: rotary_rows has %d; the rotary tables have %u positions", i,
                            token, row, a->config.rotary_positions);
    }
    if (r->batch->rotary_rows) return TG_OK;
    if (q > context)
        return tg_error(TG_ERR_ARGUMENT, "sequence %u has %d query tokens and %d keys: a rotated token has a position",
                        i, q, context);
    if ((uint32_t)context > a->config.rotary_positions)
        return tg_error(TG_ERR_ARGUMENT, "context_lens[%u] is %d: the rotary tables have %u positions", i, context,
                        a->config.rotary_positions);
    return TG_OK;
}

static enum tg_status check_lengths(const struct tg_attention *a, struct reading *r)
{
    const struct tg_attention_batch *b = r->batch;
    for (uint32_t i = 0; i < b->n_sequences; i++) {
        const int32_t q = query_len(b, i), context = b->context_lens[i];
        if (q < 0 || q > TOKENS_MAX)
            return tg_error(TG_ERR_ARGUMENT, "query_lens[%u] is %d: 0 to %d tokens are possible", i, q, TOKENS_MAX);
        if (context < 0 || context > TOKENS_MAX)
            return tg_error(TG_ERR_ARGUMENT, "context_lens[%u] is %d: 0 to %d keys are possible", i, context,
                            TOKENS_MAX);
        if (q == 0) continue;
        TG_TRY(check_positions(a, r, i, q, context));
        r->n_sequences++;
        r->n_tokens += (uint64_t)q;
        r->n_ids += blocks_for(a, (uint32_t)context);
        if (context > r->longest) r->longest = context;
        TG_TRY(check_table(a, b, i));
    }
    if (r->n_ids > 0 && !b->block_table) return tg_error(TG_ERR_ARGUMENT, "block_table is NULL; sequences have keys");
    if (r->n_tokens > UINT32_MAX || r->n_ids > UINT32_MAX / sizeof(int32_t) / 2)
        return tg_error(TG_ERR_ARGUMENT, "the batch has %llu query tokens and %llu blocks: too many for a step",
                        (unsigned long long)r->n_tokens, (unsigned long long)r->n_ids);
    return TG_OK;
}

/* Copy the n ids of sequence i and find the highest one. */
static enum tg_status copy_ids(const struct tg_attention_batch *b, uint32_t i, uint64_t n, int32_t *to,
                               struct place *highest)
{
    if (n == 0) return TG_OK; /* there may be no table */
    const int64_t row = b->table_rows ? b->table_rows[i] : (int64_t)i;
    const int32_t *from = b->block_table + row * b->table_stride;
    int32_t least = INT32_MAX, most = -1;
    memcpy(to, from, n * sizeof *to);
    for (uint64_t block = 0; block < n; block++) {
        least = to[block] < least ? to[block] : least;
        most = to[block] > most ? to[block] : most;
    }
    if (least >= 0 && most <= highest->id) return TG_OK;
    for (uint64_t block = 0; block < n; block++) {
        if (to[block] < 0)
            return tg_error(TG_ERR_ARGUMENT, "sequence %u, block %llu: the block table has %d; blocks count from 0", i,
                            (unsigned long long)block, to[block]);
        if (to[block] > highest->id) *highest = (struct place){i, block, to[block]};
    }
    return TG_OK;
}

/* Make room for a descriptor of `bytes`. Its old contents are lost. */
static enum tg_status reserve(struct plan *plan, uint64_t bytes)
{
    if (bytes <= plan->room) return TG_OK;
    unsigned char *more = calloc(1, bytes + bytes / 2);
    if (!more) return tg_error(TG_ERR_MEMORY, "no memory for a plan of %llu bytes", (unsigned long long)bytes);
    free(plan->descriptor);
    plan->descriptor = more;
    plan->room = bytes + bytes / 2;
    return TG_OK;
}

/* The type of the products. fp16 has all numbers of the 8-bit types. */
static uint32_t compute_dtype(const struct tg_attention_config *c)
{
    if (is_narrow(c->query_dtype)) return is_narrow(c->kv_dtype) ? TG_FP16 : c->kv_dtype;
    if (is_narrow(c->kv_dtype) || c->kv_dtype == c->query_dtype) return c->query_dtype;
    return TG_FP32;
}

static uint32_t gcd(uint32_t a, uint32_t b) { return b ? gcd(b, a % b) : a; }

/* KV blocks of a span. With a mask of bits a span begins at a whole byte. */
static uint32_t span_blocks(const struct tg_attention *a, bool bits)
{
    const uint32_t n = a->config.block_tokens, step = bits ? 8 / gcd(8, n) : 1;
    const uint32_t most = compute_dtype(&a->config) == a->config.kv_dtype ? SPAN_BLOCKS_MAX : CONVERTED_BLOCKS_MAX;
    uint32_t blocks = (a->config.span_tokens + n - 1) / n;
    if (blocks > most) blocks = most;
    return (blocks + step - 1) / step * step;
}

/* Whole spans that sequences x and y have in common and that all their query tokens see. */
static uint32_t common_spans(const struct tg_attention *a, const struct step_sequence *x, const struct step_sequence *y,
                             const int32_t *ids)
{
    const uint32_t span = span_blocks(a, false), span_tokens = span * a->config.block_tokens;
    const uint32_t least = x->context < y->context ? x->context : y->context;
    uint32_t keys = least;
    if (a->config.causal || a->config.window_right >= 0)
        keys = least >= x->query_tokens ? least - x->query_tokens + 1 : 0;
    uint32_t n = 0;
    while ((n + 1) * span_tokens <= keys &&
           memcmp(ids + x->table + n * span, ids + y->table + n * span, span * sizeof *ids) == 0)
        n++;
    return n;
}

/* Let sequence `at` share the prefix of the one before, if they have as many query tokens, which one chain can hold. */
static void share(const struct tg_attention *a, struct step_sequence *sequences, uint32_t at, const int32_t *ids)
{
    struct step_sequence *s = &sequences[at], *leader = &sequences[sequences[at - 1].leader];
    const uint32_t group = a->config.heads / a->config.kv_heads;
    if (!a->config.share_prefixes || a->config.window_left >= 0) return;
    if (s->query_tokens != leader->query_tokens || s->query_tokens > attention_chain_tokens(group, a->config.value_dim))
        return;
    const uint32_t n = common_spans(a, leader, s, ids);
    if (n == 0 || n < leader->shared_spans) return;
    if (leader->n_sharing == 1) leader->shared_spans = n;
    leader->n_sharing++;
    s->leader = sequences[at - 1].leader;
    s->shared_spans = leader->shared_spans;
}

/* Count as attention_graph.c divides the work. */
static void count_chains(const struct tg_attention *a, const struct step_sequence *sequences, uint32_t n,
                         struct plan *plan)
{
    const uint32_t group = a->config.heads / a->config.kv_heads;
    const uint32_t tokens = attention_chain_tokens(group, a->config.value_dim);
    const uint32_t heads = attention_chain_heads(group, a->config.value_dim);
    const uint64_t each = (uint64_t)((group + heads - 1) / heads) * a->config.kv_heads;
    plan->n_chains = plan->n_prefixes = plan->most_tokens = 0;
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t q = sequences[i].query_tokens;
        plan->n_chains += (q + tokens - 1) / tokens * each;
        if (q > plan->most_tokens) plan->most_tokens = q;
        if (sequences[i].n_sharing < 2) continue;
        const uint32_t part = tokens / q;
        plan->n_prefixes += (sequences[i].n_sharing + part - 1) / part * each;
    }
}

/* Write the sequences and their block ids. */
static enum tg_status fill_plan(const struct tg_attention *a, const struct reading *r, struct plan *plan)
{
    const struct tg_attention_batch *b = r->batch;
    const uint64_t ids_at = sequences_at(a) + r->n_sequences * sizeof(struct step_sequence);
    const uint64_t rows_at = ids_at + r->n_ids * sizeof(int32_t), n_rows = b->rotary_rows ? r->n_tokens : 0;
    TG_TRY(reserve(plan, rows_at + n_rows * sizeof(int32_t)));
    struct step_sequence *sequence = (struct step_sequence *)(void *)(plan->descriptor + sequences_at(a));
    int32_t *ids = (int32_t *)(void *)(plan->descriptor + ids_at);
    uint32_t at = 0, token = 0, table = 0;
    plan->highest = (struct place){0, 0, -1};
    for (uint32_t i = 0; i < b->n_sequences; i++) {
        const uint32_t q = (uint32_t)query_len(b, i), context = (uint32_t)b->context_lens[i];
        if (q == 0) continue;
        const uint32_t n = blocks_for(a, context);
        sequence[at] = (struct step_sequence){token, q, context, table, at, 1, 0};
        TG_TRY(copy_ids(b, i, n, ids + table, &plan->highest));
        if (at > 0) share(a, sequence, at, ids);
        at++;
        token += q;
        table += n;
    }
    count_chains(a, sequence, at, plan);
    if (n_rows) memcpy(plan->descriptor + rows_at, b->rotary_rows, n_rows * sizeof(int32_t));
    plan->rotary_rows = n_rows ? (uint32_t)rows_at : 0;
    plan->used = rows_at + n_rows * sizeof(int32_t);
    plan->n_sequences = r->n_sequences;
    plan->n_tokens = r->n_tokens;
    plan->longest = r->longest;
    return TG_OK;
}

static enum tg_status plan(struct tg_attention *a, const struct tg_attention_batch *batch)
{
    struct tg_attention_batch b = {0};
    TG_TRY(tg_sized_take(&sized_batch, &b, batch));
    if (b.n_sequences > 0 && !b.context_lens) return tg_error(TG_ERR_ARGUMENT, "context_lens is NULL");
    if (b.rotary_rows && a->config.rotary_dims == 0)
        return tg_error(TG_ERR_ARGUMENT, "rotary_rows are given, and the operator was opened with rotary_dims 0");
    struct reading r = {.batch = &b};
    TG_TRY(check_lengths(a, &r));
    TG_TRY(fill_plan(a, &r, &a->plans[1 - a->current]));
    a->current = 1 - a->current;
    a->planned = true;
    return TG_OK;
}

enum tg_status tg_attention_plan(struct tg_attention *a, const struct tg_attention_batch *batch)
{
    TG_REQUIRE(a);
    TG_REQUIRE(batch);
    TG_TRY(enter(a, "tg_attention_plan"));
    return leave(a, plan(a, batch));
}

/* ---- running ----------------------------------------------------------------------------------------------------- */

/* An array of a step as its tensor: [tokens][heads][cols]. */
struct array {
    const char *name;
    struct tg_attention_data data;
    uint32_t dtype, heads, cols;
    uint32_t direction; /* of host memory */
};

/* The tensors of a run in the making. */
struct launch {
    const struct tg_attention_step *step;
    struct tg_kv_view kv;
    struct step *head;            /* of the descriptor */
    struct array query, out, lse; /* lse: if the step has one */
    struct tg_tensor tensors[TENSORS_MAX];
    uint32_t n;
};

/* Do keys and values need a conversion before the products? Those of `cpu` widen 8-bit elements in rows of whole
 * tokens. They know no scales of blocks. */
static bool converts(const struct tg_attention *a, const struct tg_kv_view *v)
{
    const struct tg_attention_config *c = &a->config;
    const bool is_cpu = tg_device_workers(a->device) > 0;
    const bool is_widened = is_cpu && is_narrow(c->kv_dtype) && v->key_token == 1 && !v->key_scales && !v->value_scales;
    return c->kv_dtype != compute_dtype(c) && !is_widened;
}

static enum tg_status differs(const char *name, uint32_t value, uint32_t planned)
{
    return tg_error(TG_ERR_ARGUMENT, "the cache has %s %u, the operator was opened with %u", name, value, planned);
}

static enum tg_status check_address(const char *name, tg_address address, uint32_t bytes)
{
    if (address % bytes == 0) return TG_OK;
    return tg_error(TG_ERR_ARGUMENT, "%s of the cache: %#llx is no address of an element of %u bytes", name,
                    (unsigned long long)address, bytes);
}

static enum tg_status check_view(const struct tg_attention *a, const struct tg_kv_view *v)
{
    const struct tg_attention_config *c = &a->config;
    const struct place *most = &a->plans[a->current].highest;
    if (v->kv_heads != c->kv_heads) return differs("kv_heads", v->kv_heads, c->kv_heads);
    if (v->key_dim != c->key_dim) return differs("key_dim", v->key_dim, c->key_dim);
    if (v->value_dim != c->value_dim) return differs("value_dim", v->value_dim, c->value_dim);
    if (v->block_tokens != c->block_tokens) return differs("block_tokens", v->block_tokens, c->block_tokens);
    if (v->dtype != c->kv_dtype) return differs("dtype", v->dtype, c->kv_dtype);
    const int64_t distances[] = {v->key_block,   v->key_head,   v->key_token,  v->key_dim_stride,
                                 v->value_block, v->value_head, v->value_token};
    for (size_t i = 0; i < sizeof distances / sizeof *distances; i++)
        if (distances[i] < 1 || distances[i] > INT32_MAX)
            return tg_error(TG_ERR_ARGUMENT, "distance %zu of the cache is %lld elements: 1 to %d are possible", i,
                            (long long)distances[i], INT32_MAX);
    if (v->key_token != 1 && v->key_dim_stride != 1)
        return tg_error(TG_ERR_ARGUMENT, "key_token is %lld and key_dim_stride %lld: one of them has to be 1",
                        (long long)v->key_token, (long long)v->key_dim_stride);
    TG_TRY(tg_kv_check_scale("key_scale", v->key_scale));
    TG_TRY(tg_kv_check_scale("value_scale", v->value_scale));
    TG_TRY(check_address("key", v->key, tg_dtype_bytes(v->dtype)));
    TG_TRY(check_address("value", v->value, tg_dtype_bytes(v->dtype)));
    TG_TRY(check_address("key_scales", v->key_scales, sizeof(float)));
    TG_TRY(check_address("value_scales", v->value_scales, sizeof(float)));
    if (!is_narrow(v->dtype) && (v->key_scale != 1 || v->value_scale != 1 || v->key_scales || v->value_scales))
        return tg_error(TG_ERR_ARGUMENT, "the cache has scales; only 8-bit elements have some");
    if (most->id >= 0 && (uint32_t)most->id >= v->n_blocks)
        return tg_error(TG_ERR_ARGUMENT, "sequence %u, block %llu: the block table has %d; the cache has %u blocks",
                        most->sequence, (unsigned long long)most->block, most->id, v->n_blocks);
    return TG_OK;
}

/* Fill in the distances of an array without gaps, and check them. */
static enum tg_status check_array(struct array *x, uint64_t n_tokens)
{
    struct tg_attention_data *d = &x->data;
    if (!d->data) return tg_error(TG_ERR_ARGUMENT, "%s is NULL", x->name);
    if (d->token_stride == 0 && d->head_stride == 0) {
        d->head_stride = x->cols;
        d->token_stride = (int64_t)x->heads * x->cols;
    }
    const bool writes = x->direction != TG_IN;
    const int64_t limit = INT32_MAX;
    if (d->token_stride < 0 || d->token_stride > limit || d->head_stride < 0 || d->head_stride > limit)
        return tg_error(TG_ERR_ARGUMENT, "%s has strides of %lld and %lld elements: 0 to %lld are possible", x->name,
                        (long long)d->token_stride, (long long)d->head_stride, (long long)limit);
    if ((uint64_t)(uintptr_t)d->data % tg_dtype_bytes(x->dtype))
        return tg_error(TG_ERR_ARGUMENT, "%s: %p is no address of an element of %u bytes", x->name, d->data,
                        tg_dtype_bytes(x->dtype));
    const int64_t tokens = (int64_t)n_tokens, heads = x->heads, cols = x->cols;
    const bool heads_inside = d->head_stride >= cols && d->token_stride >= (heads - 1) * d->head_stride + cols;
    const bool tokens_inside = d->token_stride >= cols && d->head_stride >= (tokens - 1) * d->token_stride + cols;
    const bool apart = heads_inside || tokens_inside || (heads == 1 && d->token_stride >= cols) ||
                       (tokens == 1 && d->head_stride >= cols);
    if (writes && !apart)
        return tg_error(TG_ERR_ARGUMENT, "%s: with strides of %lld and %lld elements its rows of %u overlap", x->name,
                        (long long)d->token_stride, (long long)d->head_stride, x->cols);
    return TG_OK;
}

/* The array as a tensor. Gaps of an output are copied in, so that they are copied back as they were. */
static struct tg_tensor array_tensor(const struct array *x, uint64_t n_tokens)
{
    const struct tg_attention_data *d = &x->data;
    const uint64_t elements = (n_tokens - 1) * (uint64_t)d->token_stride + (x->heads - 1) * (uint64_t)d->head_stride +
                              x->cols;
    const bool dense = elements == n_tokens * x->heads * x->cols;
    uint32_t direction = d->resident ? TG_RESIDENT : x->direction;
    if (direction == TG_OUT && !dense) direction = TG_INOUT;
    return (struct tg_tensor){x->name, d->data, elements * tg_dtype_bytes(x->dtype), elements, direction};
}

/* Bytes from the first to the last element of a token. */
static uint64_t token_bytes(const struct array *x)
{
    return ((x->heads - 1) * (uint64_t)x->data.head_stride + x->cols) * tg_dtype_bytes(x->dtype);
}

/* Do the tokens of x lie in the gaps between those of y, and the other way round? x begins first. */
static bool are_interleaved(const struct array *x, const struct array *y)
{
    const uint64_t distance = (uint64_t)(uintptr_t)y->data.data - (uint64_t)(uintptr_t)x->data.data;
    const uint64_t step = (uint64_t)x->data.token_stride * tg_dtype_bytes(x->dtype);
    if (step == 0 || step != (uint64_t)y->data.token_stride * tg_dtype_bytes(y->dtype)) return false;
    return distance % step >= token_bytes(x) && distance % step + token_bytes(y) <= step;
}

/* An output shares no bytes with another output, nor with what tasks read in place. Outputs in host memory are copied
 * back with their gaps. */
static enum tg_status check_apart(const struct launch *l, const struct array *out, uint64_t n_tokens)
{
    const struct tg_tensor own = array_tensor(out, n_tokens);
    const uint64_t from = (uint64_t)(uintptr_t)own.data;
    for (uint32_t i = 0; i < l->n; i++) {
        const struct tg_tensor *t = &l->tensors[i];
        const uint64_t at = (uint64_t)(uintptr_t)t->data;
        const bool is_itself = t->data == own.data && t->name == own.name;
        if (is_itself || t->direction == TG_IN || at >= from + own.bytes || from >= at + t->bytes) continue;
        const struct array *x = i == STEP_QUERY     ? &l->query
                                : i == STEP_OUT     ? &l->out
                                : i == l->head->lse ? &l->lse
                                                    : NULL;
        if (x && x->data.resident && out->data.resident &&
            (at < from ? are_interleaved(x, out) : are_interleaved(out, x)))
            continue;
        return tg_error(TG_ERR_ARGUMENT, "%s and %s share bytes: %llu from %p on, and %llu from %p on", out->name,
                        t->name, (unsigned long long)own.bytes, own.data, (unsigned long long)t->bytes, t->data);
    }
    return TG_OK;
}

static void add_array(struct launch *l, const struct array *x, uint64_t n_tokens)
{
    l->tensors[l->n++] = array_tensor(x, n_tokens);
}

static void add_resident(struct launch *l, const char *name, tg_address address, uint64_t bytes)
{
    l->tensors[l->n++] = (struct tg_tensor){name, (void *)(uintptr_t)address, bytes, bytes, TG_RESIDENT};
}

/* Each head has a finite number; a sink may be -infinity, and weighs nothing then. */
static enum tg_status check_heads(const struct tg_attention *a, const char *name, const float *values, bool infinite)
{
    for (uint32_t head = 0; values && head < a->config.heads; head++)
        if (!isfinite(values[head]) && !(infinite && values[head] == -INFINITY))
            return tg_error(TG_ERR_ARGUMENT, "%s[%u] is %g: finite numbers are possible%s", name, head,
                            (double)values[head], infinite ? ", or -infinity for none" : "");
    return TG_OK;
}

/* fp32 [heads] as [heads][8], each value eight times. */
static uint32_t spread(const struct tg_attention *a, const float *values, uint32_t at)
{
    if (!values) return 0;
    float *to = (float *)(void *)(a->plans[a->current].descriptor + at);
    for (uint32_t head = 0; head < a->config.heads; head++)
        for (uint32_t i = 0; i < 8; i++) to[head * 8 + i] = values[head];
    return at;
}

/* The part of the descriptor's head that the options and the cache give. */
static void fill_head(const struct tg_attention *a, struct launch *l)
{
    const struct tg_attention_config *c = &a->config;
    const struct plan *plan = &a->plans[a->current];
    const bool bits = l->step->mask.data && l->step->mask_dtype == TG_UINT8;
    *l->head = (struct step){
        .n_sequences = plan->n_sequences,
        .sequences = sequences_at(a),
        .ids = sequences_at(a) + plan->n_sequences * (uint32_t)sizeof(struct step_sequence),
        .slopes = spread(a, l->step->slopes, slopes_at()),
        .sinks = spread(a, l->step->sinks, sinks_at(a)),
        .heads = c->heads,
        .kv_heads = c->kv_heads,
        .key_dim = c->key_dim,
        .value_dim = c->value_dim,
        .block_tokens = c->block_tokens,
        .query_dtype = c->query_dtype,
        .kv_dtype = c->kv_dtype,
        .compute_dtype = compute_dtype(c),
        .converts = converts(a, &l->kv),
        .out_dtype = c->out_dtype,
        .shares = !l->step->mask.data && !l->step->slopes,
        .span_blocks = span_blocks(a, bits),
        .key_align = bits ? c->block_tokens * (8 / gcd(8, c->block_tokens)) : c->block_tokens,
        .scale = c->scale * l->kv.key_scale,
        .value_scale = l->kv.value_scale / c->out_scale,
        .rotated = c->rotary_dims,
        .rotary_rows = plan->rotary_rows,
        .positions = c->rotary_positions,
        .soft_cap = c->soft_cap,
        .left = c->window_left,
        .right = c->causal ? 0 : c->window_right,
        .mask_dtype = l->step->mask_dtype,
        .key_block_ld = l->kv.key_block,
        .key_head_ld = l->kv.key_head,
        .key_token_ld = l->kv.key_token,
        .key_dim_ld = l->kv.key_dim_stride,
        .value_block_ld = l->kv.value_block,
        .value_head_ld = l->kv.value_head,
        .value_token_ld = l->kv.value_token,
    };
}

/* fp32 [n_blocks][kv_heads], a tensor if it is there. */
static uint32_t add_scales(struct launch *l, const char *name, tg_address scales)
{
    if (!scales) return 0;
    add_resident(l, name, scales, (uint64_t)l->kv.n_blocks * l->kv.kv_heads * sizeof(float));
    return l->n - 1;
}

static enum tg_status add_optional(const struct tg_attention *a, struct launch *l)
{
    const struct plan *plan = &a->plans[a->current];
    const uint32_t keys = (uint32_t)plan->longest;
    if (keys > 0) {
        l->head->key_scales = add_scales(l, "key_scales", l->kv.key_scales);
        l->head->value_scales = add_scales(l, "value_scales", l->kv.value_scales);
    }
    if (a->rotary) {
        const struct tg_rotary rotary = rotary_of(&a->config);
        l->head->rotary = l->n;
        add_resident(l, "rotary", a->rotary, tg_rotary_bytes(&rotary, a->config.key_dim));
    }
    if (l->step->lse.data) {
        struct array lse = {"lse", l->step->lse, TG_FP32, a->config.heads, 1, TG_OUT};
        TG_TRY(check_array(&lse, plan->n_tokens));
        l->lse = lse;
        l->head->lse = l->n;
        l->head->lse_token_ld = lse.data.token_stride;
        l->head->lse_head_ld = lse.data.head_stride;
        add_array(l, &lse, plan->n_tokens);
    }
    if (l->step->mask.data && keys > 0) {
        const uint32_t dtype = l->step->mask_dtype;
        if (!is_float(dtype) && dtype != TG_UINT8)
            return tg_error(TG_ERR_ARGUMENT, "mask_dtype is %u: TG_FP32, TG_FP16, TG_BF16 and TG_UINT8 are possible",
                            dtype);
        struct array mask = {"mask", l->step->mask, dtype, a->config.heads, keys, TG_IN};
        if (dtype == TG_UINT8) mask.cols = (keys + 7) / 8;
        TG_TRY(check_array(&mask, plan->n_tokens));
        l->head->mask = l->n;
        l->head->mask_token_ld = mask.data.token_stride;
        l->head->mask_head_ld = mask.data.head_stride;
        add_array(l, &mask, plan->n_tokens);
    }
    return TG_OK;
}

static uint64_t smaller(uint64_t x, uint64_t y) { return x < y ? x : y; }

/*
 * The scratch memory of the step, which the operator keeps. A slot holds a span on its way through the cores. On `cpu`
 * a few slots for each worker keep all workers busy, and stay in their caches. A device has dozens of cores: there the
 * slots take up to half of its L2, which is 192 MiB.
 */
static enum tg_status provide_scratch(struct tg_attention *a, struct step *s)
{
    const struct plan *plan = &a->plans[a->current];
    const uint32_t group = s->heads / s->kv_heads, workers = tg_device_workers(a->device);
    const uint64_t tokens = attention_chain_tokens(group, s->value_dim);
    const uint64_t most = s->shares && plan->n_prefixes ? tokens : smaller(tokens, plan->most_tokens);
    s->rows_most = (uint32_t)most * attention_chain_heads(group, s->value_dim);
    s->n_prefixes = s->shares ? (uint32_t)plan->n_prefixes : 0;
    s->n_places = (uint32_t)smaller(plan->n_chains + s->n_prefixes, PLACES_MAX);
    s->n_slots = (uint32_t)smaller(SLOTS_BYTES / scratch_layout(s).slot, SLOTS_MAX);
    if (s->n_slots < SLOTS_MIN) s->n_slots = SLOTS_MIN;
    if (workers > 0 && s->n_slots > workers * WORKER_SLOTS) s->n_slots = workers * WORKER_SLOTS;

    const uint64_t bytes = scratch_layout(s).total;
    if (bytes <= a->scratch_bytes) return TG_OK;
    tg_address fresh;
    TG_TRY(tg_device_malloc(a->device, bytes + bytes / 4, &fresh));
    if (a->scratch) (void)tg_device_free(a->device, a->scratch);
    a->scratch = fresh;
    a->scratch_bytes = bytes + bytes / 4;
    return TG_OK;
}

/* All tensors of the run, in the order of enum step_tensor, and the head of the descriptor. */
static enum tg_status prepare(struct tg_attention *a, struct launch *l)
{
    const struct tg_attention_config *c = &a->config;
    const struct plan *plan = &a->plans[a->current];
    l->query = (struct array){"query", l->step->query, c->query_dtype, c->heads, c->key_dim, TG_IN};
    l->out = (struct array){"out", l->step->out, c->out_dtype, c->heads, c->value_dim, TG_OUT};
    TG_TRY(check_view(a, &l->kv));
    TG_TRY(check_heads(a, "slopes", l->step->slopes, false));
    TG_TRY(check_heads(a, "sinks", l->step->sinks, true));
    TG_TRY(check_array(&l->query, plan->n_tokens));
    TG_TRY(check_array(&l->out, plan->n_tokens));
    l->head = (struct step *)(void *)plan->descriptor;
    fill_head(a, l);
    l->head->query_token_ld = l->query.data.token_stride;
    l->head->query_head_ld = l->query.data.head_stride;
    l->head->out_token_ld = l->out.data.token_stride;
    l->head->out_head_ld = l->out.data.head_stride;

    l->tensors[l->n++] = (struct tg_tensor){"step", plan->descriptor, plan->used, plan->used, TG_IN};
    add_array(l, &l->query, plan->n_tokens);
    add_array(l, &l->out, plan->n_tokens);
    add_resident(l, "constants", a->constants, CONSTANTS_BYTES);
    TG_TRY(provide_scratch(a, l->head));
    add_resident(l, "scratch", a->scratch, a->scratch_bytes);
    if (plan->longest > 0) {
        add_resident(l, "keys", l->kv.key, tg_kv_key_extent(&l->kv));
        add_resident(l, "values", l->kv.value, tg_kv_value_extent(&l->kv));
    }
    TG_TRY(add_optional(a, l));
    TG_TRY(check_apart(l, &l->out, plan->n_tokens));
    return l->head->lse ? check_apart(l, &l->lse, plan->n_tokens) : TG_OK;
}

/* Run a program, and keep the run. */
static enum tg_status launch(struct tg_attention *a, struct tg_program *program, const struct tg_tensor *tensors,
                             uint32_t n)
{
    struct tg_run *run;
    TG_TRY(tg_run_open(program, &a->run, tensors, n, &run));
    const enum tg_status status = tg_run_wait(run);
    tg_run_close(a->last_run);
    a->last_run = run;
    return status;
}

static enum tg_status run(struct tg_attention *a, const struct tg_attention_step *step)
{
    struct tg_attention_step s = {0};
    TG_TRY(tg_sized_take(&sized_step, &s, step));
    if (!a->planned) return tg_error(TG_ERR_ARGUMENT, "tg_attention_run: nothing is planned; call tg_attention_plan");
    if (!s.kv) return tg_error(TG_ERR_ARGUMENT, "kv is NULL");
    if (a->plans[a->current].n_tokens == 0) return TG_OK;

    struct launch l = {.step = &s};
    TG_TRY(tg_kv_view_take(&l.kv, s.kv));
    TG_TRY(prepare(a, &l));
    return launch(a, a->program, l.tensors, l.n);
}

enum tg_status tg_attention_run(struct tg_attention *a, const struct tg_attention_step *step)
{
    TG_REQUIRE(a);
    TG_REQUIRE(step);
    TG_TRY(enter(a, "tg_attention_run"));
    return leave(a, run(a, step));
}

/* ---- combining --------------------------------------------------------------------------------------------------- */

/* The tensors of a combination in the making. */
struct combination {
    struct combine head;
    struct tg_tensor tensors[3 + 2 * COMBINE_PARTS_MAX];
    uint32_t n;
};

/* Check an array of [token][head][cols], and add it as the next tensor. */
static enum tg_status add_rows(struct combination *c, struct array x, struct combine_strides *strides)
{
    TG_TRY(check_array(&x, c->head.n_tokens));
    *strides = (struct combine_strides){x.data.token_stride, x.data.head_stride};
    c->tensors[c->n++] = array_tensor(&x, c->head.n_tokens);
    return TG_OK;
}

/* Tensors `first` and behind are parts. Those before them are outputs, which share no bytes with what is used in place;
 * parts in host memory are copied before anything is written. */
static enum tg_status check_combination(const struct combination *c, uint32_t first)
{
    for (uint32_t i = 1; i < first; i++)
        for (uint32_t j = i + 1; j < c->n; j++) {
            const struct tg_tensor *x = &c->tensors[i], *y = &c->tensors[j];
            const uint64_t at = (uint64_t)(uintptr_t)x->data, other = (uint64_t)(uintptr_t)y->data;
            if (y->direction == TG_IN || at >= other + y->bytes || other >= at + x->bytes) continue;
            return tg_error(TG_ERR_ARGUMENT, "%s and %s share bytes: %llu from %p on, and %llu from %p on", x->name,
                            y->name, (unsigned long long)x->bytes, x->data, (unsigned long long)y->bytes, y->data);
        }
    return TG_OK;
}

static enum tg_status combine_parts(struct tg_attention *a, struct combination *c,
                                    const struct tg_attention_part *parts)
{
    const uint32_t heads = a->config.heads, dim = a->config.value_dim, dtype = a->config.out_dtype, first = c->n;
    for (uint32_t i = 0; i < c->head.n_parts; i++) {
        struct array out = {"out of a part", parts[i].out, dtype, heads, dim, TG_IN};
        struct array lse = {"lse of a part", parts[i].lse, TG_FP32, heads, 1, TG_IN};
        TG_TRY(add_rows(c, out, &c->head.part_out[i]));
        TG_TRY(add_rows(c, lse, &c->head.part_lse[i]));
    }
    TG_TRY(check_combination(c, first));
    if (!a->combiner)
        TG_TRY(tg_embedded_program_open(a->device, &combine_kernel, 1, &combine_plugin, "combine", a->run.check,
                                        &a->combiner));
    return launch(a, a->combiner, c->tensors, c->n);
}

static enum tg_status combine(struct tg_attention *a, uint32_t n_tokens, const struct tg_attention_part *parts,
                              uint32_t n_parts, const struct tg_attention_data *out,
                              const struct tg_attention_data *lse)
{
    if (n_parts < 1 || n_parts > COMBINE_PARTS_MAX)
        return tg_error(TG_ERR_ARGUMENT, "n_parts is %u: 1 to %d are possible", n_parts, COMBINE_PARTS_MAX);
    if (n_tokens > TOKENS_MAX)
        return tg_error(TG_ERR_ARGUMENT, "n_tokens is %u: up to %d are possible", n_tokens, TOKENS_MAX);
    if (is_narrow(a->config.out_dtype))
        return tg_error(TG_ERR_ARGUMENT, "out_dtype is %u: parts of 8-bit elements cannot be combined",
                        a->config.out_dtype);
    if (n_tokens == 0) return TG_OK;
    struct combination *c = calloc(1, sizeof *c);
    if (!c) return tg_error(TG_ERR_MEMORY, "no memory for a combination");
    c->head.n_tokens = n_tokens;
    c->head.n_parts = n_parts;
    c->head.heads = a->config.heads;
    c->head.dim = a->config.value_dim;
    c->head.dtype = a->config.out_dtype;
    c->head.has_lse = lse && lse->data;
    c->tensors[c->n++] = (struct tg_tensor){"combination", &c->head, sizeof c->head, sizeof c->head, TG_IN};
    enum tg_status status = add_rows(
        c, (struct array){"out", *out, a->config.out_dtype, a->config.heads, a->config.value_dim, TG_OUT},
        &c->head.out);
    if (status == TG_OK && c->head.has_lse)
        status = add_rows(c, (struct array){"lse", *lse, TG_FP32, a->config.heads, 1, TG_OUT}, &c->head.lse);
    if (status == TG_OK) status = combine_parts(a, c, parts);
    free(c);
    return status;
}

enum tg_status tg_attention_combine(struct tg_attention *a, uint32_t n_tokens, const struct tg_attention_part *parts,
                                    uint32_t n_parts, const struct tg_attention_data *out,
                                    const struct tg_attention_data *lse)
{
    TG_REQUIRE(a);
    TG_REQUIRE(parts);
    TG_REQUIRE(out);
    TG_TRY(enter(a, "tg_attention_combine"));
    return leave(a, combine(a, n_tokens, parts, n_parts, out, lse));
}
