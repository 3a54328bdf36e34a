#include "tile/rules.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/error.h"
#include "tile/buffers.h"
#include "tile/table.h"

static const char *const kind_names[] = {"Mat", "Left", "Right", "Acc", "Vec"};
static const char *const buffer_names[] = {"L1", "L0A", "L0B", "L0C", "UB"};
static const uint32_t kind_alignment[] = {32, 512, 512, 64, 32}; /* CANN 8.5 documentation, address rules */
static const char *const pipe_names[] = {"PIPE_S",    "PIPE_V",    "PIPE_M",   "PIPE_MTE1",
                                         "PIPE_MTE2", "PIPE_MTE3", "PIPE_FIX", "PIPE_ALL"};
static const char *const dtype_names[TG_DTYPES] = {"fp32",  "fp16",  "bf16",   "int32", "int8",
                                                   "uint8", "int16", "uint16", "uint32"};

const char *tg_pipe_symbol(uint32_t pipe) { return pipe <= PIPE_ALL ? pipe_names[pipe] : "pipe of that number"; }

const char *tg_buffer_name(uint32_t kind) { return kind <= TG_VEC ? buffer_names[kind] : "no buffer"; }

const char *tg_op_name(uint32_t op) { return op < TG_OP_COUNT ? tg_op_info(op)->name : "unknown instruction"; }

enum tg_pipe tg_op_pipe(const struct tg_instr *instr)
{
    const uint32_t form = tg_op_info(instr->op)->form;
    if (form == TG_FORM_MOVE && instr->dst->kind == TG_VEC) return PIPE_V;
    if (form == TG_FORM_STORE && instr->a->kind == TG_ACC) return PIPE_FIX;
    return (enum tg_pipe)tg_op_info(instr->op)->pipe;
}

/* One check in progress: the message is written once, by the rule that is broken. */
struct check {
    const struct tg_instr *instr;
    enum tg_core_type core_type;
    char *message;
    size_t n_bytes;
};

static bool broken(const struct check *c, const char *operand, const struct tg_tile *tile, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
static bool broken(const struct check *c, const char *operand, const struct tg_tile *tile, const char *format, ...)
{
    int n = snprintf(c->message, c->n_bytes, "%s at %s:%u: ", tg_op_name(c->instr->op), tg_base_name(c->instr->file),
                     c->instr->line);
    size_t at = (size_t)n < c->n_bytes ? (size_t)n : c->n_bytes - 1;
    if (tile && tile->kind <= TG_VEC && tile->dtype < TG_DTYPES)
        n = snprintf(c->message + at, c->n_bytes - at, "%s (%s %s, %u x %u valid of %u x %u, %s+0x%x): ", operand,
                     kind_names[tile->kind], dtype_names[tile->dtype], tile->valid_rows, tile->valid_cols, tile->rows,
                     tile->cols, buffer_names[tile->kind], tile->offset);
    else n = snprintf(c->message + at, c->n_bytes - at, "%s: ", operand);
    at = at + (size_t)n < c->n_bytes ? at + (size_t)n : c->n_bytes - 1;
    va_list args;
    va_start(args, format);
    vsnprintf(c->message + at, c->n_bytes - at, format, args);
    va_end(args);
    return false;
}

/* ---- one tile by itself ---- */

static bool layout_is_whole(const struct check *c, const char *name, const struct tg_tile *t)
{
    uint32_t bytes = tg_dtype_bytes(t->dtype);
    if (t->kind != TG_VEC) {
        if (t->rows % 16 || t->cols % 16) return broken(c, name, t, "static sizes are multiples of 16");
        return true;
    }
    if (t->layout > TG_COL_MAJOR) return broken(c, name, t, "unknown layout %u", t->layout);
    uint64_t run = (uint64_t)(t->layout == TG_ROW_MAJOR ? t->cols : t->rows) * bytes;
    if (run % 32)
        return broken(c, name, t, "%s take whole 32-byte units, these are %llu bytes",
                      t->layout == TG_ROW_MAJOR ? "rows" : "columns", (unsigned long long)run);
    return true;
}

/* Element types that a kind of tile can have: products are fp32, and the cube multiplies floating-point numbers. */
static bool holds_its_type(const struct check *c, const char *name, const struct tg_tile *t)
{
    if (t->kind == TG_ACC && t->dtype != TG_FP32) return broken(c, name, t, "products accumulate in fp32");
    return t->kind == TG_VEC || TG_TYPES_CUBE >> t->dtype & 1 ||
           broken(c, name, t, "the cube takes no %s", dtype_names[t->dtype]);
}

static bool tile_is_sound(const struct check *c, const char *name, const struct tg_tile *t)
{
    if (!t) return broken(c, name, t, "is missing");
    if (t->kind > TG_VEC) return broken(c, name, t, "unknown tile kind %u", t->kind);
    if (t->dtype >= TG_DTYPES) return broken(c, name, t, "unknown element type %u", t->dtype);
    if ((t->kind == TG_VEC) != (c->core_type == TG_AIV))
        return broken(c, name, t, "%s has no %s", c->core_type == TG_AIV ? "an AIV core" : "an AIC core",
                      buffer_names[t->kind]);
    if (t->valid_rows == 0 || t->valid_cols == 0) return broken(c, name, t, "the valid part is empty");
    if (t->valid_rows > t->rows || t->valid_cols > t->cols)
        return broken(c, name, t, "the valid part is larger than the tile");
    if (!holds_its_type(c, name, t) || !layout_is_whole(c, name, t)) return false;
    if (t->offset == TG_UNASSIGNED) return broken(c, name, t, "no TASSIGN has placed it");
    if (t->offset & (kind_alignment[t->kind] - 1)) /* powers of two: a division costs as much as the other rules */
        return broken(c, name, t, "%s offsets are multiples of %u", buffer_names[t->kind], kind_alignment[t->kind]);
    uint64_t elements = (uint64_t)t->rows * t->cols;
    if (elements > TG_L1_BYTES || t->offset + elements * tg_dtype_bytes(t->dtype) > tg_kind_capacity(t->kind))
        return broken(c, name, t, "%llu elements from offset %u on do not fit into %s, which has %u bytes",
                      (unsigned long long)elements, t->offset, buffer_names[t->kind], tg_kind_capacity(t->kind));
    return true;
}

static bool is_kind(const struct check *c, const char *name, const struct tg_tile *t, uint32_t kind)
{
    return t->kind == kind || broken(c, name, t, "has to be a %s tile", kind_names[kind]);
}

static bool is_row_major(const struct check *c, const char *name, const struct tg_tile *t)
{
    return t->layout == TG_ROW_MAJOR || broken(c, name, t, "has to be row-major");
}

/* "fp32, fp16 and int32" */
static void list_types(uint32_t types, char *text, size_t n_bytes)
{
    size_t at = 0;
    text[0] = '\0';
    for (uint32_t dtype = 0; dtype < TG_DTYPES; dtype++) {
        if (!(types >> dtype & 1u)) continue;
        const uint32_t left = types >> dtype >> 1;
        const int n = snprintf(text + at, n_bytes - at, "%s%s", dtype_names[dtype],
                               left == 0                  ? ""
                               : (left & (left - 1)) == 0 ? " and "
                                                          : ", ");
        if (n < 0 || (size_t)n >= n_bytes - at) return;
        at += (size_t)n;
    }
}

/* Is the element type among those of the instruction's row? */
static bool has_type(const struct check *c, const char *name, const struct tg_tile *t)
{
    const uint32_t types = tg_op_info(c->instr->op)->types;
    if (types >> t->dtype & 1u) return true;
    char text[96];
    list_types(types, text, sizeof text);
    return broken(c, name, t, "%s takes %s; convert with TCVT", tg_op_name(c->instr->op), text);
}

/* One scalar a row: a column-major tile of one column, or the one valid column of a row-major tile. */
static bool is_column(const struct check *c, const char *name, const struct tg_tile *t)
{
    return (t->layout == TG_COL_MAJOR ? t->cols == 1 : t->valid_cols == 1) ||
           broken(c, name, t, "has to be a column-major tile of one column, or have one valid column; TRESHAPE a row");
}

static bool same_shape(const struct check *c, const char *name, const struct tg_tile *t, const struct tg_tile *as)
{
    return (t->valid_rows == as->valid_rows && t->valid_cols == as->valid_cols) ||
           broken(c, name, t, "its valid shape has to be dst's, %u x %u", as->valid_rows, as->valid_cols);
}

static bool same_dtype(const struct check *c, const char *name, const struct tg_tile *t, const struct tg_tile *as)
{
    return t->dtype == as->dtype ||
           broken(c, name, t, "its element type has to be %s, as the other operand's", dtype_names[as->dtype]);
}

/* ---- transfers ---- */

static bool global_is_sound(const struct check *c, const struct tg_tile *t)
{
    const struct tg_global *g = c->instr->global;
    if (!g) return broken(c, "GlobalTensor", NULL, "is missing");
    if (g->dtype >= TG_DTYPES || g->layout > TG_COL_MAJOR)
        return broken(c, "GlobalTensor", NULL, "unknown element type %u or layout %u", g->dtype, g->layout);
    uint32_t bytes = tg_dtype_bytes(g->dtype);
    if (g->addr & (bytes - 1))
        return broken(c, "GlobalTensor", NULL, "address 0x%llx is not a multiple of its element's %u bytes",
                      (unsigned long long)g->addr, bytes);
    if (g->stride[g->layout == TG_ROW_MAJOR ? 4 : 3] != 1)
        return broken(c, "GlobalTensor", NULL, "%s needs stride 1 along its %s",
                      g->layout == TG_ROW_MAJOR ? "ND" : "DN", g->layout == TG_ROW_MAJOR ? "columns" : "rows");
    uint64_t rows = 1;
    for (int i = 0; i < 4; i++) {
        rows *= g->shape[i];
        if (rows > UINT32_MAX) return broken(c, "GlobalTensor", NULL, "has too many rows");
    }
    for (int i = 0; i < 5; i++)
        if (g->shape[i] > 1 && (g->stride[i] > INT32_MAX || g->stride[i] < INT32_MIN))
            return broken(c, "GlobalTensor", NULL, "stride %d, %lld, is out of range", i, (long long)g->stride[i]);
    if (rows != t->valid_rows || g->shape[4] != t->valid_cols)
        return broken(c, "GlobalTensor", NULL, "its %llu x %u elements are not the tile's valid %u x %u",
                      (unsigned long long)rows, g->shape[4], t->valid_rows, t->valid_cols);
    return true;
}

static bool transfer_layout(const struct check *c, const char *name, const struct tg_tile *t)
{
    const struct tg_global *g = c->instr->global;
    if (t->kind == TG_VEC && t->layout != g->layout)
        return broken(c, name, t, "a %s tile takes a GlobalTensor in %s",
                      t->layout == TG_ROW_MAJOR ? "row-major" : "column-major",
                      t->layout == TG_ROW_MAJOR ? "ND" : "DN");
    if (t->kind == TG_ACC && g->layout != TG_ROW_MAJOR) return broken(c, name, t, "an Acc tile is stored to ND");
    if (g->layout == TG_COL_MAJOR && (g->shape[0] != 1 || g->shape[1] != 1 || g->shape[2] != 1))
        return broken(c, "GlobalTensor", NULL, "DN has two dimensions");
    return true;
}

static bool check_load(const struct check *c)
{
    const struct tg_tile *dst = c->instr->dst;
    if (!tile_is_sound(c, "dst", dst)) return false;
    if (dst->kind != TG_MAT && dst->kind != TG_VEC) return broken(c, "dst", dst, "TLOAD fills Mat and Vec tiles");
    if (!global_is_sound(c, dst) || !transfer_layout(c, "dst", dst)) return false;
    return c->instr->global->dtype == dst->dtype ||
           broken(c, "dst", dst, "the GlobalTensor holds %s", dtype_names[c->instr->global->dtype]);
}

static bool check_store(const struct check *c)
{
    const struct tg_tile *src = c->instr->a;
    if (!tile_is_sound(c, "src", src)) return false;
    if (src->kind != TG_ACC && src->kind != TG_VEC) return broken(c, "src", src, "TSTORE takes Acc and Vec tiles");
    if (!global_is_sound(c, src) || !transfer_layout(c, "src", src)) return false;
    uint32_t to = c->instr->global->dtype;
    bool fits = src->kind == TG_ACC ? TG_TYPES_CUBE >> to & 1 : to == src->dtype;
    return fits || broken(c, "src", src, "the GlobalTensor holds %s", dtype_names[to]);
}

/* ---- cube ---- */

static bool check_move(const struct check *c)
{
    const struct tg_tile *dst = c->instr->dst, *src = c->instr->a;
    if (!tile_is_sound(c, "dst", dst) || !tile_is_sound(c, "src", src)) return false;
    if (dst->kind == TG_VEC) {
        if (!is_row_major(c, "dst", dst) || !is_row_major(c, "src", src)) return false;
    } else {
        if (dst->kind != TG_LEFT && dst->kind != TG_RIGHT)
            return broken(c, "dst", dst, "TMOV goes from Mat to Left or Right, or from Vec to Vec");
        if (!is_kind(c, "src", src, TG_MAT)) return false;
    }
    return same_shape(c, "src", src, dst) && same_dtype(c, "src", src, dst);
}

static bool check_matmul(const struct check *c)
{
    const struct tg_tile *acc = c->instr->dst, *left = c->instr->a, *right = c->instr->b;
    if (!tile_is_sound(c, "acc", acc) || !tile_is_sound(c, "left", left) || !tile_is_sound(c, "right", right))
        return false;
    if (!is_kind(c, "acc", acc, TG_ACC) || !is_kind(c, "left", left, TG_LEFT) || !is_kind(c, "right", right, TG_RIGHT))
        return false;
    if (!same_dtype(c, "right", right, left)) return false;
    if (left->valid_cols != right->valid_rows)
        return broken(c, "right", right, "left has %u columns, right %u rows", left->valid_cols, right->valid_rows);
    if (acc->valid_rows != left->valid_rows || acc->valid_cols != right->valid_cols)
        return broken(c, "acc", acc, "the product is %u x %u", left->valid_rows, right->valid_cols);
    return true;
}

/* ---- vector ---- */

static bool check_vec(const struct check *c, const char *name, const struct tg_tile *t)
{
    return tile_is_sound(c, name, t) && is_kind(c, name, t, TG_VEC);
}

/* dst and `operand` of one shape and type, row-major. */
static bool check_elementwise(const struct check *c, const char *name, const struct tg_tile *operand)
{
    const struct tg_tile *dst = c->instr->dst;
    if (!check_vec(c, "dst", dst) || !check_vec(c, name, operand)) return false;
    if (!is_row_major(c, "dst", dst) || !is_row_major(c, name, operand) || !has_type(c, "dst", dst)) return false;
    return same_shape(c, name, operand, dst) && same_dtype(c, name, operand, dst);
}

static bool check_binary(const struct check *c)
{
    return check_elementwise(c, "a", c->instr->a) && check_elementwise(c, "b", c->instr->b);
}

static bool check_unary(const struct check *c) { return check_elementwise(c, "a", c->instr->a); }

static bool check_convert(const struct check *c)
{
    const struct tg_tile *dst = c->instr->dst, *src = c->instr->a;
    if (!check_vec(c, "dst", dst) || !check_vec(c, "src", src)) return false;
    if (!is_row_major(c, "dst", dst) || !is_row_major(c, "src", src) || !same_shape(c, "src", src, dst)) return false;
    const uint32_t other = dst->dtype == TG_FP32 ? src->dtype : dst->dtype;
    if ((dst->dtype != TG_FP32 && src->dtype != TG_FP32) || other > TG_INT32)
        return broken(c, "src", src, "TCVT goes from or to fp32, not to %s", dtype_names[dst->dtype]);
    return true;
}

static bool check_fill_pad(const struct check *c)
{
    const struct tg_tile *dst = c->instr->dst, *src = c->instr->a;
    if (!check_vec(c, "dst", dst) || !check_vec(c, "src", src)) return false;
    if (!is_row_major(c, "dst", dst) || !is_row_major(c, "src", src) || !same_dtype(c, "src", src, dst)) return false;
    return (src->valid_rows <= dst->valid_rows && src->valid_cols <= dst->valid_cols) ||
           broken(c, "src", src, "its valid part is larger than dst's, %u x %u", dst->valid_rows, dst->valid_cols);
}

static bool check_fill_pad_in_place(const struct check *c)
{
    const struct tg_tile *dst = c->instr->dst, *src = c->instr->a;
    if (!check_fill_pad(c)) return false;
    return (src->offset == dst->offset && src->cols == dst->cols) ||
           broken(c, "src", src, "has to be in dst's place, with as many columns; TFILLPAD copies");
}

static bool check_fill(const struct check *c) { return check_vec(c, "dst", c->instr->dst); }

/* A row reduction's operands, but for the type of the column. */
static bool check_reduced_rows(const struct check *c)
{
    const struct tg_tile *dst = c->instr->dst, *src = c->instr->a, *tmp = c->instr->tmp;
    if (!check_vec(c, "column", dst) || !check_vec(c, "src", src) || !check_vec(c, "tmp", tmp)) return false;
    if (!is_column(c, "column", dst) || !is_row_major(c, "src", src) || !has_type(c, "src", src)) return false;
    if (!same_dtype(c, "tmp", tmp, src)) return false;
    if (dst->valid_rows != src->valid_rows) return broken(c, "column", dst, "src has %u rows", src->valid_rows);
    if (tmp->rows < src->valid_rows || tmp->cols < src->valid_cols)
        return broken(c, "tmp", tmp, "has to hold src's %u x %u", src->valid_rows, src->valid_cols);
    return true;
}

static bool check_row_reduction(const struct check *c)
{
    return check_reduced_rows(c) && same_dtype(c, "column", c->instr->dst, c->instr->a);
}

static bool check_row_index(const struct check *c)
{
    const struct tg_tile *dst = c->instr->dst;
    if (!check_reduced_rows(c)) return false;
    return dst->dtype == TG_INT32 || dst->dtype == TG_UINT32 ||
           broken(c, "column", dst, "holds columns of src: its element type has to be int32 or uint32");
}

static bool check_row_expand(const struct check *c)
{
    const struct tg_tile *dst = c->instr->dst, *column = c->instr->b;
    if (!check_vec(c, "dst", dst) || !is_row_major(c, "dst", dst) || !check_vec(c, "column", column)) return false;
    if (!is_column(c, "column", column) || !same_dtype(c, "column", column, dst)) return false;
    return column->valid_rows == dst->valid_rows || broken(c, "column", column, "dst has %u rows", dst->valid_rows);
}

/* One source of dst's shape, and one with a scalar or 32 bytes for each row, in either order. */
static bool check_row_expand_with(const struct check *c)
{
    const bool swapped = tg_first_is_expanded(c->instr);
    const struct tg_tile *dst = c->instr->dst, *column = swapped ? c->instr->a : c->instr->b;
    const char *name = swapped ? "src" : "column";
    if (!check_elementwise(c, swapped ? "column" : "src", swapped ? c->instr->b : c->instr->a)) return false;
    if (!check_vec(c, name, column)) return false;
    if (column->layout == TG_ROW_MAJOR ? column->valid_cols * tg_dtype_bytes(column->dtype) != 32 : column->cols != 1)
        return broken(c, name, column,
                      "has to be a column-major tile of one column, or row-major with 32 bytes a row; TRESHAPE a row");
    if (!same_dtype(c, name, column, dst)) return false;
    return column->valid_rows == dst->valid_rows || broken(c, name, column, "dst has %u rows", dst->valid_rows);
}

static bool check_col_reduction(const struct check *c)
{
    const struct tg_tile *dst = c->instr->dst, *src = c->instr->a;
    if (!check_vec(c, "row", dst) || !check_vec(c, "src", src)) return false;
    if (!is_row_major(c, "row", dst) || !is_row_major(c, "src", src) || !has_type(c, "src", src)) return false;
    if (!same_dtype(c, "row", dst, src)) return false;
    if (dst->valid_rows != 1) return broken(c, "row", dst, "has to have one valid row");
    return dst->valid_cols == src->valid_cols || broken(c, "row", dst, "src has %u columns", src->valid_cols);
}

static bool is_row(const struct check *c, const char *name, const struct tg_tile *row)
{
    const struct tg_tile *dst = c->instr->dst;
    if (!check_vec(c, name, row) || !is_row_major(c, name, row) || !same_dtype(c, name, row, dst)) return false;
    if (row->valid_rows != 1) return broken(c, name, row, "has to have one valid row, or dst's shape");
    return row->valid_cols == dst->valid_cols || broken(c, name, row, "dst has %u columns", dst->valid_cols);
}

static bool check_col_expand(const struct check *c)
{
    const struct tg_tile *dst = c->instr->dst;
    return check_vec(c, "dst", dst) && is_row_major(c, "dst", dst) && is_row(c, "row", c->instr->b);
}

static bool check_col_expand_with(const struct check *c)
{
    const bool swapped = tg_first_is_expanded(c->instr);
    return check_elementwise(c, swapped ? "row" : "src", swapped ? c->instr->b : c->instr->a) &&
           is_row(c, swapped ? "src" : "row", swapped ? c->instr->a : c->instr->b);
}

/* TRSQRT: 32 bytes of scratch, or none. */
static bool check_unary_tmp(const struct check *c)
{
    const struct tg_tile *tmp = c->instr->tmp;
    if (!check_unary(c)) return false;
    if (!tmp) return true;
    if (!check_vec(c, "tmp", tmp) || !same_dtype(c, "tmp", tmp, c->instr->dst)) return false;
    return tg_tile_bytes(tmp) >= 32 || broken(c, "tmp", tmp, "has to have 32 bytes");
}

static bool check_reshape(const struct check *c)
{
    const struct tg_tile *dst = c->instr->dst, *src = c->instr->a;
    if (!check_vec(c, "dst", dst) || !check_vec(c, "src", src) || !same_dtype(c, "src", src, dst)) return false;
    if (tg_tile_bytes(dst) != tg_tile_bytes(src))
        return broken(c, "dst", dst, "has %u bytes, src %u", tg_tile_bytes(dst), tg_tile_bytes(src));
    return (uint64_t)dst->valid_rows * dst->valid_cols == (uint64_t)src->valid_rows * src->valid_cols ||
           broken(c, "dst", dst, "has another number of valid elements than src");
}

/* ---- order ---- */

static bool check_flag(const struct check *c)
{
    const struct tg_instr *instr = c->instr;
    if (tg_rules_allow_flag(instr->src_pipe, instr->dst_pipe, instr->event, c->core_type)) return true;
    const char *core = c->core_type == TG_AIV ? "an AIV core" : "an AIC core";
    if (!tg_core_has_pipe(c->core_type, instr->src_pipe))
        return broken(c, "source pipe", NULL, "%s has no %s", core, tg_pipe_symbol(instr->src_pipe));
    if (!tg_core_has_pipe(c->core_type, instr->dst_pipe))
        return broken(c, "destination pipe", NULL, "%s has no %s", core, tg_pipe_symbol(instr->dst_pipe));
    if (instr->src_pipe == instr->dst_pipe)
        return broken(c, "pipes", NULL, "source and destination are one pipe; use pipe_barrier");
    return broken(c, "event", NULL, "%u is not one of 0 to 7", instr->event);
}

static bool check_barrier(const struct check *c)
{
    const uint32_t pipe = c->instr->src_pipe;
    if (tg_rules_allow_barrier(pipe, c->core_type)) return true;
    if (pipe == PIPE_S) return broken(c, "pipe", NULL, "PIPE_S is always in order and takes no barrier");
    return broken(c, "pipe", NULL, "this core has no %s", tg_pipe_symbol(pipe));
}

/* ---- operands ---- */

/* ---- the scalar unit's cache ---- */

static bool check_cache(const struct check *c)
{
    const struct tg_instr *instr = c->instr;
    if (instr->mode > TG_CACHE_ALL)
        return broken(c, "what", NULL, "is TG_CACHE_LINE or TG_CACHE_ALL, not %u", instr->mode);
    return instr->mode == TG_CACHE_ALL || instr->immediate[0] != 0 ||
           broken(c, "address", NULL, "is 0; a line has an address, TG_CACHE_ALL has none");
}

static bool check_no_operands(const struct check *c) { return c->instr->op < TG_OP_COUNT; }

/* An operand that the instruction does not take must be absent: no rule has looked at it. */
static bool has_no_others(const struct check *c)
{
    const struct tg_form_info *form = tg_form_of(c->instr->op);
    bool fits = !c->instr->global || form->global != TG_USE_NONE;
    for (uint32_t slot = 0; slot < TG_SLOTS; slot++)
        fits &= !tg_instr_tile(c->instr, slot) || form->slots[slot].use != TG_USE_NONE;
    return fits || broken(c, "operands", NULL, "one is given that it does not take");
}

/* Does an announcement that is longer than the library's leave the members behind alone? */
static bool is_zero_behind(const struct tg_instr *instr)
{
    const uint8_t *bytes = (const uint8_t *)instr;
    for (size_t i = sizeof *instr; i < instr->size; i++)
        if (bytes[i] != 0) return false;
    return true;
}

static bool (*const rule_of_form[TG_FORMS])(const struct check *c) = {
    [TG_FORM_LOAD] = check_load,
    [TG_FORM_STORE] = check_store,
    [TG_FORM_MOVE] = check_move,
    [TG_FORM_PRODUCT] = check_matmul,
    [TG_FORM_PRODUCT_ACC] = check_matmul,
    [TG_FORM_BINARY] = check_binary,
    [TG_FORM_UNARY] = check_unary,
    [TG_FORM_UNARY_SCALAR] = check_unary,
    [TG_FORM_UNARY_TMP] = check_unary_tmp,
    [TG_FORM_CONVERT] = check_convert,
    [TG_FORM_FILL] = check_fill,
    [TG_FORM_PAD] = check_fill_pad,
    [TG_FORM_PAD_INPLACE] = check_fill_pad_in_place,
    [TG_FORM_ROW_REDUCTION] = check_row_reduction,
    [TG_FORM_ROW_INDEX] = check_row_index,
    [TG_FORM_ROW_EXPAND] = check_row_expand,
    [TG_FORM_ROW_EXPAND_WITH] = check_row_expand_with,
    [TG_FORM_COL_REDUCTION] = check_col_reduction,
    [TG_FORM_COL_EXPAND] = check_col_expand,
    [TG_FORM_COL_EXPAND_WITH] = check_col_expand_with,
    [TG_FORM_RENAME] = check_reshape,
    [TG_FORM_CACHE] = check_cache,
    [TG_FORM_NO_OPERANDS] = check_no_operands,
    [TG_FORM_FLAG] = check_flag,
    [TG_FORM_BARRIER] = check_barrier,
};

bool tg_rules_check(const struct tg_instr *instr, enum tg_core_type core_type, char *message, size_t n_bytes)
{
    const struct check c = {instr, core_type, message, n_bytes};
    if (instr->size > sizeof *instr && !is_zero_behind(instr))
        return broken(&c, "instruction", NULL,
                      "the kernel's tile.h is newer than the library, which knows %zu of %u bytes", sizeof *instr,
                      instr->size);
    if (instr->op >= TG_OP_COUNT) return broken(&c, "instruction", NULL, "number %u is unknown", instr->op);
    return has_no_others(&c) && rule_of_form[tg_op_info(instr->op)->form](&c);
}
