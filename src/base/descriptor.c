#include "base/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/error.h"

enum { FIRST_OWN = 3 };

int tg_descriptor_high(int fd)
{
    if (fd < 0 || fd >= FIRST_OWN) return fd;
    const int high = fcntl(fd, F_DUPFD_CLOEXEC, FIRST_OWN);
    const int why = errno;
    close(fd);
    errno = why;
    return high;
}

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

/* Strict systems require a flag that says whether a file in memory is a program. Older systems do not know the flags.
 */
#ifndef MFD_EXEC
#define MFD_NOEXEC_SEAL 0x8u
#define MFD_EXEC 0x10u
#endif

static bool make_memory(struct tg_descriptor *file, const char *name, unsigned kind)
{
    struct stat info;
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | kind);
    if (fd < 0 && errno == EINVAL) fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    fd = tg_descriptor_high(fd);
    /* Until it got its number from 3 on, another thread may have printed into it. */
    if (fd >= 0 && ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0 && fstat(fd, &info) == 0) {
        *file = (struct tg_descriptor){.fd = fd, .device = info.st_dev, .inode = info.st_ino};
        return true;
    }
    const int why = errno;
    if (fd >= 0) close(fd);
    errno = why;
    *file = (struct tg_descriptor){.fd = -1};
    return false;
}

bool tg_descriptor_memory(struct tg_descriptor *file, const char *name)
{
    return make_memory(file, name, MFD_NOEXEC_SEAL);
}

bool tg_descriptor_program(struct tg_descriptor *file, const char *name) { return make_memory(file, name, MFD_EXEC); }

/* May the file grow by that many bytes? Beyond the limit, the system would send the process SIGXFSZ, which ends it. */
static bool may_grow(int fd, size_t n_bytes)
{
    struct rlimit limit;
    const off_t at = lseek(fd, 0, SEEK_CUR);
    if (at < 0 || getrlimit(RLIMIT_FSIZE, &limit) != 0) return false;
    if (limit.rlim_cur == RLIM_INFINITY || n_bytes + (rlim_t)at <= limit.rlim_cur) return true;
    errno = EFBIG;
    return false;
}

bool tg_descriptor_fill(const struct tg_descriptor *file, int byte, size_t n_bytes)
{
    uint8_t piece[8 << 10]; /* small: the caller's stack may be */
    struct iovec pieces[64];
    memset(piece, byte, sizeof piece);
    if (!may_grow(file->fd, n_bytes)) return false;
    for (size_t left = n_bytes; left > 0;) {
        int n = 0;
        for (size_t room = left; room > 0 && n < (int)(sizeof pieces / sizeof pieces[0]); room -= pieces[n++].iov_len)
            pieces[n] = (struct iovec){piece, room < sizeof piece ? room : sizeof piece};
        const ssize_t written = writev(file->fd, pieces, n);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return false;
        left -= (size_t)written;
    }
    return true;
}

bool tg_descriptor_append(const struct tg_descriptor *file, const void *bytes, size_t n_bytes)
{
    const char *at = bytes;
    if (!may_grow(file->fd, n_bytes)) return false;
    for (size_t left = n_bytes; left > 0;) {
        const ssize_t written = write(file->fd, at, left);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return false;
        at += written;
        left -= (size_t)written;
    }
    return true;
}

/* F_SEAL_WRITE fails with EBUSY where another processor still has a reference to a page that was just written, as on a
 * busy computer. The other seal (Linux 5.1) only forbids future writes, and there are no writable mappings yet. */
bool tg_descriptor_seal(const struct tg_descriptor *file)
{
    const int size = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW;
    if (fcntl(file->fd, F_ADD_SEALS, size | F_SEAL_FUTURE_WRITE) == 0) return true;
    return errno == EINVAL && fcntl(file->fd, F_ADD_SEALS, size | F_SEAL_WRITE) == 0;
}

bool tg_descriptor_is_ours(const struct tg_descriptor *file)
{
    struct stat info;
    return file->fd >= 0 && fstat(file->fd, &info) == 0 && info.st_dev == file->device && info.st_ino == file->inode;
}

void tg_descriptor_close(struct tg_descriptor *file)
{
    if (tg_descriptor_is_ours(file)) close(file->fd);
    file->fd = -1;
}

enum tg_status tg_descriptor_error(const char *what, const char *doing)
{
    const int why = errno;
    struct rlimit limit = {0};
    if (why == EFBIG) {
        getrlimit(RLIMIT_FSIZE, &limit);
        return tg_error(TG_ERR_MEMORY, "%s: %s: files may have %llu bytes at most: raise the limit (ulimit -f)", what,
                        doing, (unsigned long long)limit.rlim_cur);
    }
    if (why != EMFILE) return tg_error(TG_ERR_MEMORY, "%s: %s: %s", what, doing, strerror(why));
    getrlimit(RLIMIT_NOFILE, &limit);
    return tg_error(TG_ERR_MEMORY, "%s: %s: no more file descriptors: %llu are allowed, raise the limit (ulimit -n)",
                    what, doing, (unsigned long long)limit.rlim_cur);
}
