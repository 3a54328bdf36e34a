#include "trace/column.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void put_byte(struct tg_column *column, uint8_t byte)
{
    column->bits = column->bits << 8 | byte;
    if (++column->n_bytes < 3) return;
    for (int shift = 18; shift >= 0; shift -= 6) putc(digits[column->bits >> shift & 63], column->file);
    column->bits = column->n_bytes = 0;
}

void tg_column_begin(struct tg_column *column, FILE *file, const char *name)
{
    *column = (struct tg_column){.file = file};
    fprintf(file, "\"%s\":\"", name);
}

void tg_column_put(struct tg_column *column, uint64_t value)
{
    for (; value >= 128; value >>= 7) put_byte(column, (uint8_t)(value | 128));
    put_byte(column, (uint8_t)value);
}

void tg_column_put_signed(struct tg_column *column, int64_t value)
{
    tg_column_put(column, value < 0 ? ((uint64_t)~value << 1 | 1) : (uint64_t)value << 1);
}

void tg_column_end(struct tg_column *column)
{
    uint32_t n = column->n_bytes;
    for (uint32_t i = 0; n > 0 && i < 4; i++) {
        uint32_t bits = column->bits << (n == 1 ? 16 : 8);
        putc(i <= n ? digits[bits >> (18 - 6 * i) & 63] : '=', column->file);
    }
    putc('"', column->file);
}
