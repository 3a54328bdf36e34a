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
