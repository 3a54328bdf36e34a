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
      "Mat -> Left or Right (MTE1), Vec -> Vec (V)")                                                                   \
    X(TMATMUL, M, PRODUCT, CUBE, NONE, SPECIFIED, PRODUCT, 0, 0, H,                                                    \
      "P 6 + fractals, fp32 twice; reference cycles met exactly", "Acc = Left x Right")                                \
    X(TMATMUL_ACC, M, PRODUCT_ACC, CUBE, NONE, SPECIFIED, PRODUCT, 0, 0, H, "as TMATMUL", "Acc += Left x Right")       \
    X(TADD, V, BINARY, FLOATS, AB, SPECIFIED, ROWS, 24, 2, H, "P vadd 2.11 r + 24", "dst = a + b")                     \
    X(TSUB, V, BINARY, FLOATS, AB, SPECIFIED, ROWS, 24, 2, H, "P vsub 2.11 r + 24", "dst = a - b")                     \
    X(TMUL, V, BINARY, FLOATS, AB, SPECIFIED, ROWS, 25, 2, H, "P vmul 2.3 r + 25", "dst = a * b")                      \
    X(TDIV, V, BINARY, FLOATS, AB, SPECIFIED, ROWS, 31, 4, H,                                                          \
      "P vdiv 4.03 r + 31; fp16 at the pace of fp32: 304 cycles for 64x64", "dst = a / b")                             \
    X(TMAX, V, BINARY, FLOATS, AB, ASSUMED, ROWS, 23, 2, H, "P vmax 2.01 r + 23", "dst = max(a, b); NaN wins")         \
    X(TADDS, V, UNARY_SCALAR, FLOATS, A, SPECIFIED, NARROW, 31, 1, H, "P vadds r + 31", "dst = a + scalar")            \
    X(TMULS, V, UNARY_SCALAR, FLOATS, A, SPECIFIED, NARROW, 26, 1, H, "P vmuls r + 26", "dst = a * scalar")            \
    X(TMAXS, V, UNARY_SCALAR, FLOATS, A, ASSUMED, NARROW, 23, 1, H, "P vmaxs r + 23",                                  \
      "dst = max(a, scalar); NaN wins")                                                                                \
    X(TEXP, V, UNARY, FLOATS, A, ASSUMED, EVEN, 31, 2, H, "P vexp 2 r + 31",                                           \
      "dst = e^a; the last bit is not the device's")                                                                   \
    X(TLOG, V, UNARY, FLOATS, A, ASSUMED, EVEN, 33, 2, H, "P vln 2 r + 33",                                            \
      "dst = ln a; the last bit is not the device's")                                                                  \
    X(TSQRT, V, UNARY, FLOATS, A, ASSUMED, EVEN, 39, 2, H, "P vsqrt 2 r + 39", "dst = sqrt a, correctly rounded")      \
    X(TCVT, V, CONVERT, ANY, A, SPECIFIED, NARROW, 27, 1, H, "P vconv 0.90 r + 27; repeats of the wider type",         \
      "dst = a in dst's element type")                                                                                 \
    X(TEXPANDS, V, FILL, FLOATS, NONE, SPECIFIED, EVEN, 24, 1, H, "P vector_dup r + 24", "dst = scalar everywhere")    \
    X(TFILLPAD, V, PAD, FLOATS, A, SPECIFIED, EVEN, 24, 2, L, "a copy and a fill",                                     \
      "dst = a, and scalar outside a's valid part")                                                                    \
    X(TROWMAX, V, ROW_REDUCTION, FLOATS, NONE, ASSUMED, REDUCTION, 32, 7, M,                                           \
      "P fitted: 64 columns of fp32 7 a row + 32, 128 columns 8 a row + 48",                                           \
      "dst[r] = max over columns of a[r]; NaN wins")                                                                   \
    X(TROWSUM, V, ROW_REDUCTION, FLOATS, NONE, ASSUMED, REDUCTION, 44, 7, M,                                           \
      "P fitted: 64 columns of fp32 7 a row + 44, 128 columns 8 a row + 61.5",                                         \
      "dst[r] = sum over columns of a[r]; the order of the sum is not the device's")                                   \
    X(TROWEXPAND, V, ROW_EXPAND, FLOATS, NONE, SPECIFIED, EXPANSION, 37, 14, M,                                        \
      "P fitted: 64 columns of fp32 14 a row + 37, 128 columns 15 a row + 37", "dst[r][c] = b[r]")                     \
    X(TROWEXPANDSUB, V, ROW_EXPAND_WITH, FLOATS, A, SPECIFIED, ROWS, 43, 2, M,                                         \
      "P stub mode: 16x16 of fp32 93, 64x64 171, 128x128 555", "dst[r][c] = a[r][c] - b[r]")                           \
    X(TROWEXPANDMUL, V, ROW_EXPAND_WITH, FLOATS, A, SPECIFIED, ROWS, 44, 2, M,                                         \
      "P stub mode: one more than TROWEXPANDSUB", "dst[r][c] = a[r][c] * b[r]")                                        \
    X(TROWEXPANDDIV, V, ROW_EXPAND_WITH, FLOATS, A, SPECIFIED, ROWS, 49, 4, M,                                         \
      "P stub mode: 16x16 of fp32 131, 64x64 305, 128x128 1073", "dst[r][c] = a[r][c] / b[r]")                         \
    X(TRESHAPE, S, RENAME, ANY, NONE, SPECIFIED, ORDER, 0, 1, M, "P 0 to 1, scalar",                                   \
      "dst names a's bytes in another shape")                                                                          \
    X(SET_FLAG, S, FLAG, ANY, NONE, SPECIFIED, ORDER, 0, 1, M, "P perf-sim: a cycle",                                  \
      "set_flag(src_pipe, dst_pipe, event)")                                                                           \
    X(WAIT_FLAG, S, FLAG, ANY, NONE, SPECIFIED, ORDER, 0, 1, M, "P perf-sim: a cycle",                                 \
      "wait_flag(src_pipe, dst_pipe, event)")                                                                          \
    X(PIPE_BARRIER, S, BARRIER, ANY, NONE, SPECIFIED, ORDER, 0, 1, M, "P perf-sim: a cycle", "pipe_barrier(pipe)")

#endif
