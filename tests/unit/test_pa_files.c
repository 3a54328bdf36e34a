/* pa_files.c: a problem survives saving and loading, files that do not fit together are refused, and a folder is
 * replaced completely or not at all. */
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "file.h"
#include "npy.h"
#include "pa_files.h"

static struct failure why;
static char folder[64];

static int create_folder(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof folder, "/tmp/test_pa_files.XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *place)
{
    (void)info;
    (void)kind;
    (void)place;
    return remove(path);
}

static int remove_folder(void **state)
{
    (void)state;
    return nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static int n_entries;

static int count_entry(const char *path, const struct stat *info, int kind, struct FTW *place)
{
    (void)path;
    (void)info;
    (void)kind;
    n_entries += place->level == 1;
    return 0;
}

static int entries_of(const char *path)
{
    n_entries = 0;
    nftw(path, count_entry, 8, FTW_PHYS);
    return n_entries;
}

static struct pa_problem draw(const char *name)
{
    struct pa_problem problem;
    if (pa_problem_draw(pa_case_by_name(name), 42, &problem, &why) != TG_OK) fail_msg("%s", why.message);
    for (uint64_t i = 0; i < pa_problem_counts(&problem).query; i++) {
        pa_store(problem.shape.dtype, problem.out, i, (float)i);
    }
    return problem;
}

static void save(const char *path, const struct pa_problem *problem)
{
    struct pa_save out;
    if (pa_save_open(path, NULL, &out, &why) != TG_OK) fail_msg("%s", why.message);
    if (pa_save_commit(&out, problem, &why) != TG_OK) fail_msg("%s", why.message);
    pa_save_close(&out);
}

/* ---- loading ----------------------------------------------------------------------------------------------------- */

static void every_element_type_survives(void **state)
{
    (void)state;
    static const char *const names[PA_DTYPE_COUNT] = {"ragged", "fp16", "bf16"};
    for (int i = 0; i < PA_DTYPE_COUNT; i++) {
        const enum pa_dtype dtype = (enum pa_dtype)i;
        struct pa_problem p = draw(names[i]), loaded;
        char *path = file_join(folder, names[i]);
        save(path, &p);
        assert_int_equal(entries_of(path), 6);
        if (pa_files_load(path, &dtype, &loaded, &why) != TG_OK) fail_msg("%s", why.message);
        const struct pa_counts n = pa_problem_counts(&p);
        const size_t bytes = pa_dtype_bytes(dtype);
        assert_memory_equal(&loaded.shape, &p.shape, sizeof p.shape);
        assert_memory_equal(loaded.config, p.config, sizeof p.config);
        assert_memory_equal(loaded.query, p.query, n.query * bytes);
        assert_memory_equal(loaded.key_cache, p.key_cache, n.cache * bytes);
        assert_memory_equal(loaded.value_cache, p.value_cache, n.cache * bytes);
        assert_memory_equal(loaded.block_table, p.block_table, n.table * sizeof(int32_t));
        assert_memory_equal(loaded.context_lens, p.context_lens, p.shape.batch * sizeof(int32_t));
        assert_int_equal(loaded.reference_dtype, dtype);
        double last;
        pa_load(dtype, p.out, n.query - 1, 1, &last);
        assert_true(loaded.reference[n.query - 1] == last);
        pa_problem_free(&loaded);
        pa_problem_free(&p);
        free(path);
    }
}

/* Replace one file of `path`, or remove it if n_dims is UINT32_MAX. */
static void replace(const char *path, const char *name, enum npy_type type, uint32_t n_dims, const uint64_t *shape)
{
    uint64_t n = 1;
    char *file = file_join(path, name);
    (void)unlink(file);
    for (uint32_t i = 0; i < n_dims && n_dims != UINT32_MAX; i++) n *= shape[i];
    void *zeros = calloc(n + 1, 8);
    if (n_dims != UINT32_MAX && npy_write(file, type, n_dims, shape, zeros, &why) != TG_OK) fail_msg("%s", why.message);
    free(zeros);
    free(file);
}

static void files_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    /* Case ragged: batch 6, 8 heads, 2 KV heads, head_dim 32, block_size 16, 15 blocks, 7 columns. */
    static const struct {
        const char *file;
        enum npy_type type;
        uint32_t n_dims;
        uint64_t shape[4];
        const char *message;
    } bad[] = {
        {"query.npy", 0, UINT32_MAX, {0}, "query.npy: No such file"},
        {"value_cache.npy", 0, UINT32_MAX, {0}, "value_cache.npy: No such file"},
        {"query.npy", NPY_FLOAT32, 2, {6, 256}, "query.npy: has 2 dimensions, 3 are needed"},
        {"query.npy", NPY_INT32, 3, {6, 8, 32}, "query.npy: has int32 elements"},
        {"query.npy", NPY_UINT16, 3, {6, 8, 32}, "query.npy: has uint16 elements; if they are bf16, say --dtype bf16"},
        {"query.npy", NPY_FLOAT16, 3, {6, 8, 32}, "key_cache.npy: has float32 elements, float16 is needed"},
        {"query.npy", NPY_FLOAT32, 3, {6, 0, 32}, "query.npy: dimension 1 (heads) is 0"},
        {"key_cache.npy",
         NPY_FLOAT32,
         4,
         {15, 16, 2, 16},
         "key_cache.npy: dimension 3 (head_dim) is 16, in query.npy it"},
        {"value_cache.npy",
         NPY_FLOAT32,
         4,
         {16, 16, 2, 32},
         "value_cache.npy: dimension 0 (n_blocks) is 16, in key_cach"},
        {"value_cache.npy",
         NPY_FLOAT16,
         4,
         {15, 16, 2, 32},
         "value_cache.npy: has float16 elements, float32 is needed"},
        {"block_table.npy", NPY_INT32, 2, {5, 7}, "block_table.npy: dimension 0 (batch) is 5, in query.npy it is 6"},
        {"block_table.npy", NPY_FLOAT32, 2, {6, 7}, "block_table.npy: has float32 elements, int32 or int64 is needed"},
        {"context_lens.npy", NPY_INT32, 1, {7}, "context_lens.npy: dimension 0 (batch) is 7"},
        {"out.npy", NPY_FLOAT32, 3, {6, 8, 31}, "out.npy: dimension 2 (head_dim) is 31"},
        {"out.npy", NPY_FLOAT16, 3, {6, 8, 32}, "out.npy: has float16 elements, float32 is needed"},
    };
    struct pa_problem p = draw("ragged"), loaded;
    char *path = file_join(folder, "bad");
    assert_int_equal(p.n_blocks, 15);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        save(path, &p);
        replace(path, bad[i].file, bad[i].type, bad[i].n_dims, bad[i].shape);
        assert_int_equal(pa_files_load(path, NULL, &loaded, &why), TG_ERR_FILE);
        if (!strstr(why.message, bad[i].message)) fail_msg("expected '%s' in '%s'", bad[i].message, why.message);
    }
    pa_problem_free(&p);
    free(path);
}

/* A file of so many blocks whose elements take no room on the disk. */
static void make_sparse(const char *path, const char *name, uint64_t n_blocks, unsigned head_dim)
{
    char text[128], *file = file_join(path, name);
    const int n = snprintf(text, sizeof text, "{'descr': '<f4', 'fortran_order': False, 'shape': (%llu, 16, 2, %u)}",
                           (unsigned long long)n_blocks, head_dim);
    FILE *stream = fopen(file, "w");
    assert_non_null(stream);
    assert_true(fprintf(stream, "\x93NUMPY\x01%c%c%c%s", 0, n, 0, text) == 10 + n);
    assert_int_equal(fclose(stream), 0);
    assert_int_equal(truncate(file, (off_t)(10 + (uint64_t)n + n_blocks * 16 * 2 * head_dim * 4)), 0);
    free(file);
}

static void sizes_are_refused_before_elements_are_read(void **state)
{
    (void)state;
    const uint64_t n_blocks = 1 << 24; /* 64 GiB */
    struct pa_problem p = draw("ragged"), loaded;
    char *path = file_join(folder, "large");
    save(path, &p);
    make_sparse(path, "key_cache.npy", n_blocks, 33);
    assert_int_equal(pa_files_load(path, NULL, &loaded, &why), TG_ERR_FILE);
    assert_non_null(strstr(why.message, "key_cache.npy: dimension 3 (head_dim) is 33"));
    make_sparse(path, "key_cache.npy", n_blocks, 32);
    assert_int_equal(pa_files_load(path, NULL, &loaded, &why), TG_ERR_FILE);
    assert_non_null(strstr(why.message, "value_cache.npy: dimension 0 (n_blocks) is 15"));
    make_sparse(path, "key_cache.npy", n_blocks * 64, 32);
    make_sparse(path, "value_cache.npy", n_blocks * 64, 32);
    assert_int_equal(pa_files_load(path, NULL, &loaded, &why), TG_ERR_MEMORY);
    assert_non_null(strstr(why.message, "the tensors need 16384."));
    pa_problem_free(&p);
    free(path);
}

static void a_wrong_element_type_is_refused(void **state)
{
    (void)state;
    struct pa_problem p = draw("bf16"), loaded;
    const enum pa_dtype fp16 = PA_FP16;
    char *path = file_join(folder, "typed");
    save(path, &p);
    assert_int_equal(pa_files_load(path, &fp16, &loaded, &why), TG_ERR_FILE);
    assert_non_null(strstr(why.message, "has uint16 elements, --dtype fp16 needs float16"));
    assert_int_equal(pa_files_load(path, NULL, &loaded, &why), TG_ERR_FILE);
    pa_problem_free(&p);
    free(path);
}

static void int64_is_narrowed(void **state)
{
    (void)state;
    struct pa_problem p = draw("Case1"), loaded;
    const uint64_t shape[2] = {1, 1};
    const int64_t wide = p.block_table[0], too_wide = INT64_C(1) << 31;
    char *path = file_join(folder, "wide"), *file = file_join(path, "block_table.npy");
    save(path, &p);
    unlink(file);
    assert_int_equal(npy_write(file, NPY_INT64, 2, shape, &wide, &why), TG_OK);
    if (pa_files_load(path, NULL, &loaded, &why) != TG_OK) fail_msg("%s", why.message);
    assert_int_equal(loaded.block_table[0], wide);
    pa_problem_free(&loaded);
    unlink(file);
    assert_int_equal(npy_write(file, NPY_INT64, 2, shape, &too_wide, &why), TG_OK);
    assert_int_equal(pa_files_load(path, NULL, &loaded, &why), TG_ERR_FILE);
    assert_non_null(strstr(why.message, "block_table.npy: element 0 is 2147483648"));
    pa_problem_free(&p);
    free(file);
    free(path);
}

static void out_is_optional(void **state)
{
    (void)state;
    struct pa_problem p = draw("Case1"), loaded;
    char *path = file_join(folder, "no_out"), *file = file_join(path, "out.npy");
    save(path, &p);
    unlink(file);
    if (pa_files_load(path, NULL, &loaded, &why) != TG_OK) fail_msg("%s", why.message);
    assert_null(loaded.reference);
    pa_problem_free(&loaded);
    pa_problem_free(&p);
    free(file);
    free(path);
}

/* ---- saving ------------------------------------------------------------------------------------------------------ */

static void nothing_is_left_of_what_was_not_committed(void **state)
{
    (void)state;
    struct pa_save out;
    char *absent = file_join(folder, "absent/"), *present = file_join(folder, "present");
    assert_int_equal(mkdir(present, 0700), 0);
    assert_int_equal(pa_save_open(absent, NULL, &out, &why), TG_OK);
    pa_save_close(&out);
    assert_false(file_exists(absent));
    assert_int_equal(pa_save_open(present, NULL, &out, &why), TG_OK);
    pa_save_close(&out);
    assert_int_equal(entries_of(present), 0);
    assert_int_equal(entries_of(folder), 1);
    free(absent);
    free(present);
}

static void a_folder_that_exists_keeps_its_other_files(void **state)
{
    (void)state;
    struct pa_problem first = draw("Case1"), second = draw("Case2"), loaded;
    const uint64_t shape[1] = {1};
    char *path = file_join(folder, "kept"), *other = file_join(path, "other.npy");
    save(path, &first);
    assert_int_equal(npy_write(other, NPY_INT32, 1, shape, "abcd", &why), TG_OK);
    save(path, &second);
    assert_int_equal(entries_of(path), 7);
    if (pa_files_load(path, NULL, &loaded, &why) != TG_OK) fail_msg("%s", why.message);
    assert_int_equal(loaded.context_lens[0], 64);
    pa_problem_free(&loaded);
    pa_problem_free(&first);
    pa_problem_free(&second);
    free(path);
    free(other);
}

static void places_that_cannot_be_written_are_refused_early(void **state)
{
    (void)state;
    struct pa_save out;
    struct pa_problem p = draw("Case1");
    char *path = file_join(folder, "saved"), *file = file_join(path, "out.npy"), *deep = file_join(folder, "no/deeper");
    save(path, &p);
    assert_int_equal(pa_save_open(deep, NULL, &out, &why), TG_ERR_FILE);
    assert_non_null(strstr(why.message, "no/deeper: cannot be written"));
    assert_int_equal(pa_save_open(file, NULL, &out, &why), TG_ERR_FILE);
    assert_non_null(strstr(why.message, "not a folder"));
    assert_int_equal(pa_save_open(path, path, &out, &why), TG_ERR_ARGUMENT);
    assert_non_null(strstr(why.message, "--save and --load"));
    pa_problem_free(&p);
    free(path);
    free(file);
    free(deep);
}

int main(void)
{
#define IN_A_FOLDER(test) cmocka_unit_test_setup_teardown(test, create_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        IN_A_FOLDER(every_element_type_survives),
        IN_A_FOLDER(files_that_do_not_fit_are_refused),
        IN_A_FOLDER(sizes_are_refused_before_elements_are_read),
        IN_A_FOLDER(a_wrong_element_type_is_refused),
        IN_A_FOLDER(int64_is_narrowed),
        IN_A_FOLDER(out_is_optional),
        IN_A_FOLDER(nothing_is_left_of_what_was_not_committed),
        IN_A_FOLDER(a_folder_that_exists_keeps_its_other_files),
        IN_A_FOLDER(places_that_cannot_be_written_are_refused_early),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
