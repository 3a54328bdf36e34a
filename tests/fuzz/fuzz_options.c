/*
 * Command lines of paged_attention out of bytes: arguments end with a zero byte.
 *
 * What must hold: a command line is refused with a message of one line, or its values are in range; the JSON that
 * reports it is one line of well-formed text.
 */
#define _GNU_SOURCE
#include "fuzz.h"
#include "pa_options.h"
#include "pa_report.h"

enum { ARGUMENTS_MAX = 64 };

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return 0;
}

/* Words that stand for themselves: a byte from 0x80 up is one of them, so that values meet options often. */
static const char *const words[] = {
    "-p",
    "--case",
    "--batch",
    "--heads",
    "--kv-heads",
    "--head-dim",
    "--block-size",
    "--context",
    "--dtype",
    "--packed",
    "--seed",
    "--load",
    "--save",
    "--runtime",
    "--build-mode",
    "--block-dim",
    "--aicpu-threads",
    "--window",
    "--schedule-seed",
    "--program",
    "--trace",
    "--json",
    "-v",
    "--help",
    "-h",
    "a2a3sim",
    "Case2",
    "fp16",
    "sequential",
    "concurrent",
    "1",
    "1,2,3",
    "host_build_graph",
    "0",
    "4294967296",
    "Case1",
};
enum { N_WORDS = sizeof words / sizeof words[0] };

/* argv in memory of its own, each argument in a block of exactly its size. Returns argc. */
static int make_arguments(const uint8_t *bytes, size_t n_bytes, char *argv[ARGUMENTS_MAX + 1])
{
    static char text[4096];
    int argc = 0;
    size_t n = 0;
    argv[argc++] = strdup("paged_attention");
    for (size_t i = 0; i <= n_bytes && argc < ARGUMENTS_MAX; i++) {
        uint8_t c = i < n_bytes ? bytes[i] : 0;
        bool is_word = c >= 0x80 && n == 0;
        if (is_word) n = (size_t)snprintf(text, sizeof text, "%s", words[(c - 0x80u) % N_WORDS]);
        else if (c != 0 && n + 1 < sizeof text) text[n++] = (char)c;
        if (c != 0 && !(is_word && c & 0x40)) continue; /* half of the words are followed by `=` or more text */
        if (n == 0 && i == n_bytes) break;
        text[n] = '\0';
        argv[argc++] = strdup(text);
        n = 0;
    }
    argv[argc] = NULL;
    return argc;
}

static void check_options(const struct pa_options *o)
{
    const struct pa_shape *s = &o->drawn.shape;
    FUZZ_CHECK(o->platform && o->drawn.name, "no platform or no name of a case");
    if (o->help) return;
    FUZZ_CHECK(s->batch > 0 && s->heads > 0 && s->kv_heads > 0 && s->head_dim > 0 && s->block_size > 0,
               "an empty shape");
    FUZZ_CHECK(s->dtype < PA_DTYPE_COUNT, "element type %d", (int)s->dtype);
    FUZZ_CHECK(o->drawn.n_lengths == 1 || o->drawn.n_lengths == s->batch, "%u lengths", o->drawn.n_lengths);
    uint64_t sum = 0;
    for (uint32_t i = 0; i < o->drawn.n_lengths; i++) sum += o->drawn.lengths[i]; /* they are there */
    FUZZ_CHECK(sum <= (uint64_t)INT32_MAX * o->drawn.n_lengths, "lengths");
    FUZZ_CHECK(o->run.runtime <= TG_HOST_BUILD_GRAPH && o->run.build_mode <= TG_BUILD_SEQUENTIAL, "runtime");
}

/* One object on one line: braces and quotes close, and no control character is inside. */
static void check_json(const char *json, size_t n)
{
    int depth = 0;
    bool in_string = false;
    FUZZ_CHECK(n > 2 && json[n - 1] == '\n', "no line");
    for (size_t i = 0; i + 1 < n; i++) {
        unsigned char c = (unsigned char)json[i];
        FUZZ_CHECK(c >= 0x20, "control character %u", c);
        if (in_string && c == '\\') i++;
        else if (c == '"') in_string = !in_string;
        else if (!in_string && c == '{') depth++;
        else if (!in_string && c == '}') depth--;
        FUZZ_CHECK(depth > 0 || i + 2 == n, "text behind the object");
    }
    FUZZ_CHECK(depth == 0 && !in_string, "an open object");
}

static void check_report(const struct pa_report *report, const struct pa_options *options)
{
    char *text = NULL;
    size_t n = 0;
    FILE *stream = open_memstream(&text, &n);
    FUZZ_CHECK(stream, "no memory");
    pa_report_json(stream, report, options);
    (void)fclose(stream);
    check_json(text, n);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
    char *argv[ARGUMENTS_MAX + 1];
    struct pa_options options;
    struct pa_report report = {.status = TG_OK};
    int argc = make_arguments(bytes, n_bytes, argv);
    report.status = pa_options_parse(argc, argv, &options, &report.failure);
    if (report.status == TG_OK) {
        check_options(&options);
    } else {
        FUZZ_CHECK(report.status == TG_ERR_ARGUMENT, "%s", tg_status_name(report.status));
        FUZZ_CHECK(report.failure.message[0], "no message");
        FUZZ_CHECK(!strchr(report.failure.message, '\n'), "more than a line: %s", report.failure.message);
    }
    check_report(&report, &options);
    pa_options_free(&options);
    for (int i = 0; i < argc; i++) free(argv[i]);
    return 0;
}
