/* npy.c and file.c: written files are read back, and every claim of a file is checked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "file.h"
#include "npy.h"

static char folder[] = "/tmp/test_npy.XXXXXX";

static int create_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder); /* fails if a test left something behind */
}

/* A .npy file of version `major` in memory: header text as given, then n_data bytes 0, 1, 2, ... */
static size_t make_file(unsigned char *out, unsigned major, const char *text, size_t n_data)
{
    size_t n_text = strlen(text), start = major == 1 ? 10 : 12;
    memcpy(out, "\x93NUMPY", 6);
    out[6] = (unsigned char)major;
    out[7] = 0;
    for (size_t i = 8; i < start; i++) out[i] = (unsigned char)(n_text >> 8 * (i - 8));
    memcpy(out + start, text, n_text);
    for (size_t i = 0; i < n_data; i++) out[start + n_text + i] = (unsigned char)i;
    return start + n_text + n_data;
}

static enum tg_status parse(unsigned major, const char *text, size_t n_data, struct npy_array *array,
                            struct failure *failure)
{
    unsigned char bytes[2048];
    size_t offset, n = make_file(bytes, major, text, n_data);
    unsigned char *exact = malloc(n); /* so that a sanitizer sees a read behind the end */
    assert_non_null(exact);
    memcpy(exact, bytes, n);
    enum tg_status status = npy_parse(exact, n, "made.npy", array, &offset, failure);
    free(exact);
    return status;
}

/* ---- round trips ------------------------------------------------------------------------------------------------- */

static void every_type_is_read_back(void **state)
{
    (void)state;
    struct failure failure = {""};
    const uint64_t shape[4] = {2, 3, 1, 5};
    unsigned char data[30 * 8];
    for (size_t i = 0; i < sizeof data; i++) data[i] = (unsigned char)(i * 7);
    char *path = file_join(folder, "array.npy");
    for (int type = 0; type < NPY_TYPE_COUNT; type++) {
        for (uint32_t n_dims = 0; n_dims <= 4; n_dims++) {
            struct npy_array array;
            assert_int_equal(npy_write(path, (enum npy_type)type, n_dims, shape, data, &failure), TG_OK);
            assert_int_equal(npy_read(path, &array, &failure), TG_OK);
            assert_int_equal(array.type, type);
            assert_int_equal(array.n_dims, n_dims);
            assert_memory_equal(array.shape, shape, n_dims * sizeof shape[0]);
            assert_int_equal(array.n_bytes, array.n_elements * npy_type_bytes((enum npy_type)type));
            assert_memory_equal(array.data, data, array.n_bytes);
            npy_free(&array);
            assert_int_equal(unlink(path), 0);
        }
    }
    free(path);
}

static void elements_begin_at_a_multiple_of_64(void **state)
{
    (void)state;
    struct failure failure = {""};
    const uint64_t shape[2] = {1234567, 0};
    void *bytes;
    size_t n_bytes;
    char *path = file_join(folder, "array.npy");
    assert_int_equal(npy_write(path, NPY_INT32, 2, shape, "", &failure), TG_OK);
    assert_int_equal(file_read(path, &bytes, &n_bytes, &failure), TG_OK);
    assert_int_equal(n_bytes % 64, 0);
    assert_memory_equal((unsigned char *)bytes + 10,
                        "{'descr': '<i4', 'fortran_order': False, 'shape': (1234567, 0), }", 65);
    free(bytes);
    unlink(path);
    free(path);
}

static void headers_may_be_written_in_other_ways(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)}",
        "{ \"shape\" : ( 2 ,3, ) , \"fortran_order\":False,\"descr\":\"<f4\" , }  \n",
        "\t{'fortran_order': False,\n'descr': '<f4', 'shape': (2, 3), }\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        for (unsigned major = 1; major <= 2; major++) {
            struct failure failure = {""};
            struct npy_array array;
            assert_int_equal(parse(major, texts[i], 24, &array, &failure), TG_OK);
            assert_int_equal(array.type, NPY_FLOAT32);
            assert_int_equal(array.n_dims, 2);
            assert_int_equal(array.n_elements, 6);
        }
    }
}

static void data_behind_an_odd_header_is_aligned(void **state)
{
    (void)state;
    struct failure failure = {""};
    struct npy_array array;
    unsigned char bytes[256];
    size_t n = make_file(bytes, 1, "{'descr': '<i8', 'fortran_order': False, 'shape': (2,)} ", 16);
    char *path = file_join(folder, "odd.npy");
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    fclose(file);
    assert_int_equal(npy_read(path, &array, &failure), TG_OK);
    assert_int_equal((uintptr_t)array.data % sizeof(int64_t), 0);
    assert_true(((const int64_t *)array.data)[0] == 0x0706050403020100);
    npy_free(&array);
    unlink(path);
    free(path);
}

/* ---- refusals ---------------------------------------------------------------------------------------------------- */

static void broken_headers_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } broken[] = {
        {"", "header"},
        {"{}", "header"},
        {"{'descr': '<f4', 'fortran_order': False}", "header"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (6,)", "header"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (6,)} x", "header"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (6)}", "header"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (,)}", "header"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (-6,)}", "header"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (6.0,)}", "header"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': [6]}", "header"},
        {"{'descr': '<f4', 'fortran_order': 0, 'shape': (6,)}", "header"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (6,), 'shape': (6,)}", "header"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (6,), 'more': 1}", "header"},
        {"{'descr': '<f4, 'fortran_order': False, 'shape': (6,)}", "header"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 1, 1, 1, 1, 1, 1, 6)}", "header"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (18446744073709551616,)}", "header"},
        {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (6,)}", "header"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775808, 4)}", "too large"},
        {"{'descr': '<i8', 'fortran_order': False, 'shape': (2305843009213693952,)}", "too large"},
        {"{'descr': '>f4', 'fortran_order': False, 'shape': (6,)}", "'>f4'"},
        {"{'descr': '|O', 'fortran_order': False, 'shape': (6,)}", "'|O'"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (3,)}", "'<f8'"},
        {"{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3)}", "Fortran"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (5,)}", "needs 20 bytes"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (7,)}", "needs 28 bytes"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (0, 4)}", "needs 0 bytes"},
    };
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        struct failure failure = {""};
        struct npy_array array;
        assert_int_equal(parse(1, broken[i].text, 24, &array, &failure), TG_ERR_FILE);
        assert_non_null(strstr(failure.message, "made.npy"));
        if (!strstr(failure.message, broken[i].message)) fail_msg("%s: %s", broken[i].text, failure.message);
    }
}

static void every_truncation_is_refused(void **state)
{
    (void)state;
    unsigned char bytes[256];
    for (unsigned major = 1; major <= 2; major++) {
        size_t n = make_file(bytes, major, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", 24);
        for (size_t cut = 0; cut < n; cut++) {
            struct failure failure = {""};
            struct npy_array array;
            size_t offset;
            unsigned char *exact = malloc(cut + 1);
            assert_non_null(exact);
            memcpy(exact, bytes, cut);
            exact = realloc(exact, cut > 0 ? cut : 1);
            assert_int_equal(npy_parse(exact, cut, "cut.npy", &array, &offset, &failure), TG_ERR_FILE);
            free(exact);
        }
    }
}

static void other_versions_and_other_files_are_refused(void **state)
{
    (void)state;
    const char *text = "{'descr': '<f4', 'fortran_order': False, 'shape': (6,)}";
    struct failure failure = {""};
    struct npy_array array;
    assert_int_equal(parse(3, text, 24, &array, &failure), TG_ERR_FILE);
    assert_non_null(strstr(failure.message, "version"));
    size_t offset;
    assert_int_equal(npy_parse("PK\x03\x04 not an array at all", 27, "made.npz", &array, &offset, &failure),
                     TG_ERR_FILE);
    assert_non_null(strstr(failure.message, "made.npz"));
}

static void changed_bytes_do_no_harm(void **state)
{
    (void)state;
    unsigned char bytes[256], changed[256];
    size_t n = make_file(bytes, 1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", 24);
    uint32_t random = 1;
    for (int round = 0; round < 200000; round++) {
        memcpy(changed, bytes, n);
        for (int i = 0; i < 3; i++) {
            random = random * 1664525u + 1013904223u;
            changed[(random >> 8) % (n - 24)] = (unsigned char)(random >> 24);
        }
        struct failure failure = {""};
        struct npy_array array;
        size_t offset;
        if (npy_parse(changed, n, "changed.npy", &array, &offset, &failure) == TG_OK) {
            assert_true(array.n_bytes == n - offset); /* an accepted array has all its bytes */
        } else {
            assert_true(failure.message[0] != '\0');
        }
    }
}

static void what_is_no_file_is_refused(void **state)
{
    (void)state;
    struct failure failure = {""};
    struct npy_array array;
    char *missing = file_join(folder, "missing.npy"), *pipe = file_join(folder, "pipe.npy");
    assert_int_equal(npy_read(missing, &array, &failure), TG_ERR_FILE);
    assert_non_null(strstr(failure.message, "missing.npy"));
    assert_int_equal(npy_read(folder, &array, &failure), TG_ERR_FILE);
    assert_non_null(strstr(failure.message, "regular file"));
    assert_int_equal(mkfifo(pipe, 0600), 0); /* nobody writes to it: reading would wait for ever */
    assert_int_equal(npy_read(pipe, &array, &failure), TG_ERR_FILE);
    unlink(pipe);
    free(missing);
    free(pipe);
}

static void writing_replaces_nothing_and_leaves_nothing(void **state)
{
    (void)state;
    struct failure failure = {""};
    const uint64_t shape[1] = {1};
    char *path = file_join(folder, "array.npy"), *nowhere = file_join(folder, "no/array.npy");
    assert_int_equal(npy_write(path, NPY_INT32, 1, shape, "abcd", &failure), TG_OK);
    assert_int_equal(npy_write(path, NPY_INT32, 1, shape, "efgh", &failure), TG_ERR_FILE);
    assert_non_null(strstr(failure.message, "array.npy"));
    assert_int_equal(npy_write(nowhere, NPY_INT32, 1, shape, "abcd", &failure), TG_ERR_FILE);
    assert_false(file_exists(nowhere));
    unlink(path);
    free(path);
    free(nowhere);
}

static void a_place_to_write_is_tried_without_a_trace(void **state)
{
    (void)state;
    struct failure failure = {""};
    char *path = file_join(folder, "trace.json"), *nowhere = file_join(folder, "no/trace.json");
    char events[4096];
    int watch = inotify_init1(IN_NONBLOCK);
    assert_true(inotify_add_watch(watch, folder, IN_CREATE) >= 0);
    assert_int_equal(file_check_writable(path, &failure), TG_OK);
    assert_int_equal(read(watch, events, sizeof events), -1); /* not for a moment: it may be stopped there */
    close(watch);
    assert_int_equal(file_check_writable(nowhere, &failure), TG_ERR_FILE);
    assert_int_equal(file_check_writable(folder, &failure), TG_ERR_FILE);
    assert_non_null(strstr(failure.message, "folder"));
    assert_int_equal(file_check_writable("/dev/null", &failure), TG_OK);
    assert_int_equal(file_check_writable("/dev/null/file", &failure), TG_ERR_FILE);
    free(path);
    free(nowhere);
}

static void the_executable_is_found(void **state)
{
    (void)state;
    char *here = file_executable_folder("test_npy");
    assert_non_null(here);
    char *self = file_join(here, "test_npy");
    assert_true(file_exists(self));
    free(self);
    free(here);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_is_read_back),
        cmocka_unit_test(elements_begin_at_a_multiple_of_64),
        cmocka_unit_test(headers_may_be_written_in_other_ways),
        cmocka_unit_test(data_behind_an_odd_header_is_aligned),
        cmocka_unit_test(broken_headers_are_refused),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(other_versions_and_other_files_are_refused),
        cmocka_unit_test(changed_bytes_do_no_harm),
        cmocka_unit_test(what_is_no_file_is_refused),
        cmocka_unit_test(writing_replaces_nothing_and_leaves_nothing),
        cmocka_unit_test(a_place_to_write_is_tried_without_a_trace),
        cmocka_unit_test(the_executable_is_found),
    };
    return cmocka_run_group_tests(tests, create_folder, remove_folder);
}
