/*
 * test_all_mutants [--check OPTIONS] [--jobs N] [--verbose] [--list] [TEXT]: all mutants die.
 *
 * Makes every single-point mutant of the flagship's kernels and orchestrations, compiles each, and runs the program
 * with --check until a run fails. A mutant that survives has to stand in equivalent.txt, with the argument why it is no
 * defect, and everything that stands there has to survive. Prints a table by part and class. TEXT: only mutants whose
 * part and name contain it. --check OPTIONS: what to run with instead of --check; '' for nothing.
 *
 * Exit code 0: all died, and the program itself passes; 1: not so; 2: it could not be tried.
 */
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mutants/equivalent.h"
#include "mutants/need.h"
#include "mutants/trial.h"

struct options {
    const char *check, *text;
    unsigned jobs;
    bool verbose, list;
};

/* One mutant of one part. */
struct trial {
    const struct part *part;
    const struct source *source;
    const struct mutant *mutant;
};

/* All of them. Workers are processes: what they find out is in shared memory. */
struct trials {
    struct source *sources;  /* [N_PARTS] */
    struct mutants *mutants; /* [N_PARTS] */
    struct trial *items;     /* [n] */
    size_t n;
    struct outcome *outcomes;  /* [n], shared; each written by the worker that took it */
    _Atomic unsigned *n_taken; /* shared; a worker adds 1 to take a mutant. Relaxed: it publishes nothing else */
};

/* ---- what to try ------------------------------------------------------------------------------------------------- */

static bool is_wanted(const struct options *options, const struct part *part, const struct mutant *mutant)
{
    if (!options->text) return true;
    char whole[4096];
    (void)snprintf(whole, sizeof whole, "%s: %s", part->name, mutant->name);
    return strstr(whole, options->text) != NULL;
}

static void *shared(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    NEED(memory != MAP_FAILED, "no memory");
    return memory;
}

static void trials_make(struct trials *trials, const struct options *options)
{
    memset(trials, 0, sizeof *trials);
    trials->sources = calloc(N_PARTS, sizeof *trials->sources);
    trials->mutants = calloc(N_PARTS, sizeof *trials->mutants);
    NEED(trials->sources && trials->mutants, "no memory");
    size_t max = 0;
    for (size_t i = 0; i < N_PARTS; i++) {
        source_read(&trials->sources[i], part_path(&parts[i]));
        mutants_make(&trials->mutants[i], &trials->sources[i], parts[i].core);
        max += trials->mutants[i].n;
    }
    trials->items = calloc(max, sizeof *trials->items);
    NEED(trials->items, "no memory");
    for (size_t i = 0; i < N_PARTS; i++) {
        for (size_t k = 0; k < trials->mutants[i].n; k++) {
            const struct mutant *mutant = &trials->mutants[i].items[k];
            if (!is_wanted(options, &parts[i], mutant)) continue;
            trials->items[trials->n++] = (struct trial){&parts[i], &trials->sources[i], mutant};
        }
    }
    trials->outcomes = shared((trials->n + 1) * sizeof *trials->outcomes);
    trials->n_taken = shared(sizeof *trials->n_taken);
}

static void trials_free(struct trials *trials)
{
    for (size_t i = 0; i < N_PARTS; i++) {
        mutants_free(&trials->mutants[i]);
        source_free(&trials->sources[i]);
    }
    munmap(trials->outcomes, (trials->n + 1) * sizeof *trials->outcomes);
    munmap(trials->n_taken, sizeof *trials->n_taken);
    free(trials->sources);
    free(trials->mutants);
    free(trials->items);
}

/* ---- trying it --------------------------------------------------------------------------------------------------- */

/* The program as it is raises no alarm. */
static bool originals_pass(const struct options *options)
{
    struct bench bench;
    bool pass = true;
    bench_open(&bench, 0, options->check);
    for (size_t i = 0; i < N_PARTS; i++) {
        struct outcome outcome = {0};
        bench_run(&bench, &parts[i], &outcome);
        if (outcome.verdict == VERDICT_SURVIVED) continue;
        printf("The program itself fails with %s %s: exit code %d: %s\n", options->check, outcome.options,
               outcome.exit_code, outcome.message);
        pass = false;
    }
    return pass;
}

static _Noreturn void work(struct trials *trials, const struct options *options, unsigned idx)
{
    struct bench bench;
    bench_open(&bench, idx, options->check);
    for (;;) {
        unsigned i = atomic_fetch_add_explicit(trials->n_taken, 1, memory_order_relaxed);
        if (i >= trials->n) exit(0);
        const struct trial *trial = &trials->items[i];
        bench_try(&bench, trial->part, trial->source, trial->mutant, &trials->outcomes[i]);
    }
}

static void try_all(struct trials *trials, const struct options *options)
{
    fflush(NULL);
    for (unsigned idx = 0; idx < options->jobs; idx++) {
        pid_t pid = fork();
        NEED(pid >= 0, "no process for a worker");
        if (pid == 0) work(trials, options, idx);
    }
    int state = 0;
    while (wait(&state) > 0) NEED(WIFEXITED(state) && WEXITSTATUS(state) == 0, "a worker failed");
}

/* ---- what came out ----------------------------------------------------------------------------------------------- */

struct counts {
    unsigned n, finding, otherwise, equivalent, alive;
};

static void print_trial(const struct trial *trial, const struct outcome *outcome)
{
    static const char *const words[] = {"does not compile", "SURVIVED", "finding", "failed otherwise"};
    printf("%-17s %s: %s\n", words[outcome->verdict], trial->part->name, trial->mutant->name);
    if (outcome->verdict == VERDICT_FINDING || outcome->verdict == VERDICT_OTHERWISE)
        printf("                  exit code %d of %s: %s\n", outcome->exit_code, outcome->options, outcome->message);
}

/* Count it where it belongs; say what is not as it has to be. */
static void count(struct counts *counts, const struct trial *trial, const struct outcome *outcome,
                  struct equivalents *list)
{
    if (outcome->verdict == VERDICT_NONE) return;
    counts->n++;
    if (outcome->verdict == VERDICT_FINDING) counts->finding++;
    if (outcome->verdict == VERDICT_OTHERWISE) counts->otherwise++;
    if (outcome->verdict != VERDICT_SURVIVED) return;
    if (equivalents_find(list, trial->part->name, trial->mutant->name)) {
        counts->equivalent++;
        return;
    }
    counts->alive++;
    print_trial(trial, outcome);
}

static void print_row(const char *part, const char *class, const struct counts *c)
{
    if (c->n == 0) return;
    printf("| %s | %s | %u | %u | %u | %u | %u |\n", part, class, c->n, c->finding, c->otherwise, c->equivalent,
           c->alive);
}

static void add_counts(struct counts *sum, const struct counts *c)
{
    sum->n += c->n;
    sum->finding += c->finding;
    sum->otherwise += c->otherwise;
    sum->equivalent += c->equivalent;
    sum->alive += c->alive;
}

static void print_table(const struct counts (*counts)[MUTANT_CLASSES_COUNT])
{
    struct counts all = {0};
    printf("\n| part | what was changed | mutants | found by the check | failed otherwise | equivalent | survived |\n"
           "|---|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < N_PARTS; i++) {
        for (size_t k = 0; k < MUTANT_CLASSES_COUNT; k++) {
            print_row(parts[i].name, mutant_class_names[k], &counts[i][k]);
            add_counts(&all, &counts[i][k]);
        }
    }
    print_row("all", "", &all);
}

/* Entries of the list that no survivor needs. Only a run of all mutants can tell. */
static unsigned print_unused(const struct equivalents *list, const struct options *options)
{
    unsigned n = 0;
    for (size_t i = 0; i < list->n && !options->text; i++) {
        if (list->items[i].used) continue;
        printf("No such survivor any more, take it from the list: %s: %s\n", list->items[i].part,
               list->items[i].mutant);
        n++;
    }
    return n;
}

/* Whether everything is as it has to be. */
static bool report(const struct trials *trials, const struct options *options)
{
    struct counts counts[N_PARTS][MUTANT_CLASSES_COUNT];
    struct equivalents list;
    unsigned n_alive = 0;
    memset(counts, 0, sizeof counts);
    equivalents_read(&list, TG_TEST_SOURCE_DIR "/tests/mutants/equivalent.txt");
    for (size_t i = 0; i < trials->n; i++) {
        const struct trial *trial = &trials->items[i];
        struct counts *c = &counts[trial->part - parts][trial->mutant->class];
        unsigned before = c->alive;
        if (options->verbose) print_trial(trial, &trials->outcomes[i]);
        count(c, trial, &trials->outcomes[i], &list);
        n_alive += c->alive - before;
    }
    n_alive += print_unused(&list, options);
    print_table((const struct counts(*)[MUTANT_CLASSES_COUNT])counts);
    equivalents_free(&list);
    return n_alive == 0;
}

/* ---- main -------------------------------------------------------------------------------------------------------- */

static void read_options(struct options *options, char **argv)
{
    *options = (struct options){.check = "--check", .jobs = (unsigned)sysconf(_SC_NPROCESSORS_ONLN)};
    for (char **arg = argv + 1; *arg; arg++) {
        if (strcmp(*arg, "--verbose") == 0) options->verbose = true;
        else if (strcmp(*arg, "--list") == 0) options->list = true;
        else if (strcmp(*arg, "--check") == 0 && arg[1]) options->check = *++arg;
        else if (strcmp(*arg, "--jobs") == 0 && arg[1]) options->jobs = (unsigned)strtoul(*++arg, NULL, 10);
        else options->text = *arg;
    }
    NEED(options->jobs > 0, "--jobs takes a number from 1 on");
}

int main(int argc, char **argv)
{
    struct options options;
    struct trials trials;
    (void)argc;
    read_options(&options, argv);
    trials_make(&trials, &options);
    NEED(trials.n > 0, "no mutant has '%s' in its name", options.text ? options.text : "");
    bool good = true;
    for (size_t i = 0; options.list && i < trials.n; i++)
        printf("%s: %s\n", trials.items[i].part->name, trials.items[i].mutant->name);
    if (!options.list) {
        good = originals_pass(&options);
        if (good) {
            try_all(&trials, &options);
            good = report(&trials, &options);
        }
    }
    trials_free(&trials);
    return good ? 0 : 1;
}
