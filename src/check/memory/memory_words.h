/* memory_words.h - findings about the access that memory_check.c is examining. */
#ifndef TG_CHECK_MEMORY_MEMORY_WORDS_H
#define TG_CHECK_MEMORY_MEMORY_WORDS_H

#include "check/memory/memory_check.h"

/* What an earlier access did. */
enum tg_deed { TG_DEED_READ, TG_DEED_WRITE, TG_DEED_ADD };

/* The access conflicts with an earlier one of the extent, which ends at `end`, and nothing orders them. While the
 * builder frees memory there is no access. */
void tg_memory_say_race(struct tg_memory_check *check, tg_who earlier, enum tg_deed deed,
                        const struct tg_extent *extent, uint64_t end);

/* The extent is outside of any allocation, or was freed. */
void tg_memory_say_outside(struct tg_memory_check *check, const struct tg_extent *extent, uint64_t end);

/* The access begins in one allocation, and the extent is in another. */
void tg_memory_say_two_blocks(struct tg_memory_check *check, const struct tg_extent *extent);

/* The line of 64 bytes at `line` was also written by `earlier`, and at least one of the two wrote by plain stores. */
void tg_memory_say_line(struct tg_memory_check *check, tg_who earlier, uint64_t line);

/* A task uses memory of the host, a missing argument, or a value that another task left in the variables of its kernel.
 * Or a plugin on the host uses device memory. */
void tg_memory_say_host(struct tg_memory_check *check);
void tg_memory_say_argument(struct tg_memory_check *check, uint32_t index, uint32_t n_args);
void tg_memory_say_state(struct tg_memory_check *check, const struct tg_extent *extent, uint64_t end);
void tg_memory_say_from_host(struct tg_memory_check *check);

/* The bytes being read were never written. */
void tg_memory_say_unwritten(struct tg_memory_check *check, const struct tg_extent *extent, uint64_t end);

/* The host has declared these bytes read-only. */
void tg_memory_say_read_only(struct tg_memory_check *check, const struct tg_extent *extent, uint64_t end);

/* `n` bytes of an output were never written; the first is at `first`. */
void tg_memory_say_output(struct tg_memory_check *check, uint64_t address, uint64_t bytes, uint64_t first, uint64_t n);

#endif
