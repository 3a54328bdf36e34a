/*
 * llama: texts from a Llama model, with the KV cache and the attention of this library.
 *
 *     checkpoint, tokenizer   the files of llama2.c
 *     forward                 the model's arithmetic in plain C
 *     serve                   texts that are decoded together: cache, attention, batch
 *
 * Standard output has the generated texts and nothing else, one behind the other in the order of the prompts.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "printable.h"
#include "serve.h"
#include "tokenizer.h"

/* ---- options ----------------------------------------------------------------------------------------------------- */

struct options {
    const char *checkpoint, *tokenizer, *platform;
    const char **prompts; /* [n_prompts] */
    uint32_t n_prompts, workers;
    bool echo, quiet, help;
    struct serve_config serve;
};

static const char help_text[] =
    "Usage: llama CHECKPOINT --tokenizer FILE [option...]\n\n"
    "Continue prompts by a Llama model in the checkpoint format of llama2.c. The generated texts go to standard\n"
    "output, one line end behind each; figures and messages go to standard error.\n\nOptions:\n"
    "  --tokenizer FILE     the model's vocabulary\n"
    "  --prompt TEXT        a text to continue; may be given many times. Without it one text begins with nothing\n"
    "  --tokens N           tokens to generate for each prompt, at most (default 256)\n"
    "  --temperature T      0: the most probable token each time (default); above: drawn\n"
    "  --seed N             of what is drawn (default 1)\n"
    "  --echo               print each prompt before its text\n"
    "  -p PLATFORM          where attention runs: cpu (default) or a2a3sim\n"
    "  --workers N          cpu: threads that run tasks (default: one a processor)\n"
    "  --batch N            texts that are decoded together (default 8)\n"
    "  --blocks N           blocks of the KV cache (default: enough for the batch)\n"
    "  --block-tokens N     tokens in a block, 1 to 1024 (default 16)\n"
    "  --check              a2a3sim: check every run for hazards, races and wrong memory\n"
    "  --quiet              no figures\n"
    "  --help               print this\n\n"
    "Exit codes: 0 done, 2 usage or input, 3 finding of a check, 5 capacity, 6 device or kernel fault, 7 platform not\n"
    "available, 8 program does not load.\n";

static enum tg_status take_number(const char *name, const char *text, uint64_t least, uint64_t most, uint64_t *out,
                                  struct failure *failure)
{
    char *end;
    errno = 0;
    const unsigned long long value = strtoull(text, &end, 10);
    if (*text >= '0' && *text <= '9' && !*end && !errno && value >= least && value <= most) {
        *out = value;
        return TG_OK;
    }
    return failure_set(failure, TG_ERR_ARGUMENT, "%s %s: give a number from %" PRIu64 " to %" PRIu64, name, text, least,
                       most);
}

static enum tg_status take_count(const char *name, const char *text, uint32_t most, uint32_t *out,
                                 struct failure *failure)
{
    uint64_t value = 0;
    const enum tg_status status = take_number(name, text, 1, most, &value, failure);
    if (status == TG_OK) *out = (uint32_t)value;
    return status;
}

static enum tg_status take_temperature(const char *text, float *out, struct failure *failure)
{
    char *end;
    const float value = strtof(text, &end);
    if (*text && !*end && isfinite(value) && value >= 0 && value <= 100) {
        *out = value;
        return TG_OK;
    }
    return failure_set(failure, TG_ERR_ARGUMENT, "--temperature %s: give a number from 0 to 100", text);
}

/* An option with a value. */
static enum tg_status take_option(struct options *o, const char *name, const char *value, struct failure *failure)
{
    enum { TOKENS_MAX = 1 << 20, BATCH_MAX = 1 << 12, BLOCKS_MAX = 1 << 30, WORKERS_MAX = 1024 };
    if (!strcmp(name, "--tokenizer")) o->tokenizer = value;
    else if (!strcmp(name, "--prompt")) o->prompts[o->n_prompts++] = value;
    else if (!strcmp(name, "-p")) o->platform = value;
    else if (!strcmp(name, "--temperature")) return take_temperature(value, &o->serve.temperature, failure);
    else if (!strcmp(name, "--seed")) return take_number(name, value, 0, UINT64_MAX, &o->serve.seed, failure);
    else if (!strcmp(name, "--tokens")) return take_count(name, value, TOKENS_MAX, &o->serve.n_tokens, failure);
    else if (!strcmp(name, "--batch")) return take_count(name, value, BATCH_MAX, &o->serve.max_batch, failure);
    else if (!strcmp(name, "--blocks")) return take_count(name, value, BLOCKS_MAX, &o->serve.n_blocks, failure);
    else if (!strcmp(name, "--workers")) return take_count(name, value, WORKERS_MAX, &o->workers, failure);
    else return take_count(name, value, 1024, &o->serve.block_tokens, failure);
    return TG_OK;
}

static bool has_value(const char *name)
{
    static const char *const names[] = {"--tokenizer", "--prompt", "-p",       "--temperature", "--seed",
                                        "--tokens",    "--batch",  "--blocks", "--workers",     "--block-tokens"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (!strcmp(name, names[i])) return true;
    return false;
}

static enum tg_status parse(int argc, char **argv, struct options *o, struct failure *failure)
{
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i];
        enum tg_status status = TG_OK;
        if (has_value(name)) {
            if (i + 1 == argc) return failure_set(failure, TG_ERR_ARGUMENT, "%s: a value is missing", name);
            status = take_option(o, name, argv[++i], failure);
        } else if (!strcmp(name, "--echo")) o->echo = true;
        else if (!strcmp(name, "--check")) o->serve.check = true;
        else if (!strcmp(name, "--quiet")) o->quiet = true;
        else if (!strcmp(name, "--help")) o->help = true;
        else if (name[0] == '-' || o->checkpoint)
            status = failure_set(failure, TG_ERR_ARGUMENT, "%s is no option; --help lists them", name);
        else o->checkpoint = name;
        if (status != TG_OK) return status;
    }
    if (o->help) return TG_OK;
    if (!o->checkpoint) return failure_set(failure, TG_ERR_ARGUMENT, "no checkpoint is given; --help shows how");
    if (!o->tokenizer) return failure_set(failure, TG_ERR_ARGUMENT, "no tokenizer is given: --tokenizer FILE");
    if (!o->n_prompts) o->prompts[o->n_prompts++] = "";
    return TG_OK;
}

/* ---- output ------------------------------------------------------------------------------------------------------ */

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Prints texts in the order of their prompts, each token as soon as all before it are printed. */
struct printer {
    const struct tokenizer *tokenizer;
    bool echo;
    uint32_t text, token; /* the next to print */
    bool begun;           /* the text */
};

static void print_new(struct printer *p, const struct serve *serve)
{
    for (; p->text < serve->n_texts; p->text++, p->begun = false) {
        const struct text *t = serve->texts[p->text];
        if (!p->begun) p->token = p->echo ? 1 : t->n_prompt;
        p->begun = true;
        for (; p->token < t->n_tokens; p->token++)
            fputs(tokenizer_text(p->tokenizer, t->tokens[p->token - 1], t->tokens[p->token]), stdout);
        if (t->state != TEXT_DONE) break;
        putc('\n', stdout);
    }
    fflush(stdout);
}

/* A line on a terminal that says how far the texts have come. */
struct line {
    bool is_on;
    double start_s, next_s;
};

static void erase_line(const struct line *line)
{
    if (line->is_on) fputs("\r\033[K", stderr);
}

static void show_line(struct line *line, const struct serve *serve)
{
    const double now = now_s();
    if (!line->is_on || now < line->next_s) return;
    line->next_s = now + 0.1;
    fprintf(stderr, "\r\033[K%u of %u texts, %" PRIu64 " tokens, %.0f tokens/s", serve->counts.n_done, serve->n_texts,
            serve->counts.n_generated, (double)serve->counts.n_generated / (now - line->start_s));
}

static void print_figures(const struct serve *serve, double seconds)
{
    const struct serve_counts *n = &serve->counts;
    struct tg_kv_stats cache;
    (void)tg_kv_cache_stats(serve->cache, &cache);
    fprintf(stderr,
            "%u texts, %" PRIu64 " tokens in %.3f s and %" PRIu64 " steps: %.1f tokens/s\n"
            "prompts: %" PRIu64 " tokens, %" PRIu64 " computed, %" PRIu64 " shared\n"
            "cache: %" PRIu64 " blocks of %u tokens, at most %" PRIu64 " used; %" PRIu64 " kept, %" PRIu64
            " evicted, %" PRIu64 " copied; %" PRIu64 " texts swapped out\n",
            serve->n_texts, n->n_generated, seconds, n->n_steps, (double)n->n_generated / seconds, n->n_prompt,
            n->n_computed, n->n_prompt - n->n_computed, cache.n_blocks, serve->config.block_tokens, cache.n_used_peak,
            cache.n_kept, cache.n_evicted, cache.n_copied, n->n_swapped);
}

/* ---- work -------------------------------------------------------------------------------------------------------- */

static enum tg_status add_prompts(struct serve *serve, const struct tokenizer *tokenizer, const struct options *o,
                                  struct failure *failure)
{
    for (uint32_t i = 0; i < o->n_prompts; i++) {
        int32_t *tokens;
        uint32_t n;
        enum tg_status status = tokenizer_encode(tokenizer, o->prompts[i], &tokens, &n, failure);
        if (status != TG_OK) return status;
        status = serve_add(serve, tokens, n, failure);
        free(tokens);
        if (status != TG_OK) return status;
    }
    return TG_OK;
}

static enum tg_status generate(struct serve *serve, const struct tokenizer *tokenizer, const struct options *o,
                               struct failure *failure)
{
    struct printer printer = {.tokenizer = tokenizer, .echo = o->echo};
    struct line line = {.is_on = isatty(STDERR_FILENO) == 1 && !o->quiet, .start_s = now_s()};
    enum tg_status status = TG_OK;
    line.next_s = line.start_s + 1; /* nothing for short work */
    while (serve->counts.n_done < serve->n_texts && status == TG_OK) {
        status = serve_step(serve, failure);
        erase_line(&line);
        if (status == TG_OK) print_new(&printer, serve);
        /* On one terminal with the texts the line would stand in their middle. */
        if (!isatty(STDOUT_FILENO)) show_line(&line, serve);
        if (ferror(stdout) && status == TG_OK)
            status = failure_set(failure, TG_ERR_FILE, "standard output cannot be written: %s", strerror(errno));
    }
    erase_line(&line);
    if (status == TG_OK) print_new(&printer, serve);
    if (status == TG_OK && !o->quiet) print_figures(serve, now_s() - line.start_s);
    return status;
}

static enum tg_status serve_prompts(struct tg_device *device, const struct checkpoint *model,
                                    const struct tokenizer *tokenizer, const struct options *o, struct failure *failure)
{
    struct serve serve;
    enum tg_status status = serve_open(&serve, device, model, &o->serve, failure);
    if (status != TG_OK) return status;
    status = add_prompts(&serve, tokenizer, o, failure);
    if (status == TG_OK) status = generate(&serve, tokenizer, o, failure);
    serve_close(&serve);
    return status;
}

static enum tg_status work(const struct options *o, struct failure *failure)
{
    struct checkpoint model = {0};
    struct tokenizer tokenizer = {0};
    struct tg_device *device = NULL;
    struct tg_device_config config;
    tg_device_config_init(&config);
    config.platform = o->platform;
    config.workers = o->workers;
    enum tg_status status = failure_from_library(failure, tg_device_open(&config, &device));
    if (status == TG_OK) status = checkpoint_read(o->checkpoint, &model, failure);
    if (status == TG_OK) status = tokenizer_read(o->tokenizer, model.vocab_size, &tokenizer, failure);
    if (status == TG_OK) status = serve_prompts(device, &model, &tokenizer, o, failure);
    tokenizer_free(&tokenizer);
    checkpoint_free(&model);
    tg_device_close(device);
    return status;
}

int main(int argc, char **argv)
{
    struct failure failure = {{0}};
    struct options o = {.platform = "cpu", .serve = {.max_batch = 8, .block_tokens = 16, .n_tokens = 256, .seed = 1}};
    /* Output that cannot be written is an error that is told, not an end without a word. */
    signal(SIGPIPE, SIG_IGN);
    o.prompts = calloc((size_t)argc + 1, sizeof *o.prompts);
    enum tg_status status = o.prompts ? parse(argc, argv, &o, &failure)
                                      : failure_set(&failure, TG_ERR_MEMORY, "no memory");
    if (status == TG_OK && o.help) fputs(help_text, stdout);
    else if (status == TG_OK) status = work(&o, &failure);
    if (fflush(stdout) != 0 && status == TG_OK)
        status = failure_set(&failure, TG_ERR_FILE, "standard output cannot be written: %s", strerror(errno));
    if (status != TG_OK) {
        fprintf(stderr, "llama: %s: %s: ", tg_status_name(status), tg_status_text(status));
        printable_write(stderr, failure.message);
        fprintf(stderr, "\n  hint: %s\n", tg_status_hint(status));
    }
    free(o.prompts);
    return tg_status_exit_code(status);
}
