/* touch.h - what kernel_touch.c is told to do with device memory. */
#ifndef TESTS_MODULES_TOUCH_H
#define TESTS_MODULES_TOUCH_H

/* Each deed is three words: what, where, how many elements of 4 bytes. */
enum touch {
    TOUCH_LOAD,        /* TLOAD */
    TOUCH_STORE,       /* TSTORE */
    TOUCH_PLAIN_LOAD,  /* element by element */
    TOUCH_PLAIN_STORE, /* element by element */
    TOUCH_ADD,         /* TSTORE_ADD of fp32 */
    TOUCH_ADD_INT,     /* TSTORE_ADD of int32 */
    TOUCH_ABSOLUTE = 8 /* added to one of the above: where is an address, else bytes behind the first argument */
};

#endif
