/* The caller's operations on a run: open, wait, replay, cancel, close. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sized.h"
#include "host/host.h"
#include "os/state.h"

static enum tg_status check_device(const struct tg_device *device)
{
    if (!device->machine->lost) return TG_OK;
    return tg_error(TG_ERR_KERNEL_TIMEOUT,
                    "foreign code of an earlier run blocks all signals and still runs on a thread "
                    "of this device: it runs nothing more; open another device");
}

static enum tg_status open_run(struct tg_program *program, struct tg_run_ask *ask, struct tg_run **out)
{
    TG_TRY(tg_run_check(program, ask));
    struct tg_run *run;
    TG_TRY(tg_run_create(program, program->orchestration, &ask->config, ask->tensors, ask->n_tensors, NULL, &run));
    run->declared = ask->declared;
    ask->declared = NULL;
    enum tg_status status = tg_schedules_open(run);
    if (status != TG_OK) {
        tg_run_close(run);
        return status;
    }
    *out = run;
    return TG_OK;
}

enum tg_status tg_run_open_sized(struct tg_program *program, const struct tg_run_config *config,
                                 const struct tg_tensor *tensors, size_t tensor_size, size_t n_tensors,
                                 struct tg_run **out)
{
    TG_OWN_STATE;
    TG_REQUIRE(program);
    TG_REQUIRE(config);
    TG_REQUIRE(tensors || n_tensors == 0);
    TG_REQUIRE(out);
    TG_TRY(check_device(program->device));
    struct tg_run_ask ask;
    TG_TRY(tg_run_ask_init(&ask, config, tensors, tensor_size, n_tensors));
    enum tg_status status = open_run(program, &ask, out);
    tg_run_ask_fini(&ask);
    return status;
}

static enum tg_status check_launch(const struct tg_run *run)
{
    if (run->launched) return tg_error(TG_ERR_ARGUMENT, "this run was launched before; open another");
    return check_device(run->program->device);
}

static enum tg_status launch(struct tg_run *run)
{
    TG_OWN_STATE;
    enum tg_status status = tg_run_execute(run);
    if (status == TG_OK) status = tg_schedules_compare(run);
    if (run->config.check || run->config.schedules > 1) status = tg_host_judge(run, status);
    run->may_replay = status == TG_OK;
    return status;
}

/* ---- a launch on a thread of the library ------------------------------------------------------------------------
 * `ended` is stored with release after status and message; tg_run_poll acquires it, tg_run_wait joins the thread. */

struct tg_submitted {
    struct tg_run *run;
    pthread_t thread;
    atomic_bool ended;
    enum tg_status status;
    char message[TG_MESSAGE_BYTES]; /* of a failure: messages belong to threads */
};

static void *submitted_main(void *arg)
{
    struct tg_submitted *submitted = arg;
    submitted->status = launch(submitted->run);
    snprintf(submitted->message, sizeof submitted->message, "%s", tg_last_message());
    atomic_store_explicit(&submitted->ended, true, memory_order_release);
    return NULL;
}

enum tg_status tg_run_submit(struct tg_run *run)
{
    TG_REQUIRE(run);
    TG_TRY(check_launch(run));
    struct tg_submitted *submitted = calloc(1, sizeof *submitted);
    if (!submitted) return tg_error(TG_ERR_MEMORY, "no memory to submit a run");
    submitted->run = run;
    sigset_t all, before; /* the host's threads keep handling the host's signals */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&submitted->thread, NULL, submitted_main, submitted);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error) {
        free(submitted);
        return tg_error(TG_ERR_MEMORY, "no thread for a submitted run: %s", strerror(error));
    }
    run->submitted = submitted;
    run->launched = true;
    return TG_OK;
}

bool tg_run_poll(const struct tg_run *run)
{
    return run && run->submitted && atomic_load_explicit(&run->submitted->ended, memory_order_acquire);
}

static enum tg_status join(struct tg_run *run)
{
    struct tg_submitted *submitted = run->submitted;
    pthread_join(submitted->thread, NULL);
    run->submitted = NULL;
    enum tg_status status = submitted->status;
    if (status != TG_OK) tg_error(status, "%s", submitted->message);
    free(submitted);
    return status;
}

enum tg_status tg_run_wait(struct tg_run *run)
{
    TG_REQUIRE(run);
    if (run->submitted) return join(run);
    TG_TRY(check_launch(run));
    run->launched = true;
    return launch(run);
}

/* Does every change name an existing argument? */
static enum tg_status check_changes(struct tg_run *run, const struct tg_argument *changes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct tg_task *task = tg_graph_find(&run->graph, changes[i].task_id);
        if (!task)
            return tg_error(TG_ERR_ARGUMENT, "change %zu: there is no task %d; the graph has %llu", i,
                            changes[i].task_id, (unsigned long long)run->graph.n_added);
        if (changes[i].index >= task->n_args)
            return tg_error(TG_ERR_ARGUMENT, "change %zu: task %d has %u arguments, no number %u", i,
                            changes[i].task_id, task->n_args, changes[i].index);
    }
    return TG_OK;
}

static enum tg_status replay(struct tg_run *run, const struct tg_argument *changes, size_t n_changes)
{
    if (!run->config.keep) return tg_error(TG_ERR_ARGUMENT, "the run was opened without keep; set tg_run_config.keep");
    if (!run->may_replay) return tg_error(TG_ERR_ARGUMENT, "only a run that succeeded can be replayed");
    TG_TRY(check_device(run->program->device));
    TG_TRY(check_changes(run, changes, n_changes));
    run->may_replay = false;
    enum tg_status status = tg_run_execute_again(run, changes, n_changes);
    run->may_replay = status == TG_OK;
    return status;
}

enum tg_status tg_run_replay_sized(struct tg_run *run, const struct tg_argument *changes, size_t change_size,
                                   size_t n_changes)
{
    TG_OWN_STATE;
    TG_REQUIRE(run);
    TG_REQUIRE(changes || n_changes == 0);
    if (change_size == sizeof *changes) return replay(run, changes, n_changes);
    static const struct tg_sized sized = {"tg_argument", sizeof *changes, sizeof *changes};
    void *known;
    TG_TRY(tg_sized_array(&sized, changes, change_size, n_changes, &known));
    enum tg_status status = replay(run, known, n_changes);
    free(known);
    return status;
}

void tg_run_cancel(struct tg_run *run)
{
    if (!run) return;
    tg_failure_cancel(&run->own_failure);
    tg_failure_cancel(&run->others_failure);
}

enum tg_status tg_run_get_result(const struct tg_run *run, struct tg_run_result *result)
{
    static const struct tg_sized sized = {"tg_run_result", sizeof *result, offsetof(struct tg_run_result, n_findings)};
    TG_REQUIRE(run);
    TG_REQUIRE(result);
    struct tg_run_result known = run->result;
    known.n_findings = tg_run_n_findings(run);
    return tg_sized_give(&sized, result, &known);
}

void tg_run_on_progress(struct tg_run *run, tg_progress_fn *fn, void *context)
{
    run->progress = fn;
    run->progress_context = context;
}

void tg_run_close(struct tg_run *run)
{
    if (!run) return;
    if (run->submitted) {
        tg_run_cancel(run);
        join(run);
    }
    tg_schedules_close(run);
    free(run->declared);
    tg_run_destroy(run);
}
