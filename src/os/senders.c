#include "os/senders.h"

#include <aio.h>
#include <asm/ioctls.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <mqueue.h>
#include <netdb.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/gmon.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "os/escapes.h"
#include "os/refused.h"

/* Number 0 is no signal; a structure of zeros asks for it. */
static bool sends(const struct sigevent *event)
{
    return event->sigev_notify != SIGEV_NONE && !(event->sigev_notify == SIGEV_SIGNAL && event->sigev_signo == 0);
}

/* ---- timers ---- */

static unsigned refused_alarm(unsigned seconds) { return tg_refused() ? 0 : alarm(seconds); }

static useconds_t refused_ualarm(useconds_t first, useconds_t interval)
{
    return tg_refused() ? 0 : ualarm(first, interval);
}

static int refused_setitimer(__itimer_which_t which, const struct itimerval *value, struct itimerval *before)
{
    return tg_refused() ? -1 : setitimer(which, value, before);
}

static int refused_timer_create(clockid_t clock, struct sigevent *event, timer_t *timer)
{
    return (!event || event->sigev_notify != SIGEV_NONE) && tg_refused() ? -1 : timer_create(clock, event, timer);
}

/* A profile is a timer, and a handler that writes into memory of its caller. */
static int refused_profil(unsigned short *counts, size_t bytes, size_t offset, unsigned scale)
{
    return tg_refused() ? -1 : profil(counts, bytes, offset, scale);
}

static void refused_monstartup(unsigned long low, unsigned long high)
{
    if (!tg_refused()) monstartup(low, high);
}

void moncontrol(int mode); /* glibc has it, and no header declares it */

static void refused_moncontrol(int mode)
{
    if (!tg_refused()) moncontrol(mode);
}

/* ---- descriptors that are ready ---- */

bool tg_senders_have_fcntl(int command, long argument)
{
    switch (command) {
    case F_SETFL: return argument & O_ASYNC;
    case F_SETOWN:
    case F_SETOWN_EX:
    case F_SETSIG:
    case F_SETLEASE:
    case F_NOTIFY: return true;
    default: return false;
    }
}

bool tg_senders_have_ioctl(unsigned long request)
{
    return request == FIOASYNC || request == FIOSETOWN || request == SIOCSPGRP;
}

static int refused_fcntl(int fd, int command, ...)
{
    va_list list;
    va_start(list, command);
    const long argument = va_arg(list, long);
    va_end(list);
    return tg_senders_have_fcntl(command, argument) && tg_refused() ? -1 : fcntl(fd, command, argument);
}

static int refused_ioctl(int fd, unsigned long request, ...)
{
    va_list list;
    va_start(list, request);
    void *argument = va_arg(list, void *);
    va_end(list);
    return tg_senders_have_ioctl(request) && tg_refused() ? -1 : ioctl(fd, request, argument);
}

/* ---- work that is done ---- */

static int refused_aio_read(struct aiocb *work)
{
    return sends(&work->aio_sigevent) && tg_refused() ? -1 : aio_read(work);
}

static int refused_aio_write(struct aiocb *work)
{
    return sends(&work->aio_sigevent) && tg_refused() ? -1 : aio_write(work);
}

static int refused_aio_fsync(int operation, struct aiocb *work)
{
    return sends(&work->aio_sigevent) && tg_refused() ? -1 : aio_fsync(operation, work);
}

static int refused_lio_listio(int mode, struct aiocb *const list[], int n, struct sigevent *event)
{
    bool any = event && sends(event);
    for (int i = 0; i < n; i++) any = any || (list[i] && sends(&list[i]->aio_sigevent));
    return any && tg_refused() ? -1 : lio_listio(mode, list, n, event);
}

static int refused_mq_notify(mqd_t queue, const struct sigevent *event)
{
    return event && event->sigev_notify != SIGEV_NONE && tg_refused() ? -1 : mq_notify(queue, event);
}

static int refused_getaddrinfo_a(int mode, struct gaicb *list[], int n, struct sigevent *event)
{
    return event && sends(event) && tg_refused() ? EAI_SYSTEM : getaddrinfo_a(mode, list, n, event);
}

static const struct tg_escape calls[] = {
    TG_ESCAPE("alarm", refused_alarm),
    TG_ESCAPE("ualarm", refused_ualarm),
    TG_ESCAPE("setitimer", refused_setitimer),
    TG_ESCAPE("timer_create", refused_timer_create),
    TG_ESCAPE("profil", refused_profil),
    TG_ESCAPE("monstartup", refused_monstartup),
    TG_ESCAPE("__monstartup", refused_monstartup),
    TG_ESCAPE("moncontrol", refused_moncontrol),
    TG_ESCAPE("fcntl", refused_fcntl),
    TG_ESCAPE("fcntl64", refused_fcntl),
    TG_ESCAPE("ioctl", refused_ioctl),
    TG_ESCAPE("aio_read", refused_aio_read),
    TG_ESCAPE("aio_read64", refused_aio_read),
    TG_ESCAPE("aio_write", refused_aio_write),
    TG_ESCAPE("aio_write64", refused_aio_write),
    TG_ESCAPE("aio_fsync", refused_aio_fsync),
    TG_ESCAPE("aio_fsync64", refused_aio_fsync),
    TG_ESCAPE("lio_listio", refused_lio_listio),
    TG_ESCAPE("lio_listio64", refused_lio_listio),
    TG_ESCAPE("mq_notify", refused_mq_notify),
    TG_ESCAPE("getaddrinfo_a", refused_getaddrinfo_a),
};

void *tg_senders_find(const char *name) { return tg_escape_find(calls, sizeof calls / sizeof calls[0], name); }
