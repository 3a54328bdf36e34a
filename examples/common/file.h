/*
 * file.h - whole files, paths, and whether a place can be written.
 *
 * Threads: any; nothing is shared.
 */
#ifndef EXAMPLES_FILE_H
#define EXAMPLES_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "failure.h"

/*
 * Read all of the regular file `path`.
 *
 * Owns      *bytes is the caller's, to be freed; never NULL on success, even for an empty file.
 * Errors    TG_ERR_FILE    missing, not a regular file, unreadable, or changed while being read
 *           TG_ERR_MEMORY  it does not fit
 */
enum tg_status file_read(const char *path, void **bytes, size_t *n_bytes, struct failure *failure);

/* Read the first bytes of the regular file `path`, at most `capacity`. Writes *n_bytes, the number of bytes read, and
 * *file_bytes, that of the whole file. Errors: TG_ERR_FILE, as file_read. */
enum tg_status file_read_start(const char *path, void *bytes, size_t capacity, size_t *n_bytes, uint64_t *file_bytes,
                               struct failure *failure);

/* The same as file_read for the file `name` in `folder`. */
enum tg_status file_read_in(const char *folder, const char *name, void **bytes, size_t *n_bytes,
                            struct failure *failure);

/* Whether something of that name exists, of any kind. */
bool file_exists(const char *path);

/* Find out whether `path` could be written, without writing anything. A process that is stopped meanwhile leaves
 * no file behind.
 * Errors    TG_ERR_FILE: no such folder, no permission, or `path` is a folder */
enum tg_status file_check_writable(const char *path, struct failure *failure);

/* A file without a place of its own, on its way to a stream. */
struct file_passed {
    char path[64]; /* "": there is no file */
};

/* Make an empty file that the caller may write by its name. TG_ERR_FILE. */
enum tg_status file_pass_open(struct file_passed *passed, struct failure *failure);

/* If `status` is TG_OK, copy the content to `stream`. Remove the file. Returns `status`, or TG_ERR_FILE. */
enum tg_status file_pass_close(struct file_passed *passed, enum tg_status status, FILE *stream,
                               struct failure *failure);

/* "folder/name" in memory of the caller's, to be freed; NULL when out of memory. */
char *file_join(const char *folder, const char *name);

/* The folder of the running executable in memory of the caller's, to be freed; NULL when out of memory. `argv0` is
 * what the program was called by, for systems that do not tell. */
char *file_executable_folder(const char *argv0);

/* The folder of the compiled kernels and the orchestration of an example, as "paged_attention", in memory of the
 * caller's, to be freed; NULL when out of memory. `checked`: those that tell a checked run of their plain accesses. The
 * last place that was looked at if there is no such folder: reading from it says what is missing. */
char *file_program_folder(const char *argv0, const char *example, bool checked);

#endif
