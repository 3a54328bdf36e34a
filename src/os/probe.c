#include "os/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/error.h"
#include "base/log.h"
#include "os/module.h"
#include "os/object.h"
#include "os/rehearse.h"

enum { PROBE_LIMIT_MS = 5000 };

/* The time that a copy of this process may take to begin, at first, and the number of doublings. */
enum { BEGIN_LIMIT_MS = 250, BEGIN_TRIES = 6 };

/* The interval of checks that a silent process still exists. */
enum { LOOK_MS = 20 };

/* The helper's bytes, which the build embeds. */
extern const unsigned char tg_helper_program[];
extern const size_t tg_helper_program_bytes;

/* Does the helper have a sanitizer's functions? It has them if the library was compiled for one. */
#ifdef TG_HELPER_SANITIZES
enum { HELPER_SANITIZES = true };
#else
enum { HELPER_SANITIZES = false };
#endif

/* An object on trial. */
struct trial {
    struct tg_object object;
    struct tg_descriptor file;
    const struct tg_rehearsal *rehearsal;
    const char *what;
};

/* The other process, as seen from this one. */
struct probe {
    pid_t child;
    int answer_fd;
    int state; /* of its end, from waitpid */
    struct tg_rehearsal_answer answer;
};

/* The result of listening to it. */
enum probe_end { PROBE_ANSWERED, PROBE_ENDED, PROBE_SILENT };

/* The progress of a trial. */
enum probe_course {
    PROBE_NO_PROCESS, /* no process could be started, or it has not begun */
    PROBE_DECIDED,    /* it has answered and ended normally */
    PROBE_CRASHED,    /* it has ended in another way */
    PROBE_HANGS
};

/* ---- listening ---- */

static long now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Another waiter of the host may have taken the state; then it keeps its old value. */
static void reap(struct probe *probe)
{
    while (waitpid(probe->child, &probe->state, 0) < 0 && errno == EINTR) continue;
}

/* Wait for the next answer, or the end. A fork on another thread copies the pipe's other end, which then stays open
 * after the end of the process. So the process itself is checked now and then. */
static enum probe_end listen_to(struct probe *probe, long end_ms)
{
    struct pollfd poll_fd = {.fd = probe->answer_fd, .events = POLLIN};
    while (now_ms() < end_ms) {
        const int ready = poll(&poll_fd, 1, LOOK_MS);
        if (ready > 0 && read(probe->answer_fd, &probe->answer, sizeof probe->answer) == (ssize_t)sizeof probe->answer)
            return PROBE_ANSWERED;
        if (ready > 0) {
            reap(probe);
            return PROBE_ENDED;
        }
        if (ready == 0 && waitpid(probe->child, &probe->state, WNOHANG) == probe->child) return PROBE_ENDED;
    }
    return PROBE_SILENT;
}

/* End the process at once. */
static void stop(struct probe *probe)
{
    kill(probe->child, SIGKILL);
    reap(probe);
}

/* It has begun: wait for its answer and its end. */
static enum probe_course follow(struct probe *probe)
{
    const long end_ms = now_ms() + PROBE_LIMIT_MS;
    enum probe_end end = listen_to(probe, end_ms);
    const bool answered = end == PROBE_ANSWERED;
    if (answered) end = listen_to(probe, end_ms);
    if (end != PROBE_ENDED) stop(probe);
    close(probe->answer_fd);
    if (end != PROBE_ENDED) return PROBE_HANGS;
    return answered && probe->state == 0 ? PROBE_DECIDED : PROBE_CRASHED;
}

/* ---- the helper ---- */

static bool open_pipe(int ends[2])
{
    if (pipe2(ends, O_CLOEXEC) != 0) return false;
    for (int i = 0; i < 2; i++) ends[i] = tg_descriptor_high(ends[i]);
    if (ends[0] >= 0 && ends[1] >= 0) return true;
    const int why = errno;
    for (int i = 0; i < 2; i++)
        if (ends[i] >= 0) close(ends[i]);
    errno = why;
    return false;
}

/* Default signals, and a process group of its own: a key that interrupts the host must not decide a trial. */
static int spawn(pid_t *child, int program_fd, int object_fd, int answer_fd, const struct trial *trial)
{
    char program[64], numbers[3][24];
    const char *abi_symbol = trial->rehearsal->abi.symbol;
    snprintf(program, sizeof program, "/proc/self/fd/%d", program_fd);
    snprintf(numbers[0], sizeof numbers[0], "%d", object_fd);
    snprintf(numbers[1], sizeof numbers[1], "%d", answer_fd);
    snprintf(numbers[2], sizeof numbers[2], "%llu", (unsigned long long)trial->object.span);
    const char *argv[] = {"tilegraph-helper",           numbers[0], numbers[1], trial->rehearsal->symbol,
                          abi_symbol ? abi_symbol : "", numbers[2], NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    posix_spawn_file_actions_init(&actions);
    /* Duplicated to itself: exec then leaves it open. */
    int error = posix_spawn_file_actions_adddup2(&actions, object_fd, object_fd);
    if (error == 0) error = posix_spawn_file_actions_adddup2(&actions, answer_fd, answer_fd);
    if (error == 0) error = posix_spawn(child, program, &actions, &attributes, (char **)(uintptr_t)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return error;
}

/* Start the helper. false: errno says why not. */
static bool start_helper(struct probe *probe, const struct trial *trial)
{
    struct tg_descriptor program;
    int ends[2];
    if (!tg_descriptor_program(&program, "tilegraph-helper")) return false;
    int error = tg_descriptor_append(&program, tg_helper_program, tg_helper_program_bytes) && open_pipe(ends) ? 0
                                                                                                              : errno;
    if (error == 0) {
        *probe = (struct probe){.answer_fd = ends[0]};
        error = spawn(&probe->child, program.fd, trial->file.fd, ends[1], trial);
        close(ends[1]);
        if (error != 0) close(ends[0]);
    }
    tg_descriptor_close(&program);
    errno = error;
    return error == 0;
}

/* Log once that each object takes longer than it should. */
static void note_no_helper(int why)
{
    static atomic_flag said = ATOMIC_FLAG_INIT;
    if (atomic_flag_test_and_set_explicit(&said, memory_order_relaxed)) return; /* orders nothing else */
    tg_log(TG_LOG_WARN, "shared objects are tried in copies of this process, for the helper cannot be started: %s",
           why != 0 ? strerror(why) : "it ends before it begins");
}

static enum probe_course try_in_helper(struct probe *probe, const struct trial *trial)
{
    if (!start_helper(probe, trial)) {
        note_no_helper(errno);
        return PROBE_NO_PROCESS;
    }
    const enum probe_end end = listen_to(probe, now_ms() + PROBE_LIMIT_MS);
    if (end == PROBE_ANSWERED) return follow(probe);
    if (end == PROBE_SILENT) stop(probe);
    close(probe->answer_fd);
    note_no_helper(0);
    return PROBE_NO_PROCESS;
}

/* ---- a copy of this process ---- */

static _Noreturn void run_copy(const struct tg_rehearsal_task *task)
{
    tg_rehearse_quietly();
    tg_rehearse_begin(task);
    tg_rehearse(task);
    _exit(0); /* the exit handlers are the host's */
}

static enum tg_status start_copy(struct probe *probe, const struct trial *trial)
{
    int ends[2];
    if (!open_pipe(ends)) return tg_descriptor_error(trial->what, "no pipe");
    const char *abi_symbol = trial->rehearsal->abi.symbol;
    const struct tg_rehearsal_task task = {.object_fd = trial->file.fd,
                                           .answer_fd = ends[1],
                                           .symbol = trial->rehearsal->symbol,
                                           .abi_symbol = abi_symbol ? abi_symbol : ""};
    /* The loader's list of objects is copied as it is at that moment. */
    tg_module_hold_loader();
    const pid_t child = fork();
    if (child == 0) run_copy(&task);
    const int why = errno;
    tg_module_release_loader();
    close(ends[1]);
    *probe = (struct probe){.child = child, .answer_fd = ends[0]};
    if (child > 0) return TG_OK;
    close(ends[0]);
    errno = why;
    return tg_descriptor_error(trial->what, "no process to try it in");
}

/* A copy does not begin if another thread held a lock at the moment of the fork. */
static enum tg_status try_in_copy(struct probe *probe, const struct trial *trial, enum probe_course *course)
{
    long limit_ms = BEGIN_LIMIT_MS;
    for (int i = 0; i < BEGIN_TRIES; i++, limit_ms *= 2) {
        TG_TRY(start_copy(probe, trial));
        const enum probe_end end = listen_to(probe, now_ms() + limit_ms);
        if (end == PROBE_ANSWERED) {
            *course = follow(probe);
            return TG_OK;
        }
        if (end == PROBE_SILENT) stop(probe);
        close(probe->answer_fd);
    }
    return tg_error(TG_ERR_LOAD, "%s: cannot be tried: no child process of this one begins", trial->what);
}

/* ---- the trial ---- */

static enum tg_status verdict_of(const struct tg_rehearsal_answer *answer, const struct trial *trial)
{
    const struct tg_rehearsal *rehearsal = trial->rehearsal;
    /* The loader begins with the file's name, which means nothing to the user. */
    const char *reason = strchr(answer->reason, ':');
    switch (answer->result) {
    case TG_REHEARSAL_NOT_LOADED:
        return tg_error(TG_ERR_LOAD, "%s%s", trial->what, reason ? reason : ": the loader gives no reason");
    case TG_REHEARSAL_EXITS:
        return tg_error(TG_ERR_LOAD, "%s: closing it runs the exit handlers of the process", trial->what);
    case TG_REHEARSAL_BROKEN:
        return tg_error(TG_ERR_LOAD, "%s: opening or closing it returns with another stack or other registers",
                        trial->what);
    case TG_REHEARSAL_NO_SYMBOL: return tg_error(TG_ERR_SYMBOL, "%s: no function '%s'", trial->what, rehearsal->symbol);
    default: break;
    }
    const struct tg_module_abi *abi = &rehearsal->abi;
    if (!answer->has_abi || (answer->abi >= abi->oldest && answer->abi <= abi->version)) return TG_OK;
    return tg_error(TG_ERR_ABI, "%s: built against version %u of %s, this library has %u", trial->what, answer->abi,
                    abi->header, abi->version);
}

static enum tg_status judge(const struct probe *probe, const struct trial *trial, enum probe_course course)
{
    if (course == PROBE_DECIDED) return verdict_of(&probe->answer, trial);
    if (course == PROBE_HANGS)
        return tg_error(TG_ERR_LOAD, "%s: opening or closing it does not end (%d ms)", trial->what, PROBE_LIMIT_MS);
    if (WIFSIGNALED(probe->state))
        return tg_error(TG_ERR_LOAD, "%s: opening or closing it crashes (%s)", trial->what,
                        strsignal(WTERMSIG(probe->state)));
    return tg_error(TG_ERR_LOAD, "%s: opening or closing it ends the process (exit code %d)", trial->what,
                    WEXITSTATUS(probe->state));
}

static enum tg_status try_object(const struct trial *trial)
{
    struct probe helper, copy;
    enum probe_course course = PROBE_NO_PROCESS;
    if (HELPER_SANITIZES || !trial->object.wants_sanitizer) course = try_in_helper(&helper, trial);
    const bool refused = course == PROBE_DECIDED && helper.answer.result == TG_REHEARSAL_NOT_LOADED;
    if (course != PROBE_NO_PROCESS && !refused) return judge(&helper, trial, course);
    const enum tg_status status = try_in_copy(&copy, trial, &course);
    if (status == TG_OK) return judge(&copy, trial, course);
    return refused ? judge(&helper, trial, PROBE_DECIDED) : status;
}

enum tg_status tg_module_probe(const void *bytes, size_t n_bytes, const struct tg_rehearsal *rehearsal,
                               const char *what)
{
    struct trial trial = {.rehearsal = rehearsal, .what = what};
    TG_TRY(tg_object_read(&trial.object, bytes, n_bytes, what));
    TG_TRY(tg_module_check_names(what));
    TG_TRY(tg_object_trial_file(&trial.object, &trial.file, what));
    const enum tg_status status = try_object(&trial);
    tg_descriptor_close(&trial.file);
    return status;
}
