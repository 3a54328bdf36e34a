/*
 * table.h - the rows of TG_INSTRUCTIONS for look-up: operands with their roles, element types, pipe, cost.
 *
 * An instruction has a form. A form has slots for tiles; each slot has its name in messages and the use of its bytes.
 * Rules, footprint and stored copies of instructions iterate over the slots; none of them lists instructions.
 */
#ifndef TG_TILE_TABLE_H
#define TG_TILE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <tilegraph/tile.h>

/* The tiles of struct tg_instr. */
enum tg_slot {
    TG_SLOT_DST,
    TG_SLOT_DST2,
    TG_SLOT_A,
    TG_SLOT_B,
    TG_SLOT_C,
    TG_SLOT_D,
    TG_SLOT_INDEX,
    TG_SLOT_TMP,
    TG_SLOTS
};

/* The use of an operand's bytes by an instruction. */
enum tg_use {
    TG_USE_NONE,  /* no such operand */
    TG_USE_NAMED, /* the operand is given, and its bytes are neither read nor written */
    TG_USE_READ,
    TG_USE_WRITE,
    TG_USE_READ_WRITE,
    TG_USE_SCRATCH /* overwritten with contents that have no meaning */
};

enum tg_form {
    TG_FORM_LOAD,            /* dst, GlobalTensor */
    TG_FORM_STORE,           /* GlobalTensor, src */
    TG_FORM_MOVE,            /* dst, src */
    TG_FORM_EXTRACT,         /* dst, src, row and column */
    TG_FORM_PRODUCT,         /* acc, left, right */
    TG_FORM_PRODUCT_ACC,     /* the same, and acc is read */
    TG_FORM_PRODUCT_BIAS,    /* acc, left, right, bias */
    TG_FORM_BINARY,          /* dst, a, b of one shape */
    TG_FORM_UNARY,           /* dst, a of one shape */
    TG_FORM_UNARY_SCALAR,    /* the same, and a scalar */
    TG_FORM_UNARY_TMP,       /* the same, and a tmp that may be left out */
    TG_FORM_CONVERT,         /* dst, src of one shape, perhaps tmp */
    TG_FORM_FILL,            /* dst, a scalar */
    TG_FORM_PAD,             /* dst, src within dst, a scalar */
    TG_FORM_PAD_INPLACE,     /* the same, and src is where dst is */
    TG_FORM_ROW_REDUCTION,   /* column, src, tmp */
    TG_FORM_ROW_INDEX,       /* column of integers, src, tmp */
    TG_FORM_ROW_EXPAND,      /* dst, column */
    TG_FORM_ROW_EXPAND_WITH, /* dst, src, column, perhaps tmp */
    TG_FORM_COL_REDUCTION,   /* row, src, perhaps tmp */
    TG_FORM_COL_EXPAND,      /* dst, row */
    TG_FORM_COL_EXPAND_WITH, /* dst, src, row */
    TG_FORM_COMPARE,         /* mask, a, b, how */
    TG_FORM_COMPARE_SCALAR,  /* mask, a, a scalar, how */
    TG_FORM_SELECT,          /* dst, mask, a, b, perhaps tmp */
    TG_FORM_GATHER,          /* dst, src, index, perhaps tmp */
    TG_FORM_GATHER_MASK,     /* dst, src, a pattern */
    TG_FORM_SCATTER,         /* dst, src, index */
    TG_FORM_SEQUENCE,        /* dst, the first number, a direction */
    TG_FORM_TRANSPOSE,       /* dst, src, tmp */
    TG_FORM_CONCAT,          /* dst, a, b */
    TG_FORM_SORT,            /* dst, src, index */
    TG_FORM_MERGE_RUNS,      /* dst, src, the length of a run */
    TG_FORM_MERGE_LISTS,     /* dst, tmp, two to four lists, and the place for the counts of taken pairs */
    TG_FORM_GET_VALUE,       /* an element of a tile, a number, and the place for the result */
    TG_FORM_SET_VALUE,       /* an element of a tile, a number, a scalar */
    TG_FORM_RENAME,          /* dst, src: the same bytes */
    TG_FORM_CACHE,           /* an address */
    TG_FORM_NO_OPERANDS,
    TG_FORM_FLAG,    /* two pipes, an event */
    TG_FORM_BARRIER, /* a pipe */
    TG_FORMS
};

struct tg_form_info {
    struct {
        const char *name; /* in messages */
        uint8_t use;      /* enum tg_use */
        bool optional;    /* it may be left out */
    } slots[TG_SLOTS];
    uint8_t global; /* enum tg_use of the GlobalTensor */
};

/* Sets of element types: a bit by enum tg_dtype. */
enum {
    TG_TYPES_FLOATS = 1 << TG_FP32 | 1 << TG_FP16,
    TG_TYPES_NUMBERS = TG_TYPES_FLOATS | 1 << TG_INT32 | 1 << TG_INT16, /* A2/A3 computes bf16 as fp32 */
    TG_TYPES_INTEGERS = 1 << TG_INT32 | 1 << TG_UINT32 | 1 << TG_INT16 | 1 << TG_UINT16,
    TG_TYPES_WORDS = TG_TYPES_INTEGERS | TG_TYPES_FLOATS | 1 << TG_BF16, /* 2 or 4 bytes */
    TG_TYPES_CUBE = 1 << TG_FP32 | 1 << TG_FP16 | 1 << TG_BF16 | 1 << TG_INT8,
    TG_TYPES_FP8 = 1 << TG_FP8_E4M3 | 1 << TG_FP8_E5M2,
    TG_TYPES_BINARY = TG_TYPES_FLOATS | 1 << TG_BF16 | TG_TYPES_FP8, /* floating point */
    TG_TYPES_ANY = (1 << TG_DTYPES) - 1
};

/* The sources that dst may be: a bit by enum tg_slot. */
enum {
    TG_IN_PLACE_NONE = 0,
    TG_IN_PLACE_A = 1 << TG_SLOT_A,
    TG_IN_PLACE_B = 1 << TG_SLOT_B,
    TG_IN_PLACE_AB = TG_IN_PLACE_A | TG_IN_PLACE_B
};

/* The confidence in an instruction's result. */
enum tg_meaning { TG_MEANING_PUBLISHED, TG_MEANING_SPECIFIED, TG_MEANING_ASSUMED };

/* The way in which cycles follow from the operands: src/machine/sim/cost.h explains each. */
enum tg_cost_form {
    TG_COST_EVEN,
    TG_COST_NARROW,
    TG_COST_WIDE,
    TG_COST_ROWS,
    TG_COST_REDUCTION,
    TG_COST_EXPANSION,
    TG_COST_COLUMNS,
    TG_COST_PRODUCT,
    TG_COST_TRANSFER,
    TG_COST_MOVE,
    TG_COST_ELEMENTS,
    TG_COST_ORDER
};

/* One row. */
struct tg_op_info {
    const char *name, *text, *source;
    uint32_t types;    /* TG_TYPES_* */
    uint8_t pipe;      /* enum tg_pipe */
    uint8_t form;      /* enum tg_form */
    uint8_t in_place;  /* TG_IN_PLACE_* */
    uint8_t meaning;   /* enum tg_meaning */
    uint8_t cost_form; /* enum tg_cost_form */
    uint16_t startup, cycles;
    char confidence; /* of the cost: 'H', 'M' or 'L' */
};

/* [TG_OP_COUNT], [TG_FORMS] */
extern const struct tg_op_info tg_op_table[];
extern const struct tg_form_info tg_form_table[];

/* The row of an instruction whose number is below TG_OP_COUNT, and its form. */
static inline const struct tg_op_info *tg_op_info(uint32_t op) { return &tg_op_table[op]; }
static inline const struct tg_form_info *tg_form_of(uint32_t op) { return &tg_form_table[tg_op_table[op].form]; }

/* The offset of the pointer to a slot's tile in struct tg_instr, in bytes. */
extern const uint8_t tg_slot_offset[TG_SLOTS];

/* The tile in a slot; NULL: not given. */
static inline const struct tg_tile *tg_instr_tile(const struct tg_instr *instr, uint32_t slot)
{
    return *(const struct tg_tile *const *)(const void *)((const char *)instr + tg_slot_offset[slot]);
}

static inline void tg_instr_set_tile(struct tg_instr *instr, uint32_t slot, const struct tg_tile *tile)
{
    *(const struct tg_tile **)(void *)((char *)instr + tg_slot_offset[slot]) = tile;
}

/* Is the first source of an instruction that expands a row or a column the expanded one? Its shape then differs from
 * dst's. */
static inline bool tg_first_is_expanded(const struct tg_instr *instr)
{
    const struct tg_tile *dst = instr->dst, *a = instr->a, *b = instr->b;
    const uint32_t form = tg_op_info(instr->op)->form;
    if ((form != TG_FORM_ROW_EXPAND_WITH && form != TG_FORM_COL_EXPAND_WITH) || !dst || !a || !b) return false;
    const bool b_is_full = b->layout == TG_ROW_MAJOR && b->valid_rows == dst->valid_rows &&
                           b->valid_cols == dst->valid_cols;
    const bool a_is_full = a->layout == TG_ROW_MAJOR && a->valid_rows == dst->valid_rows &&
                           a->valid_cols == dst->valid_cols;
    return b_is_full && !a_is_full;
}

/* The sources that dst may be, a bit by enum tg_slot: those of the row, where operands have not been exchanged. */
static inline uint32_t tg_in_place(const struct tg_instr *instr)
{
    return tg_first_is_expanded(instr) ? TG_IN_PLACE_B : tg_op_info(instr->op)->in_place;
}

/* The instruction with all members that this library knows. Members beyond `size`, unknown to the kernel's compiler,
 * are zero. Returns `instr` or `room`. */
static inline const struct tg_instr *tg_instr_whole(const struct tg_instr *instr, struct tg_instr *room)
{
    if (instr->size >= sizeof *instr) return instr;
    memset(room, 0, sizeof *room);
    memcpy(room, instr, instr->size);
    return room;
}

/* Does a store add to device memory? Stores that only add may access the same bytes in any order. */
static inline bool tg_store_adds(const struct tg_instr *instr)
{
    return tg_op_info(instr->op)->form == TG_FORM_STORE && (instr->mode & TG_STORE_ADD);
}

/* The element type of the numbers that a store adds, plus 1; 0: it does not add. */
static inline uint8_t tg_store_added(const struct tg_instr *instr)
{
    return (uint8_t)(tg_store_adds(instr) ? instr->global->dtype + 1u : 0u);
}

static inline bool tg_use_reads(uint32_t use) { return use == TG_USE_READ || use == TG_USE_READ_WRITE; }
static inline bool tg_use_writes(uint32_t use) { return use == TG_USE_WRITE || use == TG_USE_READ_WRITE; }

#endif
