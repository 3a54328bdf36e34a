/*
 * arguments.h - the arguments of the kernels, by number. The plugin writes them, the kernels read them.
 *
 * Rows. A task works on the query rows of one KV head: n tokens, and of each the `group` query heads that share the KV
 * head. Row r is token r / group and head r % group.
 */
#ifndef TG_ATTENTION_ARGUMENTS_H
#define TG_ATTENTION_ARGUMENTS_H

#include <stdint.h>

/* The most rows of a task. */
enum { ROWS_MAX = 128 };

/* The most query heads of a KV head in a chain, and the most query tokens. aic_pv.c keeps all of o in L0C, in slices of
 * 128 columns. */
static inline uint32_t attention_chain_heads(uint32_t group, uint32_t value_dim)
{
    const uint32_t l0c_rows = 128u * 1024u / ((value_dim + 127u) / 128u * 128u * 4u) / 16u * 16u;
    const uint32_t most = l0c_rows < ROWS_MAX ? l0c_rows : ROWS_MAX;
    return group < most ? group : most;
}
static inline uint32_t attention_chain_tokens(uint32_t group, uint32_t value_dim)
{
    return attention_chain_heads(ROWS_MAX, value_dim) / attention_chain_heads(group, value_dim);
}

/* Constants in device memory: fp32 [ROWS_MAX][8], row r holding r eight times; behind it fp32 [COUNTS], element c
 * holding c. */
enum { COUNTS = 2048, CONSTANTS_BYTES = (ROWS_MAX * 8 + COUNTS) * 4 };

/* aiv_query.c */
enum query_argument {
    QU_FROM, /* device address of row 0 in the query */
    QU_TO,   /* device address of [rows][QU_DIM], written */
    QU_ROWS,
    QU_GROUP,
    QU_DIM,        /* of keys: a multiple of 8 up to 576 */
    QU_FROM_DTYPE, /* fp32, fp16, bf16, int8, fp8 */
    QU_TO_DTYPE,
    QU_TOKEN_LD, /* elements of the query from token to token */
    QU_HEAD_LD,  /* and from head to head */
    QU_ROTATED,  /* dimensions that are rotated, an even number; 0: none */
    QU_COS,      /* device addresses of fp32 [token][QU_ROTATED]: cos ... */
    QU_SIN,      /* ... and sin, negative for the first dimension of a pair */
    QU_INDEX,    /* device address of int32 [slice row][QU_ROTATED]: row * QU_DIM + the partner of the dimension */
    QU_ARGUMENTS
};

/* aiv_query.c works off slices of QUERY_FLOATS elements. */
enum { QUERY_FLOATS = 4096 };

/* The rows of a slice: 32, or fewer of more than 128 dimensions. */
static inline uint32_t query_slice_rows(uint32_t dim) { return dim <= 128 ? 32 : QUERY_FLOATS / dim; }

/* aiv_convert.c */
enum convert_argument {
    CV_TO,  /* device address of the copy, written: [CV_DIM][CV_TO_LD] if dims are rows, else [CV_TOKENS][CV_TO_LD] */
    CV_DIM, /* a multiple of 8 up to 576 */
    CV_FROM_DTYPE, /* fp32, fp16, bf16, int8, fp8 */
    CV_TO_DTYPE,   /* fp32, fp16, bf16 */
    CV_TOKENS,     /* of the span */
    CV_BLOCK_TOKENS,
    CV_DIMS_ARE_ROWS, /* 1 or 0 */
    CV_FROM_LD,       /* elements from row to row of a block */
    CV_TO_LD,
    CV_BLOCKS /* and behind: for each block its device address, and the float by which its elements are multiplied */
};

/* aic_qk.c */
enum qk_argument {
    QK_Q,            /* device address of the rows */
    QK_Q_LD,         /* elements from row to row */
    QK_S,            /* device address of the scores, fp32 [rows][QK_LD], written */
    QK_LD,           /* elements */
    QK_ROWS,         /* 1 to 128 */
    QK_DIM,          /* of keys: a multiple of 8 up to 576 */
    QK_DTYPE,        /* of rows: fp32, fp16 or bf16 */
    QK_KEY_DTYPE,    /* of keys: the same; on `cpu` also int8, fp8, if QK_TOKEN_LD is 1 */
    QK_TOKENS,       /* of the span */
    QK_BLOCK_TOKENS, /* of a KV block */
    QK_TOKEN_LD,     /* elements from token to token of a block; 1, or QK_DIM_LD is 1 */
    QK_DIM_LD,       /* elements from dimension to dimension */
    QK_BLOCKS        /* and behind: device addresses of the keys of each block */
};

/* aiv_softmax.c */
enum softmax_argument {
    SM_S, /* device addresses: scores, fp32 [rows][SM_LD] ... */
    SM_P, /* ... weights [rows][SM_LD] of SM_DTYPE, written ... */
    SM_M, /* ... largest score, fp32 [rows], written ... */
    SM_L, /* ... sum of the weights, fp32 [rows], written */
    SM_ROWS,
    SM_GROUP,
    SM_LD,
    SM_TOKENS,        /* of the span */
    SM_DTYPE,         /* of the weights */
    SM_SCALE,         /* float */
    SM_SOFT_CAP,      /* float; 0: none */
    SM_DISTANCE,      /* int32: the first key of the span less the position of row 0's token */
    SM_LEFT,          /* int32: keys before its own that a token sees; -1: all */
    SM_RIGHT,         /* int32: keys behind its own that a token sees; -1: all */
    SM_COUNTS,        /* device address of the constants above */
    SM_SLOPES,        /* device address of fp32 [group][8], a slope eight times; 0: no ALiBi */
    SM_MASK,          /* device address of the mask of row 0 at the span's first key; 0: none */
    SM_MASK_DTYPE,    /* fp32, fp16, bf16: added to the scores. uint8: a bit for each key, 1 is visible */
    SM_MASK_TOKEN_LD, /* elements (bits: bytes) from token to token */
    SM_MASK_HEAD_LD,  /* and from head to head; 0: one mask for all heads */
    SM_ARGUMENTS
};

/* aic_pv.c */
enum pv_argument {
    PV_P,  /* device address of the weights [rows][PV_LD] */
    PV_LD, /* elements */
    PV_O,  /* device address of fp32 [rows][PV_DIM], written: sums of weight * value */
    PV_ROWS,
    PV_DIM,         /* of values: a multiple of 8 up to 576 */
    PV_DTYPE,       /* of weights: fp32, fp16 or bf16 */
    PV_VALUE_DTYPE, /* of values: the same; on `cpu` also int8, fp8 */
    PV_TOKENS,
    PV_BLOCK_TOKENS,
    PV_TOKEN_LD, /* elements from token to token of a block */
    PV_BLOCKS    /* and behind: device addresses of the values of each block */
};

/* aiv_merge.c. A softmax that is not yet divided is three arrays: m and l, fp32 [rows], and o, fp32 [rows][dim]. */
enum merge_argument {
    MG_M_J, /* device addresses of the span's softmax ... */
    MG_L_J,
    MG_O_J,
    MG_M, /* ... and of the running one of the spans before */
    MG_L,
    MG_O,
    MG_ROWS,
    MG_GROUP,
    MG_DIM,          /* of values */
    MG_FLAGS,        /* enum merge_flag */
    MG_SCALE,        /* float: the output is multiplied by it */
    MG_OUT,          /* device address of the first row of the output ... */
    MG_OUT_DTYPE,    /* ... fp32, fp16, bf16, int8, fp8 ... */
    MG_OUT_TOKEN_LD, /* ... elements from token to token ... */
    MG_OUT_HEAD_LD,  /* ... and from head to head */
    MG_LSE,          /* device address of the first row's log-sum-exp, fp32; 0: not wanted */
    MG_LSE_TOKEN_LD,
    MG_LSE_HEAD_LD,
    MG_SINKS, /* device address of fp32 [group][8], a sink eight times; 0: no sinks */
    MG_ARGUMENTS
};

/* aiv_combine.c. Row r is token r / CB_HEADS and head r % CB_HEADS. */
enum combine_argument {
    CB_OUT, /* device addresses of the first row of the output, of CB_DTYPE, and of its lse; 0: not wanted */
    CB_LSE,
    CB_ROWS,
    CB_HEADS,
    CB_DIM,   /* of values */
    CB_DTYPE, /* of the output and the parts: fp32, fp16 or bf16 */
    CB_N_PARTS,
    CB_OUT_TOKEN_LD, /* elements from token to token and from head to head */
    CB_OUT_HEAD_LD,
    CB_LSE_TOKEN_LD,
    CB_LSE_HEAD_LD,
    CB_PARTS /* and behind: enum combine_part for each part */
};
enum combine_part {
    CB_PART_OUT, /* device addresses, as above */
    CB_PART_LSE,
    CB_PART_OUT_TOKEN_LD,
    CB_PART_OUT_HEAD_LD,
    CB_PART_LSE_TOKEN_LD,
    CB_PART_LSE_HEAD_LD,
    CB_PART
};

enum merge_flag {
    MG_HAS_SPAN = 1,    /* there is a span to merge */
    MG_HAS_RUNNING = 2, /* there is a running softmax of earlier spans */
    MG_LAST = 4         /* divide, and write the output; without it the running softmax is written */
};

#endif
