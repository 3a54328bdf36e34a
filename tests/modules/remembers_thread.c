#define REMEMBERS_THREAD
#include "remembers.h"
