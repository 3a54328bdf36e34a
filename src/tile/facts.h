/* facts.h - rules of a device on which sources disagree; its machine file states them. */
#ifndef TG_TILE_FACTS_H
#define TG_TILE_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include "tile/table.h"

struct tg_facts {
    /* The last bytes of UB, which the instruction library uses as scratch in some forms; 0: it does not. */
    uint32_t ub_library_bytes;
    /* An instruction of PIPE_V of at least this many repeats needs no barrier before one that uses exactly the same
     * tile; 0: it needs one. */
    uint32_t settled_repeats;
    /* A flag from a store to a load of the same device memory is not enough; a barrier of all pipes is. */
    bool strict_round_trip;
};

/* Does the instruction use the library's scratch? Source: hw-native-sys/pto-isa at 3186c381, TROWEXPAND and TCVT of
 * A2/A3: without a tmp, expansions of a column-major column, and conversions to a narrower integer that do not
 * saturate. */
bool tg_uses_library_scratch(const struct tg_instr *instr);

#endif
