#include "base/module.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <fenv.h>
#include <link.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"

enum { PROBE_LIMIT_MS = 5000, REASON_BYTES = 512 };

/* The loader has a lock that a child process would inherit in the state in which another thread has it: nobody forks while
 * somebody opens or closes. */
static pthread_mutex_t loader_lock = PTHREAD_MUTEX_INITIALIZER;

/* What the child answers: how far it came, and the loader's words if not far enough. */
struct probe_answer {
    enum { PROBE_OPENS, PROBE_NOT_LOADED, PROBE_NO_SYMBOL, PROBE_OTHER_ABI } result;
    uint32_t abi; /* PROBE_OTHER_ABI: the one that it has */
    char reason[REASON_BYTES];
};

static enum tg_status file_of(const void *bytes, size_t n_bytes, const char *what, int *out)
{
    int fd = memfd_create("tilegraph-module", MFD_CLOEXEC);
    if (fd < 0) return tg_error(TG_ERR_MEMORY, "%s: no anonymous file: %s", what, strerror(errno));
    const char *at = bytes;
    for (size_t left = n_bytes; left > 0;) {
        ssize_t written = write(fd, at, left);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) {
            close(fd);
            return tg_error(TG_ERR_MEMORY, "%s: cannot keep %zu bytes: %s", what, n_bytes, strerror(errno));
        }
        at += written;
        left -= (size_t)written;
    }
    *out = fd;
    return TG_OK;
}

static void *open_file(int fd)
{
    char path[64];
    /* Not /proc/self: a debugger opens the name, too, and would look at its own descriptors. */
    snprintf(path, sizeof path, "/proc/%ld/fd/%d", (long)getpid(), fd);
    fenv_t environment;
    fegetenv(&environment); /* an object linked with -ffast-math turns subnormals off while it is opened */
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    fesetenv(&environment);
    return handle;
}

/* In the child: does it have what its owner needs? */
static void probe_symbols(const struct tg_module *module, const struct tg_rehearsal *rehearsal,
                          struct probe_answer *answer)
{
    const uint32_t *abi = rehearsal->abi.symbol ? tg_module_symbol(module, rehearsal->abi.symbol) : NULL;
    if (!tg_module_symbol(module, rehearsal->symbol)) {
        answer->result = PROBE_NO_SYMBOL;
    } else if (abi && *abi != rehearsal->abi.version) {
        answer->result = PROBE_OTHER_ABI;
        answer->abi = *abi;
    }
}

/* In the child: open, look, answer, leave without running anything else. */
static _Noreturn void probe_child(int fd, int answer_fd, const struct tg_rehearsal *rehearsal)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) signal(signals[i], SIG_DFL);
    struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    /* What a constructor prints would appear twice, and what the loader says of itself is no use to anybody. */
    int nowhere = open("/dev/null", O_RDWR);
    for (int i = 0; i < 3; i++) dup2(nowhere, i);

    struct probe_answer answer;
    memset(&answer, 0, sizeof answer);
    void *handle = open_file(fd);
    if (!handle) {
        answer.result = PROBE_NOT_LOADED;
        snprintf(answer.reason, sizeof answer.reason, "%s", dlerror());
    } else {
        const struct tg_module module = {.handle = handle, .fd = fd};
        probe_symbols(&module, rehearsal, &answer);
        if (rehearsal->use) rehearsal->use(&module, rehearsal->context);
        dlclose(handle); /* its destructors may crash, too */
    }
    ssize_t written = write(answer_fd, &answer, sizeof answer);
    _exit(written == (ssize_t)sizeof answer ? 0 : 1);
}

/* Wait for the child's answer. false: it ended or hung without one. */
static bool probe_listen(int answer_fd, struct probe_answer *answer, bool *hung)
{
    struct pollfd poll_fd = {.fd = answer_fd, .events = POLLIN};
    int ready;
    do ready = poll(&poll_fd, 1, PROBE_LIMIT_MS);
    while (ready < 0 && errno == EINTR);
    *hung = ready == 0;
    return ready > 0 && read(answer_fd, answer, sizeof *answer) == (ssize_t)sizeof *answer;
}

static enum tg_status probe_verdict(const struct probe_answer *answer, const struct tg_rehearsal *rehearsal,
                                    const char *what)
{
    if (answer->result == PROBE_NOT_LOADED) {
        /* The loader begins with the file's name, which says nothing to the user. */
        const char *reason = strchr(answer->reason, ':');
        return tg_error(TG_ERR_LOAD, "%s%s", what, reason ? reason : ": the loader gives no reason");
    }
    if (answer->result == PROBE_NO_SYMBOL)
        return tg_error(TG_ERR_SYMBOL, "%s: no function '%s'", what, rehearsal->symbol);
    if (answer->result == PROBE_OTHER_ABI)
        return tg_error(TG_ERR_ABI, "%s: built against version %u of %s, this library has %u", what, answer->abi,
                        rehearsal->abi.header, rehearsal->abi.version);
    return TG_OK;
}

/* The cheap look before a process is spent: is it an object of this computer at all? */
static enum tg_status check_header(const void *bytes, size_t n_bytes, const char *what)
{
    ElfW(Ehdr) header;
    if (n_bytes < sizeof header) return tg_error(TG_ERR_LOAD, "%s: %zu bytes are no shared object", what, n_bytes);
    memcpy(&header, bytes, sizeof header);
    if (memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_type != ET_DYN)
        return tg_error(TG_ERR_LOAD, "%s: these bytes are no shared object", what);
    return TG_OK;
}

enum tg_status tg_module_probe(const void *bytes, size_t n_bytes, const struct tg_rehearsal *rehearsal,
                               const char *what)
{
    TG_TRY(check_header(bytes, n_bytes, what));
    int fd = -1, pipe_fd[2];
    TG_TRY(file_of(bytes, n_bytes, what, &fd));
    if (pipe(pipe_fd) != 0) {
        close(fd);
        return tg_error(TG_ERR_MEMORY, "%s: no pipe: %s", what, strerror(errno));
    }
    pthread_mutex_lock(&loader_lock);
    pid_t child = fork();
    if (child == 0) probe_child(fd, pipe_fd[1], rehearsal);
    pthread_mutex_unlock(&loader_lock);
    close(pipe_fd[1]);
    close(fd);
    if (child < 0) {
        close(pipe_fd[0]);
        return tg_error(TG_ERR_MEMORY, "%s: no process to try it in: %s", what, strerror(errno));
    }
    struct probe_answer answer;
    bool hung = false;
    bool answered = probe_listen(pipe_fd[0], &answer, &hung);
    close(pipe_fd[0]);
    if (hung || answered) kill(child, SIGKILL); /* whatever it does after its answer, it need not */
    int state = 0;
    while (waitpid(child, &state, 0) < 0 && errno == EINTR) continue;
    if (answered) return probe_verdict(&answer, rehearsal, what);
    if (hung) return tg_error(TG_ERR_LOAD, "%s: opening or closing it does not end (%d ms)", what, PROBE_LIMIT_MS);
    if (WIFSIGNALED(state))
        return tg_error(TG_ERR_LOAD, "%s: opening or closing it crashes (%s)", what, strsignal(WTERMSIG(state)));
    return tg_error(TG_ERR_LOAD, "%s: opening or closing it ends the process (exit code %d)", what, WEXITSTATUS(state));
}

struct text_search {
    uintptr_t base;
    struct tg_text_range text;
};

static int find_text(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size;
    struct text_search *search = arg;
    if (info->dlpi_addr != search->base) return 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        if (segment->p_type != PT_LOAD || !(segment->p_flags & PF_X)) continue;
        search->text.low = (uintptr_t)(info->dlpi_addr + segment->p_vaddr);
        search->text.high = search->text.low + (uintptr_t)segment->p_memsz;
    }
    return 1;
}

enum tg_status tg_module_open(struct tg_module *module, const void *bytes, size_t n_bytes, const char *what)
{
    int fd = -1;
    TG_TRY(file_of(bytes, n_bytes, what, &fd));
    pthread_mutex_lock(&loader_lock);
    void *handle = open_file(fd);
    const char *reason = handle ? NULL : dlerror();
    pthread_mutex_unlock(&loader_lock);
    if (!handle) {
        close(fd);
        return tg_error(TG_ERR_LOAD, "%s: %s", what, reason ? reason : "the loader gives no reason");
    }
    struct text_search search = {0};
    struct link_map *map = NULL;
    if (dlinfo(handle, RTLD_DI_LINKMAP, &map) == 0) {
        search.base = map->l_addr;
        dl_iterate_phdr(find_text, &search);
    }
    module->handle = handle;
    module->fd = fd;
    module->base = search.base;
    module->text = search.text;
    return TG_OK;
}

void tg_module_close(struct tg_module *module)
{
    if (!module->handle) return;
    pthread_mutex_lock(&loader_lock);
    dlclose(module->handle);
    pthread_mutex_unlock(&loader_lock);
    close(module->fd);
    module->handle = NULL;
}

void *tg_module_symbol(const struct tg_module *module, const char *symbol) { return dlsym(module->handle, symbol); }
