/* hostile.h - what a hostile kernel or plugin can be told to do. */
#ifndef TESTS_MODULES_HOSTILE_H
#define TESTS_MODULES_HOSTILE_H

/* What needs neither instructions nor build calls. */
enum hostile_act {
    HOSTILE_NONE = 0,
    HOSTILE_SEGV,         /* write to address 16 */
    HOSTILE_BUS,          /* raise SIGBUS */
    HOSTILE_FPE,          /* divide by 0 */
    HOSTILE_ILL,          /* an instruction that the processor does not have */
    HOSTILE_TRAP,         /* a breakpoint */
    HOSTILE_ABORT,        /* abort() */
    HOSTILE_OVERFLOW,     /* recursion without end in small frames */
    HOSTILE_STEP_OVER,    /* recursion without end in frames of 64 KiB of which one byte is touched */
    HOSTILE_SMASH,        /* overwrite the frames of its callers */
    HOSTILE_SPIN,         /* a loop without end in its own code */
    HOSTILE_PAUSE,        /* a loop without end in a system call */
    HOSTILE_MALLOC,       /* a loop without end that allocates and frees host memory */
    HOSTILE_CLOSE,        /* close every descriptor behind the standard streams */
    HOSTILE_SLEEP,        /* one sleep of an hour */
    HOSTILE_EXIT,         /* exit(3) */
    HOSTILE_EXIT_NOW,     /* _exit(3) */
    HOSTILE_EXIT_QUICK,   /* quick_exit(3) */
    HOSTILE_END_THREAD,   /* pthread_exit */
    HOSTILE_END_TASK,     /* a bare system call exit, which ends the thread alone */
    HOSTILE_BLOCK_SPIN,   /* block all signals, then a loop without end in its own code */
    HOSTILE_BLOCK_SEGV,   /* block all signals, then write to address 16 */
    HOSTILE_IGNORE_SPIN,  /* ignore every signal that can be, then a loop without end */
    HOSTILE_RAW_SPIN,     /* block all signals by a bare system call, then a loop without end: its thread is lost */
    HOSTILE_KILL,         /* raise(SIGKILL) */
    HOSTILE_TERMINATE,    /* send SIGTERM to its process */
    HOSTILE_SEND_SEGV,    /* send SIGSEGV to its process */
    HOSTILE_EXEC,         /* put another program in the place of the process */
    HOSTILE_EXIT_GROUP,   /* syscall(SYS_exit_group, 3) */
    HOSTILE_IGNORE_SEGV,  /* ignore SIGSEGV, then write to address 16 */
    HOSTILE_NO_STACK,     /* disable the signal stack, then recursion without end */
    HOSTILE_THREAD,       /* start a thread that writes to address 16 */
    HOSTILE_LIBRARY,      /* the same, by a function of another library */
    HOSTILE_TGKILL,       /* send SIGKILL to its own thread */
    HOSTILE_QUEUE,        /* the same by pthread_sigqueue */
    HOSTILE_PIDFD,        /* send SIGKILL to its process by a descriptor */
    HOSTILE_ERRX,         /* errx(3, ...), which prints and exits */
    HOSTILE_SIGWAIT,      /* take every signal that arrives, without end */
    HOSTILE_SIGSUSPEND,   /* wait with all signals blocked, without end */
    HOSTILE_SIGSETMASK,   /* block all signals by an old function, then a loop without end */
    HOSTILE_ERROR_AT,     /* error_at_line(3, ...), which prints and exits */
    HOSTILE_STOP,         /* raise(SIGSTOP) */
    HOSTILE_CONTEXT,      /* end a context that has no next one, which exits */
    HOSTILE_CONTEXT_SEGV, /* write to address 16 on a stack of its own */
    HOSTILE_JUMP,         /* jump into a frame that has ended, and write to address 16 there */
    HOSTILE_DEADLOCK,     /* wait for a lock that it holds */
    HOSTILE_LIST_SPIN,    /* a loop without end in a function that the loader calls under its lock */
    HOSTILE_LIST_SEGV,    /* write to address 16 there */
    HOSTILE_REPLACE,      /* put another file in the place of every descriptor behind the standard streams */
    HOSTILE_PIPE,         /* unblock all signals, and write into a pipe that nobody reads */
    HOSTILE_POINTERS,     /* give libc pointers into its own object */
    HOSTILE_CHILDREN,     /* end the processes that this one has started, and take their ends */
    /* From here to the end: demand that the calls fail. */
    HOSTILE_LIMITS,    /* allow no descriptors, a mebibyte of addresses, files of no bytes */
    HOSTILE_HANDLERS,  /* put a handler of its own on each signal */
    HOSTILE_TIMER,     /* start timers that send signals */
    HOSTILE_FORK,      /* start copies of the process */
    HOSTILE_OWN_PAGES, /* take the pages of its own code away */
    HOSTILE_UNLOAD,    /* close its own shared object */
    HOSTILE_PAGES,     /* take pages of the stack, the heap and device memory away; give its own back */
    HOSTILE_SETTINGS,  /* change settings of the process and of its thread */
    HOSTILE_DETACH,    /* detach its thread, and let the system forget what libc keeps of it */
    HOSTILE_AT_END,    /* register functions for the end of threads and of the process */
    HOSTILE_AT_EXIT,   /* register functions by atexit that crash, and that end their thread */
    HOSTILE_ASYNC,     /* let descriptors send signals */
    HOSTILE_NOTIFY,    /* let work that ends send signals */
    HOSTILE_OLD,       /* handlers by functions of System V */
    HOSTILE_CALLBACKS, /* give libc functions of its own object */
    HOSTILE_KEYS,      /* delete others' keys of thread-local data */
    HOSTILE_CLOSE_LIB, /* close libraries that it has not opened */
    HOSTILE_LOCK,      /* lock memory, and set an old limit */
    HOSTILE_SCHEDULE,  /* change processors and priority of others' threads */
    HOSTILE_ACTS,
    HOSTILE_OWN = 100 /* from here on: the kernel's, the plugin's own */
};

#endif
