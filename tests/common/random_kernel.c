#include "common/random_kernel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check/core/core_check.h"
#include "common/instr.h"
#include "tile/execute.h"
#include "tile/rules.h"

enum {
    STEPS_MAX = 48, /* a bit each */
    ROWS = 8,
    COLS = 16,
    PLACES = 3, /* tiles of ROWS x COLS fp32 in UB, and as many in device memory */
    TILE_BYTES = ROWS * COLS * 4,
    BYTES = PLACES * TILE_BYTES,
    GM_BASE = 0x10000,
    LINE_BYTES = 64
};

enum kind { LOAD, STORE, ACCUMULATE, ADD, FILL, PLAIN_LOAD, PLAIN_STORE, FLUSH, SET, WAIT, BARRIER };

struct step {
    enum kind kind;
    uint8_t pipe;            /* that does it; PIPE_ALL: all of them */
    uint8_t from, to, event; /* SET, WAIT */
    int set;                 /* WAIT: the step that has set its flag */
    struct tg_tile dst, src;
    struct tg_global global;
    uint64_t address, bytes; /* plain accesses, FLUSH */
};

struct kernel {
    struct step steps[STEPS_MAX];
    int n;
};

/* ---- drawing ----------------------------------------------------------------------------------------------------- */

struct chance {
    random_kernel_fn *draw;
    void *context;
};

static uint32_t below(const struct chance *c, uint32_t n) { return c->draw(c->context, n); }

/* A tile or a part of one. */
static struct tg_tile draw_tile(const struct chance *c)
{
    struct tg_tile t = tg_tile_vec(TG_FP32, ROWS, COLS);
    uint32_t row = 0, col = 0;
    switch (below(c, 5)) {
    case 0: break;
    case 1: /* the left or right columns */
        t.valid_cols = COLS / 2;
        col = below(c, 2) * COLS / 2;
        break;
    case 2: /* some rows */
        row = below(c, ROWS);
        t.valid_rows = 1 + below(c, ROWS - row);
        break;
    case 3: t.valid_cols = 1 + below(c, COLS); break; /* rows that end anywhere */
    default:
        t = tg_tile_vec(TG_FP32, 1, COLS);
        row = below(c, ROWS);
        break;
    }
    t.offset = below(c, PLACES) * TILE_BYTES + (row * COLS + col) * 4;
    /* The bytes behind the part's static end are still UB, for the rules. */
    return t;
}

static struct tg_global draw_global(const struct chance *c, const struct tg_tile *t)
{
    const uint64_t room = BYTES - ((t->valid_rows - 1) * COLS + t->valid_cols) * 4u;
    const uint64_t at = 32 * (uint64_t)below(c, (uint32_t)(room / 32) + 1);
    return tg_global_nd(GM_BASE + at, TG_FP32, t->valid_rows, t->valid_cols, COLS);
}

static const uint8_t pipes[] = {PIPE_S, PIPE_V, PIPE_MTE2, PIPE_MTE3};

/* The open set of a flag; -1: it is not set. */
static int open_set(const struct kernel *k, uint8_t from, uint8_t to, uint8_t event)
{
    int open = -1;
    for (int i = 0; i < k->n; i++) {
        const struct step *s = &k->steps[i];
        if ((s->kind != SET && s->kind != WAIT) || s->from != from || s->to != to || s->event != event) continue;
        open = s->kind == SET ? i : -1;
    }
    return open;
}

static bool draw_flag(const struct chance *c, struct kernel *k, struct step *s)
{
    s->from = pipes[below(c, 4)];
    s->to = pipes[below(c, 4)];
    s->event = (uint8_t)below(c, 2);
    s->set = open_set(k, s->from, s->to, s->event);
    if (s->from == s->to) return false;
    s->kind = s->set < 0 ? SET : WAIT;
    s->pipe = s->kind == SET ? s->from : s->to;
    return true;
}

static bool draw_step(const struct chance *c, struct kernel *k, struct step *s)
{
    static const uint8_t pipe_of[] = {
        [LOAD] = PIPE_MTE2,       [STORE] = PIPE_MTE3,   [ADD] = PIPE_V,        [FILL] = PIPE_V,
        [ACCUMULATE] = PIPE_MTE3, [PLAIN_LOAD] = PIPE_S, [PLAIN_STORE] = PIPE_S};
    memset(s, 0, sizeof *s);
    const uint32_t what = below(c, 23);
    if (what >= 10 && what < 18) return draw_flag(c, k, s);
    if (what == 18 || what == 19) {
        s->kind = BARRIER;
        s->pipe = what == 18 ? pipes[1 + below(c, 3)] : PIPE_ALL;
        return true;
    }
    if (what == 22) {
        s->kind = FLUSH;
        s->bytes = below(c, 2) ? LINE_BYTES : BYTES;
        s->address = s->bytes == BYTES ? GM_BASE : GM_BASE + LINE_BYTES * (uint64_t)below(c, BYTES / LINE_BYTES);
        return true;
    }
    s->kind = what >= 20 ? ACCUMULATE
              : what < 3 ? LOAD
              : what < 5 ? STORE
              : what < 7 ? ADD
              : what < 8 ? FILL
              : what < 9 ? PLAIN_LOAD
                         : PLAIN_STORE;
    s->pipe = pipe_of[s->kind];
    s->dst = s->src = draw_tile(c);
    if (s->kind == ADD && below(c, 2)) s->src.offset = (s->dst.offset + TILE_BYTES) % BYTES;
    s->global = draw_global(c, &s->dst);
    s->bytes = 4 * (1 + below(c, 16));
    s->address = GM_BASE + 4 * (uint64_t)below(c, (uint32_t)(BYTES - s->bytes) / 4);
    return true;
}

static void draw_kernel(const struct chance *c, struct kernel *k)
{
    const int length = 1 + (int)below(c, STEPS_MAX - 1);
    k->n = 0;
    while (k->n < length) k->n += draw_step(c, k, &k->steps[k->n]) ? 1 : 0;
    if (below(c, 3) != 0) k->steps[k->n++] = (struct step){.kind = BARRIER, .pipe = PIPE_ALL};
}

/* ---- the oracle -------------------------------------------------------------------------------------------------- */

static uint64_t bit(int i) { return (uint64_t)1 << i; }

/* started[j], ended[j]: the steps that have ended when j starts, and when it ends. */
static void search(const struct kernel *k, uint64_t started[STEPS_MAX + 1], uint64_t ended[STEPS_MAX + 1])
{
    for (int j = 0; j < k->n; j++) {
        const struct step *s = &k->steps[j];
        uint64_t before = 0;
        for (int i = 0; i < j; i++) {
            const struct step *e = &k->steps[i];
            const bool same = s->pipe == PIPE_ALL || e->pipe == PIPE_ALL || s->pipe == e->pipe;
            const bool stops = e->kind == WAIT || e->kind == BARRIER;
            if (same && e->kind != SET) before |= started[i]; /* nobody waits behind a set */
            if ((same || (e->kind == WAIT && e->pipe == PIPE_S)) && stops) before |= ended[i] | bit(i);
            if (same && (s->kind == SET || s->kind == BARRIER)) before |= ended[i] | bit(i);
        }
        started[j] = ended[j] = before;
        if (s->kind == WAIT) ended[j] |= ended[s->set] | bit(s->set);
    }
}

/* The uses of a byte. */
struct byte {
    int writer; /* -1: nobody */
    bool means; /* something that this kernel has put there */
    uint64_t readers, adders;
};

struct oracle {
    const struct kernel *kernel;
    uint64_t started[STEPS_MAX + 1], ended[STEPS_MAX + 1];
    struct byte ub[BYTES + TILE_BYTES], gm[BYTES];
    bool is_cached[BYTES / LINE_BYTES]; /* lines with plain stores that are not flushed */
    struct random_kernel_verdict *verdict;
};

static bool in_order(const struct oracle *o, int i, int j, bool reads_first)
{
    const struct step *e = &o->kernel->steps[i], *s = &o->kernel->steps[j];
    if (i == j || o->started[j] & bit(i)) return true;
    return e->pipe == s->pipe && (reads_first || s->pipe == PIPE_S);
}

static void compare_with(struct oracle *o, uint64_t steps, int j, bool reads_first)
{
    for (int i = 0; i < j; i++)
        if (steps & bit(i) && o->kernel->steps[i].kind != PLAIN_LOAD && !in_order(o, i, j, reads_first))
            o->verdict->hazard = true;
}

static void read_byte(struct oracle *o, struct byte *b, int j)
{
    if (b->writer >= 0) compare_with(o, bit(b->writer), j, false);
    compare_with(o, b->adders, j, false);
    b->readers |= bit(j);
}

static void write_byte(struct oracle *o, struct byte *b, int j, bool means)
{
    if (b->writer >= 0) compare_with(o, bit(b->writer), j, false);
    compare_with(o, b->adders, j, false);
    compare_with(o, b->readers, j, true);
    *b = (struct byte){.writer = j, .means = means};
}

/* Additions commute. */
static void add_to_byte(struct oracle *o, struct byte *b, int j)
{
    if (b->writer >= 0) compare_with(o, bit(b->writer), j, false);
    compare_with(o, b->readers, j, true);
    b->adders |= bit(j);
}

/* Use the bytes of a tile, one by one. */
static void use_tile(struct oracle *o, const struct tg_tile *t, int j, bool writes, uint32_t cols, bool means)
{
    for (uint32_t r = 0; r < t->valid_rows; r++)
        for (uint32_t at = 0; at < cols * 4; at++) {
            struct byte *b = &o->ub[t->offset + r * COLS * 4 + at];
            if (writes) {
                write_byte(o, b, j, means);
            } else {
                if (!b->means) o->verdict->unwritten = true;
                read_byte(o, b, j);
            }
        }
}

static void use_global(struct oracle *o, const struct tg_global *g, int j)
{
    const enum kind kind = o->kernel->steps[j].kind;
    for (uint32_t r = 0; r < g->shape[3]; r++)
        for (uint32_t at = 0; at < g->shape[4] * 4; at++) {
            const uint64_t byte = g->addr - GM_BASE + r * COLS * 4 + at;
            if (o->is_cached[byte / LINE_BYTES]) o->verdict->cached = true;
            if (kind == STORE) write_byte(o, &o->gm[byte], j, true);
            else if (kind == ACCUMULATE) add_to_byte(o, &o->gm[byte], j);
            else read_byte(o, &o->gm[byte], j);
        }
}

static void follow(struct oracle *o, const struct step *s, int j)
{
    switch (s->kind) {
    case LOAD:
        use_global(o, &s->global, j);
        use_tile(o, &s->dst, j, true, (s->dst.valid_cols + 7) / 8 * 8, false);
        use_tile(o, &s->dst, j, true, s->dst.valid_cols, true);
        break;
    case STORE:
    case ACCUMULATE:
        use_tile(o, &s->src, j, false, s->src.valid_cols, true);
        use_global(o, &s->global, j);
        break;
    case ADD:
        use_tile(o, &s->src, j, false, s->src.valid_cols, true);
        use_tile(o, &s->dst, j, true, s->dst.valid_cols, true);
        break;
    case FILL: use_tile(o, &s->dst, j, true, s->dst.valid_cols, true); break;
    case PLAIN_LOAD:
    case PLAIN_STORE:
        for (uint64_t at = s->address - GM_BASE; at < s->address - GM_BASE + s->bytes; at++) {
            if (s->kind == PLAIN_STORE) write_byte(o, &o->gm[at], j, true);
            else read_byte(o, &o->gm[at], j);
            o->is_cached[at / LINE_BYTES] |= s->kind == PLAIN_STORE;
        }
        break;
    case FLUSH: memset(o->is_cached + (s->address - GM_BASE) / LINE_BYTES, 0, s->bytes / LINE_BYTES); break;
    case SET:
    case WAIT:
    case BARRIER: break;
    }
}

static void ask_oracle(const struct kernel *k, struct random_kernel_verdict *verdict)
{
    static struct oracle o;
    memset(&o, 0, sizeof o);
    memset(verdict, 0, sizeof *verdict);
    o.kernel = k;
    o.verdict = verdict;
    for (size_t i = 0; i < sizeof o.ub / sizeof o.ub[0]; i++) o.ub[i].writer = -1;
    for (size_t i = 0; i < sizeof o.gm / sizeof o.gm[0]; i++) o.gm[i].writer = -1;
    search(k, o.started, o.ended);
    uint64_t scalar = 0; /* instructions that the scalar pipe has joined at the end */
    for (int j = 0; j < k->n; j++) {
        const struct step *s = &k->steps[j];
        follow(&o, s, j);
        if ((s->kind == WAIT && s->pipe == PIPE_S) || s->pipe == PIPE_ALL) scalar |= o.ended[j];
    }
    for (int j = 0; j < k->n; j++)
        if (k->steps[j].kind < PLAIN_LOAD && !(scalar & bit(j))) verdict->undrained = true;
    for (int line = 0; line < BYTES / LINE_BYTES; line++) verdict->cached |= o.is_cached[line];
}

/* ---- the check --------------------------------------------------------------------------------------------------- */

static struct tg_instr instr_of(const struct step *s, int line)
{
    static const uint16_t op_of[] = {
        [LOAD] = TG_OP_TLOAD,           [STORE] = TG_OP_TSTORE,      [ADD] = TG_OP_TADDS,
        [FILL] = TG_OP_TEXPANDS,        [SET] = TG_OP_SET_FLAG,      [WAIT] = TG_OP_WAIT_FLAG,
        [BARRIER] = TG_OP_PIPE_BARRIER, [ACCUMULATE] = TG_OP_TSTORE, [FLUSH] = TG_OP_DCCI};
    struct tg_instr instr = instr_at(op_of[s->kind], "random.c", line);
    if (s->kind == SET || s->kind == WAIT) {
        instr.src_pipe = s->from;
        instr.dst_pipe = s->to;
        instr.event = s->event;
    } else if (s->kind == BARRIER) {
        instr.src_pipe = instr.dst_pipe = s->pipe;
    } else if (s->kind == FLUSH) {
        instr.mode = s->bytes == BYTES ? TG_CACHE_ALL : TG_CACHE_LINE;
        instr.immediate[0] = s->bytes == BYTES ? 0 : (int64_t)s->address;
    } else {
        const bool stores = s->kind == STORE || s->kind == ACCUMULATE;
        if (!stores) instr.dst = &s->dst;
        if (stores || s->kind == ADD) instr.a = &s->src;
        if (stores || s->kind == LOAD) instr.global = &s->global;
        if (s->kind == ACCUMULATE) instr.mode = TG_STORE_ADD;
    }
    return instr;
}

static void check_step(struct tg_core_check *core, const struct step *s, int line)
{
    char why[256];
    if (s->kind == PLAIN_LOAD || s->kind == PLAIN_STORE) {
        const struct tg_access access = {.address = s->address,
                                         .bytes = s->bytes,
                                         .write = s->kind == PLAIN_STORE,
                                         .plain = true,
                                         .file = "random.c",
                                         .line = (uint32_t)line};
        tg_core_check_plain(core, &access);
        return;
    }
    const struct tg_instr instr = instr_of(s, line);
    if (!tg_rules_check(&instr, TG_AIV, why, sizeof why)) {
        fprintf(stderr, "a kernel breaks a rule: %s\n", why);
        abort();
    }
    tg_core_check_instr(core, &instr, tg_op_pipe(&instr));
}

static void ask_check(const struct kernel *k, struct random_kernel_verdict *verdict)
{
    static const struct tg_facts facts = {0};
    static struct tg_core_check *core;
    struct tg_check check;
    const struct tg_check_task task = {.kernel = "random", .core_type = TG_AIV};
    if (!core) core = tg_core_check_open(TG_AIV); /* one core for all, as on a device that lives long */
    if (!core) abort();
    memset(&check, 0, sizeof check);
    tg_core_check_begin(core, &check, &task, NULL, &facts);
    for (int i = 0; i < k->n; i++) check_step(core, &k->steps[i], i + 1);
    tg_core_check_end(core);
    memset(verdict, 0, sizeof *verdict);
    for (size_t i = 0; i < check.findings.n; i++) {
        const enum tg_finding_code code = check.findings.items[i].code;
        verdict->hazard |= code == TG_FINDING_PIPE_RAW || code == TG_FINDING_PIPE_WAR || code == TG_FINDING_PIPE_WAW;
        verdict->unwritten |= code == TG_FINDING_TILE_UNWRITTEN;
        verdict->undrained |= code == TG_FINDING_KERNEL_NOT_DRAINED;
        verdict->cached |= code == TG_FINDING_STORE_NOT_FLUSHED;
    }
    tg_finding_list_fini(&check.findings);
}

/* ---- telling ----------------------------------------------------------------------------------------------------- */

static void write_kernel(const struct kernel *k, char *text, size_t n_text)
{
    size_t at = 0;
    text[0] = '\0';
    for (int i = 0; i < k->n && at < n_text; i++) {
        const struct step *s = &k->steps[i];
        int n = 0;
        if (s->kind == PLAIN_LOAD || s->kind == PLAIN_STORE) {
            n = snprintf(text + at, n_text - at, "%d: plain %s 0x%llx, %llu bytes\n", i + 1,
                         s->kind == PLAIN_LOAD ? "load" : "store", (unsigned long long)s->address,
                         (unsigned long long)s->bytes);
        } else {
            const struct tg_instr instr = instr_of(s, i + 1);
            n = snprintf(
                text + at, n_text - at, "%d: %s (%s) %s to %s event %u; dst 0x%x src 0x%x, %u x %u; GM 0x%llx\n", i + 1,
                tg_op_name(instr.op), tg_pipe_symbol(s->pipe), tg_pipe_symbol(s->from), tg_pipe_symbol(s->to), s->event,
                s->dst.offset, s->src.offset, s->dst.valid_rows, s->dst.valid_cols, (unsigned long long)s->global.addr);
        }
        at += n > 0 ? (size_t)n : 0;
    }
}

void random_kernel_judge(random_kernel_fn *draw, void *context, struct random_kernel_verdict *check,
                         struct random_kernel_verdict *oracle, char *text, size_t n_text)
{
    static struct kernel kernel;
    const struct chance chance = {draw, context};
    draw_kernel(&chance, &kernel);
    write_kernel(&kernel, text, n_text);
    ask_oracle(&kernel, oracle);
    ask_check(&kernel, check);
}
