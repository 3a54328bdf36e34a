/* chrome.c: the trace is JSON, each task is a slice, each edge an arrow, and equal records give equal files. */
#include <stdlib.h>
#include <unistd.h>

#include "common/check.h"
#include "common/folder.h"
#include "common/json.h"
#include "common/made.h"
#include "common/rig.h"
#include "trace/chrome.h"

static struct made made;
static struct folder folder;

static int clear(void **state)
{
    (void)state;
    memset(&made, 0, sizeof made);
    folder_make(&folder);
    return 0;
}

static int release(void **state)
{
    (void)state;
    made_fini(&made);
    folder_remove(&folder);
    return 0;
}

static struct json *write_trace(void)
{
    const char *path = folder_at(&folder, "trace.json");
    assert_int_equal(tg_chrome_write(&made.index, path), TG_OK);
    size_t n_bytes, where;
    char *text = rig_read_file(path, &n_bytes);
    struct json *json = json_parse(text, &where);
    CHECK(json, "no JSON from byte %zu on: %.60s", where, text + where);
    free(text);
    return json;
}

static const struct json *events_of(const struct json *trace)
{
    const struct json *events = json_get(trace, "traceEvents");
    assert_true(events && events->type == JSON_ARRAY);
    return events->first;
}

static bool is(const struct json *event, const char *name, const char *text)
{
    const struct json *value = json_get(event, name);
    return value && value->type == JSON_STRING && strcmp(value->string, text) == 0;
}

static const struct json *slice_of(const struct json *trace, int task)
{
    for (const struct json *event = events_of(trace); event; event = event->next) {
        const struct json *args = json_get(event, "args"), *id = args ? json_get(args, "task") : NULL;
        if (id && (int)id->number == task) return event;
    }
    return NULL;
}

static int task_at(const struct json *trace, double tid, double ts)
{
    for (const struct json *event = events_of(trace); event; event = event->next) {
        if (!is(event, "ph", "X") || json_number(event, "tid") != tid) continue;
        double start = json_number(event, "ts");
        if (ts >= start && ts < start + json_number(event, "dur") - 1e-6) /* a sum of two decimals is not exact */
            return (int)json_number(json_get(event, "args"), "task");
    }
    fail_msg("no slice of track %g at %g", tid, ts);
    return -1;
}

/* Count every edge once, from slices that name their chain, and from the flows of the others. */
static size_t count_arrows(const struct json *trace, struct tg_record_edge *edges)
{
    size_t n = 0;
    char *chains[MADE_TASKS_MAX];
    int last_of[MADE_TASKS_MAX], n_chains = 0;
    for (const struct json *event = events_of(trace); event; event = event->next) {
        const struct json *bind = json_get(event, "bind_id");
        if (bind) { /* slices come by their start */
            int chain = 0, task = (int)json_number(json_get(event, "args"), "task");
            while (chain < n_chains && strcmp(chains[chain], bind->string) != 0) chain++;
            bool in = json_get(event, "flow_in") != NULL;
            CHECK(in == (chain < n_chains), "task %d begins or goes on with chain %s", task, bind->string);
            if (in) edges[n++] = (struct tg_record_edge){last_of[chain], task};
            else chains[n_chains++] = bind->string;
            last_of[chain] = json_get(event, "flow_out") ? task : -1;
        }
        if (is(event, "ph", "s")) {
            const struct json *end = event->next;
            assert_true(end && is(end, "ph", "f") && is(end, "bp", "e"));
            assert_true(json_number(event, "id") == json_number(end, "id"));
            edges[n++] = (struct tg_record_edge){task_at(trace, json_number(event, "tid"), json_number(event, "ts")),
                                                 task_at(trace, json_number(end, "tid"), json_number(end, "ts"))};
        }
    }
    return n;
}

static int by_ends(const void *left, const void *right)
{
    const struct tg_record_edge *a = left, *b = right;
    if (a->from != b->from) return a->from < b->from ? -1 : 1;
    return (a->to > b->to) - (a->to < b->to);
}

static void a_task_is_a_slice(void **state)
{
    (void)state;
    made_init(&made, 1, 2, 3000000);
    made_task(&made, 0,
              (struct tg_record_task){.func_id = 2,
                                      .published_ns = 1,
                                      .start_ns = 1234567,
                                      .end_ns = 1236568,
                                      .label = "seq \"3\"\n",
                                      .kernel.pipe_busy_ns[PIPE_MTE1] = 1007});
    made_task(&made, 2, (struct tg_record_task){.func_id = 3, .published_ns = 1, .start_ns = 5, .end_ns = 6});
    made_span(&made, 1, TG_SPAN_DISPATCH, 10, 30);
    made_index(&made);
    struct json *trace = write_trace();
    const struct json *slice = slice_of(trace, 0), *args = json_get(slice, "args");
    assert_string_equal(json_string(slice, "ph"), "X");
    assert_string_equal(json_string(slice, "name"), "aic_two");
    assert_true(json_number(slice, "ts") == 1234.567 && json_number(slice, "dur") == 2.001);
    assert_string_equal(json_string(args, "label"), "seq \"3\"\n");
    assert_true(json_number(args, "MTE1") == 1.007);
    assert_null(json_get(args, "MTE2"));
    assert_string_equal(json_string(slice_of(trace, 1), "name"), "aiv_three");
    assert_null(json_get(json_get(slice_of(trace, 1), "args"), "label"));

    size_t n_tracks = 0, n_spans = 0;
    for (const struct json *event = events_of(trace); event; event = event->next) {
        const struct json *names = json_get(event, "args");
        bool names_track = is(event, "name", "thread_name");
        n_tracks += names_track;
        if (names_track && json_number(event, "tid") == json_number(slice_of(trace, 1), "tid"))
            assert_string_equal(json_string(names, "name"), "core 2 AIV");
        if (is(event, "name", "dispatch")) {
            assert_true(json_number(event, "ts") == 0.01 && json_number(event, "dur") == 0.02);
            n_spans++;
        }
    }
    assert_int_equal(n_tracks, 2 + 3);
    assert_int_equal(n_spans, 1);
    json_free(trace);
}

static void an_edge_is_an_arrow(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        static struct tg_record_edge drawn[MADE_EDGES_MAX];
        made_random(&made, seed);
        made_index(&made);
        struct json *trace = write_trace();
        size_t n = count_arrows(trace, drawn);
        assert_int_equal(n, made.record.n_edges);
        qsort(drawn, n, sizeof *drawn, by_ends);
        qsort(made.record.edges, n, sizeof *drawn, by_ends);
        if (n > 0) assert_memory_equal(drawn, made.record.edges, n * sizeof *drawn);
        json_free(trace);
        made_fini(&made);
    }
    made_init(&made, 1, 1, 0);
}

/* A pipe that worked has one track, and each of its instructions is a slice there; the others have none. */
static void an_instruction_of_a_pipe_is_a_slice(void **state)
{
    (void)state;
    static struct tg_record_step steps[] = {{1000, 2500, 0, PIPE_MTE2, TG_OP_TLOAD},
                                            {2500, 2600, 1, PIPE_V, TG_OP_TEXP},
                                            {2600, 2700, 0, PIPE_MTE2, TG_OP_TLOAD}};
    made_init(&made, 1, 1, 5000);
    made_index(&made);
    made.record.steps = steps;
    made.record.n_steps = 3;
    struct json *trace = write_trace();
    made.record.steps = NULL; /* not the record's to free */
    made.record.n_steps = 0;
    int n_tracks = 0, n_slices = 0;
    double track = -1;
    for (const struct json *event = events_of(trace); event; event = event->next) {
        if (json_number(event, "pid") != 3) continue;
        if (is(event, "name", "thread_name")) {
            n_tracks++;
            if (is(json_get(event, "args"), "name", "core 0 MTE2")) track = json_number(event, "tid");
        }
        if (!is(event, "ph", "X")) continue;
        n_slices++;
        assert_true(is(event, "name", "TLOAD") == (json_number(event, "tid") == track));
        assert_true(is(event, "name", "TLOAD") || is(event, "name", "TEXP"));
    }
    assert_int_equal(n_tracks, 2);
    assert_int_equal(n_slices, 3);
    assert_true(track >= 0);
    json_free(trace);
}

static void equal_records_give_equal_files(void **state)
{
    (void)state;
    char *texts[2];
    size_t n_bytes[2];
    for (int i = 0; i < 2; i++) {
        made_random(&made, 77);
        made_index(&made);
        assert_int_equal(tg_chrome_write(&made.index, folder_at(&folder, "again.json")), TG_OK);
        texts[i] = rig_read_file(folder_at(&folder, "again.json"), &n_bytes[i]);
        made_fini(&made);
    }
    assert_int_equal(n_bytes[0], n_bytes[1]);
    assert_memory_equal(texts[0], texts[1], n_bytes[0]);
    free(texts[0]);
    free(texts[1]);
    made_init(&made, 1, 1, 0);
}

static void an_empty_record_is_a_trace(void **state)
{
    (void)state;
    made_init(&made, 1, 1, 0);
    made_index(&made);
    json_free(write_trace());
}

static void a_place_that_cannot_be_written(void **state)
{
    (void)state;
    made_init(&made, 1, 1, 0);
    made_index(&made);
    assert_int_equal(tg_chrome_write(&made.index, folder_at(&folder, "none/trace.json")), TG_ERR_FILE);
    assert_non_null(strstr(tg_last_message(), "none/trace.json"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_task_is_a_slice, clear, release),
        cmocka_unit_test_setup_teardown(an_edge_is_an_arrow, clear, release),
        cmocka_unit_test_setup_teardown(an_instruction_of_a_pipe_is_a_slice, clear, release),
        cmocka_unit_test_setup_teardown(equal_records_give_equal_files, clear, release),
        cmocka_unit_test_setup_teardown(an_empty_record_is_a_trace, clear, release),
        cmocka_unit_test_setup_teardown(a_place_that_cannot_be_written, clear, release),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
