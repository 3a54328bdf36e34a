/* report.c: the page is whole, its data is JSON, and no label leaves its place. The columns are read by
 * tests/python/test_report.py. */
#include <stdlib.h>
#include <unistd.h>

#include "common/check.h"
#include "common/folder.h"
#include "common/json.h"
#include "common/made.h"
#include "common/rig.h"
#include "trace/report.h"

static struct made made;
static struct folder folder;
static char *page;
static struct tg_report_head head;

static int clear(void **state)
{
    (void)state;
    memset(&made, 0, sizeof made);
    folder_make(&folder);
    page = NULL;
    head = (struct tg_report_head){.size = sizeof head};
    return 0;
}

static int release(void **state)
{
    (void)state;
    made_fini(&made);
    folder_remove(&folder);
    free(page);
    return 0;
}

static size_t count(const char *part)
{
    size_t n = 0;
    for (const char *at = page; (at = strstr(at, part)) != NULL; at++) n++;
    return n;
}

/* Write the page and return the object in it. */
static struct json *write_page(void)
{
    static const char begin[] = "<script type=\"application/json\" id=\"data\">", end[] = "</script>";
    const char *path = folder_at(&folder, "report.html");
    size_t n_bytes, where;
    made_index(&made);
    assert_int_equal(tg_report_write(&made.index, &made.findings, &head, path), TG_OK);
    free(page);
    page = rig_read_file(path, &n_bytes);
    assert_int_equal(strlen(page), n_bytes);
    assert_int_equal(strncmp(page, "<!doctype html>", 15), 0);
    assert_string_equal(page + n_bytes - 8, "</html>\n");
    assert_int_equal(count("<script"), 3);
    assert_int_equal(count("</script>"), 3);
    assert_int_equal(count("@DATA@"), 0);
    char *data = strstr(page, begin);
    assert_non_null(data);
    data += sizeof begin - 1;
    char *stop = strstr(data, end);
    assert_non_null(stop);
    *stop = '\0';
    struct json *json = json_parse(data, &where);
    CHECK(json, "no JSON from byte %zu on: %.60s", where, data + where);
    *stop = '<';
    return json;
}

static void it_needs_nothing_else(void **state)
{
    (void)state;
    made_init(&made, 1, 1, 100);
    json_free(write_page());
    static const char *const parts[] = {"http:", "https:", "src=", "@import", "url(", "fetch(", "<link", "import("};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        CHECK(count(parts[i]) == 0, "the page has '%s'", parts[i]);
}

static void figures_are_in_it(void **state)
{
    (void)state;
    made_init(&made, 1, 2, 1000);
    made_task(&made, 0,
              (struct tg_record_task){.func_id = 0,
                                      .published_ns = 10,
                                      .end_ns = 510,
                                      .file = "/a/b/plugin.c",
                                      .line = 12,
                                      .label = "</script><b>\"x\""});
    made_task(
        &made, 1,
        (struct tg_record_task){.func_id = 1, .published_ns = 20, .ready_ns = 600, .end_ns = 700, .file = "other.c"});
    made_edge(&made, 0, 1);
    struct json *run = write_page();
    assert_true(json_number(run, "device_ns") == 1000);
    assert_true(json_number(run, "critical_path_ns") == 600);
    assert_true(json_number(json_get(run, "tasks"), "n") == 2);
    assert_true(json_number(json_get(run, "edges"), "n") == 1);
    const struct json *rest = json_get(json_get(run, "labels"), "rest");
    assert_string_equal(rest->first->string, "</script><b>\"x\"");
    assert_string_equal(json_get(run, "files")->first->string, "plugin.c");
    assert_string_equal(json_get(run, "files")->first->next->string, "other.c");
    assert_string_equal(json_string(json_get(run, "kernels")->first, "name"), "aic_zero");
    double sum = 0;
    for (const struct json *bound = json_get(run, "bounds")->first; bound; bound = bound->next)
        sum += json_number(bound, "ns");
    assert_true(sum == 1000);
    json_free(run);
}

static void any_run_has_a_page(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        made_random(&made, seed);
        json_free(write_page());
        made_fini(&made);
    }
    made_init(&made, 1, 1, 0);
    json_free(write_page());
}

static void a_place_that_cannot_be_written(void **state)
{
    (void)state;
    made_init(&made, 1, 1, 0);
    made_index(&made);
    assert_int_equal(tg_report_write(&made.index, &made.findings, &head, folder_at(&folder, "none/r.html")),
                     TG_ERR_FILE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_needs_nothing_else, clear, release),
        cmocka_unit_test_setup_teardown(figures_are_in_it, clear, release),
        cmocka_unit_test_setup_teardown(any_run_has_a_page, clear, release),
        cmocka_unit_test_setup_teardown(a_place_that_cannot_be_written, clear, release),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
