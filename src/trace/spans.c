#include "trace/spans.h"

#include <stdlib.h>
#include <string.h>

/* Spans that are merged into one. */
struct merged {
    struct tg_record_span span;
    uint64_t kind_ns[TG_SPAN_KINDS];
    bool open;
};

static void close_merged(struct merged *merged, struct tg_record_span *shown, size_t *n)
{
    if (!merged->open) return;
    for (uint8_t kind = 0; kind < TG_SPAN_KINDS; kind++)
        if (merged->kind_ns[kind] > merged->kind_ns[merged->span.kind]) merged->span.kind = kind;
    shown[(*n)++] = merged->span;
    *merged = (struct merged){0};
}

static void show_thread(const struct tg_record *record, uint8_t thread, uint64_t grain_ns, struct tg_record_span *shown,
                        size_t *n)
{
    struct merged merged = {0};
    for (size_t i = 0; i < record->n_spans; i++) {
        const struct tg_record_span *span = &record->spans[i];
        if (span->thread != thread || span->kind >= TG_SPAN_KINDS) continue;
        /* A span that is long enough to be seen stays alone, and so does one behind a gap. */
        bool alone = span->end_ns - span->start_ns >= grain_ns;
        if (merged.open && (alone || span->start_ns - merged.span.end_ns >= grain_ns ||
                            merged.span.end_ns - merged.span.start_ns >= grain_ns))
            close_merged(&merged, shown, n);
        if (!merged.open) merged = (struct merged){.span = *span, .open = true};
        merged.span.end_ns = span->end_ns;
        merged.kind_ns[span->kind] += span->end_ns - span->start_ns;
    }
    close_merged(&merged, shown, n);
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
