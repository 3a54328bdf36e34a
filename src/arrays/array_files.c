/* Kept arrays as .npy files (format version 1.0, C order, little-endian). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tilegraph/tile.h>

#include "arrays/arrays.h"
#include "base/error.h"
#include "base/output.h"

enum { NAME_MAX_BYTES = 80 }; /* of a kernel, in a file name */

/* numpy has neither bfloat16 nor fp8: their bits are stored. */
static const char *const descriptions[TG_DTYPES] = {"<f4", "<f2", "<u2", "<i4", "|i1", "|u1",
                                                    "<i2", "<u2", "<u4", "|u1", "|u1"};

struct file_contents {
    const struct tg_kept_array *array;
    const void *data;
};

/* The header is padded so that the elements begin at a multiple of 64 bytes. */
static void write_npy(const void *context, FILE *file)
{
    const struct file_contents *contents = context;
    const struct tg_kept_array *array = contents->array;
    char header[192], shape[64];
    if (array->rows == 1) snprintf(shape, sizeof shape, "%llu,", (unsigned long long)array->cols);
    else snprintf(shape, sizeof shape, "%llu, %llu", (unsigned long long)array->rows, (unsigned long long)array->cols);
    int n = snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }",
                     descriptions[array->dtype], shape);
    while ((10 + n + 1) % 64 != 0) header[n++] = ' ';
    header[n++] = '\n';
    const unsigned char magic[10] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, (unsigned char)n, (unsigned char)(n >> 8)};
    (void)fwrite(magic, 1, sizeof magic, file);
    (void)fwrite(header, 1, (size_t)n, file);
    (void)fwrite(contents->data, tg_dtype_bytes(array->dtype), array->rows * array->cols, file);
}

/* The piece of its argument's arrays that array `idx` is, from 0. */
static uint32_t piece_of(const struct tg_kept *kept, uint32_t idx)
{
    uint32_t piece = 0;
    for (uint32_t i = 0; i < idx; i++) piece += kept->arrays[i].argument == kept->arrays[idx].argument;
    return piece;
}

/* "folder/task3.aiv_add.arg0.in.npy". NULL: no memory. */
static char *path_of(const struct tg_kept *kept, uint32_t idx, const char *folder, const char *which)
{
    static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    const struct tg_kept_array *array = &kept->arrays[idx];
    char name[NAME_MAX_BYTES], argument[32] = "memory", piece[16] = "";
    snprintf(name, sizeof name, "%s", kept->task.kernel);
    for (char *at = name; *at; at++)
        if (!strchr(safe, *at)) *at = '_';
    if (array->argument >= 0) snprintf(argument, sizeof argument, "arg%d", array->argument);
    if (piece_of(kept, idx) > 0) snprintf(piece, sizeof piece, "-%u", piece_of(kept, idx));
    char *path = NULL;
    const int n = asprintf(&path, "%s/task%d.%s.%s%s.%s.npy", folder, kept->task.task_id, name, argument, piece, which);
    return n < 0 ? NULL : path;
}

/* The files of a list of tasks, in order. */
typedef enum tg_status file_fn(const char *path, const struct file_contents *contents);

static enum tg_status write_file(const char *path, const struct file_contents *contents)
{
    return tg_output(path, write_npy, contents);
}

static enum tg_status remove_file(const char *path, const struct file_contents *contents)
{
    (void)contents;
    (void)unlink(path);
    return TG_OK;
}

/* Call fn for the first n_most files. *n_done: how often it succeeded. */
static enum tg_status each_file(const struct tg_kept *const *kept, size_t n, const char *folder, file_fn *fn,
                                size_t n_most, size_t *n_done)
{
    *n_done = 0;
    for (size_t i = 0; i < n; i++)
        for (uint32_t j = 0; j < kept[i]->task.n_arrays; j++)
            for (int written = 0; written < 2 && *n_done < n_most; written++) {
                const struct tg_kept_array *array = &kept[i]->arrays[j];
                if (!(array->accesses & (written ? TG_ARRAY_WRITTEN : TG_ARRAY_READ))) continue;
                const struct file_contents contents = {array, written ? array->after : array->before};
                char *path = path_of(kept[i], j, folder, written ? "out" : "in");
                if (!path) return tg_error(TG_ERR_MEMORY, "no memory for the name of a file");
                const enum tg_status status = fn(path, &contents);
                free(path);
                if (status != TG_OK) return status;
                ++*n_done;
            }
    return TG_OK;
}

enum tg_status tg_array_files_write(const struct tg_kept *const *kept, size_t n, const char *folder)
{
    const bool made = mkdir(folder, 0777) == 0;
    struct stat found;
    if (!made && (errno != EEXIST || stat(folder, &found) != 0 || !S_ISDIR(found.st_mode)))
        return tg_error(TG_ERR_FILE, "the folder %s cannot be made: %s", folder,
                        errno == EEXIST ? "there is a file of that name" : strerror(errno));
    size_t n_written, n_removed;
    const enum tg_status status = each_file(kept, n, folder, write_file, SIZE_MAX, &n_written);
    if (status == TG_OK) return TG_OK;
    (void)each_file(kept, n, folder, remove_file, n_written, &n_removed);
    if (made) (void)rmdir(folder);
    return status;
}
