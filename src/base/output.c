#include "base/output.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/error.h"

void *tg_plain_numbers_begin(void)
{
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    return plain ? uselocale(plain) : NULL;
}

void tg_plain_numbers_end(void *previous)
{
    if (!previous) return; /* there was no memory for another locale */
    locale_t plain = uselocale(previous);
    freelocale(plain);
}

/* ---- names ----------------------------------------------------------------------------------------------------- */

/* Bytes of the part of a path that ends with its last slash. */
static size_t folder_bytes(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? (size_t)(slash - path) + 1 : 0;
}

/* `name` in the folder of `path`; an absolute name as it is. The caller's. */
static char *beside(const char *path, const char *name)
{
    const size_t n_folder = name[0] == '/' ? 0 : folder_bytes(path), n_name = strlen(name) + 1;
    char *joined = malloc(n_folder + n_name);
    if (!joined) return NULL;
    memcpy(joined, path, n_folder);
    memcpy(joined + n_folder, name, n_name);
    return joined;
}

/* The descriptor of this process that `path` names: "/proc/self/fd/1", "/dev/fd/1". -1: it names no descriptor. */
static int own_descriptor(const char *path)
{
    static const char *const folders[] = {"/proc/self/fd/", "/dev/fd/"};
    for (int i = 0; i < 2; i++) {
        const size_t n = strlen(folders[i]), n_digits = strspn(path + (strlen(path) < n ? 0 : n), "0123456789");
        if (strncmp(path, folders[i], n) == 0 && n_digits > 0 && n_digits < 10 && path[n + n_digits] == '\0')
            return atoi(path + n);
    }
    return -1;
}

/* The target of the symbolic links at `path`, or the name of a descriptor of this process on the way; it need not
 * exist. Owned by the caller. A link is written through: replacing it would disconnect its target. NULL with errno. */
static char *follow_links(const char *path)
{
    enum { MOST_LINKS = 40 }; /* as the system's own limit */
    char *at = strdup(path);
    for (int i = 0; at && i < MOST_LINKS; i++) {
        if (own_descriptor(at) >= 0) return at;
        char target[4096];
        const ssize_t n = readlink(at, target, sizeof target - 1);
        if (n < 0) return at; /* no link, or nothing is there */
        target[n] = '\0';
        char *next = beside(at, target);
        free(at);
        at = next;
    }
    free(at);
    errno = at ? ELOOP : ENOMEM;
    return NULL;
}

/* A unique name in the folder of `path`, short whatever the length of `path`. A counter makes it unique in the process,
 * and the process number between processes. An existing file of that name is left from a killed process. */
static char *temporary_name(const char *path)
{
    static atomic_uint counter;
    char name[64];
    snprintf(name, sizeof name, ".tilegraph-%ld-%u.partial", (long)getpid(),
             atomic_fetch_add_explicit(&counter, 1, memory_order_relaxed)); /* only the number matters */
    return beside(path, name);
}

/* ---- writing --------------------------------------------------------------------------------------------------- */

/* Write to an open file and close it; false with errno. */
static bool write_whole(int fd, tg_output_fn *write, const void *context)
{
    FILE *file = fdopen(fd, "w");
    if (!file) {
        close(fd);
        return false;
    }
    void *locale = tg_plain_numbers_begin();
    write(context, file);
    tg_plain_numbers_end(locale);
    const bool failed = ferror(file) || fflush(file) != 0;
    const int why = errno;
    const bool closed = fclose(file) == 0;
    if (failed) errno = why;
    return !failed && closed;
}

/* Anything other than a regular file: a terminal, a pipe, /dev/null. A pipe without a reader is an error, not a wait.
 */
static bool write_through(const char *path, tg_output_fn *write, const void *context)
{
    const int fd = tg_descriptor_high(open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC));
    if (fd < 0) return false;
    const int flags = fcntl(fd, F_GETFL);
    if (flags >= 0) (void)fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
    return write_whole(fd, write, context);
}

/* Through a descriptor of this process, behind what it has written so far. A new file in place of the open one would
 * lose that. */
static bool write_own(int descriptor, tg_output_fn *write, const void *context)
{
    if (descriptor == STDOUT_FILENO) fflush(stdout);
    const int fd = tg_descriptor_high(dup(descriptor));
    return fd >= 0 && write_whole(fd, write, context);
}

/* A file without a name in the folder of `path`; -1: the file system does not support it. It disappears with its
 * descriptor, so a killed process leaves nothing behind. */
static int open_unnamed(const char *path)
{
#ifdef O_TMPFILE
    char *folder = beside(path, ".");
    const int fd = folder ? tg_descriptor_high(open(folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666)) : -1;
    free(folder);
    return fd;
#else
    (void)path;
    return -1;
#endif
}

/* Give the open nameless file the name `to`; false with errno: EEXIST, the name exists. */
static bool give_name(int fd, const char *to)
{
    char self[64];
    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    return linkat(AT_FDCWD, self, AT_FDCWD, to, AT_SYMLINK_FOLLOW) == 0;
}

/*
 * Write a complete file and only then give it the name `path`. An existing file keeps its permissions. A rename from
 * `temporary` replaces it, because no call replaces it directly by a nameless file.
 */
static bool replace(const char *path, const struct stat *there, const char *temporary, tg_output_fn *write,
                    const void *context)
{
    bool named = false, done = false;
    int fd = open_unnamed(path);
    if (fd < 0) {
        fd = tg_descriptor_high(open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
        named = fd >= 0;
    }
    if (fd < 0) return false;
    const int kept = tg_descriptor_high(
        dup(fd)); /* to name the file after writing; only closing the stream shows that all is written */
    if (kept < 0) close(fd);
    else if (there && fchmod(fd, there->st_mode & 07777) != 0) close(fd);
    else done = write_whole(fd, write, context);
    if (done && !named) {
        done = give_name(kept, path);
        if (!done && errno == EEXIST) done = named = give_name(kept, temporary);
    }
    if (done && named) done = rename(temporary, path) == 0;
    const int why = errno;
    if (named && !done) unlink(temporary);
    if (kept >= 0) close(kept);
    errno = why;
    return done;
}

/* there: what `path` is now; NULL: nothing. */
static bool write_file(const char *path, const struct stat *there, tg_output_fn *write, const void *context)
{
    if (there && access(path, W_OK) != 0) return false; /* a protected file stays as it is */
    char *temporary = temporary_name(path);
    if (!temporary) return false;
    const bool done = replace(path, there, temporary, write, context);
    const int why = errno;
    free(temporary);
    errno = why;
    return done;
}

enum tg_status tg_output(const char *path, tg_output_fn *write, const void *context)
{
    errno = 0;
    struct stat info;
    /* Of the path itself: a link of /proc to another process's pipe has no name that could be followed. */
    const struct stat *there = stat(path, &info) == 0 ? &info : NULL;
    char *place = follow_links(path);
    const int own = place ? own_descriptor(place) : -1;
    const bool is_special = there && !S_ISREG(there->st_mode);
    const bool done = own >= 0     ? write_own(own, write, context)
                      : is_special ? write_through(path, write, context)
                                   : place && write_file(place, there, write, context);
    const int why = errno;
    free(place);
    if (done) return TG_OK;
    return tg_error(why == ENOMEM ? TG_ERR_MEMORY : TG_ERR_FILE, "cannot write %s: %s", path, strerror(why));
}

size_t tg_output_utf8_bytes(const char *character)
{
    const unsigned char *text = (const unsigned char *)character;
    unsigned char first = text[0];
    size_t n = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
    for (size_t i = 1; i < n; i++)
        if ((text[i] & 0xc0) != 0x80) return 0;
    if (first == 0xe0 && text[1] < 0xa0) return 0;
    if (first == 0xed && text[1] > 0x9f) return 0;
    if (first == 0xf0 && text[1] < 0x90) return 0;
    if (first == 0xf4 && text[1] > 0x8f) return 0;
    return n;
}

void tg_output_json_string(FILE *file, const char *text)
{
    fputc('"', file);
    while (*text) {
        size_t n = tg_output_utf8_bytes(text);
        unsigned char c = (unsigned char)*text;
        if (n == 0) fputs("\\ufffd", file);
        else if (c == '"' || c == '\\') fprintf(file, "\\%c", c);
        else if (c < 0x20 || c == 0x7f || c == '<') fprintf(file, "\\u%04x", c);
        else fwrite(text, 1, n, file);
        text += n > 0 ? n : 1;
    }
    fputc('"', file);
}
