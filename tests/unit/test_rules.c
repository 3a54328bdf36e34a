/*
 * rules.c: every rule broken once.
 *
 * Each instruction is built valid, with tiles that do not overlap. Then one operand is changed, and the message must
 * name the instruction, the line, the operand and the rule. The rules of all tiles are tried on every operand of every
 * instruction. The rules of one instruction have a line in a table.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/instr.h"
#include "reference.h"
#include "tile/buffers.h"
#include "tile/rules.h"
#include "tile/table.h"

enum { LINE = 4711 };

/* An instruction with its operands in one piece, to be changed. */
struct sample {
    struct tg_instr instr;
    struct tg_tile dst, dst2, a, b, c, d, index, tmp;
    struct tg_global global;
    enum tg_core_type core_type;
};

static struct tg_tile *tile_in(struct sample *s, uint32_t slot)
{
    struct tg_tile *const tiles[TG_SLOTS] = {&s->dst, &s->dst2, &s->a, &s->b, &s->c, &s->d, &s->index, &s->tmp};
    return tiles[slot];
}

static uint32_t form_of(uint32_t op) { return tg_op_info(op)->form; }

static bool is_cube(uint32_t op)
{
    return form_of(op) == TG_FORM_PRODUCT || form_of(op) == TG_FORM_PRODUCT_ACC || form_of(op) == TG_FORM_PRODUCT_BIAS;
}

static bool takes(uint32_t op, uint32_t slot) { return tg_form_of(op)->slots[slot].use != TG_USE_NONE; }

static const char *name_of(uint32_t op, uint32_t slot) { return tg_form_of(op)->slots[slot].name; }

/* Point the instruction at the sample's own operands. */
static void bind(struct sample *s)
{
    for (uint32_t slot = 0; slot < TG_SLOTS; slot++)
        tg_instr_set_tile(&s->instr, slot, takes(s->instr.op, slot) ? tile_in(s, slot) : NULL);
    s->instr.global = tg_form_of(s->instr.op)->global != TG_USE_NONE ? &s->global : NULL;
}

static void make_cube_tiles(struct sample *s)
{
    s->core_type = TG_AIC;
    s->dst = tg_tile_acc(20, 24);
    s->a = tg_tile_left(TG_FP16, 20, 40);
    s->b = tg_tile_right(TG_FP16, 40, 24);
    s->index = tg_tile_bias(TG_FP32, 24);
    TASSIGN(s->dst, 128);
    TASSIGN(s->a, 512);
    TASSIGN(s->b, 1024);
    TASSIGN(s->index, 64);
}

static struct tg_tile mask_of(const struct tg_tile *t)
{
    return tg_tile_vec(TG_UINT8, t->valid_rows, (t->valid_cols + 7) / 8);
}

static void make_vector_tiles(struct sample *s, uint32_t op)
{
    const uint32_t form = form_of(op);
    s->core_type = TG_AIV;
    s->a = tg_tile_vec(TG_FP32, 12, 20);
    s->a.cols = 32; /* whole units in every type */
    if (!(tg_op_info(op)->types >> TG_FP32 & 1)) s->a.dtype = TG_INT32;
    for (uint32_t slot = 0; slot < TG_SLOTS; slot++) *tile_in(s, slot) = s->a;
    if (form == TG_FORM_ROW_REDUCTION || form == TG_FORM_ROW_INDEX) s->dst = tg_tile_column(TG_FP32, 12);
    if (form == TG_FORM_ROW_INDEX) s->dst.dtype = TG_INT32;
    if (form == TG_FORM_ROW_EXPAND || form == TG_FORM_ROW_EXPAND_WITH) s->b = tg_tile_column(TG_FP32, 12);
    if (form == TG_FORM_COL_REDUCTION) s->dst.valid_rows = 1;
    if (form == TG_FORM_COL_EXPAND || form == TG_FORM_COL_EXPAND_WITH) s->b.valid_rows = 1;
    if (form == TG_FORM_COMPARE || form == TG_FORM_COMPARE_SCALAR) s->dst = mask_of(&s->a);
    if (form == TG_FORM_SELECT) s->index = mask_of(&s->a);
    if (form == TG_FORM_GATHER || form == TG_FORM_SCATTER || form == TG_FORM_SORT) s->index.dtype = TG_UINT32;
    if (form == TG_FORM_GATHER_MASK) s->dst.valid_cols = 10;
    if (form == TG_FORM_SEQUENCE) s->dst.dtype = TG_INT32, s->dst.valid_rows = 1;
    if (form == TG_FORM_TRANSPOSE) s->dst = s->tmp = tg_tile_vec(TG_FP32, 20, 12), s->tmp.cols = 16;
    if (form == TG_FORM_CONCAT) s->dst = tg_tile_vec(TG_FP32, 12, 40);
    if (form == TG_FORM_SORT) {
        s->a.valid_cols = s->index.valid_cols = 32;
        s->dst = tg_tile_vec(TG_FP32, 12, 64);
    }
    if (form == TG_FORM_MERGE_RUNS) s->dst = s->a = tg_tile_vec(TG_FP32, 1, 256);
    if (form == TG_FORM_MERGE_LISTS) {
        s->a = s->b = s->c = s->d = tg_tile_vec(TG_FP32, 1, 64);
        s->dst = s->tmp = tg_tile_vec(TG_FP32, 1, 256);
    }
    for (uint32_t slot = 0; slot < TG_SLOTS; slot++) TASSIGN(*tile_in(s, slot), 32 + 4096 * slot);
    if (form == TG_FORM_GET_VALUE) s->a = tg_tile_element(&s->b, 64);
    if (form == TG_FORM_SET_VALUE) s->dst = tg_tile_element(&s->b, 64);
    if (form == TG_FORM_PAD_INPLACE) s->a.offset = s->dst.offset;
    if (op == TG_OP_TRESHAPE) {
        s->dst = tg_tile_column(TG_FP32, 16);
        s->a = tg_tile_vec(TG_FP32, 1, 16);
        s->dst.offset = s->a.offset = 64;
    }
}

/* A valid instruction. TLOAD and TSTORE are those of a Vec tile, TMOV that of a cube core. */
static void make(struct sample *s, uint32_t op)
{
    memset(s, 0, sizeof *s);
    s->instr = instr_at(op, "some/folder/kernel.c", LINE);
    s->global = tg_global_nd(0x1000, TG_FP32, 12, 20, 33);
    s->instr.src_pipe = PIPE_MTE2;
    s->instr.dst_pipe = PIPE_V;
    s->instr.event = EVENT_ID3;
    s->instr.immediate[0] = 64; /* an address of DCCI, a length of runs, the number of an element */
    s->instr.mode = op == TG_OP_TGATHER_MASK ? TG_MASK_P0101 : 0;
    s->instr.result = s;
    if (is_cube(op)) make_cube_tiles(s);
    else make_vector_tiles(s, op);
    if (op == TG_OP_TMOV || op == TG_OP_TEXTRACT) {
        s->instr.immediate[0] = 0;
        s->core_type = TG_AIC;
        s->dst = tg_tile_left(TG_BF16, 20, 40);
        s->a = tg_tile_mat(TG_BF16, 20, 40);
        TASSIGN(s->dst, 512);
        TASSIGN(s->a, 32);
    }
    bind(s);
}

static void assert_accepted(const struct sample *s, const char *what)
{
    char message[512] = "";
    if (!tg_rules_check(&s->instr, s->core_type, message, sizeof message))
        fail_msg("%s %s is refused: %s", tg_op_name(s->instr.op), what, message);
}

static void assert_refused(const struct sample *s, const char *operand, const char *rule, const char *what)
{
    char message[512] = "", start[64], named[64];
    if (tg_rules_check(&s->instr, s->core_type, message, sizeof message))
        fail_msg("%s is accepted: %s %s", tg_op_name(s->instr.op), operand, what);
    snprintf(start, sizeof start, "%s at kernel.c:%d: %s", tg_op_name(s->instr.op), (int)LINE, operand);
    snprintf(named, sizeof named, "%s at kernel.c:%d: %s ", tg_op_name(s->instr.op), (int)LINE, operand);
    bool right = strncmp(message, start, strlen(start)) == 0 && strstr(message, rule);
    right = right && (message[strlen(start)] == ':' || strncmp(message, named, strlen(named)) == 0);
    if (!right) fail_msg("%s %s: the message is \"%s\", without \"%s\"", start, what, message, rule);
}

/* `cpu` takes products that A2 and A3 lack. */
static void only_cpu_widens_and_only_a_right_operand_of_8_bits(void **state)
{
    (void)state;
    char message[512];
    for (uint32_t left = 0; left < TG_DTYPES; left++)
        for (uint32_t right = 0; right < TG_DTYPES; right++) {
            struct sample s;
            make(&s, TG_OP_TMATMUL);
            s.a = tg_tile_left(left, 20, 40);
            s.b = tg_tile_right(right, 40, 24);
            s.dst = left == TG_INT8 ? tg_tile_acc_int32(20, 24) : tg_tile_acc(20, 24);
            TASSIGN(s.a, 0);
            TASSIGN(s.b, 0);
            TASSIGN(s.dst, 0);
            bind(&s);
            const bool is_float = left == TG_FP32 || left == TG_FP16 || left == TG_BF16;
            const bool is_narrow = right == TG_INT8 || right == TG_FP8_E4M3 || right == TG_FP8_E5M2;
            const bool alike = left == right && (is_float || left == TG_INT8);
            assert_int_equal(tg_rules_check(&s.instr, s.core_type, message, sizeof message), alike);
            assert_int_equal(tg_rules_check_widening(&s.instr, s.core_type, message, sizeof message),
                             alike || (is_float && is_narrow));
        }
}

static void what_is_right_is_accepted(void **state)
{
    (void)state;
    struct sample s;
    for (uint32_t op = 0; op < TG_OP_COUNT; op++) {
        make(&s, op);
        assert_accepted(&s, "as it stands");
    }
}

/* ---- any tile ---------------------------------------------------------------------------------------------------- */

static void no_valid_rows(struct tg_tile *t) { t->valid_rows = 0; }
static void no_valid_cols(struct tg_tile *t) { t->valid_cols = 0; }
static void too_many_valid_rows(struct tg_tile *t) { t->valid_rows = t->rows + 1; }
static void too_many_valid_cols(struct tg_tile *t) { t->valid_cols = t->cols + 1; }
static void no_place(struct tg_tile *t) { t->offset = TG_UNASSIGNED; }
static void no_kind(struct tg_tile *t) { t->kind = TG_TILE_KINDS; }
static void no_dtype(struct tg_tile *t) { t->dtype = TG_DTYPES; }

/* Of the other kind of core. */
static void other_core(struct tg_tile *t) { t->kind = t->kind == TG_VEC ? TG_MAT : TG_VEC; }

static void no_layout(struct tg_tile *t)
{
    if (t->kind == TG_VEC) t->layout = 2;
    else t->rows += 8;
}

static void half_units(struct tg_tile *t)
{
    if (t->kind == TG_BIAS) t->cols += 1;
    else if (t->kind != TG_VEC) t->cols += 8;
    else if (t->layout == TG_ROW_MAJOR) t->cols += 1;
    else t->rows += 1;
}

static void crooked_place(struct tg_tile *t)
{
    static const uint32_t half_of_alignment[] = {16, 256, 256, 32, 16, 32};
    t->offset = half_of_alignment[t->kind];
}

static void one_step_too_far(struct tg_tile *t)
{
    static const uint32_t alignment[] = {32, 512, 512, 64, 32, 64};
    t->offset = ((tg_kind_capacity(t->kind) - tg_tile_bytes(t)) / alignment[t->kind] + 1) * alignment[t->kind];
}

static void absurd_size(struct tg_tile *t)
{
    t->rows = 0xFFFFFFE0u;
    t->cols = 0xFFFFFFE0u;
    if (t->kind == TG_VEC && t->layout == TG_COL_MAJOR) t->cols = 1;
    if (t->kind == TG_BIAS) t->rows = 1;
}

static const struct {
    const char *what;
    void (*change)(struct tg_tile *tile);
    const char *rule;
} tile_rules[] = {
    {"of no kind", no_kind, "unknown tile kind 6"},
    {"of no type", no_dtype, "unknown element type 11"},
    {"of the other core", other_core, " core has no "},
    {"without valid rows", no_valid_rows, "the valid part is empty"},
    {"without valid columns", no_valid_cols, "the valid part is empty"},
    {"with too many valid rows", too_many_valid_rows, "the valid part is larger than the tile"},
    {"with too many valid columns", too_many_valid_cols, "the valid part is larger than the tile"},
    {"of no layout", no_layout, ""},
    {"with half units", half_units, ""},
    {"without a place", no_place, "no TASSIGN has placed it"},
    {"at a crooked place", crooked_place, "offsets are multiples of"},
    {"beyond the buffer", one_step_too_far, ", which has "},
    {"of an absurd size", absurd_size, ", which has "},
};

static void every_operand_is_held_to_the_rules_of_a_tile(void **state)
{
    (void)state;
    struct sample s;
    for (uint32_t op = 0; op < TG_OP_COUNT; op++)
        for (size_t rule = 0; rule < sizeof tile_rules / sizeof tile_rules[0]; rule++)
            for (uint32_t slot = 0; slot < TG_SLOTS; slot++) {
                make(&s, op);
                if (!takes(op, slot)) continue;
                if (form_of(op) == TG_FORM_GET_VALUE || form_of(op) == TG_FORM_SET_VALUE)
                    continue; /* no tile to be placed */
                tile_rules[rule].change(tile_in(&s, slot));
                assert_refused(&s, name_of(op, slot), tile_rules[rule].rule, tile_rules[rule].what);
            }
}

static void every_operand_is_needed(void **state)
{
    (void)state;
    struct sample s;
    for (uint32_t op = 0; op < TG_OP_COUNT; op++)
        for (uint32_t slot = 0; slot < TG_SLOTS; slot++) {
            make(&s, op);
            if (!takes(op, slot)) continue;
            if (form_of(op) == TG_FORM_MERGE_LISTS && slot >= TG_SLOT_C) continue; /* dst is as long as the lists */
            tg_instr_set_tile(&s.instr, slot, NULL);
            if (tg_form_of(op)->slots[slot].optional) assert_accepted(&s, "without it");
            else assert_refused(&s, name_of(op, slot), "is missing", "left out");
        }
}

static void an_operand_that_is_not_taken_is_refused(void **state)
{
    (void)state;
    struct sample s;
    for (uint32_t op = 0; op < TG_OP_COUNT; op++) {
        for (uint32_t slot = 0; slot <= TG_SLOTS; slot++) {
            make(&s, op);
            if (slot < TG_SLOTS ? takes(op, slot) : s.instr.global != NULL) continue;
            if (slot < TG_SLOTS) tg_instr_set_tile(&s.instr, slot, tile_in(&s, slot));
            else s.instr.global = &s.global;
            assert_refused(&s, "operands", "one is given that it does not take", "too many");
        }
    }
}

static void a_tile_may_end_where_its_buffer_does(void **state)
{
    (void)state;
    struct sample s;
    make(&s, TG_OP_TMATMUL);
    s.dst = tg_tile_acc(16, 16);
    s.a = tg_tile_left(TG_FP16, 16, 2048);
    s.b = tg_tile_right(TG_FP16, 2048, 16);
    TASSIGN(s.dst, TG_L0C_BYTES - 1024);
    TASSIGN(s.a, 0);
    TASSIGN(s.b, 0);
    assert_accepted(&s, "with full buffers");
    make(&s, TG_OP_TEXPANDS);
    s.dst = tg_tile_vec(TG_FP16, 3, 16);
    TASSIGN(s.dst, TG_UB_BYTES - 96);
    assert_accepted(&s, "at the end of UB");
    s.dst.offset += 32;
    assert_refused(&s, "dst", "48 elements from offset 196544 on do not fit into UB, which has 196608 bytes",
                   "one unit further");
}

/* ---- an instruction's own rules ---------------------------------------------------------------------------------- */

static void dst_col_major(struct sample *s) { s->dst = tg_tile_column(s->dst.dtype, 12), s->dst.offset = 32; }
static void a_col_major(struct sample *s) { s->a = tg_tile_column(s->a.dtype, 12), s->a.offset = 32; }
static void b_col_major(struct sample *s) { s->b = tg_tile_column(s->b.dtype, 12), s->b.offset = 32; }
static void b_row_major(struct sample *s) { s->b = tg_tile_vec(s->b.dtype, 12, 1), s->b.offset = 32; }
static void dst_two_columns(struct sample *s) { s->dst.cols = 2; }
static void a_too_low(struct sample *s) { s->a = tg_tile_mat(TG_BF16, 16, 40), s->a.offset = 32; }
static void a_too_narrow(struct sample *s) { s->a = tg_tile_mat(TG_BF16, 20, 32), s->a.offset = 32; }
static void dst_of_another_layout(struct sample *s) { s->dst.layout = TG_COL_MAJOR; }
static void all_int8(struct sample *s) { s->dst.dtype = s->a.dtype = TG_INT8; }
static void dst_two_rows(struct sample *s) { s->dst.valid_rows = 2; }
static void b_two_rows(struct sample *s) { s->b.valid_rows = 2; }
static void a_elsewhere(struct sample *s) { s->a.offset += 32; }
static void a_wider(struct sample *s) { s->a.cols *= 2; }
static void dst_row_of_rows(struct sample *s) { s->dst = tg_tile_vec(s->dst.dtype, 12, 2), s->dst.offset = 32; }
static void b_two_columns(struct sample *s) { s->b.cols = 2; }
static void a_fewer_rows(struct sample *s) { s->a.valid_rows--; }
static void a_fewer_cols(struct sample *s) { s->a.valid_cols--; }
static void b_fewer_rows(struct sample *s) { s->b.valid_rows--; }
static void b_fewer_cols(struct sample *s) { s->b.valid_cols--; }
static void dst_fewer_rows(struct sample *s) { s->dst.valid_rows--; }
static void dst_fewer_cols(struct sample *s) { s->dst.valid_cols--; }
static void dst_fp16(struct sample *s) { s->dst.dtype = TG_FP16; }
static void a_fp16(struct sample *s) { s->a.dtype = TG_FP16; }
static void b_fp16(struct sample *s) { s->b.dtype = TG_FP16; }
static void b_bf16(struct sample *s) { s->b.dtype = TG_BF16; }
static void tmp_fp16(struct sample *s) { s->tmp.dtype = TG_FP16; }
static void all_bf16(struct sample *s) { s->dst.dtype = s->a.dtype = s->b.dtype = s->tmp.dtype = TG_BF16; }
static void all_int32(struct sample *s) { s->dst.dtype = s->a.dtype = s->b.dtype = s->tmp.dtype = TG_INT32; }
static void sources_int32(struct sample *s) { s->a.dtype = s->b.dtype = TG_INT32; }
static void dst_int32(struct sample *s) { s->dst.dtype = TG_INT32; }
/* Rows of more than 256 bytes, for which a device uses tmp. */
static void long_rows(struct sample *s) { s->a.cols = s->a.valid_cols = s->tmp.cols = s->tmp.valid_cols = 72; }
static void tmp_too_low(struct sample *s) { long_rows(s), s->tmp.rows = s->tmp.valid_rows = 11; }
static void tmp_too_narrow(struct sample *s) { long_rows(s), s->tmp.cols = s->tmp.valid_cols = 64; }
static void tmp_of_one_row(struct sample *s) { s->tmp.rows = s->tmp.valid_rows = 1; }
static void halves(struct sample *s) { s->dst.dtype = TG_BF16, s->a.dtype = TG_FP16; }
static void acc_left(struct sample *s) { s->dst = tg_tile_left(TG_FP32, 20, 24), s->dst.offset = 0; }
static void left_mat(struct sample *s) { s->a.kind = TG_MAT; }
static void right_left(struct sample *s) { s->b.kind = TG_LEFT; }
static void dst_mat(struct sample *s) { s->dst.kind = TG_MAT; }
static void dst_acc(struct sample *s) { s->dst.kind = TG_ACC, s->dst.dtype = TG_FP32; }
static void src_left(struct sample *s) { s->a.kind = TG_LEFT, s->a.offset = 0; }
static void more_bytes(struct sample *s) { s->dst = tg_tile_column(TG_FP32, 32), s->dst.offset = 64; }

static void bias_of_ints(struct sample *s) { s->index.dtype = TG_INT32; }
static void bias_too_short(struct sample *s) { s->index.valid_cols--; }
static void bias_in_l1(struct sample *s) { s->index.kind = TG_MAT; }
static void bias_of_halves(struct sample *s) { s->index = tg_tile_bias(TG_FP16, 24), s->index.offset = 0; }
static void bias_of_two_rows(struct sample *s) { s->index.rows = 2; }
static void bias_from_matrix(struct sample *s)
{
    s->dst = tg_tile_bias(TG_FP32, 24);
    s->a = tg_tile_mat(TG_FP32, 16, 24);
    s->dst.offset = s->a.offset = 0;
}

static void vec_move(struct sample *s)
{
    s->core_type = TG_AIV;
    s->dst = s->a = tg_tile_vec(TG_INT32, 12, 20);
    TASSIGN(s->dst, 32);
    TASSIGN(s->a, 4096);
}
static void vec_move_to_column(struct sample *s) { vec_move(s), dst_col_major(s); }
static void vec_move_from_column(struct sample *s) { vec_move(s), a_col_major(s); }
static void vec_move_of_another_shape(struct sample *s) { vec_move(s), a_fewer_rows(s); }

#define SHAPE "its valid shape has to be dst's"
#define TYPE "its element type has to be"
#define ROW_MAJOR "has to be row-major"
#define NUMBERS " takes fp32, fp16, int32 and int16; convert with TCVT"
#define FLOATS " takes fp32 and fp16; convert with TCVT"
#define COLUMN "has to be a column-major tile of one column, or have one valid column; TRESHAPE a row"
#define BLOCK "has to be a column-major tile of one column, or row-major with 32 bytes a row; TRESHAPE a row"

struct own_rule {
    uint32_t first, last; /* instructions */
    void (*change)(struct sample *s);
    const char *operand, *rule;
};

static const struct own_rule own_rules[] = {
    {TG_OP_TADD, TG_OP_TRSQRT, dst_col_major, "dst", ROW_MAJOR},
    {TG_OP_TADD, TG_OP_TRSQRT, a_col_major, "a", ROW_MAJOR},
    {TG_OP_TADD, TG_OP_TMIN, b_col_major, "b", ROW_MAJOR},
    {TG_OP_TADD, TG_OP_TRSQRT, a_fewer_rows, "a", SHAPE ", 12 x 20"},
    {TG_OP_TADD, TG_OP_TRSQRT, a_fewer_cols, "a", SHAPE ", 12 x 20"},
    {TG_OP_TADD, TG_OP_TMIN, b_fewer_rows, "b", SHAPE ", 12 x 20"},
    {TG_OP_TADD, TG_OP_TMIN, b_fewer_cols, "b", SHAPE ", 12 x 20"},
    {TG_OP_TADD, TG_OP_TRSQRT, a_fp16, "a", TYPE " fp32"},
    {TG_OP_TADD, TG_OP_TMIN, b_bf16, "b", TYPE " fp32"},
    {TG_OP_TMATMUL_BIAS, TG_OP_TMATMUL_BIAS, bias_of_ints, "bias", TYPE " fp32"},
    {TG_OP_TMATMUL_BIAS, TG_OP_TMATMUL_BIAS, bias_too_short, "bias", "acc has 24 columns"},
    {TG_OP_TMATMUL_BIAS, TG_OP_TMATMUL_BIAS, bias_in_l1, "bias", "has to be a Bias tile"},
    {TG_OP_TMATMUL_BIAS, TG_OP_TMATMUL_BIAS, bias_of_halves, "bias", "fp32 or int32"},
    {TG_OP_TMATMUL_BIAS, TG_OP_TMATMUL_BIAS, bias_of_two_rows, "bias", "a row takes whole 32-byte units"},
    {TG_OP_TMOV, TG_OP_TMOV, bias_from_matrix, "src", "a Bias tile is filled from a Mat tile of one row"},
    {TG_OP_TEXTRACT, TG_OP_TEXTRACT, bias_from_matrix, "dst", "TEXTRACT goes from Mat to Left or Right"},
    {TG_OP_TAND, TG_OP_TSHR, b_fewer_cols, "b", SHAPE ", 12 x 20"},
    {TG_OP_TAND, TG_OP_TSHRS, all_bf16, "dst", " takes int32, int16, uint16 and uint32; convert with TCVT"},
    {TG_OP_TADD, TG_OP_TMUL, all_bf16, "dst", NUMBERS},
    {TG_OP_TDIV, TG_OP_TDIV, all_bf16, "dst", FLOATS},
    {TG_OP_TDIV, TG_OP_TDIV, all_int32, "dst", FLOATS},
    {TG_OP_TMAX, TG_OP_TMULS, all_bf16, "dst", NUMBERS},
    {TG_OP_TDIVS, TG_OP_TDIVS, all_int32, "dst", FLOATS},
    {TG_OP_TABS, TG_OP_TABS, all_int32, "dst", FLOATS},
    {TG_OP_TRECIP, TG_OP_TRSQRT, all_int32, "dst", FLOATS},
    {TG_OP_TRSQRT, TG_OP_TRSQRT, tmp_fp16, "tmp", TYPE " fp32"},

    {TG_OP_TCVT, TG_OP_TCVT, dst_col_major, "dst", ROW_MAJOR},
    {TG_OP_TCVT, TG_OP_TCVT, a_col_major, "src", ROW_MAJOR},
    {TG_OP_TCVT, TG_OP_TCVT, a_fewer_rows, "src", SHAPE ", 12 x 20"},
    {TG_OP_TCVT, TG_OP_TCVT, halves, "src",
     "TCVT goes from fp16 to fp32, int32, int8, uint8, int16, fp8_e4m3 and fp8_e5m2, not to bf16; go through fp32"},

    {TG_OP_TFILLPAD, TG_OP_TFILLPAD, dst_col_major, "dst", ROW_MAJOR},
    {TG_OP_TFILLPAD, TG_OP_TFILLPAD, a_col_major, "src", ROW_MAJOR},
    {TG_OP_TFILLPAD, TG_OP_TFILLPAD, a_fp16, "src", TYPE " fp32"},
    {TG_OP_TFILLPAD_INPLACE, TG_OP_TFILLPAD_INPLACE, a_elsewhere, "src", "has to be in dst's place"},
    {TG_OP_TFILLPAD_INPLACE, TG_OP_TFILLPAD_INPLACE, a_wider, "src", "has to be in dst's place"},
    {TG_OP_TFILLPAD, TG_OP_TFILLPAD, dst_fewer_rows, "src", "its valid part is larger than dst's, 11 x 20"},
    {TG_OP_TFILLPAD, TG_OP_TFILLPAD, dst_fewer_cols, "src", "its valid part is larger than dst's, 12 x 19"},

    {TG_OP_TROWMAX, TG_OP_TROWARGMAX, dst_row_of_rows, "column", COLUMN},
    {TG_OP_TROWMAX, TG_OP_TROWARGMAX, dst_two_columns, "column", COLUMN},
    {TG_OP_TROWMAX, TG_OP_TROWARGMAX, a_col_major, "src", ROW_MAJOR},
    {TG_OP_TROWMAX, TG_OP_TROWSUM, all_bf16, "src", NUMBERS},
    {TG_OP_TROWARGMAX, TG_OP_TROWARGMAX, all_int32, "src", FLOATS},
    {TG_OP_TROWARGMAX, TG_OP_TROWARGMAX, dst_fp16, "column", "its element type has to be int32 or uint32"},
    {TG_OP_TROWMAX, TG_OP_TROWSUM, dst_fp16, "column", TYPE " fp32"},
    {TG_OP_TROWMAX, TG_OP_TROWARGMAX, tmp_fp16, "tmp", TYPE " fp32"},
    {TG_OP_TROWMAX, TG_OP_TROWARGMAX, dst_fewer_rows, "column", "src has 12 rows"},
    {TG_OP_TROWMAX, TG_OP_TROWARGMAX, tmp_too_low, "tmp", "has to hold src's 12 x 72"},
    {TG_OP_TROWMAX, TG_OP_TROWARGMAX, tmp_too_narrow, "tmp", "has to hold src's 12 x 72"},

    {TG_OP_TROWEXPAND, TG_OP_TROWEXPANDEXPDIF, dst_col_major, "dst", ROW_MAJOR},
    {TG_OP_TROWEXPAND, TG_OP_TROWEXPAND, b_two_columns, "column", COLUMN},
    {TG_OP_TROWEXPANDADD, TG_OP_TROWEXPANDEXPDIF, b_row_major, "column", BLOCK},
    {TG_OP_TROWEXPANDADD, TG_OP_TROWEXPANDEXPDIF, b_two_columns, "column", BLOCK},
    {TG_OP_TROWEXPAND, TG_OP_TROWEXPANDEXPDIF, b_fp16, "column", TYPE " fp32"},
    {TG_OP_TROWEXPAND, TG_OP_TROWEXPANDEXPDIF, b_fewer_rows, "column", "dst has 12 rows"},
    {TG_OP_TROWEXPANDADD, TG_OP_TROWEXPANDMUL, all_bf16, "dst", NUMBERS},
    {TG_OP_TROWEXPANDDIV, TG_OP_TROWEXPANDDIV, all_int32, "dst", FLOATS},
    {TG_OP_TROWEXPANDADD, TG_OP_TROWEXPANDEXPDIF, a_col_major, "src", ROW_MAJOR},
    {TG_OP_TROWEXPANDADD, TG_OP_TROWEXPANDEXPDIF, a_fewer_cols, "src", SHAPE ", 12 x 20"},
    {TG_OP_TROWEXPANDADD, TG_OP_TROWEXPANDEXPDIF, a_fp16, "src", TYPE " fp32"},

    {TG_OP_TROWEXPANDADD, TG_OP_TROWEXPANDEXPDIF, tmp_of_one_row, "tmp", "has to have 512 bytes"},
    {TG_OP_TCOLMAX, TG_OP_TCOLSUM, tmp_fp16, "tmp", TYPE " fp32"},
    {TG_OP_TCOLMAX, TG_OP_TCOLSUM, dst_col_major, "row", ROW_MAJOR},
    {TG_OP_TCOLMAX, TG_OP_TCOLSUM, a_col_major, "src", ROW_MAJOR},
    {TG_OP_TCOLMAX, TG_OP_TCOLSUM, all_bf16, "src", NUMBERS},
    {TG_OP_TCOLMAX, TG_OP_TCOLSUM, dst_fp16, "row", TYPE " fp32"},
    {TG_OP_TCOLMAX, TG_OP_TCOLSUM, dst_two_rows, "row", "has to have one valid row"},
    {TG_OP_TCOLMAX, TG_OP_TCOLSUM, dst_fewer_cols, "row", "src has 20 columns"},
    {TG_OP_TCOLEXPAND, TG_OP_TCOLEXPANDEXPDIF, dst_col_major, "dst", ROW_MAJOR},
    {TG_OP_TCOLEXPAND, TG_OP_TCOLEXPANDEXPDIF, b_col_major, "row", ROW_MAJOR},
    {TG_OP_TCOLEXPAND, TG_OP_TCOLEXPANDEXPDIF, b_fp16, "row", TYPE " fp32"},
    {TG_OP_TCOLEXPAND, TG_OP_TCOLEXPANDEXPDIF, b_two_rows, "row", "has to have one valid row"},
    {TG_OP_TCOLEXPAND, TG_OP_TCOLEXPANDEXPDIF, b_fewer_cols, "row", "dst has 20 columns"},
    {TG_OP_TCOLEXPANDADD, TG_OP_TCOLEXPANDEXPDIF, a_fewer_rows, "src", SHAPE ", 12 x 20"},
    {TG_OP_TCOLEXPANDADD, TG_OP_TCOLEXPANDMUL, all_bf16, "dst", NUMBERS},
    {TG_OP_TCOLEXPANDDIV, TG_OP_TCOLEXPANDDIV, all_int32, "dst", FLOATS},

    {TG_OP_TRESHAPE, TG_OP_TRESHAPE, more_bytes, "dst", "has 128 bytes, src 64"},

    {TG_OP_TMOV, TG_OP_TMOV, dst_mat, "dst",
     "TMOV goes from Mat to Left or Right, a row to Bias, from Acc to Mat, or from Vec to Vec"},
    {TG_OP_TMOV, TG_OP_TMOV, dst_acc, "dst",
     "TMOV goes from Mat to Left or Right, a row to Bias, from Acc to Mat, or from Vec to Vec"},
    {TG_OP_TMOV, TG_OP_TMOV, src_left, "src", "has to be a Mat tile"},
    {TG_OP_TMOV, TG_OP_TMOV, a_too_low, "src", "has to have dst's 20 x 40 elements"},
    {TG_OP_TMOV, TG_OP_TMOV, a_too_narrow, "src", "has to have dst's 20 x 40 elements"},
    {TG_OP_TMOV, TG_OP_TEXTRACT, a_fp16, "src", TYPE " bf16"},
    {TG_OP_TMOV, TG_OP_TMOV, dst_of_another_layout, "dst",
     "a Left tile has one layout; only Mat and Vec have a choice"},
    {TG_OP_TMOV, TG_OP_TMOV, all_int8, "dst", "static sizes are multiples of 16 x 32"},
    {TG_OP_TMOV, TG_OP_TMOV, all_int32, "dst", "the cube takes no int32"},
    {TG_OP_TMOV, TG_OP_TMOV, vec_move_to_column, "dst", ROW_MAJOR},
    {TG_OP_TMOV, TG_OP_TMOV, vec_move_from_column, "src", ROW_MAJOR},
    {TG_OP_TMOV, TG_OP_TMOV, vec_move_of_another_shape, "src", SHAPE ", 12 x 20"},

    {TG_OP_TMATMUL, TG_OP_TMATMUL_ACC, acc_left, "acc", "has to be a Acc tile"},
    {TG_OP_TMATMUL, TG_OP_TMATMUL_ACC, left_mat, "left", "has to be a Left tile"},
    {TG_OP_TMATMUL, TG_OP_TMATMUL_ACC, right_left, "right", "has to be a Right tile"},
    {TG_OP_TMATMUL, TG_OP_TMATMUL_ACC, dst_fp16, "acc", "products accumulate in fp32"},
    {TG_OP_TMATMUL, TG_OP_TMATMUL_ACC, dst_int32, "acc", "products accumulate in fp32, those of int8 in int32"},
    {TG_OP_TMATMUL, TG_OP_TMATMUL_ACC, b_bf16, "right", TYPE " fp16"},
    {TG_OP_TMATMUL, TG_OP_TMATMUL_ACC, sources_int32, "left", "the cube takes no int32"},
    {TG_OP_TMATMUL, TG_OP_TMATMUL_ACC, b_fewer_rows, "right", "left has 40 columns, right 39 rows"},
    {TG_OP_TMATMUL, TG_OP_TMATMUL_ACC, a_fewer_cols, "right", "left has 39 columns, right 40 rows"},
    {TG_OP_TMATMUL, TG_OP_TMATMUL_ACC, dst_fewer_rows, "acc", "the product is 20 x 24"},
    {TG_OP_TMATMUL, TG_OP_TMATMUL_ACC, dst_fewer_cols, "acc", "the product is 20 x 24"},
};

static void every_instruction_is_held_to_its_own_rules(void **state)
{
    (void)state;
    struct sample s;
    for (size_t i = 0; i < sizeof own_rules / sizeof own_rules[0]; i++) {
        const struct own_rule *own = &own_rules[i];
        char line[32];
        snprintf(line, sizeof line, "(line %zu of the table)", i);
        for (uint32_t op = own->first; op <= own->last; op++) {
            make(&s, op);
            own->change(&s);
            assert_refused(&s, own->operand, own->rule, line);
        }
    }
}

static void scratch_may_be_left_out_or_small_where_a_device_needs_none(void **state)
{
    (void)state;
    static const uint32_t without[] = {TG_OP_TCVT, TG_OP_TROWEXPANDSUB, TG_OP_TCOLSUM, TG_OP_TRSQRT};
    struct sample s;
    for (size_t i = 0; i < sizeof without / sizeof without[0]; i++) {
        make(&s, without[i]);
        s.instr.tmp = NULL;
        assert_accepted(&s, "without tmp");
    }
    make(&s, TG_OP_TROWSUM);
    tmp_of_one_row(&s);
    assert_accepted(&s, "of short rows with a small tmp");
    make(&s, TG_OP_TROWSUM);
    long_rows(&s);
    assert_accepted(&s, "of long rows with a tmp of their size");
}

/* ---- transfers --------------------------------------------------------------------------------------------------- */

static void make_transfer(struct sample *s, uint32_t op, const struct tg_tile *tile, const struct tg_global *global)
{
    make(s, op);
    s->core_type = tile->kind == TG_VEC ? TG_AIV : TG_AIC;
    s->dst = s->a = *tile;
    s->dst.offset = s->a.offset = 0;
    s->global = *global;
}

static void transfers_take_every_pair_that_fits(void **state)
{
    (void)state;
    struct sample s;
    for (uint32_t dtype = TG_FP32; dtype < TG_DTYPES; dtype++) {
        struct tg_tile row_major = tg_tile_vec(dtype, 12, 20), mat = tg_tile_mat(dtype, 12, 20),
                       acc = tg_tile_acc(12, 20);
        struct tg_tile col_major = tg_tile_make(TG_VEC, dtype, TG_COL_MAJOR, 32, 20, 12, 20);
        struct tg_global nd = tg_global_nd(0x1000, dtype, 12, 20, 20), dn = tg_global_dn(0x1000, dtype, 12, 20, 12);
        for (uint32_t op = TG_OP_TLOAD; op <= TG_OP_TSTORE; op++) {
            make_transfer(&s, op, &row_major, &nd);
            assert_accepted(&s, "of a row-major tile and ND");
            make_transfer(&s, op, &col_major, &dn);
            assert_accepted(&s, "of a column-major tile and DN");
        }
        if (!(TG_TYPES_CUBE >> dtype & 1)) continue;

        make_transfer(&s, TG_OP_TLOAD, &mat, &nd);
        assert_accepted(&s, "of a Mat tile and ND");
        make_transfer(&s, TG_OP_TLOAD, &mat, &dn);
        assert_accepted(&s, "of a Mat tile and DN");
        if (dtype == TG_INT8) acc.dtype = nd.dtype = TG_INT32;
        make_transfer(&s, TG_OP_TSTORE, &acc, &nd);
        assert_accepted(&s, "of an Acc tile and ND of another type");
    }
}

static void transfers_refuse_pairs_that_do_not_fit(void **state)
{
    (void)state;
    struct sample s;
    struct tg_global nd = tg_global_nd(0x1000, TG_FP32, 12, 20, 20), dn = tg_global_dn(0x1000, TG_FP32, 12, 20, 12);
    struct tg_global ints = tg_global_nd(0x1000, TG_INT32, 12, 20, 20);
    struct tg_tile row_major = tg_tile_vec(TG_FP32, 12, 20), mat = tg_tile_mat(TG_FP32, 12, 20);
    struct tg_tile col_major = tg_tile_make(TG_VEC, TG_FP32, TG_COL_MAJOR, 16, 20, 12, 20);
    struct tg_tile acc = tg_tile_acc(12, 20), left = tg_tile_left(TG_FP32, 12, 20), right = left;
    struct tg_tile whole_mat = tg_tile_mat(TG_INT32, 12, 20), short_acc = tg_tile_cube(TG_ACC, TG_FP16, 12, 20);
    struct tg_global shorts = tg_global_nd(0x1000, TG_FP16, 12, 20, 20);
    right.kind = TG_RIGHT;
    const struct {
        uint32_t op;
        const struct tg_tile *tile;
        const struct tg_global *global;
        const char *rule;
    } cases[] = {
        {TG_OP_TLOAD, &row_major, &dn, "a row-major tile takes a GlobalTensor in ND"},
        {TG_OP_TLOAD, &col_major, &nd, "a column-major tile takes a GlobalTensor in DN"},
        {TG_OP_TSTORE, &row_major, &dn, "a row-major tile takes a GlobalTensor in ND"},
        {TG_OP_TSTORE, &col_major, &nd, "a column-major tile takes a GlobalTensor in DN"},
        {TG_OP_TLOAD, &acc, &nd, "TLOAD fills Mat and Vec tiles"},
        {TG_OP_TLOAD, &left, &nd, "TLOAD fills Mat and Vec tiles"},
        {TG_OP_TLOAD, &right, &nd, "TLOAD fills Mat and Vec tiles"},
        {TG_OP_TSTORE, &mat, &nd, "TSTORE takes Acc and Vec tiles"},
        {TG_OP_TSTORE, &left, &nd, "TSTORE takes Acc and Vec tiles"},
        {TG_OP_TSTORE, &right, &nd, "TSTORE takes Acc and Vec tiles"},
        {TG_OP_TSTORE, &acc, &dn, "an Acc tile is stored to ND"},
        {TG_OP_TSTORE, &acc, &ints, "the GlobalTensor holds int32"},
        {TG_OP_TLOAD, &row_major, &ints, "the GlobalTensor holds int32"},
        {TG_OP_TSTORE, &row_major, &ints, "the GlobalTensor holds int32"},
        {TG_OP_TLOAD, &mat, &ints, "the GlobalTensor holds int32"},
        {TG_OP_TLOAD, &whole_mat, &ints, "the cube takes no int32"},
        {TG_OP_TSTORE, &short_acc, &shorts, "products accumulate in fp32"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        make_transfer(&s, cases[i].op, cases[i].tile, cases[i].global);
        assert_refused(&s, cases[i].op == TG_OP_TLOAD ? "dst" : "src", cases[i].rule, "with that GlobalTensor");
    }
}

static void no_global_type(struct sample *s) { s->global.dtype = TG_DTYPES; }
static void no_global_layout(struct sample *s) { s->global.layout = 3; }
static void crooked_address(struct sample *s) { s->global.addr = 0x1002; }
static void gaps_in_rows(struct sample *s) { s->global.stride[4] = 2; }
static void too_few_rows(struct sample *s) { s->global.shape[3] = 11; }
static void too_many_cols(struct sample *s) { s->global.shape[4] = 21; }
static void no_rows(struct sample *s) { s->global.shape[1] = 0; }
static void stacked_twice(struct sample *s) { s->global.shape[0] = 2; }
static void wraps_around(struct sample *s)
{
    s->global.shape[0] = s->global.shape[1] = 0x10000, s->global.shape[2] = 12;
}
static void far_rows(struct sample *s) { s->global.stride[3] = (int64_t)INT32_MAX + 1; }
static void far_back(struct sample *s) { s->global.stride[3] = (int64_t)INT32_MIN - 1; }

static void stacked_columns(struct sample *s)
{
    s->dst = s->a = tg_tile_make(TG_VEC, TG_FP32, TG_COL_MAJOR, 16, 20, 12, 20);
    s->dst.offset = s->a.offset = 0;
    s->global = tg_global_dn(0x1000, TG_FP32, 6, 20, 6);
    s->global.shape[2] = 2;
}

static void gaps_in_columns(struct sample *s)
{
    stacked_columns(s);
    s->global = tg_global_dn(0x1000, TG_FP32, 12, 20, 12);
    s->global.stride[3] = 3;
}

/* A load of 12 x 24 in column blocks of 8 floats. */
static void column_blocks(struct sample *s)
{
    s->dst = tg_tile_mat(TG_FP32, 12, 24);
    s->dst.offset = 0;
    s->global = tg_global_nz(0x1000, TG_FP32, 12, 24, 16);
}
static void column_blocks_in_ub(struct sample *s)
{
    column_blocks(s);
    s->dst = tg_tile_vec(TG_FP32, 12, 24);
    s->dst.offset = 0;
}
static void gaps_in_blocks(struct sample *s)
{
    column_blocks(s);
    s->global.stride[3] = 9;
}
static void two_blocks(struct sample *s)
{
    column_blocks(s);
    s->global.shape[1] = 2;
}

static void a_tensor_has_to_be_sound(void **state)
{
    (void)state;
    static const struct {
        void (*change)(struct sample *s);
        const char *rule;
    } cases[] = {
        {no_global_type, "unknown element type 11 or layout 0"},
        {no_global_layout, "unknown element type 0 or layout 3"},
        {crooked_address, "address 0x1002 is not a multiple of its element's 4 bytes"},
        {gaps_in_rows, "ND needs stride 1 along its columns"},
        {gaps_in_columns, "DN needs stride 1 along its rows"},
        {too_few_rows, "its 11 x 20 elements are not the tile's valid 12 x 20"},
        {too_many_cols, "its 12 x 21 elements are not the tile's valid 12 x 20"},
        {no_rows, "its 0 x 20 elements are not the tile's valid 12 x 20"},
        {stacked_twice, "its 24 x 20 elements are not the tile's valid 12 x 20"},
        {wraps_around, "has too many rows"},
        {far_rows, "stride 3, 2147483648, is out of range"},
        {far_back, "stride 3, -2147483649, is out of range"},
        {stacked_columns, "DN has two dimensions"},
    };
    struct sample s;
    for (uint32_t op = TG_OP_TLOAD; op <= TG_OP_TSTORE; op++) {
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
            make(&s, op);
            cases[i].change(&s);
            assert_refused(&s, "GlobalTensor", cases[i].rule, "changed");
        }
        make(&s, op);
        s.instr.global = NULL;
        assert_refused(&s, "GlobalTensor", "is missing", "left out");
    }
}

static void a_tensor_in_nz_fills_a_tile_of_l1(void **state)
{
    (void)state;
    struct sample s;
    make(&s, TG_OP_TLOAD);
    column_blocks(&s);
    s.core_type = TG_AIC;
    assert_accepted(&s, "three column blocks");
    make(&s, TG_OP_TLOAD);
    column_blocks_in_ub(&s);
    assert_refused(&s, "dst", "a row-major tile takes a GlobalTensor in ND", "in UB");
    make(&s, TG_OP_TLOAD);
    column_blocks(&s);
    s.core_type = TG_AIC;
    s.dst.layout = TG_COL_MAJOR;
    assert_refused(&s, "dst", "a GlobalTensor in NZ goes into an NZ tile of L1", "in ZN");
    make(&s, TG_OP_TLOAD);
    gaps_in_blocks(&s);
    s.core_type = TG_AIC;
    assert_refused(&s, "GlobalTensor", "NZ has rows of 8 elements without gaps", "with gaps");
    make(&s, TG_OP_TLOAD);
    two_blocks(&s);
    s.core_type = TG_AIC;
    assert_refused(&s, "GlobalTensor", "its 12 x 16 elements are not the tile's valid 12 x 24", "of two blocks");
}

/* The stride of a dimension that has one element leads nowhere. */
static void a_stride_that_leads_nowhere_may_be_large(void **state)
{
    (void)state;
    struct sample s;
    make(&s, TG_OP_TLOAD);
    s.global = tg_global_nd(0x1000, TG_FP32, 12, 20, INT32_MAX / 2);
    assert_accepted(&s, "of rows that are far apart");
    make(&s, TG_OP_TSTORE);
    s.global = tg_global_nd(0x1000, TG_FP32, 12, 20, INT32_MAX / 2);
    assert_accepted(&s, "of rows that are far apart");
}

/* ---- order ------------------------------------------------------------------------------------------------------- */

static void flags_go_between_two_pipes_of_the_core(void **state)
{
    (void)state;
    static const bool has[2][PIPE_ALL + 2] = {
        [TG_AIC] = {[PIPE_S] = 1, [PIPE_M] = 1, [PIPE_MTE1] = 1, [PIPE_MTE2] = 1, [PIPE_MTE3] = 1, [PIPE_FIX] = 1},
        [TG_AIV] = {[PIPE_S] = 1, [PIPE_V] = 1, [PIPE_MTE2] = 1, [PIPE_MTE3] = 1},
    };
    struct sample s;
    for (uint32_t op = TG_OP_SET_FLAG; op <= TG_OP_WAIT_FLAG; op++)
        for (int core = TG_AIC; core <= TG_AIV; core++)
            for (uint8_t from = 0; from <= PIPE_ALL + 1; from++)
                for (uint8_t to = 0; to <= PIPE_ALL + 1; to++) {
                    make(&s, op);
                    s.core_type = (enum tg_core_type)core;
                    s.instr.src_pipe = from;
                    s.instr.dst_pipe = to;
                    if (!has[core][from]) assert_refused(&s, "source pipe", " core has no ", "that it has not");
                    else if (!has[core][to]) assert_refused(&s, "destination pipe", " core has no ", "that it has not");
                    else if (from == to) assert_refused(&s, "pipes", "one pipe; use pipe_barrier", "the same");
                    else assert_accepted(&s, "between two pipes");
                }
}

static void events_are_0_to_7(void **state)
{
    (void)state;
    struct sample s;
    for (uint32_t op = TG_OP_SET_FLAG; op <= TG_OP_WAIT_FLAG; op++) {
        make(&s, op);
        s.instr.event = 7;
        assert_accepted(&s, "of event 7");
        s.instr.event = 8;
        assert_refused(&s, "event", "8 is not one of 0 to 7", "too high");
    }
}

static void a_barrier_is_on_a_pipe_of_the_core_or_on_all(void **state)
{
    (void)state;
    struct sample s;
    make(&s, TG_OP_PIPE_BARRIER);
    for (int core = TG_AIC; core <= TG_AIV; core++) {
        s.core_type = (enum tg_core_type)core;
        s.instr.src_pipe = PIPE_ALL;
        assert_accepted(&s, "of all pipes");
        s.instr.src_pipe = core == TG_AIV ? PIPE_V : PIPE_M;
        assert_accepted(&s, "of an own pipe");
        s.instr.src_pipe = core == TG_AIV ? PIPE_M : PIPE_V;
        assert_refused(&s, "pipe", core == TG_AIV ? "this core has no PIPE_M" : "this core has no PIPE_V",
                       "of the other core");
        s.instr.src_pipe = PIPE_ALL + 1;
        assert_refused(&s, "pipe", "this core has no pipe of that number", "unknown");
    }
}

/* ---- names, pipes, messages -------------------------------------------------------------------------------------- */

static void unknown_instructions_are_refused(void **state)
{
    (void)state;
    struct sample s;
    static const uint16_t unknown[] = {TG_OP_COUNT, TG_OP_COUNT + 1, UINT16_MAX};
    for (size_t i = 0; i < 3; i++) {
        make(&s, TG_OP_TADD);
        s.instr = instr_at(unknown[i], "kernel.c", LINE);
        assert_refused(&s, "instruction", "is unknown", "of no number");
    }
}

/* A kernel's tile.h and the library's may know different lengths of struct tg_instr. */
static void an_announcement_of_another_length_keeps_its_meaning(void **state)
{
    (void)state;
    struct sample s;
    struct tg_instr room;
    struct {
        struct tg_instr instr;
        uint64_t behind;
    } newer = {.behind = 0};
    make(&s, TG_OP_TADD);
    assert_ptr_equal(tg_instr_whole(&s.instr, &room), &s.instr);
    s.instr.size = offsetof(struct tg_instr, result);
    s.instr.result = &room; /* what lies behind is not the kernel's */
    const struct tg_instr *whole = tg_instr_whole(&s.instr, &room);
    assert_true(whole == &room && room.result == NULL && room.dst == &s.dst && room.op == TG_OP_TADD);

    make(&s, TG_OP_TADD);
    newer.instr = s.instr;
    newer.instr.size = sizeof newer;
    char message[512];
    assert_true(tg_rules_check(&newer.instr, TG_AIV, message, sizeof message));
    newer.behind = 1;
    assert_false(tg_rules_check(&newer.instr, TG_AIV, message, sizeof message));
    assert_non_null(strstr(message, "the kernel's tile.h is newer than the library"));
}

static void every_instruction_has_its_name_and_pipe(void **state)
{
    (void)state;
    assert_string_equal(tg_op_name(TG_OP_TLOAD), "TLOAD");
    assert_string_equal(tg_op_name(TG_OP_TROWEXPANDDIV), "TROWEXPANDDIV");
    assert_string_equal(tg_op_name(TG_OP_PIPE_BARRIER), "PIPE_BARRIER");
    assert_string_equal(tg_op_name(TG_OP_COUNT), "unknown instruction");
    struct sample s;
    for (uint32_t op = TG_OP_TADD; op <= TG_OP_TROWEXPANDDIV; op++) {
        make(&s, op);
        assert_int_equal(tg_op_pipe(&s.instr), PIPE_V);
    }
    make(&s, TG_OP_TLOAD);
    assert_int_equal(tg_op_pipe(&s.instr), PIPE_MTE2);
    make(&s, TG_OP_TSTORE);
    assert_int_equal(tg_op_pipe(&s.instr), PIPE_MTE3);
    s.a = tg_tile_acc(12, 20);
    assert_int_equal(tg_op_pipe(&s.instr), PIPE_FIX);
    make(&s, TG_OP_TMOV);
    assert_int_equal(tg_op_pipe(&s.instr), PIPE_MTE1);
    vec_move(&s);
    assert_int_equal(tg_op_pipe(&s.instr), PIPE_V);
    make(&s, TG_OP_TMATMUL);
    assert_int_equal(tg_op_pipe(&s.instr), PIPE_M);
}

static void a_message_shows_the_tile(void **state)
{
    (void)state;
    struct sample s;
    char message[512];
    make(&s, TG_OP_TADD);
    s.b.valid_rows = 9;
    assert_false(tg_rules_check(&s.instr, TG_AIV, message, sizeof message));
    assert_string_equal(message, "TADD at kernel.c:4711: b (Vec fp32, 9 x 20 valid of 12 x 32, UB+0x3020): "
                                 "its valid shape has to be dst's, 12 x 20");
    s.instr.file = NULL;
    assert_false(tg_rules_check(&s.instr, TG_AIV, message, sizeof message));
    assert_non_null(strstr(message, "TADD at ?:4711: b "));
}

static void a_message_is_cut_to_its_room(void **state)
{
    (void)state;
    struct sample s;
    char whole[512], part[512];
    make(&s, TG_OP_TADD);
    s.b.valid_rows = 9;
    assert_false(tg_rules_check(&s.instr, TG_AIV, whole, sizeof whole));
    for (size_t n = 1; n <= strlen(whole) + 1; n++) {
        memset(part, '#', sizeof part);
        assert_false(tg_rules_check(&s.instr, TG_AIV, part, n));
        assert_int_equal(strlen(part), n - 1);
        assert_memory_equal(part, whole, n - 1);
        for (size_t i = n; i < sizeof part; i++) assert_int_equal(part[i], '#');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_right_is_accepted),
        cmocka_unit_test(only_cpu_widens_and_only_a_right_operand_of_8_bits),
        cmocka_unit_test(every_operand_is_held_to_the_rules_of_a_tile),
        cmocka_unit_test(every_operand_is_needed),
        cmocka_unit_test(an_operand_that_is_not_taken_is_refused),
        cmocka_unit_test(a_tile_may_end_where_its_buffer_does),
        cmocka_unit_test(every_instruction_is_held_to_its_own_rules),
        cmocka_unit_test(scratch_may_be_left_out_or_small_where_a_device_needs_none),
        cmocka_unit_test(transfers_take_every_pair_that_fits),
        cmocka_unit_test(transfers_refuse_pairs_that_do_not_fit),
        cmocka_unit_test(a_tensor_has_to_be_sound),
        cmocka_unit_test(a_tensor_in_nz_fills_a_tile_of_l1),
        cmocka_unit_test(a_stride_that_leads_nowhere_may_be_large),
        cmocka_unit_test(flags_go_between_two_pipes_of_the_core),
        cmocka_unit_test(events_are_0_to_7),
        cmocka_unit_test(a_barrier_is_on_a_pipe_of_the_core_or_on_all),
        cmocka_unit_test(unknown_instructions_are_refused),
        cmocka_unit_test(an_announcement_of_another_length_keeps_its_meaning),
        cmocka_unit_test(every_instruction_has_its_name_and_pipe),
        cmocka_unit_test(a_message_shows_the_tile),
        cmocka_unit_test(a_message_is_cut_to_its_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
