/*
 * tilegraph/tilegraph.h - the host's side: open a device, load a program, run it on tensors, read back.
 *
 *     struct tg_device *device;                 a device of a platform
 *     struct tg_program *program;               its kernels and its orchestration plugin
 *     struct tg_run *run;                       one launch: tensors in, tensors out
 *
 *     tg_device_open(&config, &device);
 *     tg_program_open(device, &program);
 *     tg_program_add_kernel(program, 0, TG_AIC, "aic_qk_matmul", bytes, n_bytes);  ... one call a kernel
 *     tg_program_set_orchestration(program, bytes, n_bytes, "orchestration");
 *     tg_run_open(program, &run_config, tensors, n_tensors, &run);
 *     tg_run_wait(run);                         outputs are in the tensors' memory
 *     tg_run_result(run, &result);
 *     tg_run_close(run); tg_program_close(program); tg_device_close(device);
 *
 * Errors    Calls return a status; tg_last_message() has the details. A call that fails leaves nothing behind. Out
 *           parameters and output tensors are unchanged, and the device can take the next run.
 * Threads   A device and everything opened on it belong to one thread at a time. Different devices are independent.
 * Process   All devices of a process share the log sink (tg_log_to), the dynamic loader, and, while a run waits with
 *           catch_faults, the signal handlers.
 * Versions  A program keeps working with a later library of the same soname. Structures that a caller allocates begin
 *           with their size, or are passed with it; the inline functions of this header fill it in. The library uses
 *           defaults for the fields that a shorter structure lacks. It accepts a longer structure if the fields that it
 *           does not know are zero; otherwise it refuses the structure by name (docs/host-api.md#versions).
 */
#ifndef TILEGRAPH_TILEGRAPH_H
#define TILEGRAPH_TILEGRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <tilegraph/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TG_API __attribute__((visibility("default")))

#define TG_VERSION "0.2.0"
#define TG_VERSION_NUMBER 200u /* major * 10000 + minor * 100 + patch */

/* TG_VERSION_NUMBER of the library that is loaded. Any thread. */
TG_API uint32_t tg_version(void);

/*
 * Every status: name, value, exit code of the command line, sentence, hint. Values are stable.
 *
 * Exit codes 0 to 4: pass, mismatch, usage or input, finding of a check, deadlock. Exit codes 5 to 8: capacity, device
 * or kernel fault, platform not available, program does not load.
 */
#define TG_STATUSES(X)                                                                                                 \
    X(OK, 0, 0, "success", "")                                                                                         \
    X(ERR_MISMATCH, 1, 1, "the result differs from the reference", "compare the kernels with the golden step by step") \
    X(ERR_ARGUMENT, 2, 2, "an argument is out of its range", "the message names it and what is allowed")               \
    X(ERR_FILE, 3, 2, "a file cannot be read or written", "check the path and the file's format")                      \
    X(ERR_ORCHESTRATION, 4, 2, "the orchestration reported failure", "its message says which input it refuses")        \
    X(ERR_UNKNOWN_FUNC, 5, 2, "a task names a kernel that is not registered", "register the func_id in the program")   \
    X(ERR_CORE_TYPE, 6, 2, "a kernel is dispatched to a core of the other kind", "use the kernel's own core type")     \
    X(ERR_EDGE, 7, 2, "an edge is not possible", "add edges between existing tasks before `to` is published")          \
    X(ERR_PUBLISH, 8, 2, "a task cannot be published", "publish each added task once")                                 \
    X(ERR_MISUSE, 9, 2, "a build call is not allowed here", "call only from the entry function, on its own thread")    \
    X(ERR_DEADLOCK_CYCLE, 10, 4, "tasks wait for each other in a cycle", "remove one edge of the cycle")               \
    X(ERR_DEADLOCK_UNPUBLISHED, 11, 4, "a task was never published", "call publish_task for it")                       \
    X(ERR_DEADLOCK_WAIT, 12, 4, "the builder waits for a task that cannot complete", "publish what it depends on")     \
    X(ERR_MEMORY, 13, 5, "out of host memory", "use a smaller problem or a smaller window")                            \
    X(ERR_DEVICE_MEMORY, 14, 5, "out of device memory", "use smaller tensors or raise gm_bytes")                       \
    X(ERR_TOO_MANY_ARGS, 15, 5, "a task has too many arguments", "pass a device address of a struct instead")          \
    X(ERR_TILE, 16, 6, "a tile instruction breaks a rule", "the message names kernel, instruction, tile and rule")     \
    X(ERR_KERNEL_FAULT, 17, 6, "a kernel crashed", "run it under a debugger with the same seeds")                      \
    X(ERR_KERNEL_TIMEOUT, 18, 6, "a kernel did not return", "look for an endless loop; raise kernel_limit_ms")         \
    X(ERR_PLUGIN_FAULT, 19, 6, "the orchestration plugin crashed", "run it under a debugger")                          \
    X(ERR_PLUGIN_TIMEOUT, 20, 6, "the orchestration plugin did not return", "look for an endless loop")                \
    X(ERR_PLATFORM, 21, 7, "the platform is not available", "choose one of those that the message lists")              \
    X(ERR_LOAD, 22, 8, "bytes are not a shared object for this computer", "compile with -shared -fPIC for this CPU")   \
    X(ERR_SYMBOL, 23, 8, "a shared object lacks its entry function", "export the function that the message names")     \
    X(ERR_ABI, 24, 8, "a shared object was built against other tilegraph headers", "rebuild it")                       \
    X(ERR_GLOBAL_MEMORY, 25, 6, "device memory is used outside an allocation", "check the address and the sizes")      \
    X(ERR_CHECK, 26, 3, "a check found something", "each finding says what, where, and how to mend it")                \
    X(ERR_CANCELLED, 27, 2, "the run was cancelled", "somebody called tg_run_cancel")                                  \
    X(ERR_CACHE_FULL, 28, 5, "the KV cache is full", "release sequences and call again; the message says how much")

enum tg_status {
#define TG_STATUS_VALUE(name, value, exit_code, sentence, hint) TG_##name = value,
    TG_STATUSES(TG_STATUS_VALUE)
#undef TG_STATUS_VALUE
};

/* The name ("TG_ERR_EDGE"), sentence, hint and exit code of a status. Never NULL; an invalid value gets "unknown" and
 * exit code 6. Any thread. */
TG_API const char *tg_status_name(enum tg_status status);
TG_API const char *tg_status_text(enum tg_status status);
TG_API const char *tg_status_hint(enum tg_status status);
TG_API int tg_status_exit_code(enum tg_status status);

/* Details of this thread's last failing call, with names and numbers; "" if none failed. Valid until this thread's next
 * call into the library. */
TG_API const char *tg_last_message(void);

/* The one of n_names names that somebody may have meant who typed `given`; NULL: none is close. Case does not count.
 * For messages: "unknown option '--versoin': did you mean --version?". Any thread. */
TG_API const char *tg_nearest_name(const char *given, const char *const *names, size_t n_names);

/* ---- log -------------------------------------------------------------------------------------------------------- */

enum tg_log_level { TG_LOG_SILENT = 0, TG_LOG_ERROR, TG_LOG_WARN, TG_LOG_INFO, TG_LOG_DEBUG };

/* Receive every line of level `level` and of more urgent levels; NULL stops. Default: no sink. The library itself does
 * not print, except for print_runtime of orchestration.h, which a plugin calls.
 * `line` has no newline and is borrowed for the call. One sink per process; set it while no run is open. */
typedef void tg_log_fn(void *context, enum tg_log_level level, const char *line);
TG_API void tg_log_to(tg_log_fn *sink, void *context, enum tg_log_level level);

/* ---- device ------------------------------------------------------------------------------------------------------ */

/* The platforms of this build, separated by spaces: "a2a3sim cpu". tg_device_open gives the reason when it refuses a
 * known platform that this build does not offer. */
TG_API const char *tg_platforms(void);

struct tg_device;

struct tg_device_config {
    size_t size;              /* of the structure, set by tg_device_config_init */
    const char *platform;     /* "a2a3sim" or "cpu". "a2a3sim" */
    uint64_t gm_bytes;        /* device memory, reserved, not resident. 0: 64 GiB; half of it, a quarter and so on where
                             the system lacks addresses. 0 */
    const char *machine_file; /* a2a3sim: figures of another machine (docs/simulator.md); NULL: an A2/A3. NULL */
    uint32_t workers;         /* cpu: threads that run tasks. Without catch_faults the thread that waits for the run is
                             one of them. May exceed the number of processors. 0: one for each processor that this
                             process may use. 0 */
    bool pin;                 /* cpu: bind each worker to its own processor during a run. true */
    bool catch_faults; /* run kernels and plugins on threads of the library. Turn SIGSEGV, SIGBUS, SIGFPE, SIGILL,
                             SIGABRT, SIGTRAP and SIGSYS there, endless loops, and the end of such a thread, into a
                             status (docs/hostile.md). While a run waits, the process has handlers for these signals
                             and for SIGURG or a real-time signal; they are chained and restored. false: a fault of a
                             kernel or plugin hits the process. Off by default; the command line turns it on. */
    const char *isa;   /* the highest instruction set that tiles may use: "portable", "avx2", "avx512", "avx512bf16",
                             "amx". NULL: the value of the environment variable TG_ISA, or the highest of this
                             computer. NULL */
};

/* Fill in the defaults; config->size says how many bytes there are. TG_ERR_ARGUMENT: the size is smaller than the first
 * version's. */
TG_API enum tg_status tg_device_config_fill(struct tg_device_config *config);
static inline void tg_device_config_init(struct tg_device_config *config)
{
    config->size = sizeof *config;
    tg_device_config_fill(config);
}

/*
 * Open a device. Several may be open in one process.
 *
 * Owns      *out until tg_device_close; config is copied.
 * Errors    TG_ERR_PLATFORM   unknown or not offered; the message lists those that are
 *           TG_ERR_FILE, TG_ERR_ARGUMENT   machine_file cannot be read, or a line of it makes no sense
 *           TG_ERR_ARGUMENT   isa or TG_ISA names no instruction set; config was not initialised, or is of a later
 *                             version and sets a field that this library does not know
 *           TG_ERR_MEMORY     no address space for gm_bytes
 */
TG_API enum tg_status tg_device_open(const struct tg_device_config *config, struct tg_device **out);

/* A device, as tg_device_info describes it. */
struct tg_device_info {
    size_t size;           /* of the structure; the library fills that many bytes */
    uint32_t n_blocks;     /* of 1 AIC and 2 AIV: the upper limit of block_dim. 0: the device has workers instead */
    uint32_t n_workers;    /* threads that run the device's tasks. 0: the device has blocks of cores instead */
    const char *isa;       /* instruction set with which this computer executes tiles: "portable", "avx2", "avx512",
                              * "avx512bf16" or "amx" */
    uint64_t gm_bytes;     /* device memory, as it was reserved */
    uint64_t bytes_in_use; /* allocated now. 0 when every run is closed and every tg_device_malloc is freed */
    uint64_t peak_bytes;   /* high-water mark of bytes_in_use since the last run was opened */
};

/* Describe the device. `isa` stays until tg_device_close. TG_ERR_ARGUMENT: a pointer is NULL, or info->size is too
 * small; *info is unchanged. Any thread. */
TG_API enum tg_status tg_device_get_info(const struct tg_device *device, struct tg_device_info *info);
static inline enum tg_status tg_device_info(const struct tg_device *device, struct tg_device_info *info)
{
    info->size = sizeof *info;
    return tg_device_get_info(device, info);
}

/* Short forms for one field of a device that is open: n_blocks, n_workers, isa. NULL gives 0 and "". */
TG_API uint32_t tg_device_blocks(const struct tg_device *device);
TG_API uint32_t tg_device_workers(const struct tg_device *device);
TG_API const char *tg_device_isa(const struct tg_device *device);

/* Write the figures of the built-in A2/A3 to `path`, each with unit, confidence and source. Copy and change the file to
 * get a machine_file. TG_ERR_FILE. */
TG_API enum tg_status tg_machine_write(const char *path);

/* Close the device. Handles may be closed in any order: programs and runs keep the state that they need until the last
 * of them is closed. NULL is allowed. */
TG_API void tg_device_close(struct tg_device *device);

/* Device memory that outlives a run; the tensors of a run do not need it. Fresh memory reads as 0xFF bytes, and takes
 * host memory when it is written. tg_device_free takes addresses of tg_device_malloc only: neither a run's tensors nor
 * the memory of a plugin.
 * Errors    TG_ERR_ARGUMENT (bytes is 0), TG_ERR_DEVICE_MEMORY; copies and free: TG_ERR_GLOBAL_MEMORY. */
TG_API enum tg_status tg_device_malloc(struct tg_device *device, uint64_t bytes, tg_address *address);
TG_API enum tg_status tg_device_free(struct tg_device *device, tg_address address);
TG_API enum tg_status tg_copy_to_device(struct tg_device *device, tg_address address, const void *host, uint64_t bytes);
TG_API enum tg_status tg_copy_from_device(struct tg_device *device, void *host, tg_address address, uint64_t bytes);

/* Short form: bytes_in_use of tg_device_info. Any thread may call it at any time. NULL gives 0. */
TG_API uint64_t tg_device_bytes_in_use(const struct tg_device *device);

/* ---- program ----------------------------------------------------------------------------------------------------- */

struct tg_program;

TG_API enum tg_status tg_program_open(struct tg_device *device, struct tg_program **out);
TG_API void tg_program_close(struct tg_program *program);

/*
 * Register a kernel under func_id (0 to 65535). Allowed while runs of the program are open: a graph that is built keeps
 * its kernels, and a graph that is built later sees this kernel.
 *
 * bytes is a shared object that exports `void kernel_entry(int64_t *)`. A child process opens it first, so that an
 * object that crashes or hangs on opening does no harm here.
 * Owns      copies name and bytes; the caller may free both at once.
 * Errors    TG_ERR_LOAD, TG_ERR_SYMBOL, TG_ERR_ABI; TG_ERR_ARGUMENT: func_id out of range or taken, core type unknown
 */
TG_API enum tg_status tg_program_add_kernel(struct tg_program *program, int func_id, enum tg_core_type core_type,
                                            const char *name, const void *bytes, size_t n_bytes);

/* Embed the orchestration plugin: a shared object and the name of its entry function. Each run opens it once, on the
 * device (aicpu_build_graph) or on the host (host_build_graph). Open runs keep the plugin that they were opened with.
 * Ownership and errors are as above. */
TG_API enum tg_status tg_program_set_orchestration(struct tg_program *program, const void *bytes, size_t n_bytes,
                                                   const char *function_name);

/* ---- run --------------------------------------------------------------------------------------------------------- */

enum tg_runtime_kind { TG_AICPU_BUILD_GRAPH = 0, TG_HOST_BUILD_GRAPH = 1 };
enum tg_build_mode { TG_BUILD_CONCURRENT = 0, TG_BUILD_SEQUENTIAL = 1 };
enum tg_direction { TG_IN = 0, TG_OUT = 1, TG_INOUT = 2, TG_RESIDENT = 3 };

/* Store the runtime named `name` ("aicpu_build_graph", "host_build_graph") in *out. TG_ERR_ARGUMENT: unknown, or known
 * and not offered; the message lists the runtimes on offer. */
TG_API enum tg_status tg_runtime_by_name(const char *name, enum tg_runtime_kind *out);

/*
 * A tensor that the program works on, in the caller's memory.
 *
 * TG_IN is copied to the device before the run. TG_INOUT is also copied back after it. TG_OUT is filled with 0xFF bytes
 * (NaN in every float type) on the device, so that an unwritten element shows. It is copied back after a successful
 * run. data is borrowed until tg_run_close.
 *
 * TG_RESIDENT is in device memory already: data is an address inside an allocation of tg_device_malloc, `bytes` from
 * there belong to that allocation, and the run uses them in place. Nothing is copied. aicpu_build_graph only.
 */
struct tg_tensor {
    const char *name; /* for messages; borrowed until tg_run_close */
    void *data;
    uint64_t bytes;     /* > 0 */
    uint64_t elements;  /* the count of the first tensor is the last word of orch_args */
    uint32_t direction; /* enum tg_direction */
};

/*
 * How a core executes its instructions (docs/checking.md): in the kernel's order, or in one of two other orders that
 * its flags and barriers allow. These two expose missing flags and barriers. Device time is the same in all three.
 */
enum tg_pipe_order {
    TG_PIPE_ORDER_PROGRAM = 0,
    TG_PIPE_ORDER_LATE, /* each result appears as late as waits and barriers allow: an early read gets old bytes */
    TG_PIPE_ORDER_EARLY /* each place is filled as early as waits allow: a late read gets overwritten bytes */
};

/* The host's statement about a part of a tensor, for the checks of a run. */
enum tg_declaration {
    TG_UNDEFINED = 0, /* the part has no contents: reading it is a finding */
    TG_READ_ONLY = 1  /* the part must not change in this run: writing it is a finding */
};

struct tg_declared {
    uint32_t tensor; /* index */
    uint32_t kind;   /* enum tg_declaration */
    uint64_t offset, bytes;
    const char *what; /* in words, for messages: "behind the context length of sequence 3"; or NULL */
};

struct tg_run_config {
    size_t size;               /* of the structure, set by tg_run_config_init */
    uint32_t runtime;          /* enum tg_runtime_kind. TG_AICPU_BUILD_GRAPH */
    uint32_t build_mode;       /* enum tg_build_mode; host_build_graph is always sequential. TG_BUILD_CONCURRENT */
    uint32_t aicpu_thread_num; /* 2 to 4, 1 to 4 with host_build_graph. 3 */
    uint32_t block_dim;        /* blocks of 1 AIC and 2 AIV, 1 to tg_device_blocks(). 24 */
    uint32_t window;           /* published, unfinished tasks before the builder waits; concurrent mode. 16384 */
    uint32_t kernel_limit_ms;  /* host time that a kernel may take, and that a plugin may take without a new task, edge
                                  or publication; needs catch_faults. 10000 */
    uint64_t schedule_seed;    /* 0: first come, first served. Others: tasks, cores and delays are drawn at random. 0 */
    uint64_t graph_bytes; /* limit of the graph's host memory; 0: half of the memory that the process can have. 0 */
    bool record;          /* record the events of the run; about 200 bytes a task. false */
    bool record_pipes;    /* with record, on a2a3sim: record each instruction of each pipe; 24 bytes each. false */
    bool keep;            /* keep the graph for tg_run_replay; needs aicpu_build_graph, sequential. false */
    bool reproducible;    /* cpu: the bytes of a2a3sim, on every instruction set. Products add their terms in its
                                  order, and on-chip memory holds NaN when a task starts. Slow. false */
    bool check;           /* look for hazards, races and wrong memory: the findings of the run. false */
    uint32_t pipe_order;  /* enum tg_pipe_order. TG_PIPE_ORDER_PROGRAM */
    uint32_t schedules;   /* run under this many seeds, from schedule_seed on, and compare the outputs. 1 */
    /* [n_declared] for the checks, without overlaps; borrowed until tg_run_close. NULL, 0 */
    const struct tg_declared *declared;
    size_t n_declared;
    size_t declared_size; /* bytes of one tg_declared, set by tg_run_config_init */
};

/* Fill in the defaults; config->size says how many bytes there are. TG_ERR_ARGUMENT: the size is smaller than the first
 * version's. */
TG_API enum tg_status tg_run_config_fill(struct tg_run_config *config);
static inline void tg_run_config_init(struct tg_run_config *config)
{
    config->size = sizeof *config;
    tg_run_config_fill(config);
    config->declared_size = sizeof *config->declared;
}

struct tg_run;

/*
 * Prepare a launch: check the configuration, allocate and fill device memory, marshal the arguments; with
 * host_build_graph call the plugin and build the graph.
 *
 * Owns      *out until tg_run_close. Borrows program and the tensors' memory until then; config is copied.
 * Errors    TG_ERR_ARGUMENT   a value out of range, or no orchestration set
 *           TG_ERR_DEVICE_MEMORY, TG_ERR_MEMORY   also for tensors that exceed the free memory of the computer, or the
 *                             control group's limit; nothing was copied then
 *           host_build_graph: the failure of the plugin or of its build calls. With check the run opens all the same,
 *                             so that it can report its findings; tg_run_wait then fails
 */
static inline enum tg_status tg_run_open(struct tg_program *program, const struct tg_run_config *config,
                                         const struct tg_tensor *tensors, size_t n_tensors, struct tg_run **out);

/* The same; tensor_size is the size of a struct tg_tensor in bytes. */
TG_API enum tg_status tg_run_open_sized(struct tg_program *program, const struct tg_run_config *config,
                                        const struct tg_tensor *tensors, size_t tensor_size, size_t n_tensors,
                                        struct tg_run **out);
static inline enum tg_status tg_run_open(struct tg_program *program, const struct tg_run_config *config,
                                         const struct tg_tensor *tensors, size_t n_tensors, struct tg_run **out)
{
    return tg_run_open_sized(program, config, tensors, sizeof *tensors, n_tensors, out);
}

/*
 * Launch and wait until every task is complete, then copy the outputs back. Once per run.
 *
 * Blocks    until the run has ended; a2a3sim simulates on the calling thread.
 * Errors    the program's first error; output tensors are unchanged then. TG_ERR_ARGUMENT: called before.
 *           TG_ERR_CHECK: the run was checked, or compared with other schedules, and there are findings. A run that
 *           reached its end has copied its outputs back; for a failed run the message says why.
 */
TG_API enum tg_status tg_run_wait(struct tg_run *run);

/*
 * Launch on a thread of the library and return at once. Once per run. tg_run_wait then does not launch: it waits for
 * the end and returns how the run ended.
 *
 * Threads   Until tg_run_wait has returned, the device and everything opened on it belong to the library. The caller
 *           may call tg_run_poll and tg_run_cancel only.
 * Errors    TG_ERR_ARGUMENT: launched before. TG_ERR_MEMORY: no thread; the run can still be launched.
 */
TG_API enum tg_status tg_run_submit(struct tg_run *run);

/* Has a submitted run ended? Then tg_run_wait does not block. false before the launch. Any thread; never blocks. */
TG_API bool tg_run_poll(const struct tg_run *run);

/* Another value for an argument of a task. */
struct tg_argument {
    int32_t task_id;
    uint32_t index; /* of the argument, below the task's number of arguments */
    uint64_t value;
};

/*
 * Run the graph of a successful run once more, without building it. Tensors are copied to the device again, and TG_OUT
 * is poisoned again. The n_changes arguments get their new values for this replay and later ones. Outputs are copied
 * back. tg_run_result and the record then describe this replay. Any number of times.
 *
 * Blocks    as tg_run_wait
 * Errors    as tg_run_wait; TG_ERR_ARGUMENT   the run was opened without keep, not waited for, or failed; or a change
 *           names a task or an index that does not exist: nothing was changed then
 */
static inline enum tg_status tg_run_replay(struct tg_run *run, const struct tg_argument *changes, size_t n_changes);

/* The same; change_size is the size of a struct tg_argument in bytes. */
TG_API enum tg_status tg_run_replay_sized(struct tg_run *run, const struct tg_argument *changes, size_t change_size,
                                          size_t n_changes);
static inline enum tg_status tg_run_replay(struct tg_run *run, const struct tg_argument *changes, size_t n_changes)
{
    return tg_run_replay_sized(run, changes, sizeof *changes, n_changes);
}

/* Let the run end soon: tg_run_wait or tg_run_replay, on another thread, fails with TG_ERR_CANCELLED, unless it has
 * failed by then. Running tasks end, no task starts, and outputs are unchanged. Runs of other schedules end as well;
 * the first run has ended by then, and its outputs are copied back (has_outputs). A run that is not launched yet is
 * cancelled at its launch. A run that has ended, and its later replays, go on unharmed. From tg_run_open to
 * tg_run_close. NULL is allowed.
 * Threads   any, also while tg_run_wait runs; a signal handler. Never blocks. */
TG_API void tg_run_cancel(struct tg_run *run);

/* Release everything of the run. A submitted run is cancelled and waited for. NULL is allowed. */
TG_API void tg_run_close(struct tg_run *run);

struct tg_run_result {
    size_t size;                /* of the structure; the library fills that many bytes */
    uint64_t n_tasks, n_edges;  /* built ones; an edge from a complete task counts too */
    uint64_t n_instructions;    /* tile instructions that kernels issued */
    uint32_t n_aic, n_aiv;      /* cores that ran at least one task */
    uint32_t window;            /* the window at the end: larger than configured if it had to grow */
    uint32_t has_outputs;       /* 1: output tensors are copied back */
    uint64_t device_ns;         /* virtual time from launch to the end of the last control thread */
    uint64_t first_start_ns;    /* start of the first task; UINT64_MAX if none started */
    uint64_t last_publish_ns;   /* publication of the last task; 0 if built on the host */
    uint64_t peak_device_bytes; /* high-water mark of device memory, the run's own tensors included */
    uint64_t peak_graph_bytes;  /* high-water mark of the graph's host memory */
    uint64_t host_ns;           /* host time that tg_run_wait took */
    uint64_t n_findings;        /* of the checks, told apart; 0 without check */
};

/* The figures of a run. After tg_run_wait, whether it succeeded or not. TG_ERR_ARGUMENT: result->size is too small. */
TG_API enum tg_status tg_run_get_result(const struct tg_run *run, struct tg_run_result *result);
static inline enum tg_status tg_run_result(const struct tg_run *run, struct tg_run_result *result)
{
    result->size = sizeof *result;
    return tg_run_get_result(run, result);
}

/* The progress of a run. Allocated by the library: later versions may add fields at its end. */
struct tg_progress {
    uint64_t n_complete;  /* tasks */
    uint64_t n_published; /* tasks so far; a builder on the device may publish more */
    uint64_t device_ns;   /* the device's time */
};
typedef void tg_progress_fn(void *context, const struct tg_progress *progress);

/* Let tg_run_wait call fn about every 100 ms of host time; NULL stops. `progress` is borrowed for the call. fn runs on
 * the waiting thread and must not call the library. Before tg_run_wait. */
TG_API void tg_run_on_progress(struct tg_run *run, tg_progress_fn *fn, void *context);

/* ---- what checks found -------------------------------------------------------------------------------------------
 * A run that is opened with check observes every instruction and every access to device memory: docs/checking.md. */

/* Every kind of finding: its code and meaning. The names are stable. */
#define TG_FINDINGS(X)                                                                                                 \
    X(PIPE_RAW, "an instruction reads what another may not have written yet")                                          \
    X(PIPE_WAR, "an instruction overwrites what another may not have read yet")                                        \
    X(PIPE_WAW, "an instruction overwrites what another may not have written yet")                                     \
    X(FLAG_NO_SET, "a wait_flag for which nothing has set the flag")                                                   \
    X(FLAG_SET_TWICE, "a flag is set while it is set")                                                                 \
    X(FLAG_LEFT, "a flag is still set when its kernel ends")                                                           \
    X(TILE_UNWRITTEN, "an instruction reads bytes of a buffer that its kernel has not written")                        \
    X(TILE_CLOBBERED, "an instruction reads bytes that were last written as part of another tile")                     \
    X(TILE_RULE, "an instruction breaks a rule of its operands")                                                       \
    X(SCHEDULE_DIFFERENCE, "the output depends on the schedule")                                                       \
    X(TASK_RACE, "two tasks use the same bytes, one of them writes, and no edges order them")                          \
    X(BUILDER_RACE, "the orchestration and a task use the same bytes, and nothing orders them")                        \
    X(GM_OUTSIDE, "device memory is used outside an allocation")                                                       \
    X(GM_FREED, "device memory is used after it was freed")                                                            \
    X(GM_HOST_ADDRESS, "an address of the host is used on the device")                                                 \
    X(GM_UNWRITTEN, "bytes of device memory are read that nobody has written")                                         \
    X(GM_READ_ONLY, "bytes are written that the host has declared to be read only")                                    \
    X(OUTPUT_UNWRITTEN, "bytes of an output were never written")                                                       \
    X(KERNEL_NOT_DRAINED, "a kernel returns while a pipe may still be at work for it")                                 \
    X(GM_FROM_HOST, "a program on the host uses device memory by plain loads and stores")                              \
    X(ARGUMENT_MISSING, "a kernel uses an argument that its task does not have")                                       \
    X(KERNEL_STATE, "a kernel reads from its variables what another task has left there")                              \
    X(LINE_RACE, "plain stores write back a line of the cache that another task writes, and no edges order them")      \
    X(TILE_OVERLAP, "operands of one instruction share bytes in a way that it does not allow")                         \
    X(STORE_OVERLAP, "a store writes some bytes twice, in no order")                                                   \
    X(STORE_NOT_FLUSHED, "a plain store stays in the core's cache, and nobody else sees it")                           \
    X(TILE_INDEX, "an index of TGATHER or TSCATTER is outside of the tile that it is for")

enum tg_finding_code {
#define TG_FINDING_VALUE(name, text) TG_FINDING_##name,
    TG_FINDINGS(TG_FINDING_VALUE)
#undef TG_FINDING_VALUE
};

/* The name ("PIPE_RAW") and meaning of a code; "unknown" for an invalid value. Any thread. */
TG_API const char *tg_finding_name(enum tg_finding_code code);
TG_API const char *tg_finding_text(enum tg_finding_code code);

/* One finding. Texts are never NULL and are borrowed until tg_run_close. */
struct tg_finding {
    size_t size; /* of the structure; the library fills that many bytes */
    enum tg_finding_code code;
    uint64_t count;    /* how often it happened */
    const char *what;  /* the defect, with places in the source and bytes */
    const char *where; /* where it happened first: task, kernel, core */
    const char *mend;  /* how to correct it */
};

/* The findings of a run in the order of their discovery; 0 without check. At most 1000 are told apart. After
 * tg_run_wait, whether it succeeded or not. tg_run_n_findings is the short form of n_findings in tg_run_result; NULL
 * gives 0.
 * Errors    TG_ERR_ARGUMENT: `idx` is not below tg_run_n_findings, all texts are empty then; out->size is too small */
TG_API size_t tg_run_n_findings(const struct tg_run *run);
TG_API enum tg_status tg_run_get_finding(const struct tg_run *run, size_t idx, struct tg_finding *out);
static inline enum tg_status tg_run_finding(const struct tg_run *run, size_t idx, struct tg_finding *out)
{
    out->size = sizeof *out;
    return tg_run_get_finding(run, idx, out);
}

/*
 * The proof that the device-memory accesses of a checked run give (docs/checking.md).
 *
 * A pair is two tasks that use the same bytes, at least one of them writing, without a third task's write to these
 * bytes in between. Two tasks that only add (TSTORE_ADD) numbers of one type are not a pair: additions are atomic and
 * commute. Each addition rounds a floating-point sum, so without an order its last bits depend on the schedule; n_sums
 * counts such additions. If edges order all pairs and n_sums is 0, each task reads the same bytes in every schedule of
 * this graph. The plain loads and stores of objects that were compiled without TG_CHECKED (access.h) are not observed;
 * n_unseen counts these objects.
 */
struct tg_proof {
    size_t size; /* of the structure; the library fills that many bytes */
    uint64_t n_tasks;
    uint64_t n_pairs;              /* of tasks; each counts once */
    uint64_t n_unordered;          /* conflicts that no path of edges orders, those with the orchestration included */
    uint64_t check_bytes;          /* high-water mark of the host memory of the memory checks */
    uint32_t n_unseen;             /* objects (kernels, the orchestration) whose plain accesses are not observed */
    uint32_t schedule_independent; /* 1: the run has ended, all pairs are ordered, and n_sums is 0 */
    uint64_t n_sums;               /* additions to floating-point sums that no edge orders after the one before */
};

/* Zeros without check. After tg_run_wait. TG_ERR_ARGUMENT: proof->size is too small. */
TG_API enum tg_status tg_run_get_proof(const struct tg_run *run, struct tg_proof *proof);
static inline enum tg_status tg_run_proof(const struct tg_run *run, struct tg_proof *proof)
{
    proof->size = sizeof *proof;
    return tg_run_get_proof(run, proof);
}

/* Edges of a checked run that no conflict needs. All of them can go at once: the other edges still order every
 * conflict. */
struct tg_spare_edges {
    size_t size;            /* of the structure; the library fills that many bytes */
    uint64_t n_edges;       /* that were added */
    uint64_t n_redundant;   /* a longer path orders their tasks */
    uint64_t n_no_conflict; /* they order no conflict */
    uint64_t device_ns;     /* time of the run as recorded; without_ns: timed again without these edges. 0: no record */
    uint64_t without_ns;
};

/*
 * Count them and, if stream is not NULL, print them: one line for similar edges, with an example. The stream's own
 * errors are left to the caller.
 *
 * Errors    TG_ERR_ARGUMENT  the run was opened without check, did not reach its end, or has unordered conflicts; or
 *                            the search takes too long in this graph
 *           TG_ERR_MEMORY
 */
TG_API enum tg_status tg_run_get_spare_edges(const struct tg_run *run, struct tg_spare_edges *out, FILE *stream);
static inline enum tg_status tg_run_spare_edges(const struct tg_run *run, struct tg_spare_edges *out, FILE *stream)
{
    out->size = sizeof *out;
    return tg_run_get_spare_edges(run, out, stream);
}

/* Print the findings, three lines each. The stream's own errors are left to the caller. */
TG_API void tg_run_print_findings(const struct tg_run *run, FILE *stream);

/* Print the proof, and the objects whose accesses are not observed; nothing without check. Errors as above. */
TG_API void tg_run_print_proof(const struct tg_run *run, FILE *stream);

/* The texts that a run offers. */
enum tg_text {
    TG_TEXT_FINDINGS = 0,
    TG_TEXT_PROOF,
    TG_TEXT_SPARE_EDGES,
    TG_TEXT_SUMMARY,
    TG_TEXT_ADVICE /* one line: what bound the run, and what would help; needs the record */
};

/* Receives a part of a text: n_bytes bytes, without a zero at their end, borrowed for the call. */
typedef void tg_text_fn(void *context, const char *bytes, size_t n_bytes);

/* The same texts as the functions that print, handed to fn in parts on the calling thread: for callers without FILE.
 * Errors    those of the function that prints the text; TG_ERR_ARGUMENT: no such text; TG_ERR_MEMORY */
TG_API enum tg_status tg_run_text(const struct tg_run *run, enum tg_text text, tg_text_fn *fn, void *context);

/* ---- the arrays of tasks ----------------------------------------------------------------------------------------
 * A run can keep the device memory that tasks read by TLOAD and write by TSTORE, on both platforms. Plain loads and
 * stores of a kernel are not seen. */

/*
 * Keep the arrays of tasks. `tasks`: task ids and names of kernels, separated by commas: "3,aiv_add". A kernel's name
 * stands for all of its tasks. Several calls add up; each launch and replay of the run keeps the arrays anew. The run
 * takes host memory for the bytes that these tasks touch, twice.
 *
 * Call between tg_run_open and the launch.
 * Errors    TG_ERR_ARGUMENT  a name that is no kernel of the program; the run was launched; pipe_order is not
 *                            TG_PIPE_ORDER_PROGRAM, where stores land after their kernel
 *           TG_ERR_MEMORY    nothing was chosen
 */
TG_API enum tg_status tg_run_keep_arrays(struct tg_run *run, const char *tasks);

/* A task whose arrays are kept. Pointers are borrowed until the next replay or tg_run_close, and never NULL. */
struct tg_kept_task {
    size_t size;               /* of the structure; the library fills that many bytes */
    const char *kernel;        /* its name */
    const int64_t *args;       /* [n_args] as the kernel got them */
    const uint8_t *is_address; /* [n_args] 1: the argument points into an allocation of device memory */
    uint32_t n_args;
    uint32_t n_arrays;
    int32_t task_id;
    uint32_t returned; /* 1: the kernel returned. 0: it failed, and its arrays are those up to there */
};

/* The bits of tg_kept_array.access. */
enum tg_array_access { TG_ARRAY_READ = 1, TG_ARRAY_WRITTEN = 2 };

/*
 * The memory of a task around one of its arguments. Rows are the contiguous runs that the task moves, if these have
 * one distance; else there is one row. Gaps of more than 1 MiB begin another array of the argument.
 *
 * Elements that are not read are 0xFF bytes in `before`; elements that are not written, in `after`. Pointers are
 * borrowed as those of tg_kept_task.
 */
struct tg_kept_array {
    size_t size;             /* of the structure; the library fills that many bytes */
    int32_t argument;        /* index of the argument that the transfers begin at, or behind; -1: no argument */
    uint32_t dtype;          /* enum tg_dtype; TG_UINT8 if the task moves several types there */
    uint32_t accesses;       /* enum tg_array_access: of all elements together */
    uint64_t address;        /* device address of element [0][0] */
    uint64_t rows, cols, ld; /* elements; ld: from row to row in device memory */
    const void *before;      /* [rows][cols] as the task found it */
    const void *after;       /* [rows][cols] as the task left it */
    const uint8_t *access;   /* [rows][cols] bits of enum tg_array_access */
};

/* The kept tasks in ascending order of their ids, and their arrays in the order of the arguments. After tg_run_wait,
 * whether it succeeded or not.
 * Errors    TG_ERR_ARGUMENT: an index is too large, or a size too small; tg_run_keep_arrays was not called, or the run
 *           not launched. TG_ERR_MEMORY: memory ran out during the run */
TG_API enum tg_status tg_run_n_kept_tasks(const struct tg_run *run, size_t *out);
TG_API enum tg_status tg_run_get_kept_task(const struct tg_run *run, size_t task_idx, struct tg_kept_task *out);
TG_API enum tg_status tg_run_get_kept_array(const struct tg_run *run, size_t task_idx, size_t array_idx,
                                            struct tg_kept_array *out);
static inline enum tg_status tg_run_kept_task(const struct tg_run *run, size_t task_idx, struct tg_kept_task *out)
{
    out->size = sizeof *out;
    return tg_run_get_kept_task(run, task_idx, out);
}
static inline enum tg_status tg_run_kept_array(const struct tg_run *run, size_t task_idx, size_t array_idx,
                                               struct tg_kept_array *out)
{
    out->size = sizeof *out;
    return tg_run_get_kept_array(run, task_idx, array_idx, out);
}

/*
 * Write kept arrays as .npy files: folder/task3.aiv_add.arg0.in.npy, .out.npy; "memory" instead of arg0 if no argument
 * points there; arg0-1 for the second array of an argument. bf16 is stored as uint16, fp8 as uint8. The folder is made
 * if it does not exist. Files of the same names are replaced.
 *
 * `tasks` chooses among the kept tasks, as in tg_run_keep_arrays.
 * Errors    those of tg_run_n_kept_tasks
 *           TG_ERR_FILE      a file cannot be written. No file of this call is left then
 *           TG_ERR_ARGUMENT  a task of `tasks` has not run; the message names it. The files of the others are written
 */
TG_API enum tg_status tg_run_write_arrays(const struct tg_run *run, const char *tasks, const char *folder);

/* ---- what happened in a run --------------------------------------------------------------------------------------
 * All of these use the record. They work after tg_run_wait; for a failed run they show the tasks that reached their
 * end.
 *
 * Errors    TG_ERR_ARGUMENT   the run was opened without record, or not waited for
 *           TG_ERR_MEMORY     for the work itself; or the record is incomplete because memory ran out during the run
 *           TG_ERR_FILE       the file cannot be written. A file is complete or not there. */

/* The parts of device time. */
enum tg_bound {
    TG_BOUND_KERNEL = 0, /* kernels at work */
    TG_BOUND_MEMORY,     /* kernels delayed because others use device memory at the same time */
    TG_BOUND_DEPENDENCY, /* kernel end to successor ready */
    TG_BOUND_SCHEDULER,  /* task ready to task started; and start and end of the run, see tg_analysis.launch_ns */
    TG_BOUND_BUILDER     /* the orchestration on its way to publish the next task */
};
enum { TG_BOUNDS = TG_BOUND_BUILDER + 1 };

/* "kernel", "memory", "dependency", "scheduler", "builder"; "unknown" for an invalid value. Any thread. */
TG_API const char *tg_bound_name(enum tg_bound bound);

/*
 * Where the time of a run went, and how long variants of it would take.
 *
 * bound_ns follows the run backwards from its end. Each step goes to the last event that the run waited for: a kernel,
 * the completion of a task, a core, the builder. So each ns of device_ns counts once.
 *
 * The last three time the recorded run again. Kernels and latencies keep their lengths; an activity starts earlier if
 * its last predecessor ends earlier. They are never longer than device_ns.
 */
struct tg_analysis {
    size_t size;                  /* of the structure; the library fills that many bytes */
    uint64_t device_ns;           /* virtual time of the run */
    uint64_t critical_path_ns;    /* longest chain of dependent kernels: no schedule is faster */
    uint64_t kernel_ns;           /* all kernels, one after the other */
    uint64_t bound_ns[TG_BOUNDS]; /* [enum tg_bound] the parts of device_ns; their sum is device_ns */
    uint32_t bound_by;            /* enum tg_bound: the largest part; launch_ns does not count */
    uint32_t n_path;              /* tasks on the path that bound_ns follows */
    double busy[2];               /* [enum tg_core_type] mean fraction of time in which a core ran a kernel, 0 to 1 */
    uint64_t unlimited_cores_ns;  /* if each task had a core of its own */
    uint64_t free_control_ns;     /* if builder and schedulers took no time */
    uint64_t free_memory_ns;      /* if kernels never delayed each other at device memory */
    uint64_t launch_ns;           /* of the scheduler's part: before anything is built, and after the last task */
};

TG_API enum tg_status tg_run_get_analysis(const struct tg_run *run, struct tg_analysis *out);
static inline enum tg_status tg_run_analyse(const struct tg_run *run, struct tg_analysis *out)
{
    out->size = sizeof *out;
    return tg_run_get_analysis(run, out);
}

/* Time that the pipes of all cores spent on a line of a kernel's source. Pipes work at the same time: the times of all
 * lines add up to more than the time of the kernels. */
struct tg_line_time {
    size_t size;             /* of the structure; the library fills that many bytes */
    const char *kernel;      /* its name. Texts are borrowed until tg_run_close, and never NULL */
    const char *file;        /* the source, as its compiler was given it */
    const char *instruction; /* of the line: the first one that did work. "TLOAD" */
    uint32_t line;
    uint64_t n_instructions;   /* that did work, in all tasks */
    uint64_t work_ns, wait_ns; /* a pipe worked for the line; a pipe waited at its wait_flag */
};

/* The lines of a recorded run on a2a3sim, most time first; 0 on cpu and without record. TG_ERR_ARGUMENT: `idx` is not
 * below tg_run_n_lines; out->size is too small. After tg_run_wait. tg_run_n_lines(NULL) is 0. */
TG_API size_t tg_run_n_lines(const struct tg_run *run);
TG_API enum tg_status tg_run_get_line(const struct tg_run *run, size_t idx, struct tg_line_time *out);
static inline enum tg_status tg_run_line(const struct tg_run *run, size_t idx, struct tg_line_time *out)
{
    out->size = sizeof *out;
    return tg_run_get_line(run, idx, out);
}

/* Print a page of text: where the time went, the load of cores, pipes and control threads, kernels, their lines,
 * longest tasks, and the times of the variants. The stream's own errors are left to the caller. */
TG_API enum tg_status tg_run_print_summary(const struct tg_run *run, FILE *stream);

/* Write a swimlane as Chrome trace JSON, which ui.perfetto.dev opens: a track for each control thread and core, a slice
 * for each task, an arrow for each edge. */
TG_API enum tg_status tg_run_write_trace(const struct tg_run *run, const char *path);

/* Write the task graph as Graphviz DOT. A graph of more than 500 tasks is folded: similar tasks in similar places
 * become one node. */
TG_API enum tg_status tg_run_write_graph(const struct tg_run *run, const char *path);

/* Write one HTML page that needs nothing else: swimlane, critical path, utilisation over time, summary. It shows the
 * kernels' sources with the time of each line, if they can be read. */
TG_API enum tg_status tg_run_write_report(const struct tg_run *run, const char *path);

/* The origin of a run, for the head of a report. Each text may be NULL, and is borrowed for the call. */
struct tg_report_head {
    size_t size;          /* of the structure, set by tg_run_write_report_with */
    const char *program;  /* "paged_attention, Case2" */
    const char *platform; /* "a2a3sim" */
    const char *date;     /* of the run */
    const char *command;  /* the command line that made the page */
};

/* The same with a head; NULL: without one. */
TG_API enum tg_status tg_run_write_headed_report(const struct tg_run *run, const char *path,
                                                 const struct tg_report_head *head);
static inline enum tg_status tg_run_write_report_with(const struct tg_run *run, const char *path,
                                                      struct tg_report_head *head)
{
    head->size = sizeof *head;
    return tg_run_write_headed_report(run, path, head);
}

#ifdef __cplusplus
}
#endif
#endif
