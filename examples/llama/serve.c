#include "serve.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tokenizer.h"

/* Rows of a step at most: long prompts are computed in parts, so that the others' next tokens do not wait for them. */
enum { STEP_ROWS = 256 };

/* ---- open and close ---------------------------------------------------------------------------------------------- */

static enum tg_status open_cache(struct serve *s, struct tg_device *device, struct failure *failure)
{
    const struct checkpoint *m = s->model;
    struct tg_kv_cache_config config;
    tg_kv_cache_config_init(&config);
    config.block_tokens = s->config.block_tokens;
    config.max_blocks = (m->max_tokens + config.block_tokens - 1) / config.block_tokens;
    config.n_blocks = s->config.n_blocks ? s->config.n_blocks : s->config.max_batch * config.max_blocks;
    config.n_layers = m->n_layers;
    config.kv_heads = m->n_kv_heads;
    config.key_dim = m->head_dim;
    config.max_sequences = s->config.max_batch + 1; /* one more while a fork replaces a new sequence */
    s->config.n_blocks = config.n_blocks;
    return failure_from_library(failure, tg_kv_cache_open(device, &config, &s->cache));
}

static enum tg_status open_attention(struct serve *s, struct tg_device *device, struct failure *failure)
{
    struct tg_run_config run;
    struct tg_attention_config config;
    tg_run_config_init(&run);
    run.block_dim = tg_device_blocks(device) ? tg_device_blocks(device) : run.block_dim;
    run.check = s->config.check;
    tg_attention_config_init(&config);
    config.heads = s->model->n_heads;
    config.kv_heads = s->model->n_kv_heads;
    config.key_dim = s->model->head_dim;
    config.block_tokens = s->config.block_tokens;
    config.causal = true;
    config.run = &run;
    return failure_from_library(failure, tg_attention_open(device, &config, &s->attention));
}

static enum tg_status open_step(struct serve *s, struct failure *failure)
{
    const uint32_t batch = s->config.max_batch, rows = batch > STEP_ROWS ? batch : STEP_ROWS;
    const enum tg_status status = forward_open(&s->forward, s->model, rows, failure);
    if (status != TG_OK) return status;
    s->running = calloc(batch, sizeof *s->running);
    s->sequences = calloc(batch, sizeof *s->sequences);
    s->new_tokens = calloc(batch, sizeof *s->new_tokens);
    s->contexts = calloc(batch, sizeof *s->contexts);
    s->table_rows = calloc(batch, sizeof *s->table_rows);
    s->last_rows = calloc(batch, sizeof *s->last_rows);
    s->row_tokens = calloc(rows, sizeof *s->row_tokens);
    s->positions = calloc(rows, sizeof *s->positions);
    if (s->running && s->sequences && s->new_tokens && s->contexts && s->table_rows && s->last_rows && s->row_tokens &&
        s->positions)
        return TG_OK;
    return failure_set(failure, TG_ERR_MEMORY, "no memory for a batch of %u texts", batch);
}

enum tg_status serve_open(struct serve *s, struct tg_device *device, const struct checkpoint *model,
                          const struct serve_config *config, struct failure *failure)
{
    memset(s, 0, sizeof *s);
    s->config = *config;
    s->model = model;
    enum tg_status status = open_cache(s, device, failure);
    if (status == TG_OK) status = open_attention(s, device, failure);
    if (status == TG_OK) status = open_step(s, failure);
    if (status != TG_OK) serve_close(s);
    return status;
}

void serve_close(struct serve *s)
{
    for (uint32_t i = 0; i < s->n_texts; i++) {
        free(s->texts[i]->tokens);
        free(s->texts[i]->swapped);
        free(s->texts[i]);
    }
    free(s->texts);
    free(s->running);
    free(s->sequences);
    free(s->new_tokens);
    free(s->contexts);
    free(s->table_rows);
    free(s->last_rows);
    free(s->row_tokens);
    free(s->positions);
    forward_close(&s->forward);
    tg_attention_close(s->attention);
    tg_kv_cache_close(s->cache);
    memset(s, 0, sizeof *s);
}

enum tg_status serve_add(struct serve *s, const int32_t *tokens, uint32_t n, struct failure *failure)
{
    const uint32_t room = s->model->max_tokens;
    if (n == 0 || n > room)
        return failure_set(failure, TG_ERR_ARGUMENT, "a prompt has %u tokens: the model's context has room for 1 to %u",
                           n, room);
    const uint32_t more = s->config.n_tokens < room - n ? s->config.n_tokens : room - n;
    const uint32_t n_blocks = (n + more + s->config.block_tokens - 1) / s->config.block_tokens;
    if (n_blocks > s->config.n_blocks)
        return failure_set(failure, TG_ERR_CACHE_FULL,
                           "a text of up to %u tokens needs %u blocks: the cache has %u, so %u are missing", n + more,
                           n_blocks, s->config.n_blocks, n_blocks - s->config.n_blocks);
    struct text **texts = realloc(s->texts, (s->n_texts + 1) * sizeof *texts), *t = calloc(1, sizeof *t);
    int32_t *copy = malloc((n + more) * sizeof *copy);
    if (texts) s->texts = texts;
    if (!texts || !t || !copy) {
        free(t);
        free(copy);
        return failure_set(failure, TG_ERR_MEMORY, "no memory for a text of %u tokens", n + more);
    }
    memcpy(copy, tokens, n * sizeof *copy);
    t->tokens = copy;
    t->n_prompt = t->n_tokens = n;
    t->most = n + more;
    t->state = more ? TEXT_WAITING : TEXT_DONE;
    t->random = s->config.seed;
    texts[s->n_texts++] = t;
    s->counts.n_prompt += n;
    s->counts.n_done += more == 0;
    return TG_OK;
}

/* ---- admission --------------------------------------------------------------------------------------------------- */

static uint32_t common_prefix(const struct text *a, const struct text *b)
{
    uint32_t n = 0;
    while (n < a->n_tokens && n < b->n_tokens && a->tokens[n] == b->tokens[n]) n++;
    return n;
}

/* The beginning that a new text can share with a running one. */
struct beginning {
    struct text *donor;
    uint32_t n;     /* tokens that the donor has computed */
    bool is_coming; /* it is about to compute more of them: the text had better wait */
};

/* A common beginning is worth a copied block if it spares a good part of a block, or the whole prompt. */
static bool is_worth(const struct serve *s, const struct text *t, uint32_t n, uint32_t n_have)
{
    return n > n_have && (n - n_have >= s->config.block_tokens / 2 || n + 1 == t->n_tokens);
}

/* The last token of a text is always computed: its output is wanted. */
static struct beginning find_beginning(const struct serve *s, const struct text *t, uint32_t n_found)
{
    struct beginning best = {NULL, n_found, false};
    uint32_t n_coming = 0;
    for (uint32_t i = 0; i < s->n_running; i++) {
        struct text *donor = s->running[i];
        uint32_t n = common_prefix(t, donor);
        if (n > t->n_tokens - 1) n = t->n_tokens - 1;
        if (n > n_coming) n_coming = n;
        if (n > donor->n_computed) n = donor->n_computed;
        if (!is_worth(s, t, n, best.n)) continue;
        best.donor = donor;
        best.n = n;
    }
    best.is_coming = is_worth(s, t, n_coming, best.n);
    return best;
}

/* Start the text's sequence with the longest beginning that the cache has. t->sequence is 0 if a running text is about
 * to compute more of it: the text waits for that. */
static enum tg_status start_sequence(struct serve *s, struct text *t, struct failure *failure)
{
    uint64_t n_found;
    enum tg_status status = tg_kv_lookup(s->cache, t->tokens, t->n_tokens - 1, &n_found);
    if (status != TG_OK) return failure_from_library(failure, status);
    const struct beginning beginning = find_beginning(s, t, (uint32_t)n_found);
    t->sequence = 0;
    if (beginning.is_coming) return TG_OK;
    if (beginning.donor) {
        status = tg_kv_fork(s->cache, beginning.donor->sequence, &t->sequence);
        if (status == TG_OK) status = tg_kv_truncate(s->cache, t->sequence, beginning.n);
    } else {
        status = tg_kv_start(s->cache, t->tokens, t->n_tokens - 1, &t->sequence, &n_found);
    }
    t->n_computed = beginning.donor ? beginning.n : (uint32_t)n_found;
    return failure_from_library(failure, status);
}

/* Blocks for all known tokens of the text, and one for each other text, so that it does not push them out at once. */
static enum tg_status reserve_first(struct serve *s, const struct text *t, struct failure *failure)
{
    struct tg_kv_stats stats;
    const enum tg_status status = tg_kv_reserve(s->cache, t->sequence, t->n_tokens - t->n_computed, NULL);
    if (status != TG_OK) return failure_from_library(failure, status);
    (void)tg_kv_cache_stats(s->cache, &stats);
    return stats.n_free + stats.n_kept >= s->n_running ? TG_OK : TG_ERR_CACHE_FULL;
}

/* Let the text join the batch. TG_ERR_CACHE_FULL: there is no room now, and it still waits. */
static enum tg_status admit(struct serve *s, struct text *t, struct failure *failure)
{
    enum tg_status status;
    if (t->swapped)
        status = failure_from_library(failure,
                                      tg_kv_import(s->cache, t->swapped, t->swapped_bytes, &t->sequence, NULL));
    else status = start_sequence(s, t, failure);
    if (status != TG_OK || !t->sequence) return status;
    status = reserve_first(s, t, failure);
    struct tg_kv_sequence info;
    if (status == TG_OK) status = failure_from_library(failure, tg_kv_look(s->cache, t->sequence, &info));
    if (status != TG_OK) {
        (void)tg_kv_release(s->cache, t->sequence);
        return status;
    }
    free(t->swapped);
    t->swapped = NULL;
    t->row = (int32_t)info.row;
    t->state = TEXT_RUNNING;
    s->running[s->n_running++] = t;
    return TG_OK;
}

/* Texts that were swapped out come first, then the others in the order of their prompts. The first one without room
 * ends the turn, so that short texts do not overtake a long one for ever. */
static enum tg_status admit_all(struct serve *s, struct failure *failure)
{
    for (int turn = 0; turn < 2; turn++) {
        for (uint32_t i = 0; i < s->n_texts && s->n_running < s->config.max_batch; i++) {
            struct text *t = s->texts[i];
            if (t->state != TEXT_WAITING || (t->swapped != NULL) != (turn == 0)) continue;
            const enum tg_status status = admit(s, t, failure);
            if (status == TG_ERR_CACHE_FULL && s->n_running > 0) return TG_OK;
            if (status != TG_OK) return status;
        }
    }
    return TG_OK;
}

/* ---- room -------------------------------------------------------------------------------------------------------- */

/* Move the keys and values of the text that joined last to host memory. */
static enum tg_status swap_out_last(struct serve *s, struct failure *failure)
{
    struct text *t = s->running[s->n_running - 1];
    enum tg_status status = tg_kv_export(s->cache, t->sequence, NULL, 0, &t->swapped_bytes);
    if (status != TG_OK) return failure_from_library(failure, status);
    t->swapped = malloc(t->swapped_bytes);
    if (!t->swapped) return failure_set(failure, TG_ERR_MEMORY, "no memory to swap a text out");
    status = tg_kv_export(s->cache, t->sequence, t->swapped, t->swapped_bytes, &t->swapped_bytes);
    if (status == TG_OK) status = tg_kv_release(s->cache, t->sequence);
    if (status != TG_OK) return failure_from_library(failure, status);
    t->state = TEXT_WAITING;
    s->n_running--;
    s->counts.n_swapped++;
    return TG_OK;
}

/* Room for the next tokens of every running text; the last ones make place for the first ones. */
static enum tg_status reserve_all(struct serve *s, struct failure *failure)
{
    for (uint32_t i = 0; i < s->n_running;) {
        const struct text *t = s->running[i];
        enum tg_status status = tg_kv_reserve(s->cache, t->sequence, t->n_tokens - t->n_computed, NULL);
        if (status == TG_OK) i++;
        else if (status != TG_ERR_CACHE_FULL || s->n_running == 1) return failure_from_library(failure, status);
        else if ((status = swap_out_last(s, failure)) != TG_OK) return status;
    }
    return TG_OK;
}

/* ---- a step ------------------------------------------------------------------------------------------------------ */

/* Every running text gets a row. The other rows go to long prompts, the first ones first. */
static void choose_rows(struct serve *s)
{
    uint32_t left = s->forward.max_rows - s->n_running;
    s->n_rows = 0;
    for (uint32_t i = 0; i < s->n_running; i++) {
        const struct text *t = s->running[i];
        const uint32_t more = t->n_tokens - t->n_computed - 1, extra = more < left ? more : left;
        left -= extra;
        s->sequences[i] = t->sequence;
        s->new_tokens[i] = (int32_t)(1 + extra);
        s->contexts[i] = (int32_t)(t->n_computed + 1 + extra);
        s->table_rows[i] = t->row;
        for (uint32_t j = 0; j <= extra; j++) {
            s->row_tokens[s->n_rows] = t->tokens[t->n_computed + j];
            s->positions[s->n_rows++] = (int32_t)(t->n_computed + j);
        }
        s->last_rows[i] = s->n_rows - 1;
    }
}

static enum tg_status plan(struct serve *s, struct failure *failure)
{
    struct tg_attention_batch batch = {.size = sizeof batch,
                                       .n_sequences = s->n_running,
                                       .query_lens = s->new_tokens,
                                       .context_lens = s->contexts,
                                       .table_rows = s->table_rows};
    batch.block_table = tg_kv_cache_table(s->cache, &batch.table_stride);
    return failure_from_library(failure, tg_attention_plan(s->attention, &batch));
}

/* An attend_fn: write the new keys and values to the cache, then attend to all of them. */
static enum tg_status attend(void *context, uint32_t layer, const float *query, const float *key, const float *value,
                             float *out, struct failure *failure)
{
    struct serve *s = context;
    struct tg_kv_view view;
    const struct tg_kv_rows rows = {.size = sizeof rows,
                                    .n_sequences = s->n_running,
                                    .sequences = s->sequences,
                                    .n_tokens = s->new_tokens,
                                    .keys = key,
                                    .values = value};
    enum tg_status status = tg_kv_append(s->cache, layer, &rows);
    if (status == TG_OK) status = tg_kv_cache_view(s->cache, layer, &view);
    const struct tg_attention_step step = {
        .size = sizeof step, .kv = &view, .query = {.data = (void *)(uintptr_t)query}, .out = {.data = out}};
    if (status == TG_OK) status = tg_attention_run(s->attention, &step);
    return failure_from_library(failure, status);
}

/* ---- the next token ---------------------------------------------------------------------------------------------- */

/* splitmix64, as a number in [0, 1). */
static double draw(uint64_t *state)
{
    uint64_t z = (*state += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

static int32_t most_probable(const float *logits, uint32_t n)
{
    uint32_t best = 0;
    for (uint32_t i = 1; i < n; i++)
        if (logits[i] > logits[best]) best = i;
    return (int32_t)best;
}

static int32_t choose_token(float *logits, uint32_t n, float temperature, uint64_t *random)
{
    const int32_t best = most_probable(logits, n);
    if (temperature == 0) return best;
    const float most = logits[best];
    double sum = 0;
    for (uint32_t i = 0; i < n; i++) sum += logits[i] = expf((logits[i] - most) / temperature);
    double left = draw(random) * sum;
    for (uint32_t i = 0; i < n; i++) {
        left -= (double)logits[i];
        if (left < 0) return (int32_t)i;
    }
    return best; /* rounding left nothing */
}

/* The step's tokens of text number `i` are in the cache. With the last known one its next token is known, too. */
static enum tg_status advance(struct serve *s, uint32_t i, struct failure *failure)
{
    struct text *t = s->running[i];
    const uint32_t n = (uint32_t)s->new_tokens[i];
    const enum tg_status status = tg_kv_commit(s->cache, t->sequence, t->tokens + t->n_computed, n);
    if (status != TG_OK) return failure_from_library(failure, status);
    if (t->n_computed < t->n_prompt)
        s->counts.n_computed += (t->n_computed + n < t->n_prompt ? t->n_computed + n : t->n_prompt) - t->n_computed;
    t->n_computed += n;
    if (t->n_computed < t->n_tokens) return TG_OK;
    float *logits = s->forward.logits + (uint64_t)i * s->model->vocab_size;
    const int32_t token = choose_token(logits, s->model->vocab_size, s->config.temperature, &t->random);
    s->counts.n_generated++;
    if (token == TOKEN_BEGIN || token == TOKEN_END) t->state = TEXT_DONE; /* the model says that the text ends */
    else t->tokens[t->n_tokens++] = token;
    if (t->n_tokens == t->most) t->state = TEXT_DONE;
    return TG_OK;
}

/* Texts that are done leave the batch. */
static enum tg_status retire(struct serve *s, struct failure *failure)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->n_running; i++) {
        struct text *t = s->running[i];
        if (t->state != TEXT_DONE) {
            s->running[n++] = t;
            continue;
        }
        const enum tg_status status = tg_kv_release(s->cache, t->sequence);
        if (status != TG_OK) return failure_from_library(failure, status);
        s->counts.n_done++;
    }
    s->n_running = n;
    return TG_OK;
}

enum tg_status serve_step(struct serve *s, struct failure *failure)
{
    enum tg_status status = admit_all(s, failure);
    if (status == TG_OK) status = reserve_all(s, failure);
    if (status != TG_OK || s->n_running == 0) return status;
    choose_rows(s);
    const struct rows rows = {s->n_rows, s->row_tokens, s->positions, s->last_rows, s->n_running};
    status = plan(s, failure);
    if (status == TG_OK) status = forward_run(&s->forward, &rows, attend, s, failure);
    for (uint32_t i = 0; i < s->n_running && status == TG_OK; i++) status = advance(s, i, failure);
    s->counts.n_steps++;
    return status == TG_OK ? retire(s, failure) : status;
}
