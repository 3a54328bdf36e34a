/* memory_words.h - what is said of an access that memory_check.c is looking at. */
#ifndef TG_CHECK_MEMORY_MEMORY_WORDS_H
#define TG_CHECK_MEMORY_MEMORY_WORDS_H

#include "check/memory/memory_check.h"

/* What an earlier access did. */
enum tg_deed { TG_DEED_READ, TG_DEED_WRITE, TG_DEED_ADD };

/* The access conflicts with an earlier one of the extent, which ends at `end`, and nothing orders them. While the
 * builder frees memory there is no access. */
void tg_memory_say_race(struct tg_memory_check *check, tg_who earlier, enum tg_deed deed,
                        const struct tg_extent *extent, uint64_t end);

/* The extent is no allocation, or no longer. */
void tg_memory_say_outside(struct tg_memory_check *check, const struct tg_extent *extent, uint64_t end);

/* The access begins in one allocation, and the extent is in another. */
void tg_memory_say_two_blocks(struct tg_memory_check *check, const struct tg_extent *extent);

/* What is written is in a line of 64 bytes at `line` that `earlier` has written, too, and one of both by plain stores. */
void tg_memory_say_line(struct tg_memory_check *check, tg_who earlier, uint64_t line);

/* A task uses memory of the host, an argument that it does not have, or what another task has left in the variables of
 * its kernel; a plugin on the host uses device memory. */
void tg_memory_say_host(struct tg_memory_check *check);
void tg_memory_say_argument(struct tg_memory_check *check, uint32_t index, uint32_t n_args);
void tg_memory_say_state(struct tg_memory_check *check, const struct tg_extent *extent, uint64_t end);
void tg_memory_say_from_host(struct tg_memory_check *check);

/* Nobody has written what is read. */
void tg_memory_say_unwritten(struct tg_memory_check *check, const struct tg_extent *extent, uint64_t end);

/* The host has declared that nobody writes here. */
void tg_memory_say_read_only(struct tg_memory_check *check, const struct tg_extent *extent, uint64_t end);

/* `n` bytes of an output, the first at `first`, hold nothing. */
void tg_memory_say_output(struct tg_memory_check *check, uint64_t address, uint64_t bytes, uint64_t first, uint64_t n);

#endif
