#include "check/core/core_parts.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/kernels.h"
#include "check/core/repeats.h"
#include "tile/buffers.h"
#include "tile/execute.h"
#include "tile/rules.h"

static bool has_kind(enum tg_core_type core_type, int kind) { return (kind == TG_VEC) == (core_type == TG_AIV); }

struct tg_core_check *tg_core_check_open(enum tg_core_type core_type)
{
    struct tg_core_check *c = calloc(1, sizeof *c);
    if (!c) return NULL;
    if (!tg_transfers_init(&c->transfers)) {
        free(c);
        return NULL;
    }
    for (int kind = TG_MAT; kind < TG_TILE_KINDS; kind++) {
        if (!has_kind(core_type, kind) || tg_shadow_init(&c->shadow[kind], tg_kind_capacity((uint32_t)kind))) continue;
        tg_core_check_close(c);
        return NULL;
    }
    return c;
}

void tg_core_check_close(struct tg_core_check *c)
{
    if (!c) return;
    for (int kind = TG_MAT; kind < TG_TILE_KINDS; kind++) tg_shadow_fini(&c->shadow[kind]);
    tg_transfers_fini(&c->transfers);
    tg_names_fini(&c->names);
    tg_cached_fini(&c->cached);
    tg_indexed_fini(&c->indexed);
    free(c->writers);
    free(c);
}

void tg_core_check_begin(struct tg_core_check *c, struct tg_check *check, const struct tg_check_task *task,
                         const struct tg_buffers *contents, const struct tg_facts *facts)
{
    c->check = check;
    c->task = *task;
    c->contents = contents;
    c->facts = facts;
    tg_order_begin(&c->order);
    tg_transfers_begin(&c->transfers);
    tg_names_begin(&c->names);
    tg_cached_begin(&c->cached);
    for (int kind = TG_MAT; kind < TG_TILE_KINDS; kind++)
        if (c->shadow[kind].segments) tg_shadow_begin(&c->shadow[kind]);
}

/* ---- reporting ----------------------------------------------------------------------------------------------------
 */

const char *tg_mark_describe(const struct tg_mark *mark, char text[TG_PLACE_BYTES])
{
    const char *what = mark->op == TG_MARK_PLAIN_LOAD    ? "a plain load"
                       : mark->op == TG_MARK_PLAIN_STORE ? "a plain store"
                                                         : tg_op_name(mark->op);
    if (mark->file)
        snprintf(text, TG_PLACE_BYTES, "%s at %s:%u (%s)", what, tg_base_name(mark->file), mark->line,
                 tg_pipe_symbol(mark->pipe));
    else
        snprintf(text, TG_PLACE_BYTES, "%s at offset 0x%x of its shared object (%s)", what, mark->line,
                 tg_pipe_symbol(mark->pipe));
    return text;
}

static uint64_t place_of(const struct tg_mark *mark) { return tg_finding_place(mark->file, mark->line); }

struct tg_finding_item *tg_core_finding(struct tg_core_check *c, enum tg_finding_code code, const struct tg_mark *mark,
                                        const struct tg_mark *other)
{
    const uint64_t values[] = {place_of(mark), mark->op, other ? place_of(other) : 0, other ? other->op : 0,
                               tg_finding_place(c->task.kernel, 0)};
    struct tg_finding_list *findings = &c->check->findings;
    struct tg_finding_item *item = tg_finding_count(findings, code,
                                                    tg_finding_key(values, sizeof values / sizeof values[0]));
    if (!item) return NULL;
    const struct tg_check_task *task = &c->task;
    const char *added = tg_base_name(task->file);
    tg_finding_where(findings, item, "task %d (%s, %s:%d) on core %u (%s)", task->task_id, task->kernel, added,
                     task->line, task->core, tg_core_type_name(task->core_type));
    return item;
}

/* The advice that orders two instructions. */
static void mend_order(struct tg_finding_list *findings, struct tg_finding_item *item, const struct tg_mark *first,
                       const struct tg_mark *second)
{
    const char *from = tg_pipe_symbol(first->pipe), *to = tg_pipe_symbol(second->pipe);
    if (first->pipe == second->pipe) {
        tg_finding_mend(findings, item, "pipe_barrier(%s) between the two", from);
        return;
    }
    tg_finding_mend(findings, item,
                    "set_flag(%s, %s, event) after the first, wait_flag(%s, %s, event) before the second", from, to,
                    from, to);
}

const struct tg_hazard tg_hazard_raw = {TG_FINDING_PIPE_RAW, "reads", "writes"};
const struct tg_hazard tg_hazard_war = {TG_FINDING_PIPE_WAR, "overwrites", "reads"};
const struct tg_hazard tg_hazard_waw = {TG_FINDING_PIPE_WAW, "overwrites", "writes"};

struct tg_finding_item *tg_core_hazard(struct tg_core_check *c, const struct tg_hazard *hazard,
                                       const struct tg_mark *now, const struct tg_mark *earlier, const char *memory,
                                       uint64_t low, uint64_t high)
{
    struct tg_finding_list *findings = &c->check->findings;
    struct tg_finding_item *item = tg_core_finding(c, hazard->code, now, earlier);
    if (!item) return NULL;
    char a[TG_PLACE_BYTES], b[TG_PLACE_BYTES];
    tg_finding_what(findings, item, "%s %s bytes 0x%llx to 0x%llx of %s that %s %s, and nothing orders the two",
                    tg_mark_describe(now, a), hazard->does, (unsigned long long)low, (unsigned long long)high, memory,
                    tg_mark_describe(earlier, b), hazard->did);
    mend_order(findings, item, earlier, now);
    return item;
}

/* ---- an instruction -----------------------------------------------------------------------------------------------
 */

static void check_rows_apart(struct tg_core_check *c, const struct tg_instr *instr, const struct tg_mark *now)
{
    uint64_t common[2];
    if (!tg_global_repeats(instr->global, common, &c->check->findings.lost)) return;
    struct tg_finding_item *item = tg_core_finding(c, TG_FINDING_STORE_OVERLAP, now, NULL);
    if (!item) return;
    char text[TG_PLACE_BYTES];
    tg_finding_what(&c->check->findings, item,
                    "%s stores bytes 0x%llx to 0x%llx of device memory twice, as parts of two of its rows, in no order",
                    tg_mark_describe(now, text), (unsigned long long)common[0], (unsigned long long)common[1]);
    tg_finding_mend(&c->check->findings, item, "%s",
                    "strides of the GlobalTensor that are no shorter than what lies between two steps of them");
}

static void say_conflict(struct tg_core_check *c, const struct tg_transfers_conflict *conflict, bool stores,
                         const struct tg_mark *now)
{
    if (conflict->earlier.number == 0) return;
    const struct tg_hazard *hazard = !stores                    ? &tg_hazard_raw
                                     : conflict->earlier_stores ? &tg_hazard_waw
                                                                : &tg_hazard_war;
    struct tg_finding_item *item = tg_core_hazard(c, hazard, now, &conflict->earlier, "device memory", conflict->low,
                                                  conflict->high);
    if (item && conflict->has_flag)
        tg_finding_mend(&c->check->findings, item, "%s",
                        "pipe_barrier(PIPE_ALL) between the two: the machine file has strict_round_trip, and a flag is "
                        "not enough for a load of what was stored");
}

/* now NULL: the kernel returns. */
static void report_cached(struct tg_core_check *c, const struct tg_mark *stored, const struct tg_mark *now)
{
    struct tg_finding_item *item = stored ? tg_core_finding(c, TG_FINDING_STORE_NOT_FLUSHED, stored, now) : NULL;
    if (!item) return;
    char a[TG_PLACE_BYTES], b[TG_PLACE_BYTES];
    if (now)
        tg_finding_what(&c->check->findings, item,
                        "%s is still in the cache of the scalar unit when %s uses the same line of device memory",
                        tg_mark_describe(stored, a), tg_mark_describe(now, b));
    else
        tg_finding_what(&c->check->findings, item,
                        "%s is still in the cache of the scalar unit when the kernel returns: nobody else sees it, and "
                        "the next task drops it",
                        tg_mark_describe(stored, a));
    tg_finding_mend(
        &c->check->findings, item, "%s",
        "dcci(address, TG_CACHE_LINE) behind the stores to each line, or dcci(0, TG_CACHE_ALL); then dsb()");
}

/* Does the transfer touch lines in the scalar unit's cache? */
static void check_cached(struct tg_core_check *c, const struct tg_instr *instr, const struct tg_mark *now)
{
    struct tg_run_of_bytes run;
    for (uint32_t i = 0; c->cached.n_dirty > 0 && tg_global_run(instr->global, i, &run); i++) {
        const struct tg_mark *stored = tg_cached_at(&c->cached, run.address, run.bytes);
        if (!stored) continue;
        report_cached(c, stored, now);
        return;
    }
}

static void flush(struct tg_core_check *c, const struct tg_instr *instr)
{
    if (instr->mode == TG_CACHE_ALL) tg_cached_flush_all(&c->cached);
    else tg_cached_flush(&c->cached, (uint64_t)instr->immediate[0]);
}

static bool check_transfer(struct tg_core_check *c, const struct tg_instr *instr, const struct tg_mark *now)
{
    struct tg_transfers_conflict conflict;
    const bool done = tg_transfers_add(&c->transfers, &c->order, instr, now, c->facts->strict_round_trip, &conflict);
    const bool stores = tg_use_writes(tg_form_of(instr->op)->global);
    say_conflict(c, &conflict, stores, now);
    if (stores) check_rows_apart(c, instr, now);
    check_cached(c, instr, now);
    return done;
}

void tg_core_check_plain(struct tg_core_check *c, const struct tg_access *access)
{
    const struct tg_mark now = tg_order_plain(&c->order, access->write ? TG_MARK_PLAIN_STORE : TG_MARK_PLAIN_LOAD,
                                              access->file, access->file ? access->line : (uint32_t)access->offset);
    struct tg_transfers_conflict conflict;
    if (!tg_transfers_plain(&c->transfers, &c->order, access->address, access->bytes, access->write, &now, &conflict))
        c->check->findings.lost = true;
    say_conflict(c, &conflict, access->write, &now);
    if (access->write && access->plain && !tg_cached_store(&c->cached, access->address, access->bytes, &now))
        c->check->findings.lost = true;
}

void tg_core_check_instr(struct tg_core_check *c, const struct tg_instr *instr, enum tg_pipe pipe)
{
    if (instr->op == TG_OP_SET_FLAG) pipe = (enum tg_pipe)instr->src_pipe;
    if (instr->op == TG_OP_WAIT_FLAG) pipe = (enum tg_pipe)instr->dst_pipe;
    const struct tg_mark now = tg_order_next(&c->order, instr, pipe);
    bool done = true;
    switch ((enum tg_op)instr->op) {
    case TG_OP_SET_FLAG: tg_check_set(c, instr, &now); break;
    case TG_OP_WAIT_FLAG: tg_check_wait(c, instr, &now); break;
    case TG_OP_PIPE_BARRIER: tg_order_barrier(&c->order, instr->src_pipe); break;
    case TG_OP_TRESHAPE: done = tg_names_say(&c->names, instr->dst, instr->a); break;
    case TG_OP_DCCI: flush(c, instr); break;
    default:
        done = tg_check_operands(c, instr, &now);
        if (instr->global) done = check_transfer(c, instr, &now) && done;
        break;
    }
    if (!done) c->check->findings.lost = true;
}

void tg_core_check_broken(struct tg_core_check *c, const struct tg_instr *instr, const char *message)
{
    const struct tg_mark now = tg_order_next(&c->order, instr, PIPE_S);
    struct tg_finding_item *item = tg_core_finding(c, TG_FINDING_TILE_RULE, &now, NULL);
    if (!item) return;
    tg_finding_what(&c->check->findings, item, "%s", message);
    tg_finding_mend(&c->check->findings, item, "see the instruction's rules in tile.h; the kernel ended here");
}

static void check_drained(struct tg_core_check *c)
{
    const struct tg_mark *last = tg_order_undrained(&c->order);
    struct tg_finding_item *item = last ? tg_core_finding(c, TG_FINDING_KERNEL_NOT_DRAINED, last, NULL) : NULL;
    if (!item) return;
    char text[TG_PLACE_BYTES];
    const bool stores = last->pipe == PIPE_MTE3 || last->pipe == PIPE_FIX;
    tg_finding_what(
        &c->check->findings, item,
        "%s may still be at work when the kernel returns, because the scalar pipe has not waited for it: %s",
        tg_mark_describe(last, text),
        stores ? "who depends on this task may read what was there before"
               : "the next kernel on the core may use the same bytes");
    tg_finding_mend(
        &c->check->findings, item,
        "TDRAIN() as the kernel's last line, or set_flag(%s, PIPE_S, event) and wait_flag(%s, PIPE_S, event)",
        tg_pipe_symbol(last->pipe), tg_pipe_symbol(last->pipe));
}

void tg_core_check_end(struct tg_core_check *c)
{
    tg_check_flags_left(c);
    check_drained(c);
    report_cached(c, tg_cached_left(&c->cached), NULL);
}
