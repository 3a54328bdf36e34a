/* core_parts.h - between core_check.c, buffer_check.c and flag_check.c: reporting a finding inside a kernel. */
#ifndef TG_CHECK_CORE_CORE_PARTS_H
#define TG_CHECK_CORE_CORE_PARTS_H

#include "check/core/core_check.h"

enum { TG_PLACE_BYTES = 160 };

/* "TMULS at aiv_softmax.c:51 (PIPE_V)". Returns text. */
const char *tg_mark_describe(const struct tg_mark *mark, char text[TG_PLACE_BYTES]);

/* The item of a finding about two instructions of this kernel, or about one if `other` is NULL. NULL: it was reported
 * before. */
struct tg_finding_item *tg_core_finding(struct tg_core_check *c, enum tg_finding_code code, const struct tg_mark *mark,
                                        const struct tg_mark *other);

/* Two instructions that must be in order and are not. */
struct tg_hazard {
    enum tg_finding_code code;
    const char *does, *did; /* the actions of the later and the earlier instruction on the bytes */
};
extern const struct tg_hazard tg_hazard_raw, tg_hazard_war, tg_hazard_waw;

/* Report it. `memory`: the object that contains bytes [low, high). NULL: it was reported before. */
struct tg_finding_item *tg_core_hazard(struct tg_core_check *c, const struct tg_hazard *hazard,
                                       const struct tg_mark *now, const struct tg_mark *earlier, const char *memory,
                                       uint64_t low, uint64_t high);

/* buffer_check.c: the tiles that an instruction uses. false: no memory. */
bool tg_check_operands(struct tg_core_check *c, const struct tg_instr *instr, const struct tg_mark *now);

/* flag_check.c: set_flag, wait_flag, and the end of the kernel. */
void tg_check_set(struct tg_core_check *c, const struct tg_instr *instr, const struct tg_mark *now);
void tg_check_wait(struct tg_core_check *c, const struct tg_instr *instr, const struct tg_mark *now);
void tg_check_flags_left(struct tg_core_check *c);

#endif
