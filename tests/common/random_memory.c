#include "common/random_memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check/memory/memory_check.h"

enum { TASKS_MAX = 24, EVENTS_MAX = 36, ACCESSES_MAX = 4, WORDS = 256, LINE_WORDS = 16 };
static const uint64_t base = 0x10000;

enum kind { LOAD, STORE, ADD_INT, ADD_FLOAT, PLAIN_LOAD, PLAIN_STORE, ATOMIC, KINDS };
static const char *const kind_names[] = {"loads",         "stores",         "adds integers to",  "adds floats to",
                                         "plainly loads", "plainly stores", "atomically updates"};

/* Words [first, first + n) that a node uses. */
struct use {
    enum kind kind;
    uint32_t first, n;
    int node;
};

/* A node is a task, or an access of the orchestration: its number is behind those of the tasks. */
struct run {
    random_memory_fn *draw;
    void *context;
    int n_tasks, n_events;
    uint64_t preds[TASKS_MAX];     /* tasks that a task waits for */
    uint64_t published[TASKS_MAX]; /* nodes that happen before its publication */
    bool is_published[TASKS_MAX], has_run[TASKS_MAX];
    uint64_t before[TASKS_MAX + EVENTS_MAX]; /* nodes that happen before each */
    uint64_t builder;                        /* nodes that the orchestration knows to have ended */
    struct use uses[(TASKS_MAX + EVENTS_MAX) * ACCESSES_MAX];
    int n_uses;
    struct tg_memory_check check;
    struct tg_finding_list findings;
    char *text;
    size_t at, n_text;
};

static uint64_t bit(int node) { return (uint64_t)1 << node; }
static uint32_t below(const struct run *r, uint32_t n) { return r->draw(r->context, n); }

static void say(struct run *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(struct run *r, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const int n = r->at < r->n_text ? vsnprintf(r->text + r->at, r->n_text - r->at, format, args) : 0;
    va_end(args);
    r->at += n > 0 ? (size_t)n : 0;
}

/* ---- the events -------------------------------------------------------------------------------------------------- */

static void use(struct run *r, int node, bool by_task)
{
    struct use *u = &r->uses[r->n_uses++];
    static const enum kind of_builder[] = {PLAIN_LOAD, PLAIN_STORE};
    u->kind = by_task ? (enum kind)below(r, KINDS) : of_builder[below(r, 2)];
    u->first = below(r, WORDS);
    u->n = 1 + below(r, 4);
    if (u->first + u->n > WORDS) u->n = WORDS - u->first;
    u->node = node;
    say(r, "  %s words %u to %u\n", kind_names[u->kind], u->first, u->first + u->n);
    struct tg_access access = {.address = base + 4 * u->first, .bytes = 4 * u->n, .op = "op", .file = "k.c"};
    access.line = (uint32_t)r->n_uses;
    access.plain = u->kind == PLAIN_LOAD || u->kind == PLAIN_STORE;
    if (u->kind == ADD_INT || u->kind == ADD_FLOAT) access.adds = u->kind == ADD_INT ? TG_INT32 + 1 : TG_FP32 + 1;
    const int32_t who = by_task ? node : TG_BUILDER;
    if (u->kind == ATOMIC) tg_memory_check_access(&r->check, who, &access);
    access.write = u->kind != LOAD && u->kind != PLAIN_LOAD;
    tg_memory_check_access(&r->check, who, &access);
}

/* The orchestration publishes the next task, waits for one that has run, or uses memory. */
static void go_on(struct run *r, int *n_published)
{
    const int task = (int)below(r, (uint32_t)r->n_tasks);
    switch (below(r, 4)) {
    case 0:
        if (!r->has_run[task]) return;
        say(r, "waits for %d\n", task);
        tg_memory_check_waited(&r->check, task);
        r->builder |= r->before[task] | bit(task);
        break;
    case 1: {
        if (r->n_events == EVENTS_MAX) return;
        const int node = TASKS_MAX + r->n_events++;
        r->before[node] = r->builder;
        r->builder |= bit(node);
        say(r, "the orchestration\n");
        use(r, node, false);
        break;
    }
    default:
        if (*n_published == r->n_tasks) return;
        say(r, "publishes %d\n", *n_published);
        tg_memory_check_published(&r->check, *n_published);
        r->published[*n_published] = r->builder;
        r->is_published[(*n_published)++] = true;
        break;
    }
}

static bool can_run(const struct run *r, int task)
{
    bool can = r->is_published[task] && !r->has_run[task];
    for (int from = 0; from < r->n_tasks; from++) can &= !(r->preds[task] & bit(from)) || r->has_run[from];
    return can;
}

static void run_task(struct run *r, int task)
{
    r->has_run[task] = true;
    r->before[task] = r->published[task];
    for (int from = 0; from < r->n_tasks; from++)
        if (r->preds[task] & bit(from)) r->before[task] |= r->before[from] | bit(from);
    say(r, "task %d\n", task);
    tg_memory_check_start(&r->check, task);
    for (uint32_t n = 1 + below(r, ACCESSES_MAX); n > 0; n--) use(r, task, true);
}

static void add_tasks(struct run *r)
{
    const uint32_t n_edges = 1 + below(r, 12);
    for (int task = 0; task < r->n_tasks; task++) {
        tg_memory_check_added(&r->check, task, "kern", "plan.c", 100 + task);
        for (uint32_t e = 0; e < n_edges && task > 0; e++) {
            const int from = (int)below(r, (uint32_t)task);
            if (r->preds[task] & bit(from)) continue;
            r->preds[task] |= bit(from);
            say(r, "edge %d to %d\n", from, task);
            tg_memory_check_edge(&r->check, from, task);
        }
    }
}

/* Events in any order that a device could have. It ends: a source of chance that gives zeros only publishes nothing. */
static void happen(struct run *r)
{
    int n_published = 0;
    for (int steps = 0; steps < 8 * TASKS_MAX; steps++) {
        const int task = (int)below(r, (uint32_t)r->n_tasks);
        if (can_run(r, task)) run_task(r, task);
        else go_on(r, &n_published);
    }
}

/* ---- the oracle -------------------------------------------------------------------------------------------------- */

static bool writes(const struct use *u) { return u->kind != LOAD && u->kind != PLAIN_LOAD; }

static bool in_one_line(const struct use *plain, const struct use *other)
{
    const uint32_t low = plain->first / LINE_WORDS * LINE_WORDS;
    const uint32_t high = (plain->first + plain->n + LINE_WORDS - 1) / LINE_WORDS * LINE_WORDS;
    return other->first < high && other->first + other->n > low;
}

static void compare(const struct run *r, const struct use *a, const struct use *b,
                    struct random_memory_verdict *verdict)
{
    if (a->node == b->node || r->before[b->node] & bit(a->node) || r->before[a->node] & bit(b->node)) return;
    if (!writes(a) && !writes(b)) return;
    const bool commute = a->kind == b->kind && (a->kind == ADD_INT || a->kind == ADD_FLOAT);
    const bool meet = a->first < b->first + b->n && b->first < a->first + a->n;
    if (meet && !commute) verdict->race = true;
    if (!writes(a) || !writes(b)) return;
    const bool a_caches = a->kind == PLAIN_STORE && a->node < TASKS_MAX;
    const bool b_caches = b->kind == PLAIN_STORE && b->node < TASKS_MAX;
    if ((a_caches && in_one_line(a, b)) || (b_caches && in_one_line(b, a))) verdict->line = true;
}

void random_memory_judge(random_memory_fn *draw, void *context, struct random_memory_verdict *check,
                         struct random_memory_verdict *oracle, char *text, size_t n_text)
{
    static uint32_t contents[WORDS];
    static struct run r;
    memset(&r, 0, sizeof r);
    r.draw = draw;
    r.context = context;
    r.text = text;
    r.n_text = n_text;
    text[0] = '\0';
    r.n_tasks = 2 + (int)below(&r, below(&r, 2) ? TASKS_MAX - 1 : 5);
    if (tg_memory_check_init(&r.check, &r.findings, false) != TG_OK) abort();
    tg_memory_check_device(&r.check, base, sizeof contents);
    const struct tg_tensor tensor = {"data", contents, sizeof contents, WORDS, TG_INOUT};
    tg_memory_check_tensor(&r.check, base, &tensor, 0);
    add_tasks(&r);
    happen(&r);
    memset(oracle, 0, sizeof *oracle);
    for (int i = 0; i < r.n_uses; i++)
        for (int k = i + 1; k < r.n_uses; k++) compare(&r, &r.uses[i], &r.uses[k], oracle);
    memset(check, 0, sizeof *check);
    for (size_t i = 0; i < r.findings.n; i++) {
        const enum tg_finding_code code = r.findings.items[i].code;
        check->race |= code == TG_FINDING_TASK_RACE || code == TG_FINDING_BUILDER_RACE;
        check->line |= code == TG_FINDING_LINE_RACE;
        say(&r, "%s: %s\n", tg_finding_name(code), r.findings.items[i].what);
    }
    if ((r.check.n_unordered > 0) != (check->race || check->line) || tg_memory_check_lost(&r.check)) abort();
    tg_memory_check_fini(&r.check);
    tg_finding_list_fini(&r.findings);
}
