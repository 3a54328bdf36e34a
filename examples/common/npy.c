#include "npy.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "npy.c takes the bytes of a file as they are, which are little-endian"
#endif

static const struct {
    const char *name;
    const char *descr; /* as in the file's header */
    size_t bytes;
} types[NPY_TYPE_COUNT] = {
    [NPY_FLOAT32] = {"float32", "<f4", 4}, [NPY_FLOAT16] = {"float16", "<f2", 2}, [NPY_UINT16] = {"uint16", "<u2", 2},
    [NPY_INT32] = {"int32", "<i4", 4},     [NPY_INT64] = {"int64", "<i8", 8},
};

const char *npy_type_name(enum npy_type type) { return types[type].name; }
size_t npy_type_bytes(enum npy_type type) { return types[type].bytes; }

/* ---- the header: a Python dictionary {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), } ----------------- */

struct cursor {
    const char *at, *end;
};

static void skip_spaces(struct cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t' || *c->at == '\n' || *c->at == '\r')) c->at++;
}

/* Take `wanted` if it is next. */
static bool take(struct cursor *c, char wanted)
{
    skip_spaces(c);
    if (c->at == c->end || *c->at != wanted) return false;
    c->at++;
    return true;
}

static bool take_word(struct cursor *c, const char *word)
{
    size_t n = strlen(word);
    skip_spaces(c);
    if ((size_t)(c->end - c->at) < n || memcmp(c->at, word, n) != 0) return false;
    c->at += n;
    return true;
}

/* A quoted string without escapes, cut to the size of `text`. */
static bool take_string(struct cursor *c, char *text, size_t size)
{
    skip_spaces(c);
    if (c->at == c->end || (*c->at != '\'' && *c->at != '"')) return false;
    char quote = *c->at++;
    const char *start = c->at;
    while (c->at < c->end && *c->at != quote) {
        if (*c->at == '\\' || *c->at == '\0') return false;
        c->at++;
    }
    if (c->at == c->end) return false;
    size_t n = (size_t)(c->at - start);
    if (n >= size) n = size - 1;
    memcpy(text, start, n);
    text[n] = '\0';
    c->at++;
    return true;
}

static bool take_number(struct cursor *c, uint64_t *out)
{
    skip_spaces(c);
    const char *start = c->at;
    uint64_t value = 0;
    while (c->at < c->end && *c->at >= '0' && *c->at <= '9') {
        uint64_t digit = (uint64_t)(*c->at - '0');
        if (value > (UINT64_MAX - digit) / 10) return false;
        value = value * 10 + digit;
        c->at++;
    }
    *out = value;
    return c->at > start;
}

/* (), (3,) or (3, 4) */
static bool take_shape(struct cursor *c, struct npy_array *out)
{
    if (!take(c, '(')) return false;
    out->n_dims = 0;
    while (!take(c, ')')) {
        if (out->n_dims == NPY_MAX_DIMS || !take_number(c, &out->shape[out->n_dims])) return false;
        out->n_dims++;
        if (!take(c, ',')) return out->n_dims > 1 && take(c, ')');
    }
    return true;
}

struct header {
    char descr[32];
    bool has_descr, has_order, has_shape;
    bool fortran_order;
};

static bool take_entry(struct cursor *c, struct header *h, struct npy_array *out)
{
    char key[32];
    if (!take_string(c, key, sizeof key) || !take(c, ':')) return false;
    if (strcmp(key, "descr") == 0 && !h->has_descr) {
        return h->has_descr = take_string(c, h->descr, sizeof h->descr);
    }
    if (strcmp(key, "fortran_order") == 0 && !h->has_order) {
        h->fortran_order = take_word(c, "True");
        return h->has_order = h->fortran_order || take_word(c, "False");
    }
    if (strcmp(key, "shape") == 0 && !h->has_shape) return h->has_shape = take_shape(c, out);
    return false;
}

/* The dictionary has exactly the three entries, in any order; nothing but spaces follows. */
static bool take_header(struct cursor *c, struct header *h, struct npy_array *out)
{
    if (!take(c, '{')) return false;
    while (!take(c, '}')) {
        if (!take_entry(c, h, out)) return false;
        if (!take(c, ',')) {
            if (!take(c, '}')) return false;
            break;
        }
    }
    skip_spaces(c);
    return c->at == c->end && h->has_descr && h->has_order && h->has_shape;
}

static bool find_type(const char *descr, enum npy_type *type)
{
    for (int i = 0; i < NPY_TYPE_COUNT; i++) {
        if (strcmp(descr, types[i].descr) != 0) continue;
        *type = (enum npy_type)i;
        return true;
    }
    return false;
}

/* n_elements and n_bytes from type and shape; false if they overflow. */
static bool count_bytes(struct npy_array *array)
{
    uint64_t n = 1;
    bool has_zero = false;
    for (uint32_t i = 0; i < array->n_dims; i++) {
        if (array->shape[i] == 0) has_zero = true;
        else if (n > UINT64_MAX / 16 / array->shape[i]) return false;
        else n *= array->shape[i];
    }
    array->n_elements = has_zero ? 0 : n;
    array->n_bytes = array->n_elements * types[array->type].bytes;
    return true;
}

/* Find the dictionary's text; `offset` is where the elements begin. */
static bool find_header(const unsigned char *bytes, size_t n_bytes, struct cursor *text, size_t *offset)
{
    static const unsigned char magic[6] = {0x93, 'N', 'U', 'M', 'P', 'Y'};
    if (n_bytes < 10 || memcmp(bytes, magic, sizeof magic) != 0) return false;
    unsigned major = bytes[6];
    size_t start = major == 1 ? 10 : 12;
    if ((major != 1 && major != 2) || bytes[7] != 0 || n_bytes < start) return false;
    size_t length = (size_t)bytes[8] | (size_t)bytes[9] << 8;
    if (major == 2) length |= (size_t)bytes[10] << 16 | (size_t)bytes[11] << 24;
    if (length > n_bytes - start) return false;
    text->at = (const char *)bytes + start;
    text->end = text->at + length;
    *offset = start + length;
    return true;
}

/* The first n_bytes of a file that has file_bytes. */
static enum tg_status parse_start(const void *bytes, size_t n_bytes, uint64_t file_bytes, const char *name,
                                  struct npy_array *out, size_t *data_offset, struct failure *failure)
{
    struct cursor text;
    struct header header = {0};
    struct npy_array array = {0};
    size_t offset;
    if (!find_header(bytes, n_bytes, &text, &offset)) {
        return failure_set(failure, TG_ERR_FILE, "%s: is not a .npy file of version 1.0 or 2.0", name);
    }
    if (!take_header(&text, &header, &array)) {
        return failure_set(failure, TG_ERR_FILE,
                           "%s: its header is not {'descr': ..., 'fortran_order': ..., 'shape': (at most %d numbers)}",
                           name, NPY_MAX_DIMS);
    }
    if (!find_type(header.descr, &array.type)) {
        return failure_set(failure, TG_ERR_FILE, "%s: has elements '%s'; '<f4', '<f2', '<u2', '<i4' and '<i8' are read",
                           name, header.descr);
    }
    if (header.fortran_order) {
        return failure_set(failure, TG_ERR_FILE, "%s: is in Fortran order; save numpy.ascontiguousarray(...) of it",
                           name);
    }
    if (!count_bytes(&array)) return failure_set(failure, TG_ERR_FILE, "%s: its shape is too large", name);
    if (array.n_bytes != file_bytes - offset) {
        return failure_set(failure, TG_ERR_FILE,
                           "%s: its shape needs %" PRIu64 " bytes of elements, the file has %" PRIu64, name,
                           array.n_bytes, file_bytes - offset);
    }
    *out = array;
    *data_offset = offset;
    return TG_OK;
}

enum tg_status npy_parse(const void *bytes, size_t n_bytes, const char *name, struct npy_array *out,
                         size_t *data_offset, struct failure *failure)
{
    return parse_start(bytes, n_bytes, n_bytes, name, out, data_offset, failure);
}

enum tg_status npy_look(const char *path, struct npy_array *out, struct failure *failure)
{
    enum { START_BYTES = 4096 }; /* numpy writes 64 to 192 */
    unsigned char start[START_BYTES];
    size_t n_bytes, offset;
    uint64_t file_bytes;
    enum tg_status status = file_read_start(path, start, sizeof start, &n_bytes, &file_bytes, failure);
    return status == TG_OK ? parse_start(start, n_bytes, file_bytes, path, out, &offset, failure) : status;
}

enum tg_status npy_read(const char *path, struct npy_array *out, struct failure *failure)
{
    void *bytes;
    size_t n_bytes, offset = 0;
    struct npy_array array = {0};
    enum tg_status status = file_read(path, &bytes, &n_bytes, failure);
    if (status != TG_OK) return status;
    status = npy_parse(bytes, n_bytes, path, &array, &offset, failure);
    if (status != TG_OK) {
        free(bytes);
        return status;
    }
    /* To the front, where memory is aligned for every type whatever the header's length is. */
    memmove(bytes, (unsigned char *)bytes + offset, (size_t)array.n_bytes);
    array.data = bytes;
    *out = array;
    return TG_OK;
}

void npy_free(struct npy_array *array)
{
    free(array->data);
    array->data = NULL;
}

/* The file's first bytes, and how many: a multiple of 64, so that elements are aligned where the file is mapped. */
static size_t make_header(unsigned char header[512], enum npy_type type, uint32_t n_dims, const uint64_t *shape)
{
    char text[400]; /* three keys and 8 numbers of at most 20 digits */
    size_t n = (size_t)snprintf(text, sizeof text, "{'descr': '%s', 'fortran_order': False, 'shape': (",
                                types[type].descr);
    for (uint32_t i = 0; i < n_dims; i++) {
        const char *comma = i + 1 < n_dims ? ", " : n_dims == 1 ? "," : "";
        n += (size_t)snprintf(text + n, sizeof text - n, "%" PRIu64 "%s", shape[i], comma);
    }
    n += (size_t)snprintf(text + n, sizeof text - n, "), }");

    size_t total = (10 + n + 1 + 63) / 64 * 64;
    memset(header, ' ', total);
    memcpy(header, "\x93NUMPY\x01\x00", 8);
    header[8] = (unsigned char)((total - 10) & 0xff);
    header[9] = (unsigned char)((total - 10) >> 8);
    memcpy(header + 10, text, n);
    header[total - 1] = '\n';
    return total;
}

enum tg_status npy_write(const char *path, enum npy_type type, uint32_t n_dims, const uint64_t *shape, const void *data,
                         struct failure *failure)
{
    struct npy_array array = {.type = type, .n_dims = n_dims};
    for (uint32_t i = 0; i < n_dims; i++) array.shape[i] = shape[i];
    if (!count_bytes(&array)) return failure_set(failure, TG_ERR_FILE, "%s: its shape is too large", path);

    unsigned char header[512];
    size_t n_header = make_header(header, type, n_dims, shape);
    FILE *file = fopen(path, "wbx");
    if (!file) return failure_set(failure, TG_ERR_FILE, "%s: cannot be created: %s", path, strerror(errno));
    bool complete = fwrite(header, 1, n_header, file) == n_header &&
                    fwrite(data, 1, (size_t)array.n_bytes, file) == array.n_bytes;
    int error = errno;
    if (fclose(file) != 0 && complete) {
        complete = false;
        error = errno;
    }
    if (complete) return TG_OK;
    (void)remove(path);
    return failure_set(failure, TG_ERR_FILE, "%s: cannot be written: %s", path, strerror(error));
}
