/* chrome.h - a record as Chrome trace JSON, which ui.perfetto.dev opens. */
#ifndef TG_TRACE_CHROME_H
#define TG_TRACE_CHROME_H

#include "trace/record.h"

/*
 * Write one track a core and one slice a task, sorted by start, core and task, times in us: equal records give equal
 * files. The file is complete or not there.
 *
 * Errors    TG_ERR_FILE; TG_ERR_MEMORY: the record is incomplete
 */
enum tg_status tg_chrome_write(const struct tg_record *record, const char *path);

#endif
