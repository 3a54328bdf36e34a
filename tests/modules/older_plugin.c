/* older_plugin.c - script.c as it was compiled against the oldest version of orchestration.h that a library takes. */
#define TG_ORCHESTRATION_TYPES_ONLY 1
#include "script.c"

const uint32_t tg_orchestration_abi = TG_ORCHESTRATION_ABI_OLDEST;
