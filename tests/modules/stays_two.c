/* stays_two.c - a kernel that stays loaded when it is closed (linked with -z nodelete), and answers 2. */
#include "stays.h"

STAYS(2)
