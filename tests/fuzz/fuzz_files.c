/*
 * A folder of .npy files as a problem: headers, shapes, lengths and tables out of bytes.
 *
 * What must hold: the folder is refused with a message, or its problem is whole: the golden, which looks at every
 * length and table entry, computes or refuses it.
 */
#define _GNU_SOURCE
#include <unistd.h>

#include "fuzz.h"
#include "npy.h"
#include "pa_files.h"
#include "pa_golden.h"

enum { QUERY, KEY_CACHE, VALUE_CACHE, BLOCK_TABLE, CONTEXT_LENS, OUT, N_FILES };
enum { BATCH, HEADS, KV_HEADS, HEAD_DIM, BLOCK_SIZE, N_BLOCKS, COLS, N_DIMENSIONS };
enum { ELEMENTS_MAX = 4096 };

static char folder[] = "/tmp/fuzz_files.XXXXXX";
static const char *const names[N_FILES] = {"query.npy",       "key_cache.npy",    "value_cache.npy",
                                           "block_table.npy", "context_lens.npy", "out.npy"};

static void file_path(char path[64], int file) { (void)snprintf(path, 64, "%s/%s", folder, names[file]); }

static void remove_files(void)
{
    char path[64];
    for (int i = 0; i < N_FILES; i++) {
        file_path(path, i);
        (void)unlink(path);
    }
}

static void remove_folder(void)
{
    remove_files();
    (void)rmdir(folder);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    FUZZ_CHECK(mkdtemp(folder), "no folder %s", folder);
    (void)atexit(remove_folder);
    return 0;
}

/* ---- files out of bytes ------------------------------------------------------------------------------------------ */

struct file {
    enum npy_type type;
    uint32_t n_dims;
    uint64_t shape[4];
    bool missing;
};

/* The shape of each file as those of one problem. */
static void right_files(struct file files[N_FILES], const uint32_t d[N_DIMENSIONS], enum npy_type type)
{
    const struct file right[N_FILES] = {
        [QUERY] = {type, 3, {d[BATCH], d[HEADS], d[HEAD_DIM], 0}, false},
        [KEY_CACHE] = {type, 4, {d[N_BLOCKS], d[BLOCK_SIZE], d[KV_HEADS], d[HEAD_DIM]}, false},
        [VALUE_CACHE] = {type, 4, {d[N_BLOCKS], d[BLOCK_SIZE], d[KV_HEADS], d[HEAD_DIM]}, false},
        [BLOCK_TABLE] = {NPY_INT32, 2, {d[BATCH], d[COLS], 0, 0}, false},
        [CONTEXT_LENS] = {NPY_INT64, 1, {d[BATCH], 0, 0, 0}, false},
        [OUT] = {type, 3, {d[BATCH], d[HEADS], d[HEAD_DIM], 0}, true},
    };
    memcpy(files, right, sizeof right);
}

static void change(struct fuzz_input *in, struct file files[N_FILES])
{
    for (uint32_t n = fuzz_below(in, 4); n > 0; n--) {
        struct file *file = &files[fuzz_below(in, N_FILES)];
        uint8_t what = fuzz_u8(in);
        if (what < 32) file->missing = !file->missing;
        else if (what < 96) file->type = (enum npy_type)(what % NPY_TYPE_COUNT);
        else if (what < 128) file->n_dims = what % 5;
        else file->shape[what % 4] = fuzz_below(in, 9);
    }
}

/* Elements of the tables are small, or anything. */
static uint64_t fill(struct fuzz_input *in, const struct file *file, uint8_t data[8 * ELEMENTS_MAX], bool table)
{
    uint64_t n = 1;
    for (uint32_t i = 0; i < file->n_dims; i++) n *= file->shape[i];
    if (n > ELEMENTS_MAX) return n;
    size_t size = npy_type_bytes(file->type);
    for (uint64_t i = 0; i < n; i++) {
        uint8_t code = fuzz_u8(in);
        uint64_t value = table && code < 0xF0 ? code % 8u : code < 0xF0 ? 0x3C003C00u + code : fuzz_u64(in);
        memcpy(data + i * size, &value, size);
    }
    return n;
}

/* false: the files would be too large. */
static bool write_files(struct fuzz_input *in)
{
    static uint8_t data[8 * ELEMENTS_MAX];
    static const enum npy_type types[] = {NPY_FLOAT32, NPY_FLOAT16, NPY_UINT16};
    uint32_t d[N_DIMENSIONS];
    struct file files[N_FILES];
    enum npy_type type = types[fuzz_below(in, 3)];
    for (int i = 0; i < N_DIMENSIONS; i++) d[i] = 1 + fuzz_below(in, 5);
    d[HEADS] *= d[KV_HEADS];
    right_files(files, d, type);
    change(in, files);
    for (int i = 0; i < N_FILES; i++) {
        char path[64];
        struct failure failure = {""};
        if (files[i].missing) continue;
        if (fill(in, &files[i], data, i == BLOCK_TABLE || i == CONTEXT_LENS) > ELEMENTS_MAX) return false;
        file_path(path, i);
        FUZZ_CHECK(npy_write(path, files[i].type, files[i].n_dims, files[i].shape, data, &failure) == TG_OK, "%s",
                   failure.message);
    }
    return true;
}

/* ---- the problem ------------------------------------------------------------------------------------------------- */

static void check_problem(const struct pa_problem *problem)
{
    struct pa_golden golden;
    struct failure failure = {""};
    enum tg_status status = pa_golden_compute(problem, &golden, &failure);
    if (status != TG_OK) {
        FUZZ_CHECK(status == TG_ERR_ARGUMENT && failure.message[0], "%s", tg_status_name(status));
        return;
    }
    struct pa_comparison comparison;
    pa_golden_compare(problem, &golden, &comparison);
    FUZZ_CHECK(!comparison.pass, "an output that nobody has written passes");
    pa_golden_free(&golden);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
    struct fuzz_input in = {bytes, bytes + n_bytes};
    uint8_t code = fuzz_u8(&in);
    enum pa_dtype dtype = (enum pa_dtype)(code % PA_DTYPE_COUNT);
    struct pa_problem problem;
    struct failure failure = {""};
    if (write_files(&in)) {
        enum tg_status status = pa_files_load(folder, code & 128 ? &dtype : NULL, &problem, &failure);
        if (status == TG_OK) {
            check_problem(&problem);
            pa_problem_free(&problem);
        } else {
            FUZZ_CHECK(failure.message[0], "no message for %s", tg_status_name(status));
            FUZZ_CHECK(status == TG_ERR_FILE || status == TG_ERR_ARGUMENT, "%s", failure.message);
        }
    }
    remove_files();
    return 0;
}
