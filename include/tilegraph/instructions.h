/*
 * tilegraph/instructions.h - the instruction set: one row for each instruction.
 *
 * Everything that the library knows of an instruction beside its arithmetic follows from its row: which operands it
 * takes and which bytes of them it reads and writes, the element types, the pipe, the time, the messages, the table in
 * docs/kernels.md. src/tile/table.h explains the words of the columns.
 *
 *   name        as kernels write it; TG_OP_<name> is its number, the position in the list
 *   pipe        that runs it; instructions that move or store a tile go by the kinds of their operands (table.h)
 *   form        the operands: which there are, what each is called, which are read and written
 *   types       element types of the operand that the arithmetic is about
 *   in place    the sources that dst may be, exactly: same place, same bytes
 *   meaning     how sure the result is: PUBLISHED (held against a published result), SPECIFIED (read from a public
 *               specification or implementation), ASSUMED
 *   cost form, start-up, cycles, confidence, source
 *               the time on platform a2a3sim (src/machine/sim/cost.h). H measured, M fitted or reference tables of the
 *               source, L derived here. Source P is hw-native-sys/pto-isa at 3186c381: slopes and intercepts that its
 *               documents give as measured on a 910B3 for the vector instruction behind (r repeats), its tables of
 *               fitted mode (bd32f495), or the reference cycles of its tests.
 *   text        the result, in a line
 */
#ifndef TILEGRAPH_INSTRUCTIONS_H
#define TILEGRAPH_INSTRUCTIONS_H

#define TG_INSTRUCTIONS(X)                                                                                             \
    X(TLOAD, MTE2, LOAD, ANY, NONE, SPECIFIED, TRANSFER, 0, 0, M, "gm_to_l1, gm_to_ub of the machine",                 \
      "GM -> Mat or Vec")                                                                                              \
    X(TSTORE, MTE3, STORE, ANY, NONE, SPECIFIED, TRANSFER, 0, 0, M, "l0c_to_gm, ub_to_gm of the machine",              \
      "Vec -> GM (MTE3), Acc -> GM (FIX)")                                                                             \
    X(TMOV, MTE1, MOVE, ANY, NONE, SPECIFIED, MOVE, 24, 1, H, "l1_to_l0a, l1_to_l0b of the machine; P vcopy r + 24",   \
      "Mat -> Left or Right (MTE1), Acc -> Mat (FIX), Vec -> Vec (V)")                                                 \
    X(TEXTRACT, MTE1, EXTRACT, ANY, NONE, SPECIFIED, MOVE, 24, 1, M, "as TMOV",                                        \
      "dst = the window of a at (row, column), between the kinds of TMOV")                                             \
    X(TMATMUL, M, PRODUCT, CUBE, NONE, SPECIFIED, PRODUCT, 0, 0, H,                                                    \
      "P 6 + fractals, fp32 twice; reference cycles met exactly", "Acc = Left x Right")                                \
    X(TMATMUL_ACC, M, PRODUCT_ACC, CUBE, NONE, SPECIFIED, PRODUCT, 0, 0, H, "as TMATMUL", "Acc += Left x Right")       \
    X(TADD, V, BINARY, NUMBERS, AB, SPECIFIED, ROWS, 24, 2, H, "P vadd 2.11 r + 24", "dst = a + b; integers wrap")     \
    X(TSUB, V, BINARY, NUMBERS, AB, SPECIFIED, ROWS, 24, 2, H, "P vsub 2.11 r + 24", "dst = a - b; integers wrap")     \
    X(TMUL, V, BINARY, NUMBERS, AB, SPECIFIED, ROWS, 25, 2, H, "P vmul 2.3 r + 25", "dst = a * b; integers wrap")      \
    X(TDIV, V, BINARY, FLOATS, AB, SPECIFIED, ROWS, 31, 4, H,                                                          \
      "P vdiv 4.03 r + 31; fp16 at the pace of fp32: 304 cycles for 64x64", "dst = a / b")                             \
    X(TMAX, V, BINARY, NUMBERS, AB, ASSUMED, ROWS, 23, 2, H, "P vmax 2.01 r + 23", "dst = max(a, b); NaN wins")        \
    X(TMIN, V, BINARY, NUMBERS, AB, ASSUMED, ROWS, 23, 2, H, "P vmin 2.01 r + 23", "dst = min(a, b); NaN wins")        \
    X(TADDS, V, UNARY_SCALAR, NUMBERS, A, SPECIFIED, NARROW, 31, 1, H, "P vadds r + 31",                               \
      "dst = a + scalar; integers wrap")                                                                               \
    X(TSUBS, V, UNARY_SCALAR, NUMBERS, A, SPECIFIED, NARROW, 31, 1, L, "as TADDS", "dst = a - scalar; integers wrap")  \
    X(TMULS, V, UNARY_SCALAR, NUMBERS, A, SPECIFIED, NARROW, 26, 1, H, "P vmuls r + 26",                               \
      "dst = a * scalar; integers wrap")                                                                               \
    X(TDIVS, V, UNARY_SCALAR, FLOATS, A, SPECIFIED, WIDE, 45, 5, M,                                                    \
      "P fitted: 64x64 of fp32 365, 32x64 205, fp16 nearly the same", "dst = a / scalar")                              \
    X(TMAXS, V, UNARY_SCALAR, NUMBERS, A, ASSUMED, NARROW, 23, 1, H, "P vmaxs r + 23",                                 \
      "dst = max(a, scalar); NaN wins")                                                                                \
    X(TMINS, V, UNARY_SCALAR, NUMBERS, A, ASSUMED, NARROW, 23, 1, M,                                                   \
      "P fitted: 64x64 of fp32 87, 16x32 31; vmins r + 30", "dst = min(a, scalar); NaN wins")                          \
    X(TNEG, V, UNARY, NUMBERS, A, SPECIFIED, NARROW, 26, 1, L, "as TMULS", "dst = a * -1")                             \
    X(TABS, V, UNARY, FLOATS, A, SPECIFIED, EVEN, 4, 1, M, "P reference cycles: 64x64 of fp32 68, 16x256 of fp16 36",  \
      "dst = a without its sign")                                                                                      \
    X(TRELU, V, UNARY, NUMBERS, A, ASSUMED, EVEN, 23, 1, H, "P vrelu r + 23", "dst = max(a, 0); NaN wins")             \
    X(TRECIP, V, UNARY, FLOATS, NONE, SPECIFIED, WIDE, 45, 5, L, "as TDIVS, which it is made of", "dst = 1 / a")       \
    X(TEXP, V, UNARY, FLOATS, A, ASSUMED, EVEN, 31, 2, H, "P vexp 2 r + 31",                                           \
      "dst = e^a; the last bit is not the device's")                                                                   \
    X(TLOG, V, UNARY, FLOATS, A, ASSUMED, EVEN, 33, 2, H, "P vln 2 r + 33",                                            \
      "dst = ln a; the last bit is not the device's")                                                                  \
    X(TSQRT, V, UNARY, FLOATS, A, ASSUMED, EVEN, 39, 2, H, "P vsqrt 2 r + 39", "dst = sqrt a, correctly rounded")      \
    X(TRSQRT, V, UNARY_TMP, FLOATS, A, ASSUMED, EVEN, 24, 1, H,                                                        \
      "P vrsqrt 1.07 r + 24; the reference cycles of 64x64 fp16 are 58",                                               \
      "dst = 1 / sqrt a; without tmp the device approximates it")                                                      \
    X(TCVT, V, CONVERT, ANY, A, SPECIFIED, NARROW, 27, 1, H, "P vconv 0.90 r + 27; repeats of the wider type",         \
      "dst = a in dst's element type, rounded as asked; fp32 to fp32: to a whole number")                              \
    X(TEXPANDS, V, FILL, ANY, NONE, SPECIFIED, EVEN, 24, 1, H, "P vector_dup r + 24", "dst = scalar everywhere")       \
    X(TFILLPAD, V, PAD, ANY, A, SPECIFIED, EVEN, 24, 2, L, "a copy and a fill",                                        \
      "dst = a, and scalar outside a's valid part, up to dst's static columns")                                        \
    X(TFILLPAD_INPLACE, V, PAD_INPLACE, ANY, A, SPECIFIED, EVEN, 24, 1, L, "a fill",                                   \
      "scalar outside a's valid part of the tile in which a is")                                                       \
    X(TROWMAX, V, ROW_REDUCTION, NUMBERS, NONE, ASSUMED, REDUCTION, 32, 7, M,                                          \
      "P fitted: 64 columns of fp32 7 a row + 32, 128 columns 8 a row + 48",                                           \
      "dst[r] = max over columns of a[r]; NaN wins")                                                                   \
    X(TROWMIN, V, ROW_REDUCTION, NUMBERS, NONE, ASSUMED, REDUCTION, 32, 7, L, "as TROWMAX",                            \
      "dst[r] = min over columns of a[r]; NaN wins")                                                                   \
    X(TROWSUM, V, ROW_REDUCTION, NUMBERS, NONE, ASSUMED, REDUCTION, 44, 7, M,                                          \
      "P fitted: 64 columns of fp32 7 a row + 44, 128 columns 8 a row + 61.5",                                         \
      "dst[r] = sum over columns of a[r]; the order of the sum is not the device's")                                   \
    X(TROWARGMAX, V, ROW_INDEX, FLOATS, NONE, ASSUMED, REDUCTION, 46, 14, L, "twice TROWMAX",                          \
      "dst[r] = first column where a[r] is largest; a NaN is larger than all")                                         \
    X(TROWEXPAND, V, ROW_EXPAND, ANY, NONE, SPECIFIED, EXPANSION, 37, 14, M,                                           \
      "P fitted: 64 columns of fp32 14 a row + 37, 128 columns 15 a row + 37", "dst[r][c] = b[r]")                     \
    X(TROWEXPANDADD, V, ROW_EXPAND_WITH, NUMBERS, A, SPECIFIED, ROWS, 43, 2, L, "as TROWEXPANDSUB",                    \
      "dst[r][c] = a[r][c] + b[r]")                                                                                    \
    X(TROWEXPANDSUB, V, ROW_EXPAND_WITH, NUMBERS, A, SPECIFIED, ROWS, 43, 2, M,                                        \
      "P stub mode: 16x16 of fp32 93, 64x64 171, 128x128 555", "dst[r][c] = a[r][c] - b[r]")                           \
    X(TROWEXPANDMUL, V, ROW_EXPAND_WITH, NUMBERS, A, SPECIFIED, ROWS, 44, 2, M,                                        \
      "P stub mode: one more than TROWEXPANDSUB", "dst[r][c] = a[r][c] * b[r]")                                        \
    X(TROWEXPANDDIV, V, ROW_EXPAND_WITH, FLOATS, A, SPECIFIED, ROWS, 49, 4, M,                                         \
      "P stub mode: 16x16 of fp32 131, 64x64 305, 128x128 1073", "dst[r][c] = a[r][c] / b[r]")                         \
    X(TROWEXPANDMAX, V, ROW_EXPAND_WITH, NUMBERS, A, ASSUMED, ROWS, 43, 2, L, "as TROWEXPANDSUB",                      \
      "dst[r][c] = max(a[r][c], b[r]); NaN wins")                                                                      \
    X(TROWEXPANDMIN, V, ROW_EXPAND_WITH, NUMBERS, A, ASSUMED, ROWS, 43, 2, L, "as TROWEXPANDSUB",                      \
      "dst[r][c] = min(a[r][c], b[r]); NaN wins")                                                                      \
    X(TROWEXPANDEXPDIF, V, ROW_EXPAND_WITH, FLOATS, A, ASSUMED, ROWS, 74, 4, L, "TROWEXPANDSUB and TEXP",              \
      "dst[r][c] = e^(a[r][c] - b[r])")                                                                                \
    X(TCOLMAX, V, COL_REDUCTION, NUMBERS, NONE, ASSUMED, COLUMNS, 10, 18, M,                                           \
      "P fitted: 64 columns of fp32 17.5 a row + 17, 128 columns 20 a row + 10",                                       \
      "dst[0][c] = max over rows of a[.][c]; NaN wins")                                                                \
    X(TCOLMIN, V, COL_REDUCTION, NUMBERS, NONE, ASSUMED, COLUMNS, 10, 18, L, "as TCOLMAX",                             \
      "dst[0][c] = min over rows of a[.][c]; NaN wins")                                                                \
    X(TCOLSUM, V, COL_REDUCTION, NUMBERS, NONE, ASSUMED, COLUMNS, 10, 20, M,                                           \
      "P fitted: 64 columns of fp32 19.5 a row + 15, 128 columns 22 a row + 10",                                       \
      "dst[0][c] = sum over rows of a[.][c]; the order of the sum is not the device's")                                \
    X(TCOLEXPAND, V, COL_EXPAND, ANY, NONE, SPECIFIED, ROWS, 24, 1, L, "P vcopy r + 24", "dst[r][c] = b[0][c]")        \
    X(TCOLEXPANDADD, V, COL_EXPAND_WITH, NUMBERS, A, SPECIFIED, ROWS, 24, 2, L, "as TADD",                             \
      "dst[r][c] = a[r][c] + b[0][c]")                                                                                 \
    X(TCOLEXPANDSUB, V, COL_EXPAND_WITH, NUMBERS, A, SPECIFIED, ROWS, 24, 2, L, "as TSUB",                             \
      "dst[r][c] = a[r][c] - b[0][c]")                                                                                 \
    X(TCOLEXPANDMUL, V, COL_EXPAND_WITH, NUMBERS, A, SPECIFIED, ROWS, 25, 2, L, "as TMUL",                             \
      "dst[r][c] = a[r][c] * b[0][c]")                                                                                 \
    X(TCOLEXPANDDIV, V, COL_EXPAND_WITH, FLOATS, A, SPECIFIED, ROWS, 31, 4, L, "as TDIV",                              \
      "dst[r][c] = a[r][c] / b[0][c]")                                                                                 \
    X(TCOLEXPANDMAX, V, COL_EXPAND_WITH, NUMBERS, A, ASSUMED, ROWS, 23, 2, L, "as TMAX",                               \
      "dst[r][c] = max(a[r][c], b[0][c]); NaN wins")                                                                   \
    X(TCOLEXPANDMIN, V, COL_EXPAND_WITH, NUMBERS, A, ASSUMED, ROWS, 23, 2, L, "as TMIN",                               \
      "dst[r][c] = min(a[r][c], b[0][c]); NaN wins")                                                                   \
    X(TCOLEXPANDEXPDIF, V, COL_EXPAND_WITH, FLOATS, A, ASSUMED, ROWS, 55, 4, L, "TSUB and TEXP",                       \
      "dst[r][c] = e^(a[r][c] - b[0][c])")                                                                             \
    X(TCMP, V, COMPARE, NUMBERS, NONE, ASSUMED, ROWS, 24, 2, L, "as TADD",                                             \
      "bit c % 8 of byte c / 8 of dst[r] = a[r][c] compared with b[r][c]; the device's packing is its own")            \
    X(TCMPS, V, COMPARE_SCALAR, NUMBERS, NONE, ASSUMED, NARROW, 31, 1, L, "as TADDS",                                  \
      "bit c % 8 of byte c / 8 of dst[r] = a[r][c] compared with the scalar")                                          \
    X(TSEL, V, SELECT, ANY, AB, ASSUMED, EXPANSION, 3, 16, M,                                                          \
      "P reference cycles: 1x128 of fp16 19, 4x128 67, 4x64 of fp32 67",                                               \
      "dst[r][c] = a[r][c] where the mask of TCMP has a one, else b[r][c]")                                            \
    X(TGATHER, V, GATHER, WORDS, NONE, SPECIFIED, EVEN, 24, 47, M, "P vgather 46.6 a row",                             \
      "dst[r][c] = the element of a whose number, counted from a's start, is index[r][c]")                             \
    X(TGATHER_MASK, V, GATHER_MASK, WORDS, NONE, SPECIFIED, EVEN, 24, 2, L, "a copy",                                  \
      "dst[r] = the elements of a[r] that a pattern of four names, packed")                                            \
    X(TSCATTER, V, SCATTER, ANY, NONE, SPECIFIED, ELEMENTS, 0, 2, L, "a load and a store of the scalar unit",          \
      "dst[index[r][c]][c] = a[r][c]; the last one wins")                                                              \
    X(TCI, S, SEQUENCE, INTEGERS, NONE, SPECIFIED, ELEMENTS, 0, 1, L, "a store of the scalar unit",                    \
      "dst[0][c] = start + c, or start - c")                                                                           \
    X(TTRANS, V, TRANSPOSE, ANY, NONE, SPECIFIED, EVEN, 0, 2, M, "P reference cycles: 128x128 of fp32 501",            \
      "dst[c][r] = a[r][c]")                                                                                           \
    X(TCONCAT, V, CONCAT, ANY, NONE, SPECIFIED, EVEN, 24, 2, L, "two copies", "dst[r] = a[r], then b[r]")              \
    X(TSORT32, V, SORT, FLOATS, NONE, SPECIFIED, EVEN, 0, 1, M, "P reference cycles: 8x32 of fp32 8",                  \
      "each 32 columns of a[r] sorted, largest first, as pairs of 8 bytes: value, index")                              \
    X(TMRGSORT, V, MERGE_RUNS, FLOATS, NONE, SPECIFIED, EVEN, 30, 8, L, "assumed",                                     \
      "each four sorted runs of pairs become one")                                                                     \
    X(TMRGSORT_LISTS, V, MERGE_LISTS, FLOATS, NONE, SPECIFIED, EVEN, 30, 8, L, "assumed",                              \
      "dst = two to four sorted lists of pairs, merged")                                                               \
    X(TGETVAL, S, GET_VALUE, ANY, NONE, SPECIFIED, ORDER, 0, 8, L, "a load of the scalar unit",                        \
      "the element of a whose number is given")                                                                        \
    X(TSETVAL, S, SET_VALUE, ANY, NONE, SPECIFIED, ORDER, 0, 2, L, "a store of the scalar unit",                       \
      "the element of dst whose number is given = scalar")                                                             \
    X(TRESHAPE, S, RENAME, ANY, NONE, SPECIFIED, ORDER, 0, 1, M, "P 0 to 1, scalar",                                   \
      "dst names a's bytes in another shape")                                                                          \
    X(DCCI, S, CACHE, ANY, NONE, SPECIFIED, ORDER, 0, 416, M, "a line and a store of it measured as 150 to 300 ns",    \
      "dcci(address, what): write the scalar unit's cache back to GM and empty it")                                    \
    X(DSB, S, NO_OPERANDS, ANY, NONE, SPECIFIED, ORDER, 0, 56, M, "measured as 30 ns",                                 \
      "dsb(): what the scalar unit has stored is in GM")                                                               \
    X(SET_FLAG, S, FLAG, ANY, NONE, SPECIFIED, ORDER, 0, 1, M, "P perf-sim: a cycle",                                  \
      "set_flag(src_pipe, dst_pipe, event)")                                                                           \
    X(WAIT_FLAG, S, FLAG, ANY, NONE, SPECIFIED, ORDER, 0, 1, M, "P perf-sim: a cycle",                                 \
      "wait_flag(src_pipe, dst_pipe, event)")                                                                          \
    X(PIPE_BARRIER, S, BARRIER, ANY, NONE, SPECIFIED, ORDER, 0, 1, M, "P perf-sim: a cycle", "pipe_barrier(pipe)")     \
    X(TMATMUL_BIAS, M, PRODUCT_BIAS, CUBE, NONE, ASSUMED, PRODUCT, 0, 0, L, "as TMATMUL",                              \
      "Acc = Left x Right + a row; the sum starts with the row")                                                       \
    X(TAND, V, BINARY, INTEGERS, AB, SPECIFIED, ROWS, 24, 2, L, "as TADD", "dst = a & b")                              \
    X(TOR, V, BINARY, INTEGERS, AB, SPECIFIED, ROWS, 24, 2, L, "as TADD", "dst = a | b")                               \
    X(TXOR, V, BINARY, INTEGERS, AB, SPECIFIED, ROWS, 72, 6, L, "three of TADD: A2 and A3 have no such vector",        \
      "dst = a ^ b")                                                                                                   \
    X(TSHL, V, BINARY, INTEGERS, AB, ASSUMED, ROWS, 24, 2, L, "as TADD",                                               \
      "dst = a << b; 0 if b is not below the bits of the type")                                                        \
    X(TSHR, V, BINARY, INTEGERS, AB, ASSUMED, ROWS, 24, 2, L, "as TADD",                                               \
      "dst = a >> b, signed types with the sign; b is as for TSHL")                                                    \
    X(TNOT, V, UNARY, INTEGERS, A, SPECIFIED, EVEN, 23, 1, L, "as TRELU", "dst = ~a")                                  \
    X(TANDS, V, UNARY_SCALAR, INTEGERS, A, SPECIFIED, NARROW, 31, 1, L, "as TADDS", "dst = a & scalar")                \
    X(TORS, V, UNARY_SCALAR, INTEGERS, A, SPECIFIED, NARROW, 31, 1, L, "as TADDS", "dst = a | scalar")                 \
    X(TXORS, V, UNARY_SCALAR, INTEGERS, A, SPECIFIED, NARROW, 93, 3, L, "three of TADDS", "dst = a ^ scalar")          \
    X(TSHLS, V, UNARY_SCALAR, INTEGERS, A, ASSUMED, NARROW, 31, 1, L, "as TADDS", "dst = a << scalar, as TSHL")        \
    X(TSHRS, V, UNARY_SCALAR, INTEGERS, A, ASSUMED, NARROW, 31, 1, L, "as TADDS", "dst = a >> scalar, as TSHR")        \
    X(TROWPROD, V, ROW_REDUCTION, NUMBERS, NONE, ASSUMED, REDUCTION, 44, 7, L, "as TROWSUM",                           \
      "dst[r] = product over columns of a[r]; the order is not the device's")                                          \
    X(TCOLPROD, V, COL_REDUCTION, NUMBERS, NONE, ASSUMED, COLUMNS, 10, 20, L, "as TCOLSUM",                            \
      "dst[0][c] = product over rows of a[.][c]; the order is not the device's")

/* The pairs of element types, from and to, that TCVT converts on A2 and A3. Those of fp8 are beyond A2 and A3. */
/* clang-format off */
#define TG_CONVERSIONS(X)                                                                                              \
    X(FP32, FP32) X(FP32, FP16) X(FP32, BF16) X(FP32, INT32) X(FP32, INT16) X(FP32, FP8_E4M3) X(FP32, FP8_E5M2)        \
    X(FP16, FP32) X(FP16, INT32) X(FP16, INT16) X(FP16, INT8) X(FP16, UINT8) X(FP16, FP8_E4M3) X(FP16, FP8_E5M2)       \
    X(BF16, FP32) X(BF16, INT32) X(BF16, FP8_E4M3) X(BF16, FP8_E5M2)                                                   \
    X(INT32, FP32) X(INT32, FP16) X(INT32, INT16)                                                                      \
    X(INT16, FP32) X(INT16, FP16)                                                                                      \
    X(INT8, FP16)                                                                                                      \
    X(UINT8, FP16)                                                                                                     \
    X(FP8_E4M3, FP32) X(FP8_E4M3, FP16) X(FP8_E4M3, BF16)                                                              \
    X(FP8_E5M2, FP32) X(FP8_E5M2, FP16) X(FP8_E5M2, BF16)
/* clang-format on */

#endif
