/* stays.h - a kernel as a C++ compiler writes one with `inline int unique_answer = ANSWER;`: the loader has one symbol
 * of that binding for the whole process. Its answer is its own variable's value, plus 100 times the number of its
 * code. */
#ifndef TESTS_MODULES_STAYS_H
#define TESTS_MODULES_STAYS_H

#include <stdint.h>

#define EXPORT __attribute__((visibility("default")))

EXPORT void kernel_entry(int64_t *args);
extern EXPORT int unique_answer;

/* In assembly: compilers of C have no name for the binding, and some assemblers do not change it afterwards. */
#define STAYS(number)                                                                                                  \
    __asm__(".data\n.balign 4\n.type unique_answer, %gnu_unique_object\n.size unique_answer, 4\n"                      \
            "unique_answer: .long " #number "\n.text");                                                                \
    void kernel_entry(int64_t *args) { args[0] = 100 * (number) + unique_answer; }

#endif
