/* repeats.h - GlobalTensors whose rows share bytes with each other. */
#ifndef TG_CHECK_CORE_REPEATS_H
#define TG_CHECK_CORE_REPEATS_H

#include <stdbool.h>
#include <stdint.h>

#include <tilegraph/tile.h>

/* Do rows (or columns) of the GlobalTensor share bytes with each other? common: the first shared bytes. *lost: no
 * memory for an answer. */
bool tg_global_repeats(const struct tg_global *global, uint64_t common[2], bool *lost);

#endif
