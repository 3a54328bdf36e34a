#include "tile/show.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/kernels.h"
#include "base/output.h"
#include "tile/number.h"
#include "tile/rules.h"

/* Print an element at `at`. */
static void print_element(uint32_t dtype, const uint8_t *at)
{
    const uint32_t bytes = tg_dtype_bytes(dtype);
    uint32_t bits = 0;
    memcpy(&bits, at, bytes); /* little-endian */
    switch (dtype) {
    case TG_FP32: fprintf(stderr, " %12.6g", (double)tg_f32_of_bits(bits)); break;
    case TG_FP16: fprintf(stderr, " %12.6g", (double)tg_f32_of_f16((uint16_t)bits)); break;
    case TG_BF16: fprintf(stderr, " %12.6g", (double)tg_f32_of_bf16((uint16_t)bits)); break;
    case TG_FP8_E4M3: fprintf(stderr, " %12.6g", (double)tg_f32_of_e4m3((uint8_t)bits)); break;
    case TG_FP8_E5M2: fprintf(stderr, " %12.6g", (double)tg_f32_of_e5m2((uint8_t)bits)); break;
    case TG_INT32: fprintf(stderr, " %12d", (int32_t)bits); break;
    case TG_INT16: fprintf(stderr, " %12d", (int16_t)bits); break;
    case TG_INT8: fprintf(stderr, " %12d", (int8_t)bits); break;
    default: fprintf(stderr, " %12u", bits); break;
    }
}

/* The start of the first line: "aiv_add.c:30: task 3, core 1 (AIV): sum". */
static void print_place(const struct tg_show *show)
{
    fprintf(stderr, "%s:%u: task %d, core %u (%s): %s", tg_base_name(show->file), show->line, show->task_id, show->core,
            tg_core_type_name(show->core_type), show->name);
}

void tg_show_refuse(const struct tg_show *show, const char *why)
{
    flockfile(stderr);
    print_place(show);
    fprintf(stderr, " is not shown: %s\n", why);
    funlockfile(stderr);
}

bool tg_show_check(const struct tg_show *show)
{
    char why[TG_MESSAGE_BYTES];
    if (tg_rules_check_tile(show->tile, show->core_type, show->widens, why, sizeof why)) return true;
    tg_show_refuse(show, why);
    return false;
}

void tg_show_values(const struct tg_show *show, const struct tg_buffers *buffers)
{
    const struct tg_tile *tile = show->tile;
    const uint32_t n_rows = show->rows && show->rows < tile->valid_rows ? show->rows : tile->valid_rows;
    const uint32_t n_cols = show->cols && show->cols < tile->valid_cols ? show->cols : tile->valid_cols;
    char what[128];
    void *locale = tg_plain_numbers_begin();
    flockfile(stderr);
    print_place(show);
    fprintf(stderr, ": %s\n", tg_rules_describe_tile(tile, what, sizeof what));
    for (uint32_t row = 0; row < n_rows; row++) {
        fprintf(stderr, "  [%u]", row);
        for (uint32_t col = 0; col < n_cols; col++)
            print_element(tile->dtype, tg_tile_at(buffers, tile) +
                                           (size_t)tg_element_at(tile, row, col) * tg_dtype_bytes(tile->dtype));
        fputs(n_cols < tile->valid_cols ? " ...\n" : "\n", stderr);
    }
    if (n_rows < tile->valid_rows) fputs("  ...\n", stderr);
    funlockfile(stderr);
    tg_plain_numbers_end(locale);
}
