#include "common/timeline.h"

#include <stdlib.h>

#include "common/check.h"
#include "common/json.h"
#include "common/rig.h"

/* Slices of other things than tasks have no task among their arguments. */
static const struct json *task_of(const struct json *event)
{
    const struct json *args = json_get(event, "args");
    if (strcmp(json_string(event, "ph"), "X") != 0 || !args) return NULL;
    const struct json *task = json_get(args, "task");
    return task && task->type == JSON_NUMBER ? task : NULL;
}

static void add(struct timeline *timeline, const struct json *event, int task)
{
    timeline->tasks = realloc(timeline->tasks, (timeline->n + 1) * sizeof *timeline->tasks);
    assert_non_null(timeline->tasks);
    struct timeline_task *t = &timeline->tasks[timeline->n++];
    t->task = task;
    t->core = (int)json_number(event, "tid");
    t->start = json_number(event, "ts");
    t->end = t->start + json_number(event, "dur");
    snprintf(t->kernel, sizeof t->kernel, "%s", json_string(event, "name"));
}

static int compare(const void *left, const void *right)
{
    const struct timeline_task *a = left, *b = right;
    return (a->task > b->task) - (a->task < b->task);
}

void timeline_read(struct timeline *timeline, const char *path)
{
    size_t n_bytes, where;
    char *text = rig_read_file(path, &n_bytes);
    struct json *trace = json_parse(text, &where);
    CHECK(trace, "%s is no JSON from byte %zu on: %.40s", path, where, text + where);
    const struct json *events = json_get(trace, "traceEvents");
    CHECK(events && events->type == JSON_ARRAY, "%s has no traceEvents", path);
    memset(timeline, 0, sizeof *timeline);
    for (const struct json *event = events->first; event; event = event->next) {
        const struct json *task = task_of(event);
        if (task) add(timeline, event, (int)task->number);
    }
    if (timeline->n > 0) qsort(timeline->tasks, timeline->n, sizeof *timeline->tasks, compare);
    json_free(trace);
    free(text);
}

void timeline_free(struct timeline *timeline)
{
    free(timeline->tasks);
    memset(timeline, 0, sizeof *timeline);
}
