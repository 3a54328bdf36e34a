#include "pa_options.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- the options ---------------------------------------------------------------------------------------------------
 * One line each: topic of help, name, what its value is called (NULL: it has none), help. */
#define OPTIONS(X)                                                                                                     \
    X(PROBLEM, CASE, "--case", "NAME", "a problem of the list below (default Case1)")                                  \
    X(PROBLEM, BATCH, "--batch", "B", "sequences; this and the next six change the case")                              \
    X(PROBLEM, HEADS, "--heads", "H", "query heads")                                                                   \
    X(PROBLEM, KV_HEADS, "--kv-heads", "G", "KV heads; they divide the query heads")                                   \
    X(PROBLEM, HEAD_DIM, "--head-dim", "D", "elements of a head")                                                      \
    X(PROBLEM, BLOCK_SIZE, "--block-size", "S", "tokens in a block of the KV cache")                                   \
    X(PROBLEM, CONTEXT, "--context", "L1,L2,...", "context length of every sequence, or one for all")                  \
    X(PROBLEM, DTYPE, "--dtype", "TYPE", "fp32, fp16 or bf16")                                                         \
    X(PROBLEM, PACKED, "--packed", NULL, "K and V in column blocks, as cubes load them; 16 bits")                      \
    X(PROBLEM, SEED, "--seed", "N", "of the tensors and the order of blocks (default 42)")                             \
    X(PROBLEM, LOAD, "--load", "DIR", "take the tensors from .npy files instead")                                      \
    X(PROBLEM, SAVE, "--save", "DIR", "write the tensors and the result as .npy files")                                \
    X(RUN, PLATFORM, "-p", "PLATFORM", "a2a3sim (default) or cpu")                                                     \
    X(RUN, BLOCKS_PER_TASK, "--blocks-per-task", "N", "KV blocks of a task, to 64 (default 1; cpu: by shape)")         \
    X(RUN, RUNTIME, "--runtime", "NAME", "aicpu_build_graph (default) or host_build_graph")                            \
    X(RUN, BUILD_MODE, "--build-mode", "MODE", "concurrent: run while building (default); sequential")                 \
    X(RUN, BLOCK_DIM, "--block-dim", "N", "blocks of 1 AIC and 2 AIV (default: all there are)")                        \
    X(RUN, AICPU_THREADS, "--aicpu-threads", "N", "control threads (default 3; PA-1, PA-2: 4)")                        \
    X(RUN, REPEAT, "--repeat", "N", "run N more times, warm, and print best and median")                               \
    X(RUN, WORKERS, "--workers", "N", "cpu: threads that run tasks (default: processors)")                             \
    X(RUN, NO_PIN, "--no-pin", NULL, "cpu: let the system move the workers' threads")                                  \
    X(RUN, REPRODUCIBLE, "--reproducible", NULL, "cpu: the bytes of a2a3sim, on every computer; slow")                 \
    X(RUN, MACHINE, "--machine", "FILE", "figures of a device, as machines/a2a3.txt; -: stdin")                        \
    X(RUN, WINDOW, "--window", "N", "published, unfinished tasks before the builder waits")                            \
    X(RUN, PROGRAM, "--program", "DIR", "folder of the compiled kernels and orchestration")                            \
    X(CHECKS, SCHEDULE_SEED, "--schedule-seed", "N", "draw the schedule; 0 (default): first come, first served")       \
    X(CHECKS, SCHEDULES, "--schedules", "K", "run K schedules and compare the outputs bit by bit")                     \
    X(CHECKS, PIPES, "--pipes", "ORDER", "program (default), late or early, of each core's pipes")                     \
    X(CHECKS, CHECK, "--check", NULL, "name hazards, races and wrong memory on stderr")                                \
    X(CHECKS, EDGES, "--edges", NULL, "list edges that no conflict needs; includes --check")                           \
    X(FILES, TRACE, "--trace", "FILE", "swimlane as Chrome trace JSON, for ui.perfetto.dev")                           \
    X(FILES, TRACE_PIPES, "--trace-pipes", NULL, "with --trace: each instruction of each pipe, too")                   \
    X(FILES, GRAPH, "--graph", "FILE", "task graph as Graphviz DOT")                                                   \
    X(FILES, REPORT, "--report", "FILE", "swimlane, critical path and summary as one HTML page")                       \
    X(FILES, DUMP, "--dump", "TASKS", "inputs and outputs of tasks, .npy: 0,aic_qk_matmul")                            \
    X(FILES, DUMP_TO, "--dump-to", "DIR", "folder for --dump (default: dump)")                                         \
    X(OUTPUT, JSON, "--json", NULL, "print the result as one JSON object (schemas/)")                                  \
    X(OUTPUT, VERBOSE, "-v", NULL, "log to stderr; twice: more")                                                       \
    X(OUTPUT, HELP, "--help", NULL, "this; --help TOPIC: another screen")                                              \
    X(OUTPUT, SUMMARY, "--summary", NULL, "print where the time went: cores, pipes, kernels, tasks")                   \
    X(OUTPUT, BRIEF, "--brief", NULL, "print three lines: verdict, times, what bound the run")                         \
    X(OUTPUT, QUIET, "--quiet", NULL, "print errors, findings and what is asked for, no more")                         \
    X(OUTPUT, VERSION, "--version", NULL, "print the version")

enum option {
#define OPTION_ID(topic, id, name, value, help) OPT_##id,
    OPTIONS(OPTION_ID)
#undef OPTION_ID
        OPTION_COUNT
};

enum topic {
    TOPIC_PROBLEM,
    TOPIC_RUN,
    TOPIC_CHECKS,
    TOPIC_FILES,
    TOPIC_OUTPUT,
    TOPIC_CASES,
    TOPIC_EXIT_CODES,
    N_TOPICS
};

static const char *const topic_names[N_TOPICS] = {"problem", "run", "checks", "files", "output", "cases", "exit-codes"};
static const char *const topic_titles[N_TOPICS] = {
    "The problem",
    "The run",
    "Checks; exit code 3: something was found",
    "Files to write; - is standard output",
    "Output",
    "Cases",
    "Exit codes",
};

static const struct {
    enum topic topic;
    const char *name, *value, *help;
} options[OPTION_COUNT] = {
#define OPTION_ROW(topic, id, name, value, help) {TOPIC_##topic, name, value, help},
    OPTIONS(OPTION_ROW)
#undef OPTION_ROW
};

static void print_topic(FILE *stream, enum topic topic)
{
    fprintf(stream, "%s:\n", topic_titles[topic]);
    for (int i = 0; i < OPTION_COUNT; i++) {
        if (options[i].topic != topic) continue;
        const int width = 20 - (int)strlen(options[i].name);
        fprintf(stream, "  %s %-*s %s\n", options[i].name, width, options[i].value ? options[i].value : "",
                options[i].help);
    }
    for (size_t i = 0; topic == TOPIC_CASES && i < pa_n_cases; i++)
        fprintf(stream, "  %-21s %s\n", pa_cases[i].name, pa_cases[i].text);
    if (topic == TOPIC_EXIT_CODES)
        fputs("  0 pass, 1 mismatch, 2 usage or input, 3 finding of a check, 4 deadlock,\n"
              "  5 capacity, 6 device or kernel fault, 7 platform not available,\n"
              "  8 program does not load\n",
              stream);
}

void pa_options_print_help(FILE *stream, const char *topic)
{
    for (int i = 0; i < N_TOPICS; i++)
        if (strcmp(topic, topic_names[i]) == 0) {
            print_topic(stream, (enum topic)i);
            return;
        }
    fputs("Usage: paged_attention [option...]\n\n"
          "Runs paged attention on a device whose control processor builds the task graph,\n"
          "and compares the result with a double-precision softmax over all keys.\n\n",
          stream);
    print_topic(stream, TOPIC_PROBLEM);
    fputs("\nMore: --help TOPIC, with", stream);
    for (int i = 0; i < N_TOPICS; i++) fprintf(stream, "%s %s", i > 0 ? "," : "", topic_names[i]);
    fputs("\n", stream);
}

/* ---- which options are there ------------------------------------------------------------------------------------- */

/* The options on the command line: the text of each option, "" for one without a value, NULL if it is not there. */
struct given {
    const char *text[OPTION_COUNT];
    uint32_t verbosity;
};

static enum tg_status refuse_option(const char *argument, struct failure *failure)
{
    const char *names[OPTION_COUNT];
    char name[64];
    (void)snprintf(name, sizeof name, "%.*s", (int)strcspn(argument, "="), argument);
    for (int i = 0; i < OPTION_COUNT; i++) names[i] = options[i].name;
    const char *meant = tg_nearest_name(name, names, OPTION_COUNT);
    if (meant) return failure_set(failure, TG_ERR_ARGUMENT, "unknown option '%s': did you mean %s?", argument, meant);
    return failure_set(failure, TG_ERR_ARGUMENT, "unknown option '%s'; --help lists the options", argument);
}

/* The option that `argument` names, as NAME or NAME=VALUE; OPTION_COUNT if none. */
static enum option find_option(const char *argument, const char **value)
{
    for (int i = 0; i < OPTION_COUNT; i++) {
        size_t n = strlen(options[i].name);
        if (strncmp(argument, options[i].name, n) != 0 || (argument[n] != '\0' && argument[n] != '=')) continue;
        *value = argument[n] == '=' ? argument + n + 1 : NULL;
        return (enum option)i;
    }
    *value = NULL;
    return strcmp(argument, "-h") == 0 ? OPT_HELP : OPTION_COUNT;
}

static bool is_topic(const char *name)
{
    for (int i = 0; i < N_TOPICS; i++)
        if (strcmp(name, topic_names[i]) == 0) return true;
    return false;
}

static enum tg_status collect(int argc, char **argv, struct given *given, struct failure *failure)
{
    for (int i = 1; i < argc; i++) {
        const char *value;
        enum option option = find_option(argv[i], &value);
        if (option == OPTION_COUNT) return refuse_option(argv[i], failure);
        const char *name = options[option].name;
        if (options[option].value) {
            if (!value && i + 1 < argc) value = argv[++i];
            if (!value || value[0] == '\0') {
                return failure_set(failure, TG_ERR_ARGUMENT, "%s needs a value: %s", name, options[option].value);
            }
        } else if (option == OPT_HELP) {
            if (!value && i + 1 < argc && argv[i + 1][0] != '-') value = argv[++i];
            if (value && !is_topic(value)) return failure_unknown(failure, "topic", value, topic_names, N_TOPICS);
        } else if (value) {
            return failure_set(failure, TG_ERR_ARGUMENT, "%s takes no value", name);
        }
        if (option == OPT_VERBOSE) given->verbosity++;
        else if (given->text[option]) return failure_set(failure, TG_ERR_ARGUMENT, "%s is given twice", name);
        given->text[option] = value ? value : "";
    }
    return TG_OK;
}

/* ---- values ------------------------------------------------------------------------------------------------------ */

/* The decimal number that [text, end) is; false: no number, or outside [min, max]. */
static bool parse_number(const char *text, const char *end, uint64_t min, uint64_t max, uint64_t *out)
{
    uint64_t value = 0;
    if (text == end) return false;
    for (; text < end; text++) {
        if (*text < '0' || *text > '9') return false;
        uint64_t digit = (uint64_t)(*text - '0');
        if (value > (UINT64_MAX - digit) / 10) return false;
        value = value * 10 + digit;
    }
    *out = value;
    return value >= min && value <= max;
}

/* Read option's value into *out if it is there. */
static enum tg_status read_u64(const struct given *given, enum option option, uint64_t min, uint64_t max, uint64_t *out,
                               struct failure *failure)
{
    const char *text = given->text[option];
    uint64_t value;
    if (!text) return TG_OK;
    if (!parse_number(text, text + strlen(text), min, max, &value)) {
        return failure_set(failure, TG_ERR_ARGUMENT, "%s '%s' is not a whole number from %" PRIu64 " to %" PRIu64,
                           options[option].name, text, min, max);
    }
    *out = value;
    return TG_OK;
}

static enum tg_status read_u32(const struct given *given, enum option option, uint64_t min, uint64_t max, uint32_t *out,
                               struct failure *failure)
{
    uint64_t value = *out;
    enum tg_status status = read_u64(given, option, min, max, &value, failure);
    if (status == TG_OK) *out = (uint32_t)value;
    return status;
}

/* --context: numbers with commas between them. */
static enum tg_status read_lengths(const char *text, struct pa_options *out, struct failure *failure)
{
    uint32_t n = 1;
    for (const char *c = text; *c; c++) n += *c == ',';
    out->lengths = malloc(n * sizeof *out->lengths);
    if (!out->lengths) return failure_set(failure, TG_ERR_MEMORY, "no memory for the values of --context");
    const char *start = text;
    for (uint32_t i = 0; i < n; i++) {
        const char *end = strchr(start, ',');
        if (!end) end = start + strlen(start);
        uint64_t value;
        if (!parse_number(start, end, 0, INT32_MAX, &value)) {
            return failure_set(failure, TG_ERR_ARGUMENT,
                               "--context value %" PRIu32 " '%.*s' is not a whole number from 0 to 2147483647", i + 1,
                               end - start > 32 ? 32 : (int)(end - start), start);
        }
        out->lengths[i] = (uint32_t)value;
        start = end + 1;
    }
    out->drawn.lengths = out->lengths;
    out->drawn.n_lengths = n;
    return TG_OK;
}

static enum tg_status read_dtype(const char *text, struct pa_options *out, struct failure *failure)
{
    out->has_dtype = pa_dtype_by_name(text, &out->drawn.shape.dtype);
    if (out->has_dtype) return TG_OK;
    static const char *const names[] = {"fp32", "fp16", "bf16"};
    return failure_unknown(failure, "--dtype", text, names, 3);
}

/* ---- the problem ------------------------------------------------------------------------------------------------- */

static enum tg_status read_case(const char *text, struct pa_options *out, struct failure *failure)
{
    const struct pa_case *found = pa_case_by_name(text);
    if (found) {
        out->drawn = *found;
        return TG_OK;
    }
    const char *names[64];
    const size_t n = pa_n_cases < 64 ? pa_n_cases : 64;
    for (size_t i = 0; i < n; i++) names[i] = pa_cases[i].name;
    return failure_unknown(failure, "case", text, names, n);
}

/* As many lengths as sequences. A list says the batch itself if --batch does not. */
static enum tg_status match_lengths(const struct given *given, struct pa_case *drawn, struct failure *failure)
{
    bool says_batch = given->text[OPT_CONTEXT] && !given->text[OPT_BATCH] && drawn->n_lengths > 1;
    if (says_batch) drawn->shape.batch = drawn->n_lengths;
    if (drawn->n_lengths == 1 || drawn->n_lengths == drawn->shape.batch) return TG_OK;
    if (given->text[OPT_CONTEXT]) {
        return failure_set(failure, TG_ERR_ARGUMENT,
                           "--context has %" PRIu32 " values, --batch is %" PRIu32
                           "; give one value, or one for each sequence",
                           drawn->n_lengths, drawn->shape.batch);
    }
    return failure_set(failure, TG_ERR_ARGUMENT,
                       "case %s has %" PRIu32 " context lengths, --batch is %" PRIu32 "; give --context too",
                       drawn->name, drawn->n_lengths, drawn->shape.batch);
}

static enum tg_status read_problem(const struct given *given, struct pa_options *out, struct failure *failure)
{
    static const enum option changes[] = {OPT_BATCH,      OPT_HEADS,   OPT_KV_HEADS, OPT_HEAD_DIM,
                                          OPT_BLOCK_SIZE, OPT_CONTEXT, OPT_DTYPE};
    struct pa_shape *shape = &out->drawn.shape;
    enum tg_status status = TG_OK;
    if (given->text[OPT_CASE]) status = read_case(given->text[OPT_CASE], out, failure);
    if (status == TG_OK) status = read_u32(given, OPT_BATCH, 1, INT32_MAX, &shape->batch, failure);
    if (status == TG_OK) status = read_u32(given, OPT_HEADS, 1, INT32_MAX, &shape->heads, failure);
    if (status == TG_OK) status = read_u32(given, OPT_KV_HEADS, 1, INT32_MAX, &shape->kv_heads, failure);
    if (status == TG_OK) status = read_u32(given, OPT_HEAD_DIM, 1, INT32_MAX, &shape->head_dim, failure);
    if (status == TG_OK) status = read_u32(given, OPT_BLOCK_SIZE, 1, INT32_MAX, &shape->block_size, failure);
    if (status == TG_OK && given->text[OPT_CONTEXT]) status = read_lengths(given->text[OPT_CONTEXT], out, failure);
    if (status == TG_OK && given->text[OPT_DTYPE]) status = read_dtype(given->text[OPT_DTYPE], out, failure);
    if (status == TG_OK) status = read_u64(given, OPT_SEED, 0, UINT64_MAX, &out->seed, failure);
    if (status == TG_OK) status = match_lengths(given, &out->drawn, failure);
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        if (given->text[changes[i]]) out->drawn.name = "custom";
    }
    return status;
}

/* ---- the run ----------------------------------------------------------------------------------------------------- */

static enum tg_status read_build_mode(const char *text, uint32_t *out, struct failure *failure)
{
    static const char *const names[] = {"concurrent", "sequential"}; /* [enum tg_build_mode] */
    for (uint32_t i = 0; i < 2; i++) {
        if (strcmp(text, names[i]) != 0) continue;
        *out = i;
        return TG_OK;
    }
    return failure_unknown(failure, "--build-mode", text, names, 2);
}

static enum tg_status read_pipes(const char *text, uint32_t *out, struct failure *failure)
{
    static const char *const names[] = {"program", "late", "early"}; /* [enum tg_pipe_order] */
    for (uint32_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(text, names[i]) != 0) continue;
        *out = i;
        return TG_OK;
    }
    return failure_unknown(failure, "--pipes", text, names, 3);
}

static enum tg_status read_run(const struct given *given, struct tg_run_config *run, struct failure *failure)
{
    const char *mode = given->text[OPT_BUILD_MODE], *name = given->text[OPT_RUNTIME];
    enum tg_runtime_kind runtime = TG_AICPU_BUILD_GRAPH;
    enum tg_status status = TG_OK;
    if (name) status = failure_from_library(failure, tg_runtime_by_name(name, &runtime));
    run->runtime = (uint32_t)runtime;
    if (status == TG_OK && mode) status = read_build_mode(mode, &run->build_mode, failure);
    if (status == TG_OK) status = read_u32(given, OPT_SCHEDULES, 1, UINT32_MAX, &run->schedules, failure);
    if (status == TG_OK && given->text[OPT_PIPES])
        status = read_pipes(given->text[OPT_PIPES], &run->pipe_order, failure);
    /* Which of the numbers a device can do is the library's to say, at tg_run_open. */
    if (status == TG_OK) status = read_u32(given, OPT_BLOCK_DIM, 0, UINT32_MAX, &run->block_dim, failure);
    if (status == TG_OK) status = read_u32(given, OPT_AICPU_THREADS, 0, UINT32_MAX, &run->aicpu_thread_num, failure);
    if (status == TG_OK) status = read_u32(given, OPT_WINDOW, 0, UINT32_MAX, &run->window, failure);
    if (status == TG_OK) status = read_u64(given, OPT_SCHEDULE_SEED, 0, UINT64_MAX, &run->schedule_seed, failure);
    run->reproducible = given->text[OPT_REPRODUCIBLE] != NULL;
    run->record = true; /* the summary is made from it, and so are the files */
    run->record_pipes = given->text[OPT_TRACE_PIPES] != NULL;
    return status;
}

static const enum option files[] = {OPT_TRACE, OPT_GRAPH, OPT_REPORT};

/* Two options that would write one file. */
static enum tg_status check_files(const struct given *given, struct failure *failure)
{
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        for (size_t k = 0; k < i; k++) {
            const char *a = given->text[files[k]], *b = given->text[files[i]];
            if (!a || !b || strcmp(a, b) != 0 || strncmp(a, "/dev/", 5) == 0) continue;
            return failure_set(failure, TG_ERR_ARGUMENT, "%s and %s would both write %s; name two files",
                               options[files[k]].name, options[files[i]].name, a);
        }
    }
    return TG_OK;
}

static bool is_standard(const char *path) { return path && strcmp(path, PA_STANDARD) == 0; }

/* Options of which one says that the other means nothing. */
static enum tg_status check_combinations(const struct given *given, const struct tg_run_config *run,
                                         struct failure *failure)
{
    static const enum option drawing[] = {OPT_CASE,     OPT_BATCH,      OPT_HEADS,   OPT_KV_HEADS,
                                          OPT_HEAD_DIM, OPT_BLOCK_SIZE, OPT_CONTEXT, OPT_SEED};
    for (size_t i = 0; given->text[OPT_LOAD] && i < sizeof drawing / sizeof drawing[0]; i++) {
        if (!given->text[drawing[i]]) continue;
        return failure_set(failure, TG_ERR_ARGUMENT,
                           "%s does not combine with --load, whose files say what the problem is; leave one out",
                           options[drawing[i]].name);
    }
    for (size_t i = 0; given->text[OPT_JSON] && i < sizeof files / sizeof files[0]; i++) {
        if (!is_standard(given->text[files[i]])) continue;
        return failure_set(failure, TG_ERR_ARGUMENT, "--json and %s - would both write standard output; name the file",
                           options[files[i]].name);
    }
    if (run->record_pipes && !given->text[OPT_TRACE])
        return failure_set(failure, TG_ERR_ARGUMENT, "--trace-pipes says what --trace writes; give --trace FILE, too");
    if (given->text[OPT_DUMP_TO] && !given->text[OPT_DUMP])
        return failure_set(failure, TG_ERR_ARGUMENT, "--dump-to names the folder of --dump; give --dump TASKS, too");
    if (given->text[OPT_DUMP] && run->pipe_order != TG_PIPE_ORDER_PROGRAM)
        return failure_set(failure, TG_ERR_ARGUMENT,
                           "--dump does not combine with --pipes %s, where stores land after their kernel",
                           given->text[OPT_PIPES]);
    bool on_host = run->runtime == TG_HOST_BUILD_GRAPH;
    if (on_host && given->text[OPT_BUILD_MODE] && run->build_mode == TG_BUILD_CONCURRENT) {
        return failure_set(failure, TG_ERR_ARGUMENT,
                           "--build-mode concurrent does not combine with --runtime "
                           "host_build_graph, which builds before the launch; leave --build-mode out");
    }
    if (given->text[OPT_WINDOW] && (on_host || run->build_mode == TG_BUILD_SEQUENTIAL)) {
        return failure_set(failure, TG_ERR_ARGUMENT,
                           "--window does not combine with %s: only a concurrent build has one; leave --window out",
                           on_host ? "--runtime host_build_graph" : "--build-mode sequential");
    }
    return check_files(given, failure);
}

/* What only one of the platforms has. */
static enum tg_status check_platform(const struct given *given, const char *platform, struct failure *failure)
{
    static const struct {
        enum option option;
        const char *platform, *why;
    } only[] = {
        {OPT_BLOCK_DIM, "a2a3sim", "cpu has workers; use --workers"},
        {OPT_AICPU_THREADS, "a2a3sim", "cpu has workers, which schedule themselves; use --workers"},
        {OPT_MACHINE, "a2a3sim", "cpu is this computer, its figures are its own"},
        {OPT_PIPES, "a2a3sim", "cpu has no pipes"},
        {OPT_SCHEDULES, "a2a3sim", "cpu runs in real time, which no seed repeats"},
        {OPT_SCHEDULE_SEED, "a2a3sim", "cpu runs in real time, which no seed repeats"},
        {OPT_TRACE_PIPES, "a2a3sim", "cpu has no pipes"},
        {OPT_CHECK, "a2a3sim", "cpu runs kernels as they are; check them on a2a3sim"},
        {OPT_EDGES, "a2a3sim", "cpu runs kernels as they are; check them on a2a3sim"},
        {OPT_WORKERS, "cpu", "a2a3sim has cores; use --block-dim"},
        {OPT_REPRODUCIBLE, "cpu", "a2a3sim is reproducible by itself"},
        {OPT_NO_PIN, "cpu", "a2a3sim runs on the thread that launches it"},
    };
    const bool known = strcmp(platform, "cpu") == 0 || strcmp(platform, "a2a3sim") == 0;
    for (size_t i = 0; known && i < sizeof only / sizeof only[0]; i++) {
        if (!given->text[only[i].option] || strcmp(platform, only[i].platform) == 0) continue;
        return failure_set(failure, TG_ERR_ARGUMENT, "%s does not combine with -p %s: %s", options[only[i].option].name,
                           platform, only[i].why);
    }
    return TG_OK;
}

static void set_defaults(int argc, char **argv, struct pa_options *out)
{
    memset(out, 0, sizeof *out);
    out->platform = "a2a3sim";
    out->drawn = pa_cases[0];
    out->seed = 42;
    out->pin = true;
    tg_run_config_init(&out->run);
    /* First, so that a refusal of another option is JSON too. */
    for (int i = 1; i < argc; i++) out->json = out->json || strcmp(argv[i], "--json") == 0;
}

/* From texts to values. */
static enum tg_status convert(const struct given *given, struct pa_options *out, struct failure *failure)
{
    if (given->text[OPT_PLATFORM]) out->platform = given->text[OPT_PLATFORM];
    out->load_dir = given->text[OPT_LOAD];
    out->save_dir = given->text[OPT_SAVE];
    out->trace_path = given->text[OPT_TRACE];
    out->graph_path = given->text[OPT_GRAPH];
    out->report_path = given->text[OPT_REPORT];
    out->dump_tasks = given->text[OPT_DUMP];
    out->dump_folder = given->text[OPT_DUMP_TO] ? given->text[OPT_DUMP_TO] : "dump";
    out->program_dir = given->text[OPT_PROGRAM];
    out->machine_file = given->text[OPT_MACHINE];
    if (out->machine_file && strcmp(out->machine_file, PA_STANDARD) == 0) out->machine_file = "/dev/stdin";
    out->packed = given->text[OPT_PACKED] != NULL;
    out->pin = !given->text[OPT_NO_PIN];
    out->has_block_dim = given->text[OPT_BLOCK_DIM] != NULL;
    out->help = given->text[OPT_HELP];
    out->version = given->text[OPT_VERSION] != NULL;
    out->quiet = given->text[OPT_QUIET] != NULL;
    out->brief = given->text[OPT_BRIEF] != NULL;
    out->summary = given->text[OPT_SUMMARY] != NULL;
    out->edges = given->text[OPT_EDGES] != NULL;
    out->run.check = out->edges || given->text[OPT_CHECK] != NULL;
    out->json = given->text[OPT_JSON] != NULL && !out->help && !out->version;
    out->verbosity = given->verbosity;
    if (out->help || out->version) return TG_OK; /* nothing else is going to happen */
    out->stdout_is_taken = is_standard(out->trace_path) || is_standard(out->graph_path) ||
                           is_standard(out->report_path);
    enum tg_status status = check_platform(given, out->platform, failure);
    if (status == TG_OK) status = read_run(given, &out->run, failure);
    if (status == TG_OK) status = read_u32(given, OPT_WORKERS, 1, UINT32_MAX, &out->workers, failure);
    if (status == TG_OK) status = read_u32(given, OPT_REPEAT, 1, 1000000, &out->repeat, failure);
    if (status == TG_OK) status = check_combinations(given, &out->run, failure);
    if (status == TG_OK) status = read_problem(given, out, failure);
    out->blocks_per_task = strcmp(out->platform, "cpu") == 0 ? 0 : 1;
    if (status == TG_OK) status = read_u32(given, OPT_BLOCKS_PER_TASK, 1, 64, &out->blocks_per_task, failure);
    /* With a graph that is built on the device one more thread builds. */
    uint32_t schedulers = pa_case_schedulers(&out->drawn);
    if (!given->text[OPT_AICPU_THREADS] && schedulers > 0)
        out->run.aicpu_thread_num = schedulers + (out->run.runtime == TG_AICPU_BUILD_GRAPH ? 1 : 0);
    return status;
}

enum tg_status pa_options_parse(int argc, char **argv, struct pa_options *out, struct failure *failure)
{
    struct given given = {0};
    set_defaults(argc, argv, out);
    enum tg_status status = collect(argc, argv, &given, failure);
    if (status == TG_OK) status = convert(&given, out, failure);
    if (status != TG_OK) {
        pa_options_free(out);
        out->drawn.name = NULL;
    }
    return status;
}

void pa_options_free(struct pa_options *parsed)
{
    free(parsed->lengths);
    parsed->lengths = NULL;
    parsed->drawn = pa_cases[0]; /* refers to the lengths no more */
}
