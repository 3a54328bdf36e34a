#include "trace/spans.h"

#include <stdlib.h>
#include <string.h>

/* A stretch that grows. */
struct stretch {
    struct tg_record_span span;
    uint64_t kind_ns[TG_SPAN_KINDS];
    bool open;
};

static void close_stretch(struct stretch *stretch, struct tg_record_span *shown, size_t *n)
{
    if (!stretch->open) return;
    for (uint8_t kind = 0; kind < TG_SPAN_KINDS; kind++)
        if (stretch->kind_ns[kind] > stretch->kind_ns[stretch->span.kind]) stretch->span.kind = kind;
    shown[(*n)++] = stretch->span;
    *stretch = (struct stretch){0};
}

static void show_thread(const struct tg_record *record, uint8_t thread, uint64_t grain_ns, struct tg_record_span *shown,
                        size_t *n)
{
    struct stretch stretch = {0};
    for (size_t i = 0; i < record->n_spans; i++) {
        const struct tg_record_span *span = &record->spans[i];
        if (span->thread != thread || span->kind >= TG_SPAN_KINDS) continue;
        /* A span that is long enough to be seen stays alone, and so does one behind a gap. */
        bool alone = span->end_ns - span->start_ns >= grain_ns;
        if (stretch.open && (alone || span->start_ns - stretch.span.end_ns >= grain_ns ||
                             stretch.span.end_ns - stretch.span.start_ns >= grain_ns))
            close_stretch(&stretch, shown, n);
        if (!stretch.open) stretch = (struct stretch){.span = *span, .open = true};
        stretch.span.end_ns = span->end_ns;
        stretch.kind_ns[span->kind] += span->end_ns - span->start_ns;
    }
    close_stretch(&stretch, shown, n);
}

struct tg_record_span *tg_spans_shown(const struct tg_record *record, size_t *n)
{
    struct tg_record_span *shown = malloc((record->n_spans + 1) * sizeof *shown);
    size_t n_of[UINT8_MAX + 1] = {0};
    *n = 0;
    if (!shown) return NULL;
    for (size_t i = 0; i < record->n_spans; i++) n_of[record->spans[i].thread]++;
    for (uint32_t thread = 0; thread < record->n_threads && thread <= UINT8_MAX; thread++) {
        bool many = n_of[thread] > TG_SPANS_SHOWN_MAX;
        show_thread(record, (uint8_t)thread, many ? record->device_ns / TG_SPANS_SHOWN_MAX : 0, shown, n);
    }
    return shown;
}
