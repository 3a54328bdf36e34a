/* ways.h - how kernel_ways.c is told to use device memory. */
#ifndef TESTS_MODULES_WAYS_H
#define TESTS_MODULES_WAYS_H

/* Those before WAYS_OF_64 use all or some of the 64 bytes at the first argument. */
#define WAYS_OF_64(X)                                                                                                  \
    X(ATOMIC_LOAD)                                                                                                     \
    X(ATOMIC_STORE)                                                                                                    \
    X(ATOMIC_ADD)                                                                                                      \
    X(ATOMIC_NAND)                                                                                                     \
    X(ATOMIC_EXCHANGE)                                                                                                 \
    X(ATOMIC_COMPARE)                                                                                                  \
    X(ATOMIC_16_BYTES)                                                                                                 \
    X(SYNC_ADD)                                                                                                        \
    X(SYNC_COMPARE)                                                                                                    \
    X(MEMCPY_FROM)                                                                                                     \
    X(MEMCPY_TO)                                                                                                       \
    X(BUILTIN_MEMCPY)                                                                                                  \
    X(MEMPCPY)                                                                                                         \
    X(MEMMOVE)                                                                                                         \
    X(BUILTIN_MEMMOVE)                                                                                                 \
    X(MEMSET)                                                                                                          \
    X(BUILTIN_MEMSET)                                                                                                  \
    X(BCOPY)                                                                                                           \
    X(BZERO)                                                                                                           \
    X(MEMCMP)                                                                                                          \
    X(MEMCHR)                                                                                                          \
    X(STRCPY)                                                                                                          \
    X(STRLEN)                                                                                                          \
    X(SNPRINTF)                                                                                                        \
    X(STRUCT_FROM)                                                                                                     \
    X(STRUCT_TO)                                                                                                       \
    X(SMALL_STRUCT)                                                                                                    \
    X(POINTER_TO_MEMCPY)                                                                                               \
    X(TABLE_OF_FUNCTIONS)                                                                                              \
    X(QSORT)                                                                                                           \
    X(INCREMENT)                                                                                                       \
    X(VECTOR)                                                                                                          \
    X(WORD_BY_WORD)

enum way {
#define WAY_NAME(name) WAY_##name,
    WAYS_OF_64(WAY_NAME)
#undef WAY_NAME
        WAYS,
    WAY_PUT_DESCRIPTOR,   /* writes a GlobalTensor of 8 fp32 at argument 2 to argument 0 */
    WAY_USE_DESCRIPTOR,   /* loads by the GlobalTensor at argument 0 */
    WAY_MERGE,            /* merges two lists; their counts go to argument 0 */
    WAY_COUNT,            /* counts its calls in a variable */
    WAY_COUNT_IN_THREAD,  /* in a variable of the thread */
    WAY_SCRATCH,          /* writes a variable before it reads it */
    WAY_ARGUMENT,         /* reads argument number args[2] */
    WAY_HOST_LOAD,        /* loads from address args[2] */
    WAY_HOST_STORE,       /* stores to address args[2] */
    WAY_OWN_MEMORY,       /* stack, heap and constants */
    WAY_STORE_AND_LOAD,   /* TSTORE, then a plain load */
    WAY_STORE_WAIT_LOAD,  /* and a wait of PIPE_S between */
    WAY_PLAIN_AND_TLOAD,  /* a plain store, then TLOAD */
    WAY_PLAIN_WAIT_TLOAD, /* and a flag from PIPE_S between */
    WAY_ACROSS            /* TLOAD of args[3] words from word args[2] on */
};

#endif
