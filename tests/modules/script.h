/* script.h - the words of which modules/script.c builds a graph. tests/common/script.h writes them. */
#ifndef TESTS_MODULES_SCRIPT_H
#define TESTS_MODULES_SCRIPT_H

/* Each operation is a word followed by its operands, all int64. */
enum script_word {
    SCRIPT_END = 0, /* return 0 */
    SCRIPT_ADD,     /* func_id core_type n_args args...: add a task; the address of the data tensor comes before args */
    SCRIPT_DESCRIBE, /* n_parts more label func_id core_type n_args args...: the same by a description of n_parts equal
                        parts, which is `more` bytes longer than the header says; label 1: labelled "described" */
    SCRIPT_EDGE,     /* from to */
    SCRIPT_PUBLISH,  /* id */
    SCRIPT_WAIT,     /* id: wait_task; a task that cannot complete ends the script with 0 */
    SCRIPT_EXPECT,   /* index value: word `index` of the data tensor is `value` now, else the run fails */
    SCRIPT_MALLOC,   /* bytes: allocate device memory and keep it */
    SCRIPT_FREE,     /* n: free what the n-th SCRIPT_MALLOC gave, counted from 0 */
    SCRIPT_TARGET,   /* n: tasks that are added from here on get that address instead of the data tensor's; -1: again */
    SCRIPT_STORE,    /* index value: write word `index` of the data tensor by a plain store */
    SCRIPT_READ,     /* n: on the host, copy a word back from what the n-th SCRIPT_MALLOC gave */
    SCRIPT_RETURN,   /* code: return it */
    SCRIPT_FAIL      /* fail() with the words "said by the script", return 1 */
};

/* Task n of a script says that it was added on line n + 1 of this file. */
#define SCRIPT_FILE "graph.script"

enum { SCRIPT_MALLOCS_MAX = 16 }; /* that are remembered */

#endif
