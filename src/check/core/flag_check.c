/* Flags: each set has its wait, each wait its set, and one pair ends before the next begins. */
#include <stdio.h>

#include "base/error.h"
#include "check/core/core_parts.h"
#include "tile/rules.h"

static void describe_flag(const struct tg_instr *instr, char text[TG_PLACE_BYTES])
{
    snprintf(text, TG_PLACE_BYTES, "%s to %s, event %u", tg_pipe_symbol(instr->src_pipe),
             tg_pipe_symbol(instr->dst_pipe), instr->event);
}

static void report_set_twice(struct tg_core_check *c, const struct tg_instr *instr, const struct tg_mark *now)
{
    const struct tg_flag *flag = tg_order_flag(&c->order, instr);
    struct tg_finding_item *item = tg_core_finding(c, TG_FINDING_FLAG_SET_TWICE, now, &flag->by);
    if (!item) return;
    char text[TG_PLACE_BYTES];
    describe_flag(instr, text);
    tg_finding_what(&c->check->findings, item,
                    "set_flag at %s:%u: the flag %s is set already, by %s:%u, and nothing has waited for it",
                    tg_base_name(now->file), now->line, text, tg_base_name(flag->by.file), flag->by.line);
    tg_finding_mend(&c->check->findings, item, "wait_flag between the two, or another event for one of them");
}

/* The flag was waited for, but the new set may overtake that wait. */
static void check_reuse(struct tg_core_check *c, const struct tg_instr *instr, const struct tg_mark *now)
{
    const struct tg_flag *flag = tg_order_flag(&c->order, instr);
    const struct tg_mark *waited = tg_order_not_passed(&c->order, instr);
    struct tg_finding_item *item = waited ? tg_core_finding(c, TG_FINDING_FLAG_SET_TWICE, now, waited) : NULL;
    if (!item) return;
    char text[TG_PLACE_BYTES];
    const char *from = tg_pipe_symbol(instr->src_pipe), *to = tg_pipe_symbol(instr->dst_pipe);
    describe_flag(instr, text);
    tg_finding_what(&c->check->findings, item,
                    "set_flag at %s:%u: the flag %s may still be set, by %s:%u: nothing orders this set after the "
                    "wait_flag at %s:%u",
                    tg_base_name(now->file), now->line, text, tg_base_name(flag->by.file), flag->by.line,
                    tg_base_name(waited->file), waited->line);
    tg_finding_mend(&c->check->findings, item,
                    "another event, or a flag back: set_flag(%s, %s, event) after the wait, wait_flag(%s, %s, event) "
                    "before this set",
                    to, from, to, from);
}

/* Remember the wait: its set may come later in the program. */
static void report_no_set(struct tg_core_check *c, const struct tg_instr *instr, const struct tg_mark *now)
{
    struct tg_finding_list *findings = &c->check->findings;
    struct tg_flag *flag = tg_order_flag(&c->order, instr);
    struct tg_finding_item *item = tg_core_finding(c, TG_FINDING_FLAG_NO_SET, now, NULL);
    flag->starved = *now;
    flag->starved_item = item ? (size_t)(item - findings->items) : TG_NO_ITEM;
    if (!item) return;
    char text[TG_PLACE_BYTES];
    describe_flag(instr, text);
    tg_finding_what(findings, item,
                    "wait_flag at %s:%u: the kernel does not set the flag %s for it; a device waits for ever",
                    tg_base_name(now->file), now->line, text);
    tg_finding_mend(findings, item, "set_flag(%s, %s, %u) before it", tg_pipe_symbol(instr->src_pipe),
                    tg_pipe_symbol(instr->dst_pipe), instr->event);
}

/* The set of a wait that came earlier in the program: the two form a pair. On a device the wait passes if its pipe's
 * queue has room for the later instructions, unless the set itself comes behind the wait. */
static void report_late_set(struct tg_core_check *c, const struct tg_instr *instr, const struct tg_mark *now)
{
    struct tg_finding_list *findings = &c->check->findings;
    struct tg_flag *flag = tg_order_flag(&c->order, instr);
    const bool cycle = tg_order_knows(&c->order, (enum tg_pipe)instr->src_pipe, &flag->starved);
    if (flag->starved_item != TG_NO_ITEM) {
        struct tg_finding_item *item = &findings->items[flag->starved_item];
        char text[TG_PLACE_BYTES];
        describe_flag(instr, text);
        tg_finding_what(findings, item,
                        "wait_flag at %s:%u: the flag %s is set only later in the program, at %s:%u, %s",
                        tg_base_name(flag->starved.file), flag->starved.line, text, tg_base_name(now->file), now->line,
                        cycle ? "by a pipe that itself waits for what comes after the wait: a cycle"
                              : "and a device passes the wait only if its queues hold all that is between the two");
        tg_finding_mend(findings, item, "the set before the wait");
    }
    flag->starved.number = 0;
}

void tg_check_set(struct tg_core_check *c, const struct tg_instr *instr, const struct tg_mark *now)
{
    if (tg_order_flag(&c->order, instr)->starved.number) {
        report_late_set(c, instr, now);
        return;
    }
    check_reuse(c, instr, now);
    if (!tg_order_set(&c->order, instr, now)) report_set_twice(c, instr, now);
}

void tg_check_wait(struct tg_core_check *c, const struct tg_instr *instr, const struct tg_mark *now)
{
    if (!tg_order_wait(&c->order, instr)) report_no_set(c, instr, now);
}

static void report_left(struct tg_core_check *c, int index)
{
    const struct tg_flag *flag = &c->order.flags[index];
    struct tg_finding_item *item = tg_core_finding(c, TG_FINDING_FLAG_LEFT, &flag->by, NULL);
    if (!item) return;
    const int pair = index / TG_ORDER_EVENTS;
    tg_finding_what(
        &c->check->findings, item,
        "set_flag at %s:%u: the flag %s to %s, event %d, is still set when the kernel ends; the next kernel "
        "on the core finds it set",
        tg_base_name(flag->by.file), flag->by.line, tg_pipe_symbol((uint32_t)pair / TG_ORDER_PIPES),
        tg_pipe_symbol((uint32_t)pair % TG_ORDER_PIPES), index % TG_ORDER_EVENTS);
    tg_finding_mend(&c->check->findings, item, "wait_flag for it, or set it only if somebody waits");
}

void tg_check_flags_left(struct tg_core_check *c)
{
    for (uint32_t i = 0; i < c->order.n_used; i++)
        if (c->order.flags[c->order.used[i]].set) report_left(c, c->order.used[i]);
}
