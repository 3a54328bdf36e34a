#include "os/module.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "os/escapes.h"
#include "os/state.h"

enum { PROBE_LIMIT_MS = 5000, REASON_BYTES = 512 };

/* How long a child may take until it has begun, at first, and how often that is doubled. */
enum { BEGIN_LIMIT_MS = 250, BEGIN_TRIES = 6 };

/* How often it is looked whether a child that says nothing is still there. */
enum { LOOK_MS = 20 };

/* The loader's list of objects is copied into a child process as it is at that moment: nobody forks while somebody here
 * opens, closes or walks it. */
static pthread_mutex_t loader_lock = PTHREAD_MUTEX_INITIALIZER;

/* What the child answers: that it has begun; then how far it came, and the loader's words if not far enough. */
struct probe_answer {
    enum { PROBE_BEGUN, PROBE_OPENS, PROBE_NOT_LOADED, PROBE_NO_SYMBOL, PROBE_OTHER_ABI } result;
    uint32_t abi; /* PROBE_OTHER_ABI: the one that it has */
    char reason[REASON_BYTES];
};

/* The child process, as its parent knows it. */
struct probe {
    pid_t child;
    int answer_fd;
    int state; /* of its end, as waitpid tells it */
};

/* How listening to it ended. */
enum probe_end { PROBE_ANSWERED, PROBE_ENDED, PROBE_SILENT };

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
    TG_OWN_STATE; /* an object linked with -ffast-math turns subnormals off while it is opened */
    return dlopen(path, RTLD_NOW | RTLD_LOCAL);
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

static void probe_say(int answer_fd, const struct probe_answer *answer)
{
    ssize_t written = write(answer_fd, answer, sizeof *answer);
    if (written != (ssize_t)sizeof *answer) _exit(1);
}

static int first_object(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)info;
    (void)size;
    (void)arg;
    return 1;
}

/*
 * In the child: say that it can open something. A lock that another thread of the parent had at the fork is never released
 * in the copy, and not all of them are ours: whoever throws an exception or takes a profile has the loader's. They are
 * taken once where only we are to blame.
 */
static void probe_begin(int answer_fd, struct probe_answer *answer)
{
    void *volatile some = malloc(1);
    free(some);
    dl_iterate_phdr(first_object, NULL);
    answer->result = PROBE_BEGUN;
    probe_say(answer_fd, answer);
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
    probe_begin(answer_fd, &answer);
    answer.result = PROBE_OPENS;
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
    probe_say(answer_fd, &answer);
    _exit(0);
}

static long now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void probe_reap(struct probe *probe)
{
    while (waitpid(probe->child, &probe->state, 0) < 0 && errno == EINTR) continue;
}

/* Wait for the child's next answer, or its end. That end cannot be heard while another process has the pipe's other end
 * as well, which a fork on another thread gives it: so it is looked for now and then. */
static enum probe_end probe_listen(struct probe *probe, long limit_ms, struct probe_answer *answer)
{
    struct pollfd poll_fd = {.fd = probe->answer_fd, .events = POLLIN};
    for (const long end = now_ms() + limit_ms; now_ms() < end;) {
        const int ready = poll(&poll_fd, 1, LOOK_MS);
        if (ready > 0 && read(probe->answer_fd, answer, sizeof *answer) == (ssize_t)sizeof *answer)
            return PROBE_ANSWERED;
        if (ready > 0) {
            probe_reap(probe);
            return PROBE_ENDED;
        }
        if (ready == 0 && waitpid(probe->child, &probe->state, WNOHANG) == probe->child) return PROBE_ENDED;
    }
    return PROBE_SILENT;
}

/* Whatever it does, it need not. */
static void probe_stop(struct probe *probe)
{
    kill(probe->child, SIGKILL);
    probe_reap(probe);
}

static enum tg_status probe_fork(struct probe *probe, int fd, const struct tg_rehearsal *rehearsal, const char *what)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return tg_error(TG_ERR_MEMORY, "%s: no pipe: %s", what, strerror(errno));
    pthread_mutex_lock(&loader_lock);
    const pid_t child = fork();
    const int error = errno;
    if (child == 0) probe_child(fd, ends[1], rehearsal);
    pthread_mutex_unlock(&loader_lock);
    close(ends[1]);
    *probe = (struct probe){.child = child, .answer_fd = ends[0]};
    if (child > 0) return TG_OK;
    close(ends[0]);
    return tg_error(TG_ERR_MEMORY, "%s: no process to try it in: %s", what, strerror(error));
}

/* Start a child that has begun. One that does not is the copy of a moment at which another thread had a lock. */
static enum tg_status probe_start(struct probe *probe, int fd, const struct tg_rehearsal *rehearsal, const char *what)
{
    long limit_ms = BEGIN_LIMIT_MS;
    for (int i = 0; i < BEGIN_TRIES; i++, limit_ms *= 2) {
        struct probe_answer answer;
        TG_TRY(probe_fork(probe, fd, rehearsal, what));
        const enum probe_end end = probe_listen(probe, limit_ms, &answer);
        if (end == PROBE_ANSWERED) return TG_OK;
        if (end == PROBE_SILENT) probe_stop(probe);
        close(probe->answer_fd);
    }
    return tg_error(TG_ERR_LOAD, "%s: cannot be tried: no child process of this one begins", what);
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

/* The loader takes as much room as there is from the first segment to the end of the last, and trusts that each lies behind
 * the one before and is no larger in the file than in memory. What breaks that is mapped over what stands beside the
 * object; a trial harms other neighbours than the process has. */
static enum tg_status check_segments(const uint8_t *bytes, size_t n_bytes, const ElfW(Ehdr) * header, const char *what)
{
    ElfW(Phdr) segment;
    const size_t n = header->e_phnum;
    ElfW(Addr) end = 0; /* of the segments so far */
    if (header->e_phentsize != sizeof segment || header->e_phoff > n_bytes ||
        n > (n_bytes - header->e_phoff) / sizeof segment)
        return tg_error(TG_ERR_LOAD, "%s: its %zu program headers are not inside its %zu bytes", what, n, n_bytes);
    for (size_t i = 0; i < n; i++) {
        memcpy(&segment, bytes + header->e_phoff + i * sizeof segment, sizeof segment);
        if (segment.p_type != PT_LOAD) continue;
        if (segment.p_filesz > segment.p_memsz)
            return tg_error(TG_ERR_LOAD, "%s: segment %zu is larger in the file than in memory", what, i);
        if (segment.p_vaddr < end || segment.p_vaddr + segment.p_memsz < segment.p_vaddr)
            return tg_error(TG_ERR_LOAD, "%s: segment %zu does not lie behind those before it", what, i);
        end = segment.p_vaddr + segment.p_memsz;
    }
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
    return check_segments(bytes, n_bytes, &header, what);
}

enum tg_status tg_module_probe(const void *bytes, size_t n_bytes, const struct tg_rehearsal *rehearsal,
                               const char *what)
{
    TG_TRY(check_header(bytes, n_bytes, what));
    int fd = -1;
    struct probe probe;
    TG_TRY(file_of(bytes, n_bytes, what, &fd));
    enum tg_status status = probe_start(&probe, fd, rehearsal, what);
    close(fd);
    if (status != TG_OK) return status;
    struct probe_answer answer;
    const enum probe_end end = probe_listen(&probe, PROBE_LIMIT_MS, &answer);
    if (end != PROBE_ENDED) probe_stop(&probe);
    close(probe.answer_fd);
    if (end == PROBE_ANSWERED) return probe_verdict(&answer, rehearsal, what);
    if (end == PROBE_SILENT)
        return tg_error(TG_ERR_LOAD, "%s: opening or closing it does not end (%d ms)", what, PROBE_LIMIT_MS);
    if (WIFSIGNALED(probe.state))
        return tg_error(TG_ERR_LOAD, "%s: opening or closing it crashes (%s)", what, strsignal(WTERMSIG(probe.state)));
    return tg_error(TG_ERR_LOAD, "%s: opening or closing it ends the process (exit code %d)", what,
                    WEXITSTATUS(probe.state));
}

static struct tg_text_range range_of(const struct dl_phdr_info *info, const ElfW(Phdr) * segment)
{
    const uintptr_t low = (uintptr_t)(info->dlpi_addr + segment->p_vaddr);
    return (struct tg_text_range){low, low + (uintptr_t)segment->p_memsz};
}

/* The loader makes whole pages read only, from the first on. */
static uintptr_t end_of_read_only(const struct dl_phdr_info *info)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    for (int i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_GNU_RELRO) return range_of(info, &info->dlpi_phdr[i]).high / page * page;
    return 0;
}

static int find_ranges(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size;
    struct tg_module *module = arg;
    if (info->dlpi_addr != module->base) return 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        if (segment->p_type == PT_TLS) module->thread_bytes = (size_t)segment->p_memsz;
        if (segment->p_type != PT_LOAD) continue;
        const struct tg_text_range range = range_of(info, segment);
        if (module->image.high == 0) module->image.low = range.low;
        module->image.high = range.high;
        if (segment->p_flags & PF_X) module->text = range;
        if (segment->p_flags & PF_W) module->data = range;
    }
    const uintptr_t read_only = end_of_read_only(info);
    if (read_only > module->data.low) module->data.low = read_only;
    if (module->data.low >= module->data.high) module->data = (struct tg_text_range){0, 0};
    return 1;
}

/* Under the lock: where its segments are. */
static void locate(struct tg_module *module)
{
    struct link_map *map = NULL;
    if (dlinfo(module->handle, RTLD_DI_LINKMAP, &map) != 0) return;
    module->base = map->l_addr;
    dl_iterate_phdr(find_ranges, module);
}

enum tg_status tg_module_open(struct tg_module *module, const void *bytes, size_t n_bytes, const char *what)
{
    struct tg_module opened = {.fd = -1};
    TG_TRY(file_of(bytes, n_bytes, what, &opened.fd));
    pthread_mutex_lock(&loader_lock);
    opened.handle = open_file(opened.fd);
    const char *reason = opened.handle ? NULL : dlerror();
    if (opened.handle) {
        locate(&opened);
        tg_escapes_bind(&opened);
    }
    pthread_mutex_unlock(&loader_lock);
    if (!opened.handle) {
        close(opened.fd);
        return tg_error(TG_ERR_LOAD, "%s: %s", what, reason ? reason : "the loader gives no reason");
    }
    *module = opened;
    return TG_OK;
}

void tg_module_close(struct tg_module *module)
{
    if (!module->handle) return;
    TG_OWN_STATE; /* its destructors are foreign code */
    pthread_mutex_lock(&loader_lock);
    dlclose(module->handle);
    pthread_mutex_unlock(&loader_lock);
    close(module->fd);
    module->handle = NULL;
}

void *tg_module_symbol(const struct tg_module *module, const char *symbol) { return dlsym(module->handle, symbol); }

void tg_module_hold_loader(void) { pthread_mutex_lock(&loader_lock); }

void tg_module_release_loader(void) { pthread_mutex_unlock(&loader_lock); }
