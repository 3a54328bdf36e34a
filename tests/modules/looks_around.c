/* looks_around.c - a kernel whose constructor ends the process with 41 if the process has other descriptors than the
 * standard streams, the object and the answer. It ends the process with 42 if a signal is blocked. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <unistd.h>

#define ENTRY __attribute__((visibility("default")))

ENTRY void kernel_entry(int64_t *args);

static __attribute__((constructor)) void look_around(void)
{
    int n = 0;
    sigset_t blocked;
    for (int fd = 0; fd < 1000; fd++) n += fcntl(fd, F_GETFD) >= 0;
    sigprocmask(SIG_BLOCK, NULL, &blocked);
    if (n > 6) _exit(41); /* the loader has the object open, too */
    if (sigismember(&blocked, SIGUSR1)) _exit(42);
}

void kernel_entry(int64_t *args) { (void)args; }
