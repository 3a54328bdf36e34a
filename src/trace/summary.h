/* summary.h - a run as a page of text. */
#ifndef TG_TRACE_SUMMARY_H
#define TG_TRACE_SUMMARY_H

#include <stdio.h>

#include "trace/analysis.h"

/* Print some 35 lines. `findings` are those of `record`. */
void tg_summary_print(const struct tg_record *record, const struct tg_findings *findings, FILE *stream);

/* Print one line: what bound the run, and what would help. */
void tg_advice_print(const struct tg_record *record, const struct tg_findings *findings, FILE *stream);

/* The names of pipes, spans and instructions (enum tg_op), as used in all output. */
const char *tg_pipe_name(int pipe);
const char *tg_instruction_name(uint32_t op);
const char *tg_span_name(int kind);

#endif
