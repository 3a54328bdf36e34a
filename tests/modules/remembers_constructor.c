#define REMEMBERS_CONSTRUCTOR
#include "remembers.h"
