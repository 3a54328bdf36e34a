/*
 * descriptor.h - the library's own file descriptors.
 *
 * A host may have closed descriptors 0 to 2; daemons do. If a file of ours got such a number, printed text would go
 * into it. So every descriptor of the library is 3 or higher.
 *
 * Foreign code in the process may close any number, and the host may get the same number for a file of its own. So a
 * stored descriptor knows its file. It is neither used nor closed when the number stands for another file.
 *
 * Threads: any; one at a time for one descriptor.
 */
#ifndef TG_BASE_DESCRIPTOR_H
#define TG_BASE_DESCRIPTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tilegraph/tilegraph.h>

struct tg_descriptor {
    int fd;                 /* -1: closed */
    uint64_t device, inode; /* the file that it stands for */
};

/* Move a fresh descriptor to a number from 3 on and let exec close it. Takes `fd`; -1 is passed on. -1: errno has the
 * reason. */
int tg_descriptor_high(int fd);

/* Make an empty file that lives in memory; /proc/PID/maps shows `name`. false: errno has the reason. */
bool tg_descriptor_memory(struct tg_descriptor *file, const char *name);

/* The same, for an executable program. */
bool tg_descriptor_program(struct tg_descriptor *file, const char *name);

/* Append to a file in memory. false: errno has the reason; EFBIG: RLIMIT_FSIZE allows no file of this size. */
bool tg_descriptor_append(const struct tg_descriptor *file, const void *bytes, size_t n_bytes);

/* The same with n_bytes times `byte`. */
bool tg_descriptor_fill(const struct tg_descriptor *file, int byte, size_t n_bytes);

/* The content of a file in memory is final: no process can change it. */
bool tg_descriptor_seal(const struct tg_descriptor *file);

/* Does the number still stand for the file? */
bool tg_descriptor_is_ours(const struct tg_descriptor *file);

/* Close it if it is still ours. A closed one is left alone. */
void tg_descriptor_close(struct tg_descriptor *file);

/* TG_ERR_MEMORY with the message "WHAT: DOING: the reason in errno". When no descriptor is left, or the file would
 * be larger than allowed, the reason names the limit and how it is raised. */
enum tg_status tg_descriptor_error(const char *what, const char *doing);

#endif
