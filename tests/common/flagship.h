/* flagship.h - paged attention on a rig: draw a problem, run it, compare it with the golden. */
#ifndef TESTS_COMMON_FLAGSHIP_H
#define TESTS_COMMON_FLAGSHIP_H

#include <stdbool.h>

#include "common/rig.h"
#include "pa_golden.h"
#include "pa_problem.h"

#define FLAGSHIP_EXAMPLE "aicpu_build_graph/paged_attention"

/* The parts of the program in the order of their func_ids, the plugin last. */
enum flagship_part { FLAGSHIP_QK = 0, FLAGSHIP_SF, FLAGSHIP_PV, FLAGSHIP_UP, FLAGSHIP_ORCHESTRATION, FLAGSHIP_PARTS };

/* The file of a part, without folder and ".so": "aic_qk_matmul". */
extern const char *const flagship_files[FLAGSHIP_PARTS];

/* Load the program on the rig for `mode`, which is set too. modules[part] is a module of tests/modules that takes the
 * part's place, NULL: the example's own. modules NULL: all are its own. */
void flagship_load(struct rig *rig, enum rig_mode mode, const char *const modules[FLAGSHIP_PARTS]);

/* Draw the named case of examples/common; or a case given in full. To be freed with pa_problem_free. */
void flagship_draw(struct pa_problem *problem, const char *case_name, uint64_t seed);
void flagship_draw_case(struct pa_problem *problem, const struct pa_case *drawn, uint64_t seed);

/* The tensors of a launch, in the order in which the plugin expects them. */
enum { FLAGSHIP_TENSORS = 7 };
void flagship_tensors(const struct pa_problem *problem, struct tg_tensor tensors[FLAGSHIP_TENSORS]);

/* Run it; problem->out is written on success. */
enum tg_status flagship_run(struct rig *rig, struct pa_problem *problem);

/* The number of elements of problem->out that are wrong. */
uint64_t flagship_mismatches(const struct pa_problem *problem);

/* Assert that the last run succeeded and its result is right. */
void flagship_expect_right(const struct rig *rig, const struct pa_problem *problem);

/* Bytes of problem->out. */
size_t flagship_out_bytes(const struct pa_problem *problem);

#endif
