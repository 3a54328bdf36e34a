/* instr.h - an instruction by hand, without operands yet. */
#ifndef TESTS_COMMON_INSTR_H
#define TESTS_COMMON_INSTR_H

#include <tilegraph/tile.h>

static inline struct tg_instr instr_at(uint32_t op, const char *file, int line)
{
    struct tg_instr instr;
    tg_instr_begin(&instr, op, file, line);
    return instr;
}

#endif
