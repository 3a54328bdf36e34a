#include "mutants/operators.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mutants/need.h"

#define N_OF(array) (sizeof(array) / sizeof(array)[0])
enum { TEXT_BYTES = 1024 };

const char *const mutant_class_names[MUTANT_CLASSES_COUNT] = {
#define MUTANT_CLASS_NAME(id, text) text,
    MUTANT_CLASSES(MUTANT_CLASS_NAME)
#undef MUTANT_CLASS_NAME
};

/* The functions that make mutants, and the sources that they change. */
struct maker {
    const struct source *source;
    enum mutant_core core;
    struct mutants *out;
};

/* ---- the list ---------------------------------------------------------------------------------------------------- */

static bool is_known(const struct mutants *mutants, const char *name)
{
    for (size_t i = 0; i < mutants->n; i++)
        if (strcmp(mutants->items[i].name, name) == 0) return true;
    return false;
}

static char *name_mutant(const struct maker *m, struct range whole, const char *after)
{
    char function[64], name[TEXT_BYTES * 2];
    char *before = range_text(m->source, whole);
    source_function(m->source, whole.at, function, sizeof function);
    int n = snprintf(name, sizeof name, "%s%s%s => %s", function, function[0] ? ": " : "", before, after);
    NEED(n > 0 && (size_t)n + 8 < sizeof name, "the name of a mutant is too long: %s", name);
    for (int i = 2; is_known(m->out, name); i++) (void)snprintf(name + n, sizeof name - (size_t)n, " #%d", i);
    free(before);
    return strdup(name);
}

/* Put `after` in the place of `part`, which lies in `whole`: the call or definition that names the mutant. */
static void add_part(const struct maker *m, enum mutant_class class, struct range whole, struct range part,
                     const char *after)
{
    struct mutants *out = m->out;
    const char *text = m->source->text;
    char all[TEXT_BYTES];
    if (range_is(m->source, part, after)) return;
    if (out->n == out->max) {
        out->max = out->max ? 2 * out->max : 256;
        out->items = realloc(out->items, out->max * sizeof *out->items);
        NEED(out->items, "no memory for mutants");
    }
    size_t head = part.at - whole.at, tail = part.at + part.length;
    int n = snprintf(all, sizeof all, "%.*s%s%.*s", (int)head, text + whole.at, after,
                     (int)(whole.length - head - part.length), text + tail);
    NEED(n > 0 && (size_t)n < sizeof all, "a mutant is too long: %s", all);
    for (char *c = all; *c; c++) *c = *c == '\n' ? ' ' : *c;
    out->items[out->n] = (struct mutant){class, whole, strdup(all), name_mutant(m, whole, all)};
    out->n++;
}

static void add(const struct maker *m, enum mutant_class class, struct range whole, const char *after)
{
    add_part(m, class, whole, whole, after);
}

/* The part, wrapped: `format` has one %s for its text. */
static void add_wrapped(const struct maker *m, enum mutant_class class, struct range whole, struct range part,
                        const char *format, ...) __attribute__((format(printf, 5, 6)));
static void add_wrapped(const struct maker *m, enum mutant_class class, struct range whole, struct range part,
                        const char *format, ...)
{
    char after[TEXT_BYTES];
    va_list list;
    va_start(list, format);
    int n = vsnprintf(after, sizeof after, format, list);
    va_end(list);
    NEED(n > 0 && (size_t)n < sizeof after, "a mutant is too long: %s", after);
    add_part(m, class, whole, part, after);
}

/* ---- flags, barriers, pipes -------------------------------------------------------------------------------------- */

static const char *const pipes_of_core[][6] = {
    [MUTANT_AIC] = {"PIPE_S", "PIPE_MTE2", "PIPE_MTE1", "PIPE_M", "PIPE_FIX", NULL},
    [MUTANT_AIV] = {"PIPE_S", "PIPE_MTE2", "PIPE_V", "PIPE_MTE3", NULL},
};

/* Another pipe of the core in the place of one; not the one at the flag's other end, which no core takes. */
static void change_pipe(const struct maker *m, const struct call *call, size_t arg)
{
    for (const char *const *pipe = pipes_of_core[m->core]; *pipe; pipe++) {
        if (call->n_args == 3 && range_is(m->source, call->args[1 - arg], *pipe)) continue;
        add_part(m, MUTANT_PIPE, call->all, call->args[arg], *pipe);
    }
}

static void turn_flag_round(const struct maker *m, const struct call *call)
{
    char *name = range_text(m->source, call->name), *event = range_text(m->source, call->args[2]);
    char *from = range_text(m->source, call->args[0]), *to = range_text(m->source, call->args[1]);
    add_wrapped(m, MUTANT_DIRECTION, call->all, call->all, "%s(%s, %s, %s)", name, to, from, event);
    free(name);
    free(event);
    free(from);
    free(to);
}

static void swap_event(const struct maker *m, const struct call *call)
{
    char *event = range_text(m->source, call->args[2]);
    add_wrapped(m, MUTANT_EVENT, call->all, call->args[2], "((%s) + 1) %% 8", event);
    add_wrapped(m, MUTANT_EVENT, call->all, call->args[2], "(%s) ^ 1", event);
    add_wrapped(m, MUTANT_EVENT, call->all, call->args[2], "7 - (%s)", event);
    if (strcmp(event, "EVENT_ID0") != 0) add_part(m, MUTANT_EVENT, call->all, call->args[2], "EVENT_ID0");
    free(event);
}

/* `if (guard) call`: always. */
static void take_guard(const struct maker *m, const struct call *call)
{
    const char *code = m->source->code;
    size_t end = call->all.at;
    while (end > 0 && code[end - 1] == ' ') end--;
    if (end == 0 || code[end - 1] != ')') return;
    size_t open = end - 1;
    for (int depth = 1; open > 0 && depth > 0;) {
        open--;
        depth += (code[open] == ')') - (code[open] == '(');
    }
    if (open < 3 || strncmp(code + open - 3, "if ", 3) != 0) return;
    const struct range whole = {open - 3, call->all.at + call->all.length - (open - 3)};
    const struct range guard = {open + 1, end - 1 - (open + 1)};
    add_part(m, MUTANT_GUARD, whole, guard, "1");
}

static void mutate_sync(const struct maker *m, const struct call *call)
{
    const struct source *source = m->source;
    bool is_set = range_is(source, call->name, "set_flag"), is_wait = range_is(source, call->name, "wait_flag");
    if (is_set || is_wait) {
        add(m, is_set ? MUTANT_SET_DELETED : MUTANT_WAIT_DELETED, call->all, "(void)0");
        swap_event(m, call);
        change_pipe(m, call, 0);
        change_pipe(m, call, 1);
        turn_flag_round(m, call);
        take_guard(m, call);
    } else if (range_is(source, call->name, "pipe_barrier")) {
        add(m, MUTANT_BARRIER_DELETED, call->all, "(void)0");
        change_pipe(m, call, 0);
        take_guard(m, call);
    } else if (range_is(source, call->name, "TDRAIN")) {
        add(m, MUTANT_DRAIN_DELETED, call->all, "(void)0");
    }
}

/* ---- offsets ----------------------------------------------------------------------------------------------------- */

/* Which buffer a tile is in, as its text says: "mat" of tg_tile_mat(...), "l1" of kt_l1; "" if it does not say. */
static void buffer_of(const char *tile, char *buffer, size_t size)
{
    static const char maker[] = "tg_tile_";
    const bool made = strncmp(tile, maker, strlen(maker)) == 0;
    const char *suffix = strrchr(tile, '_');
    const char *name = made ? tile + strlen(maker) : suffix ? suffix + 1 : "";
    (void)snprintf(buffer, size, "%.*s", (int)strcspn(name, "("), name);
}

static bool in_one_buffer(const char *a, const char *b)
{
    char of_a[64], of_b[64];
    buffer_of(a, of_a, sizeof of_a);
    buffer_of(b, of_b, sizeof of_b);
    return strcmp(of_a, of_b) == 0;
}

/* The argument of a call that places a tile: TASSIGN's second, the last of functions that make a placed tile. */
static bool offset_arg(const struct source *source, const struct call *call, struct range *offset)
{
    bool places = range_is(source, call->name, "TASSIGN") || range_is(source, call->name, "place") ||
                  range_is(source, call->name, "vec_at") || range_is(source, call->name, "column_at");
    if (places) *offset = call->args[call->n_args - 1];
    return places;
}

/* Offsets of other tiles of the function that are in the same buffer. */
static void take_others(const struct maker *m, const struct call *call, struct range offset)
{
    char here[64], there[64];
    struct call other;
    struct range other_offset;
    char *tile = range_text(m->source, call->args[0]);
    source_function(m->source, call->all.at, here, sizeof here);
    for (size_t at = 0; source_next_call(m->source, &at, &other);) {
        source_function(m->source, other.all.at, there, sizeof there);
        if (other.all.at == call->all.at || strcmp(here, there) != 0) continue;
        if (!offset_arg(m->source, &other, &other_offset)) continue;
        char *other_tile = range_text(m->source, other.args[0]), *text = range_text(m->source, other_offset);
        bool all_in_ub = range_is(m->source, call->name, "vec_at") || range_is(m->source, call->name, "column_at");
        bool same = all_in_ub || in_one_buffer(tile, other_tile);
        if (same) add_part(m, MUTANT_OFFSET, call->all, offset, text);
        free(other_tile);
        free(text);
    }
    free(tile);
}

/* `a * b`: b halved, and 0. */
static void shrink_distances(const struct maker *m, struct range whole, struct range offset)
{
    const char *code = m->source->code;
    for (size_t i = offset.at; i + 3 < offset.at + offset.length; i++) {
        if (strncmp(code + i, " * ", 3) != 0) continue;
        size_t end = i + 3;
        while (end < offset.at + offset.length && !strchr(" )", code[end])) end++;
        const struct range factor = {i + 3, end - i - 3};
        char *text = range_text(m->source, factor);
        add_wrapped(m, MUTANT_OFFSET, whole, factor, "(%s / 2)", text);
        add_part(m, MUTANT_OFFSET, whole, factor, "0");
        free(text);
    }
}

static void shift_offset(const struct maker *m, struct range whole, struct range offset)
{
    char *text = range_text(m->source, offset);
    if (strcmp(text, "0") != 0) {
        add_part(m, MUTANT_OFFSET, whole, offset, "0");
        add_wrapped(m, MUTANT_OFFSET, whole, offset, "(%s) / 2", text);
    }
    shrink_distances(m, whole, offset);
    free(text);
}

static void mutate_offset(const struct maker *m, const struct call *call)
{
    struct range offset;
    if (!offset_arg(m->source, call, &offset)) return;
    shift_offset(m, call->all, offset);
    take_others(m, call, offset);
}

/* ---- sizes ------------------------------------------------------------------------------------------------------- */

/* Functions that make tiles and views of device memory: which arguments are rows and columns, and which is the
 * stride. */
static const struct {
    const char *name;
    size_t first, n;
    size_t stride; /* 0: none */
} makers_of_sizes[] = {
    {"tg_tile_mat", 1, 2, 0},  {"tg_tile_left", 1, 2, 0},   {"tg_tile_right", 1, 2, 0}, {"tg_tile_acc", 0, 2, 0},
    {"tg_tile_vec", 1, 2, 0},  {"tg_tile_column", 1, 1, 0}, {"tg_global_nd", 2, 2, 4},  {"tg_global_dn", 2, 2, 4},
    {"tg_global_nz", 2, 2, 4}, {"vec_at", 1, 2, 0},         {"column_at", 0, 1, 0},
};

static void resize(const struct maker *m, enum mutant_class shrunk, struct range whole, struct range size)
{
    char *text = range_text(m->source, size);
    add_wrapped(m, shrunk, whole, size, "(%s) - 1", text);
    add_wrapped(m, shrunk, whole, size, "(%s) / 2", text);
    add_wrapped(m, MUTANT_WIDENED, whole, size, "(%s) + 1", text);
    add_wrapped(m, MUTANT_WIDENED, whole, size, "(%s) + 8", text);
    free(text);
}

static void mutate_size(const struct maker *m, const struct call *call)
{
    for (size_t i = 0; i < N_OF(makers_of_sizes); i++) {
        if (!range_is(m->source, call->name, makers_of_sizes[i].name)) continue;
        const enum mutant_class shrunk = makers_of_sizes[i].stride ? MUTANT_NARROWED : MUTANT_SHRUNK;
        for (size_t k = 0; k < makers_of_sizes[i].n; k++)
            resize(m, shrunk, call->all, call->args[makers_of_sizes[i].first + k]);
        if (makers_of_sizes[i].stride == 0) continue;
        const struct range stride = call->args[makers_of_sizes[i].stride];
        char *text = range_text(m->source, stride);
        add_wrapped(m, MUTANT_WIDENED, call->all, stride, "(int64_t)(%s) + 1", text);
        add_wrapped(m, MUTANT_WIDENED, call->all, stride, "(int64_t)(%s) + 8", text);
        free(text);
    }
}

/* A tile that is not cut to its valid columns, or to those of another block. */
static void mutate_mask(const struct maker *m, const struct call *call)
{
    if (!range_is(m->source, call->name, "masked")) return;
    char *tile = range_text(m->source, call->args[0]);
    add(m, MUTANT_WIDENED, call->all, tile);
    add_part(m, MUTANT_WIDENED, call->all, call->args[2], "0");
    free(tile);
}

/* Variables that hold a size or a count, wherever they get a value. */
static const char *const kernel_sizes[] = {
    "valid",       "n",          "s.n",         "depth",        "width",      "tile.valid_cols", "t.chunk",
    "t.n_chunks",  "t.n_loads",  "t.n_stores",  "t.first_kept", "n_slices",   "s.first_load",    "s.first_store",
    "t->n_slices", "t->q_bytes", "t->kt_bytes", "t->p_bytes",   "t->v_bytes", "t->l0_sets"};
static const char *const plugin_sizes[] = {"k->tokens", "k->n_blocks"};

static void mutate_variable(const struct maker *m, const char *name)
{
    struct range value;
    for (size_t at = 0; source_next_value(m->source, name, &at, &value);) {
        const size_t from = value.at - strlen(name) - strlen(" = ");
        const struct range whole = {from, value.at + value.length - from};
        char *text = range_text(m->source, value);
        add_wrapped(m, MUTANT_SHRUNK, whole, value, "(%s) - 1", text);
        add_wrapped(m, MUTANT_WIDENED, whole, value, "(%s) + 1", text);
        free(text);
    }
}

/* ---- buffers in turn --------------------------------------------------------------------------------------------- */

/* The start of the product of which position `end` is the end: factors joined by * and /. */
static size_t product_start(const char *code, size_t end)
{
    for (size_t at = end;;) {
        for (int depth = 0; at > 0; at--) {
            const char c = code[at - 1];
            if (depth == 0 && !strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.->)", c)) break;
            depth += (c == ')') - (c == '(');
        }
        if (at < 3 || (strncmp(code + at - 3, " / ", 3) != 0 && strncmp(code + at - 3, " * ", 3) != 0)) return at;
        at -= 3;
    }
}

/* `i % SETS` at one place: the other set of buffers. */
static void swap_generations(const struct maker *m)
{
    static const char *const turns[] = {" % SETS", " % t->l0_sets", " % PLACES", " % 2"};
    for (size_t i = 0; i < N_OF(turns); i++) {
        struct range found;
        for (size_t at = 0; source_next_text(m->source, turns[i], &at, &found);) {
            const size_t start = product_start(m->source->code, found.at);
            const struct range product = {start, found.at - start};
            const struct range whole = {start, found.at + found.length - start};
            char *text = range_text(m->source, product);
            add_wrapped(m, MUTANT_GENERATION, whole, whole, "((%s + 1)%s)", text, turns[i]);
            free(text);
        }
    }
}

/* ---- definitions ------------------------------------------------------------------------------------------------- */

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), k = strlen(end);
    return n >= k && strcmp(text + n - k, end) == 0;
}

/* Offsets and distances that have a name. */
static bool names_a_place(const char *name)
{
    static const char *const names[] = {"TILE", "FLOATS", "ROW", "PART"};
    for (size_t i = 0; i < N_OF(names); i++)
        if (strcmp(name, names[i]) == 0) return true;
    return strncmp(name, "UB_", 3) == 0 || strncmp(name, "L1_", 3) == 0 || strncmp(name, "SET_", 4) == 0;
}

static void mutate_definition(const struct maker *m, struct range name, struct range value)
{
    const struct range whole = {name.at, value.at + value.length - name.at};
    char *name_text = range_text(m->source, name), *text = range_text(m->source, value);
    if (ends_with(name_text, "_EVENT")) {
        add_part(m, MUTANT_EVENT, whole, value, "0");
        add_part(m, MUTANT_EVENT, whole, value, "1");
        add_wrapped(m, MUTANT_EVENT, whole, value, "(%s + 1)", text);
    } else if (names_a_place(name_text) && strcmp(text, "0u") != 0) {
        add_wrapped(m, MUTANT_OFFSET, whole, value, "(%s / 2)", text);
        add_part(m, MUTANT_OFFSET, whole, value, "0u");
        struct range other, other_value;
        for (size_t at = 0; source_next_define(m->source, &at, &other, &other_value) && other.at < name.at;) {
            char *other_text = range_text(m->source, other);
            bool place = strncmp(other_text, name_text, 3) == 0 && names_a_place(other_text);
            if (place) add_part(m, MUTANT_OFFSET, whole, value, other_text);
            free(other_text);
        }
    }
    free(name_text);
    free(text);
}

/* ---- the plugin -------------------------------------------------------------------------------------------------- */

/* What an orchestration does is its own: each change is named here. Every place where a function has `before` is a
 * mutant; function "": wherever it stands. */
static const struct change {
    enum mutant_class class;
    const char *function, *before, *after;
} changes[] = {
    {MUTANT_EDGE_DELETED, "", "tg_add_edge(b->rt, *k->slot_user, k->qk)", "(void)0"},
    {MUTANT_EDGE_DELETED, "", "tg_add_edge(b->rt, from, to)", "(void)0"},
    {MUTANT_EDGE_DELETED, "", "tg_add_edge(b->rt, *c->accumulator_user, up)", "(void)0"},
    {MUTANT_EDGE_DELETED, "", "follow(b, k, k->qk, sf)", "(sf < 0)"},
    {MUTANT_EDGE_DELETED, "", "follow(b, k, sf, pv)", "(pv < 0)"},
    {MUTANT_EDGE_DELETED, "", "follow(b, k, sf, pv)", "follow(b, k, k->qk, pv)"},
    {MUTANT_EDGE_DELETED, "", "follow(b, k, pv, up)", "(up < 0)"},
    {MUTANT_EDGE_DELETED, "", "follow(b, k, pv, up)", "follow(b, k, sf, up)"},
    {MUTANT_EDGE_DELETED, "", "follow(b, k, pv, up)", "follow(b, k, k->qk, up)"},
    {MUTANT_EDGE_DELETED, "", "*k->slot_user = up", "(void)0"},
    {MUTANT_EDGE_DELETED, "", "*k->slot_user = up", "*k->slot_user = pv"},
    {MUTANT_EDGE_DELETED, "", "*k->slot_user = up", "*k->slot_user = sf"},
    {MUTANT_EDGE_DELETED, "", "*c->accumulator_user = up", "(void)0"},
    {MUTANT_EDGE_DELETED, "", "*c->accumulator_user = up", "*c->accumulator_user = pv"},
    {MUTANT_OFFSET, "partial_at", "base + row_bytes(p)", "base"},
    {MUTANT_OFFSET, "partial_at", "base + row_bytes(p)", "base + row_bytes(p) / 2"},
    {MUTANT_OFFSET, "partial_at", "base + 2 * row_bytes(p)", "base"},
    {MUTANT_OFFSET, "partial_at", "base + 2 * row_bytes(p)", "base + row_bytes(p)"},
    {MUTANT_OFFSET, "slot_at", "base + gm_round_up(scores * sizeof(float))", "base"},
    {MUTANT_OFFSET, "slot_at", "base + gm_round_up(scores * sizeof(float))",
     "base + gm_round_up(scores * sizeof(float)) / 2"},
    {MUTANT_OFFSET, "slot_at", "probs + gm_round_up(scores * p->elem_bytes)", "probs"},
    {MUTANT_OFFSET, "slot_at", "probs + gm_round_up(scores * p->elem_bytes)", "base"},
    {MUTANT_OFFSET, "slot_at", "probs + gm_round_up(scores * p->elem_bytes)",
     "probs + gm_round_up(scores * p->elem_bytes) / 2"},
    {MUTANT_OFFSET, "ring_at", "ring->base + idx * ring->place_bytes", "ring->base"},
    {MUTANT_OFFSET, "ring_at", "ring->base + idx * ring->place_bytes", "ring->base + idx * (ring->place_bytes / 2)"},
    {MUTANT_OFFSET, "rows_addr", "c->kv_head * p->rows", "0"},
    {MUTANT_OFFSET, "rows_addr", "c->kv_head * p->rows", "c->kv_head * p->rows / 2"},
    {MUTANT_OFFSET, "rows_addr", "c->seq * p->heads", "0"},
    {MUTANT_OFFSET, "rows_addr", "c->seq * p->heads", "c->seq * p->heads / 2"},
    {MUTANT_OFFSET, "add_qk", "k->slot.s", "k->slot.p"},
    {MUTANT_OFFSET, "add_sf", "k->slot.s", "k->slot.p"},
    {MUTANT_OFFSET, "add_sf", "k->slot.p", "k->slot.s"},
    {MUTANT_OFFSET, "add_sf", "k->slot.part.m", "k->slot.part.l"},
    {MUTANT_OFFSET, "add_sf", "k->slot.part.l", "k->slot.part.m"},
    {MUTANT_OFFSET, "add_pv", "k->slot.p", "k->slot.s"},
    {MUTANT_OFFSET, "add_pv", "k->slot.part.o", "k->slot.s"},
    {MUTANT_OFFSET, "add_up", "part.m", "part.l"},
    {MUTANT_OFFSET, "add_up", "part.l", "part.m"},
    {MUTANT_OFFSET, "add_up", "acc.m", "acc.l"},
    {MUTANT_OFFSET, "add_up", "acc.m", "part.m"},
    {MUTANT_OFFSET, "add_up", "acc.l", "acc.m"},
    {MUTANT_OFFSET, "add_up", "acc.o", "part.o"},
    {MUTANT_SHRUNK, "slot_bytes", "gm_round_up(scores * sizeof(float))", "gm_round_up(scores * sizeof(float)) / 2"},
    {MUTANT_SHRUNK, "slot_bytes", "gm_round_up(scores * p->elem_bytes)", "0"},
    {MUTANT_SHRUNK, "slot_bytes", "partial_bytes(p)", "partial_bytes(p) / 2"},
    {MUTANT_SHRUNK, "partial_bytes", "2 * row_bytes(p)", "row_bytes(p)"},
    {MUTANT_SHRUNK, "partial_bytes", "p->rows * p->head_dim * sizeof(float)", "p->head_dim * sizeof(float)"},
    {MUTANT_SHRUNK, "row_bytes", "p->rows * sizeof(float)", "sizeof(float)"},
    {MUTANT_SHRUNK, "span_tokens", "p->span_blocks * p->block_size", "p->block_size"},
    {MUTANT_SHRUNK, "scores_of_span", "p->rows * span_tokens(p)", "span_tokens(p)"},
    {MUTANT_SHRUNK, "ring_open", "ring->n_places * place_bytes", "ring->n_places * place_bytes / 2"},
    {MUTANT_SHRUNK, "move_to_device", "(size_t)p->bytes[i]", "(size_t)p->bytes[i] / 2"},
    {MUTANT_WIDENED, "ring_take", "ring->n_places", "(ring->n_places + 1)"},
};

static void mutate_plugin(const struct maker *m)
{
    for (size_t i = 0; i < N_OF(changes); i++) {
        const struct change *change = &changes[i];
        if (m->core == MUTANT_DEVICE_PLUGIN && strcmp(change->function, "move_to_device") == 0) continue;
        struct range found;
        size_t n = 0;
        for (size_t at = 0; source_next_text(m->source, change->before, &at, &found);) {
            char function[64];
            source_function(m->source, found.at, function, sizeof function);
            if (change->function[0] && strcmp(change->function, function) != 0) continue;
            add(m, change->class, found, change->after);
            n++;
        }
        NEED(n > 0, "the plugin has no '%s' in %s any more: mend the list of changes in operators.c", change->before,
             change->function[0] ? change->function : "any function");
    }
}

/* ---- all --------------------------------------------------------------------------------------------------------- */

void mutants_make(struct mutants *mutants, const struct source *source, enum mutant_core core)
{
    const struct maker m = {source, core, mutants};
    struct call call;
    struct range name, value;
    memset(mutants, 0, sizeof *mutants);
    if (core >= MUTANT_DEVICE_PLUGIN) {
        for (size_t i = 0; i < N_OF(plugin_sizes); i++) mutate_variable(&m, plugin_sizes[i]);
        mutate_plugin(&m);
        return;
    }
    for (size_t i = 0; i < N_OF(kernel_sizes); i++) mutate_variable(&m, kernel_sizes[i]);
    swap_generations(&m);
    for (size_t at = 0; source_next_define(source, &at, &name, &value);) mutate_definition(&m, name, value);
    for (size_t at = 0; source_next_call(source, &at, &call);) {
        mutate_sync(&m, &call);
        mutate_offset(&m, &call);
        mutate_size(&m, &call);
        mutate_mask(&m, &call);
    }
}

void mutants_free(struct mutants *mutants)
{
    for (size_t i = 0; i < mutants->n; i++) {
        free(mutants->items[i].replacement);
        free(mutants->items[i].name);
    }
    free(mutants->items);
    memset(mutants, 0, sizeof *mutants);
}
