/*
 * pa_options.h - the command line of paged_attention.
 */
#ifndef EXAMPLES_PA_OPTIONS_H
#define EXAMPLES_PA_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "failure.h"
#include "pa_case.h"

/* The command line, with the defaults filled in. Strings are borrowed from argv. */
struct pa_options {
    const char *platform;
    struct pa_case drawn;     /* what to draw, unless load_dir is given; named "custom" if options changed a case */
    uint32_t *lengths;        /* memory of drawn.lengths if --context gave them, else NULL */
    uint64_t seed;            /* of what is drawn */
    bool packed;              /* bring the caches, drawn or loaded, into the NZ layout */
    uint32_t blocks_per_task; /* KV blocks that a task covers; 0: to be chosen from the problem */
    const char *load_dir;     /* or NULL, as the next seven */
    const char *save_dir;
    const char *trace_path, *graph_path, *report_path;
    const char *dump_tasks;
    const char *program_dir;
    const char *machine_file;
    const char *dump_folder;
    uint32_t repeat;    /* runs after the first one, which are timed only */
    uint32_t workers;   /* platform cpu; 0: one a processor */
    bool pin;           /* platform cpu: keep each worker on a processor */
    bool edges;         /* list those that no conflict needs; run.check is set then */
    bool has_block_dim; /* else run.block_dim is to be all blocks of the device */
    bool has_dtype;     /* --dtype was given: drawn.shape.dtype is what loaded files have to be */
    struct tg_run_config run;
    const char *help; /* a topic, "" for the first screen; NULL: not asked for */
    bool json, version, quiet;
    bool brief;           /* print three lines instead of all */
    bool summary;         /* print the page about where the time went */
    bool stdout_is_taken; /* a file goes there, so that the text goes to stderr */
    uint32_t verbosity;   /* how often -v was given */
};

/*
 * Read argv[1] to argv[argc - 1].
 *
 * Options that do not combine are refused, never ignored. Whether a platform exists is left to tg_device_open, and
 * whether a program supports a shape to the program.
 * Owns      *out is the caller's, see pa_options_free. On failure it holds defaults, no name of a case, and
 *           whether to report as JSON.
 * Errors    TG_ERR_ARGUMENT (the message names the option and what is allowed), TG_ERR_MEMORY
 */
enum tg_status pa_options_parse(int argc, char **argv, struct pa_options *out, struct failure *failure);

void pa_options_free(struct pa_options *options);

/* Print the screen of a topic, whose name --help takes; of "" and others: usage, and the topics. */
void pa_options_print_help(FILE *stream, const char *topic);

/* The name that stands for standard input or output in options of files. */
#define PA_STANDARD "-"

#endif
