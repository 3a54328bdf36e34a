/* pa_report.c: JSON is JSON whatever happened, and a failure is told with its name and hint. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "pa_report.h"

static char text[16384];

static FILE *open_stream(void)
{
    FILE *stream = tmpfile();
    assert_non_null(stream);
    return stream;
}

static void close_stream(FILE *stream)
{
    rewind(stream);
    text[fread(text, 1, sizeof text - 1, stream)] = '\0';
    fclose(stream);
}

static void json_of(const struct pa_report *report, const struct pa_options *options)
{
    FILE *stream = open_stream();
    pa_report_json(stream, report, options);
    close_stream(stream);
}

static void expect(const char *part)
{
    if (!strstr(text, part)) fail_msg("expected '%s' in '%s'", part, text);
}

/* A run of Case2 that went well. */
static struct pa_report passed(void)
{
    struct pa_report report = {.status = TG_OK, .shape = pa_cases[1].shape, .shortest = 64, .longest = 64};
    report.has_result = report.has_comparison = true;
    report.result = (struct tg_run_result){.n_tasks = 16,
                                           .n_edges = 15,
                                           .n_aic = 4,
                                           .n_aiv = 5,
                                           .window = 16384,
                                           .device_ns = 23456,
                                           .first_start_ns = 3100,
                                           .last_publish_ns = 10007};
    report.has_analysis = true;
    report.analysis = (struct tg_analysis){
        .device_ns = 23456, .critical_path_ns = 6001, .bound_by = TG_BOUND_DEPENDENCY, .busy = {0.25, 0.5}};
    report.comparison = (struct pa_comparison){
        .pass = true, .max_abs_err = 1.5e-8, .max_rel_err = 2e-7, .tolerance = 1e-5};
    return report;
}

static struct pa_options options_of(const char *line)
{
    static char copy[256], *argv[8];
    struct pa_options options;
    struct failure failure;
    int argc = 1;
    (void)snprintf(copy, sizeof copy, "%s", line);
    argv[0] = copy;
    for (char *at = copy; (at = strchr(at, ' ')) != NULL;) {
        *at++ = '\0';
        argv[argc++] = at;
    }
    (void)pa_options_parse(argc, argv, &options, &failure);
    return options;
}

static void json_has_what_programs_look_for(void **state)
{
    (void)state;
    struct pa_report report = passed();
    struct pa_options options = options_of("x --case Case2 --schedule-seed 9 --blocks-per-task 3");
    json_of(&report, &options);
    static const char *const parts[] = {
        "\"case\": \"Case2\", \"pass\": true, \"status\": \"TG_OK\"",
        "\"platform\": \"a2a3sim\"",
        "\"runtime\": \"aicpu_build_graph\"",
        "\"build_mode\": \"concurrent\"",
        "\"seed\": 42",
        "\"schedule_seed\": 9",
        "\"blocks_per_task\": 3, \"packed\": false",
        "\"dtype\": \"fp32\"",
        "\"max_abs_err\": 1.5e-08",
        "\"max_rel_err\": 2e-07",
        "\"tolerance\": 1e-05",
        "\"tasks\": 16",
        "\"edges\": 15",
        "\"device_us\": 23.456",
        "\"first_start_us\": 3.100",
        "\"last_publish_us\": 10.007",
        "\"aic_used\": 4",
        "\"aiv_used\": 5",
        "\"bound_by\": \"dependency\"",
        "\"critical_path_us\": 6.001",
        "\"busy\": {\"aic\": 0.250000, \"aiv\": 0.500000}",
    };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) expect(parts[i]);
    assert_null(strstr(text, "message"));
    assert_string_equal(text + strlen(text) - 2, "}\n");
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1); /* one line */
}

static void a_packed_cache_is_told(void **state)
{
    (void)state;
    struct pa_report report = passed();
    struct pa_options options = options_of("x --case fp16 --packed");
    json_of(&report, &options);
    expect("\"packed\": true");
    FILE *stream = open_stream();
    pa_report_text(stream, &report, &options);
    close_stream(stream);
    expect(", packed\n");
}

static void what_is_not_known_is_null(void **state)
{
    (void)state;
    struct pa_report report = {.status = TG_ERR_ARGUMENT, .failure = {"unknown case"}};
    struct pa_options options = options_of("x --case none");
    json_of(&report, &options);
    static const char *const parts[] = {"\"case\": null",
                                        "\"pass\": false",
                                        "\"status\": \"TG_ERR_ARGUMENT\"",
                                        "\"message\": \"unknown case\"",
                                        "\"dtype\": null",
                                        "\"tasks\": null",
                                        "\"max_abs_err\": null",
                                        "\"device_us\": null",
                                        "\"bound_by\": null",
                                        "\"critical_path_us\": null",
                                        "\"busy\": null"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) expect(parts[i]);

    report = passed();
    options = options_of("x --load D");
    report.comparison.max_abs_err = INFINITY;
    report.comparison.max_rel_err = NAN;
    report.result.first_start_ns = UINT64_MAX;
    json_of(&report, &options);
    expect("\"case\": \"D\"");
    expect("\"seed\": null");
    expect("\"max_abs_err\": null");
    expect("\"max_rel_err\": null");
    expect("\"first_start_us\": null");
}

static void strings_are_escaped(void **state)
{
    (void)state;
    struct pa_report report = {.status = TG_ERR_FILE};
    struct pa_options options = options_of("x");
    static const struct {
        const char *message, *json;
    } strings[] = {
        {"a \"b\" \\c\n\t\x01", "\"a \\\"b\\\" \\\\c\\u000a\\u0009\\u0001\""},
        {"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80", "\"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80\""},
        {"\xff.\xc3", "\"\\ufffd.\\ufffd\""},
        {"\xc0\x80", "\"\\ufffd\\ufffd\""},                       /* an overlong form */
        {"\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\""},            /* a surrogate */
        {"\xf4\x90\x80\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\""}, /* behind the last character */
        {"\xe2\x82", "\"\\ufffd\\ufffd\""},                       /* cut off */
    };
    for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++) {
        (void)snprintf(report.failure.message, sizeof report.failure.message, "%s", strings[i].message);
        json_of(&report, &options);
        char wanted[128];
        (void)snprintf(wanted, sizeof wanted, "\"message\": %s", strings[i].json);
        expect(wanted);
    }
}

static void text_says_what_happened(void **state)
{
    (void)state;
    struct pa_report report = passed();
    struct pa_options options = options_of("x --case Case2");
    FILE *stream = open_stream();
    pa_report_text(stream, &report, &options);
    close_stream(stream);
    expect("Case2: batch 1, heads 16, KV heads 1, head_dim 16, block_size 16, context 64, fp32");
    expect("16 tasks, 15 edges");
    assert_null(strstr(text, "bound by")); /* there is no summary */
    expect("4 AIC, 5 AIV");
    expect("first task started at 3.10 us, last task published at 10.01 us");
    expect("\nPASS\n");

    options = options_of("x --runtime host_build_graph");
    report.status = TG_ERR_MISMATCH;
    report.longest = 70;
    stream = open_stream();
    pa_report_text(stream, &report, &options);
    close_stream(stream);
    expect("context 64 to 70");
    expect("host_build_graph, built before the launch");
    expect("\nFAIL\n");
}

static void a_failure_has_name_sentence_message_and_hint(void **state)
{
    (void)state;
    struct pa_report report = {.status = TG_ERR_FILE, .failure = {"x.npy: is missing"}};
    FILE *stream = open_stream();
    pa_report_failure(stream, &report);
    close_stream(stream);
    char wanted[512];
    (void)snprintf(wanted, sizeof wanted, "paged_attention: TG_ERR_FILE: %s: x.npy: is missing\n  hint: %s\n",
                   tg_status_text(TG_ERR_FILE), tg_status_hint(TG_ERR_FILE));
    assert_string_equal(text, wanted);

    report.status = TG_OK;
    stream = open_stream();
    pa_report_failure(stream, &report);
    close_stream(stream);
    assert_string_equal(text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_has_what_programs_look_for),
        cmocka_unit_test(a_packed_cache_is_told),
        cmocka_unit_test(what_is_not_known_is_null),
        cmocka_unit_test(strings_are_escaped),
        cmocka_unit_test(text_says_what_happened),
        cmocka_unit_test(a_failure_has_name_sentence_message_and_hint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
