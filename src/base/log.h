/* log.h - lines for the log sink; the library itself never prints. */
#ifndef TG_BASE_LOG_H
#define TG_BASE_LOG_H

#include <tilegraph/tilegraph.h>

void tg_log(enum tg_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
