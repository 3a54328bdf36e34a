#include "remembers.h"
