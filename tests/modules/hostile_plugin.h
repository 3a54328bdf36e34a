/* hostile_plugin.h - what hostile_plugin.c can be told to do beside enum hostile_act. */
#ifndef TESTS_MODULES_HOSTILE_PLUGIN_H
#define TESTS_MODULES_HOSTILE_PLUGIN_H

#include "hostile.h"

enum hostile_plugin_act {
    PLUGIN_ALLOC = HOSTILE_OWN, /* allocate until it fails, then return 0 */
    PLUGIN_ALLOC_ON,            /* allocate and never look */
    PLUGIN_ALLOC_FREE,          /* allocate and free, for ever */
    PLUGIN_ALLOC_NOTHING,       /* allocate 0 bytes */
    PLUGIN_ALLOC_ALL,           /* allocate SIZE_MAX bytes */
    PLUGIN_FREE_WILD,           /* free an address that was never allocated */
    PLUGIN_FREE_TWICE,
    PLUGIN_ADD,                 /* add tasks until it fails, then return 0 */
    PLUGIN_ADD_ON,              /* add tasks and never look */
    PLUGIN_ADD_PUBLISH,         /* add and publish tasks, for ever */
    PLUGIN_EDGE_ON,             /* add one edge again and again */
    PLUGIN_EDGE_COMPLETE,       /* add one edge from a complete task again and again */
    PLUGIN_WAIT_ON,             /* wait for a task that is complete, for ever */
    PLUGIN_ARGS_NULL,           /* add a task with 3 arguments at address 0 */
    PLUGIN_ARGS_WILD,           /* ... at address 16 */
    PLUGIN_ARGS_NEGATIVE,       /* add a task with -1 arguments */
    PLUGIN_DESCRIBE_NULL,       /* add a task by a description at address 0 */
    PLUGIN_DESCRIBE_WILD,       /* ... whose parts are at address 16 */
    PLUGIN_DESCRIBE_MANY,       /* ... which has 2^32 - 1 parts */
    PLUGIN_KERNEL_ADDR,         /* add a task with a kernel address that belongs to no kernel */
    PLUGIN_FAIL_WILD,           /* fail() with a string at address 16 */
    PLUGIN_MARK_WILD,           /* mark() with a file name at address 16, then two tasks in a cycle */
    PLUGIN_THREAD,              /* add a task from another thread */
    PLUGIN_NESTED,              /* add a task from inside add_task */
    PLUGIN_KERNEL_BUILDS,       /* hand the build calls to a task */
    PLUGIN_KERNEL_BUILDS_LATER, /* ... that runs when the entry has returned */
    PLUGIN_AFTER,               /* add a task when the plugin is closed; 0 */
    PLUGIN_CALL_KERNEL,         /* call a kernel by its address */
    PLUGIN_COPY_OUTSIDE,        /* host: copy to device memory that is not allocated */
    PLUGIN_RECORD_OUTSIDE,      /* host: have device memory copied back that is not allocated */
    PLUGIN_RECORD_WILD,         /* host: have device memory copied back to address 16 */
    PLUGIN_ACTS
};

#endif
