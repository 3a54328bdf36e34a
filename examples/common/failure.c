#include "failure.h"

#include <stdarg.h>
#include <stdio.h>

enum tg_status failure_set(struct failure *failure, enum tg_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(failure->message, sizeof failure->message, format, args);
    va_end(args);
    /* Names that a user gave may hold line ends and terminal escapes; a message is one line of text. */
    for (char *c = failure->message; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7F) *c = '?';
    return status;
}

enum tg_status failure_from_library(struct failure *failure, enum tg_status status)
{
    if (status == TG_OK) return status;
    return failure_set(failure, status, "%s", tg_last_message());
}

enum tg_status failure_unknown(struct failure *failure, const char *what, const char *given, const char *const *names,
                               size_t n)
{
    const char *meant = tg_nearest_name(given, names, n);
    if (meant) return failure_set(failure, TG_ERR_ARGUMENT, "unknown %s '%s': did you mean %s?", what, given, meant);
    char list[1024] = "";
    size_t used = 0;
    for (size_t i = 0; i < n && used < sizeof list; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i > 0 ? ", " : "", names[i]);
    return failure_set(failure, TG_ERR_ARGUMENT, "unknown %s '%s'; there are %s", what, given, list);
}
