/* The status table, as text. */
#include <tilegraph/tilegraph.h>

struct entry {
    int value;
    int exit_code;
    const char *name, *sentence, *hint;
};

static const struct entry entries[] = {
#define TG_STATUS_ENTRY(name, value, exit_code, sentence, hint) {value, exit_code, "TG_" #name, sentence, hint},
    TG_STATUSES(TG_STATUS_ENTRY)
#undef TG_STATUS_ENTRY
};

static const struct entry unknown = {-1, 6, "unknown", "unknown status", ""};

static const struct entry *find(enum tg_status status)
{
    for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++)
        if (entries[i].value == (int)status) return &entries[i];
    return &unknown;
}

const char *tg_status_name(enum tg_status status) { return find(status)->name; }
const char *tg_status_text(enum tg_status status) { return find(status)->sentence; }
const char *tg_status_hint(enum tg_status status) { return find(status)->hint; }
int tg_status_exit_code(enum tg_status status) { return find(status)->exit_code; }
