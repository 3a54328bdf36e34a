/* output.c: a file is complete or not there, and a text in it is a JSON string. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/output.h"

static char folder[] = "/tmp/test_output.XXXXXX";
static char path[128], partial[160];

static int create_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder)) return -1;
    snprintf(path, sizeof path, "%s/file.json", folder);
    snprintf(partial, sizeof partial, "%s.partial", path);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder); /* fails if a test left something behind */
}

static void write_text(const void *context, FILE *file) { fputs(context, file); }

static void assert_holds(const char *expected)
{
    char text[256] = "";
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t n = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    assert_int_equal(n, strlen(expected));
    assert_string_equal(text, expected);
    assert_int_not_equal(access(partial, F_OK), 0);
}

static void a_file_is_written_and_written_over(void **state)
{
    (void)state;
    assert_int_equal(tg_output(path, write_text, "first, and longer"), TG_OK);
    assert_holds("first, and longer");
    assert_int_equal(tg_output(path, write_text, "second"), TG_OK);
    assert_holds("second");
    assert_int_equal(unlink(path), 0);
}

static void a_folder_that_is_not_there_is_named(void **state)
{
    (void)state;
    char deep[192];
    snprintf(deep, sizeof deep, "%s/none/file.json", folder);
    assert_int_equal(tg_output(deep, write_text, "text"), TG_ERR_FILE);
    assert_non_null(strstr(tg_last_message(), deep));
    assert_non_null(strstr(tg_last_message(), "No such file or directory"));
}

static void a_folder_is_not_written_over(void **state)
{
    (void)state;
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(tg_output(path, write_text, "text"), TG_ERR_FILE);
    assert_non_null(strstr(tg_last_message(), "irectory"));
    assert_int_not_equal(access(partial, F_OK), 0);
    assert_int_equal(rmdir(path), 0);
}

static void write_too_much(const void *context, FILE *file)
{
    (void)context;
    FILE *full = freopen("/dev/full", "w", file); /* every byte finds the device full */
    if (!full) return;
    for (int i = 0; i < 10000; i++) fputs("0123456789", full);
}

static void a_full_device_leaves_what_was_there(void **state)
{
    (void)state;
    if (access("/dev/full", W_OK) != 0) {
        print_message("skipped: no /dev/full here\n");
        skip();
    }
    assert_int_equal(tg_output(path, write_text, "old"), TG_OK);
    assert_int_equal(tg_output(path, write_too_much, NULL), TG_ERR_FILE);
    assert_non_null(strstr(tg_last_message(), "No space left on device"));
    assert_holds("old");
    assert_int_equal(unlink(path), 0);
}

static void what_is_no_file_is_written_to(void **state)
{
    (void)state;
    assert_int_equal(tg_output("/dev/null", write_text, "text"), TG_OK);
    assert_int_equal(mkfifo(path, 0600), 0);
    int reader = open(path, O_RDONLY | O_NONBLOCK);
    assert_true(reader >= 0);
    assert_int_equal(tg_output(path, write_text, "through the pipe"), TG_OK);
    char text[64] = "";
    assert_int_equal(read(reader, text, sizeof text - 1), 16);
    assert_string_equal(text, "through the pipe");
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_true(S_ISFIFO(info.st_mode));
    close(reader);
    assert_int_equal(unlink(path), 0);
}

/* ---- strings ---------------------------------------------------------------------------------------------------------- */

static void write_string(const void *context, FILE *file) { tg_output_json_string(file, context); }

static void a_string_is_quoted(void **state)
{
    (void)state;
    static const struct {
        const char *text, *json;
    } cases[] = {
        {"", "\"\""},
        {"plain_name", "\"plain_name\""},
        {"a \"quote\" and \\ back", "\"a \\\"quote\\\" and \\\\ back\""},
        {"line\nand\ttab\x01\x1f\x7f", "\"line\\u000aand\\u0009tab\\u0001\\u001f\\u007f\""},
        {"</script>", "\"\\u003c/script>\""},
        {"\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80", "\"\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80\""}, /* as it is */
        {"a\xff\xc3(\xe2\x82", "\"a\\ufffd\\ufffd(\\ufffd\\ufffd\""},                         /* no UTF-8 */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(tg_output(path, write_string, cases[i].text), TG_OK);
        assert_holds(cases[i].json);
        assert_int_equal(unlink(path), 0);
    }
}

/* The length of a character by its definition: what encoding a code point gives is the only form of it. */
static size_t encode(uint32_t point, char *out)
{
    static const uint32_t limits[] = {0x80, 0x800, 0x10000, 0x110000};
    size_t n = 1;
    while (point >= limits[n - 1]) n++;
    for (size_t i = n - 1; i > 0; i--, point >>= 6) out[i] = (char)(0x80 | (point & 0x3F));
    out[0] = (char)(n == 1 ? point : (0xF00u >> n & 0xFF) | point);
    out[n] = '\0';
    return n;
}

static void every_code_point_is_a_character_and_nothing_else_is(void **state)
{
    (void)state;
    uint32_t n_valid = 0;
    for (uint32_t point = 1; point < 0x110000; point++) {
        char text[8];
        size_t n = encode(point, text);
        bool surrogate = point >= 0xD800 && point < 0xE000;
        if (tg_output_utf8_bytes(text) != (surrogate ? 0 : n)) fail_msg("U+%04X", point);
    }
    for (uint32_t bytes = 0; bytes < 0x10000;
         bytes++) { /* any two bytes: the characters of two are those below 0x800 */
        const char text[3] = {(char)(bytes & 0xFF), (char)(bytes >> 8), 0};
        n_valid += tg_output_utf8_bytes(text) == 2;
    }
    assert_int_equal(n_valid, 0x800 - 0x80);
    assert_int_equal(tg_output_utf8_bytes("\xc0\x80"), 0); /* overlong */
    assert_int_equal(tg_output_utf8_bytes("\xe0\x80\x80"), 0);
    assert_int_equal(tg_output_utf8_bytes("\xf0\x80\x80\x80"), 0);
    assert_int_equal(tg_output_utf8_bytes("\xf4\x90\x80\x80"), 0); /* beyond U+10FFFF */
    assert_int_equal(tg_output_utf8_bytes("\xf8\x88\x80\x80\x80"), 0);
    assert_int_equal(tg_output_utf8_bytes("\x80"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_written_and_written_over),
        cmocka_unit_test(a_folder_that_is_not_there_is_named),
        cmocka_unit_test(a_folder_is_not_written_over),
        cmocka_unit_test(a_full_device_leaves_what_was_there),
        cmocka_unit_test(what_is_no_file_is_written_to),
        cmocka_unit_test(a_string_is_quoted),
        cmocka_unit_test(every_code_point_is_a_character_and_nothing_else_is),
    };
    return cmocka_run_group_tests(tests, create_folder, remove_folder);
}
