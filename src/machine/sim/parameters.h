/*
 * parameters.h - the figures of the virtual device: the contents of a machine file.
 *
 * One list of parameters generates the structure, the defaults (an A2/A3, 910B1), the reader of machine files and the
 * file that documents them. A file has lines `name = value`, and # starts a comment. Each parameter stands at most
 * once; a missing one keeps its default.
 *
 * Confidence: H measured or vendor contract, M vendor table or secondary source, L derived or assumed, F fitted here.
 * Sources: S hw-native-sys/simpler at 6ebaf771; P hw-native-sys/pto-isa at 3186c381 (transfers: bd32f495, fitted mode);
 * INI Ascend910B1.ini of CANN 8.1.RC1; V200 a published profile of paged attention, 480 sequences, 64 blocks a task.
 */
#ifndef TG_MACHINE_SIM_PARAMETERS_H
#define TG_MACHINE_SIM_PARAMETERS_H

#include <stdio.h>

#include <tilegraph/tilegraph.h>

/* name, default, least, most, unit, confidence, source */
#define TG_MACHINE_PARAMETERS(X)                                                                                       \
    X(blocks, 24, 1, 128, "blocks of 1 AIC and 2 AIV", "H", "S hardware.md; INI cube_core_cnt")                        \
    X(core_ghz, 1.85, 0.001, 1000, "GHz", "H", "INI cube_freq")                                                        \
    X(launch, 28000, 0, 1e9, "ns before the control threads start", "F", "a 2-task run takes 52 us (S PR 1785)")       \
    X(host_graph, 73000, 0, 1e9, "ns more to take over a graph of the host", "F",                                      \
      "a 2-task run takes 108 us (S PR "                                                                               \
      "1785)")                                                                                                         \
    X(plugin_open, 10000, 0, 1e9, "ns to open the plugin", "L", "assumed")                                             \
    X(add_task, 250, 0, 1e9, "ns", "F", "0.47 to 0.51 us a task with edges and publication (S aed352609)")             \
    X(add_argument, 2, 0, 1e9, "ns for each argument of a task", "L",                                                  \
      "with it, 1,280 tasks of 64 blocks take the builder's 706.7 us within 2 % (S aa1e470a4)")                        \
    X(cold_add, 5600, 0, 1e9, "ns more for the first task that the builder adds, less for each later one", "F",        \
      "the builder took 54.7 us for 13 tasks, 4.55 us each (S aa1e470a4)")                                             \
    X(cold_tasks, 8, 0, 1e9, "tasks until cold_add has fallen to 1/e of itself", "F",                                  \
      "the same row, and the other half of what 1,280 tasks exceed the pace by")                                       \
    X(add_edge, 65, 0, 1e9, "ns", "F", "part of the same sum")                                                         \
    X(publish_task, 140, 0, 1e9, "ns", "F", "part of the same sum")                                                    \
    X(device_malloc, 100, 0, 1e9, "ns", "L", "assumed")                                                                \
    X(sweep, 115, 1, 1e9, "ns a scheduler loop", "M", "S RUNTIME_LOGIC, idle loop")                                    \
    X(read_register, 95, 1, 1e9, "ns to load a core's register", "H", "S mmio-performance.md, 95 to 105")              \
    X(dispatch, 480, 0, 1e9, "ns to write a payload and ring a core", "F", "S PR 1618: 1.11 us a task and thread")     \
    X(complete, 500, 0, 1e9, "ns to resolve a task's successors", "M", "S docs: 0.5 us for 1 to 2 consumers")          \
    X(dispatch_latency, 140, 0, 1e9, "ns until the core sees it", "H", "S mmio-performance.md")                        \
    X(receive, 349, 0, 1e9, "ns from there to the kernel", "H", "S 2026-07-aicore-fills-all-args-ready-path.md")       \
    X(cold_start, 1800, 0, 1e9, "ns more for a core's first task", "H", "S 2026-06-aicore-cold-start-warmup.md")       \
    X(finish_latency, 450, 1, 1e9, "ns until a scheduler can see the end", "M",                                        \
      "S mmio-performance.md: 600 on average with the poll, which is charged apart; 180 at least")                     \
    X(prologue, 400, 0, 1e9, "ns from a kernel's start to its first instruction", "F",                                 \
      "the shortest update of 64 blocks took 1.34 us (V200)")                                                          \
    X(gm_to_l1_fixed, 230, 0, 1e9, "cycles a copy", "F", "the shortest PV of 64 blocks took 32.4 us (V200)")           \
    X(gm_to_l1_rate, 78.4, 0.001, 1e6, "bytes a cycle", "M", "P arch_config.hpp, 135 GiB/s")                           \
    X(gm_to_ub_fixed, 264, 0, 1e9, "cycles a copy", "M", "P TLOAD reference cycles")                                   \
    X(gm_to_ub_rate, 128, 0.001, 1e6, "bytes a cycle", "M", "P TLOAD reference cycles")                                \
    X(ub_to_gm_fixed, 107, 0, 1e9, "cycles a copy", "M", "P fitted mode")                                              \
    X(ub_to_gm_rate, 64, 0.001, 1e6, "bytes a cycle", "M", "INI ub_to_ddr_rate, ub_to_l2_rate")                        \
    X(l0c_to_gm_fixed, 1216, 0, 1e9, "cycles a copy", "M", "P fitted mode")                                            \
    X(l0c_to_gm_rate, 23.9, 0.001, 1e6, "bytes a cycle", "M", "P fitted mode")                                         \
    X(l1_to_l0a_rate, 256, 0.001, 1e6, "bytes a cycle", "M", "P docs/isa, arch_config.hpp")                            \
    X(l1_to_l0b_rate, 128, 0.001, 1e6, "bytes a cycle", "M", "P docs/isa, arch_config.hpp")                            \
    X(l1_to_l0_fixed, 4, 0, 1e9, "cycles", "L", "assumed")                                                             \
    X(matmul_fixed, 6, 0, 1e9, "cycles", "H", "P TMATMUL formula")                                                     \
    X(matmul_fractal, 1, 0.001, 1e6, "cycles a 16 x 32 B x 16 fractal, twice that for fp32", "H", "P; INI")            \
    X(hbm_rate, 1080, 0.001, 1e9, "GB/s of all cores together", "F", "480 sequences of PA-1: 2.2 ms (V200)")           \
    X(l2_rate, 4880, 0.001, 1e9, "GB/s of all cores together", "M", "INI l2_read_rate 110 B a cycle and core")         \
    X(l2_bytes, 201326592, 0, 1e15, "bytes", "H", "INI l2_size, 192 MiB")                                              \
    X(ub_library, 8192, 0, 196608, "bytes at the end of UB that the library uses as scratch in some forms", "M",       \
      "P constants.hpp TMP_UB_OFFSET, TMP_UB_SIZE; 0: none")                                                           \
    X(settled_repeats, 0, 0, 1e9, "repeats of PIPE_V that need no barrier before an equal operand; 0: all need it",    \
      "L", "PTOAS PR 674 removes barriers from 16 repeats on; the documentation of PipeBarrier keeps them")            \
    X(strict_round_trip, 0, 0, 1, "1: only pipe_barrier(PIPE_ALL) orders a load after a store of the same GM", "L",    \
      "PTOAS issue 730: one report that a flag from MTE3 to MTE2 was not enough")

struct tg_sim_machine {
#define TG_MACHINE_FIELD(name, value, least, most, unit, confidence, source) double name;
    TG_MACHINE_PARAMETERS(TG_MACHINE_FIELD)
#undef TG_MACHINE_FIELD
};

/* The built-in A2/A3. */
void tg_sim_machine_default(struct tg_sim_machine *machine);

/*
 * Read a machine file over the defaults.
 *
 * Errors    TG_ERR_FILE      the file cannot be read
 *           TG_ERR_ARGUMENT  a line is not `name = value`, a name is unknown or repeated, a value is not a number or
 *                            out of range: the message names file, line, name and the allowed values
 */
enum tg_status tg_sim_machine_read(struct tg_sim_machine *machine, const char *path);

/* Write the built-in machine as a documented file. */
void tg_sim_machine_write(FILE *file);

#endif
