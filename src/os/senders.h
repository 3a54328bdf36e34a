/*
 * senders.h - calls after which the system sends signals to the process: timers, descriptors that are ready, work that
 * is done. Most of these signals end the process.
 *
 * They are refused as refused.h says. What sends no signal works.
 *
 * Threads: any.
 */
#ifndef TG_OS_SENDERS_H
#define TG_OS_SENDERS_H

#include <stdbool.h>

/* The replacement of the C library's function `name`; NULL: it sends no signals. */
void *tg_senders_find(const char *name);

/* The system calls fcntl and ioctl. */
bool tg_senders_have_fcntl(int command, long argument);
bool tg_senders_have_ioctl(unsigned long request);

#endif
