/*
 * chrome.h - a record as Chrome trace JSON, which ui.perfetto.dev opens.
 *
 *     process 1, "AICPU"    a track for each control thread, a slice for each span
 *     process 2, "cores"    a track for each core, a slice for each task: named by its kernel, with task id and label
 *     flow arrows           from task to task, one for each edge
 *
 * For 65,792 tasks the file has about 20 MB. Two things keep it small. A chain of edges is one flow that the slices
 * name, so only the other edges take events. The spans of a control thread are no finer than a picture shows.
 */
#ifndef TG_TRACE_CHROME_H
#define TG_TRACE_CHROME_H

#include "trace/index.h"

/* Write the trace, times in us: equal records give equal files. The file is complete or not there.
 *
 * Errors    TG_ERR_FILE; TG_ERR_MEMORY */
enum tg_status tg_chrome_write(const struct tg_index *index, const char *path);

#endif
