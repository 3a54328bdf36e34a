/*
 * arrays.h - the observer that keeps the arrays of chosen tasks.
 *
 * Threads: during a launch each core or worker keeps its tasks apart. The other calls belong to the host's thread,
 * while no launch runs.
 */
#ifndef TG_ARRAYS_ARRAYS_H
#define TG_ARRAYS_ARRAYS_H

#include <stddef.h>
#include <stdint.h>

#include <tilegraph/tilegraph.h>

#include "base/kernels.h"
#include "machine/observer.h"
#include "memory/gm.h"

struct tg_arrays;

/* One task and its arrays. */
struct tg_kept {
    struct tg_kept_task task;     /* its args are owned; the name is borrowed from the program */
    struct tg_kept_array *arrays; /* [task.n_arrays], owned */
    uint16_t func_id;
};

/* gm and kernels are borrowed. NULL: no memory. */
struct tg_arrays *tg_arrays_open(struct tg_gm *gm, const struct tg_kernels *kernels);
void tg_arrays_close(struct tg_arrays *arrays);

struct tg_observer *tg_arrays_observer(struct tg_arrays *arrays);

/* Choose tasks, as tg_run_keep_arrays does. TG_ERR_ARGUMENT, TG_ERR_MEMORY: nothing is chosen. */
enum tg_status tg_arrays_choose(struct tg_arrays *arrays, const char *tasks);

/* A launch begins: what an earlier one has kept is released. */
void tg_arrays_reset(struct tg_arrays *arrays);

/* The kept tasks in ascending order of their ids, borrowed until the next launch.
 * Errors    TG_ERR_MEMORY: memory for the arrays of a task, or for this call, ran out */
enum tg_status tg_arrays_list(struct tg_arrays *arrays, const struct tg_kept ***out, size_t *n_out);

/* tg_run_write_arrays; n_tasks: of the graph. */
enum tg_status tg_arrays_write(struct tg_arrays *arrays, const char *tasks, const char *folder, uint64_t n_tasks);

/* array_files.c: write the arrays of tasks, or no file. TG_ERR_FILE, TG_ERR_MEMORY */
enum tg_status tg_array_files_write(const struct tg_kept *const *kept, size_t n, const char *folder);

#endif
