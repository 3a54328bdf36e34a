/* combine.h - the description of a combination that the host gives combine_graph.c, tensor 0. It is checked. */
#ifndef TG_ATTENTION_COMBINE_H
#define TG_ATTENTION_COMBINE_H

#include <stdint.h>

enum { COMBINE_PARTS_MAX = 128 };

/* Elements from token to token and from head to head. */
struct combine_strides {
    int64_t token_ld, head_ld;
};

struct combine {
    uint64_t n_tokens, n_parts;
    uint32_t heads, dim, dtype, has_lse;
    struct combine_strides out, lse, part_out[COMBINE_PARTS_MAX], part_lse[COMBINE_PARTS_MAX];
};

#endif
