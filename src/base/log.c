#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

static tg_log_fn *log_sink;
static void *log_context;
static enum tg_log_level log_level;

void tg_log_to(tg_log_fn *sink, void *context, enum tg_log_level level)
{
    log_sink = sink;
    log_context = context;
    log_level = level;
}

void tg_log(enum tg_log_level level, const char *format, ...)
{
    if (!log_sink || level > log_level) return;
    char line[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    log_sink(log_context, level, line);
}
