/*
 * paged_attention: the whole way of a program through tilegraph's C API.
 *
 *     device     where it runs: a platform and its memory
 *     program    what runs: four kernels, and the orchestration plugin that builds the task graph out of them
 *     run        one launch of the program on tensors
 *
 * Read this file from the bottom up. Everything that is not about tilegraph (the command line, .npy files, drawing
 * inputs, the golden, printing) is in examples/common.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include <tilegraph/tilegraph.h>

#include "file.h"
#include "pa_declare.h"
#include "pa_files.h"
#include "pa_golden.h"
#include "pa_options.h"
#include "pa_problem.h"
#include "pa_report.h"
#include "printable.h"
#include "progress.h"

/* The kernels: the orchestration submits tasks by func_id, and a task goes only to a core of its kernel's type. */
static const struct {
    int func_id;
    enum tg_core_type core_type;
    const char *name, *file;
} kernels[] = {
    {0, TG_AIC, "aic_qk_matmul", "aic_qk_matmul.so"},
    {1, TG_AIV, "aiv_softmax_prepare", "aiv_softmax_prepare.so"},
    {2, TG_AIC, "aic_pv_matmul", "aic_pv_matmul.so"},
    {3, TG_AIV, "aiv_online_update", "aiv_online_update.so"},
};

static double now_s(void)
{
    struct timespec now;
    timespec_get(&now, TIME_UTC);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void print_log(void *context, enum tg_log_level level, const char *line)
{
    (void)context;
    (void)level;
    printable_write(stderr, line);
    fputc('\n', stderr);
}

/* ---- program ----------------------------------------------------------------------------------------------------- */

static enum tg_status add_kernels(struct tg_program *program, const char *folder, struct failure *failure)
{
    for (size_t i = 0; i < sizeof kernels / sizeof kernels[0]; i++) {
        void *bytes;
        size_t n_bytes;
        enum tg_status status = file_read_in(folder, kernels[i].file, &bytes, &n_bytes, failure);
        if (status != TG_OK) return status;
        status = tg_program_add_kernel(program, kernels[i].func_id, kernels[i].core_type, kernels[i].name, bytes,
                                       n_bytes);
        free(bytes); /* the program has its own copy */
        if (status != TG_OK) return failure_from_library(failure, status);
    }
    return TG_OK;
}

/* The plugin has an entry for each runtime: one is called on the device, the other on the host before the launch. */
static enum tg_status add_orchestration(struct tg_program *program, const char *folder, uint32_t runtime,
                                        struct failure *failure)
{
    const char *entry = runtime == TG_HOST_BUILD_GRAPH ? "orchestration_host" : "orchestration";
    void *bytes;
    size_t n_bytes;
    enum tg_status status = file_read_in(folder, "orchestration.so", &bytes, &n_bytes, failure);
    if (status != TG_OK) return status;
    status = tg_program_set_orchestration(program, bytes, n_bytes, entry);
    free(bytes);
    return failure_from_library(failure, status);
}

static enum tg_status load_program(struct tg_program *program, const struct pa_options *options, const char *argv0,
                                   struct failure *failure)
{
    char *own = file_program_folder(argv0, "paged_attention", options->run.check);
    const char *folder = options->program_dir ? options->program_dir : own;
    enum tg_status status = TG_OK;
    if (!folder) status = failure_set(failure, TG_ERR_MEMORY, "no memory for the name of a folder");
    if (status == TG_OK) status = add_kernels(program, folder, failure);
    if (status == TG_OK) status = add_orchestration(program, folder, options->run.runtime, failure);
    free(own);
    return status;
}

/* ---- run --------------------------------------------------------------------------------------------------------- */

/* Write a file of a run's record; PA_STANDARD is standard output. */
static enum tg_status write_one(const struct tg_run *run, enum tg_status (*write)(const struct tg_run *, const char *),
                                const char *path, struct failure *failure)
{
    if (strcmp(path, PA_STANDARD) != 0) return failure_from_library(failure, write(run, path));
    struct file_passed passed;
    enum tg_status status = file_pass_open(&passed, failure);
    if (status == TG_OK) status = failure_from_library(failure, write(run, passed.path));
    return file_pass_close(&passed, status, stdout, failure);
}

static struct tg_report_head page_head; /* of the one page that the command writes */

static enum tg_status write_page(const struct tg_run *run, const char *path)
{
    return tg_run_write_report_with(run, path, &page_head);
}

/* Say on the page what runs, where, when and by which command. */
static void set_page_head(const struct pa_options *options, int argc, char **argv)
{
    static char date[64], program[256], words[4096];
    const time_t now = time(NULL);
    struct tm local;
    if (!localtime_r(&now, &local) || !strftime(date, sizeof date, "%Y-%m-%d %H:%M %Z", &local)) date[0] = '\0';
    snprintf(program, sizeof program, "paged_attention, %s",
             options->load_dir ? options->load_dir : options->drawn.name);
    for (int i = 0; i < argc; i++) {
        const size_t n = strlen(words);
        snprintf(words + n, sizeof words - n, "%s%s", i > 0 ? " " : "", argv[i]);
    }
    page_head = (struct tg_report_head){
        .program = program, .platform = options->platform, .date = date, .command = words};
}

/* Where a run's record goes, if the command line says so. */
static enum tg_status write_files(const struct tg_run *run, const struct pa_options *options, struct failure *failure)
{
    enum tg_status status = TG_OK;
    if (options->trace_path) status = write_one(run, tg_run_write_trace, options->trace_path, failure);
    if (status == TG_OK && options->graph_path)
        status = write_one(run, tg_run_write_graph, options->graph_path, failure);
    if (status == TG_OK && options->report_path) status = write_one(run, write_page, options->report_path, failure);
    return status;
}

/* The arrays of tasks, also of a run that has failed; that failure is the one to report. */
static enum tg_status write_dump(const struct tg_run *run, const struct pa_options *options, struct pa_report *report,
                                 enum tg_status status)
{
    struct failure own = {0};
    if (!options->dump_tasks) return status;
    struct failure *failure = status == TG_OK ? &report->failure : &own;
    const enum tg_status written = failure_from_library(
        failure, tg_run_write_arrays(run, options->dump_tasks, options->dump_folder));
    if (written != TG_OK && status != TG_OK) fprintf(stderr, "not written: %s\n", own.message);
    return status == TG_OK ? written : status;
}

/* Wait for a run and look at it; problem->out is written if all went well. */
static enum tg_status wait_for(struct tg_run *run, const struct pa_options *options, struct pa_report *report)
{
    struct progress progress;
    progress_begin(&progress, stderr);
    tg_run_on_progress(run, progress_show, &progress);
    enum tg_status status = failure_from_library(&report->failure, tg_run_wait(run));
    progress_end(&progress);
    tg_run_result(run, &report->result); /* also tells how far a failed run came */
    report->has_result = true;
    if (options->run.check || options->run.schedules > 1) {
        enum tg_status kept = pa_report_findings(report, run);
        if (status == TG_OK) status = kept;
    }
    if (status == TG_OK) status = pa_report_run(report, run);
    if (status == TG_OK && options->edges) status = pa_report_edges(report, run);
    if (status == TG_OK) status = write_files(run, options, &report->failure);
    return write_dump(run, options, report, status);
}

static int by_size(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Run options->repeat more times and keep the times: caches, threads and memory are warm. */
static enum tg_status time_warm(struct tg_program *program, const struct pa_options *options,
                                const struct tg_tensor *tensors, size_t n_tensors, struct pa_report *report)
{
    struct tg_run_config config = options->run;
    config.record = config.record_pipes = config.check = false;
    config.schedules = 1;
    uint64_t *ns = calloc(options->repeat, sizeof *ns);
    if (!ns) return failure_set(&report->failure, TG_ERR_MEMORY, "no memory for %u times", options->repeat);
    enum tg_status status = TG_OK;
    for (uint32_t i = 0; i < options->repeat && status == TG_OK; i++) {
        struct tg_run *run = NULL;
        struct tg_run_result result = {0};
        status = tg_run_open(program, &config, tensors, n_tensors, &run);
        if (status == TG_OK) status = tg_run_wait(run);
        failure_from_library(&report->failure, status);
        if (status == TG_OK) tg_run_result(run, &result);
        tg_run_close(run);
        ns[i] = result.device_ns;
    }
    if (status == TG_OK) {
        qsort(ns, options->repeat, sizeof *ns, by_size);
        report->n_warm = options->repeat;
        report->warm_best_ns = ns[0];
        report->warm_median_ns = ns[options->repeat / 2];
    }
    free(ns);
    return status;
}

/* Launch the program on the problem's tensors and wait; problem->out is written if all went well. A checked run is also
 * told what cannot be seen in them. */
static enum tg_status run_program(struct tg_program *program, const struct pa_options *options,
                                  struct pa_problem *problem, struct pa_report *report)
{
    const struct pa_counts n = pa_problem_counts(problem);
    const uint64_t bytes = pa_dtype_bytes(problem->shape.dtype), batch = problem->shape.batch;
    /* In the order in which the orchestration expects them: it sees addresses, byte sizes, and the first count. */
    const struct tg_tensor tensors[] = {
        {"query", problem->query, n.query * bytes, n.query, TG_IN},
        {"key_cache", problem->key_cache, n.cache * bytes, n.cache, TG_IN},
        {"value_cache", problem->value_cache, n.cache * bytes, n.cache, TG_IN},
        {"block_table", problem->block_table, n.table * sizeof(int32_t), n.table, TG_IN},
        {"context_lens", problem->context_lens, batch * sizeof(int32_t), batch, TG_IN},
        {"out", problem->out, n.query * bytes, n.query, TG_OUT},
        {"config", problem->config, sizeof problem->config, PA_CONFIG_WORDS, TG_IN},
    };
    struct tg_run_config config = options->run;
    struct pa_declared declared = {0};
    enum tg_status status = config.check ? pa_declare(problem, &declared, &report->failure) : TG_OK;
    if (status != TG_OK) return status;
    config.declared = declared.items;
    config.n_declared = declared.n;
    struct tg_run *run;
    status = tg_run_open(program, &config, tensors, sizeof tensors / sizeof tensors[0], &run);
    if (status == TG_OK) {
        if (options->dump_tasks) status = tg_run_keep_arrays(run, options->dump_tasks);
        failure_from_library(&report->failure, status);
        if (status == TG_OK) status = wait_for(run, options, report);
        tg_run_close(run);
    } else {
        failure_from_library(&report->failure, status);
    }
    if (status == TG_OK && options->repeat > 0)
        status = time_warm(program, options, tensors, sizeof tensors / sizeof tensors[0], report);
    pa_declared_free(&declared);
    return status;
}

/* Compare the result with the golden, which is computed here and nowhere else. */
static enum tg_status check_result(const struct pa_problem *problem, struct pa_report *report)
{
    struct pa_golden golden;
    double start_s = now_s();
    enum tg_status status = pa_golden_compute(problem, &golden, &report->failure);
    if (status != TG_OK) return status;
    pa_golden_compare(problem, &golden, &report->comparison);
    report->has_comparison = true;
    if (!report->comparison.pass) {
        status = TG_ERR_MISMATCH;
        pa_golden_explain(problem, &golden, &report->comparison, &report->failure);
    }
    pa_golden_free(&golden);
    report->golden_s = now_s() - start_s;
    return status;
}

/* A run with findings has a result too, which may be right or wrong; the findings stay what it failed with. */
static void compare_anyway(const struct pa_problem *problem, struct pa_report *report)
{
    const struct failure findings = report->failure;
    (void)check_result(problem, report);
    report->failure = findings;
}

static enum tg_status make_problem(struct pa_options *options, struct pa_problem *problem, struct pa_report *report)
{
    double start_s = now_s();
    enum tg_status status;
    if (options->load_dir) {
        const enum pa_dtype *dtype = options->has_dtype ? &options->drawn.shape.dtype : NULL;
        status = pa_files_load(options->load_dir, dtype, problem, &report->failure);
    } else {
        status = pa_problem_draw(&options->drawn, options->seed, problem, &report->failure);
    }
    if (status == TG_OK && options->packed) status = pa_problem_pack(problem, &report->failure);
    if (status == TG_OK) {
        if (options->blocks_per_task == 0) options->blocks_per_task = pa_problem_blocks_per_task(problem);
        problem->config[PA_CONFIG_BLOCKS_PER_TASK] = options->blocks_per_task;
        pa_report_problem(report, problem);
    }
    report->inputs_s = now_s() - start_s;
    return status;
}

/* Whether what is to be written after the run can be. */
static enum tg_status check_files(const struct pa_options *options, struct failure *failure)
{
    const char *const paths[] = {options->trace_path, options->graph_path, options->report_path};
    enum tg_status status = TG_OK;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0] && status == TG_OK; i++) {
        if (paths[i] && strcmp(paths[i], PA_STANDARD) != 0) status = file_check_writable(paths[i], failure);
    }
    return status;
}

/* Everything that needs the device. Refusals come early: the program and the output files are tried before the tensors,
 * which may be gigabytes, are made. */
static enum tg_status use_device(struct tg_device *device, struct pa_options *options, const char *argv0,
                                 struct pa_report *report)
{
    struct failure *failure = &report->failure;
    struct tg_program *program = NULL;
    struct pa_problem problem = {0};
    struct pa_save save = {0};

    /* A program of another folder may take other shapes, and files say theirs when they are read. */
    enum tg_status status = TG_OK;
    if (!options->program_dir && !options->load_dir) status = pa_shape_check(&options->drawn.shape, failure);
    if (status == TG_OK && options->packed && !options->load_dir)
        status = pa_shape_check_packed(&options->drawn.shape, failure);
    if (status == TG_OK) status = failure_from_library(failure, tg_program_open(device, &program));
    if (status == TG_OK) status = load_program(program, options, argv0, failure);
    if (status == TG_OK) status = check_files(options, failure);
    if (status == TG_OK && options->save_dir) {
        status = pa_save_open(options->save_dir, options->load_dir, &save, failure);
    }
    if (status == TG_OK) status = make_problem(options, &problem, report);
    if (status == TG_OK) status = run_program(program, options, &problem, report);
    if (status == TG_OK && options->save_dir) status = pa_save_commit(&save, &problem, failure);
    if (status == TG_OK) status = check_result(&problem, report);
    else if (status == TG_ERR_CHECK && report->result.has_outputs) compare_anyway(&problem, report);

    pa_save_close(&save);
    pa_problem_free(&problem);
    tg_program_close(program);
    return status;
}

static enum tg_status work(struct pa_options *options, const char *argv0, struct pa_report *report)
{
    struct tg_device *device;
    struct tg_device_config config;
    if (options->verbosity > 0) tg_log_to(print_log, NULL, options->verbosity > 1 ? TG_LOG_DEBUG : TG_LOG_INFO);
    tg_device_config_init(&config);
    config.platform = options->platform;
    config.machine_file = options->machine_file;
    config.workers = options->workers;
    config.pin = options->pin;
    config.catch_faults = true; /* a kernel that crashes fails the run, not this process */
    enum tg_status status = failure_from_library(&report->failure, tg_device_open(&config, &device));
    if (status != TG_OK) return status;
    report->isa = tg_device_isa(device);
    options->workers = tg_device_workers(device);
    if (!options->has_block_dim) options->run.block_dim = tg_device_blocks(device);
    status = use_device(device, options, argv0, report);
    tg_device_close(device);
    return status;
}

/* Not a part of main, for its frame alone is larger than the smallest stacks. */
__attribute__((noinline)) static int command(int argc, char **argv)
{
    struct pa_options options;
    struct pa_report report = {.status = TG_OK};
    /* Output that cannot be written is an error that is told, not an end without a word. */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    report.status = pa_options_parse(argc, argv, &options, &report.failure);
    if (report.status == TG_OK && options.help) pa_options_print_help(stdout, options.help);
    else if (report.status == TG_OK && options.version) puts("paged_attention of tilegraph " TG_VERSION);
    else if (report.status == TG_OK) {
        set_page_head(&options, argc, argv);
        report.status = work(&options, argv[0], &report);
    }

    if (options.json) pa_report_json(stdout, &report, &options);
    else if (report.shape.batch > 0) pa_report_text(options.stdout_is_taken ? stderr : stdout, &report, &options);
    if (fflush(stdout) != 0 && report.status == TG_OK) {
        report.status = failure_set(&report.failure, TG_ERR_FILE, "standard output cannot be written: %s",
                                    strerror(errno));
    }
    pa_report_failure(stderr, &report);
    pa_report_free(&report);
    pa_options_free(&options);
    return tg_status_exit_code(report.status);
}

/* Where the stack is too small for the command, the system would end the process without a word. */
int main(int argc, char **argv)
{
    enum { LEAST_STACK = 64 << 10 };
    struct rlimit stack;
    if (getrlimit(RLIMIT_STACK, &stack) != 0 || stack.rlim_cur >= LEAST_STACK) return command(argc, argv);
    fputs("paged_attention: the limit of the stack is below 64 KiB; raise it (ulimit -s 64)\n", stderr);
    return tg_status_exit_code(TG_ERR_MEMORY);
}
