/* stays_one.c - a kernel that stays loaded when it is closed (linked with -z nodelete), and answers 1. */
#include "stays.h"

STAYS(1)
