/*
 * alloc_faults.h - let one allocation of the library fail.
 *
 * An allocation is a call that can find nothing left: memory, address space, a descriptor, a process, a thread. The
 * linker sends the calls of everything in the test's program through here (--wrap, see tests/CMakeLists.txt); what libc
 * and hwloc allocate for themselves is not counted.
 *
 * Threads: arm and disarm on one, while no other is in the library; what threads allocate that it starts is counted.
 */
#ifndef TESTS_COMMON_ALLOC_FAULTS_H
#define TESTS_COMMON_ALLOC_FAULTS_H

#include <stdint.h>

/* From here on count allocations, and let number `nth` (from 1) fail; 0: none. */
void alloc_faults_arm(uint64_t nth);

/* Back to normal. Returns the name of the function that failed, or NULL: there were fewer than nth allocations. */
const char *alloc_faults_disarm(void);

#endif
