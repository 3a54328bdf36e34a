/*
 * recorder.h - the observer that records a launch: a log for each thread, one for the builder, one for the pipes.
 *
 * Threads: each thread of a launch writes the log of its number; the builder writes the builder's. Open, take and close
 * belong to the host's thread, while no launch runs.
 */
#ifndef TG_TRACE_RECORDER_H
#define TG_TRACE_RECORDER_H

#include "machine/machine.h"
#include "trace/lines.h"
#include "trace/record.h"

/* By core; writer: the core. */
struct tg_recorded_lines {
    struct tg_lines lines[TG_CORES_MAX];
    const char *kernels[TG_CORES_MAX]; /* that the core runs */
    bool lost[TG_CORES_MAX];           /* no memory for a line */
};

struct tg_recorder {
    struct tg_observer observer;
    struct tg_record_log *logs; /* [n_threads + 1], owned; the last one is the builder's */
    struct tg_record_log pipes;
    struct tg_recorded_lines *cores; /* owned: runs that record nothing have none */
    uint32_t n_threads;
    bool takes_pipes;
};

/* For launches on at most n_threads control threads or workers. takes_pipes: record the work of each pipe, too.
 * Errors: TG_ERR_MEMORY. */
enum tg_status tg_recorder_open(struct tg_recorder *recorder, uint32_t n_threads, bool takes_pipes);
void tg_recorder_close(struct tg_recorder *recorder);

/* After a launch: move the logs, which are empty then, into `record`. TG_ERR_MEMORY: the record is empty. */
enum tg_status tg_recorder_take(struct tg_recorder *recorder, struct tg_record *record);

#endif
