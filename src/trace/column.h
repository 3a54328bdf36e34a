/* column.h - many numbers as a short text: LEB128 in base64, written as they come. */
#ifndef TG_TRACE_COLUMN_H
#define TG_TRACE_COLUMN_H

#include <stdint.h>
#include <stdio.h>

/* The text of one column, on its way into a file. */
struct tg_column {
    FILE *file;
    uint32_t bits;    /* bytes that are not written yet */
    uint32_t n_bytes; /* how many: 0 to 2 */
};

/* Begin `"name":"`, append numbers, end the text; the caller writes what stands between two columns. */
void tg_column_begin(struct tg_column *column, FILE *file, const char *name);
void tg_column_put(struct tg_column *column, uint64_t value);
void tg_column_put_signed(struct tg_column *column, int64_t value); /* zigzag */
void tg_column_end(struct tg_column *column);

#endif
