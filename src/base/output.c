#include "base/output.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/error.h"

/* Write to an open file and close it. */
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

static bool write_whole(FILE *file, tg_output_fn *write, const void *context)
{
    if (!file) return false;
    void *locale = tg_plain_numbers_begin();
    write(context, file);
    tg_plain_numbers_end(locale);
    bool written = !ferror(file);
    return fclose(file) == 0 && written;
}

/* Under a name of its own first. A process that is killed meanwhile leaves it behind. */
static bool write_named(const char *path, const char *partial, tg_output_fn *write, const void *context)
{
    if (write_whole(tg_descriptor_stream(partial, "w"), write, context) && rename(partial, path) == 0) return true;
    int why = errno;
    unlink(partial);
    errno = why;
    return false;
}

#if defined(__linux__) && defined(O_TMPFILE)
/* A file without a name in the folder of `path`; -1: the file system has none such. It is gone with its descriptor, so
 * nothing is left of a process that is killed while it writes. */
static int open_unnamed(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
    int fd = folder ? tg_descriptor_high(open(folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666)) : -1;
    free(folder);
    return fd;
}

/* Nothing replaces a file by one without a name at once, so one that is there takes two steps. */
static bool give_name(int fd, const char *path, const char *partial)
{
    char self[64];
    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    if (linkat(AT_FDCWD, self, AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0) return true;
    if (errno != EEXIST) return false;
    unlink(partial);
    if (linkat(AT_FDCWD, self, AT_FDCWD, partial, AT_SYMLINK_FOLLOW) != 0) return false;
    if (rename(partial, path) == 0) return true;
    int why = errno;
    unlink(partial);
    errno = why;
    return false;
}

static bool write_unnamed(int fd, const char *path, const char *partial, tg_output_fn *write, const void *context)
{
    int kept = tg_descriptor_high(
        dup(fd)); /* to give it a name when all is written, which only closing the stream tells */
    FILE *file = fdopen(fd, "w");
    if (!file) close(fd);
    bool done = write_whole(file, write, context) && kept >= 0 && give_name(kept, path, partial);
    int why = errno;
    if (kept >= 0) close(kept);
    errno = why;
    return done;
}
#else
static int open_unnamed(const char *path)
{
    (void)path;
    return -1;
}
static bool write_unnamed(int fd, const char *path, const char *partial, tg_output_fn *write, const void *context)
{
    (void)fd;
    return write_named(path, partial, write, context);
}
#endif

static bool write_file(const char *path, const char *partial, tg_output_fn *write, const void *context)
{
    struct stat info;
    /* A terminal, a pipe or /dev/null is written to, not replaced. */
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode))
        return write_whole(tg_descriptor_stream(path, "w"), write, context);
    int fd = open_unnamed(path);
    return fd >= 0 ? write_unnamed(fd, path, partial, write, context) : write_named(path, partial, write, context);
}

enum tg_status tg_output(const char *path, tg_output_fn *write, const void *context)
{
    size_t n = strlen(path) + sizeof ".partial";
    char *partial = malloc(n);
    if (!partial) return tg_error(TG_ERR_MEMORY, "no memory for the name of %s", path);
    snprintf(partial, n, "%s.partial", path);
    errno = 0;
    enum tg_status status = TG_OK;
    if (!write_file(path, partial, write, context))
        status = tg_error(TG_ERR_FILE, "cannot write %s: %s", path, strerror(errno));
    free(partial);
    return status;
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
