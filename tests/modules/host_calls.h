/* host_calls.h - what modules/host_calls.c is asked to do: the first word of its first tensor. The second word: n. */
#ifndef TESTS_MODULES_HOST_CALLS_H
#define TESTS_MODULES_HOST_CALLS_H

enum host_calls {
    HOST_CALLS_PUBLISH,      /* add n tasks of kernel 0 that visit word i, and publish each by hand */
    HOST_CALLS_OTHER_THREAD, /* on the host: call from a thread of the plugin's own, the n-th call of host_api */
    HOST_CALLS_LATE,         /* on the host: call copy_to_device from a destructor */
    HOST_CALLS_COPY,         /* on the host: copy the first tensor's n words to the device and back */
    HOST_CALLS_COPY_ENDLESS, /* the same, again and again */
    HOST_CALLS_FREE_NOTHING, /* free NULL on line 4000, then add a task of no kernel without a mark */
    HOST_CALLS_FREE_TENSOR   /* aicpu_build_graph: free the first tensor */
};

#endif
