/*
 * attention.h on hostile options, batches, caches and arrays.
 *
 * What must hold: each call succeeds, or is refused with a message and an untouched output. A step that succeeds has
 * written every element of its output. Memory that the interface describes by an address and a distance is what the
 * fuzzer says it is; everything else is hostile.
 */
#include <tilegraph/attention.h>

#include "fuzz.h"

enum { N_OPERATORS = 6, N_BLOCKS = 8, SEQUENCES = 4, COLUMNS = 6, KV_HEADS = 2, DIM = 16, BYTES_MOST = 1 << 20 };

static struct tg_device *device;
static struct tg_attention *operators[N_OPERATORS]; /* opened when they are needed first */
static struct tg_attention_config configs[N_OPERATORS];
static tg_address cache;
static uint64_t cache_bytes;
static float tables[2][64 * DIM];

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const uint32_t types[N_OPERATORS] = {TG_FP32, TG_BF16, TG_FP16, TG_INT8, TG_FP8_E4M3, TG_FP32};
    static const uint32_t blocks[N_OPERATORS] = {8, 16, 3, 16, 1, 32};
    struct tg_device_config config;
    (void)argc;
    (void)argv;
    tg_device_config_init(&config);
    config.platform = "cpu";
    config.workers = 1;
    config.gm_bytes = 64 << 20;
    FUZZ_CHECK(tg_device_open(&config, &device) == TG_OK, "%s", tg_last_message());
    for (int i = 0; i < N_OPERATORS; i++) {
        struct tg_attention_config *c = &configs[i];
        tg_attention_config_init(c);
        c->heads = KV_HEADS * (uint32_t)(1 + i);
        c->kv_heads = KV_HEADS;
        c->key_dim = DIM;
        c->block_tokens = blocks[i];
        c->kv_dtype = types[i];
        c->causal = i % 2 == 0;
        c->window_left = i == 3 ? 5 : -1;
        c->span_tokens = 16;
        c->rotary_dims = i == 5 ? DIM : 0;
        c->rotary_positions = 64;
        c->rotary_cos = tables[0];
        c->rotary_sin = tables[1];
    }
    cache_bytes = 2u * N_BLOCKS * 32 * KV_HEADS * DIM * 4;
    FUZZ_CHECK(tg_device_malloc(device, cache_bytes, &cache) == TG_OK, "%s", tg_last_message());
    void *zeros = calloc(1, cache_bytes);
    FUZZ_CHECK(zeros && tg_copy_to_device(device, cache, zeros, cache_bytes) == TG_OK, "no cache");
    free(zeros);
    return 0;
}

/* `value`, or in one of eight cases any number. */
static int64_t hostile(struct fuzz_input *in, int64_t value)
{
    const uint8_t code = fuzz_u8(in);
    if (code % 8) return value;
    return code & 8 ? (int64_t)fuzz_u64(in) : (int64_t)(int16_t)fuzz_u16(in);
}

static void refused(enum tg_status status)
{
    fuzz_reached(tg_last_message());
    FUZZ_CHECK(status == TG_ERR_ARGUMENT || status == TG_ERR_MEMORY || status == TG_ERR_DEVICE_MEMORY ||
                   status == TG_ERR_GLOBAL_MEMORY,
               "%s: %s", tg_status_name(status), tg_last_message());
    FUZZ_CHECK(tg_last_message()[0], "%s without a message", tg_status_name(status));
}

/* Open with any options. Rarely: it takes milliseconds. */
static void try_options(struct fuzz_input *in)
{
    struct tg_attention_config c = configs[fuzz_below(in, N_OPERATORS)];
    struct tg_attention *attention = NULL;
    c.heads = (uint32_t)hostile(in, c.heads);
    c.kv_heads = (uint32_t)hostile(in, c.kv_heads);
    c.key_dim = (uint32_t)hostile(in, c.key_dim);
    c.value_dim = (uint32_t)hostile(in, c.value_dim);
    c.block_tokens = (uint32_t)hostile(in, c.block_tokens);
    c.query_dtype = (uint32_t)hostile(in, c.query_dtype);
    c.out_dtype = (uint32_t)hostile(in, c.out_dtype);
    c.kv_dtype = (uint32_t)hostile(in, c.kv_dtype);
    c.window_left = (int32_t)hostile(in, c.window_left);
    c.span_tokens = (uint32_t)hostile(in, c.span_tokens);
    c.rotary_dims = (uint32_t)hostile(in, 0);
    if (c.rotary_dims > DIM) c.rotary_dims = 0; /* the tables have so many columns */
    const enum tg_status status = tg_attention_open(device, &c, &attention);
    if (status != TG_OK) refused(status);
    tg_attention_close(attention);
}

/* The number of query tokens; -1: the plan was refused. */
static int64_t plan(struct fuzz_input *in, struct tg_attention *attention, const struct tg_attention_config *config)
{
    int32_t *query_lens = calloc(SEQUENCES, sizeof *query_lens),
            *context_lens = calloc(SEQUENCES, sizeof *context_lens);
    int32_t *table = calloc(SEQUENCES * COLUMNS, sizeof *table), *rows = calloc(SEQUENCES, sizeof *rows);
    FUZZ_CHECK(query_lens && context_lens && table && rows, "no memory");
    struct tg_attention_batch batch = {.size = sizeof batch, .n_sequences = fuzz_below(in, SEQUENCES + 1)};
    int64_t n_tokens = 0;
    for (uint32_t i = 0; i < batch.n_sequences; i++) {
        query_lens[i] = (int32_t)hostile(in, fuzz_below(in, 5));
        context_lens[i] = (int32_t)hostile(in, fuzz_below(in, 64) % (config->block_tokens * COLUMNS + 1));
        rows[i] = (int32_t)(fuzz_u8(in) % SEQUENCES);
        if (fuzz_u8(in) == 3) rows[i] = -rows[i] - 1;
        n_tokens += query_lens[i];
    }
    for (int i = 0; i < SEQUENCES * COLUMNS; i++) table[i] = (int32_t)hostile(in, i % N_BLOCKS);
    batch.query_lens = query_lens;
    batch.context_lens = context_lens;
    batch.block_table = fuzz_u8(in) == 1 ? NULL : table;
    batch.table_stride = COLUMNS - (int64_t)fuzz_below(in, 8);
    batch.table_rows = rows;
    const enum tg_status status = tg_attention_plan(attention, &batch);
    if (status != TG_OK) refused(status);
    free(query_lens);
    free(context_lens);
    free(table);
    free(rows);
    return status == TG_OK ? n_tokens : -1;
}

/* An array of the distances that the data says, or NULL if that is too much. */
static unsigned char *array_of(const struct tg_attention_data *d, int64_t n_tokens, uint32_t heads, uint64_t cols,
                               uint64_t *n_bytes)
{
    uint64_t elements = (uint64_t)n_tokens * heads * cols;
    if (d->token_stride || d->head_stride) {
        if (d->token_stride < 0 || d->head_stride < 0) elements = 1; /* refused */
        else if (d->token_stride > BYTES_MOST || d->head_stride > BYTES_MOST) return NULL;
        else
            elements = (uint64_t)(n_tokens - 1) * (uint64_t)d->token_stride + (heads - 1) * (uint64_t)d->head_stride +
                       cols;
    }
    *n_bytes = elements * 4;
    unsigned char *memory = *n_bytes <= BYTES_MOST ? malloc(*n_bytes) : NULL;
    if (memory) memset(memory, 0x3C, *n_bytes);
    return memory;
}

static void draw_view(struct fuzz_input *in, const struct tg_attention_config *c, struct tg_kv_view *view)
{
    tg_kv_view_init(view);
    view->n_blocks = N_BLOCKS;
    view->block_tokens = c->block_tokens;
    view->kv_heads = KV_HEADS;
    view->key_dim = view->value_dim = DIM;
    view->dtype = c->kv_dtype;
    view->key = cache;
    view->value = cache + cache_bytes / 2;
    (void)tg_kv_view_place(view, (enum tg_kv_layout)fuzz_below(in, 4));
    view->n_blocks = (uint32_t)hostile(in, view->n_blocks);
    view->key = (tg_address)hostile(in, (int64_t)view->key);
    view->key_block = hostile(in, view->key_block);
    view->key_head = hostile(in, view->key_head);
    view->key_token = hostile(in, view->key_token);
    view->key_dim_stride = hostile(in, view->key_dim_stride);
    view->value_block = hostile(in, view->value_block);
    view->value_token = hostile(in, view->value_token);
    view->value = (tg_address)hostile(in, (int64_t)view->value);
    view->value_scales = fuzz_u8(in) == 7 ? cache : 0;
}

static void run(struct fuzz_input *in, struct tg_attention *attention, const struct tg_attention_config *c,
                int64_t n_tokens)
{
    struct tg_kv_view view;
    struct tg_attention_step step = {.size = sizeof step, .kv = &view};
    uint64_t query_bytes = 0, out_bytes = 0, mask_bytes = 0;
    draw_view(in, c, &view);
    step.query.token_stride = hostile(in, 0);
    step.query.head_stride = hostile(in, 0);
    step.out.token_stride = hostile(in, 0);
    step.out.head_stride = hostile(in, 0);
    if (fuzz_u8(in) % 4 == 0) step.slopes = tables[0];
    if (fuzz_u8(in) % 4 == 0) step.sinks = tables[0];
    unsigned char *query = array_of(&step.query, n_tokens, c->heads, DIM, &query_bytes);
    unsigned char *out = array_of(&step.out, n_tokens, c->heads, DIM, &out_bytes);
    unsigned char *mask = NULL;
    if (fuzz_u8(in) % 4 == 0) {
        step.mask.head_stride = 0;
        step.mask.token_stride = 64 * COLUMNS;
        step.mask_dtype = (uint32_t)hostile(in, fuzz_u8(in) & 1 ? TG_UINT8 : TG_FP32);
        mask = array_of(&step.mask, n_tokens, c->heads, 64 * COLUMNS, &mask_bytes);
        step.mask.data = mask;
    }
    step.query.data = query;
    step.out.data = out;
    if (query && out) {
        unsigned char *before = malloc(out_bytes);
        FUZZ_CHECK(before, "no memory");
        memcpy(before, out, out_bytes);
        const enum tg_status status = tg_attention_run(attention, &step);
        if (status != TG_OK) {
            refused(status);
            FUZZ_CHECK(memcmp(before, out, out_bytes) == 0, "a refused step has written");
        } else if (!step.out.token_stride && !step.out.head_stride && n_tokens > 0) {
            const uint64_t n = (uint64_t)n_tokens * c->heads * DIM;
            for (uint64_t i = 0; i < n; i++) {
                uint32_t bits;
                memcpy(&bits, out + 4 * i, 4);
                FUZZ_CHECK(bits != 0xFFFFFFFFu && bits != 0x3C3C3C3Cu, "element %llu of the output was not written",
                           (unsigned long long)i);
            }
        }
        free(before);
    }
    free(query);
    free(out);
    free(mask);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
    struct fuzz_input in = {bytes, bytes + n_bytes};
    const uint32_t i = fuzz_below(&in, N_OPERATORS);
    if (fuzz_u8(&in) == 1) try_options(&in);
    if (!operators[i])
        FUZZ_CHECK(tg_attention_open(device, &configs[i], &operators[i]) == TG_OK, "%s", tg_last_message());
    for (int turn = 0; turn < 3; turn++) {
        const int64_t n_tokens = plan(&in, operators[i], &configs[i]);
        if (n_tokens >= 0 && n_tokens < 64) run(&in, operators[i], &configs[i], n_tokens);
    }
    return 0;
}
