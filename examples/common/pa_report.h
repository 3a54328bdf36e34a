/*
 * pa_report.h - what paged_attention says of a run: text for people, JSON for programs.
 */
#ifndef EXAMPLES_PA_REPORT_H
#define EXAMPLES_PA_REPORT_H

#include <stdio.h>

#include "failure.h"
#include "pa_golden.h"
#include "pa_options.h"
#include "pa_problem.h"

/* Filled in as the work proceeds. Steps that were not reached leave zeros. */
struct pa_report {
    enum tg_status status;
    struct failure failure; /* of a status that is not TG_OK */

    const char *isa;           /* that tiles are executed with, or NULL */
    struct pa_shape shape;     /* batch 0: there is no problem yet */
    int32_t shortest, longest; /* context lengths */
    bool has_result;
    struct tg_run_result result;
    bool has_analysis;
    struct tg_analysis analysis;
    char *summary; /* text of tg_run_print_summary, or NULL; owned */
    char *advice;  /* the line of TG_TEXT_ADVICE, or NULL; owned */
    char *edges;   /* text of tg_run_spare_edges, or NULL: not asked for; owned */
    struct tg_spare_edges spare;
    char *findings;    /* text of tg_run_print_findings, or NULL: not checked; owned */
    char *proof;       /* of tg_run_print_proof, the same */
    char *lines_json;  /* the lines with most time, as a member of a JSON object; owned */
    char *checks_json; /* the same and the proof, as members of a JSON object; owned */
    bool has_comparison;
    struct pa_comparison comparison;
    uint32_t n_warm;                       /* further runs; 0: none was asked for */
    uint64_t warm_best_ns, warm_median_ns; /* their device time */
    double inputs_s, golden_s;             /* host time */
};

/* Keep shape and context lengths of a problem. */
void pa_report_problem(struct pa_report *report, const struct pa_problem *problem);

/* Look at a run that went well: analysis, and the text of its summary. TG_ERR_MEMORY */
enum tg_status pa_report_run(struct pa_report *report, const struct tg_run *run);

/* Keep the edges that no conflict of a run without findings needs. TG_ERR_MEMORY, TG_ERR_ARGUMENT */
enum tg_status pa_report_edges(struct pa_report *report, const struct tg_run *run);

/* Keep what the checks found, if the run was checked; whether it went well or not. TG_ERR_MEMORY */
enum tg_status pa_report_findings(struct pa_report *report, const struct tg_run *run);

void pa_report_free(struct pa_report *report);

/* Print what happened. A failure is not part of it, see pa_report_failure. */
void pa_report_text(FILE *stream, const struct pa_report *report, const struct pa_options *options);

/* Print one JSON object on one line. Unknown values, infinities and NaN are null. */
void pa_report_json(FILE *stream, const struct pa_report *report, const struct pa_options *options);

/* Print the findings, then the status, its message and its hint; nothing for TG_OK. */
void pa_report_failure(FILE *stream, const struct pa_report *report);

#endif
