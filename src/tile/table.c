#include "tile/table.h"

const struct tg_op_info tg_op_table[TG_OP_COUNT] = {
#define TG_OP_ROW(name, pipe, form, types, in_place, meaning, cost, startup, cycles, confidence, source, text)         \
    {#name,                                                                                                            \
     text,                                                                                                             \
     source,                                                                                                           \
     TG_TYPES_##types,                                                                                                 \
     PIPE_##pipe,                                                                                                      \
     TG_FORM_##form,                                                                                                   \
     TG_IN_PLACE_##in_place,                                                                                           \
     TG_MEANING_##meaning,                                                                                             \
     TG_COST_##cost,                                                                                                   \
     startup,                                                                                                          \
     cycles,                                                                                                           \
     #confidence[0]},
    TG_INSTRUCTIONS(TG_OP_ROW)
#undef TG_OP_ROW
};

#define DST(name, use) .slots[TG_SLOT_DST] = {name, TG_USE_##use, false}
#define A(name) .slots[TG_SLOT_A] = {name, TG_USE_READ, false}
#define B(name) .slots[TG_SLOT_B] = {name, TG_USE_READ, false}
#define INDEX(name) .slots[TG_SLOT_INDEX] = {name, TG_USE_READ, false}
#define OPTIONAL_TMP .slots[TG_SLOT_TMP] = {"tmp", TG_USE_SCRATCH, true}
#define TMP .slots[TG_SLOT_TMP] = {"tmp", TG_USE_SCRATCH, false}

const struct tg_form_info tg_form_table[TG_FORMS] = {
    [TG_FORM_LOAD] = {DST("dst", WRITE), .global = TG_USE_READ},
    [TG_FORM_STORE] = {A("src"), .global = TG_USE_WRITE},
    [TG_FORM_MOVE] = {DST("dst", WRITE), A("src")},
    [TG_FORM_EXTRACT] = {DST("dst", WRITE), A("src")},
    [TG_FORM_PRODUCT] = {DST("acc", WRITE), A("left"), B("right")},
    [TG_FORM_PRODUCT_ACC] = {DST("acc", READ_WRITE), A("left"), B("right")},
    [TG_FORM_PRODUCT_BIAS] = {DST("acc", WRITE), A("left"), B("right"), INDEX("bias")},
    [TG_FORM_BINARY] = {DST("dst", WRITE), A("a"), B("b")},
    [TG_FORM_UNARY] = {DST("dst", WRITE), A("a")},
    [TG_FORM_UNARY_SCALAR] = {DST("dst", WRITE), A("a")},
    [TG_FORM_UNARY_TMP] = {DST("dst", WRITE), A("a"), OPTIONAL_TMP},
    [TG_FORM_CONVERT] = {DST("dst", WRITE), A("src"), OPTIONAL_TMP},
    [TG_FORM_FILL] = {DST("dst", WRITE)},
    [TG_FORM_PAD] = {DST("dst", WRITE), A("src")},
    [TG_FORM_PAD_INPLACE] = {DST("dst", WRITE), A("src")},
    [TG_FORM_ROW_REDUCTION] = {DST("column", WRITE), A("src"), TMP},
    [TG_FORM_ROW_INDEX] = {DST("column", WRITE), A("src"), TMP},
    [TG_FORM_ROW_EXPAND] = {DST("dst", WRITE), B("column")},
    [TG_FORM_ROW_EXPAND_WITH] = {DST("dst", WRITE), A("src"), B("column"), OPTIONAL_TMP},
    [TG_FORM_COL_REDUCTION] = {DST("row", WRITE), A("src"), OPTIONAL_TMP},
    [TG_FORM_COL_EXPAND] = {DST("dst", WRITE), B("row")},
    [TG_FORM_COL_EXPAND_WITH] = {DST("dst", WRITE), A("src"), B("row")},
    [TG_FORM_COMPARE] = {DST("mask", WRITE), A("a"), B("b")},
    [TG_FORM_COMPARE_SCALAR] = {DST("mask", WRITE), A("a")},
    [TG_FORM_SELECT] = {DST("dst", WRITE), A("a"), B("b"), INDEX("mask"), OPTIONAL_TMP},
    [TG_FORM_GATHER] = {DST("dst", WRITE), A("src"), INDEX("index"), OPTIONAL_TMP},
    [TG_FORM_GATHER_MASK] = {DST("dst", WRITE), A("src")},
    [TG_FORM_SCATTER] = {DST("dst", READ_WRITE), A("src"), INDEX("index")},
    [TG_FORM_SEQUENCE] = {DST("dst", WRITE)},
    [TG_FORM_TRANSPOSE] = {DST("dst", WRITE), A("src"), TMP},
    [TG_FORM_CONCAT] = {DST("dst", WRITE), A("a"), B("b")},
    [TG_FORM_SORT] = {DST("dst", WRITE), A("src"), INDEX("index")},
    [TG_FORM_MERGE_RUNS] = {DST("dst", WRITE), A("src")},
    [TG_FORM_MERGE_LISTS] = {DST("dst", WRITE), A("first list"), B("second list"),
                             .slots[TG_SLOT_C] = {"third list", TG_USE_READ, true},
                             .slots[TG_SLOT_D] = {"fourth list", TG_USE_READ, true}, TMP},
    [TG_FORM_GET_VALUE] = {A("element"), .slots[TG_SLOT_B] = {"tile", TG_USE_NAMED, false}},
    [TG_FORM_SET_VALUE] = {DST("element", WRITE), .slots[TG_SLOT_B] = {"tile", TG_USE_NAMED, false}},
    [TG_FORM_RENAME] = {DST("dst", NAMED), .slots[TG_SLOT_A] = {"src", TG_USE_NAMED, false}},
    [TG_FORM_CACHE] = {.global = TG_USE_NONE},
    [TG_FORM_NO_OPERANDS] = {.global = TG_USE_NONE},
    [TG_FORM_FLAG] = {.global = TG_USE_NONE},
    [TG_FORM_BARRIER] = {.global = TG_USE_NONE},
};

#define OFFSET(field) (uint8_t) offsetof(struct tg_instr, field)
const uint8_t tg_slot_offset[TG_SLOTS] = {OFFSET(dst), OFFSET(dst2), OFFSET(a),     OFFSET(b),
                                          OFFSET(c),   OFFSET(d),    OFFSET(index), OFFSET(tmp)};
_Static_assert(offsetof(struct tg_instr, tmp) < 256, "offsets are bytes");
