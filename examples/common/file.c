#define _POSIX_C_SOURCE 200809L

#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* read() until `n_bytes` are there or the file ends; returns how many came, or -1 with errno. */
static int64_t read_fully(int fd, unsigned char *bytes, size_t n_bytes)
{
    size_t n_read = 0;
    while (n_read < n_bytes) {
        ssize_t n = read(fd, bytes + n_read, n_bytes - n_read);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return -1;
        if (n == 0) break;
        n_read += (size_t)n;
    }
    return (int64_t)n_read;
}

/* Open a regular file and tell its size. */
static enum tg_status open_regular(const char *path, int *fd, uint64_t *size, struct failure *failure)
{
    struct stat info;
    /* O_NONBLOCK: opening a pipe that nobody writes to must not hang before it is refused. */
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (*fd < 0) return failure_set(failure, TG_ERR_FILE, "%s: %s", path, strerror(errno));
    enum tg_status status = TG_OK;
    if (fstat(*fd, &info) != 0) status = failure_set(failure, TG_ERR_FILE, "%s: %s", path, strerror(errno));
    else if (!S_ISREG(info.st_mode)) status = failure_set(failure, TG_ERR_FILE, "%s: is not a regular file", path);
    else *size = (uint64_t)info.st_size;
    if (status != TG_OK) close(*fd);
    return status;
}

/* Read n_bytes, all of which the file had when it was opened. */
static enum tg_status read_all_of(int fd, const char *path, void *bytes, size_t n_bytes, struct failure *failure)
{
    const int64_t n_read = read_fully(fd, bytes, n_bytes);
    if (n_read >= 0 && (uint64_t)n_read == n_bytes) return TG_OK;
    const char *why = n_read < 0 ? strerror(errno) : "it became shorter while it was read";
    return failure_set(failure, TG_ERR_FILE, "%s: %s", path, why);
}

enum tg_status file_read(const char *path, void **bytes, size_t *n_bytes, struct failure *failure)
{
    int fd;
    uint64_t size;
    enum tg_status status = open_regular(path, &fd, &size, failure);
    if (status != TG_OK) return status;
    void *memory = size < SIZE_MAX ? malloc((size_t)size + 1) : NULL;
    if (memory) status = read_all_of(fd, path, memory, (size_t)size, failure);
    else
        status = failure_set(failure, TG_ERR_MEMORY, "%s: no memory for its %llu bytes", path,
                             (unsigned long long)size);
    close(fd);
    if (status != TG_OK) {
        free(memory);
        return status;
    }
    *bytes = memory;
    *n_bytes = (size_t)size;
    return TG_OK;
}

enum tg_status file_read_start(const char *path, void *bytes, size_t capacity, size_t *n_bytes, uint64_t *file_bytes,
                               struct failure *failure)
{
    int fd;
    enum tg_status status = open_regular(path, &fd, file_bytes, failure);
    if (status != TG_OK) return status;
    *n_bytes = *file_bytes < capacity ? (size_t)*file_bytes : capacity;
    status = read_all_of(fd, path, bytes, *n_bytes, failure);
    close(fd);
    return status;
}

enum tg_status file_read_in(const char *folder, const char *name, void **bytes, size_t *n_bytes,
                            struct failure *failure)
{
    char *path = file_join(folder, name);
    if (!path) return failure_set(failure, TG_ERR_MEMORY, "no memory for the name of a file");
    enum tg_status status = file_read(path, bytes, n_bytes, failure);
    free(path);
    return status;
}

bool file_exists(const char *path)
{
    struct stat info;
    return lstat(path, &info) == 0;
}

/* The folder that `path` is in; the caller's. */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash) return strdup(".");
    return strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

enum tg_status file_check_writable(const char *path, struct failure *failure)
{
    struct stat info;
    bool is_there = stat(path, &info) == 0;
    if (is_there && S_ISDIR(info.st_mode)) {
        return failure_set(failure, TG_ERR_FILE, "%s: is a folder, the name of a file is needed", path);
    }
    bool possible = is_there || errno == ENOENT;
    if (is_there && !S_ISREG(info.st_mode)) {
        possible = access(path, W_OK) == 0;
    } else if (possible) { /* a file is replaced by a complete one: its folder has to let us */
        char *folder = folder_of(path);
        if (!folder) return failure_set(failure, TG_ERR_MEMORY, "no memory for the name of a file");
        possible = access(folder, W_OK | X_OK) == 0;
        free(folder);
    }
    if (possible) return TG_OK;
    return failure_set(failure, TG_ERR_FILE, "%s: cannot be written: %s", path, strerror(errno));
}

char *file_join(const char *folder, const char *name)
{
    size_t n = strlen(folder) + strlen(name) + 2;
    char *path = malloc(n);
    if (path) (void)snprintf(path, n, "%s/%s", folder, name);
    return path;
}

/* The target of /proc/self/exe; the caller frees it. NULL: the link does not exist. */
static char *executable_path(void)
{
    for (size_t size = 256; size <= 65536; size *= 2) {
        char *path = malloc(size);
        if (!path) return NULL;
        ssize_t n = readlink("/proc/self/exe", path, size);
        if (n > 0 && (size_t)n < size) {
            path[n] = '\0';
            return path;
        }
        free(path);
        if (n < 0) return NULL;
    }
    return NULL;
}

char *file_executable_folder(const char *argv0)
{
    char *path = executable_path();
    if (!path) path = strdup(argv0 && strchr(argv0, '/') ? argv0 : "./");
    if (!path) return NULL;
    char *slash = strrchr(path, '/');
    if (slash) slash[slash == path ? 1 : 0] = '\0'; /* the root keeps its slash */
    return path;
}

enum tg_status file_pass_open(struct file_passed *passed, struct failure *failure)
{
    const char *folder = getenv("TMPDIR");
    const int n = snprintf(passed->path, sizeof passed->path, "%s/tilegraph-XXXXXX",
                           folder && *folder ? folder : "/tmp");
    const int fd = n < (int)sizeof passed->path ? mkstemp(passed->path) : -1;
    if (fd >= 0) {
        close(fd);
        return TG_OK;
    }
    passed->path[0] = '\0';
    return failure_set(failure, TG_ERR_FILE, "no temporary file in %s: set TMPDIR to a folder that can be written",
                       folder && *folder ? folder : "/tmp");
}

enum tg_status file_pass_close(struct file_passed *passed, enum tg_status status, FILE *stream, struct failure *failure)
{
    if (passed->path[0] == '\0') return status;
    void *bytes = NULL;
    size_t n_bytes = 0;
    if (status == TG_OK) status = file_read(passed->path, &bytes, &n_bytes, failure);
    if (status == TG_OK && fwrite(bytes, 1, n_bytes, stream) != n_bytes)
        status = failure_set(failure, TG_ERR_FILE, "standard output cannot be written: %s", strerror(errno));
    free(bytes);
    unlink(passed->path);
    return status;
}

static char *program_below(const char *here, const char *root, const char *example, bool checked)
{
    char place[512];
    (void)snprintf(place, sizeof place, "%s/aicpu_build_graph/%s%s", root, example, checked ? "/checked" : "");
    return file_join(here, place);
}

char *file_program_folder(const char *argv0, const char *example, bool checked)
{
    char *here = file_executable_folder(argv0);
    char *folder = here ? program_below(here, "../examples", example, checked) : NULL; /* of the build folder */
    if (folder && !file_exists(folder)) {
        free(folder);
        folder = program_below(here, EXAMPLES_INSTALLED, example, checked);
    }
    free(here);
    return folder;
}
