/*
 * memory_check.h - compare the device-memory accesses of a run with all schedules that its graph allows.
 *
 * The map of device memory (extents.h) has the history of each byte. An access must be inside an allocation, and must
 * read written bytes. It is compared with the last writer of the same bytes; a write is also compared with the readers
 * since. A path of edges must lead from the earlier to the later task (paths.h). All other conflicts follow by
 * transitivity: a write, its readers and the next write are ordered one after the other. If every conflicting pair is
 * ordered, every schedule lets every task read the same bytes.
 *
 * Additions (TSTORE_ADD) of one element type are atomic and commute. They are compared with reads and other writes, and
 * not with each other. A sum of integers is the same in every order. Each addition rounds a floating-point sum, so
 * the last bits depend on the order. Floating-point additions without an order are counted, and the proof excludes
 * them.
 *
 * Memory    60 bytes a task, 8 an edge, 8 a conflicting pair, 32 to 64 an extent and 8 a reader; growing arrays keep up
 *           to half as much in hand.
 * Threads   one at a time.
 */
#ifndef TG_CHECK_MEMORY_MEMORY_CHECK_H
#define TG_CHECK_MEMORY_MEMORY_CHECK_H

#include "check/memory/edges.h"
#include "check/memory/extents.h"
#include "check/memory/paths.h"
#include "finding/finding.h"

/* The data of a task for messages. Borrowed texts live as long as the run. */
struct tg_task_note {
    const char *kernel, *file; /* file NULL: unknown */
    int32_t line;
};

/* An allocation. Number 0 is unused. */
struct tg_block_note {
    uint64_t address, bytes;
    uint64_t element_bytes; /* of a tensor; 0: unknown */
    const char *name;       /* of a tensor, or a description; NULL: the orchestration's device_malloc */
    const char *variables;  /* not device memory but the variables of this kernel; NULL: device memory */
    const char *file;       /* where device_malloc was called, or NULL */
    const char *freed_file; /* where device_free was called, or NULL */
    int32_t line, freed_line;
    uint32_t number; /* of device_malloc: from 1 */
};

/* One access. Texts are borrowed for the call. */
struct tg_access {
    uint64_t address, bytes; /* bytes > 0 */
    bool write;
    bool goes_on;     /* in the allocation of the access before: both are parts of one transfer */
    uint8_t adds;     /* enum tg_dtype + 1 of the numbers that an atomic addition adds; 0: another access */
    bool plain;       /* neither a transfer nor atomic: a core does it in the cache of its scalar unit */
    const char *op;   /* "TLOAD", "a plain load" */
    const char *file; /* NULL: only offset is known */
    uint32_t line;
    uint64_t offset; /* of the code in its shared object */
    uint32_t core;   /* of a task */
    enum tg_core_type core_type;
};

enum { TG_BUILDER = -1 }; /* in place of a task's id */

struct tg_memory_check {
    struct tg_finding_list *findings; /* borrowed */
    struct tg_paths paths;
    struct tg_extents extents;
    struct tg_extents lines; /* lines of the scalar unit's cache; writer: the task whose plain stores were the last */
    struct tg_task_note *tasks; /* [n_tasks] */
    size_t n_tasks, tasks_max;
    struct tg_block_note *blocks; /* [n_blocks] */
    size_t n_blocks, blocks_max;
    const struct tg_declared *declared; /* [n_declared], borrowed */
    size_t n_declared;
    uint64_t base, capacity; /* addresses of device memory */
    uint32_t n_mallocs;
    struct tg_conflict *pairs; /* [n_kept] pairs that were compared and are ordered; pairs of the builder may repeat */
    size_t n_kept, pairs_max;
    uint64_t n_pairs;     /* of tasks that conflict and were compared */
    uint64_t n_unordered; /* of those, and of those with the builder */
    uint64_t n_sums;      /* additions to floating-point sums that no path orders after the one before */
    uint64_t n_states;    /* reads of variables that another task has written */
    bool lost;            /* memory ran out, so there is no proof */
    /* The current access. */
    const struct tg_access *access;
    tg_who who;
    bool usable;
    uint32_t block;  /* the allocation of its bytes so far, which must contain all of them; 0: unknown yet */
    bool sum_varies; /* n_sums counts the access */
    tg_who compared; /* the actor that `who` was last compared with */
    uint32_t compared_readers, compared_adders; /* the lists that it was last compared with */
};

/*
 * Begin; nothing is allocated.
 *
 * build_first  no task runs before the builder has ended: all its actions are before every task
 * Errors       TG_ERR_MEMORY
 */
enum tg_status tg_memory_check_init(struct tg_memory_check *check, struct tg_finding_list *findings, bool build_first);
void tg_memory_check_fini(struct tg_memory_check *check);

/* ---- the host ---- */

/* [base, base + capacity) are the addresses of device memory. */
void tg_memory_check_device(struct tg_memory_check *check, uint64_t base, uint64_t capacity);

/* Memory that holds something already and is named `what`. Copies nothing. */
void tg_memory_check_foreign(struct tg_memory_check *check, uint64_t address, uint64_t bytes, const char *what);

/* The host's declarations about parts of its tensors; borrowed until fini. Call it before the tensors. */
void tg_memory_check_declare(struct tg_memory_check *check, const struct tg_declared *declared, size_t n_declared);

/* Tensor `idx` of the run is at `address`. An output is undefined, and the other tensors have the host's contents,
 * unless `declared` says otherwise. */
void tg_memory_check_tensor(struct tg_memory_check *check, uint64_t address, const struct tg_tensor *tensor,
                            uint32_t idx);

/* The builder on the host copies to device memory: from byte `offset` of tensor `idx`, or from elsewhere if `tensor` is
 * NULL. Memory that begins with a tensor is called by its name. */
void tg_memory_check_copied(struct tg_memory_check *check, uint64_t address, uint64_t bytes,
                            const struct tg_tensor *tensor, uint32_t idx, uint64_t offset);

/* At the end of the run: the host copies these bytes back, so they must be written. */
void tg_memory_check_output(struct tg_memory_check *check, uint64_t address, uint64_t bytes);

/* ---- the builder ---- */

void tg_memory_check_added(struct tg_memory_check *check, int32_t task_id, const char *kernel, const char *file,
                           int32_t line);
void tg_memory_check_edge(struct tg_memory_check *check, int32_t from, int32_t to);
void tg_memory_check_published(struct tg_memory_check *check, int32_t task_id);
void tg_memory_check_waited(struct tg_memory_check *check, int32_t task_id);
void tg_memory_check_allocated(struct tg_memory_check *check, uint64_t address, uint64_t bytes, const char *file,
                               int32_t line);
void tg_memory_check_freed(struct tg_memory_check *check, uint64_t address, const char *file, int32_t line);

/* ---- tasks and the builder ---- */

/* The task starts: its accesses follow. */
void tg_memory_check_start(struct tg_memory_check *check, int32_t task_id);

/* A task, or the builder if task_id is TG_BUILDER, accesses memory. false: not inside one allocation; the caller must
 * not do the access. */
bool tg_memory_check_access(struct tg_memory_check *check, int32_t task_id, const struct tg_access *access);

/* ---- host memory ---- */

/* The variables of a kernel: a value that one task leaves there can reach another task. Known variables are reset. */
void tg_memory_check_variables(struct tg_memory_check *check, uint64_t address, uint64_t bytes, const char *kernel);

/* A task uses an argument that it does not have: number `index` of n_args. */
void tg_memory_check_argument(struct tg_memory_check *check, int32_t task_id, const struct tg_access *access,
                              uint32_t index, uint32_t n_args);

/* A task uses host memory that is not its own. */
void tg_memory_check_host(struct tg_memory_check *check, int32_t task_id, const struct tg_access *access);

/* A plugin that runs on the host accesses device memory itself. */
void tg_memory_check_from_host(struct tg_memory_check *check, const struct tg_access *access);

/* The present host memory of all of it, which is also the high-water mark. */
uint64_t tg_memory_check_bytes(const struct tg_memory_check *check);

/* Did memory run out? Then the findings hold, but there is no proof. */
bool tg_memory_check_lost(const struct tg_memory_check *check);

#endif
