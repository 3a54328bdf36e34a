#include "common/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/check.h"

enum { ARGS_MAX = 64, LIMIT_S = 60 };

/* A cross-built program is run by an emulator: its command, a | between two words. */
#ifndef TG_TEST_EMULATOR
#define TG_TEST_EMULATOR ""
#endif

static int exit_code_of(int state) { return WIFSIGNALED(state) ? 128 + WTERMSIG(state) : WEXITSTATUS(state); }

static FILE *open_output(void)
{
    FILE *file = tmpfile();
    assert_non_null(file);
    return file;
}

static char *take_output(FILE *file)
{
    fseek(file, 0, SEEK_END);
    long n = ftell(file);
    assert_true(n >= 0);
    rewind(file);
    char *text = malloc((size_t)n + 1);
    assert_non_null(text);
    size_t got = fread(text, 1, (size_t)n, file);
    text[got] = '\0';
    fclose(file);
    return text;
}

static _Noreturn void become(const char *const *argv, FILE *out, FILE *err)
{
    static char emulator[] = TG_TEST_EMULATOR;
    const char *words[ARGS_MAX + 8];
    size_t n = 0;
    for (char *word = strtok(emulator, "|"); word; word = strtok(NULL, "|")) words[n++] = word;
    for (size_t i = 0; argv[i] && i < ARGS_MAX; i++) words[n++] = argv[i];
    words[n] = NULL;
    int null = open("/dev/null", O_RDONLY);
    dup2(null, STDIN_FILENO);
    dup2(fileno(out), STDOUT_FILENO);
    dup2(fileno(err), STDERR_FILENO);
    alarm(LIMIT_S);
    execvp(words[0], (char *const *)(uintptr_t)words);
    fprintf(stderr, "%s: %s\n", words[0], strerror(errno));
    _exit(127);
}

void process_run(struct process *process, const char *const *argv)
{
    FILE *out = open_output(), *err = open_output();
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) become(argv, out, err);
    int state = 0;
    while (waitpid(pid, &state, 0) < 0 && errno == EINTR) continue;
    process->exit_code = exit_code_of(state);
    process->out = take_output(out);
    process->err = take_output(err);
    CHECK(process->exit_code != 127, "%s", process->err);
    CHECK(process->exit_code != 128 + SIGALRM, "%s takes longer than %d s", argv[0], LIMIT_S);
}

void process_free(struct process *process)
{
    free(process->out);
    free(process->err);
    memset(process, 0, sizeof *process);
}

int process_copy(void (*fn)(void *arg), void *arg)
{
    fflush(NULL);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        fn(arg);
        exit(0);
    }
    int state = 0;
    assert_int_equal(waitpid(child, &state, 0), child);
    return exit_code_of(state);
}

void process_expect_race(void (*fn)(void *arg), void *arg)
{
    enum { TSAN_EXIT_CODE = 66 };
    assert_int_equal(process_copy(fn, arg), TSAN_EXIT_CODE);
}

const char *process_binary(const char *name)
{
    static char path[1024];
    snprintf(path, sizeof path, "%s/bin/%s", TG_TEST_BUILD_DIR, name);
    return path;
}
