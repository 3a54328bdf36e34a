/* kernel_touch_unseen.c - kernel_touch.c, compiled without the means to tell of its plain loads and stores. */
#include "kernel_touch.c" /* NOLINT(bugprone-suspicious-include): the same kernel, other options */
