#include "arrays/arrays.h"

#include <stdlib.h>
#include <string.h>

#include "arrays/touched.h"
#include "base/error.h"
#include "base/grow.h"
#include "machine/machine.h"

/* A task by its id, or all tasks of a kernel. */
struct choice {
    int32_t task_id; /* -1: by kernel */
    uint16_t func_id;
};

/* Zero is empty. */
struct choices {
    struct choice *items; /* [n], owned */
    size_t n, capacity;
};

/* A core that has run a kernel. */
struct kept_core {
    struct tg_touched touched; /* of the running kernel */
    struct tg_kept *running;   /* owned; NULL: the kernel is not a chosen one */
    struct tg_kept **kept;     /* [n_kept], owned, as what they point to */
    size_t n_kept, capacity;
    bool lost; /* memory ran out */
};

struct tg_arrays {
    struct tg_observer observer;
    struct tg_gm *gm;
    const struct tg_kernels *kernels;
    struct choices choices;
    struct kept_core *cores[TG_CORES_MAX]; /* owned; NULL: it has run no kernel. Writer: the core */
    const struct tg_kept **list;           /* [n_list], owned: all kept tasks; NULL: not made yet */
    size_t n_list;
};

/* ---- the running kernel ---- */

static bool is_meant(const struct choice *choice, int32_t task_id, uint16_t func_id)
{
    return choice->task_id < 0 ? choice->func_id == func_id : choice->task_id == task_id;
}

static bool is_chosen(const struct choices *choices, int32_t task_id, uint16_t func_id)
{
    for (size_t i = 0; i < choices->n; i++)
        if (is_meant(&choices->items[i], task_id, func_id)) return true;
    return false;
}

static void free_kept(struct tg_kept *kept)
{
    if (!kept) return;
    free((void *)(uintptr_t)kept->task.args);
    free((void *)(uintptr_t)kept->task.is_address);
    tg_touched_free_arrays(kept->arrays, kept->task.n_arrays);
    free(kept);
}

static struct tg_kept *kept_of(struct tg_gm *gm, const struct tg_kernel_begin *begin)
{
    const size_t n = begin->n_args, bytes = n * sizeof *begin->args;
    struct tg_kept *kept = calloc(1, sizeof *kept);
    int64_t *args = malloc(bytes + 1); /* a task may have no arguments */
    uint8_t *is_address = malloc(n + 1);
    if (!kept || !args || !is_address) {
        free(kept);
        free(args);
        free(is_address);
        return NULL;
    }
    memcpy(args, begin->args, bytes);
    for (size_t i = 0; i < n; i++) {
        uint64_t low, high;
        is_address[i] = tg_gm_around(gm, (uint64_t)args[i], &low, &high);
    }
    kept->func_id = begin->kernel->func_id;
    kept->task = (struct tg_kept_task){.size = sizeof kept->task,
                                       .kernel = begin->kernel->name,
                                       .args = args,
                                       .is_address = is_address,
                                       .n_args = begin->n_args,
                                       .task_id = begin->task_id};
    return kept;
}

static bool kernel_begins(void *context, const struct tg_kernel_begin *begin)
{
    struct tg_arrays *a = context;
    if (!is_chosen(&a->choices, begin->task_id, begin->kernel->func_id)) return true;
    struct kept_core *core = a->cores[begin->core];
    if (!core) core = a->cores[begin->core] = calloc(1, sizeof *core);
    if (!core) return false;
    core->running = kept_of(a->gm, begin);
    return core->running;
}

static bool transfer(void *context, uint32_t number, const struct tg_instr *instr)
{
    struct tg_arrays *a = context;
    struct kept_core *core = a->cores[number];
    if (!core || !core->running || core->lost) return true;
    const struct tg_touched_args args = {core->running->task.args, core->running->task.n_args};
    core->lost = !tg_touched_add(&core->touched, a->gm, &args, instr);
    return true;
}

static void kernel_ends(void *context, uint32_t number, bool returned)
{
    struct tg_arrays *a = context;
    struct kept_core *core = a->cores[number];
    if (!core || !core->running) return;
    struct tg_kept *kept = core->running;
    size_t n = 0;
    core->running = NULL;
    if (core->lost || !tg_touched_lay_out(&core->touched, &kept->arrays, &n) ||
        !tg_grow((void **)&core->kept, core->n_kept + 1, &core->capacity, sizeof(struct tg_kept *))) {
        kept->task.n_arrays = (uint32_t)n;
        core->lost = true;
        free_kept(kept);
        return;
    }
    kept->task.n_arrays = (uint32_t)n;
    kept->task.returned = returned;
    core->kept[core->n_kept++] = kept;
}

static const struct tg_observer_ops ops = {
    .kernel_begins = kernel_begins, .transfer = transfer, .kernel_ends = kernel_ends};

struct tg_arrays *tg_arrays_open(struct tg_gm *gm, const struct tg_kernels *kernels)
{
    struct tg_arrays *a = calloc(1, sizeof *a);
    if (!a) return NULL;
    a->observer = (struct tg_observer){.ops = &ops, .context = a};
    a->gm = gm;
    a->kernels = kernels;
    return a;
}

struct tg_observer *tg_arrays_observer(struct tg_arrays *a) { return &a->observer; }

void tg_arrays_reset(struct tg_arrays *a)
{
    for (uint32_t i = 0; i < TG_CORES_MAX; i++) {
        struct kept_core *core = a->cores[i];
        if (!core) continue;
        tg_touched_fini(&core->touched);
        free_kept(core->running);
        for (size_t j = 0; j < core->n_kept; j++) free_kept(core->kept[j]);
        free(core->kept);
        free(core);
        a->cores[i] = NULL;
    }
    free(a->list);
    a->list = NULL;
    a->n_list = 0;
}

void tg_arrays_close(struct tg_arrays *a)
{
    if (!a) return;
    tg_arrays_reset(a);
    free(a->choices.items);
    free(a);
}

/* ---- choices ---- */

/* The text as the number of a task. -1: no number, or too large for one. */
static int32_t number_of(const char *text)
{
    int64_t number = 0;
    if (!*text) return -1;
    for (; *text; text++) {
        if (*text < '0' || *text > '9') return -1;
        number = number * 10 + (*text - '0');
        if (number > INT32_MAX) return -1;
    }
    return (int32_t)number;
}

static enum tg_status refuse(const struct tg_arrays *a, const char *text)
{
    const char **names = calloc(a->kernels->n + 1u, sizeof *names);
    size_t n = 0;
    for (uint32_t i = 0; names && i < a->kernels->n; i++)
        if (a->kernels->by_id[i].entry) names[n++] = a->kernels->by_id[i].name;
    const char *meant = names ? tg_nearest_name(text, names, n) : NULL;
    free(names);
    if (meant)
        return tg_error(TG_ERR_ARGUMENT, "'%s' is neither the number of a task nor a kernel: did you mean %s?", text,
                        meant);
    return tg_error(TG_ERR_ARGUMENT, "'%s' is neither the number of a task nor a kernel of the program", text);
}

static enum tg_status choose_one(const struct tg_arrays *a, const char *text, struct choices *choices)
{
    const int32_t number = number_of(text);
    const size_t n_before = choices->n;
    for (uint32_t i = 0; i < (number >= 0 ? 1 : a->kernels->n); i++) {
        const struct tg_kernel *kernel = &a->kernels->by_id[i];
        if (number < 0 && (!kernel->entry || strcmp(kernel->name, text) != 0)) continue;
        if (!tg_grow((void **)&choices->items, choices->n + 1, &choices->capacity, sizeof *choices->items))
            return tg_error(TG_ERR_MEMORY, "no memory for the choice of a task");
        choices->items[choices->n++] = (struct choice){number, number >= 0 ? 0 : kernel->func_id};
    }
    return choices->n > n_before ? TG_OK : refuse(a, text);
}

/* Add the tasks that the text names. */
static enum tg_status choose(const struct tg_arrays *a, const char *tasks, struct choices *choices)
{
    const size_t n_before = choices->n;
    char *copy = strdup(tasks);
    enum tg_status status = copy ? TG_OK : tg_error(TG_ERR_MEMORY, "no memory for the names of tasks");
    for (char *at = copy, *comma; status == TG_OK; at = comma + 1) {
        comma = strchr(at, ',');
        if (comma) *comma = '\0';
        status = choose_one(a, at, choices);
        if (!comma) break;
    }
    free(copy);
    if (status != TG_OK) choices->n = n_before;
    return status;
}

enum tg_status tg_arrays_choose(struct tg_arrays *a, const char *tasks) { return choose(a, tasks, &a->choices); }

/* ---- after the launch ---- */

static int by_task(const void *left, const void *right)
{
    const struct tg_kept *const *a = left, *const *b = right;
    return ((*a)->task.task_id > (*b)->task.task_id) - ((*a)->task.task_id < (*b)->task.task_id);
}

static enum tg_status make_list(struct tg_arrays *a)
{
    size_t n = 0;
    for (uint32_t i = 0; i < TG_CORES_MAX; i++) n += a->cores[i] ? a->cores[i]->n_kept : 0;
    a->list = malloc((n + 1) * sizeof(struct tg_kept *));
    if (!a->list) return tg_error(TG_ERR_MEMORY, "no memory for the list of %zu kept tasks", n);
    for (uint32_t i = 0; i < TG_CORES_MAX; i++)
        for (size_t j = 0; a->cores[i] && j < a->cores[i]->n_kept; j++) a->list[a->n_list++] = a->cores[i]->kept[j];
    qsort(a->list, n, sizeof(struct tg_kept *), by_task);
    return TG_OK;
}

enum tg_status tg_arrays_list(struct tg_arrays *a, const struct tg_kept ***out, size_t *n_out)
{
    for (uint32_t i = 0; i < TG_CORES_MAX; i++)
        if (a->cores[i] && a->cores[i]->lost)
            return tg_error(TG_ERR_MEMORY, "memory ran out while the arrays of tasks were kept: keep fewer tasks");
    if (!a->list) TG_TRY(make_list(a));
    *out = a->list;
    *n_out = a->n_list;
    return TG_OK;
}

/* TG_ERR_ARGUMENT: a choice has no task among `kept`; the message names it. */
static enum tg_status check_ran(const struct tg_arrays *a, const struct choices *choices, uint64_t n_tasks)
{
    for (size_t i = 0; i < choices->n; i++) {
        const struct choice *choice = &choices->items[i];
        bool found = false;
        for (size_t j = 0; j < a->n_list && !found; j++)
            found = is_meant(choice, a->list[j]->task.task_id, a->list[j]->func_id);
        if (found) continue;
        if (choice->task_id < 0)
            return tg_error(TG_ERR_ARGUMENT, "no task of kernel %s has run", a->kernels->by_id[choice->func_id].name);
        if ((uint64_t)choice->task_id >= n_tasks)
            return tg_error(TG_ERR_ARGUMENT, "there is no task %d: the graph has %llu, numbered from 0",
                            choice->task_id, (unsigned long long)n_tasks);
        return tg_error(TG_ERR_ARGUMENT, "task %d has not run", choice->task_id);
    }
    return TG_OK;
}

static enum tg_status write_chosen(const struct tg_arrays *a, const struct choices *choices, const char *folder)
{
    size_t n = 0;
    const struct tg_kept **chosen = malloc((a->n_list + 1) * sizeof(struct tg_kept *));
    if (!chosen) return tg_error(TG_ERR_MEMORY, "no memory for the list of %zu kept tasks", a->n_list);
    for (size_t i = 0; i < a->n_list; i++)
        if (is_chosen(choices, a->list[i]->task.task_id, a->list[i]->func_id)) chosen[n++] = a->list[i];
    const enum tg_status status = n > 0 ? tg_array_files_write(chosen, n, folder) : TG_OK;
    free(chosen);
    return status;
}

enum tg_status tg_arrays_write(struct tg_arrays *a, const char *tasks, const char *folder, uint64_t n_tasks)
{
    const struct tg_kept **kept;
    size_t n;
    struct choices choices = {0};
    TG_TRY(tg_arrays_list(a, &kept, &n));
    enum tg_status status = choose(a, tasks, &choices);
    if (status == TG_OK) status = write_chosen(a, &choices, folder);
    if (status == TG_OK) status = check_ran(a, &choices, n_tasks);
    free(choices.items);
    return status;
}
