/* pa_options.c: values are read exactly, wrong combinations are refused, and every message names the allowed values. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pa_options.h"

static struct failure why;

/* Parse a command line given as one text, a space between two arguments. */
static enum tg_status parse(const char *line, struct pa_options *out)
{
    static char copy[1024], *argv[64];
    int argc = 1;
    why.message[0] = '\0';
    (void)snprintf(copy, sizeof copy, "%s", line);
    argv[0] = copy;
    for (char *at = copy; (at = strchr(at, ' ')) != NULL && argc < 63;) {
        *at++ = '\0';
        argv[argc++] = at;
    }
    argv[argc] = NULL;
    return pa_options_parse(argc, argv, out, &why);
}

static struct pa_options accept(const char *line)
{
    struct pa_options options;
    if (parse(line, &options) != TG_OK) fail_msg("%s: %s", line, why.message);
    return options;
}

static void refuse(const char *line, const char *message)
{
    struct pa_options options;
    if (parse(line, &options) != TG_ERR_ARGUMENT) fail_msg("%s: is accepted", line);
    if (!strstr(why.message, message)) fail_msg("%s: expected '%s' in '%s'", line, message, why.message);
    assert_null(options.lengths); /* nothing to free */
    assert_null(options.drawn.name);
}

static void defaults_are_case1_on_the_simulator(void **state)
{
    (void)state;
    struct pa_options o = accept("paged_attention");
    assert_string_equal(o.platform, "a2a3sim");
    assert_string_equal(o.drawn.name, "Case1");
    assert_int_equal(o.seed, 42);
    assert_int_equal(o.run.runtime, TG_AICPU_BUILD_GRAPH);
    assert_int_equal(o.run.build_mode, TG_BUILD_CONCURRENT);
    assert_int_equal(o.run.block_dim, 24);
    assert_int_equal(o.run.aicpu_thread_num, 3);
    assert_int_equal(o.blocks_per_task, 1);
    assert_int_equal(accept("paged_attention -p cpu").blocks_per_task, 0); /* by the problem */
    assert_int_equal(o.run.schedule_seed, 0);
    assert_false(o.json || o.help || o.has_dtype || o.packed);
    assert_true(o.run.record); /* the summary is made from it */
    assert_null(o.load_dir);
    pa_options_free(&o);
}

static void every_option_is_read(void **state)
{
    (void)state;
    struct pa_options o = accept(
        "x -p a2a3sim --case gqa --batch 3 --heads 8 --kv-heads 2 --head-dim 32 --block-size 8 "
        "--context 5,0,2147483647 --dtype bf16 --runtime aicpu_build_graph --build-mode concurrent --block-dim 4 "
        "--aicpu-threads 2 --window 9 --blocks-per-task 64 --seed 18446744073709551615 --schedule-seed 7 --schedules 5 "
        "--pipes early --save S --trace T --graph G --report R --program P --json --packed -v -v");
    assert_string_equal(o.drawn.name, "custom");
    assert_int_equal(o.drawn.shape.batch, 3);
    assert_int_equal(o.drawn.shape.heads, 8);
    assert_int_equal(o.drawn.shape.kv_heads, 2);
    assert_int_equal(o.drawn.shape.head_dim, 32);
    assert_int_equal(o.drawn.shape.block_size, 8);
    assert_int_equal(o.drawn.shape.dtype, PA_BF16);
    assert_int_equal(pa_case_length(&o.drawn, 0), 5);
    assert_int_equal(pa_case_length(&o.drawn, 1), 0);
    assert_int_equal(pa_case_length(&o.drawn, 2), INT32_MAX);
    assert_int_equal(o.run.block_dim, 4);
    assert_int_equal(o.run.aicpu_thread_num, 2);
    assert_int_equal(o.run.window, 9);
    assert_int_equal(o.run.schedule_seed, 7);
    assert_int_equal(o.run.schedules, 5);
    assert_int_equal(o.run.pipe_order, TG_PIPE_ORDER_EARLY);
    assert_int_equal(o.blocks_per_task, 64);
    assert_true(o.seed == UINT64_MAX);
    assert_true(o.run.record && o.json && o.has_dtype && o.packed);
    assert_int_equal(o.verbosity, 2);
    assert_string_equal(o.save_dir, "S");
    assert_string_equal(o.trace_path, "T");
    assert_string_equal(o.graph_path, "G");
    assert_string_equal(o.report_path, "R");
    assert_string_equal(o.program_dir, "P");
    pa_options_free(&o);
}

static void every_case_is_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < pa_n_cases; i++) {
        char line[128];
        (void)snprintf(line, sizeof line, "x --case=%s", pa_cases[i].name);
        struct pa_options o = accept(line);
        assert_string_equal(o.drawn.name, pa_cases[i].name);
        assert_true(o.drawn.n_lengths == 1 || o.drawn.n_lengths == o.drawn.shape.batch);
        assert_int_equal(o.drawn.shape.heads % o.drawn.shape.kv_heads, 0);
        pa_options_free(&o);
    }
}

static void one_length_holds_for_all_and_a_list_says_the_batch(void **state)
{
    (void)state;
    struct pa_options o = accept("x --batch 4 --context 33");
    assert_int_equal(o.drawn.shape.batch, 4);
    assert_int_equal(pa_case_length(&o.drawn, 3), 33);
    pa_options_free(&o);
    o = accept("x --context 3,2,1");
    assert_int_equal(o.drawn.shape.batch, 3);
    pa_options_free(&o);
    refuse("x --batch 2 --context 3,2,1", "--context has 3 values, --batch is 2");
    refuse("x --case ragged --batch 2", "case ragged has 6 context lengths, --batch is 2");
}

static void unknown_names_are_answered_with_the_known_ones(void **state)
{
    (void)state;
    refuse("x --colour red", "unknown option '--colour'; --help lists the options");
    refuse("x Case1", "unknown option 'Case1'");
    refuse("x --case Case3", "unknown case 'Case3': did you mean Case1?");
    refuse("x --case nothing-near", "unknown case 'nothing-near'; there are Case1, Case2, shared-blocks");
    refuse("x --versoin", "unknown option '--versoin': did you mean --version?");
    refuse("x --cas=Case1", "unknown option '--cas=Case1': did you mean --case?");
    refuse("x --help chekcs", "unknown topic 'chekcs': did you mean checks?");
    refuse("x --dtype fp33", "unknown --dtype 'fp33': did you mean fp32?");
    refuse("x --dtype double", "there are fp32, fp16, bf16");
    refuse("x --build-mode lazy", "there are concurrent, sequential");
    refuse("x --runtime other", "aicpu_build_graph");
    refuse("x --runtime other", "host_build_graph");
    refuse("x --runtime tensormap_and_ringbuffer", "host_build_graph");
}

static void numbers_are_whole_and_in_range(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "--batch 0",           "--batch -1",     "--batch 1.0",   "--batch 0x10",         "--batch 2147483648",
        "--batch 1e3",         "--batch +1",     "--heads x",     "--heads 1x",           "--kv-heads 0",
        "--head-dim 0",        "--block-size 0", "--seed -1",     "--seed 1_000",         "--seed 18446744073709551616",
        "--window 4294967296", "--block-dim -1", "--context -1",  "--context 5,,6",       "--context ,",
        "--context 5,",        "--context 1,x",  "--context 5;6", "--context 2147483648",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char line[128];
        (void)snprintf(line, sizeof line, "x %s", wrong[i]);
        refuse(line, "is not a whole number from ");
    }
    refuse("x --context 1,2,y,4", "--context value 3 'y'");
    refuse("x --blocks-per-task 0", "--blocks-per-task '0' is not a whole number from 1 to 64");
    refuse("x --blocks-per-task 65", "--blocks-per-task '65' is not a whole number from 1 to 64");
    refuse("x --batch 7q", "--batch '7q' is not a whole number from 1 to 2147483647");
}

static void values_are_needed_where_there_are_any(void **state)
{
    (void)state;
    refuse("x --case", "--case needs a value: NAME");
    refuse("x --seed=", "--seed needs a value: N");
    refuse("x --json=yes", "--json takes no value");
    refuse("x --seed 1 --seed 2", "--seed is given twice");
}

static void options_that_do_not_combine_are_refused(void **state)
{
    (void)state;
    static const char *const drawing[] = {"--case Case1", "--batch 1",      "--heads 1",   "--kv-heads 1",
                                          "--head-dim 8", "--block-size 8", "--context 1", "--seed 1"};
    for (size_t i = 0; i < sizeof drawing / sizeof drawing[0]; i++) {
        char line[128], name[32];
        (void)snprintf(line, sizeof line, "x --load D %s", drawing[i]);
        (void)snprintf(name, sizeof name, "%.*s does not", (int)strcspn(drawing[i], " "), drawing[i]);
        refuse(line, name);
    }
    refuse("x --runtime host_build_graph --build-mode concurrent", "--build-mode concurrent does not combine");
    refuse("x --runtime host_build_graph --window 5", "--window does not combine with --runtime host_build_graph");
    refuse("x --trace F --graph G --report F", "--trace and --report would both write F; name two files");
    pa_options_free((struct pa_options[]){accept("x --trace /dev/null --report /dev/null")});
    refuse("x --build-mode sequential --window 5", "--window does not combine with --build-mode sequential");
    struct pa_options o = accept("x --load D --dtype bf16 --runtime host_build_graph --build-mode sequential "
                                 "--blocks-per-task 2");
    assert_string_equal(o.load_dir, "D");
    assert_int_equal(o.run.runtime, TG_HOST_BUILD_GRAPH);
    pa_options_free(&o);
}

static void json_is_known_even_of_a_refused_line(void **state)
{
    (void)state;
    struct pa_options o;
    assert_int_equal(parse("x --case Case9 --json", &o), TG_ERR_ARGUMENT);
    assert_true(o.json);
    assert_int_equal(parse("x --bad --json", &o), TG_ERR_ARGUMENT);
    assert_true(o.json);
}

/* The screen of a topic, as text that is valid until the next call. */
static char *screen(const char *topic)
{
    static char text[8192];
    FILE *stream = tmpfile();
    assert_non_null(stream);
    pa_options_print_help(stream, topic);
    rewind(stream);
    text[fread(text, 1, sizeof text - 1, stream)] = '\0';
    fclose(stream);
    return text;
}

static void help_has_a_screen_for_each_topic(void **state)
{
    (void)state;
    assert_string_equal(accept("x --case Case9 -h").help, "");
    assert_string_equal(accept("x --help checks").help, "checks");
    assert_true(accept("x --version").version);
    static const struct {
        const char *topic, *has;
    } rows[] = {{"", "Usage: paged_attention"},
                {"", "problem, run, checks, files, output, cases, exit-codes"},
                {"problem", "--context L1,L2,..."},
                {"run", "-p PLATFORM"},
                {"checks", "--schedule-seed N"},
                {"files", "--trace FILE"},
                {"output", "--json"},
                {"cases", "PA-1"},
                {"exit-codes", "3 finding"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *text = screen(rows[i].topic);
        assert_non_null(strstr(text, rows[i].has));
        int n_lines = 0;
        for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"), n_lines++)
            if (strlen(line) > 80) fail_msg("too wide: %s", line);
        assert_true(n_lines <= 24);
    }
    const char *cases = screen("cases");
    for (size_t i = 0; i < pa_n_cases; i++) assert_non_null(strstr(cases, pa_cases[i].name));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_case1_on_the_simulator),
        cmocka_unit_test(every_option_is_read),
        cmocka_unit_test(every_case_is_found),
        cmocka_unit_test(one_length_holds_for_all_and_a_list_says_the_batch),
        cmocka_unit_test(unknown_names_are_answered_with_the_known_ones),
        cmocka_unit_test(numbers_are_whole_and_in_range),
        cmocka_unit_test(values_are_needed_where_there_are_any),
        cmocka_unit_test(options_that_do_not_combine_are_refused),
        cmocka_unit_test(json_is_known_even_of_a_refused_line),
        cmocka_unit_test(help_has_a_screen_for_each_topic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
