#include "small.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "failure.h"
#include "file.h"
#include "normal.h"

struct options {
    const char *platform;
    struct tg_run_config run;
    bool help;
};

/* The tensors and files of a run. */
struct problem {
    double *values[SMALL_TENSORS_MAX]; /* inputs as rounded; outputs as the golden has them */
    void *data[SMALL_TENSORS_MAX];     /* elements of the tensors' types */
};

void small_normal(uint64_t stream, size_t n, double deviation, double *out)
{
    for (size_t i = 0; i < n; i++) {
        float value;
        normal_draw(stream, i, 1, 1.0f, &value);
        out[i] = deviation * (double)value;
    }
}

/* ---- options ----------------------------------------------------------------------------------------------------- */

static void print_help(const struct small_example *example)
{
    printf("Usage: %s [option...]\n\n%s\n\nOptions:\n"
           "  -p PLATFORM         where to run: a2a3sim (default) or cpu\n"
           "  --runtime NAME      aicpu_build_graph (default) or host_build_graph\n"
           "  --build-mode MODE   concurrent: run while building (default); sequential\n"
           "  --check             name hazards, races and wrong memory on stderr; exit code 3\n"
           "  --help              print this\n",
           example->name, example->text);
}

static enum tg_status build_mode_by_name(const char *name, uint32_t *mode, struct failure *failure)
{
    *mode = strcmp(name, "sequential") == 0 ? TG_BUILD_SEQUENTIAL : TG_BUILD_CONCURRENT;
    if (strcmp(name, "sequential") == 0 || strcmp(name, "concurrent") == 0) return TG_OK;
    return failure_set(failure, TG_ERR_ARGUMENT, "--build-mode is '%s', expected concurrent or sequential", name);
}

static enum tg_status runtime_by_name(const char *name, uint32_t *runtime, struct failure *failure)
{
    enum tg_runtime_kind kind;
    const enum tg_status status = failure_from_library(failure, tg_runtime_by_name(name, &kind));
    if (status == TG_OK) *runtime = kind;
    return status;
}

static const char *const option_names[] = {"-p", "--runtime", "--build-mode", "--check", "--help"};
enum { N_OPTIONS = sizeof option_names / sizeof option_names[0] };

static enum tg_status parse(int argc, char **argv, struct options *out, struct failure *failure)
{
    memset(out, 0, sizeof *out);
    out->platform = "a2a3sim";
    tg_run_config_init(&out->run);
    enum tg_status status = TG_OK;
    for (int i = 1; i < argc && status == TG_OK; i++) {
        const char *name = argv[i];
        const bool has_value = strcmp(name, "-p") == 0 || strcmp(name, "--runtime") == 0 ||
                               strcmp(name, "--build-mode") == 0;
        const char *value = has_value && i + 1 < argc ? argv[++i] : NULL;
        if (has_value && !value) status = failure_set(failure, TG_ERR_ARGUMENT, "%s needs a value", name);
        else if (strcmp(name, "-p") == 0) out->platform = value;
        else if (strcmp(name, "--runtime") == 0) status = runtime_by_name(value, &out->run.runtime, failure);
        else if (strcmp(name, "--build-mode") == 0) status = build_mode_by_name(value, &out->run.build_mode, failure);
        else if (strcmp(name, "--check") == 0) out->run.check = true;
        else if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) out->help = true;
        else status = failure_unknown(failure, "option", name, option_names, N_OPTIONS);
    }
    return status;
}

/* ---- tensors ----------------------------------------------------------------------------------------------------- */

static void problem_free(struct problem *problem)
{
    for (size_t i = 0; i < SMALL_TENSORS_MAX; i++) {
        free(problem->values[i]);
        free(problem->data[i]);
    }
}

static enum tg_status problem_make(const struct small_example *example, struct problem *problem,
                                   struct failure *failure)
{
    for (size_t i = 0; i < example->n_tensors; i++) {
        const struct small_tensor *t = &example->tensors[i];
        problem->values[i] = calloc(t->elements, sizeof(double));
        problem->data[i] = calloc(t->elements, pa_dtype_bytes(t->dtype));
        if (!problem->values[i] || !problem->data[i])
            return failure_set(failure, TG_ERR_MEMORY, "no memory for %zu elements of %s", t->elements, t->name);
    }
    example->draw(problem->values);
    for (size_t i = 0; i < example->n_tensors; i++) {
        const struct small_tensor *t = &example->tensors[i];
        for (size_t k = 0; k < t->elements; k++) pa_store(t->dtype, problem->data[i], k, (float)problem->values[i][k]);
        pa_load(t->dtype, problem->data[i], 0, t->elements, problem->values[i]);
    }
    return TG_OK;
}

/* The first element that is wrong, if there is one, becomes the failure's message. */
static enum tg_status compare(const struct small_example *example, const struct problem *problem,
                              struct failure *failure)
{
    example->golden(problem->values);
    for (size_t i = 0; i < example->n_tensors; i++) {
        const struct small_tensor *t = &example->tensors[i];
        if (t->direction != TG_OUT) continue;
        double worst = 0;
        for (size_t k = 0; k < t->elements; k++) {
            double got;
            pa_load(t->dtype, problem->data[i], k, 1, &got);
            const double expected = problem->values[i][k], error = fabs(got - expected);
            if (!(error <= example->atol + example->rtol * fabs(expected))) /* NaN is wrong, too */
                return failure_set(failure, TG_ERR_MISMATCH, "%s[%zu] is %.9g, the golden is %.9g", t->name, k, got,
                                   expected);
            if (error > worst) worst = error;
        }
        printf("  %-14s %zu elements, largest error %.2e\n", t->name, t->elements, worst);
    }
    return TG_OK;
}

/* ---- program and run --------------------------------------------------------------------------------------------- */

static enum tg_status load(struct tg_program *program, const struct small_example *example, const char *folder,
                           const struct options *options, struct failure *failure)
{
    enum tg_status status = TG_OK;
    for (size_t i = 0; i <= example->n_kernels && status == TG_OK; i++) {
        const struct small_kernel *kernel = i < example->n_kernels ? &example->kernels[i] : NULL;
        char file[128];
        void *bytes;
        size_t n_bytes;
        (void)snprintf(file, sizeof file, "%s.so", kernel ? kernel->name : "orchestration");
        status = file_read_in(folder, file, &bytes, &n_bytes, failure);
        if (status != TG_OK) break;
        if (kernel) {
            status = tg_program_add_kernel(program, kernel->func_id, kernel->core_type, kernel->name, bytes, n_bytes);
        } else {
            const bool on_host = options->run.runtime == TG_HOST_BUILD_GRAPH;
            status = tg_program_set_orchestration(program, bytes, n_bytes,
                                                  on_host ? "orchestration_host" : "orchestration");
        }
        free(bytes);
        status = failure_from_library(failure, status);
    }
    return status;
}

static enum tg_status load_built(struct tg_program *program, const struct small_example *example,
                                 const struct options *options, const char *argv0, struct failure *failure)
{
    char *folder = file_program_folder(argv0, example->name, options->run.check);
    const enum tg_status status = folder ? load(program, example, folder, options, failure)
                                         : failure_set(failure, TG_ERR_MEMORY, "no memory for the name of a folder");
    free(folder);
    return status;
}

static enum tg_status wait_for(struct tg_run *run, const struct options *options, struct failure *failure)
{
    const enum tg_status status = failure_from_library(failure, tg_run_wait(run));
    struct tg_run_result result;
    tg_run_result(run, &result);
    if (options->run.check) {
        tg_run_print_findings(run, stderr);
        tg_run_print_proof(run, stderr);
    }
    printf("  %-14s %llu tasks, %llu edges\n", "graph", (unsigned long long)result.n_tasks,
           (unsigned long long)result.n_edges);
    return status;
}

static enum tg_status run_on(struct tg_device *device, struct tg_program *program, const struct small_example *example,
                             const struct options *options, struct failure *failure)
{
    struct problem problem = {0};
    struct tg_tensor tensors[SMALL_TENSORS_MAX];
    struct tg_run_config config = options->run;
    struct tg_run *run = NULL;
    if (tg_device_blocks(device)) config.block_dim = tg_device_blocks(device);

    enum tg_status status = problem_make(example, &problem, failure);
    for (size_t i = 0; i < example->n_tensors; i++) {
        const struct small_tensor *t = &example->tensors[i];
        tensors[i] = (struct tg_tensor){t->name, problem.data[i], t->elements * pa_dtype_bytes(t->dtype), t->elements,
                                        t->direction};
    }
    if (status == TG_OK)
        status = failure_from_library(failure, tg_run_open(program, &config, tensors, example->n_tensors, &run));
    if (status == TG_OK) status = wait_for(run, options, failure);
    if (status == TG_OK) status = compare(example, &problem, failure);
    tg_run_close(run);
    problem_free(&problem);
    return status;
}

static enum tg_status work(const struct small_example *example, const struct options *options, const char *argv0,
                           struct failure *failure)
{
    struct tg_device *device;
    struct tg_device_config config;
    tg_device_config_init(&config);
    config.platform = options->platform;
    config.catch_faults = true; /* a kernel that crashes fails the run, not this process */
    enum tg_status status = failure_from_library(failure, tg_device_open(&config, &device));
    if (status != TG_OK) return status;
    struct tg_program *program = NULL;
    status = failure_from_library(failure, tg_program_open(device, &program));
    if (status == TG_OK) status = load_built(program, example, options, argv0, failure);
    if (status == TG_OK) {
        printf("%s on %s\n", example->name, options->platform);
        status = run_on(device, program, example, options, failure);
    }
    tg_program_close(program);
    tg_device_close(device);
    return status;
}

int small_main(int argc, char **argv, const struct small_example *example)
{
    struct options options;
    struct failure failure = {.message = ""};
    enum tg_status status = parse(argc, argv, &options, &failure);
    if (status == TG_OK && options.help) {
        print_help(example);
    } else if (status == TG_OK) {
        status = work(example, &options, argv[0], &failure);
        if (status == TG_OK) printf("PASS\n");
    }
    if (fflush(stdout) != 0 && status == TG_OK)
        status = failure_set(&failure, TG_ERR_FILE, "standard output cannot be written");
    if (status != TG_OK)
        fprintf(stderr, "%s: %s: %s: %s\n  hint: %s\n", example->name, tg_status_name(status), tg_status_text(status),
                failure.message, tg_status_hint(status));
    return tg_status_exit_code(status);
}
