#include "progress.h"

#include <inttypes.h>
#include <time.h>
#include <unistd.h>

/* Back to the beginning of the line, and erase it. */
static const char erase[] = "\r\033[K";

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void progress_begin(struct progress *progress, FILE *stream)
{
    *progress = (struct progress){.stream = isatty(fileno(stream)) ? stream : NULL, .start_s = now_s()};
}

void progress_show(void *context, const struct tg_progress *at)
{
    struct progress *progress = context;
    double elapsed_s = now_s() - progress->start_s;
    if (!progress->stream || elapsed_s < 1.0) return;
    fprintf(progress->stream, "%s%.0f s: %" PRIu64 " of %" PRIu64 " tasks so far, %.1f us on the device", erase,
            elapsed_s, at->n_complete, at->n_published, (double)at->device_ns / 1e3);
    fflush(progress->stream);
    progress->is_shown = true;
}

void progress_end(struct progress *progress)
{
    if (!progress->is_shown) return;
    fputs(erase, progress->stream);
    fflush(progress->stream);
    progress->is_shown = false;
}
