#include "graph/verdict.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAMED_MAX = 6 };

/* Text in a fixed buffer, truncated at the buffer's end. */
struct text {
    char *at;
    size_t left;
};

static void say(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(struct text *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text->at, text->left, format, args);
    va_end(args);
    size_t used = n < 0 ? 0 : (size_t)n < text->left ? (size_t)n : text->left - 1;
    text->at += used;
    text->left -= used;
}

static void say_task(struct text *text, const struct tg_task *task)
{
    char name[256];
    say(text, "%s", tg_task_describe(task, name, sizeof name));
}

/* ---- counting ---- */

struct census {
    uint64_t n_incomplete, n_unpublished;
    const struct tg_task *unpublished[NAMED_MAX];
};

static void count(void *context, struct tg_task *task)
{
    struct census *census = context;
    census->n_incomplete++;
    if (task->published) return;
    if (census->n_unpublished < NAMED_MAX) census->unpublished[census->n_unpublished] = task;
    census->n_unpublished++;
}

static void say_unpublished(struct text *text, const struct census *census)
{
    say(text, "%llu of %llu unfinished tasks were never published: ", (unsigned long long)census->n_unpublished,
        (unsigned long long)census->n_incomplete);
    for (uint64_t i = 0; i < census->n_unpublished && i < NAMED_MAX; i++) {
        if (i > 0) say(text, ", ");
        say_task(text, census->unpublished[i]);
    }
    if (census->n_unpublished > NAMED_MAX) say(text, ", ...");
    uint64_t waiting = census->n_incomplete - census->n_unpublished;
    if (waiting > 0) say(text, "; %llu published tasks wait behind them", (unsigned long long)waiting);
}

/* ---- cycles ---- */

/*
 * When every unfinished task is published and none runs or is ready, each waits for another unfinished one. A walk
 * along "waits for" from any of them therefore reaches a cycle. One pass over all successors finds one unfinished
 * predecessor of each task.
 */
struct search {
    struct tg_task **tasks;        /* [n] unfinished, by id */
    const struct tg_task **blocks; /* [n] one unfinished task that tasks[i] waits for; NULL: no such task */
    uint64_t n;
};

static void collect(void *context, struct tg_task *task)
{
    struct search *search = context;
    search->tasks[search->n++] = task;
}

/* The index of a task in search->tasks, which is sorted by id. */
static uint64_t place(const struct search *search, const struct tg_task *task)
{
    uint64_t low = 0, high = search->n;
    while (high - low > 1) {
        uint64_t middle = low + (high - low) / 2;
        if (search->tasks[middle]->id <= task->id) low = middle;
        else high = middle;
    }
    return low;
}

static void find_blockers(struct search *search)
{
    for (uint64_t i = 0; i < search->n; i++)
        for (const struct tg_edge *edge = tg_task_successors(search->tasks[i]); edge; edge = edge->next)
            search->blocks[place(search, edge->to)] = search->tasks[i];
}

/* A task on a cycle: after n steps along "waits for" the walk is on one. NULL: a task without an unfinished
 * predecessor. */
static const struct tg_task *on_cycle(const struct search *search)
{
    if (search->n == 0) return NULL;
    const struct tg_task *task = search->tasks[0];
    for (uint64_t step = 0; task && step < search->n; step++) task = search->blocks[place(search, task)];
    return task;
}

static void say_cycle(struct text *text, const struct search *search, const struct tg_task *start)
{
    uint64_t length = 0;
    const struct tg_task *task = start;
    do {
        if (length < NAMED_MAX) {
            say_task(text, task);
            say(text, " waits for ");
        }
        length++;
        task = search->blocks[place(search, task)];
    } while (task != start);
    if (length > NAMED_MAX) say(text, "... which waits for ");
    say(text, "task %d again: a cycle of %llu tasks; %llu tasks cannot run", start->id, (unsigned long long)length,
        (unsigned long long)search->n);
}

static enum tg_status judge_cycle(struct tg_graph *graph, uint64_t n_incomplete, struct text *text)
{
    struct search search = {.n = 0};
    search.tasks = malloc(n_incomplete * sizeof(struct tg_task *));
    search.blocks = calloc(n_incomplete, sizeof(const struct tg_task *));
    enum tg_status status = TG_ERR_MEMORY;
    if (search.tasks && search.blocks) {
        tg_graph_each_incomplete(graph, collect, &search);
        find_blockers(&search);
        const struct tg_task *task = on_cycle(&search);
        status = task ? TG_ERR_DEADLOCK_CYCLE : TG_OK;
        if (task) say_cycle(text, &search, task);
    }
    if (status == TG_ERR_MEMORY)
        say(text, "nothing can move, and there is no memory to look for the cycle among %llu tasks",
            (unsigned long long)n_incomplete);
    free(search.tasks);
    free((void *)search.blocks);
    return status;
}

enum tg_status tg_graph_verdict(struct tg_graph *graph, char *buffer, size_t n_bytes)
{
    struct text text = {buffer, n_bytes};
    buffer[0] = '\0';
    struct census census = {0};
    tg_graph_each_incomplete(graph, count, &census);
    if (census.n_unpublished > 0) {
        say_unpublished(&text, &census);
        return TG_ERR_DEADLOCK_UNPUBLISHED;
    }
    if (census.n_incomplete == 0) return TG_OK;
    return judge_cycle(graph, census.n_incomplete, &text);
}

enum tg_status tg_graph_verdict_wait(struct tg_graph *graph, int64_t id, char *text, size_t n_bytes)
{
    char why[1024];
    enum tg_status status = tg_graph_verdict(graph, why, sizeof why);
    snprintf(text, n_bytes, "the builder waits for task %lld, and %s", (long long)id,
             status == TG_OK ? "nothing can move" : why);
    return TG_ERR_DEADLOCK_WAIT;
}
