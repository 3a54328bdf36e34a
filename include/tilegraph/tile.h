/*
 * tilegraph/tile.h - the language of kernels: tiles, instructions, pipes, events.
 *
 * A kernel is one C11 (or C++17) source that exports
 *
 *     void kernel_entry(int64_t *args)
 *
 * and is compiled to a shared object. `args` are device addresses and scalars in the order in which the orchestration
 * gave them to add_task. The same source runs on every platform: each instruction below calls the platform that runs
 * the kernel. The platform executes it, charges its cost, checks it and traces it.
 *
 *            AIC, cube core                                     AIV, vector core
 *
 *     GM --TLOAD--> L1 --TMOV--> L0A, L0B              GM --TLOAD--> UB --vector instructions--> UB
 *         MTE2   Mat     MTE1   Left, Right                MTE2     Vec           V
 *                                  |
 *                           TMATMUL | M                          UB --TSTORE--> GM
 *                                  v                                    MTE3
 *            GM <--TSTORE-- L0C Acc
 *                   FIX
 *
 * Pipes run at the same time; inside one pipe instructions start in order. set_flag in one pipe and wait_flag in
 * another order their use of a tile. pipe_barrier(PIPE_V) orders two vector instructions. A kernel ends with TDRAIN(),
 * because its return does not wait for the pipes.
 *
 * Every instruction checks its operands (kind, element type, layout, alignment, capacity, shapes). A broken rule ends
 * the kernel. The run then fails with TG_ERR_TILE and a message that names kernel, instruction, tile and rule.
 *
 * Threads: only the thread of control that runs the kernel; nothing blocks or allocates.
 */
#ifndef TILEGRAPH_TILE_H
#define TILEGRAPH_TILE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <tilegraph/access.h>
#include <tilegraph/instructions.h>
#include <tilegraph/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Incremented when a structure or the number or meaning of an instruction changes, or struct tg_tile_isa grows. A field
 * at the end of struct tg_instr does not count. */
#define TG_TILE_ABI 4u
#define TG_TILE_ABI_OLDEST 3u /* a library takes kernels of every version from this one on */

/* The buffer that a tile lives in, which is also its role. Capacity in KiB: L1 512, L0A 64, L0B 64, L0C 128, UB 192,
 * bias table 1. */
enum tg_tile_kind { TG_MAT = 0, TG_LEFT = 1, TG_RIGHT = 2, TG_ACC = 3, TG_VEC = 4, TG_BIAS = 5 };
enum { TG_TILE_KINDS = 6 };

/* How a Vec tile or a GM tensor is laid out. Mat, Left, Right and Acc tiles have the fractal layout of their kind:
 * Mat and Acc column-major blocks of row-major fractals (NZ), Left row-major blocks of row-major fractals (ZZ), Right
 * row-major blocks of column-major fractals (ZN). A fractal is 16 rows of 32 bytes (16 x 16 elements in Acc). A Mat
 * tile of one row, and a Bias tile, are a row of elements without fractals. */
enum tg_layout {
    TG_ROW_MAJOR = 0,
    TG_COL_MAJOR = 1,
    TG_NZ = 2 /* of GM tensors: that of a Mat tile. One copy loads it, and products read it at full speed. */
};

enum tg_pipe { PIPE_S = 0, PIPE_V, PIPE_M, PIPE_MTE1, PIPE_MTE2, PIPE_MTE3, PIPE_FIX, PIPE_ALL };
enum tg_event { EVENT_ID0 = 0, EVENT_ID1, EVENT_ID2, EVENT_ID3, EVENT_ID4, EVENT_ID5, EVENT_ID6, EVENT_ID7 };

/* The offset of a tile that no TASSIGN has placed yet. */
#define TG_UNASSIGNED UINT32_MAX

/*
 * A tile: a rectangle of elements in one buffer of the core.
 *
 * rows x cols is its static size, the elements that it occupies. valid_rows x valid_cols is the part with a meaning.
 * TLOAD or TMOV into a Mat, Left or Right tile zeroes the elements outside the valid part. Stores leave them out.
 */
struct tg_tile {
    uint8_t kind;   /* enum tg_tile_kind */
    uint8_t dtype;  /* enum tg_dtype */
    uint8_t layout; /* enum tg_layout; for Vec tiles, and for Mat tiles, where column-major means ZN */
    uint8_t reserved;
    uint32_t rows, cols;             /* elements */
    uint32_t valid_rows, valid_cols; /* elements, at most rows and cols */
    uint32_t offset;                 /* bytes from the start of the buffer, or TG_UNASSIGNED */
};

/*
 * A GlobalTensor: a five-dimensional view of device memory; the last two dimensions are rows and columns.
 *
 * The first three dimensions are stacked: a load of [a][b][c][rows][cols] fills a tile of a*b*c*rows rows.
 * TG_ROW_MAJOR (ND): stride[4] is 1. TG_COL_MAJOR (DN): stride[3] is 1.
 * TG_NZ, for Mat tiles: [stacked][column blocks][stacked][rows][32 bytes of columns]; rows follow each other without a
 * gap. shape[1] * shape[4] is the number of columns.
 */
struct tg_global {
    uint64_t addr;     /* device address of element [0][0][0][0][0] */
    uint8_t dtype;     /* enum tg_dtype */
    uint8_t layout;    /* enum tg_layout */
    uint32_t shape[5]; /* elements */
    int64_t stride[5]; /* elements between neighbours along each dimension */
};

/* ---- instructions ------------------------------------------------------------------------------------------------
 * instructions.h has a row for each: operands, element types, pipe, time, meaning. */

enum tg_op {
#define TG_OP_NAME(name, ...) TG_OP_##name,
    TG_INSTRUCTIONS(TG_OP_NAME)
#undef TG_OP_NAME
        TG_OP_COUNT
};

/*
 * One instruction, as the kernel passes it to the platform. Pointers are borrowed for the call; unused ones are NULL.
 * The form of the instruction in instructions.h names its operands.
 *
 * The structure grows at its end. `size` says how much of it the kernel's compiler knew; the platform reads the rest as
 * zero.
 */
struct tg_instr {
    uint16_t size;                       /* bytes of this structure where the kernel was compiled */
    uint16_t op;                         /* enum tg_op */
    uint8_t src_pipe;                    /* SET_FLAG, WAIT_FLAG, PIPE_BARRIER: enum tg_pipe */
    uint8_t dst_pipe;                    /* SET_FLAG, WAIT_FLAG: enum tg_pipe */
    uint8_t event;                       /* SET_FLAG, WAIT_FLAG: enum tg_event */
    uint8_t mode;                        /* a variant of the instruction, rounding for example; 0: the usual one */
    uint32_t line;                       /* of the kernel's source */
    const char *file;                    /* of the kernel's source; lives as long as the kernel is loaded */
    double scalar;                       /* rounded once to the element type of the other operand */
    int64_t immediate[2];                /* integers: offsets, lengths, a first index */
    const struct tg_tile *dst;           /* written; TSTORE: NULL */
    const struct tg_tile *dst2;          /* written, too */
    const struct tg_tile *a, *b, *c, *d; /* sources */
    const struct tg_tile *index;         /* indices of elements */
    const struct tg_tile *tmp;           /* scratch */
    const struct tg_global *global;      /* TLOAD: read. TSTORE: written. */
    void *result;                        /* where the instruction puts its scalar result */
};

/* The instructions of the platform. It sets the variable tg_tile_isa of each kernel that it loads. */
struct tg_tile_isa {
    uint32_t abi;
    void (*issue)(const struct tg_instr *instr); /* instructions with operands */
    /* set_flag, wait_flag and pipe_barrier, the most frequent ones: the members of tg_instr, by value. */
    void (*order)(uint32_t op, uint32_t src_pipe, uint32_t dst_pipe, uint32_t event, const char *file, int line);
    /* Since version 4: tg_tile_print. */
    void (*print)(const struct tg_tile *tile, const char *name, uint32_t rows, uint32_t cols, const char *file,
                  int line);
};

#define TG_KERNEL_EXPORT __attribute__((visibility("default")))

/* Weak: a kernel may have several sources. Protected: each shared object uses its own variable, which the loader finds
 * by name. A source that needs only the types of this file, and is not a kernel, defines TG_TILE_TYPES_ONLY. */
extern __attribute__((weak, visibility("protected"))) const struct tg_tile_isa *tg_tile_isa;
extern __attribute__((weak, visibility("protected"))) const uint32_t tg_tile_abi;
#ifndef TG_TILE_TYPES_ONLY
const struct tg_tile_isa *tg_tile_isa = NULL;
const uint32_t tg_tile_abi = TG_TILE_ABI;
#endif

TG_KERNEL_EXPORT void kernel_entry(int64_t *args);

/* ---- arguments --------------------------------------------------------------------------------------------------- */

static inline uint64_t tg_arg_addr(int64_t arg) { return (uint64_t)arg; }
static inline uint32_t tg_arg_u32(int64_t arg) { return (uint32_t)arg; }

/* The float whose bits are the low 32 of `arg`; tg_pack_f32 of orchestration.h is the inverse. */
static inline float tg_arg_f32(int64_t arg)
{
    uint32_t bits = (uint32_t)arg;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* ---- tiles ------------------------------------------------------------------------------------------------------- */

/* Bytes of one element; 0 for an invalid element type. */
static inline uint32_t tg_dtype_bytes(uint32_t dtype)
{
    return dtype < TG_DTYPES ? (uint32_t)(0x11422114224u >> (4u * dtype)) & 7u : 0u; /* a digit for each type */
}

/* `n` rounded up to a multiple of `step`, which is a power of two. */
static inline uint32_t tg_round_up(uint32_t n, uint32_t step) { return (n + step - 1u) & ~(step - 1u); }

static inline struct tg_tile tg_tile_make(uint32_t kind, uint32_t dtype, uint32_t layout, uint32_t rows, uint32_t cols,
                                          uint32_t valid_rows, uint32_t valid_cols)
{
    struct tg_tile tile;
    tile.kind = (uint8_t)kind;
    tile.dtype = (uint8_t)dtype;
    tile.layout = (uint8_t)layout;
    tile.reserved = 0;
    tile.rows = rows;
    tile.cols = cols;
    tile.valid_rows = valid_rows;
    tile.valid_cols = valid_cols;
    tile.offset = TG_UNASSIGNED;
    return tile;
}

/* A tile of a cube core for rows x cols elements. Its static size is rounded up to whole 16 x 16 blocks. 8-bit types
 * have blocks of 16 x 32, in Right of 32 x 16. */
static inline struct tg_tile tg_tile_cube(uint32_t kind, uint32_t dtype, uint32_t rows, uint32_t cols)
{
    const uint32_t side = tg_dtype_bytes(dtype) == 1u ? 32u : 16u;
    return tg_tile_make(kind, dtype, TG_ROW_MAJOR, tg_round_up(rows, kind == TG_RIGHT ? side : 16u),
                        tg_round_up(cols, kind == TG_RIGHT ? 16u : side), rows, cols);
}
static inline struct tg_tile tg_tile_mat(uint32_t dtype, uint32_t rows, uint32_t cols)
{
    return tg_tile_cube(TG_MAT, dtype, rows, cols);
}
/* A Mat tile for the transposed operand: layout ZN, filled from a DN GlobalTensor, for TMOV and TEXTRACT to Right. */
static inline struct tg_tile tg_tile_mat_zn(uint32_t dtype, uint32_t rows, uint32_t cols)
{
    struct tg_tile tile = tg_tile_cube(TG_RIGHT, dtype, rows, cols);
    tile.kind = TG_MAT;
    tile.layout = TG_COL_MAJOR;
    return tile;
}
static inline struct tg_tile tg_tile_left(uint32_t dtype, uint32_t rows, uint32_t cols)
{
    return tg_tile_cube(TG_LEFT, dtype, rows, cols);
}
static inline struct tg_tile tg_tile_right(uint32_t dtype, uint32_t rows, uint32_t cols)
{
    return tg_tile_cube(TG_RIGHT, dtype, rows, cols);
}
static inline struct tg_tile tg_tile_acc(uint32_t rows, uint32_t cols)
{
    return tg_tile_cube(TG_ACC, TG_FP32, rows, cols);
}
/* A row in L1 for TMOV to a Bias tile, and a Bias tile; of fp32, or of int32 for products of int8. */
static inline struct tg_tile tg_tile_row(uint32_t kind, uint32_t dtype, uint32_t cols)
{
    const uint32_t bytes = tg_dtype_bytes(dtype);
    return tg_tile_make(kind, dtype, TG_ROW_MAJOR, 1, tg_round_up(cols, bytes ? 32u / bytes : 1u), 1, cols);
}
static inline struct tg_tile tg_tile_mat_row(uint32_t dtype, uint32_t cols) { return tg_tile_row(TG_MAT, dtype, cols); }
static inline struct tg_tile tg_tile_bias(uint32_t dtype, uint32_t cols) { return tg_tile_row(TG_BIAS, dtype, cols); }

/* For products of int8. */
static inline struct tg_tile tg_tile_acc_int32(uint32_t rows, uint32_t cols)
{
    return tg_tile_cube(TG_ACC, TG_INT32, rows, cols);
}

/* A row-major tile in UB for rows x cols elements; each row starts at a multiple of 32 bytes. */
static inline struct tg_tile tg_tile_vec(uint32_t dtype, uint32_t rows, uint32_t cols)
{
    uint32_t bytes = tg_dtype_bytes(dtype);
    return tg_tile_make(TG_VEC, dtype, TG_ROW_MAJOR, rows, tg_round_up(cols, bytes ? 32u / bytes : 1u), rows, cols);
}

/* A column in UB, rows x 1, column-major: one scalar a row, as TROWMAX writes it and TROWEXPAND* reads it. */
static inline struct tg_tile tg_tile_column(uint32_t dtype, uint32_t rows)
{
    uint32_t bytes = tg_dtype_bytes(dtype);
    return tg_tile_make(TG_VEC, dtype, TG_COL_MAJOR, tg_round_up(rows, bytes ? 32u / bytes : 1u), 1, rows, 1);
}

/* Bytes of the tile's static size. */
static inline uint32_t tg_tile_bytes(const struct tg_tile *tile)
{
    return tile->rows * tile->cols * tg_dtype_bytes(tile->dtype);
}

/* ---- GlobalTensors ----------------------------------------------------------------------------------------------- */

static inline struct tg_global tg_global_make(uint64_t addr, uint32_t dtype, uint32_t layout, const uint32_t shape[5],
                                              const int64_t stride[5])
{
    struct tg_global global;
    global.addr = addr;
    global.dtype = (uint8_t)dtype;
    global.layout = (uint8_t)layout;
    memcpy(global.shape, shape, sizeof global.shape);
    memcpy(global.stride, stride, sizeof global.stride);
    return global;
}

/* rows x cols elements, row-major, `ld` elements from one row to the next. */
static inline struct tg_global tg_global_nd(uint64_t addr, uint32_t dtype, uint32_t rows, uint32_t cols, int64_t ld)
{
    const uint32_t shape[5] = {1, 1, 1, rows, cols};
    const int64_t all = (int64_t)rows * ld;
    const int64_t stride[5] = {all, all, all, ld, 1};
    return tg_global_make(addr, dtype, TG_ROW_MAJOR, shape, stride);
}

/* rows x cols elements, column-major, `ld` elements from one column to the next. */
static inline struct tg_global tg_global_dn(uint64_t addr, uint32_t dtype, uint32_t rows, uint32_t cols, int64_t ld)
{
    const uint32_t shape[5] = {1, 1, 1, rows, cols};
    const int64_t all = (int64_t)cols * ld;
    const int64_t stride[5] = {all, all, all, 1, ld};
    return tg_global_make(addr, dtype, TG_COL_MAJOR, shape, stride);
}

/* rows x cols elements in column blocks of 32 bytes, each block with `ld` rows; cols is a multiple of 32 bytes. */
static inline struct tg_global tg_global_nz(uint64_t addr, uint32_t dtype, uint32_t rows, uint32_t cols, int64_t ld)
{
    const uint32_t bytes = tg_dtype_bytes(dtype), width = bytes ? 32u / bytes : 1u;
    const uint32_t shape[5] = {1, cols / width, 1, rows, width};
    const int64_t all = (int64_t)cols * ld;
    const int64_t stride[5] = {all, ld * width, (int64_t)rows * width, width, 1};
    return tg_global_make(addr, dtype, TG_NZ, shape, stride);
}

/* ---- how a kernel passes an instruction to the platform ------------------------------------------------------------
 */

/* Fills the struct in place. A copy right after narrow stores would defeat store forwarding. */
static inline TG_UNSEEN void tg_instr_begin(struct tg_instr *instr, uint32_t op, const char *file, int line)
{
    memset(instr, 0, sizeof *instr);
    instr->size = (uint16_t)sizeof *instr;
    instr->op = (uint16_t)op;
    instr->file = file;
    instr->line = (uint32_t)line;
}

static inline TG_UNSEEN void tg_issue_tiles(uint32_t op, const struct tg_tile *dst, const struct tg_tile *a,
                                            const struct tg_tile *b, const struct tg_tile *tmp, double scalar,
                                            const char *file, int line)
{
    struct tg_instr instr;
    tg_instr_begin(&instr, op, file, line);
    instr.dst = dst;
    instr.a = a;
    instr.b = b;
    instr.tmp = tmp;
    instr.scalar = scalar;
    tg_tile_isa->issue(&instr);
}

static inline TG_UNSEEN void tg_issue_transfer(uint32_t op, const struct tg_tile *dst, const struct tg_tile *src,
                                               const struct tg_global *global, const char *file, int line)
{
    struct tg_instr instr;
    tg_instr_begin(&instr, op, file, line);
    instr.dst = dst;
    instr.a = src;
    instr.global = global;
    tg_tile_isa->issue(&instr);
}

static inline TG_UNSEEN void tg_issue_order(uint32_t op, uint32_t src_pipe, uint32_t dst_pipe, uint32_t event,
                                            const char *file, int line)
{
    tg_tile_isa->order(op, src_pipe, dst_pipe, event, file, line);
}

/* How TCVT rounds. NONE is RINT where a result needs rounding. ROUND takes ties away from zero. ODD truncates, and sets
 * the last bit of an inexact result. */
enum tg_cast { TG_CAST_NONE = 0, TG_CAST_RINT, TG_CAST_ROUND, TG_CAST_FLOOR, TG_CAST_CEIL, TG_CAST_TRUNC, TG_CAST_ODD };

/* The result of TCVT for a number outside an integer type: the nearest value of the type (ON), or the low bits of the
 * number as int32 (OFF). For fp8, OFF gives infinity in E5M2 and NaN in E4M3FN. DEFAULT is OFF for fp32 and fp16 to
 * int16, fp16 to int8 and uint8, int32 to int16, and ON elsewhere. */
enum tg_saturation { TG_SATURATION_DEFAULT = 0, TG_SATURATION_ON, TG_SATURATION_OFF };

/* How TCMP compares. With a NaN only NE is true. */
enum tg_compare { TG_CMP_EQ = 0, TG_CMP_NE, TG_CMP_LT, TG_CMP_LE, TG_CMP_GT, TG_CMP_GE };

/* The elements that TGATHER_MASK takes from each group of four. The pattern is read from the right: P0001 takes the
 * first element, P1010 the second and fourth. */
enum tg_mask_pattern {
    TG_MASK_P0101 = 1,
    TG_MASK_P1010,
    TG_MASK_P0001,
    TG_MASK_P0010,
    TG_MASK_P0100,
    TG_MASK_P1000,
    TG_MASK_P1111
};

/* Variants of TSTORE, one bit each: add to device memory; store max(value, 0) of an Acc; multiply an Acc's value by a
 * scalar. */
enum tg_store { TG_STORE_ADD = 1, TG_STORE_RELU = 2, TG_STORE_SCALE = 4 };

/* The lines that dcci writes back. */
enum tg_cache { TG_CACHE_LINE = 0, TG_CACHE_ALL = 1 };

static inline TG_UNSEEN void tg_issue_cache(uint64_t address, uint32_t what, const char *file, int line)
{
    struct tg_instr instr;
    tg_instr_begin(&instr, TG_OP_DCCI, file, line);
    instr.immediate[0] = (int64_t)address;
    instr.mode = (uint8_t)what;
    tg_tile_isa->issue(&instr);
}

/* Any instruction without a GlobalTensor: tiles by slot, mode, integers. */
static inline TG_UNSEEN void tg_issue_any(uint32_t op, const struct tg_tile *dst, const struct tg_tile *a,
                                          const struct tg_tile *b, const struct tg_tile *index,
                                          const struct tg_tile *tmp, double scalar, uint32_t mode, int64_t first,
                                          int64_t second, const char *file, int line)
{
    struct tg_instr instr;
    tg_instr_begin(&instr, op, file, line);
    instr.dst = dst;
    instr.a = a;
    instr.b = b;
    instr.index = index;
    instr.tmp = tmp;
    instr.scalar = scalar;
    instr.mode = (uint8_t)mode;
    instr.immediate[0] = first;
    instr.immediate[1] = second;
    tg_tile_isa->issue(&instr);
}

static inline TG_UNSEEN void tg_issue_store(const struct tg_global *global, const struct tg_tile *src, uint32_t mode,
                                            double scale, const char *file, int line)
{
    struct tg_instr instr;
    tg_instr_begin(&instr, TG_OP_TSTORE, file, line);
    instr.a = src;
    instr.global = global;
    instr.mode = (uint8_t)mode;
    instr.scalar = scale;
    tg_tile_isa->issue(&instr);
}

/* Vec to Vec moves the common valid part; on a cube core dst gives the size. */
static inline TG_UNSEEN void tg_issue_move(const struct tg_tile *dst, const struct tg_tile *src, const char *file,
                                           int line)
{
    struct tg_tile to = *dst, from = *src;
    if (to.kind == TG_VEC) {
        to.valid_rows = from.valid_rows = to.valid_rows < from.valid_rows ? to.valid_rows : from.valid_rows;
        to.valid_cols = from.valid_cols = to.valid_cols < from.valid_cols ? to.valid_cols : from.valid_cols;
    }
    tg_issue_tiles(TG_OP_TMOV, &to, &from, NULL, NULL, 0, file, line);
}

/* The number of elements that a pattern takes from n. */
static inline uint32_t tg_mask_count(uint32_t pattern, uint32_t n)
{
    const uint32_t bits[8] = {0, 5, 10, 1, 2, 4, 8, 15};
    uint32_t count = 0;
    for (uint32_t i = 0; i < n; i++) count += bits[pattern & 7u] >> (i & 3u) & 1u;
    return count;
}

/* The pairs that TMRGSORT took from each list. */
struct tg_merge_counts {
    uint16_t n[4];
};

static inline TG_UNSEEN void tg_issue_merge(const struct tg_tile *dst, struct tg_merge_counts *counts,
                                            const struct tg_tile *tmp, const struct tg_tile *const lists[4],
                                            uint32_t exhausted, const char *file, int line)
{
    struct tg_instr instr;
    tg_instr_begin(&instr, TG_OP_TMRGSORT_LISTS, file, line);
    instr.dst = dst;
    instr.tmp = tmp;
    instr.a = lists[0];
    instr.b = lists[1];
    instr.c = lists[2];
    instr.d = lists[3];
    instr.mode = (uint8_t)exhausted;
    instr.result = counts;
    tg_tile_isa->issue(&instr);
}

/* A tile of one element: number `at`, counted from the tile's start. */
static inline TG_UNSEEN struct tg_tile tg_tile_element(const struct tg_tile *tile, uint64_t at)
{
    struct tg_tile element = *tile;
    element.rows = element.valid_rows = element.valid_cols = element.cols = 1;
    if (element.offset != TG_UNASSIGNED) element.offset += (uint32_t)at * tg_dtype_bytes(tile->dtype);
    return element;
}

static inline TG_UNSEEN double tg_get_value(const struct tg_tile *tile, uint64_t at, const char *file, int line)
{
    const struct tg_tile element = tg_tile_element(tile, at);
    double value = 0;
    struct tg_instr instr;
    tg_instr_begin(&instr, TG_OP_TGETVAL, file, line);
    instr.a = &element;
    instr.b = tile;
    instr.immediate[0] = (int64_t)at;
    instr.result = &value;
    tg_tile_isa->issue(&instr);
    return value;
}

static inline TG_UNSEEN void tg_set_value(const struct tg_tile *tile, uint64_t at, double value, const char *file,
                                          int line)
{
    const struct tg_tile element = tg_tile_element(tile, at);
    tg_issue_any(TG_OP_TSETVAL, &element, NULL, tile, NULL, NULL, value, 0, (int64_t)at, 0, file, line);
}

/* dst widened to its static columns: the device writes the padding there. */
static inline TG_UNSEEN void tg_issue_pad(uint32_t op, const struct tg_tile *dst, const struct tg_tile *src,
                                          double scalar, const char *file, int line)
{
    struct tg_tile wide = *dst;
    wide.valid_cols = wide.cols;
    tg_issue_tiles(op, &wide, src, NULL, NULL, scalar, file, line);
}

/* The tile's first row. */
static inline TG_UNSEEN struct tg_tile tg_tile_first_row(const struct tg_tile *tile)
{
    struct tg_tile row = *tile;
    if (row.valid_rows > 1) row.valid_rows = 1;
    return row;
}

static inline TG_UNSEEN void tg_issue_reduced(uint32_t op, const struct tg_tile *row, const struct tg_tile *src,
                                              const char *file, int line)
{
    const struct tg_tile first = tg_tile_first_row(row);
    tg_issue_tiles(op, &first, src, NULL, NULL, 0, file, line);
}

/* The operand whose row count differs from dst's is the row. */
static inline TG_UNSEEN void tg_issue_expanded(uint32_t op, const struct tg_tile *dst, const struct tg_tile *x,
                                               const struct tg_tile *y, const char *file, int line)
{
    const int x_is_row = x && x->valid_rows != dst->valid_rows && y->valid_rows == dst->valid_rows;
    const struct tg_tile first = tg_tile_first_row(x_is_row ? x : y);
    tg_issue_tiles(op, dst, x_is_row ? &first : x, x_is_row ? y : &first, NULL, 0, file, line);
}

#ifndef TG_TILE_WITHOUT_MACROS /* pto/pto-inst.hpp has functions of these names */

/* The fourth or the fifth argument: selects a macro by the number of arguments. */
#define TG_PICK4(a, b, c, name, ...) name
#define TG_PICK5(a, b, c, d, name, ...) name

/* ---- the instruction set ------------------------------------------------------------------------------------------
 * Tiles and GlobalTensors are given by name, not by pointer: TADD(sum, left, right). */

/* Place a tile `offset` bytes from the start of its buffer. Alignment: Mat and Vec 32, Left and Right 512, Acc 64. */
#define TASSIGN(tile, where) ((void)((tile).offset = (uint32_t)(where)))

/* Transfers. TLOAD: Mat takes ND or DN; a row-major Vec takes ND, a column-major Vec DN. The tile's valid shape is the
 * shape of the transfer. TSTORE can round an Acc to the fp16 or bf16 of the GlobalTensor (nearest even). */
#define TLOAD(dst, src) tg_issue_transfer(TG_OP_TLOAD, &(dst), NULL, &(src), __FILE__, __LINE__)
#define TSTORE(dst, src) tg_issue_transfer(TG_OP_TSTORE, NULL, &(src), &(dst), __FILE__, __LINE__)

/* TSTORE with bits of enum tg_store. TSTORE_ADD is atomic. TSTORE_SCALED stores an Acc of int32 as fp16: value times
 * `scale`, an fp32 number, rounded to nearest even. */
#define TSTORE_WITH(dst, src, mode, scale)                                                                             \
    tg_issue_store(&(dst), &(src), (uint32_t)(mode), (double)(scale), __FILE__, __LINE__)
#define TSTORE_ADD(dst, src) TSTORE_WITH(dst, src, TG_STORE_ADD, 0)
#define TSTORE_RELU(dst, src) TSTORE_WITH(dst, src, TG_STORE_RELU, 0)
#define TSTORE_SCALED(dst, src, scale) TSTORE_WITH(dst, src, TG_STORE_SCALE, scale)
#define TMOV(dst, src) tg_issue_move(&(dst), &(src), __FILE__, __LINE__)

/* The window of src whose first element is [row][col], as large as dst's valid part. On a cube core row and col are
 * multiples of a fractal's sides. */
#define TEXTRACT(dst, src, row, col)                                                                                   \
    tg_issue_any(TG_OP_TEXTRACT, &(dst), &(src), NULL, NULL, NULL, 0, 0, row, col, __FILE__, __LINE__)

/* Cube: acc [m][n], left [m][k], right [k][n] of one element type; m, k, n are the valid sizes. acc is fp32; for int8
 * operands it is int32. */
#define TMATMUL(acc, left, right) tg_issue_tiles(TG_OP_TMATMUL, &(acc), &(left), &(right), NULL, 0, __FILE__, __LINE__)
#define TMATMUL_ACC(acc, left, right)                                                                                  \
    tg_issue_tiles(TG_OP_TMATMUL_ACC, &(acc), &(left), &(right), NULL, 0, __FILE__, __LINE__)
/* acc[r] starts with the row `bias`, a Bias tile of acc's element type and valid columns. */
#define TMATMUL_BIAS(acc, left, right, bias)                                                                           \
    tg_issue_any(TG_OP_TMATMUL_BIAS, &(acc), &(left), &(right), &(bias), NULL, 0, 0, 0, 0, __FILE__, __LINE__)

/* Element by element: row-major tiles of one element type and one valid shape. dst may be a source, except for TRECIP.
 * Types: fp32, fp16, int32 and int16; divisions and functions: fp32 and fp16. */
#define TADD(dst, x, y) tg_issue_tiles(TG_OP_TADD, &(dst), &(x), &(y), NULL, 0, __FILE__, __LINE__)
#define TSUB(dst, x, y) tg_issue_tiles(TG_OP_TSUB, &(dst), &(x), &(y), NULL, 0, __FILE__, __LINE__)
#define TMUL(dst, x, y) tg_issue_tiles(TG_OP_TMUL, &(dst), &(x), &(y), NULL, 0, __FILE__, __LINE__)
#define TDIV(dst, x, y) tg_issue_tiles(TG_OP_TDIV, &(dst), &(x), &(y), NULL, 0, __FILE__, __LINE__)
#define TMAX(dst, x, y) tg_issue_tiles(TG_OP_TMAX, &(dst), &(x), &(y), NULL, 0, __FILE__, __LINE__)
#define TMIN(dst, x, y) tg_issue_tiles(TG_OP_TMIN, &(dst), &(x), &(y), NULL, 0, __FILE__, __LINE__)

/* The scalar is rounded once to the tiles' element type. */
#define TADDS(dst, x, scalar)                                                                                          \
    tg_issue_tiles(TG_OP_TADDS, &(dst), &(x), NULL, NULL, (double)(scalar), __FILE__, __LINE__)
#define TSUBS(dst, x, scalar)                                                                                          \
    tg_issue_tiles(TG_OP_TSUBS, &(dst), &(x), NULL, NULL, (double)(scalar), __FILE__, __LINE__)
#define TMULS(dst, x, scalar)                                                                                          \
    tg_issue_tiles(TG_OP_TMULS, &(dst), &(x), NULL, NULL, (double)(scalar), __FILE__, __LINE__)
#define TDIVS(dst, x, scalar)                                                                                          \
    tg_issue_tiles(TG_OP_TDIVS, &(dst), &(x), NULL, NULL, (double)(scalar), __FILE__, __LINE__)
#define TMAXS(dst, x, scalar)                                                                                          \
    tg_issue_tiles(TG_OP_TMAXS, &(dst), &(x), NULL, NULL, (double)(scalar), __FILE__, __LINE__)
#define TMINS(dst, x, scalar)                                                                                          \
    tg_issue_tiles(TG_OP_TMINS, &(dst), &(x), NULL, NULL, (double)(scalar), __FILE__, __LINE__)

/* Bits of int32, uint32, int16 and uint16. A shift by as many bits as the type has, or more, leaves 0 (or the sign). */
#define TAND(dst, x, y) tg_issue_tiles(TG_OP_TAND, &(dst), &(x), &(y), NULL, 0, __FILE__, __LINE__)
#define TOR(dst, x, y) tg_issue_tiles(TG_OP_TOR, &(dst), &(x), &(y), NULL, 0, __FILE__, __LINE__)
#define TXOR(dst, x, y) tg_issue_tiles(TG_OP_TXOR, &(dst), &(x), &(y), NULL, 0, __FILE__, __LINE__)
#define TSHL(dst, x, y) tg_issue_tiles(TG_OP_TSHL, &(dst), &(x), &(y), NULL, 0, __FILE__, __LINE__)
#define TSHR(dst, x, y) tg_issue_tiles(TG_OP_TSHR, &(dst), &(x), &(y), NULL, 0, __FILE__, __LINE__)
#define TNOT(dst, x) tg_issue_tiles(TG_OP_TNOT, &(dst), &(x), NULL, NULL, 0, __FILE__, __LINE__)
#define TANDS(dst, x, scalar)                                                                                          \
    tg_issue_tiles(TG_OP_TANDS, &(dst), &(x), NULL, NULL, (double)(scalar), __FILE__, __LINE__)
#define TORS(dst, x, scalar) tg_issue_tiles(TG_OP_TORS, &(dst), &(x), NULL, NULL, (double)(scalar), __FILE__, __LINE__)
#define TXORS(dst, x, scalar)                                                                                          \
    tg_issue_tiles(TG_OP_TXORS, &(dst), &(x), NULL, NULL, (double)(scalar), __FILE__, __LINE__)
#define TSHLS(dst, x, scalar)                                                                                          \
    tg_issue_tiles(TG_OP_TSHLS, &(dst), &(x), NULL, NULL, (double)(scalar), __FILE__, __LINE__)
#define TSHRS(dst, x, scalar)                                                                                          \
    tg_issue_tiles(TG_OP_TSHRS, &(dst), &(x), NULL, NULL, (double)(scalar), __FILE__, __LINE__)

#define TNEG(dst, x) tg_issue_tiles(TG_OP_TNEG, &(dst), &(x), NULL, NULL, 0, __FILE__, __LINE__)
#define TABS(dst, x) tg_issue_tiles(TG_OP_TABS, &(dst), &(x), NULL, NULL, 0, __FILE__, __LINE__)
#define TRELU(dst, x) tg_issue_tiles(TG_OP_TRELU, &(dst), &(x), NULL, NULL, 0, __FILE__, __LINE__)
#define TRECIP(dst, x) tg_issue_tiles(TG_OP_TRECIP, &(dst), &(x), NULL, NULL, 0, __FILE__, __LINE__)
#define TEXP(dst, x) tg_issue_tiles(TG_OP_TEXP, &(dst), &(x), NULL, NULL, 0, __FILE__, __LINE__)
#define TLOG(dst, x) tg_issue_tiles(TG_OP_TLOG, &(dst), &(x), NULL, NULL, 0, __FILE__, __LINE__)
#define TSQRT(dst, x) tg_issue_tiles(TG_OP_TSQRT, &(dst), &(x), NULL, NULL, 0, __FILE__, __LINE__)
/* TRSQRT(dst, x) or TRSQRT(dst, x, tmp). Without tmp, 32 bytes of scratch, the device approximates. */
#define TRSQRT(...) TG_PICK4(__VA_ARGS__, TG_TRSQRT3, TG_TRSQRT2, 0, 0)(__VA_ARGS__)
#define TG_TRSQRT2(dst, x) tg_issue_tiles(TG_OP_TRSQRT, &(dst), &(x), NULL, NULL, 0, __FILE__, __LINE__)
#define TG_TRSQRT3(dst, x, tmp) tg_issue_tiles(TG_OP_TRSQRT, &(dst), &(x), NULL, &(tmp), 0, __FILE__, __LINE__)

/* TCVT(dst, x), to nearest even; TCVT(dst, x, tg_cast); TCVT(dst, x, tg_cast, tg_saturation). */
#define TCVT(...) TG_PICK5(__VA_ARGS__, TG_TCVT4, TG_TCVT3, TG_TCVT2, 0, 0)(__VA_ARGS__)
#define TG_TCVT2(dst, x) TG_TCVT4(dst, x, TG_CAST_NONE, TG_SATURATION_DEFAULT)
#define TG_TCVT3(dst, x, cast) TG_TCVT4(dst, x, cast, TG_SATURATION_DEFAULT)
#define TG_TCVT4(dst, x, cast, saturation)                                                                             \
    tg_issue_any(TG_OP_TCVT, &(dst), &(x), NULL, NULL, NULL, 0, (uint32_t)(cast) | (uint32_t)(saturation) << 3, 0, 0,  \
                 __FILE__, __LINE__)

/* TFILLPAD copies x's valid part and writes `scalar` to the rest of dst's valid rows, up to its static columns.
 * TFILLPAD_INPLACE copies nothing: x and dst are at the same place. */
#define TEXPANDS(dst, scalar)                                                                                          \
    tg_issue_tiles(TG_OP_TEXPANDS, &(dst), NULL, NULL, NULL, (double)(scalar), __FILE__, __LINE__)
#define TFILLPAD(dst, x, scalar) tg_issue_pad(TG_OP_TFILLPAD, &(dst), &(x), (double)(scalar), __FILE__, __LINE__)
#define TFILLPAD_INPLACE(dst, x, scalar)                                                                               \
    tg_issue_pad(TG_OP_TFILLPAD_INPLACE, &(dst), &(x), (double)(scalar), __FILE__, __LINE__)

/* Rows. x is row-major. `column` has one scalar a row: column-major, or the one valid column of a row-major tile. tmp
 * is scratch of x's type; of x's shape if a row is longer than 256 bytes. TROWARGMAX takes a column of int32 or uint32.
 */
#define TROWMAX(column, x, tmp) tg_issue_tiles(TG_OP_TROWMAX, &(column), &(x), NULL, &(tmp), 0, __FILE__, __LINE__)
#define TROWMIN(column, x, tmp) tg_issue_tiles(TG_OP_TROWMIN, &(column), &(x), NULL, &(tmp), 0, __FILE__, __LINE__)
#define TROWSUM(column, x, tmp) tg_issue_tiles(TG_OP_TROWSUM, &(column), &(x), NULL, &(tmp), 0, __FILE__, __LINE__)
#define TROWPROD(column, x, tmp) tg_issue_tiles(TG_OP_TROWPROD, &(column), &(x), NULL, &(tmp), 0, __FILE__, __LINE__)
#define TROWARGMAX(column, x, tmp)                                                                                     \
    tg_issue_tiles(TG_OP_TROWARGMAX, &(column), &(x), NULL, &(tmp), 0, __FILE__, __LINE__)
#define TROWEXPAND(dst, column) tg_issue_tiles(TG_OP_TROWEXPAND, &(dst), NULL, &(column), NULL, 0, __FILE__, __LINE__)
/* One of x and y has dst's shape. The other has a scalar for each row, which is repeated along the row: a column-major
 * column, or a row-major tile of 32 bytes a row. The operation is x op y in this order. A fourth tile is scratch of 256
 * bytes for each eight rows, at most 7680. Without it the device uses the end of UB for a column. */
#define TG_EXPAND_ROWS(op, dst, x, ...)                                                                                \
    TG_PICK4(__VA_ARGS__, 0, TG_EXPAND_ROWS4, TG_EXPAND_ROWS3, 0)(op, dst, x, __VA_ARGS__)
#define TG_EXPAND_ROWS3(op, dst, x, y) tg_issue_tiles(TG_OP_##op, &(dst), &(x), &(y), NULL, 0, __FILE__, __LINE__)
#define TG_EXPAND_ROWS4(op, dst, x, y, tmp)                                                                            \
    tg_issue_tiles(TG_OP_##op, &(dst), &(x), &(y), &(tmp), 0, __FILE__, __LINE__)
#define TROWEXPANDADD(dst, x, ...) TG_EXPAND_ROWS(TROWEXPANDADD, dst, x, __VA_ARGS__)
#define TROWEXPANDSUB(dst, x, ...) TG_EXPAND_ROWS(TROWEXPANDSUB, dst, x, __VA_ARGS__)
#define TROWEXPANDMUL(dst, x, ...) TG_EXPAND_ROWS(TROWEXPANDMUL, dst, x, __VA_ARGS__)
#define TROWEXPANDDIV(dst, x, ...) TG_EXPAND_ROWS(TROWEXPANDDIV, dst, x, __VA_ARGS__)
#define TROWEXPANDMAX(dst, x, ...) TG_EXPAND_ROWS(TROWEXPANDMAX, dst, x, __VA_ARGS__)
#define TROWEXPANDMIN(dst, x, ...) TG_EXPAND_ROWS(TROWEXPANDMIN, dst, x, __VA_ARGS__)
#define TROWEXPANDEXPDIF(dst, x, ...) TG_EXPAND_ROWS(TROWEXPANDEXPDIF, dst, x, __VA_ARGS__)

/* Columns. `row` is row-major; only its first row is used. */
#define TCOLMAX(row, x) tg_issue_reduced(TG_OP_TCOLMAX, &(row), &(x), __FILE__, __LINE__)
#define TCOLMIN(row, x) tg_issue_reduced(TG_OP_TCOLMIN, &(row), &(x), __FILE__, __LINE__)
#define TCOLSUM(row, x) tg_issue_reduced(TG_OP_TCOLSUM, &(row), &(x), __FILE__, __LINE__)
#define TCOLPROD(row, x) tg_issue_reduced(TG_OP_TCOLPROD, &(row), &(x), __FILE__, __LINE__)
#define TCOLEXPAND(dst, row) tg_issue_expanded(TG_OP_TCOLEXPAND, &(dst), NULL, &(row), __FILE__, __LINE__)
/* One of x and y has dst's shape, the other is the row. The operation is x op y in this order. */
#define TCOLEXPANDADD(dst, x, y) tg_issue_expanded(TG_OP_TCOLEXPANDADD, &(dst), &(x), &(y), __FILE__, __LINE__)
#define TCOLEXPANDSUB(dst, x, y) tg_issue_expanded(TG_OP_TCOLEXPANDSUB, &(dst), &(x), &(y), __FILE__, __LINE__)
#define TCOLEXPANDMUL(dst, x, y) tg_issue_expanded(TG_OP_TCOLEXPANDMUL, &(dst), &(x), &(y), __FILE__, __LINE__)
#define TCOLEXPANDDIV(dst, x, y) tg_issue_expanded(TG_OP_TCOLEXPANDDIV, &(dst), &(x), &(y), __FILE__, __LINE__)
#define TCOLEXPANDMAX(dst, x, y) tg_issue_expanded(TG_OP_TCOLEXPANDMAX, &(dst), &(x), &(y), __FILE__, __LINE__)
#define TCOLEXPANDMIN(dst, x, y) tg_issue_expanded(TG_OP_TCOLEXPANDMIN, &(dst), &(x), &(y), __FILE__, __LINE__)
#define TCOLEXPANDEXPDIF(dst, x, y) tg_issue_expanded(TG_OP_TCOLEXPANDEXPDIF, &(dst), &(x), &(y), __FILE__, __LINE__)

/* Masks: a uint8 tile with a bit for each element, (columns + 7) / 8 valid columns. `how` is an enum tg_compare. */
#define TCMP(mask, x, y, how)                                                                                          \
    tg_issue_any(TG_OP_TCMP, &(mask), &(x), &(y), NULL, NULL, 0, (uint32_t)(how), 0, 0, __FILE__, __LINE__)
#define TCMPS(mask, x, scalar, how)                                                                                    \
    tg_issue_any(TG_OP_TCMPS, &(mask), &(x), NULL, NULL, NULL, (double)(scalar), (uint32_t)(how), 0, 0, __FILE__,      \
                 __LINE__)
#define TSEL(dst, mask, x, y)                                                                                          \
    tg_issue_any(TG_OP_TSEL, &(dst), &(x), &(y), &(mask), NULL, 0, 0, 0, 0, __FILE__, __LINE__)

/* Moving elements. index: int32 or uint32 of dst's shape. TGATHER_MASK's pattern is an enum tg_mask_pattern. TSCATTER:
 * index has src's shape and element size. TTRANS: tmp holds src's columns as rows, rounded up to 16. */
#define TGATHER(dst, src, idx, scratch)                                                                                \
    tg_issue_any(TG_OP_TGATHER, &(dst), &(src), NULL, &(idx), &(scratch), 0, 0, 0, 0, __FILE__, __LINE__)
#define TGATHER_MASK(dst, src, pattern)                                                                                \
    tg_issue_any(TG_OP_TGATHER_MASK, &(dst), &(src), NULL, NULL, NULL, 0, (uint32_t)(pattern), 0, 0, __FILE__, __LINE__)
#define TSCATTER(dst, src, idx)                                                                                        \
    tg_issue_any(TG_OP_TSCATTER, &(dst), &(src), NULL, &(idx), NULL, 0, 0, 0, 0, __FILE__, __LINE__)
#define TCI(dst, start, descending)                                                                                    \
    tg_issue_any(TG_OP_TCI, &(dst), NULL, NULL, NULL, NULL, (double)(start), (descending) ? 1 : 0, 0, 0, __FILE__,     \
                 __LINE__)
#define TTRANS(dst, src, scratch)                                                                                      \
    tg_issue_any(TG_OP_TTRANS, &(dst), &(src), NULL, NULL, &(scratch), 0, 0, 0, 0, __FILE__, __LINE__)
#define TCONCAT(dst, x, y) tg_issue_tiles(TG_OP_TCONCAT, &(dst), &(x), &(y), NULL, 0, __FILE__, __LINE__)

/* Sorting: pairs of 8 bytes, largest first; of equal values the smaller index comes first. A pair is an fp32 and a
 * uint32, or an fp16, two bytes of zero and a uint32. TMRGSORT merges groups of four runs of `length` elements, a
 * multiple of 64, of one row. TMRGSORT2, 3, 4 merge lists of one row each; `counts` is a struct tg_merge_counts. With
 * `exhausted` they stop where a list ends. */
#define TSORT32(dst, src, idx)                                                                                         \
    tg_issue_any(TG_OP_TSORT32, &(dst), &(src), NULL, &(idx), NULL, 0, 0, 0, 0, __FILE__, __LINE__)
#define TMRGSORT(dst, src, length)                                                                                     \
    tg_issue_any(TG_OP_TMRGSORT, &(dst), &(src), NULL, NULL, NULL, 0, 0, length, 0, __FILE__, __LINE__)
#define TG_MERGE(dst, counts, scratch, exhausted, ...)                                                                 \
    do {                                                                                                               \
        const struct tg_tile *const tg_lists_[4] = {__VA_ARGS__};                                                      \
        tg_issue_merge(&(dst), &(counts), &(scratch), tg_lists_, (exhausted) ? 1 : 0, __FILE__, __LINE__);             \
    } while (0)
#define TMRGSORT2(dst, counts, scratch, x, y, exhausted) TG_MERGE(dst, counts, scratch, exhausted, &(x), &(y))
#define TMRGSORT3(dst, counts, scratch, x, y, z, exhausted) TG_MERGE(dst, counts, scratch, exhausted, &(x), &(y), &(z))
#define TMRGSORT4(dst, counts, scratch, x, y, z, w, exhausted)                                                         \
    TG_MERGE(dst, counts, scratch, exhausted, &(x), &(y), &(z), &(w))

/* One element of a Vec tile, by its number from the tile's start, on PIPE_S. TGETVAL returns a double, which represents
 * every type's values exactly. TSETVAL rounds to the tile's type. */
#define TGETVAL(tile, at) tg_get_value(&(tile), (uint64_t)(at), __FILE__, __LINE__)
#define TSETVAL(tile, at, value) tg_set_value(&(tile), (uint64_t)(at), (double)(value), __FILE__, __LINE__)

/* Give `dst` the bytes of `x` under another shape, layout or element type. For example, R x 1 column-major and 1 x R
 * row-major have the same bytes. Moves nothing: it places dst where x is. Both static sizes have the same number of
 * bytes. */
#define TRESHAPE(dst, x)                                                                                               \
    (TASSIGN(dst, (x).offset), tg_issue_tiles(TG_OP_TRESHAPE, &(dst), &(x), NULL, NULL, 0, __FILE__, __LINE__))

/* Order between pipes: the work of `src` before set_flag happens before the work of `dst` after wait_flag of the same
 * event. */
#define set_flag(src, dst, event) tg_issue_order(TG_OP_SET_FLAG, src, dst, event, __FILE__, __LINE__)
#define wait_flag(src, dst, event) tg_issue_order(TG_OP_WAIT_FLAG, src, dst, event, __FILE__, __LINE__)

/* The scalar unit's cache. Plain stores to device memory stay in it until dcci writes whole 64-byte lines back: the
 * line at `address`, or all lines (TG_CACHE_ALL; the address is 0 then). dcci also empties the cache, so that later
 * plain loads see the writes of transfers and of other cores. dsb waits until the lines that were written back have
 * arrived. */
#define dcci(address, what) tg_issue_cache((uint64_t)(uintptr_t)(address), what, __FILE__, __LINE__)
#define dsb() tg_issue_tiles(TG_OP_DSB, NULL, NULL, NULL, NULL, 0, __FILE__, __LINE__)

/* Order inside a pipe: earlier instructions end before later ones start. PIPE_ALL: on every pipe of the core. */
#define pipe_barrier(pipe) tg_issue_order(TG_OP_PIPE_BARRIER, pipe, pipe, 0, __FILE__, __LINE__)
#endif

/* The last line of a kernel: wait until all pipes of the core have finished. A task is complete when its kernel
 * returns, and a device does not wait for the pipes then. Without this line a successor may read bytes that TSTORE has
 * not written yet. */
#define TDRAIN() pipe_barrier(PIPE_ALL)

/* ---- debugging -----------------------------------------------------------------------------------------------------
 */

/*
 * Print a tile to stderr: its place, kind and type, and its values, at most `rows` rows and `cols` columns (0: all).
 *
 *     aiv_add.c:30: task 3, core 1 (AIV): sum: Vec fp32, 1 x 8 valid of 1 x 8, UB+0x2000
 *       [0]    0.0118083     -2.27903 ...
 *
 * The values are those after all instructions above the line. The print is no instruction: it takes no device time,
 * orders nothing, and hides no finding. If a tile cannot be shown, the line says why, and the kernel goes on: a tile
 * that breaks a rule of operands, or a run in another order of pipes than the kernel's own.
 */
#define tg_tile_print_part(tile, rows, cols) tg_show_tile(&(tile), #tile, rows, cols, __FILE__, __LINE__)

/* The same for the first 8 rows and columns. */
#define tg_tile_print(tile) tg_tile_print_part(tile, 8, 8)

static inline TG_UNSEEN void tg_show_tile(const struct tg_tile *tile, const char *name, uint32_t rows, uint32_t cols,
                                          const char *file, int line)
{
    tg_tile_isa->print(tile, name, rows, cols, file, line);
}

#ifdef __cplusplus
}
#endif
#endif
