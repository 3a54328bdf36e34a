/* api_program.h - what the program does whose host calls are fuzzed: out = in + addend + addend, by two tasks. */
#ifndef TESTS_FUZZ_MODULES_API_PROGRAM_H
#define TESTS_FUZZ_MODULES_API_PROGRAM_H

enum { API_ELEMENTS = 16, API_FUNC = 0, API_ADDEND = 2 }; /* API_ADDEND: the argument's number */

#endif
