#include "tile/rules.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "tile/buffers.h"
#include "tile/table.h"

static const char *const kind_names[TG_TILE_KINDS] = {"Mat", "Left", "Right", "Acc", "Vec", "Bias"};
static const char *const buffer_names[TG_TILE_KINDS] = {"L1", "L0A", "L0B", "L0C", "UB", "the bias table"};
static const uint32_t kind_alignment[TG_TILE_KINDS] = {32, 512, 512,
                                                       64, 32,  64}; /* CANN 8.5 documentation, address rules */
static const char *const pipe_names[] = {"PIPE_S",    "PIPE_V",    "PIPE_M",   "PIPE_MTE1",
                                         "PIPE_MTE2", "PIPE_MTE3", "PIPE_FIX", "PIPE_ALL"};
static const char *const dtype_names[TG_DTYPES] = {"fp32",  "fp16",   "bf16",   "int32",    "int8",    "uint8",
                                                   "int16", "uint16", "uint32", "fp8_e4m3", "fp8_e5m2"};

const char *tg_pipe_symbol(uint32_t pipe) { return pipe <= PIPE_ALL ? pipe_names[pipe] : "pipe of that number"; }

const char *tg_buffer_name(uint32_t kind) { return kind < TG_TILE_KINDS ? buffer_names[kind] : "no buffer"; }

const char *tg_op_name(uint32_t op) { return op < TG_OP_COUNT ? tg_op_info(op)->name : "unknown instruction"; }

enum tg_pipe tg_op_pipe(const struct tg_instr *instr)
{
    const uint32_t form = tg_op_info(instr->op)->form;
    if ((form == TG_FORM_MOVE || form == TG_FORM_EXTRACT) && instr->dst->kind == TG_VEC) return PIPE_V;
    if ((form == TG_FORM_MOVE || form == TG_FORM_EXTRACT) && instr->a->kind == TG_ACC) return PIPE_FIX;
    if (form == TG_FORM_STORE && instr->a->kind == TG_ACC) return PIPE_FIX;
    return (enum tg_pipe)tg_op_info(instr->op)->pipe;
}

const char *tg_rules_describe_tile(const struct tg_tile *tile, char *text, size_t n_bytes)
{
    snprintf(text, n_bytes, "%s %s, %u x %u valid of %u x %u, %s+0x%x", kind_names[tile->kind],
             dtype_names[tile->dtype], tile->valid_rows, tile->valid_cols, tile->rows, tile->cols,
             buffer_names[tile->kind], tile->offset);
    return text;
}

/* One check in progress: the first broken rule writes the message. */
struct check {
    const struct tg_instr *instr; /* NULL: a tile by itself is checked */
    enum tg_core_type core_type;
    char *message;
    size_t n_bytes;
    bool widens; /* products may widen their right operand */
};

static bool broken(const struct check *c, const char *operand, const struct tg_tile *tile, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
static bool broken(const struct check *c, const char *operand, const struct tg_tile *tile, const char *format, ...)
{
    char what[128];
    int n = 0;
    if (c->instr)
        n = snprintf(c->message, c->n_bytes, "%s at %s:%u: ", tg_op_name(c->instr->op), tg_base_name(c->instr->file),
                     c->instr->line);
    size_t at = (size_t)n < c->n_bytes ? (size_t)n : c->n_bytes - 1;
    if (tile && tile->kind < TG_TILE_KINDS && tile->dtype < TG_DTYPES)
        n = snprintf(c->message + at, c->n_bytes - at, "%s (%s): ", operand,
                     tg_rules_describe_tile(tile, what, sizeof what));
    else n = snprintf(c->message + at, c->n_bytes - at, "%s: ", operand);
    at = at + (size_t)n < c->n_bytes ? at + (size_t)n : c->n_bytes - 1;
    va_list args;
    va_start(args, format);
    vsnprintf(c->message + at, c->n_bytes - at, format, args);
    va_end(args);
    return false;
}

/* ---- one tile by itself ---- */

static bool is_row_without_fractals(const struct tg_tile *t)
{
    return t->kind == TG_BIAS || (t->kind == TG_MAT && t->rows == 1);
}

static bool layout_is_whole(const struct check *c, const char *name, const struct tg_tile *t)
{
    uint32_t bytes = tg_dtype_bytes(t->dtype);
    if (is_row_without_fractals(t))
        return (t->layout == TG_ROW_MAJOR && t->rows == 1 && t->cols * bytes % 32 == 0) ||
               broken(c, name, t, "a row takes whole 32-byte units and is row-major");
    if (t->kind != TG_VEC) {
        /* A fractal: 16 rows of 32 bytes, of ZN 16 columns of 32 bytes; of Acc 16 x 16 elements. */
        const bool zn = t->kind == TG_RIGHT || t->layout == TG_COL_MAJOR;
        const uint32_t width = t->kind == TG_ACC ? 16 : tg_fractal_cols(t->dtype);
        if ((zn ? t->cols : t->rows) % 16 || (zn ? t->rows : t->cols) % width)
            return broken(c, name, t, "static sizes are multiples of %u x %u", zn ? width : 16, zn ? 16 : width);
        if (t->layout > (t->kind == TG_MAT ? TG_COL_MAJOR : TG_ROW_MAJOR))
            return broken(c, name, t, "a %s tile has one layout; only Mat and Vec have a choice", kind_names[t->kind]);
        return true;
    }
    if (t->layout > TG_COL_MAJOR) return broken(c, name, t, "unknown layout %u", t->layout);
    uint64_t run = (uint64_t)(t->layout == TG_ROW_MAJOR ? t->cols : t->rows) * bytes;
    if (run % 32)
        return broken(c, name, t, "%s take whole 32-byte units, these are %llu bytes",
                      t->layout == TG_ROW_MAJOR ? "rows" : "columns", (unsigned long long)run);
    return true;
}

/* The element types of each kind of tile: products are fp32 or int32, of floating-point numbers or int8. */
static bool holds_its_type(const struct check *c, const char *name, const struct tg_tile *t)
{
    if (t->kind == TG_ACC)
        return t->dtype == TG_FP32 || t->dtype == TG_INT32 ||
               broken(c, name, t, "products accumulate in fp32, those of int8 in int32");
    if (t->kind == TG_BIAS)
        return t->dtype == TG_FP32 || t->dtype == TG_INT32 ||
               broken(c, name, t, "a bias is of the product's type, fp32 or int32");
    if (c->widens && (t->kind == TG_MAT || t->kind == TG_RIGHT) && TG_TYPES_FP8 >> t->dtype & 1) return true;
    return t->kind == TG_VEC || TG_TYPES_CUBE >> t->dtype & 1 || (t->rows == 1 && t->dtype == TG_INT32) ||
           broken(c, name, t, "the cube takes no %s", dtype_names[t->dtype]);
}

static bool tile_is_sound(const struct check *c, const char *name, const struct tg_tile *t)
{
    if (!t) return broken(c, name, t, "is missing");
    if (t->kind >= TG_TILE_KINDS) return broken(c, name, t, "unknown tile kind %u", t->kind);
    if (t->dtype >= TG_DTYPES) return broken(c, name, t, "unknown element type %u", t->dtype);
    if ((t->kind == TG_VEC) != (c->core_type == TG_AIV))
        return broken(c, name, t, "%s has no %s", c->core_type == TG_AIV ? "an AIV core" : "an AIC core",
                      buffer_names[t->kind]);
    if (t->valid_rows == 0 || t->valid_cols == 0) return broken(c, name, t, "the valid part is empty");
    if (t->valid_rows > t->rows || t->valid_cols > t->cols)
        return broken(c, name, t, "the valid part is larger than the tile");
    if (!holds_its_type(c, name, t) || !layout_is_whole(c, name, t)) return false;
    if (t->offset == TG_UNASSIGNED) return broken(c, name, t, "no TASSIGN has placed it");
    if (t->offset & (kind_alignment[t->kind] - 1)) /* powers of two: a division would take as long as the other rules */
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

enum { TYPE_LIST = 128 }; /* bytes for the names of all types */

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
    char text[TYPE_LIST];
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

static const char *const layout_names[] = {"ND", "DN", "NZ"}; /* [enum tg_layout] */

static bool global_is_sound(const struct check *c, const struct tg_tile *t)
{
    const struct tg_global *g = c->instr->global;
    if (!g) return broken(c, "GlobalTensor", NULL, "is missing");
    if (g->dtype >= TG_DTYPES || g->layout > TG_NZ)
        return broken(c, "GlobalTensor", NULL, "unknown element type %u or layout %u", g->dtype, g->layout);
    uint32_t bytes = tg_dtype_bytes(g->dtype);
    if (g->addr & (bytes - 1))
        return broken(c, "GlobalTensor", NULL, "address 0x%llx is not a multiple of its element's %u bytes",
                      (unsigned long long)g->addr, bytes);
    if (g->stride[g->layout == TG_COL_MAJOR ? 3 : 4] != 1)
        return broken(c, "GlobalTensor", NULL, "%s needs stride 1 along its %s", layout_names[g->layout],
                      g->layout == TG_COL_MAJOR ? "rows" : "columns");
    const uint32_t width = tg_fractal_cols(g->dtype);
    if (g->layout == TG_NZ && (g->shape[4] != width || g->stride[3] != width))
        return broken(c, "GlobalTensor", NULL, "NZ has rows of %u elements without gaps", width);
    uint64_t rows = 1;
    for (int i = 0; i < 4; i++) {
        rows *= g->shape[i];
        if (rows > UINT32_MAX) return broken(c, "GlobalTensor", NULL, "has too many rows");
    }
    for (int i = 0; i < 5; i++)
        if (g->shape[i] > 1 && (g->stride[i] > INT32_MAX || g->stride[i] < INT32_MIN))
            return broken(c, "GlobalTensor", NULL, "stride %d, %lld, is out of range", i, (long long)g->stride[i]);
    uint64_t cols = g->shape[4];
    if (g->layout == TG_NZ) { /* the second dimension counts column blocks */
        if (g->shape[1] > 0) rows /= g->shape[1];
        cols *= g->shape[1];
    }
    if (rows != t->valid_rows || cols != t->valid_cols)
        return broken(c, "GlobalTensor", NULL, "its %llu x %llu elements are not the tile's valid %u x %u",
                      (unsigned long long)rows, (unsigned long long)cols, t->valid_rows, t->valid_cols);
    return true;
}

static bool transfer_layout(const struct check *c, const char *name, const struct tg_tile *t)
{
    const struct tg_global *g = c->instr->global;
    const bool line = c->instr->op == TG_OP_TSTORE && (t->rows == 1 || t->cols == 1); /* the same bytes in both */
    if (t->kind == TG_VEC && t->layout != g->layout && !line)
        return broken(c, name, t, "a %s tile takes a GlobalTensor in %s",
                      t->layout == TG_ROW_MAJOR ? "row-major" : "column-major",
                      t->layout == TG_ROW_MAJOR ? "ND" : "DN");
    if (g->layout == TG_NZ && (t->kind != TG_MAT || t->layout != TG_ROW_MAJOR))
        return broken(c, name, t, "a GlobalTensor in NZ goes into an NZ tile of L1");
    if (t->kind == TG_MAT && t->layout == TG_COL_MAJOR && g->layout != TG_COL_MAJOR)
        return broken(c, name, t, "a ZN tile takes a GlobalTensor in DN");
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

/* An Acc of fp32 may be rounded to fp16 or bf16, and an Acc of int32 may be scaled to fp16. Otherwise the types are
 * equal. */
static bool stores_type(const struct check *c, const struct tg_tile *src, uint32_t to)
{
    const bool scaled = c->instr->mode & TG_STORE_SCALE;
    bool fits = to == src->dtype && !scaled;
    if (src->kind == TG_ACC && src->dtype == TG_FP32) fits = to == TG_FP32 || to == TG_FP16 || to == TG_BF16;
    if (src->kind == TG_ACC && src->dtype == TG_INT32 && scaled) fits = to == TG_FP16;
    return fits || broken(c, "src", src, "the GlobalTensor holds %s", dtype_names[to]);
}

static bool check_store_mode(const struct check *c, const struct tg_tile *src, uint32_t to)
{
    const uint32_t mode = c->instr->mode, adds = TG_TYPES_NUMBERS | 1 << TG_BF16;
    if (mode & ~(uint32_t)(TG_STORE_ADD | TG_STORE_RELU | TG_STORE_SCALE))
        return broken(c, "mode", NULL, "%u has other bits than those of enum tg_store", mode);
    if (mode & (TG_STORE_RELU | TG_STORE_SCALE) && src->kind != TG_ACC)
        return broken(c, "src", src, "has to be an Acc tile to be scaled or cut at 0 on its way");
    return !(mode & TG_STORE_ADD) || adds >> to & 1u ||
           broken(c, "src", src, "device memory adds fp32, fp16, bf16, int32 and int16, not %s", dtype_names[to]);
}

static bool check_store(const struct check *c)
{
    const struct tg_tile *src = c->instr->a;
    if (!tile_is_sound(c, "src", src)) return false;
    if (src->kind != TG_ACC && src->kind != TG_VEC) return broken(c, "src", src, "TSTORE takes Acc and Vec tiles");
    if (!global_is_sound(c, src) || !transfer_layout(c, "src", src)) return false;
    return stores_type(c, src, c->instr->global->dtype) && check_store_mode(c, src, c->instr->global->dtype);
}

/* ---- cube ---- */

/* From Mat to Left, Right or Bias, from Acc to Mat, or from Vec to Vec. */
static bool check_path(const struct check *c)
{
    const struct tg_tile *dst = c->instr->dst, *src = c->instr->a;
    if (!tile_is_sound(c, "dst", dst) || !tile_is_sound(c, "src", src)) return false;
    if (dst->kind == TG_VEC) return is_row_major(c, "dst", dst) && is_row_major(c, "src", src);
    if (dst->kind == TG_MAT && src->kind == TG_ACC)
        return dst->layout == TG_ROW_MAJOR || broken(c, "dst", dst, "has to be NZ, as Acc is");
    if (dst->kind == TG_BIAS && tg_op_info(c->instr->op)->form == TG_FORM_MOVE)
        return is_kind(c, "src", src, TG_MAT) &&
               (src->rows == 1 || broken(c, "src", src, "a Bias tile is filled from a Mat tile of one row"));
    if (dst->kind != TG_LEFT && dst->kind != TG_RIGHT)
        return broken(c, "dst", dst, "%s goes from Mat to Left or Right%s, from Acc to Mat, or from Vec to Vec",
                      tg_op_name(c->instr->op), c->instr->op == TG_OP_TMOV ? ", a row to Bias" : "");
    return is_kind(c, "src", src, TG_MAT);
}

/* A move keeps the element type; the fixpipe rounds an Acc of fp32. */
static bool moves_type(const struct check *c)
{
    const struct tg_tile *dst = c->instr->dst, *src = c->instr->a;
    if (src->kind != TG_ACC) return same_dtype(c, "src", src, dst);
    return (src->dtype == TG_FP32 && dst->dtype != TG_INT8) ||
           broken(c, "src", src, "an Acc of fp32 becomes a Mat of fp32, fp16 or bf16");
}

static bool check_move(const struct check *c)
{
    const struct tg_tile *dst = c->instr->dst, *src = c->instr->a;
    if (!check_path(c)) return false;
    if (dst->kind == TG_VEC) return same_shape(c, "src", src, dst) && same_dtype(c, "src", src, dst);
    if (dst->valid_rows > src->rows || dst->valid_cols > src->cols)
        return broken(c, "src", src, "has to have dst's %u x %u elements", dst->valid_rows, dst->valid_cols);
    return moves_type(c);
}

static bool check_extract(const struct check *c)
{
    const struct tg_tile *dst = c->instr->dst, *src = c->instr->a;
    const int64_t row = c->instr->immediate[0], col = c->instr->immediate[1];
    if (!check_path(c) || !moves_type(c)) return false;
    if (row < 0 || col < 0 || row + dst->valid_rows > src->rows || col + dst->valid_cols > src->cols)
        return broken(c, "src", src, "the window of %u x %u at (%lld, %lld) is not inside", dst->valid_rows,
                      dst->valid_cols, (long long)row, (long long)col);
    if (dst->kind == TG_VEC) return true;
    /* Whole fractals: 16 rows of 32 bytes of NZ, 32 bytes of rows of 16 columns of ZN; of a transposition, both. */
    const bool turns = (src->layout == TG_ROW_MAJOR) == (dst->kind == TG_RIGHT);
    const uint32_t width = src->kind == TG_ACC ? 16 : tg_fractal_cols(src->dtype), side = width > 16 ? width : 16;
    const uint32_t step_row = turns ? side : src->layout == TG_ROW_MAJOR ? 16 : width;
    const uint32_t step_col = turns ? side : src->layout == TG_ROW_MAJOR ? width : 16;
    return (row % step_row == 0 && col % step_col == 0) ||
           broken(c, "src", src, "the window starts at (%lld, %lld), not at multiples of (%u, %u)", (long long)row,
                  (long long)col, step_row, step_col);
}

static bool check_matmul(const struct check *c)
{
    const struct tg_tile *acc = c->instr->dst, *left = c->instr->a, *right = c->instr->b;
    if (!tile_is_sound(c, "acc", acc) || !tile_is_sound(c, "left", left) || !tile_is_sound(c, "right", right))
        return false;
    if (!is_kind(c, "acc", acc, TG_ACC) || !is_kind(c, "left", left, TG_LEFT) || !is_kind(c, "right", right, TG_RIGHT))
        return false;
    if (!(c->widens && tg_rules_widens(left->dtype, right->dtype)) && !same_dtype(c, "right", right, left))
        return false;
    if ((acc->dtype == TG_INT32) != (left->dtype == TG_INT8))
        return broken(c, "acc", acc, "products accumulate in fp32, those of int8 in int32");
    if (left->valid_cols != right->valid_rows)
        return broken(c, "right", right, "left has %u columns, right %u rows", left->valid_cols, right->valid_rows);
    if (acc->valid_rows != left->valid_rows || acc->valid_cols != right->valid_cols)
        return broken(c, "acc", acc, "the product is %u x %u", left->valid_rows, right->valid_cols);
    return true;
}

static bool check_matmul_bias(const struct check *c)
{
    const struct tg_tile *acc = c->instr->dst, *bias = c->instr->index;
    if (!check_matmul(c) || !tile_is_sound(c, "bias", bias) || !is_kind(c, "bias", bias, TG_BIAS)) return false;
    return same_dtype(c, "bias", bias, acc) &&
           (bias->valid_cols == acc->valid_cols || broken(c, "bias", bias, "acc has %u columns", acc->valid_cols));
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

static bool converts(uint32_t from, uint32_t to)
{
    switch (from * TG_DTYPES + to) {
#define PAIR(from, to) case TG_##from *TG_DTYPES + TG_##to:
        TG_CONVERSIONS(PAIR)
#undef PAIR
        return true;
    default: return false;
    }
}

/* The element types that TCVT reaches from one, a bit each. */
static uint32_t reached_from(uint32_t from)
{
    uint32_t types = 0;
    for (uint32_t to = 0; to < TG_DTYPES; to++) types |= (uint32_t)converts(from, to) << to;
    return types;
}

/* A type on the way between two that no TCVT connects. TG_DTYPES if no type is. */
static uint32_t type_between(uint32_t from, uint32_t to)
{
    uint32_t type = 0;
    while (type < TG_DTYPES && !(converts(from, type) && converts(type, to))) type++;
    return type;
}

static bool refuse_types(const struct check *c, const struct tg_tile *src, uint32_t to)
{
    char text[TYPE_LIST];
    const uint32_t between = type_between(src->dtype, to);
    list_types(reached_from(src->dtype), text, sizeof text);
    return broken(c, "src", src, "TCVT goes from %s to %s, not to %s%s%s", dtype_names[src->dtype],
                  text[0] ? text : "no type", dtype_names[to], between < TG_DTYPES ? "; go through " : "",
                  between < TG_DTYPES ? dtype_names[between] : "");
}

static bool check_convert(const struct check *c)
{
    const struct tg_tile *dst = c->instr->dst, *src = c->instr->a;
    const uint32_t cast = c->instr->mode & 7u;
    if (!check_vec(c, "dst", dst) || !check_vec(c, "src", src)) return false;
    if (!is_row_major(c, "dst", dst) || !is_row_major(c, "src", src) || !same_shape(c, "src", src, dst)) return false;
    if (!converts(src->dtype, dst->dtype)) return refuse_types(c, src, dst->dtype);
    if (cast > TG_CAST_ODD || c->instr->mode >> 3 > TG_SATURATION_OFF)
        return broken(c, "rounding", NULL, "mode %u is none of enum tg_cast and enum tg_saturation", c->instr->mode);
    if (c->instr->tmp && !check_vec(c, "tmp", c->instr->tmp)) return false;
    return cast != TG_CAST_ODD || (src->dtype == TG_FP32 && dst->dtype == TG_FP16) ||
           broken(c, "rounding", NULL, "TG_CAST_ODD is for fp32 to fp16 only");
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

/* A row reduction's operands, without the type of the column. */
static bool check_reduced_rows(const struct check *c)
{
    const struct tg_tile *dst = c->instr->dst, *src = c->instr->a, *tmp = c->instr->tmp;
    if (!check_vec(c, "column", dst) || !check_vec(c, "src", src) || !check_vec(c, "tmp", tmp)) return false;
    if (!is_column(c, "column", dst) || !is_row_major(c, "src", src) || !has_type(c, "src", src)) return false;
    if (!same_dtype(c, "tmp", tmp, src)) return false;
    if (dst->valid_rows != src->valid_rows) return broken(c, "column", dst, "src has %u rows", src->valid_rows);
    enum { REPEAT_BYTES = 256 }; /* of the vector unit; a device uses tmp for longer rows */
    if (src->valid_cols * tg_dtype_bytes(src->dtype) <= REPEAT_BYTES) return true;
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

/* Scratch for 32 bytes a row, in groups of eight rows; a device takes it in parts of at most 30 groups. */
static bool holds_expanded(const struct check *c, const struct tg_tile *tmp)
{
    enum { GROUP_ROWS = 8, GROUP_BYTES = 256, GROUPS_MAX = 30 };
    const uint32_t groups = (c->instr->dst->valid_rows + GROUP_ROWS - 1) / GROUP_ROWS;
    const uint32_t needs = (groups < GROUPS_MAX ? groups : GROUPS_MAX) * GROUP_BYTES;
    return check_vec(c, "tmp", tmp) &&
           (tg_tile_bytes(tmp) >= needs || broken(c, "tmp", tmp, "has to have %u bytes", needs));
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
    if (column->valid_rows != dst->valid_rows) return broken(c, name, column, "dst has %u rows", dst->valid_rows);
    return !c->instr->tmp || holds_expanded(c, c->instr->tmp);
}

static bool check_col_reduction(const struct check *c)
{
    const struct tg_tile *dst = c->instr->dst, *src = c->instr->a;
    if (!check_vec(c, "row", dst) || !check_vec(c, "src", src)) return false;
    if (!is_row_major(c, "row", dst) || !is_row_major(c, "src", src) || !has_type(c, "src", src)) return false;
    if (!same_dtype(c, "row", dst, src)) return false;
    if (dst->valid_rows != 1) return broken(c, "row", dst, "has to have one valid row");
    if (dst->valid_cols != src->valid_cols) return broken(c, "row", dst, "src has %u columns", src->valid_cols);
    return !c->instr->tmp || (check_vec(c, "tmp", c->instr->tmp) && same_dtype(c, "tmp", c->instr->tmp, src));
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
    if (!check_vec(c, "dst", dst) || !check_vec(c, "src", src)) return false;
    return tg_tile_bytes(dst) == tg_tile_bytes(src) ||
           broken(c, "dst", dst, "has %u bytes, src %u", tg_tile_bytes(dst), tg_tile_bytes(src));
}

/* ---- masks ---- */

static bool is_mask(const struct check *c, const struct tg_tile *mask, const struct tg_tile *of)
{
    if (!check_vec(c, "mask", mask) || !is_row_major(c, "mask", mask)) return false;
    if (mask->dtype != TG_UINT8)
        return broken(c, "mask", mask, "has a bit for each element: its element type is uint8");
    return (mask->valid_rows == of->valid_rows && mask->valid_cols == (of->valid_cols + 7) / 8) ||
           broken(c, "mask", mask, "its valid shape has to be %u x %u, a bit for each of %u columns", of->valid_rows,
                  (of->valid_cols + 7) / 8, of->valid_cols);
}

/* Row-major Vec tiles of one type and one shape, of the types of the instruction's row. */
static bool check_alike(const struct check *c, const char *name, const struct tg_tile *t, const char *as_name,
                        const struct tg_tile *as)
{
    if (!check_vec(c, as_name, as) || !check_vec(c, name, t)) return false;
    if (!is_row_major(c, as_name, as) || !is_row_major(c, name, t) || !has_type(c, as_name, as)) return false;
    if (t->valid_rows != as->valid_rows || t->valid_cols != as->valid_cols)
        return broken(c, name, t, "its valid shape has to be that of %s, %u x %u", as_name, as->valid_rows,
                      as->valid_cols);
    return same_dtype(c, name, t, as);
}

static bool check_compare(const struct check *c)
{
    const struct tg_instr *i = c->instr;
    const bool two = tg_op_info(i->op)->form == TG_FORM_COMPARE;
    if (!check_alike(c, two ? "b" : "a", two ? i->b : i->a, "a", i->a) || !is_mask(c, i->dst, i->a)) return false;
    return i->mode <= TG_CMP_GE || broken(c, "how", NULL, "%u is no enum tg_compare", i->mode);
}

static bool check_select(const struct check *c)
{
    const struct tg_instr *i = c->instr;
    return check_alike(c, "a", i->a, "dst", i->dst) && check_alike(c, "b", i->b, "dst", i->dst) &&
           is_mask(c, i->index, i->dst) && (!i->tmp || check_vec(c, "tmp", i->tmp));
}

/* ---- elements that change places ---- */

static bool is_index(const struct check *c, const struct tg_tile *index, const struct tg_tile *of, uint32_t bytes)
{
    if (!check_vec(c, "index", index) || !is_row_major(c, "index", index)) return false;
    if (!(TG_TYPES_INTEGERS >> index->dtype & 1) || tg_dtype_bytes(index->dtype) != bytes)
        return broken(c, "index", index, "its element type has to be an integer of %u bytes", bytes);
    return (index->valid_rows == of->valid_rows && index->valid_cols == of->valid_cols) ||
           broken(c, "index", index, "its valid shape has to be %u x %u", of->valid_rows, of->valid_cols);
}

static bool check_gather(const struct check *c)
{
    const struct tg_instr *i = c->instr;
    if (!check_vec(c, "dst", i->dst) || !check_vec(c, "src", i->a)) return false;
    if (!is_row_major(c, "dst", i->dst) || !is_row_major(c, "src", i->a) || !has_type(c, "src", i->a)) return false;
    if (!same_dtype(c, "src", i->a, i->dst) || !is_index(c, i->index, i->dst, 4)) return false;
    if (!i->tmp) return true;
    return check_vec(c, "tmp", i->tmp) &&
           (tg_tile_bytes(i->tmp) >= tg_tile_bytes(i->index) ||
            broken(c, "tmp", i->tmp, "has to have the %u bytes of index", tg_tile_bytes(i->index)));
}

static bool check_gather_mask(const struct check *c)
{
    const struct tg_tile *dst = c->instr->dst, *src = c->instr->a;
    if (!check_vec(c, "dst", dst) || !check_vec(c, "src", src)) return false;
    if (!is_row_major(c, "dst", dst) || !is_row_major(c, "src", src) || !has_type(c, "src", src)) return false;
    if (tg_dtype_bytes(dst->dtype) != tg_dtype_bytes(src->dtype))
        return broken(c, "dst", dst, "its elements have to have src's %u bytes", tg_dtype_bytes(src->dtype));
    if (c->instr->mode < TG_MASK_P0101 || c->instr->mode > TG_MASK_P1111)
        return broken(c, "pattern", NULL, "%u is no enum tg_mask_pattern", c->instr->mode);
    const uint32_t n = tg_mask_count(c->instr->mode, src->valid_cols);
    return (dst->valid_rows == src->valid_rows && dst->valid_cols == n) ||
           broken(c, "dst", dst, "its valid shape has to be %u x %u, what the pattern takes", src->valid_rows, n);
}

static bool check_scatter(const struct check *c)
{
    const struct tg_tile *dst = c->instr->dst, *src = c->instr->a;
    if (!check_vec(c, "dst", dst) || !check_vec(c, "src", src)) return false;
    if (!is_row_major(c, "dst", dst) || !is_row_major(c, "src", src) || !same_dtype(c, "src", src, dst)) return false;
    if (dst->valid_cols < src->valid_cols) return broken(c, "dst", dst, "src has %u columns", src->valid_cols);
    return is_index(c, c->instr->index, src, tg_dtype_bytes(src->dtype) == 4 ? 4 : 2);
}

static bool check_sequence(const struct check *c)
{
    const struct tg_tile *dst = c->instr->dst;
    if (!check_vec(c, "dst", dst) || !is_row_major(c, "dst", dst) || !has_type(c, "dst", dst)) return false;
    return dst->valid_rows == 1 || broken(c, "dst", dst, "has to have one valid row");
}

static bool check_transpose(const struct check *c)
{
    const struct tg_tile *dst = c->instr->dst, *src = c->instr->a, *tmp = c->instr->tmp;
    if (!check_vec(c, "dst", dst) || !check_vec(c, "src", src) || !check_vec(c, "tmp", tmp)) return false;
    if (!is_row_major(c, "dst", dst) || !is_row_major(c, "src", src) || !same_dtype(c, "src", src, dst)) return false;
    if (dst->valid_rows != src->valid_cols || dst->valid_cols != src->valid_rows)
        return broken(c, "dst", dst, "its valid shape has to be %u x %u", src->valid_cols, src->valid_rows);
    const uint32_t bytes = tg_dtype_bytes(src->dtype);
    const uint32_t needs = src->valid_cols * tg_round_up(src->valid_rows, bytes == 1 ? 32 : 16) * bytes;
    return tg_tile_bytes(tmp) >= needs || broken(c, "tmp", tmp, "has to have %u bytes", needs);
}

static bool check_concat(const struct check *c)
{
    const struct tg_tile *dst = c->instr->dst, *const sources[2] = {c->instr->a, c->instr->b};
    if (!check_vec(c, "dst", dst) || !is_row_major(c, "dst", dst)) return false;
    for (int i = 0; i < 2; i++) {
        const char *name = i == 0 ? "a" : "b";
        if (!check_vec(c, name, sources[i]) || !is_row_major(c, name, sources[i])) return false;
        if (!same_dtype(c, name, sources[i], dst)) return false;
        if (sources[i]->valid_rows != dst->valid_rows)
            return broken(c, name, sources[i], "dst has %u rows", dst->valid_rows);
    }
    return dst->valid_cols == sources[0]->valid_cols + sources[1]->valid_cols ||
           broken(c, "dst", dst, "has to have %u valid columns", sources[0]->valid_cols + sources[1]->valid_cols);
}

/* ---- sorting: pairs of 8 bytes ---- */

static uint32_t pair_elements(const struct tg_tile *t) { return 8u / tg_dtype_bytes(t->dtype); }

static bool check_sort(const struct check *c)
{
    const struct tg_tile *dst = c->instr->dst, *src = c->instr->a, *index = c->instr->index;
    if (!check_vec(c, "dst", dst) || !check_vec(c, "src", src)) return false;
    if (!is_row_major(c, "dst", dst) || !is_row_major(c, "src", src) || !has_type(c, "src", src)) return false;
    if (!same_dtype(c, "dst", dst, src)) return false;
    if (src->valid_cols % 32) return broken(c, "src", src, "its valid columns have to be a multiple of 32");
    if (dst->valid_rows != src->valid_rows || dst->valid_cols != src->valid_cols * pair_elements(src))
        return broken(c, "dst", dst, "its valid shape has to be %u x %u, pairs of 8 bytes", src->valid_rows,
                      src->valid_cols * pair_elements(src));
    return is_index(c, index, src, 4);
}

static bool is_list(const struct check *c, const char *name, const struct tg_tile *t, const struct tg_tile *as)
{
    if (!check_vec(c, name, t) || !is_row_major(c, name, t) || !same_dtype(c, name, t, as)) return false;
    if (t->valid_rows != 1) return broken(c, name, t, "has to have one valid row");
    return t->valid_cols % pair_elements(t) == 0 ||
           broken(c, name, t, "its valid columns have to be whole pairs, a multiple of %u", pair_elements(t));
}

static bool check_merge_runs(const struct check *c)
{
    const struct tg_tile *dst = c->instr->dst, *src = c->instr->a;
    const int64_t length = c->instr->immediate[0];
    if (!check_vec(c, "src", src) || !has_type(c, "src", src) || !is_list(c, "src", src, src)) return false;
    if (!is_list(c, "dst", dst, src)) return false;
    if (dst->valid_cols != src->valid_cols) return broken(c, "dst", dst, "src has %u columns", src->valid_cols);
    if (length <= 0 || length % 64 || length > (int64_t)src->cols)
        return broken(c, "length", NULL, "%lld has to be a multiple of 64, and not more than src has",
                      (long long)length);
    if (src->valid_cols % (4 * (uint32_t)length))
        return broken(c, "src", src, "its valid columns have to be a multiple of 4 runs of %lld", (long long)length);
    return src->valid_cols / (4 * (uint32_t)length) <= 255 || broken(c, "src", src, "has more than 255 groups of runs");
}

static bool check_merge_lists(const struct check *c)
{
    const struct tg_instr *i = c->instr;
    const struct tg_tile *const lists[4] = {i->a, i->b, i->c, i->d};
    uint32_t n_cols = 0;
    if (!check_vec(c, "first list", i->a) || !has_type(c, "first list", i->a)) return false;
    for (uint32_t n = 0; n < 4; n++) {
        const char *name = tg_form_of(i->op)->slots[TG_SLOT_A + n].name;
        if (n >= 2 && !lists[n]) continue;
        if (n == 3 && !lists[2]) return broken(c, name, lists[3], "is given without a third");
        if (!is_list(c, name, lists[n], i->a)) return false;
        n_cols += lists[n]->valid_cols;
    }
    if (!is_list(c, "dst", i->dst, i->a) || !check_vec(c, "tmp", i->tmp)) return false;
    if (i->dst->valid_cols != n_cols) return broken(c, "dst", i->dst, "the lists have %u columns", n_cols);
    return tg_tile_bytes(i->tmp) >= n_cols * tg_dtype_bytes(i->a->dtype) ||
           broken(c, "tmp", i->tmp, "has to hold the lists' %u elements", n_cols);
}

/* ---- single elements ---- */

static bool check_value(const struct check *c)
{
    const struct tg_instr *i = c->instr;
    const struct tg_tile *tile = i->b, *element = tg_op_info(i->op)->form == TG_FORM_GET_VALUE ? i->a : i->dst;
    if (!check_vec(c, "tile", tile)) return false;
    if (!element) return broken(c, "element", NULL, "is missing");
    const uint64_t n = (uint64_t)tile->rows * tile->cols;
    if (i->immediate[0] < 0 || (uint64_t)i->immediate[0] >= n)
        return broken(c, "tile", tile, "has no element %lld, only %llu", (long long)i->immediate[0],
                      (unsigned long long)n);
    const struct tg_tile right = tg_tile_element(tile, (uint64_t)i->immediate[0]);
    if (memcmp(element, &right, sizeof right) != 0)
        return broken(c, "element", element, "is not the one of that number; use TGETVAL and TSETVAL");
    return i->op != TG_OP_TGETVAL || i->result || broken(c, "result", NULL, "is missing");
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

/* An operand that the instruction does not take must be absent, because no rule has checked it. */
static bool has_no_others(const struct check *c)
{
    const struct tg_form_info *form = tg_form_of(c->instr->op);
    bool fits = !c->instr->global || form->global != TG_USE_NONE;
    for (uint32_t slot = 0; slot < TG_SLOTS; slot++)
        fits &= !tg_instr_tile(c->instr, slot) || form->slots[slot].use != TG_USE_NONE;
    return fits || broken(c, "operands", NULL, "one is given that it does not take");
}

/* Are the members of a longer, newer structure zero beyond the size that this library knows? */
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
    [TG_FORM_EXTRACT] = check_extract,
    [TG_FORM_PRODUCT] = check_matmul,
    [TG_FORM_PRODUCT_ACC] = check_matmul,
    [TG_FORM_PRODUCT_BIAS] = check_matmul_bias,
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
    [TG_FORM_COMPARE] = check_compare,
    [TG_FORM_COMPARE_SCALAR] = check_compare,
    [TG_FORM_SELECT] = check_select,
    [TG_FORM_GATHER] = check_gather,
    [TG_FORM_GATHER_MASK] = check_gather_mask,
    [TG_FORM_SCATTER] = check_scatter,
    [TG_FORM_SEQUENCE] = check_sequence,
    [TG_FORM_TRANSPOSE] = check_transpose,
    [TG_FORM_CONCAT] = check_concat,
    [TG_FORM_SORT] = check_sort,
    [TG_FORM_MERGE_RUNS] = check_merge_runs,
    [TG_FORM_MERGE_LISTS] = check_merge_lists,
    [TG_FORM_GET_VALUE] = check_value,
    [TG_FORM_SET_VALUE] = check_value,
    [TG_FORM_RENAME] = check_reshape,
    [TG_FORM_CACHE] = check_cache,
    [TG_FORM_NO_OPERANDS] = check_no_operands,
    [TG_FORM_FLAG] = check_flag,
    [TG_FORM_BARRIER] = check_barrier,
};

static bool keeps_rules(const struct check *c)
{
    const struct tg_instr *instr = c->instr;
    if (instr->size > sizeof *instr && !is_zero_behind(instr))
        return broken(c, "instruction", NULL,
                      "the kernel's tile.h is newer than the library, which knows %zu of %u bytes", sizeof *instr,
                      instr->size);
    if (instr->op >= TG_OP_COUNT) return broken(c, "instruction", NULL, "number %u is unknown", instr->op);
    return has_no_others(c) && rule_of_form[tg_op_info(instr->op)->form](c);
}

bool tg_rules_check(const struct tg_instr *instr, enum tg_core_type core_type, char *message, size_t n_bytes)
{
    const struct check c = {instr, core_type, message, n_bytes, false};
    return keeps_rules(&c);
}

bool tg_rules_check_widening(const struct tg_instr *instr, enum tg_core_type core_type, char *message, size_t n_bytes)
{
    const struct check c = {instr, core_type, message, n_bytes, true};
    return keeps_rules(&c);
}

bool tg_rules_check_tile(const struct tg_tile *tile, enum tg_core_type core_type, bool widens, char *message,
                         size_t n_bytes)
{
    const struct check c = {NULL, core_type, message, n_bytes, widens};
    return tile_is_sound(&c, "the tile", tile);
}
