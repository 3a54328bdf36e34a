/*
 * npy.h - arrays in .npy files (format versions 1 and 2), little-endian, C order.
 *
 * The reader trusts nothing in the file: every size is checked against the bytes that are there.
 * Threads: any; nothing is shared.
 */
#ifndef EXAMPLES_NPY_H
#define EXAMPLES_NPY_H

#include <stddef.h>
#include <stdint.h>

#include "failure.h"

/* numpy has no bfloat16: its bits are stored as uint16. */
enum npy_type { NPY_FLOAT32 = 0, NPY_FLOAT16, NPY_UINT16, NPY_INT32, NPY_INT64, NPY_TYPE_COUNT };

#define NPY_MAX_DIMS 8

struct npy_array {
    enum npy_type type;
    uint32_t n_dims; /* 0: a single number */
    uint64_t shape[NPY_MAX_DIMS];
    uint64_t n_elements;
    uint64_t n_bytes;
    void *data; /* aligned for every type; the array's, see npy_free */
};

/* "float32", and bytes of one element. */
const char *npy_type_name(enum npy_type type);
size_t npy_type_bytes(enum npy_type type);

/*
 * Understand the n_bytes of a .npy file. `name` is for messages.
 *
 * Writes    *out: everything but data. *data_offset: where in `bytes` the elements begin.
 * Errors    TG_ERR_FILE: not a .npy file, an element type or order that is not read here, more than NPY_MAX_DIMS
 *           dimensions, or not exactly the bytes that the shape needs
 */
enum tg_status npy_parse(const void *bytes, size_t n_bytes, const char *name, struct npy_array *out,
                         size_t *data_offset, struct failure *failure);

/* Read the header of a .npy file, which has at most 4 KiB. Writes *out, without data. Errors: those of npy_parse, and
 * TG_ERR_FILE of file_read. */
enum tg_status npy_look(const char *path, struct npy_array *out, struct failure *failure);

/* Read a .npy file. On success *out owns data. Errors: those of npy_parse and file_read. */
enum tg_status npy_read(const char *path, struct npy_array *out, struct failure *failure);

/* Free data and forget it. An array of zero bytes is allowed. */
void npy_free(struct npy_array *array);

/* Write a .npy file (version 1.0) of [shape[0]]..[shape[n_dims - 1]] elements, n_dims at most NPY_MAX_DIMS. `path` must
 * not exist yet. Errors: TG_ERR_FILE; the file is removed again then. */
enum tg_status npy_write(const char *path, enum npy_type type, uint32_t n_dims, const uint64_t *shape, const void *data,
                         struct failure *failure);

#endif
