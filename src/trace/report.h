/*
 * report.h - a run as one self-contained HTML page: no network, no other file.
 *
 * The page (report.html) is in the library. One JSON object is written into it. Names, figures and labels are plain.
 * Values of tasks, edges and spans are columns: numbers in LEB128, written in base64. LEB128 has seven bits a byte,
 * lowest first, and sets the top bit where more follow. Signed numbers are zigzag: 0, -1, 1, -2 are 0, 1, 2, 3. Most
 * numbers are small differences, so 65,792 tasks take about 4 MB.
 *
 *     "tasks": {"n": 65792, "id": "...", ...}       each by its position
 *       id              from the task before it
 *       func, core, memory, gm, instructions, line, file, pipes[]
 *       published       from the task before it; added: until published; ready: since published;
 *       dispatch, start, length, complete: each since the time before it
 *       cause           0: the builder, 1: a dependency, 2: a core. who: its position, from the task's own
 *     "edges": {"n_before": "...", "before": "..."} number of predecessors; each: position, from the task's own
 *     "spans", "path"                               start from the end of the one before it, length, and what it is
 *     "head": {"program": ...}                      texts, or null
 *     "sources": [["add.c", "..."], ...]            name and text; null: it could not be read
 *     "lines": [[0, 7, "TADD", 4, 30, 5], ...]      source, line, instruction, their number, work and waiting in ns
 *     "labels": {"same": "...", "rest": []}         characters in common with the label before, and the others
 */
#ifndef TG_TRACE_REPORT_H
#define TG_TRACE_REPORT_H

#include "trace/analysis.h"

/* Write the page; texts of `head` may be NULL. The file is complete or not there.
 *
 * Errors    TG_ERR_FILE; TG_ERR_MEMORY */
enum tg_status tg_report_write(const struct tg_index *index, const struct tg_findings *findings,
                               const struct tg_report_head *head, const char *path);

#endif
