/* The arrays of tasks that a run keeps, on both platforms, and as files. */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/check.h"
#include "common/flagship.h"
#include "common/folder.h"
#include "common/rig.h"

static const char *const platforms[] = {"a2a3sim", "cpu"};
enum { PLATFORMS = sizeof platforms / sizeof platforms[0], UP_OUT = 6 /* the argument of aiv_online_update */ };

/* A case on a platform, with a run that is opened. */
struct opened {
    struct rig rig;
    struct pa_problem problem;
    struct tg_run *run;
};

static void open_case(struct opened *o, const char *platform, enum rig_mode mode, const char *name)
{
    struct tg_tensor tensors[FLAGSHIP_TENSORS];
    rig_open_on(&o->rig, platform, 64 << 20);
    flagship_load(&o->rig, mode, NULL);
    flagship_draw(&o->problem, name, 42);
    flagship_tensors(&o->problem, tensors);
    assert_int_equal(tg_run_open(o->rig.program, &o->rig.config, tensors, FLAGSHIP_TENSORS, &o->run), TG_OK);
}

static void close_case(struct opened *o)
{
    tg_run_close(o->run);
    pa_problem_free(&o->problem);
    rig_close(&o->rig);
}

static size_t count(const struct tg_run *run)
{
    size_t n = SIZE_MAX;
    assert_int_equal(tg_run_n_kept_tasks(run, &n), TG_OK);
    return n;
}

/* The bytes of the output are those that the last update has left. */
static void check_output(const struct opened *o)
{
    struct tg_kept_task task;
    struct tg_kept_array array;
    assert_int_equal(tg_run_kept_task(o->run, count(o->run) - 1, &task), TG_OK);
    assert_string_equal(task.kernel, "aiv_online_update");
    assert_true(task.returned);
    bool found = false;
    for (uint32_t i = 0; i < task.n_arrays; i++) {
        assert_int_equal(tg_run_kept_array(o->run, count(o->run) - 1, i, &array), TG_OK);
        if (array.argument != UP_OUT) continue;
        found = true;
        assert_int_equal(array.accesses, TG_ARRAY_WRITTEN);
        assert_int_equal(array.dtype, TG_FP32);
        assert_int_equal(array.address, task.args[UP_OUT]);
        assert_int_equal(array.rows * array.cols * sizeof(float), flagship_out_bytes(&o->problem));
        assert_memory_equal(array.after, o->problem.out, flagship_out_bytes(&o->problem));
        for (uint64_t k = 0; k < array.rows * array.cols; k++) assert_int_equal(array.access[k], TG_ARRAY_WRITTEN);
    }
    assert_true(found);
}

static void tasks_are_kept_by_number_and_by_kernel(void **state)
{
    (void)state;
    for (int i = 0; i < PLATFORMS; i++)
        for (enum rig_mode mode = 0; mode < RIG_MODES; mode++) {
            struct opened o;
            open_case(&o, platforms[i], mode, "Case2");
            assert_int_equal(tg_run_keep_arrays(o.run, "0,aiv_online_update"), TG_OK);
            assert_int_equal(tg_run_keep_arrays(o.run, "0"), TG_OK); /* again: no second copy */
            assert_int_equal(tg_run_wait(o.run), TG_OK);
            assert_int_equal(count(o.run), 5);
            int32_t last = -1;
            for (size_t k = 0; k < 5; k++) {
                struct tg_kept_task task;
                assert_int_equal(tg_run_kept_task(o.run, k, &task), TG_OK);
                assert_true(task.task_id > last);
                last = task.task_id;
            }
            check_output(&o);
            close_case(&o);
        }
}

/* A task reads the bytes that its predecessor has written. */
static void inputs_are_the_outputs_of_predecessors(void **state)
{
    (void)state;
    struct opened o;
    struct tg_kept_array written, read;
    open_case(&o, "a2a3sim", RIG_CONCURRENT, "Case2");
    assert_int_equal(tg_run_keep_arrays(o.run, "0,aiv_softmax_prepare"), TG_OK); /* scores of a block, and softmaxes */
    assert_int_equal(tg_run_wait(o.run), TG_OK);
    bool met = false;
    for (size_t i = 0; tg_run_kept_array(o.run, 0, i, &written) == TG_OK; i++)
        for (size_t k = 0; tg_run_kept_array(o.run, 1, k, &read) == TG_OK; k++) {
            if (written.address != read.address) continue;
            met = true;
            assert_int_equal(written.accesses, TG_ARRAY_WRITTEN);
            assert_int_equal(read.accesses, TG_ARRAY_READ);
            assert_int_equal(written.rows * written.cols, read.rows * read.cols);
            assert_memory_equal(written.after, read.before, read.rows * read.cols * sizeof(float));
        }
    assert_true(met);
    close_case(&o);
}

static int n_files(const char *path)
{
    int n = 0;
    DIR *dir = opendir(path);
    if (!dir) return 0;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) n += strstr(entry->d_name, ".npy") != NULL;
    closedir(dir);
    return n;
}

static void files_are_complete_or_absent(void **state)
{
    (void)state;
    struct opened o;
    struct folder folder;
    folder_make(&folder);
    open_case(&o, "cpu", RIG_CONCURRENT, "Case1");
    assert_int_equal(tg_run_keep_arrays(o.run, "1,aic_pv_matmul"), TG_OK);
    assert_int_equal(tg_run_wait(o.run), TG_OK);
    char here[512], missing[600], taken[600];
    snprintf(here, sizeof here, "%s", folder_at(&folder, "here"));
    assert_int_equal(tg_run_write_arrays(o.run, "1", here), TG_OK);
    assert_int_equal(n_files(here), 4); /* scores, p, m, l */
    /* A task that has not run: named, and the files of the others are written. */
    snprintf(missing, sizeof missing, "%s2", here);
    assert_int_equal(tg_run_write_arrays(o.run, "1,99", missing), TG_ERR_ARGUMENT);
    assert_non_null(strstr(tg_last_message(), "there is no task 99: the graph has 4"));
    assert_int_equal(n_files(missing), 4);
    assert_int_equal(tg_run_write_arrays(o.run, "0", missing), TG_ERR_ARGUMENT); /* not kept */
    assert_int_equal(tg_run_write_arrays(o.run, "aic_qk_matmul", missing), TG_ERR_ARGUMENT);
    assert_int_equal(n_files(missing), 4);
    /* A folder is in the place of the third file: the first two are removed again. */
    snprintf(taken, sizeof taken, "%s3", here);
    assert_int_equal(tg_run_write_arrays(o.run, "1", taken), TG_OK);
    assert_int_equal(n_files(taken), 4);
    char path[700];
    static const char *const names[] = {"arg0.in", "arg1.out", "arg2.out", "arg3.out"};
    for (int i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s/task1.aiv_softmax_prepare.%s.npy", taken, names[i]);
        assert_int_equal(remove(path), 0);
    }
    snprintf(path, sizeof path, "%s/task1.aiv_softmax_prepare.arg2.out.npy", taken);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(tg_run_write_arrays(o.run, "1", taken), TG_ERR_FILE);
    assert_int_equal(n_files(taken), 1); /* the folder */
    snprintf(path, sizeof path, "%s/nowhere/at/all", here);
    assert_int_equal(tg_run_write_arrays(o.run, "1", path), TG_ERR_FILE);
    close_case(&o);
    folder_remove(&folder);
}

static void wrong_calls_are_refused(void **state)
{
    (void)state;
    struct opened o;
    struct tg_kept_task task;
    struct tg_kept_array array;
    size_t n;
    open_case(&o, "a2a3sim", RIG_CONCURRENT, "Case2");
    assert_int_equal(tg_run_n_kept_tasks(o.run, &n), TG_ERR_ARGUMENT); /* nothing is kept */
    static const char *const wrong[] = {"", ",", "0,", "-1", "aiv", "1 ", "99999999999", "aiv_online_updat"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(tg_run_keep_arrays(o.run, wrong[i]), TG_ERR_ARGUMENT);
    assert_non_null(strstr(tg_last_message(), "did you mean aiv_online_update?"));
    assert_int_equal(tg_run_keep_arrays(o.run, "0"), TG_OK);
    assert_int_equal(tg_run_n_kept_tasks(o.run, &n), TG_ERR_ARGUMENT); /* not launched */
    assert_int_equal(tg_run_wait(o.run), TG_OK);
    assert_int_equal(tg_run_keep_arrays(o.run, "1"), TG_ERR_ARGUMENT); /* too late */
    assert_int_equal(tg_run_kept_task(o.run, 1, &task), TG_ERR_ARGUMENT);
    assert_int_equal(tg_run_kept_array(o.run, 0, 99, &array), TG_ERR_ARGUMENT);
    task.size = 8;
    assert_int_equal(tg_run_get_kept_task(o.run, 0, &task), TG_ERR_ARGUMENT);
    close_case(&o);
    for (uint32_t order = TG_PIPE_ORDER_LATE; order <= TG_PIPE_ORDER_EARLY; order++) {
        struct tg_tensor tensors[FLAGSHIP_TENSORS];
        rig_open(&o.rig, 64 << 20);
        flagship_load(&o.rig, RIG_CONCURRENT, NULL);
        flagship_draw(&o.problem, "Case1", 42);
        flagship_tensors(&o.problem, tensors);
        o.rig.config.pipe_order = order;
        assert_int_equal(tg_run_open(o.rig.program, &o.rig.config, tensors, FLAGSHIP_TENSORS, &o.run), TG_OK);
        assert_int_equal(tg_run_keep_arrays(o.run, "0"), TG_ERR_ARGUMENT);
        close_case(&o);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tasks_are_kept_by_number_and_by_kernel),
        cmocka_unit_test(inputs_are_the_outputs_of_predecessors),
        cmocka_unit_test(files_are_complete_or_absent),
        cmocka_unit_test(wrong_calls_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
