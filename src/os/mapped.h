/*
 * mapped.h - the pages that foreign code has mapped itself.
 *
 * Foreign code may protect, remove or replace these pages only. All others are somebody else's: code of objects,
 * device memory, stacks, the heap. A change of them would crash the host, or later runs.
 *
 * Threads: any, also inside guarded calls: none of these functions is ended early.
 */
#ifndef TG_OS_MAPPED_H
#define TG_OS_MAPPED_H

#include <stdbool.h>
#include <stddef.h>

/* mmap, munmap and mremap for foreign code. They keep the record. */
void *tg_mapped_map(void *address, size_t bytes, int protection, int flags, int fd, long offset);
int tg_mapped_unmap(void *address, size_t bytes);
void *tg_mapped_move(void *address, size_t before, size_t after, int flags, void *to);

/* Has foreign code mapped all pages of this range? */
bool tg_mapped_has(const void *address, size_t bytes);

#endif
