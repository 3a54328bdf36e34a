/* The files that paged_attention writes of a run: there and whole, or not there. */
#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/check.h"
#include "common/folder.h"
#include "common/json.h"
#include "common/process.h"
#include "common/rig.h"

static struct folder folder;

static int make_folder(void **state)
{
    (void)state;
    folder_make(&folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    folder_remove(&folder);
    return 0;
}

static int n_files(void)
{
    int n = 0;
    DIR *open = opendir(folder.path);
    assert_non_null(open);
    for (struct dirent *entry; (entry = readdir(open)) != NULL;) n += entry->d_name[0] != '.';
    closedir(open);
    return n;
}

/* Run with one option that names a file; returns what it printed. */
static struct process run(const char *option, const char *file, const char *more, const char *value)
{
    struct process process;
    process_run(&process, (const char *const[]){process_binary("paged_attention"), "--case", "Case2", option, file,
                                                more, value, NULL});
    return process;
}

static void files_are_written(void **state)
{
    (void)state;
    static const struct {
        const char *option, *begins, *ends;
    } rows[] = {{"--trace", "{\"displayTimeUnit\"", "]}\n"},
                {"--graph", "digraph ", "}\n"},
                {"--report", "<!doctype html>", "</html>\n"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t n_bytes;
        const char *path = folder_at(&folder, rows[i].option);
        for (int turn = 0; turn < 2; turn++) { /* the second time over the first */
            struct process process = run(rows[i].option, path, NULL, NULL);
            assert_int_equal(process.exit_code, 0);
            assert_string_equal(process.err, "");
            process_free(&process);
        }
        char *text = rig_read_file(path, &n_bytes);
        assert_int_equal(strncmp(text, rows[i].begins, strlen(rows[i].begins)), 0);
        assert_string_equal(text + n_bytes - strlen(rows[i].ends), rows[i].ends);
        free(text);
    }
    assert_int_equal(n_files(), 3);
}

static void places_that_cannot_be_written_are_refused_before_the_run(void **state)
{
    (void)state;
    static const char *const options[] = {"--trace", "--graph", "--report"};
    for (size_t i = 0; i < 3; i++) {
        char path[256];
        snprintf(path, sizeof path, "%s/none/file", folder.path);
        for (int turn = 0; turn < 2; turn++) {
            struct process process = run(options[i], turn ? folder.path : path, NULL, NULL);
            assert_int_equal(process.exit_code, 2);
            assert_non_null(strstr(process.err, "TG_ERR_FILE"));
            assert_non_null(strstr(process.err, turn ? folder.path : path));
            assert_null(strstr(process.out, "device time")); /* nothing ran */
            process_free(&process);
        }
    }
    assert_int_equal(n_files(), 0);
}

static void one_file_is_not_two(void **state)
{
    (void)state;
    const char *path = folder_at(&folder, "file");
    struct process process = run("--trace", path, "--report", path);
    assert_int_equal(process.exit_code, 2);
    assert_non_null(strstr(process.err, "--trace and --report would both write"));
    process_free(&process);
    assert_int_equal(n_files(), 0);
}

static void a_run_that_fails_leaves_no_file(void **state)
{
    (void)state;
    struct process process = run("--report", folder_at(&folder, "file"), "--block-size", "9");
    assert_int_equal(process.exit_code, 2);
    process_free(&process);
    assert_int_equal(n_files(), 0);
}

static void the_summary_is_printed(void **state)
{
    (void)state;
    struct process process = run("--seed", "1", "--summary", NULL);
    static const char *const says[] = {"us went into, followed back from the end: bound by ",
                                       "aic_qk_matmul",
                                       "Longest tasks",
                                       "unlimited cores",
                                       "free control",
                                       "free memory"};
    for (size_t i = 0; i < sizeof says / sizeof says[0]; i++)
        CHECK(strstr(process.out, says[i]), "expected '%s' in '%s'", says[i], process.out);
    process_free(&process);
    process = run("--seed", "1", "--json", NULL);
    size_t where;
    struct json *json = json_parse(process.out, &where);
    assert_non_null(json);
    assert_non_null(json_string(json, "bound_by"));
    assert_true(json_number(json, "critical_path_us") > 0);
    assert_true(json_number(json, "critical_path_us") <= json_number(json, "device_us"));
    const struct json *busy = json_get(json, "busy");
    assert_true(json_number(busy, "aic") > 0 && json_number(busy, "aiv") > 0 && json_number(busy, "aic") < 1);
    json_free(json);
    process_free(&process);
}

/* A command that is stopped after `ms` leaves no file or a whole file behind. */
static void stop_after(long ms, int signal_number)
{
    const char *path = folder_at(&folder, "trace.json");
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (!freopen("/dev/null", "w", stdout)) _exit(1);
        execl(process_binary("paged_attention"), "paged_attention", "--case", "gqa", "--context", "2000,2000",
              "--trace", path, (char *)NULL);
        _exit(127);
    }
    const struct timespec pause = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&pause, NULL);
    kill(child, signal_number);
    waitpid(child, NULL, 0);
    int n = n_files();
    CHECK(n <= 1, "%d files after %ld ms", n, ms);
    if (n == 0) return;
    size_t n_bytes;
    char *text = rig_read_file(path, &n_bytes); /* under its own name */
    assert_string_equal(text + n_bytes - 3, "]}\n");
    free(text);
    unlink(path);
}

static void what_is_interrupted_leaves_no_broken_file(void **state)
{
    (void)state;
    if (TG_TEST_EMULATOR[0]) SKIP("an emulator would be what is interrupted");
    static const int signals[] = {SIGINT, SIGTERM, SIGKILL};
    for (long i = 0; i < 45; i++) stop_after(2 + 5 * i, signals[i % 3]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(files_are_written, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(places_that_cannot_be_written_are_refused_before_the_run, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(one_file_is_not_two, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_run_that_fails_leaves_no_file, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(the_summary_is_printed, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(what_is_interrupted_leaves_no_broken_file, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
