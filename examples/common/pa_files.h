/*
 * pa_files.h - a paged attention problem in a folder of .npy files.
 *
 *     query.npy          [batch][heads][head_dim]
 *     key_cache.npy      [n_blocks][block_size][kv_heads][head_dim]     plain layout
 *     value_cache.npy    like key_cache.npy
 *     block_table.npy    [batch][table_cols] int32
 *     context_lens.npy   [batch] int32
 *     out.npy            like query.npy; optional when loading
 *
 * float32 is fp32, float16 fp16; bf16 is stored as uint16, and its loader says so.
 */
#ifndef EXAMPLES_PA_FILES_H
#define EXAMPLES_PA_FILES_H

#include <stdbool.h>

#include "failure.h"
#include "pa_problem.h"

/*
 * Load the problem in `folder`. `dtype` is the element type that query and caches have, or NULL for what the files say.
 *
 * block_table and context_lens may also be int64, out.npy float32 whatever the others are.
 * What block_table and context_lens contain is left to the program to check.
 * Owns      *out is the caller's, see pa_problem_free.
 * Errors    TG_ERR_FILE      a file is missing or broken, its element type or shape does not fit the other files
 *           TG_ERR_MEMORY
 */
enum tg_status pa_files_load(const char *folder, const enum pa_dtype *dtype, struct pa_problem *out,
                             struct failure *failure);

/* A folder that will be written. */
struct pa_save {
    char *folder;
    bool folder_exists;
};

/*
 * Find out, before the work begins, whether `folder` can be written: it exists or can be created. Writes nothing.
 * `loaded` is the folder that the problem comes from, or NULL; it must be another one, since its out.npy is what the
 * result is compared with.
 *
 * Owns      *out is the caller's, see pa_save_close.
 * Errors    TG_ERR_FILE, TG_ERR_ARGUMENT (the same folder), TG_ERR_MEMORY
 */
enum tg_status pa_save_open(const char *folder, const char *loaded, struct pa_save *out, struct failure *failure);

/*
 * Write the problem's inputs and out. Files appear in the folder when all of them are complete; files of the same names
 * are replaced, symbolic links written through. No file is half written afterwards, and none is left elsewhere: SIGINT,
 * SIGTERM and SIGHUP, unless they are ignored, remove what is not complete before they end the process.
 * Threads   one at a time.
 * Errors    TG_ERR_FILE, TG_ERR_MEMORY
 */
enum tg_status pa_save_commit(const struct pa_save *save, const struct pa_problem *problem, struct failure *failure);

/* Release it. A pa_save of zero bytes is allowed. */
void pa_save_close(struct pa_save *save);

#endif
