#include "forward.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- memory ------------------------------------------------------------------------------------------------------ */

enum tg_status forward_open(struct forward *f, const struct checkpoint *model, uint32_t max_rows,
                            struct failure *failure)
{
    const uint64_t dim = model->dim, kv_dim = (uint64_t)model->n_kv_heads * model->head_dim;
    float **const arrays[] = {&f->x,     &f->normed, &f->query, &f->attended, &f->key,
                              &f->value, &f->gate,   &f->up,    &f->logits};
    const uint64_t widths[] = {
        dim, dim, dim, dim, kv_dim, kv_dim, model->hidden_dim, model->hidden_dim, model->vocab_size};
    enum { N = sizeof widths / sizeof widths[0] };
    uint64_t n = 0;
    memset(f, 0, sizeof *f);
    for (int i = 0; i < N; i++) n += widths[i] * max_rows;
    f->memory = calloc(n, sizeof *f->memory);
    if (!f->memory) return failure_set(failure, TG_ERR_MEMORY, "no memory for %u rows of the model", max_rows);
    float *at = f->memory;
    for (int i = 0; i < N; i++) {
        *arrays[i] = at;
        at += widths[i] * max_rows;
    }
    f->model = model;
    f->max_rows = max_rows;
    return TG_OK;
}

void forward_close(struct forward *f)
{
    free(f->memory);
    memset(f, 0, sizeof *f);
}

/* ---- arithmetic -------------------------------------------------------------------------------------------------- */

/* Sixteen sums side by side, which a compiler can keep in vector registers without changing the order of additions. */
enum { LANES = 16 };

static float dot(const float *a, const float *b, uint32_t n)
{
    float sums[LANES] = {0}, sum = 0;
    uint32_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (uint32_t lane = 0; lane < LANES; lane++) sums[lane] += a[i + lane] * b[i + lane];
    for (; i < n; i++) sum += a[i] * b[i];
    for (uint32_t lane = 0; lane < LANES; lane++) sum += sums[lane];
    return sum;
}

/* out [n][rows] = x [n][cols] times the transpose of w [rows][cols]: each row of w is read once for all of x. */
static void multiply(float *out, const float *x, const float *w, uint32_t n, uint32_t rows, uint32_t cols)
{
    for (uint32_t r = 0; r < rows; r++)
        for (uint32_t i = 0; i < n; i++)
            out[(uint64_t)i * rows + r] = dot(x + (uint64_t)i * cols, w + (uint64_t)r * cols, cols);
}

static void normalise(float *out, const float *x, const float *weight, uint32_t n, uint32_t dim)
{
    for (uint32_t i = 0; i < n; i++, x += dim, out += dim) {
        const float scale = 1.0f / sqrtf(dot(x, x, dim) / (float)dim + 1e-5f);
        for (uint32_t j = 0; j < dim; j++) out[j] = weight[j] * (scale * x[j]);
    }
}

/* Rotate neighbouring pairs of each head by an angle that grows with the position and shrinks with the pair. */
static void rotate(float *x, const int32_t *positions, uint32_t n, uint32_t heads, uint32_t head_dim)
{
    for (uint32_t pair = 0; pair < head_dim / 2; pair++) {
        const float frequency = 1.0f / powf(10000.0f, (float)(2 * pair) / (float)head_dim);
        for (uint32_t i = 0; i < n; i++) {
            const float angle = (float)positions[i] * frequency, c = cosf(angle), s = sinf(angle);
            float *at = x + (uint64_t)i * heads * head_dim + 2 * (uint64_t)pair;
            for (uint32_t head = 0; head < heads; head++, at += head_dim) {
                const float a = at[0], b = at[1];
                at[0] = a * c - b * s;
                at[1] = a * s + b * c;
            }
        }
    }
}

static void add(float *x, const float *y, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) x[i] += y[i];
}

/* ---- layers ------------------------------------------------------------------------------------------------------ */

static enum tg_status attention(struct forward *f, const struct rows *rows, uint32_t layer, attend_fn *attend,
                                void *context, struct failure *failure)
{
    const struct checkpoint *m = f->model;
    const uint32_t n = rows->n, dim = m->dim, kv_dim = m->n_kv_heads * m->head_dim;
    const uint64_t at = layer;
    normalise(f->normed, f->x, m->attention_norm + at * dim, n, dim);
    multiply(f->query, f->normed, m->wq + at * dim * dim, n, dim, dim);
    multiply(f->key, f->normed, m->wk + at * kv_dim * dim, n, kv_dim, dim);
    multiply(f->value, f->normed, m->wv + at * kv_dim * dim, n, kv_dim, dim);
    rotate(f->query, rows->positions, n, m->n_heads, m->head_dim);
    rotate(f->key, rows->positions, n, m->n_kv_heads, m->head_dim);
    const enum tg_status status = attend(context, layer, f->query, f->key, f->value, f->attended, failure);
    if (status != TG_OK) return status;
    multiply(f->normed, f->attended, m->wo + at * dim * dim, n, dim, dim);
    add(f->x, f->normed, (uint64_t)n * dim);
    return TG_OK;
}

static void feed_forward(struct forward *f, uint32_t n, uint32_t layer)
{
    const struct checkpoint *m = f->model;
    const uint32_t dim = m->dim, hidden = m->hidden_dim;
    const uint64_t at = layer, part = (uint64_t)hidden * dim;
    normalise(f->normed, f->x, m->ffn_norm + at * dim, n, dim);
    multiply(f->gate, f->normed, m->w1 + at * part, n, hidden, dim);
    multiply(f->up, f->normed, m->w3 + at * part, n, hidden, dim);
    for (uint64_t i = 0; i < (uint64_t)n * hidden; i++) {
        const float gate = f->gate[i];
        f->gate[i] = gate / (1.0f + expf(-gate)) * f->up[i];
    }
    multiply(f->normed, f->gate, m->w2 + at * part, n, dim, hidden);
    add(f->x, f->normed, (uint64_t)n * dim);
}

enum tg_status forward_run(struct forward *f, const struct rows *rows, attend_fn *attend, void *context,
                           struct failure *failure)
{
    const struct checkpoint *m = f->model;
    const uint32_t dim = m->dim;
    for (uint32_t i = 0; i < rows->n; i++) {
        const float *row = m->embedding + (uint64_t)rows->tokens[i] * dim;
        memcpy(f->x + (uint64_t)i * dim, row, dim * sizeof *row);
    }
    for (uint32_t layer = 0; layer < m->n_layers; layer++) {
        const enum tg_status status = attention(f, rows, layer, attend, context, failure);
        if (status != TG_OK) return status;
        feed_forward(f, rows->n, layer);
    }
    for (uint32_t i = 0; i < rows->n_last; i++)
        memcpy(f->query + (uint64_t)i * dim, f->x + (uint64_t)rows->last_rows[i] * dim, dim * sizeof *f->x);
    normalise(f->normed, f->query, m->final_norm, rows->n_last, dim);
    multiply(f->logits, f->normed, m->classifier, rows->n_last, m->vocab_size, dim);
    return TG_OK;
}
