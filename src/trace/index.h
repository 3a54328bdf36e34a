/* index.h - a record by position: predecessors and successors, orders in time, the task before on the same core. */
#ifndef TG_TRACE_INDEX_H
#define TG_TRACE_INDEX_H

#include "trace/record.h"

#define TG_NO_TASK UINT32_MAX

/* Tasks are positions in record->tasks. Edges with an end that did not run are left out. */
struct tg_index {
    const struct tg_record *record; /* borrowed */
    size_t n_links;
    uint32_t *first_before; /* [n_tasks + 1] before[first_before[i]] and on: the predecessors of task i */
    uint32_t *before;       /* [n_links] */
    uint32_t *first_after;  /* [n_tasks + 1] */
    uint32_t *after;        /* [n_links] successors of task i */
    uint32_t *by_dispatch;  /* [n_tasks] in the order in which they were dispatched */
    uint32_t *by_complete;  /* [n_tasks] in the order in which they were complete */
    uint32_t *previous;     /* [n_tasks] the task that was dispatched to the same core before; TG_NO_TASK: none */
};

/* Owns      its arrays until tg_index_fini; borrows the record
 * Errors    TG_ERR_MEMORY: also of a record that is incomplete. The index is empty then. */
enum tg_status tg_index_init(struct tg_index *index, const struct tg_record *record);
void tg_index_fini(struct tg_index *index);

/* The position of a task, TG_NO_TASK if it did not run to its end. */
uint32_t tg_index_of(const struct tg_record *record, int32_t task_id);

/* Positions of all tasks by time, then by id, in memory of the caller's; NULL: no memory. `time_of` picks the time. */
typedef uint64_t tg_index_time_fn(const struct tg_record_task *task);
uint32_t *tg_index_sorted(const struct tg_record *record, tg_index_time_fn *time_of);

/* When it was published and ready; both may be noted late, and count at the latest when it is dispatched. */
static inline uint64_t tg_task_published(const struct tg_record_task *task)
{
    return task->published_ns < task->dispatched_ns ? task->published_ns : task->dispatched_ns;
}
static inline uint64_t tg_task_ready(const struct tg_record_task *task)
{
    uint64_t published = tg_task_published(task);
    if (task->ready_ns < published) return published;
    return task->ready_ns < task->dispatched_ns ? task->ready_ns : task->dispatched_ns;
}

/* How long its kernel ran, and how long of this it was held up at device memory. */
static inline uint64_t tg_task_kernel_ns(const struct tg_record_task *task)
{
    return task->end_ns > task->start_ns ? task->end_ns - task->start_ns : 0;
}
static inline uint64_t tg_task_memory_ns(const struct tg_record_task *task)
{
    uint64_t kernel = tg_task_kernel_ns(task);
    return task->kernel.memory_wait_ns < kernel ? task->kernel.memory_wait_ns : kernel;
}

/* The name of its kernel; "?" if the kernel has none. */
const char *tg_task_name(const struct tg_record *record, const struct tg_record_task *task);

#endif
