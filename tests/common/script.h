/*
 * script.h - write a graph as a list of build calls and run it with modules/script.c, to see it run in order.
 *
 *     struct script s;
 *     script_init(&s);
 *     int a = script_visit(&s, TG_AIC, 0, 0, NULL);        a task that marks its word
 *     int b = script_visit(&s, TG_AIV, 0, 1, &a);          one that finds out whether a ran before
 *     script_edge(&s, a, b);
 *     script_publish(&s, a); script_publish(&s, b);
 *     script_load(&rig, RIG_CONCURRENT);
 *     script_run(&rig, &s);                                rig->status; s.data[task] is 1 where all was in order
 *     script_fini(&s);
 */
#ifndef TESTS_COMMON_SCRIPT_H
#define TESTS_COMMON_SCRIPT_H

#include <tilegraph/orchestration.h>

#include "common/rig.h"
#include "modules/script.h"

/* The kernels of the program that script_load loads. */
enum { SCRIPT_VISIT_AIV = 0, SCRIPT_VISIT_AIC = 1, SCRIPT_HOSTILE_AIV = 2, SCRIPT_HOSTILE_AIC = 3 };

struct script {
    int64_t *words;
    size_t n_words, capacity;
    int n_tasks;
    uint64_t n_edges;
    uint32_t *data; /* [n_data] the second tensor after the run; zeros before it */
    size_t n_data;
};

void script_init(struct script *script);
void script_fini(struct script *script);

/* Append n words. */
void script_words(struct script *script, size_t n, const int64_t *words);

/* Add a task; its number is returned, which is its id if every add_task before it succeeds. */
int script_add(struct script *script, int func_id, enum tg_core_type type, int n_args, const int64_t *args);

/* The same by a description (see SCRIPT_DESCRIBE), whose one part marks its word. */
int script_describe(struct script *script, int n_parts, int more, bool labelled, int func_id);

/* Add a task that writes word `task number` of the data: 1 if the words of before[n] are 1 by then, else 2. `work`:
 * instructions that it issues. */
int script_visit(struct script *script, enum tg_core_type type, int work, int n, const int *before);

/* Add a task that does enum hostile_act or hostile_kernel_act. */
int script_hostile(struct script *script, enum tg_core_type type, int64_t act, int64_t word);

void script_edge(struct script *script, int64_t from, int64_t to);
void script_publish(struct script *script, int64_t id);
void script_wait(struct script *script, int64_t id);
void script_expect(struct script *script, int64_t index, int64_t value);
void script_op(struct script *script, enum script_word op, int64_t operand);

/* Put the program on the rig: the four kernels and the plugin, with the entry for `mode`, which is set too. */
void script_load(struct rig *rig, enum rig_mode mode);

/* Run the script. The data is as long as it has tasks, and 64 words at least. */
enum tg_status script_run(struct rig *rig, struct script *script);

/* How many tasks did not run, or ran out of order. */
int script_disorder(const struct script *script);

/* Prove that the rig's device works: run a small graph with a program of its own and look at the results. The rig's
 * program is empty then. */
void script_prove(struct rig *rig, enum rig_mode mode);

#endif
