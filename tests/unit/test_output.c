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
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/output.h"

static char folder[] = "/tmp/test_output.XXXXXX";
static char path[128];

static int create_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder)) return -1;
    snprintf(path, sizeof path, "%s/file.json", folder);
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

static void a_pipe_that_nobody_reads_is_an_error(void **state)
{
    (void)state;
    assert_int_equal(mkfifo(path, 0600), 0);
    alarm(10);
    assert_int_equal(tg_output(path, write_text, "text"), TG_ERR_FILE);
    alarm(0);
    assert_int_equal(unlink(path), 0);
}

static void a_link_is_written_through(void **state)
{
    (void)state;
    char sub[160], target[192];
    struct stat info;
    snprintf(sub, sizeof sub, "%s/sub", folder);
    snprintf(target, sizeof target, "%s/target", sub);
    assert_int_equal(mkdir(sub, 0700), 0);
    assert_int_equal(symlink("sub/target", path), 0);
    for (int i = 0; i < 2; i++) { /* first the link leads to nothing */
        assert_int_equal(tg_output(path, write_text, i == 0 ? "first" : "second"), TG_OK);
        assert_holds(i == 0 ? "first" : "second");
        assert_int_equal(lstat(path, &info), 0);
        assert_true(S_ISLNK(info.st_mode));
        assert_int_equal(lstat(target, &info), 0);
        assert_true(S_ISREG(info.st_mode));
    }
    assert_int_equal(unlink(target), 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink("file.json", path), 0);
    assert_int_equal(tg_output(path, write_text, "round and round"), TG_ERR_FILE);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(sub), 0);
}

static void permissions_stay_and_protect(void **state)
{
    (void)state;
    struct stat info;
    assert_int_equal(tg_output(path, write_text, "secret"), TG_OK);
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(tg_output(path, write_text, "another"), TG_OK);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_int_equal(chmod(path, 0400), 0);
    if (geteuid() != 0) { /* nothing is protected from root */
        assert_int_equal(tg_output(path, write_text, "a third"), TG_ERR_FILE);
        assert_holds("another");
    }
    assert_int_equal(unlink(path), 0);
}

/* The longest name that a folder takes, and a user's own file that is called as a half-written one was once. */
static void other_names_do_not_matter(void **state)
{
    (void)state;
    char mine[160], longest[400];
    snprintf(mine, sizeof mine, "%s.partial", path);
    snprintf(longest, sizeof longest, "%s/%0255d", folder, 0);
    assert_int_equal(tg_output(mine, write_text, "mine"), TG_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(tg_output(path, write_text, "text"), TG_OK);
        assert_int_equal(tg_output(longest, write_text, "text"), TG_OK);
    }
    assert_int_equal(access(mine, F_OK), 0);
    assert_int_equal(unlink(mine), 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(unlink(longest), 0);
}

static void write_many(const void *context, FILE *file)
{
    for (int i = 0; i < 20000; i++) fputs(context, file);
}

/* A file that would pass the limit of sizes leaves what was there; as a command does, the signal is ignored. */
static void a_limit_of_file_sizes_leaves_what_was_there(void **state)
{
    (void)state;
    struct rlimit before, limit;
    assert_int_equal(tg_output(path, write_text, "old"), TG_OK);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = before;
    limit.rlim_cur = 4096;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    enum tg_status status = tg_output(path, write_many, "0123456789");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, handler);
    assert_int_equal(status, TG_ERR_FILE);
    assert_non_null(strstr(tg_last_message(), "File too large"));
    assert_holds("old");
    assert_int_equal(unlink(path), 0);
}

enum { WRITERS = 8, TIMES = 50 };

static void *write_often(void *failures)
{
    for (int i = 0; i < TIMES; i++)
        if (tg_output(path, write_many, "0123456789") != TG_OK) ++*(int *)failures;
    return NULL;
}

static void many_write_one_file(void **state)
{
    (void)state;
    pthread_t threads[WRITERS];
    int failures[WRITERS] = {0};
    struct stat info;
    const pid_t other = fork();
    for (int i = 0; i < WRITERS; i++) assert_int_equal(pthread_create(&threads[i], NULL, write_often, &failures[i]), 0);
    for (int i = 0; i < WRITERS; i++) pthread_join(threads[i], NULL);
    for (int i = 1; i < WRITERS; i++) failures[0] += failures[i];
    if (other == 0) _exit(failures[0] > 0);
    int how;
    assert_int_equal(waitpid(other, &how, 0), other);
    assert_int_equal(how, 0);
    assert_int_equal(failures[0], 0);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_size, 200000);
    assert_int_equal(unlink(path), 0);
}

/* ---- strings ----------------------------------------------------------------------------------------------------- */

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
        cmocka_unit_test(a_pipe_that_nobody_reads_is_an_error),
        cmocka_unit_test(a_link_is_written_through),
        cmocka_unit_test(permissions_stay_and_protect),
        cmocka_unit_test(other_names_do_not_matter),
        cmocka_unit_test(a_limit_of_file_sizes_leaves_what_was_there),
        cmocka_unit_test(many_write_one_file),
        cmocka_unit_test(a_string_is_quoted),
        cmocka_unit_test(every_code_point_is_a_character_and_nothing_else_is),
    };
    return cmocka_run_group_tests(tests, create_folder, remove_folder);
}
