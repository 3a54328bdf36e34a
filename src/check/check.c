#include "check/check.h"

static const char *const names[] = {
#define TG_FINDING_NAME(name, text) #name,
    TG_FINDINGS(TG_FINDING_NAME)
#undef TG_FINDING_NAME
};
static const char *const texts[] = {
#define TG_FINDING_SENTENCE(name, text) text,
    TG_FINDINGS(TG_FINDING_SENTENCE)
#undef TG_FINDING_SENTENCE
};
enum { N_CODES = sizeof names / sizeof names[0] };

const char *tg_finding_name(enum tg_finding_code code) { return (unsigned)code < N_CODES ? names[code] : "unknown"; }

const char *tg_finding_text(enum tg_finding_code code) { return (unsigned)code < N_CODES ? texts[code] : "unknown"; }

enum tg_status tg_check_init(struct tg_check *check, bool build_first)
{
    return tg_memory_check_init(&check->memory, &check->findings, build_first);
}

void tg_check_fini(struct tg_check *check)
{
    tg_memory_check_fini(&check->memory);
    tg_finding_list_fini(&check->findings);
}
