/*
 * examples/llama. The text that the model's author published. Logits of random models against a plain forward pass in
 * double precision. Texts in a batch against the same texts alone. The line on a terminal. Wrong input.
 */
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/check.h"
#include "common/folder.h"
#include "common/process.h"
#include "common/random.h"
#include "serve.h"
#include "tokenizer.h"

#define MODEL TG_TEST_SOURCE_DIR "/examples/llama/model/"

static struct failure failure;

static void ok(enum tg_status status) { CHECK(status == TG_OK, "%s: %s", tg_status_name(status), failure.message); }

static struct tg_device *open_device(const char *platform)
{
    struct tg_device_config config;
    struct tg_device *device = NULL;
    tg_device_config_init(&config);
    config.platform = platform;
    config.workers = strcmp(platform, "cpu") == 0 ? 1 : 0;
    assert_int_equal(tg_device_open(&config, &device), TG_OK);
    return device;
}

static const struct serve_config usual = {
    .max_batch = 8, .block_tokens = 16, .n_tokens = 40, .temperature = 0, .seed = 1};

static void finish(struct serve *serve)
{
    for (int step = 0; serve->counts.n_done < serve->n_texts; step++) {
        ok(serve_step(serve, &failure));
        assert_true(step < 10000);
    }
}

/* ---- the published model ----------------------------------------------------------------------------------------- */

static struct checkpoint stories;
static struct tokenizer vocabulary;

static int read_model(void **state)
{
    (void)state;
    return checkpoint_read(MODEL "stories260K.bin", &stories, &failure) ||
           tokenizer_read(MODEL "tok512.bin", stories.vocab_size, &vocabulary, &failure);
}

static int free_model(void **state)
{
    (void)state;
    tokenizer_free(&vocabulary);
    checkpoint_free(&stories);
    return 0;
}

static void add(struct serve *serve, const char *prompt)
{
    int32_t *tokens;
    uint32_t n;
    ok(tokenizer_encode(&vocabulary, prompt, &tokens, &n, &failure));
    ok(serve_add(serve, tokens, n, &failure));
    free(tokens);
}

/* The generated text; to be freed. */
static char *text_of(const struct text *t)
{
    char *text = NULL;
    size_t n;
    FILE *stream = open_memstream(&text, &n);
    assert_non_null(stream);
    for (uint32_t i = t->n_prompt; i < t->n_tokens; i++)
        fputs(tokenizer_text(&vocabulary, t->tokens[i - 1], t->tokens[i]), stream);
    fclose(stream);
    return text;
}

static void expect_published(const char *platform, bool check)
{
    struct process expected;
    process_run(&expected, (const char *const[]){"/bin/cat", MODEL "stories260K-greedy.txt", NULL});
    expected.out[strlen(expected.out) - 1] = 0; /* the line end */
    struct tg_device *device = open_device(platform);
    struct serve serve;
    struct serve_config config = usual;
    config.n_tokens = 250;
    config.check = check;
    ok(serve_open(&serve, device, &stories, &config, &failure));
    add(&serve, "");
    finish(&serve);
    char *text = text_of(serve.texts[0]);
    assert_string_equal(text, expected.out);
    free(text);
    process_free(&expected);
    serve_close(&serve);
    assert_int_equal(tg_device_bytes_in_use(device), 0);
    tg_device_close(device);
}

static void the_published_text_comes_out_on_cpu(void **state)
{
    (void)state;
    expect_published("cpu", false);
}

static void the_published_text_comes_out_on_a2a3sim(void **state)
{
    (void)state;
    expect_published("a2a3sim", true);
}

static void texts_become_tokens_and_come_back(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "Once upon a time", "a", " two  spaces ", "\xC3\xA9t\xC3\xA9 \xE2\x82\xAC!", "line\nbreak\ttab", "\xFF\xFE\x80",
        "Lily Lily LILY"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        int32_t *tokens;
        uint32_t n;
        char back[256] = "";
        ok(tokenizer_encode(&vocabulary, texts[i], &tokens, &n, &failure));
        assert_int_equal(tokens[0], TOKEN_BEGIN);
        for (uint32_t k = 1; k < n; k++) strcat(back, tokenizer_text(&vocabulary, tokens[k - 1], tokens[k]));
        assert_string_equal(back, texts[i]);
        free(tokens);
    }
    /* The pieces that the author's encoder finds. */
    static const int32_t once[] = {1, 403, 407, 261, 378};
    int32_t *tokens;
    uint32_t n;
    ok(tokenizer_encode(&vocabulary, "Once upon a time", &tokens, &n, &failure));
    assert_int_equal(n, 5);
    assert_memory_equal(tokens, once, sizeof once);
    free(tokens);
}

/* ---- batches ----------------------------------------------------------------------------------------------------- */

static const char *const prompts[] = {
    "Once upon a time",
    "Lily went to the",
    "A big dog",
    "The sun was hot and Tom wanted to swim in the lake, but his mom said that it was too deep for him. So",
    "One day, a little boy named Tim went to the park with his mom. He saw a big, red",
    "Sam",
    "Mia liked to play with her ball, but",
    "In the forest there lived a bear who"};
enum { N_PROMPTS = sizeof prompts / sizeof prompts[0] };

/* Serve all prompts and compare each text with `alone`; NULL: set them. */
static struct serve_counts serve_all(struct tg_device *device, const struct serve_config *config,
                                     char *alone[N_PROMPTS], struct tg_kv_stats *stats)
{
    struct serve serve;
    ok(serve_open(&serve, device, &stories, config, &failure));
    for (int i = 0; i < N_PROMPTS; i++) add(&serve, prompts[i]);
    finish(&serve);
    for (int i = 0; i < N_PROMPTS; i++) {
        char *text = text_of(serve.texts[i]);
        CHECK(strcmp(text, alone[i]) == 0, "prompt %d: '%s', alone '%s'", i, text, alone[i]);
        free(text);
    }
    assert_int_equal(tg_kv_cache_stats(serve.cache, stats), TG_OK);
    const struct serve_counts counts = serve.counts;
    serve_close(&serve);
    return counts;
}

static void serve_each_alone(struct tg_device *device, const struct serve_config *config, char *alone[N_PROMPTS])
{
    for (int i = 0; i < N_PROMPTS; i++) {
        struct serve serve;
        ok(serve_open(&serve, device, &stories, config, &failure));
        add(&serve, prompts[i]);
        finish(&serve);
        alone[i] = text_of(serve.texts[0]);
        serve_close(&serve);
    }
}

static void try_batches(float temperature)
{
    struct tg_device *device = open_device("cpu");
    struct serve_config config = usual;
    struct tg_kv_stats stats;
    char *alone[N_PROMPTS];
    config.temperature = temperature;
    serve_each_alone(device, &config, alone);

    struct serve_counts counts = serve_all(device, &config, alone, &stats);
    assert_true(counts.n_steps < 50); /* together */
    assert_int_equal(counts.n_swapped, 0);

    config.max_batch = 3; /* they join as others leave */
    counts = serve_all(device, &config, alone, &stats);
    assert_true(counts.n_steps > 50);

    config.max_batch = 8; /* the cache is too small for all */
    config.n_blocks = 7;
    counts = serve_all(device, &config, alone, &stats);
    assert_true(counts.n_swapped > 0);
    assert_int_equal(stats.n_used, 0);

    config.block_tokens = 1;
    config.n_blocks = 100;
    counts = serve_all(device, &config, alone, &stats);
    assert_true(counts.n_swapped > 0);
    for (int i = 0; i < N_PROMPTS; i++) free(alone[i]);
    tg_device_close(device);
}

static void a_text_in_a_batch_is_the_text_alone(void **state)
{
    (void)state;
    try_batches(0);
    try_batches(0.9f);
}

static void a_shared_prompt_is_computed_once(void **state)
{
    (void)state;
    struct tg_device *device = open_device("cpu");
    struct serve serve;
    ok(serve_open(&serve, device, &stories, &usual, &failure));
    for (int i = 0; i < 6; i++) add(&serve, prompts[4]);
    finish(&serve);
    const uint32_t n = serve.texts[0]->n_prompt;
    assert_int_equal(serve.counts.n_prompt, 6 * n);
    assert_int_equal(serve.counts.n_computed, n + 5); /* the last token of each: its output is wanted */
    for (uint32_t i = 1; i < 6; i++) {
        assert_int_equal(serve.texts[i]->n_tokens, serve.texts[0]->n_tokens);
        assert_memory_equal(serve.texts[i]->tokens, serve.texts[0]->tokens, serve.texts[0]->n_tokens * sizeof(int32_t));
    }
    /* And again, when no text runs that has it: its full blocks are still in the cache. */
    add(&serve, prompts[4]);
    finish(&serve);
    assert_int_equal(serve.counts.n_computed, n + 5 + n - (n - 1) / 16 * 16);
    serve_close(&serve);
    tg_device_close(device);
}

static void a_text_that_cannot_fit_is_refused(void **state)
{
    (void)state;
    struct tg_device *device = open_device("cpu");
    struct serve serve;
    struct serve_config config = usual;
    const int32_t tokens[600] = {1};
    config.n_blocks = 2;
    ok(serve_open(&serve, device, &stories, &config, &failure));
    assert_int_equal(serve_add(&serve, tokens, 20, &failure), TG_ERR_CACHE_FULL);
    assert_non_null(strstr(failure.message, "so 2 are missing"));
    assert_int_equal(serve_add(&serve, tokens, 513, &failure), TG_ERR_ARGUMENT);
    assert_int_equal(serve_add(&serve, tokens, 0, &failure), TG_ERR_ARGUMENT);
    assert_int_equal(serve.n_texts, 0);
    serve_close(&serve);
    tg_device_close(device);
}

/* ---- random models ----------------------------------------------------------------------------------------------- */

static void draw(float *to, uint64_t n, double deviation, uint64_t *random)
{
    for (uint64_t i = 0; i < n; i++) {
        double sum = -6;
        for (int k = 0; k < 12; k++) sum += (double)(random_next(random) >> 11) * 0x1p-53;
        to[i] = (float)(sum * deviation);
    }
}

/* A checkpoint in memory, made like a file. */
static void make_model(struct checkpoint *m, uint32_t dim, uint32_t heads, uint32_t kv_heads, uint64_t seed)
{
    uint64_t random = seed;
    *m = (struct checkpoint){.dim = dim,
                             .hidden_dim = 2 * dim + 4,
                             .n_layers = 3,
                             .n_heads = heads,
                             .n_kv_heads = kv_heads,
                             .vocab_size = 70,
                             .max_tokens = 64,
                             .head_dim = dim / heads};
    const uint64_t layers = m->n_layers, kv_dim = (uint64_t)kv_heads * m->head_dim, hidden = m->hidden_dim;
    const float **const arrays[] = {&m->embedding,  &m->attention_norm, &m->wq, &m->wk, &m->wv,
                                    &m->wo,         &m->ffn_norm,       &m->w1, &m->w2, &m->w3,
                                    &m->final_norm, &m->classifier};
    const uint64_t sizes[] = {70 * dim,
                              layers * dim,
                              layers * dim * dim,
                              layers * kv_dim * dim,
                              layers * kv_dim * dim,
                              layers * dim * dim,
                              layers * dim,
                              layers * hidden * dim,
                              layers * dim * hidden,
                              layers * hidden * dim,
                              dim,
                              70 * dim};
    uint64_t n = 0;
    for (int i = 0; i < 12; i++) n += sizes[i];
    float *at = malloc(n * sizeof *at);
    assert_non_null(at);
    m->bytes = at;
    draw(at, n, 1.5 / sqrt(dim), &random);
    for (int i = 0; i < 12; i++) {
        *arrays[i] = at;
        at += sizes[i];
    }
}

static void multiply(double *out, const double *x, const float *w, uint32_t rows, uint32_t cols)
{
    for (uint32_t r = 0; r < rows; r++) {
        out[r] = 0;
        for (uint32_t c = 0; c < cols; c++) out[r] += (double)w[(uint64_t)r * cols + c] * x[c];
    }
}

static void normalise(double *out, const double *x, const float *w, uint32_t n)
{
    double sum = 0;
    for (uint32_t i = 0; i < n; i++) sum += x[i] * x[i];
    for (uint32_t i = 0; i < n; i++) out[i] = (double)w[i] * x[i] / sqrt(sum / n + 1e-5);
}

enum { DIM_MAX = 64, HIDDEN_MAX = 2 * DIM_MAX + 4, VOCAB = 70, TOKENS = 30, LAYERS = 3 };

static double all_keys[LAYERS][TOKENS][DIM_MAX], all_values[LAYERS][TOKENS][DIM_MAX];

static void rotate(double *x, uint32_t position, uint32_t dim, uint32_t head_dim)
{
    for (uint32_t i = 0; i < dim; i += 2) {
        const double angle = position * pow(10000, -(double)(i % head_dim) / head_dim), a = x[i], b = x[i + 1];
        x[i] = a * cos(angle) - b * sin(angle);
        x[i + 1] = a * sin(angle) + b * cos(angle);
    }
}

/* One token behind those before it: attention over all keys in double precision. */
static void reference(const struct checkpoint *m, int32_t token, uint32_t position, double logits[VOCAB])
{
    const uint32_t dim = m->dim, kv_dim = m->n_kv_heads * m->head_dim, hidden = m->hidden_dim, hd = m->head_dim;
    double x[DIM_MAX], y[DIM_MAX], q[DIM_MAX], out[DIM_MAX], gate[HIDDEN_MAX], up[HIDDEN_MAX], weight[TOKENS];
    for (uint32_t i = 0; i < dim; i++) x[i] = (double)m->embedding[(uint32_t)token * dim + i];
    for (uint32_t l = 0; l < m->n_layers; l++) {
        normalise(y, x, m->attention_norm + l * dim, dim);
        multiply(q, y, m->wq + l * dim * dim, dim, dim);
        multiply(all_keys[l][position], y, m->wk + l * kv_dim * dim, kv_dim, dim);
        multiply(all_values[l][position], y, m->wv + l * kv_dim * dim, kv_dim, dim);
        rotate(q, position, dim, hd);
        rotate(all_keys[l][position], position, kv_dim, hd);
        for (uint32_t h = 0; h < m->n_heads; h++) {
            const uint32_t kv = h / (m->n_heads / m->n_kv_heads) * hd;
            double sum = 0;
            for (uint32_t t = 0; t <= position; t++) {
                double score = 0;
                for (uint32_t d = 0; d < hd; d++) score += q[h * hd + d] * all_keys[l][t][kv + d];
                sum += weight[t] = exp(score / sqrt(hd));
            }
            for (uint32_t d = 0; d < hd; d++) {
                out[h * hd + d] = 0;
                for (uint32_t t = 0; t <= position; t++) out[h * hd + d] += weight[t] / sum * all_values[l][t][kv + d];
            }
        }
        multiply(y, out, m->wo + l * dim * dim, dim, dim);
        for (uint32_t i = 0; i < dim; i++) x[i] += y[i];
        normalise(y, x, m->ffn_norm + l * dim, dim);
        multiply(gate, y, m->w1 + l * hidden * dim, hidden, dim);
        multiply(up, y, m->w3 + l * hidden * dim, hidden, dim);
        for (uint32_t i = 0; i < hidden; i++) gate[i] = gate[i] / (1 + exp(-gate[i])) * up[i];
        multiply(y, gate, m->w2 + l * dim * hidden, dim, hidden);
        for (uint32_t i = 0; i < dim; i++) x[i] += y[i];
    }
    normalise(y, x, m->final_norm, dim);
    multiply(logits, y, m->classifier, VOCAB, dim);
}

static void logits_are_those_of_a_plain_forward_pass(void **state)
{
    (void)state;
    static const uint32_t shapes[][3] = {{64, 8, 8}, {64, 8, 2}, {64, 4, 1}, {32, 2, 2}, {24, 3, 3}, {64, 1, 1}};
    static const char *const platforms[] = {"cpu", "a2a3sim"};
    for (size_t i = 0; i < 2 * sizeof shapes / sizeof shapes[0]; i++) {
        const uint32_t *shape = shapes[i / 2];
        struct tg_device *device = open_device(platforms[i % 2]);
        struct checkpoint model;
        struct serve serve;
        struct serve_config config = usual;
        const int32_t prompt[7] = {1, 5, 60, 33, 8, 8, 12};
        make_model(&model, shape[0], shape[1], shape[2], i / 2 + 1);
        config.block_tokens = 5;
        config.n_tokens = TOKENS - 8;
        config.check = i % 2;
        ok(serve_open(&serve, device, &model, &config, &failure));
        ok(serve_add(&serve, prompt, 7, &failure));
        const struct text *t = serve.texts[0];
        uint32_t position = 0;
        while (t->state != TEXT_DONE) {
            ok(serve_step(&serve, &failure));
            double logits[VOCAB], most = 0;
            for (; position < t->n_computed; position++) reference(&model, t->tokens[position], position, logits);
            for (int v = 0; v < VOCAB; v++) most = fmax(most, fabs(logits[v]));
            for (int v = 0; v < VOCAB; v++)
                CHECK(fabs(logits[v] - (double)serve.forward.logits[v]) <= 2e-4 * most,
                      "shape %d on %s, position %d: logit %d is %g, not %g", (int)i / 2, platforms[i % 2],
                      (int)position, v, (double)serve.forward.logits[v], logits[v]);
        }
        serve_close(&serve);
        checkpoint_free(&model);
        tg_device_close(device);
    }
}

/* ---- the command ------------------------------------------------------------------------------------------------- */

enum { ARGS_MAX = 24 };
#define ARGS(...) ((const char *const[ARGS_MAX]){__VA_ARGS__, NULL})
#define GOOD MODEL "stories260K.bin", "--tokenizer", MODEL "tok512.bin"

static struct process run_llama(const char *const *args)
{
    const char *argv[ARGS_MAX + 2] = {process_binary("llama")};
    for (size_t i = 0; i < ARGS_MAX && args[i]; i++) argv[i + 1] = args[i];
    struct process process;
    process_run(&process, argv);
    return process;
}

static void expect(int exit_code, const char *const *args, const char *says)
{
    struct process process = run_llama(args);
    CHECK(process.exit_code == exit_code && strstr(process.err, says), "exit code %d, expected %d and '%s': %s%s",
          process.exit_code, exit_code, says, process.out, process.err);
    assert_string_equal(process.out, "");
    process_free(&process);
}

static void the_command_prints_texts_and_nothing_else(void **state)
{
    (void)state;
    struct process one = run_llama(ARGS(GOOD, "--prompt", prompts[0], "--tokens", "12", "--quiet"));
    struct process two = run_llama(ARGS(GOOD, "--prompt", prompts[4], "--tokens", "12", "--quiet"));
    struct process both = run_llama(
        ARGS(GOOD, "--prompt", prompts[0], "--prompt", prompts[4], "--tokens", "12", "--echo"));
    char expected[1024];
    assert_string_equal(one.err, "");
    snprintf(expected, sizeof expected, "%s%s%s%s", prompts[0], one.out, prompts[4], two.out);
    assert_string_equal(both.out, expected);
    assert_non_null(strstr(both.err, "tokens/s"));
    assert_non_null(strstr(both.err, "cache: "));
    process_free(&one);
    process_free(&two);
    process_free(&both);
}

/* Run the command with stderr on a terminal and stdout in a file; `said` is what the terminal got. */
static int run_on_terminal(const char *const *args, const char *out, char *said, size_t n_bytes)
{
    const int terminal = posix_openpt(O_RDWR | O_NOCTTY);
    assert_true(terminal >= 0 && grantpt(terminal) == 0 && unlockpt(terminal) == 0);
    const char *name = ptsname(terminal);
    assert_non_null(name);
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        char *argv[ARGS_MAX + 2] = {"llama"};
        for (size_t i = 0; i < ARGS_MAX && args[i]; i++) argv[i + 1] = (char *)(uintptr_t)args[i];
        if (dup2(open(name, O_WRONLY | O_NOCTTY), STDERR_FILENO) < 0 ||
            dup2(open(out, O_WRONLY | O_CREAT, 0600), STDOUT_FILENO) < 0)
            _exit(99);
        execv(process_binary("llama"), argv);
        _exit(99);
    }
    size_t n = 0;
    int status;
    for (bool ended = false; !ended;) {
        struct pollfd poll_of = {.fd = terminal, .events = POLLIN};
        ended = waitpid(pid, &status, WNOHANG) == pid;
        while (poll(&poll_of, 1, 20) > 0 && poll_of.revents & POLLIN && n + 1 < n_bytes) {
            const ssize_t got = read(terminal, said + n, n_bytes - 1 - n);
            if (got > 0) n += (size_t)got;
        }
    }
    said[n] = '\0';
    close(terminal);
    return status;
}

static void a_terminal_shows_a_line_that_goes_away(void **state)
{
    (void)state;
    struct folder folder;
    static char said[1 << 20];
    folder_make(&folder);
    const char *const args[ARGS_MAX] = {GOOD,       "--prompt", prompts[0], "--prompt", prompts[1], "--prompt",
                                        prompts[2], "--tokens", "400",      "-p",       "a2a3sim"};
    assert_int_equal(run_on_terminal(args, folder_at(&folder, "out"), said, sizeof said), 0);
    CHECK(strstr(said, "\r\033[K0 of 3 texts, "), "the terminal got: %s", said);
    /* Erased before the figures, which stay. */
    const char *figures = strstr(said, "3 texts, ");
    for (const char *next = figures; next; next = strstr(next + 1, "3 texts, ")) figures = next;
    CHECK(figures && figures > said + 4 && memcmp(figures - 4, "\r\033[K", 4) == 0, "the terminal got: %s", said);
    /* The texts are those without a terminal. */
    struct process plain = run_llama(args);
    static char written[1 << 16];
    FILE *file = fopen(folder_at(&folder, "out"), "rb");
    assert_non_null(file);
    written[fread(written, 1, sizeof written - 1, file)] = '\0';
    fclose(file);
    assert_string_equal(written, plain.out);
    process_free(&plain);
    folder_remove(&folder);
}

/* Write the first n bytes of a file of the model, `more` more bytes, and another word at `at`. */
static const char *damaged(const struct folder *folder, const char *name, size_t n, size_t more, size_t at,
                           int32_t word)
{
    char path[512];
    snprintf(path, sizeof path, MODEL "%s", name);
    FILE *from = fopen(path, "rb"), *to = fopen(folder_at(folder, name), "wb");
    assert_true(from && to);
    char *bytes = calloc(1, n + more);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, n, from), n);
    if (at != SIZE_MAX) memcpy(bytes + at, &word, sizeof word);
    assert_int_equal(fwrite(bytes, 1, n + more, to), n + more);
    free(bytes);
    fclose(from);
    fclose(to);
    return folder_at(folder, name);
}

static void wrong_input_is_refused_by_name(void **state)
{
    (void)state;
    enum { MODEL_BYTES = 1056540, TOKENIZER_BYTES = 6227 };
    struct folder folder;
    folder_make(&folder);
    expect(2, ARGS("--tokenizer", "x"), "no checkpoint is given");
    expect(2, ARGS(MODEL "stories260K.bin"), "no tokenizer is given");
    expect(2, ARGS(GOOD, "--frobnicate"), "--frobnicate is no option");
    expect(2, ARGS(GOOD, "--tokens"), "--tokens: a value is missing");
    expect(2, ARGS(GOOD, "--tokens", "0"), "--tokens 0: give a number from 1");
    expect(2, ARGS(GOOD, "--tokens", "-3"), "--tokens -3");
    expect(2, ARGS(GOOD, "--temperature", "nan"), "--temperature nan");
    expect(2, ARGS(GOOD, "--temperature", "-1"), "--temperature -1");
    expect(2, ARGS(GOOD, "--block-tokens", "1025"), "--block-tokens 1025");
    expect(7, ARGS(GOOD, "-p", "a2a3"), "a2a3");
    expect(5, ARGS(GOOD, "--blocks", "2"), "are missing");
    expect(2, ARGS("/no/such/file", "--tokenizer", MODEL "tok512.bin"), "/no/such/file");
    expect(2, ARGS(MODEL "stories260K.bin", "--tokenizer", "/no/such/file"), "/no/such/file");
    expect(2, ARGS(MODEL "stories260K.bin", "--tokenizer", MODEL "stories260K.bin"), "another model");
    expect(2, ARGS(MODEL "tok512.bin", "--tokenizer", MODEL "tok512.bin"), "checkpoint");

    static const struct {
        size_t n, more, at;
        int32_t word;
        const char *says;
    } models[] = {
        {0, 0, SIZE_MAX, 0, "a checkpoint begins with 28"},
        {20, 0, SIZE_MAX, 0, "a checkpoint begins with 28"},
        {28, 0, SIZE_MAX, 0, "cut off"},
        {MODEL_BYTES - 1, 0, SIZE_MAX, 0, "cut off"},
        {MODEL_BYTES, 4, SIZE_MAX, 0, "longer"},
        {MODEL_BYTES, 0, 0, 0, "dim would be 0"},
        {MODEL_BYTES, 0, 0, INT32_MAX, "dim would be 2147483647"},
        {MODEL_BYTES, 0, 0, 1 << 20, "cut off"},
        {MODEL_BYTES, 0, 12, 7, "7 heads do not divide dim 64"},
        {MODEL_BYTES, 0, 16, 3, "3 KV heads do not divide 8 heads"},
        {MODEL_BYTES, 0, 12, 16, "head_dim is 4"},
        {MODEL_BYTES, 0, 20, INT32_MIN, "vocab_size would be"},
        {MODEL_BYTES, 0, 20, -512, "cut off"},
        {MODEL_BYTES, 0, 0, 0x616B3432, "export the model as version 0"},
    };
    for (size_t i = 0; i < sizeof models / sizeof models[0]; i++) {
        const char *path = damaged(&folder, "stories260K.bin", models[i].n, models[i].more, models[i].at,
                                   models[i].word);
        expect(2, ARGS(path, "--tokenizer", MODEL "tok512.bin"), models[i].says);
    }
    static const struct {
        size_t n, more, at;
        int32_t word;
    } tokenizers[] = {{0, 0, SIZE_MAX, 0},
                      {3, 0, SIZE_MAX, 0},
                      {TOKENIZER_BYTES - 1, 0, SIZE_MAX, 0},
                      {TOKENIZER_BYTES, 1, SIZE_MAX, 0},
                      {TOKENIZER_BYTES, 0, 8, -1},
                      {TOKENIZER_BYTES, 0, 8, INT32_MAX}};
    for (size_t i = 0; i < sizeof tokenizers / sizeof tokenizers[0]; i++) {
        const char *path = damaged(&folder, "tok512.bin", tokenizers[i].n, tokenizers[i].more, tokenizers[i].at,
                                   tokenizers[i].word);
        expect(2, ARGS(MODEL "stories260K.bin", "--tokenizer", path), "model");
    }
    folder_remove(&folder);
}

static void output_that_cannot_be_written_is_an_error(void **state)
{
    (void)state;
    if (TG_TEST_EMULATOR[0]) SKIP("an emulator would have to be put into the shell's command");
    struct process process;
    process_run(&process, (const char *const[]){"/bin/sh", "-c", "\"$@\" >/dev/full", "sh", process_binary("llama"),
                                                GOOD, "--tokens", "3", NULL});
    assert_int_equal(process.exit_code, 2);
    assert_non_null(strstr(process.err, "standard output cannot be written"));
    process_free(&process);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(the_published_text_comes_out_on_cpu),
    cmocka_unit_test(the_published_text_comes_out_on_a2a3sim),
    cmocka_unit_test(texts_become_tokens_and_come_back),
    cmocka_unit_test(a_text_in_a_batch_is_the_text_alone),
    cmocka_unit_test(a_shared_prompt_is_computed_once),
    cmocka_unit_test(a_text_that_cannot_fit_is_refused),
    cmocka_unit_test(logits_are_those_of_a_plain_forward_pass),
    cmocka_unit_test(the_command_prints_texts_and_nothing_else),
    cmocka_unit_test(a_terminal_shows_a_line_that_goes_away),
    cmocka_unit_test(wrong_input_is_refused_by_name),
    cmocka_unit_test(output_that_cannot_be_written_is_an_error),
};

int main(int argc, char **argv)
{
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, read_model, free_model);
}
