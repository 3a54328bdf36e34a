/*
 * Programs that misbehave. After any act of a kernel or plugin this process lives. The run fails with a status
 * that names the culprit and the act, and its memory is released. The next run on the same device works. All tests run
 * on every device.
 * docs/hostile.md is the table of these tests.
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/check.h"
#include "common/devices.h"
#include "common/script.h"
#include "modules/hostile_kernel.h"
#include "modules/hostile_plugin.h"

/* A part of a message that has to be there, or NULL for none. */
#define SAYS(part) ((part) ? (part) : "")

#define GM_BYTES (256ull << 20)

/* Bits of the modes in which a row is tried. */
enum { CONCURRENT = 1u << RIG_CONCURRENT, SEQUENTIAL = 1u << RIG_SEQUENTIAL, HOST = 1u << RIG_HOST };
enum { ON_DEVICE = CONCURRENT | SEQUENTIAL, EVERYWHERE = ON_DEVICE | HOST };

/* Under the thread sanitizer a jump cannot leave a signal handler. */
static bool is_fault(enum tg_status status)
{
    return status == TG_ERR_KERNEL_FAULT || status == TG_ERR_PLUGIN_FAULT || status == TG_ERR_KERNEL_TIMEOUT ||
           status == TG_ERR_PLUGIN_TIMEOUT;
}

static bool is_timeout(enum tg_status status)
{
    return status == TG_ERR_KERNEL_TIMEOUT || status == TG_ERR_PLUGIN_TIMEOUT;
}

/* What takes until a limit is reached: of time, of memory. */
static bool takes_long(enum tg_status status)
{
    return is_timeout(status) || status == TG_ERR_MEMORY || status == TG_ERR_DEVICE_MEMORY;
}

/* The ways of building and the devices on which to try a row. Each way with another number of workers; what takes long
 * once, for how many there are, and when the graph is built, makes no difference to a limit. */
static bool is_tried(const struct device *device, enum rig_mode mode, enum tg_status status)
{
    static const uint32_t n_workers[RIG_MODES] = {[RIG_CONCURRENT] = 2, [RIG_SEQUENTIAL] = 1, [RIG_HOST] = 16};
    if (device_is_virtual(device)) return true;
    return device->n_workers == n_workers[mode] && (mode == RIG_CONCURRENT || !takes_long(status));
}

static void open_for(struct rig *rig, const struct device *device, enum tg_status status)
{
    device_open(rig, device, GM_BYTES);
    if (is_timeout(status)) rig->config.kernel_limit_ms /= 8; /* nothing else is slow then */
}

/* When all tasks are done: no task is named. */
static bool is_seen_late(int64_t act)
{
    return act == HOSTILE_CLOSE || act == HOSTILE_REPLACE || act == HOSTILE_THREAD || act == HOSTILE_LIBRARY;
}

static bool keeps_memory(int64_t act)
{
    return act == HOSTILE_MALLOC || act == HOSTILE_LIST_SPIN || act == HOSTILE_LIST_SEGV;
}

/* ---- kernels ----------------------------------------------------------------------------------------------------- */

struct kernel_row {
    const char *name;
    int64_t act, word;
    enum tg_status status;
    const char *says;
};

static const struct kernel_row kernel_rows[] = {
    {"kernel: SIGSEGV", HOSTILE_SEGV, 0, TG_ERR_KERNEL_FAULT, "SIGSEGV at address 0x10"},
    {"kernel: SIGBUS", HOSTILE_BUS, 0, TG_ERR_KERNEL_FAULT, "SIGBUS"},
    {"kernel: SIGFPE", HOSTILE_FPE, 0, TG_ERR_KERNEL_FAULT, "SIGFPE"},
    {"kernel: SIGILL", HOSTILE_ILL, 0, TG_ERR_KERNEL_FAULT, "SIGILL"},
    {"kernel: SIGTRAP", HOSTILE_TRAP, 0, TG_ERR_KERNEL_FAULT, "SIGTRAP"},
    {"kernel: abort", HOSTILE_ABORT, 0, TG_ERR_KERNEL_FAULT, "SIGABRT"},
    {"kernel: stack overflow", HOSTILE_OVERFLOW, 0, TG_ERR_KERNEL_FAULT, "stack overflow"},
    {"kernel: stack overflow in large frames", HOSTILE_STEP_OVER, 0, TG_ERR_KERNEL_FAULT, "stack overflow"},
    {"kernel: overwrites the frames of its callers", HOSTILE_SMASH, 0, TG_ERR_KERNEL_FAULT, "SIGSEGV at address 0x"},
    {"kernel: endless loop", HOSTILE_SPIN, 0, TG_ERR_KERNEL_TIMEOUT, NULL},
    {"kernel: endless wait in a system call", HOSTILE_PAUSE, 0, TG_ERR_KERNEL_TIMEOUT, NULL},
    {"kernel: endless loop in malloc", HOSTILE_MALLOC, 0, TG_ERR_KERNEL_TIMEOUT, NULL},
    {"kernel: sleep of an hour", HOSTILE_SLEEP, 0, TG_ERR_KERNEL_TIMEOUT, "kernel_limit_ms"},
    {"kernel: exit", HOSTILE_EXIT, 0, TG_ERR_KERNEL_FAULT, "calls exit(3)"},
    {"kernel: _exit", HOSTILE_EXIT_NOW, 0, TG_ERR_KERNEL_FAULT, "calls _exit(3)"},
    {"kernel: quick_exit", HOSTILE_EXIT_QUICK, 0, TG_ERR_KERNEL_FAULT, "calls quick_exit(3)"},
    {"kernel: pthread_exit", HOSTILE_END_THREAD, 0, TG_ERR_KERNEL_FAULT, "calls pthread_exit"},
    {"kernel: system call that ends the thread", HOSTILE_END_TASK, 0, TG_ERR_KERNEL_FAULT, "ends its thread"},
    {"kernel: endless loop with all signals blocked", HOSTILE_BLOCK_SPIN, 0, TG_ERR_KERNEL_TIMEOUT, "kernel_limit_ms"},
    {"kernel: crash with all signals blocked", HOSTILE_BLOCK_SEGV, 0, TG_ERR_KERNEL_FAULT, "SIGSEGV at address 0x10"},
    {"kernel: endless loop with signals ignored", HOSTILE_IGNORE_SPIN, 0, TG_ERR_KERNEL_TIMEOUT, "kernel_limit_ms"},
    {"kernel: endless loop of cheap instructions", KERNEL_SPIN_LIGHT, 0, TG_ERR_KERNEL_TIMEOUT, NULL},
    {"kernel: endless loop of expensive instructions", KERNEL_SPIN_HEAVY, 0, TG_ERR_KERNEL_TIMEOUT, NULL},
    {"kernel: closes every descriptor", HOSTILE_CLOSE, 0, TG_ERR_KERNEL_FAULT, "has closed file descriptors"},
    {"kernel: raise(SIGKILL)", HOSTILE_KILL, 0, TG_ERR_KERNEL_FAULT, "calls raise(9)"},
    {"kernel: sends SIGTERM to its process", HOSTILE_TERMINATE, 0, TG_ERR_KERNEL_FAULT, "calls kill(15)"},
    {"kernel: sends SIGSEGV to its process", HOSTILE_SEND_SEGV, 0, TG_ERR_KERNEL_FAULT, "SIGSEGV (abort or raise)"},
    {"kernel: executes another program", HOSTILE_EXEC, 0, TG_ERR_KERNEL_FAULT, "calls execl(0)"},
    {"kernel: system call that ends the process", HOSTILE_EXIT_GROUP, 0, TG_ERR_KERNEL_FAULT,
     "calls SYS_exit_group(3)"},
    {"kernel: crash with SIGSEGV ignored", HOSTILE_IGNORE_SEGV, 0, TG_ERR_KERNEL_FAULT, "SIGSEGV at address 0x10"},
    {"kernel: stack overflow without a signal stack", HOSTILE_NO_STACK, 0, TG_ERR_KERNEL_FAULT, "stack overflow"},
    {"kernel: sends SIGKILL to its thread", HOSTILE_TGKILL, 0, TG_ERR_KERNEL_FAULT, "calls tgkill(9)"},
    {"kernel: queues SIGKILL for its thread", HOSTILE_QUEUE, 0, TG_ERR_KERNEL_FAULT, "calls pthread_sigqueue(9)"},
    {"kernel: sends SIGKILL by a descriptor", HOSTILE_PIDFD, 0, TG_ERR_KERNEL_FAULT, "calls pidfd_send_signal(9)"},
    {"kernel: errx", HOSTILE_ERRX, 0, TG_ERR_KERNEL_FAULT, "calls exit(3)"},
    {"kernel: takes all signals without end", HOSTILE_SIGWAIT, 0, TG_ERR_KERNEL_TIMEOUT, "kernel_limit_ms"},
    {"kernel: waits with all signals blocked", HOSTILE_SIGSUSPEND, 0, TG_ERR_KERNEL_TIMEOUT, "kernel_limit_ms"},
    {"kernel: blocks signals by old functions", HOSTILE_SIGSETMASK, 0, TG_ERR_KERNEL_TIMEOUT, "kernel_limit_ms"},
    {"kernel: crash of a thread that it started", HOSTILE_THREAD, 0, TG_ERR_KERNEL_FAULT,
     "started: SIGSEGV at address 0x10"},
    {"kernel: crash of a thread that a library started", HOSTILE_LIBRARY, 0, TG_ERR_KERNEL_FAULT,
     "started: SIGSEGV at address 0x10"},
    {"kernel: sets limits of the process", HOSTILE_LIMITS, 0, TG_OK, NULL},
    {"kernel: sets handlers of signals", HOSTILE_HANDLERS, 0, TG_OK, NULL},
    {"kernel: starts timers that send signals", HOSTILE_TIMER, 0, TG_OK, NULL},
    {"kernel: forks", HOSTILE_FORK, 0, TG_OK, NULL},
    {"kernel: takes its own code away", HOSTILE_OWN_PAGES, 0, TG_OK, NULL},
    {"kernel: closes its own shared object", HOSTILE_UNLOAD, 0, TG_OK, NULL},
    {"kernel: takes others' pages away", HOSTILE_PAGES, 0, TG_OK, NULL},
    {"kernel: changes settings of the process", HOSTILE_SETTINGS, 0, TG_OK, NULL},
    {"kernel: detaches its thread", HOSTILE_DETACH, 0, TG_OK, NULL},
    {"kernel: registers functions for later", HOSTILE_AT_END, 0, TG_OK, NULL},
    {"kernel: functions for the exit that crash", HOSTILE_AT_EXIT, 0, TG_OK, NULL},
    {"kernel: error_at_line", HOSTILE_ERROR_AT, 0, TG_ERR_KERNEL_FAULT, "calls exit(3)"},
    {"kernel: raise(SIGSTOP)", HOSTILE_STOP, 0, TG_ERR_KERNEL_FAULT, "calls raise(19)"},
    {"kernel: end of a context without a next one", HOSTILE_CONTEXT, 0, TG_ERR_KERNEL_FAULT, "calls exit(0)"},
    {"kernel: crash on a stack of its own", HOSTILE_CONTEXT_SEGV, 0, TG_ERR_KERNEL_FAULT, "SIGSEGV at address 0x10"},
    {"kernel: jumps into a frame that has ended", HOSTILE_JUMP, 0, TG_ERR_KERNEL_FAULT, "SIGSEGV at address 0x10"},
    {"kernel: waits for a lock that it holds", HOSTILE_DEADLOCK, 0, TG_ERR_KERNEL_TIMEOUT, "kernel_limit_ms"},
    {"kernel: endless loop under the lock of the loader", HOSTILE_LIST_SPIN, 0, TG_ERR_KERNEL_TIMEOUT,
     "kernel_limit_ms"},
    {"kernel: crash under the lock of the loader", HOSTILE_LIST_SEGV, 0, TG_ERR_KERNEL_FAULT,
     "SIGSEGV at address 0x10"},
    {"kernel: replaces every descriptor", HOSTILE_REPLACE, 0, TG_ERR_KERNEL_FAULT, "has closed file descriptors"},
    {"kernel: unblocks signals, and writes into a broken pipe", HOSTILE_PIPE, 0, TG_OK, NULL},
    {"kernel: leaves pointers into its object", HOSTILE_POINTERS, 0, TG_OK, NULL},
    {"kernel: ends the processes that its own has started", HOSTILE_CHILDREN, 0, TG_OK, NULL},
    {"kernel: lets descriptors send signals", HOSTILE_ASYNC, 0, TG_OK, NULL},
    {"kernel: lets work that ends send signals", HOSTILE_NOTIFY, 0, TG_OK, NULL},
    {"kernel: sets handlers by old functions", HOSTILE_OLD, 0, TG_OK, NULL},
    {"kernel: leaves functions of its object", HOSTILE_CALLBACKS, 0, TG_OK, NULL},
    {"kernel: deletes others' keys", HOSTILE_KEYS, 0, TG_OK, NULL},
    {"kernel: closes others' libraries", HOSTILE_CLOSE_LIB, 0, TG_OK, NULL},
    {"kernel: locks memory", HOSTILE_LOCK, 0, TG_OK, NULL},
    {"kernel: changes others' processors and priority", HOSTILE_SCHEDULE, 0, TG_OK, NULL},
    {"kernel: looks for pointers in registers", KERNEL_REGISTERS, 0, TG_OK, NULL},
    {"kernel: tile that is nowhere", KERNEL_UNASSIGNED, 0, TG_ERR_TILE, "no TASSIGN"},
    {"kernel: tile behind the end of its buffer", KERNEL_PAST_END, 0, TG_ERR_TILE, "UB"},
    {"kernel: wild pointer to a tile", KERNEL_WILD_TILE, 0, TG_ERR_KERNEL_FAULT, "SIGSEGV"},
    {"kernel: event that nobody sets", KERNEL_NO_EVENT, 0, TG_ERR_TILE, "WAIT_FLAG"},
    {"kernel: instruction that does not exist", KERNEL_NO_INSTRUCTION, 0, TG_ERR_TILE, "4711"},
    {"kernel: TSTORE to address 4096", KERNEL_STORE, 4096, TG_ERR_GLOBAL_MEMORY, "0x1000"},
    {"kernel: TSTORE behind a tensor", KERNEL_STORE_PAST_DATA, 256, TG_ERR_GLOBAL_MEMORY, "TSTORE"},
    {"kernel: TSTORE across the end of a tensor", KERNEL_STORE_PAST_DATA, 240, TG_ERR_GLOBAL_MEMORY, "TSTORE"},
};
enum { N_KERNEL_ROWS = sizeof kernel_rows / sizeof kernel_rows[0] };

/* visit -> hostile -> two that wait; built completely before the first task can run. */
static void write_kernel_script(struct script *s, enum tg_core_type type, const struct kernel_row *row)
{
    int first = script_visit(s, TG_AIV, 0, 0, NULL);
    int hostile = script_hostile(s, type, row->act, row->word);
    script_edge(s, first, hostile);
    for (int i = 0; i < 2; i++) script_edge(s, hostile, script_visit(s, TG_AIC, 0, 0, NULL));
    for (int task = s->n_tasks - 1; task >= 0; task--) script_publish(s, task);
}

static void expect_kernel(const struct rig *rig, const struct device *device, const struct script *s,
                          enum tg_core_type type, const struct kernel_row *row)
{
    if (row->status == TG_OK || (row->act == KERNEL_NO_EVENT && !device_is_virtual(device))) {
        rig_expect(rig, TG_OK, NULL);
        return;
    }
    if (is_seen_late(row->act)) {
        rig_expect(rig, row->status, SAYS(row->says), NULL);
        return;
    }
    rig_expect(rig, row->status, SAYS(row->says), "2 tasks wait for it",
               type == TG_AIC ? "task 1 (hostile_cube, " SCRIPT_FILE ":2)" : "task 1 (hostile, " SCRIPT_FILE ":2)",
               device_is_virtual(device) ? "on core " : "on worker ", NULL);
    if (device_is_virtual(device)) rig_expect(rig, row->status, type == TG_AIC ? "(AIC)" : "(AIV)", NULL);
    for (size_t i = 0; i < s->n_data; i++) assert_int_equal(s->data[i], 0); /* outputs of a failed run are untouched */
}

static void try_kernel(struct rig *rig, const struct device *device, enum rig_mode mode, enum tg_core_type type,
                       const struct kernel_row *row)
{
    struct script s;
    script_init(&s);
    write_kernel_script(&s, type, row);
    script_load(rig, mode);
    script_run(rig, &s);
    expect_kernel(rig, device, &s, type, row);
    script_fini(&s);
    script_prove(rig, mode);
}

/* The host uses its environment and its standard output after the object is gone. */
static void expect_no_pointers(void)
{
    const char *variable = getenv("HOSTILE_VARIABLE");
    CHECK(variable && strcmp(variable, "static") == 0, "the environment has %s", variable ? variable : "nothing");
    unsetenv("HOSTILE_VARIABLE");
    printf("a line in the buffer of the standard output\n");
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
}

/* The host's key of thread-local data. */
static pthread_key_t host_key;

/* What an act would harm for good is as it was. */
static void expect_no_harm(int64_t act)
{
    if (act == HOSTILE_POINTERS) expect_no_pointers();
    if (act == HOSTILE_KEYS) assert_int_equal(pthread_setspecific(host_key, &host_key), 0);
}

static void hostile_kernel(void **state)
{
    const struct kernel_row *row = *state;
    if (TEST_ASAN && (row->act == HOSTILE_LIBRARY || row->act == HOSTILE_END_TASK))
        SKIP("%s: the sanitizer does not let a thread end so", row->name);
    if (TEST_TSAN && is_fault(row->status)) SKIP("%s under the thread sanitizer", row->name);
    if (TEST_ASAN && keeps_memory(row->act)) SKIP("%s: what it holds when it is cut off is a leak", row->name);
    for (const struct device *device = devices; device < devices + N_DEVICES; device++) {
        struct rig rig;
        open_for(&rig, device, row->status);
        for (enum rig_mode mode = 0; mode < RIG_MODES; mode++)
            if (is_tried(device, mode, row->status)) try_kernel(&rig, device, mode, TG_AIV, row);
        if (row->act < HOSTILE_OWN && is_tried(device, RIG_CONCURRENT, row->status))
            try_kernel(&rig, device, RIG_CONCURRENT, TG_AIC, row);
        rig_close(&rig);
        expect_no_harm(row->act);
    }
}

/* ---- plugins ----------------------------------------------------------------------------------------------------- */

struct plugin_row {
    const char *name;
    int64_t act;
    unsigned modes;
    enum tg_status status;
    const char *says;
};

static const struct plugin_row plugin_rows[] = {
    {"plugin: SIGSEGV", HOSTILE_SEGV, EVERYWHERE, TG_ERR_PLUGIN_FAULT, "SIGSEGV at address 0x10"},
    {"plugin: SIGBUS", HOSTILE_BUS, EVERYWHERE, TG_ERR_PLUGIN_FAULT, "SIGBUS"},
    {"plugin: SIGFPE", HOSTILE_FPE, EVERYWHERE, TG_ERR_PLUGIN_FAULT, "SIGFPE"},
    {"plugin: SIGILL", HOSTILE_ILL, EVERYWHERE, TG_ERR_PLUGIN_FAULT, "SIGILL"},
    {"plugin: SIGTRAP", HOSTILE_TRAP, EVERYWHERE, TG_ERR_PLUGIN_FAULT, "SIGTRAP"},
    {"plugin: abort", HOSTILE_ABORT, EVERYWHERE, TG_ERR_PLUGIN_FAULT, "SIGABRT"},
    {"plugin: stack overflow", HOSTILE_OVERFLOW, ON_DEVICE, TG_ERR_PLUGIN_FAULT, "stack overflow"},
    {"plugin: stack overflow on the host", HOSTILE_OVERFLOW, HOST, TG_ERR_PLUGIN_FAULT, NULL},
    {"plugin: stack overflow in large frames", HOSTILE_STEP_OVER, ON_DEVICE, TG_ERR_PLUGIN_FAULT, "stack overflow"},
    {"plugin: overwrites the frames of its callers", HOSTILE_SMASH, EVERYWHERE, TG_ERR_PLUGIN_FAULT,
     "SIGSEGV at address 0x"},
    {"plugin: endless loop", HOSTILE_SPIN, EVERYWHERE, TG_ERR_PLUGIN_TIMEOUT, NULL},
    {"plugin: endless wait in a system call", HOSTILE_PAUSE, EVERYWHERE, TG_ERR_PLUGIN_TIMEOUT, NULL},
    {"plugin: endless loop in malloc", HOSTILE_MALLOC, EVERYWHERE, TG_ERR_PLUGIN_TIMEOUT, NULL},
    {"plugin: sleep of an hour", HOSTILE_SLEEP, EVERYWHERE, TG_ERR_PLUGIN_TIMEOUT, "kernel_limit_ms"},
    {"plugin: exit", HOSTILE_EXIT, EVERYWHERE, TG_ERR_PLUGIN_FAULT, "calls exit(3)"},
    {"plugin: _exit", HOSTILE_EXIT_NOW, EVERYWHERE, TG_ERR_PLUGIN_FAULT, "calls _exit(3)"},
    {"plugin: quick_exit", HOSTILE_EXIT_QUICK, EVERYWHERE, TG_ERR_PLUGIN_FAULT, "calls quick_exit(3)"},
    {"plugin: pthread_exit", HOSTILE_END_THREAD, EVERYWHERE, TG_ERR_PLUGIN_FAULT, "calls pthread_exit"},
    {"plugin: system call that ends the thread", HOSTILE_END_TASK, EVERYWHERE, TG_ERR_PLUGIN_FAULT, "ends its thread"},
    {"plugin: endless loop with all signals blocked", HOSTILE_BLOCK_SPIN, EVERYWHERE, TG_ERR_PLUGIN_TIMEOUT,
     "kernel_limit_ms"},
    {"plugin: crash with all signals blocked", HOSTILE_BLOCK_SEGV, EVERYWHERE, TG_ERR_PLUGIN_FAULT,
     "SIGSEGV at address 0x10"},
    {"plugin: endless loop with signals ignored", HOSTILE_IGNORE_SPIN, EVERYWHERE, TG_ERR_PLUGIN_TIMEOUT,
     "kernel_limit_ms"},
    {"plugin: closes every descriptor", HOSTILE_CLOSE, EVERYWHERE, TG_ERR_KERNEL_FAULT, "has closed file descriptors"},
    {"plugin: raise(SIGKILL)", HOSTILE_KILL, EVERYWHERE, TG_ERR_PLUGIN_FAULT, "calls raise(9)"},
    {"plugin: sends SIGTERM to its process", HOSTILE_TERMINATE, EVERYWHERE, TG_ERR_PLUGIN_FAULT, "calls kill(15)"},
    {"plugin: sends SIGSEGV to its process", HOSTILE_SEND_SEGV, EVERYWHERE, TG_ERR_PLUGIN_FAULT,
     "SIGSEGV (abort or raise)"},
    {"plugin: executes another program", HOSTILE_EXEC, EVERYWHERE, TG_ERR_PLUGIN_FAULT, "calls execl(0)"},
    {"plugin: system call that ends the process", HOSTILE_EXIT_GROUP, EVERYWHERE, TG_ERR_PLUGIN_FAULT,
     "calls SYS_exit_group(3)"},
    {"plugin: crash with SIGSEGV ignored", HOSTILE_IGNORE_SEGV, EVERYWHERE, TG_ERR_PLUGIN_FAULT,
     "SIGSEGV at address 0x10"},
    {"plugin: stack overflow without a signal stack", HOSTILE_NO_STACK, ON_DEVICE, TG_ERR_PLUGIN_FAULT,
     "stack overflow"},
    {"plugin: sends SIGKILL to its thread", HOSTILE_TGKILL, EVERYWHERE, TG_ERR_PLUGIN_FAULT, "calls tgkill(9)"},
    {"plugin: queues SIGKILL for its thread", HOSTILE_QUEUE, EVERYWHERE, TG_ERR_PLUGIN_FAULT,
     "calls pthread_sigqueue(9)"},
    {"plugin: sends SIGKILL by a descriptor", HOSTILE_PIDFD, EVERYWHERE, TG_ERR_PLUGIN_FAULT,
     "calls pidfd_send_signal(9)"},
    {"plugin: errx", HOSTILE_ERRX, EVERYWHERE, TG_ERR_PLUGIN_FAULT, "calls exit(3)"},
    {"plugin: takes all signals without end", HOSTILE_SIGWAIT, EVERYWHERE, TG_ERR_PLUGIN_TIMEOUT, "kernel_limit_ms"},
    {"plugin: waits with all signals blocked", HOSTILE_SIGSUSPEND, EVERYWHERE, TG_ERR_PLUGIN_TIMEOUT,
     "kernel_limit_ms"},
    {"plugin: blocks signals by old functions", HOSTILE_SIGSETMASK, EVERYWHERE, TG_ERR_PLUGIN_TIMEOUT,
     "kernel_limit_ms"},
    {"plugin: crash of a thread that it started", HOSTILE_THREAD, EVERYWHERE, TG_ERR_PLUGIN_FAULT,
     "started: SIGSEGV at address 0x10"},
    {"plugin: crash of a thread that a library started", HOSTILE_LIBRARY, EVERYWHERE, TG_ERR_PLUGIN_FAULT,
     "started: SIGSEGV at address 0x10"},
    {"plugin: sets limits of the process", HOSTILE_LIMITS, EVERYWHERE, TG_OK, NULL},
    {"plugin: sets handlers of signals", HOSTILE_HANDLERS, EVERYWHERE, TG_OK, NULL},
    {"plugin: starts timers that send signals", HOSTILE_TIMER, EVERYWHERE, TG_OK, NULL},
    {"plugin: forks", HOSTILE_FORK, EVERYWHERE, TG_OK, NULL},
    {"plugin: takes its own code away", HOSTILE_OWN_PAGES, EVERYWHERE, TG_OK, NULL},
    {"plugin: closes its own shared object", HOSTILE_UNLOAD, EVERYWHERE, TG_OK, NULL},
    {"plugin: takes others' pages away", HOSTILE_PAGES, EVERYWHERE, TG_OK, NULL},
    {"plugin: changes settings of the process", HOSTILE_SETTINGS, EVERYWHERE, TG_OK, NULL},
    {"plugin: detaches its thread", HOSTILE_DETACH, EVERYWHERE, TG_OK, NULL},
    {"plugin: registers functions for later", HOSTILE_AT_END, EVERYWHERE, TG_OK, NULL},
    {"plugin: functions for the exit that crash", HOSTILE_AT_EXIT, EVERYWHERE, TG_OK, NULL},
    {"plugin: error_at_line", HOSTILE_ERROR_AT, EVERYWHERE, TG_ERR_PLUGIN_FAULT, "calls exit(3)"},
    {"plugin: raise(SIGSTOP)", HOSTILE_STOP, EVERYWHERE, TG_ERR_PLUGIN_FAULT, "calls raise(19)"},
    {"plugin: end of a context without a next one", HOSTILE_CONTEXT, EVERYWHERE, TG_ERR_PLUGIN_FAULT, "calls exit(0)"},
    {"plugin: crash on a stack of its own", HOSTILE_CONTEXT_SEGV, EVERYWHERE, TG_ERR_PLUGIN_FAULT,
     "SIGSEGV at address 0x10"},
    {"plugin: jumps into a frame that has ended", HOSTILE_JUMP, EVERYWHERE, TG_ERR_PLUGIN_FAULT,
     "SIGSEGV at address 0x10"},
    {"plugin: waits for a lock that it holds", HOSTILE_DEADLOCK, EVERYWHERE, TG_ERR_PLUGIN_TIMEOUT, "kernel_limit_ms"},
    {"plugin: endless loop under the lock of the loader", HOSTILE_LIST_SPIN, EVERYWHERE, TG_ERR_PLUGIN_TIMEOUT,
     "kernel_limit_ms"},
    {"plugin: crash under the lock of the loader", HOSTILE_LIST_SEGV, EVERYWHERE, TG_ERR_PLUGIN_FAULT,
     "SIGSEGV at address 0x10"},
    {"plugin: replaces every descriptor", HOSTILE_REPLACE, EVERYWHERE, TG_ERR_KERNEL_FAULT,
     "has closed file descriptors"},
    {"plugin: unblocks signals, and writes into a broken pipe", HOSTILE_PIPE, EVERYWHERE, TG_OK, NULL},
    {"plugin: leaves pointers into its object", HOSTILE_POINTERS, EVERYWHERE, TG_OK, NULL},
    {"plugin: ends the processes that its own has started", HOSTILE_CHILDREN, EVERYWHERE, TG_OK, NULL},
    {"plugin: lets descriptors send signals", HOSTILE_ASYNC, EVERYWHERE, TG_OK, NULL},
    {"plugin: lets work that ends send signals", HOSTILE_NOTIFY, EVERYWHERE, TG_OK, NULL},
    {"plugin: sets handlers by old functions", HOSTILE_OLD, EVERYWHERE, TG_OK, NULL},
    {"plugin: leaves functions of its object", HOSTILE_CALLBACKS, EVERYWHERE, TG_OK, NULL},
    {"plugin: deletes others' keys", HOSTILE_KEYS, EVERYWHERE, TG_OK, NULL},
    {"plugin: closes others' libraries", HOSTILE_CLOSE_LIB, EVERYWHERE, TG_OK, NULL},
    {"plugin: locks memory", HOSTILE_LOCK, EVERYWHERE, TG_OK, NULL},
    {"plugin: changes others' processors and priority", HOSTILE_SCHEDULE, EVERYWHERE, TG_OK, NULL},
    {"plugin: allocates until it fails", PLUGIN_ALLOC, EVERYWHERE, TG_ERR_DEVICE_MEMORY, "do not fit"},
    {"plugin: allocates without end", PLUGIN_ALLOC_ON, EVERYWHERE, TG_ERR_DEVICE_MEMORY, "do not fit"},
    {"plugin: allocates and frees without end", PLUGIN_ALLOC_FREE, EVERYWHERE, TG_ERR_PLUGIN_TIMEOUT, NULL},
    {"plugin: allocates 0 bytes", PLUGIN_ALLOC_NOTHING, EVERYWHERE, TG_ERR_ARGUMENT, "0 bytes"},
    {"plugin: allocates SIZE_MAX bytes", PLUGIN_ALLOC_ALL, EVERYWHERE, TG_ERR_DEVICE_MEMORY, "do not fit"},
    {"plugin: frees what was never allocated", PLUGIN_FREE_WILD, EVERYWHERE, TG_ERR_GLOBAL_MEMORY, "0x1234"},
    {"plugin: frees twice", PLUGIN_FREE_TWICE, EVERYWHERE, TG_ERR_GLOBAL_MEMORY, NULL},
    {"plugin: adds tasks until it fails", PLUGIN_ADD, EVERYWHERE, TG_ERR_MEMORY, "the graph of"},
    {"plugin: adds tasks without end", PLUGIN_ADD_ON, EVERYWHERE, TG_ERR_MEMORY, "the graph of"},
    {"plugin: adds edges without end", PLUGIN_EDGE_ON, EVERYWHERE, TG_ERR_MEMORY, "the graph of 2 tasks"},
    {"plugin: adds edges from a complete task", PLUGIN_EDGE_COMPLETE, CONCURRENT, TG_ERR_PLUGIN_TIMEOUT, NULL},
    {"plugin: waits without end", PLUGIN_WAIT_ON, CONCURRENT, TG_ERR_PLUGIN_TIMEOUT, NULL},
    {"plugin: waits where nothing runs", PLUGIN_WAIT_ON, SEQUENTIAL | HOST, TG_ERR_MISUSE, "wait_task"},
    {"plugin: arguments at address 0", PLUGIN_ARGS_NULL, EVERYWHERE, TG_ERR_ARGUMENT, "3 arguments at address 0"},
    {"plugin: arguments at address 16", PLUGIN_ARGS_WILD, EVERYWHERE, TG_ERR_PLUGIN_FAULT, "SIGSEGV"},
    {"plugin: a description at address 0", PLUGIN_DESCRIBE_NULL, EVERYWHERE, TG_ERR_ARGUMENT,
     "its description is at address 0"},
    {"plugin: parts at address 16", PLUGIN_DESCRIBE_WILD, EVERYWHERE, TG_ERR_PLUGIN_FAULT, "SIGSEGV"},
    {"plugin: 2^32 - 1 parts", PLUGIN_DESCRIBE_MANY, EVERYWHERE, TG_ERR_ARGUMENT, "a task of 4294967295 parts"},
    {"plugin: -1 arguments", PLUGIN_ARGS_NEGATIVE, EVERYWHERE, TG_ERR_ARGUMENT, "-1 arguments"},
    {"plugin: kernel address of no kernel", PLUGIN_KERNEL_ADDR, EVERYWHERE, TG_ERR_UNKNOWN_FUNC, "0x1234"},
    {"plugin: fail() with a wild string", PLUGIN_FAIL_WILD, EVERYWHERE, TG_ERR_PLUGIN_FAULT, "SIGSEGV"},
    {"plugin: mark() with a wild string", PLUGIN_MARK_WILD, EVERYWHERE, TG_ERR_PLUGIN_FAULT, "SIGSEGV"},
    {"plugin: builds from another thread", PLUGIN_THREAD, EVERYWHERE, TG_ERR_MISUSE, "add_task is called from another"},
    {"plugin: builds from inside a build call", PLUGIN_NESTED, EVERYWHERE, TG_ERR_MISUSE, "inside another build call"},
    {"plugin: a task builds", PLUGIN_KERNEL_BUILDS, CONCURRENT, TG_ERR_MISUSE, "add_task is called "},
    {"plugin: a task builds after the entry", PLUGIN_KERNEL_BUILDS_LATER, EVERYWHERE, TG_ERR_MISUSE,
     "add_task is called "},
    {"plugin: builds when it is closed", PLUGIN_AFTER, EVERYWHERE, TG_OK, NULL},
    {"plugin: calls a kernel", PLUGIN_CALL_KERNEL, EVERYWHERE, TG_ERR_PLUGIN_FAULT, "outside of a task"},
    {"plugin: copies to no allocation", PLUGIN_COPY_OUTSIDE, HOST, TG_ERR_GLOBAL_MEMORY, "0x1234"},
    {"plugin: copies back from no allocation", PLUGIN_RECORD_OUTSIDE, HOST, TG_ERR_GLOBAL_MEMORY, "0x1234"},
    {"plugin: copies back to a wild address", PLUGIN_RECORD_WILD, HOST, TG_ERR_PLUGIN_FAULT, "0x10"},
};
enum { N_PLUGIN_ROWS = sizeof plugin_rows / sizeof plugin_rows[0] };

static void load_hostile_plugin(struct rig *rig, enum rig_mode mode)
{
    script_load(rig, mode); /* for its kernels */
    rig_plugin(rig, rig_module("hostile_plugin"), mode == RIG_HOST ? "orchestration_host" : "orchestration");
}

static void run_hostile_plugin(struct rig *rig, int64_t act)
{
    int64_t words[1] = {act};
    uint32_t data[64] = {0};
    const struct tg_tensor tensors[] = {
        {"act", words, sizeof words, 1, TG_IN},
        {"data", data, sizeof data, 64, TG_INOUT},
    };
    rig_run(rig, tensors, 2);
}

static void try_plugin(struct rig *rig, enum rig_mode mode, const struct plugin_row *row)
{
    load_hostile_plugin(rig, mode);
    run_hostile_plugin(rig, row->act);
    rig_expect(rig, row->status, SAYS(row->says), NULL);
    if (row->act < HOSTILE_OWN && row->status != TG_OK && !is_seen_late(row->act)) /* cut off in its own code */
        rig_expect(rig, row->status, mode == RIG_HOST ? "orchestration_host" : "orchestration", NULL);
    script_prove(rig, mode);
}

static void hostile_plugin(void **state)
{
    const struct plugin_row *row = *state;
    if (TEST_ASAN && (row->act == HOSTILE_LIBRARY || row->act == HOSTILE_END_TASK))
        SKIP("%s: the sanitizer does not let a thread end so", row->name);
    if (TEST_TSAN && (is_fault(row->status) || row->act == PLUGIN_NESTED))
        SKIP("%s under the thread sanitizer", row->name);
    if (TEST_ASAN && keeps_memory(row->act)) SKIP("%s: what it holds when it is cut off is a leak", row->name);
    for (const struct device *device = devices; device < devices + N_DEVICES; device++) {
        struct rig rig;
        open_for(&rig, device, row->status);
        for (enum rig_mode mode = 0; mode < RIG_MODES; mode++)
            if (row->modes & (1u << mode) && is_tried(device, mode, row->status)) try_plugin(&rig, mode, row);
        rig_close(&rig);
        expect_no_harm(row->act);
    }
}

/* ---- build calls ------------------------------------------------------------------------------------------------- */

static void publish_twice(struct script *s)
{
    int task = script_visit(s, TG_AIV, 0, 0, NULL);
    script_publish(s, task);
    script_publish(s, task);
}

static void publish_unknown(struct script *s)
{
    script_visit(s, TG_AIV, 0, 0, NULL);
    script_publish(s, 1);
}

static void publish_negative(struct script *s) { script_publish(s, -1); }

static void edge_into_published(struct script *s)
{
    int a = script_visit(s, TG_AIV, 0, 0, NULL), b = script_visit(s, TG_AIV, 0, 0, NULL);
    script_publish(s, b);
    script_edge(s, a, b);
}

static void edge_to_itself(struct script *s)
{
    int task = script_visit(s, TG_AIV, 0, 0, NULL);
    script_edge(s, task, task);
}

static void edge_from_unknown(struct script *s) { script_edge(s, 5, script_visit(s, TG_AIV, 0, 0, NULL)); }

static void edge_to_negative(struct script *s) { script_edge(s, script_visit(s, TG_AIV, 0, 0, NULL), -7); }

static void unknown_func(struct script *s)
{
    script_visit(s, TG_AIV, 0, 0, NULL);
    script_add(s, 77, TG_AIV, 0, NULL);
}

static void negative_func(struct script *s) { script_add(s, -3, TG_AIV, 0, NULL); }

static void huge_func(struct script *s) { script_add(s, INT32_MAX, TG_AIV, 0, NULL); }

static void aic_kernel_as_aiv(struct script *s) { script_add(s, SCRIPT_VISIT_AIC, TG_AIV, 0, NULL); }

static void no_core_type(struct script *s) { script_add(s, SCRIPT_VISIT_AIC, (enum tg_core_type)9, 0, NULL); }

static void too_many_args(struct script *s)
{
    int64_t args[TG_TASK_ARGS_MAX] = {0}; /* the plugin puts one before them */
    script_add(s, SCRIPT_VISIT_AIV, TG_AIV, TG_TASK_ARGS_MAX, args);
}

static void wait_unknown(struct script *s) { script_wait(s, 3); }

static void returns_failure(struct script *s) { script_op(s, SCRIPT_RETURN, -3); }

static void says_failure(struct script *s) { script_words(s, 1, (int64_t[]){SCRIPT_FAIL}); }

static void allocates_too_much(struct script *s) { script_op(s, SCRIPT_MALLOC, (int64_t)GM_BYTES); }

static void errors_after_the_first(struct script *s)
{
    edge_to_itself(s);
    publish_twice(s);
    returns_failure(s);
}

struct call_row {
    const char *name;
    void (*write)(struct script *script);
    unsigned modes;
    enum tg_status status;
    const char *first, *second;
};

#define TASK(id, kernel, line) "task " #id " (" kernel ", " SCRIPT_FILE ":" #line ")"

static const struct call_row call_rows[] = {
    {"call: a task is published twice", publish_twice, EVERYWHERE, TG_ERR_PUBLISH, TASK(0, "visit", 1), NULL},
    {"call: an unknown id is published", publish_unknown, EVERYWHERE, TG_ERR_PUBLISH, "publish 1", "1 tasks"},
    {"call: a negative id is published", publish_negative, EVERYWHERE, TG_ERR_PUBLISH, "publish -1", NULL},
    {"call: an edge into a published task", edge_into_published, EVERYWHERE, TG_ERR_EDGE, "edge 0 -> 1",
     TASK(1, "visit", 2)},
    {"call: an edge to itself", edge_to_itself, EVERYWHERE, TG_ERR_EDGE, "edge 0 -> 0", TASK(0, "visit", 1)},
    {"call: an edge from an unknown id", edge_from_unknown, EVERYWHERE, TG_ERR_EDGE, "edge 5 -> 0", "no task 5"},
    {"call: an edge to a negative id", edge_to_negative, EVERYWHERE, TG_ERR_EDGE, "edge 0 -> -7", "no task -7"},
    {"call: an unknown func_id", unknown_func, EVERYWHERE, TG_ERR_UNKNOWN_FUNC, SCRIPT_FILE ":2", "func_id 77"},
    {"call: a negative func_id", negative_func, EVERYWHERE, TG_ERR_UNKNOWN_FUNC, SCRIPT_FILE ":1", "func_id -3"},
    {"call: a huge func_id", huge_func, EVERYWHERE, TG_ERR_UNKNOWN_FUNC, SCRIPT_FILE ":1", "2147483647"},
    {"call: an AIC kernel as AIV", aic_kernel_as_aiv, EVERYWHERE, TG_ERR_CORE_TYPE, SCRIPT_FILE ":1", "visit_cube"},
    {"call: a core type that does not exist", no_core_type, EVERYWHERE, TG_ERR_CORE_TYPE, SCRIPT_FILE ":1", NULL},
    {"call: too many arguments", too_many_args, EVERYWHERE, TG_ERR_TOO_MANY_ARGS, SCRIPT_FILE ":1", "1025"},
    {"call: waits for an unknown id", wait_unknown, CONCURRENT, TG_ERR_ARGUMENT, "wait_task", "task 3"},
    {"call: waits in a sequential build", wait_unknown, SEQUENTIAL | HOST, TG_ERR_MISUSE, "wait_task", NULL},
    {"call: the entry returns -3", returns_failure, EVERYWHERE, TG_ERR_ORCHESTRATION, "returned -3", NULL},
    {"call: fail()", says_failure, EVERYWHERE, TG_ERR_ORCHESTRATION, "said by the script", NULL},
    {"call: more device memory than there is", allocates_too_much, EVERYWHERE, TG_ERR_DEVICE_MEMORY, "do not fit",
     NULL},
    {"call: the first error stays", errors_after_the_first, EVERYWHERE, TG_ERR_EDGE, "edge 0 -> 0", NULL},
};
enum { N_CALL_ROWS = sizeof call_rows / sizeof call_rows[0] };

static void try_call(struct rig *rig, enum rig_mode mode, const struct call_row *row)
{
    struct script s;
    script_init(&s);
    row->write(&s);
    script_load(rig, mode);
    script_run(rig, &s);
    rig_expect(rig, row->status, SAYS(row->first), SAYS(row->second), NULL);
    script_fini(&s);
    script_prove(rig, mode);
}

static void hostile_call(void **state)
{
    const struct call_row *row = *state;
    for (const struct device *device = devices; device < devices + N_DEVICES; device++) {
        struct rig rig;
        open_for(&rig, device, row->status);
        for (enum rig_mode mode = 0; mode < RIG_MODES; mode++)
            if (row->modes & (1u << mode) && is_tried(device, mode, row->status)) try_call(&rig, mode, row);
        rig_close(&rig);
    }
}

/* ---- shared objects ---------------------------------------------------------------------------------------------- */

struct load_row {
    const char *name, *module;
    enum tg_status kernel, plugin;
    const char *says;
};

static const struct load_row load_rows[] = {
    {"load: no entry function", "no_entry", TG_ERR_SYMBOL, TG_ERR_SYMBOL, "no function '"},
    {"load: crash in a constructor", "crash_in_constructor", TG_ERR_LOAD, TG_ERR_LOAD, "crashes"},
    {"load: a constructor ends the process", "exit_in_constructor", TG_ERR_LOAD, TG_ERR_LOAD, "exit code 3"},
    {"load: a constructor does not end", "hang_in_constructor", TG_ERR_LOAD, TG_ERR_LOAD, "does not end"},
    {"load: crash in a destructor", "crash_in_destructor", TG_ERR_LOAD, TG_ERR_LOAD, "crashes"},
    {"load: a destructor runs the exit handlers", "exit_handlers_in_destructor", TG_ERR_LOAD, TG_ERR_LOAD,
     "the exit handlers of the process"},
    {"load: a destructor breaks the calling convention", "breaks_in_destructor", TG_ERR_LOAD, TG_ERR_LOAD,
     "returns with another stack or other registers"},
    {"load: other headers", "other_abi", TG_ERR_ABI, TG_ERR_ABI, "built against version 471"},
};
enum { N_LOAD_ROWS = sizeof load_rows / sizeof load_rows[0] };

static void hostile_module(void **state)
{
    const struct load_row *row = *state;
    struct rig rig;
    rig_open(&rig, GM_BYTES);
    rig_try_kernel(&rig, SCRIPT_VISIT_AIV, TG_AIV, "it", rig_module(row->module));
    rig_expect(&rig, row->kernel, "kernel it", SAYS(row->says), NULL);
    if (strcmp(row->module, "hang_in_constructor") != 0) { /* which takes as long as a trial may: once is enough */
        rig_try_plugin(&rig, rig_module(row->module), "orchestration");
        rig_expect(&rig, row->plugin, "orchestration plugin", SAYS(row->says), NULL);
    }
    /* The func_id is still free, and the program is not set up by half. */
    rig_kernel(&rig, SCRIPT_VISIT_AIV, TG_AIV, "visit", rig_module("kernel_visit"));
    run_hostile_plugin(&rig, 0);
    rig_expect(&rig, TG_ERR_ARGUMENT, "orchestration", NULL);
    script_prove(&rig, RIG_CONCURRENT);
    rig_close(&rig);
}

static void try_bytes(struct rig *rig, const void *bytes, size_t n_bytes, const char *what)
{
    enum tg_status kernel = tg_program_add_kernel(rig->program, 9, TG_AIV, "it", bytes, n_bytes);
    CHECK(kernel == TG_ERR_LOAD, "%s as a kernel: %s", what, tg_status_name(kernel));
    CHECK(strstr(tg_last_message(), "kernel it"), "%s", tg_last_message());
    enum tg_status plugin = tg_program_set_orchestration(rig->program, bytes, n_bytes, "orchestration");
    CHECK(plugin == TG_ERR_LOAD, "%s as a plugin: %s", what, tg_status_name(plugin));
    CHECK(strstr(tg_last_message(), "orchestration plugin"), "%s", tg_last_message());
}

static void bytes_that_are_no_shared_object_are_refused(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, GM_BYTES);
    size_t n_bytes;
    unsigned char *bytes = rig_read_file(rig_module("script"), &n_bytes);
    try_bytes(&rig, "", 0, "nothing");
    try_bytes(&rig, "int main(void) { return 0; }\n", 29, "text");
    try_bytes(&rig, bytes, 64, "a header alone");
    try_bytes(&rig, bytes, 1000, "the first 1000 bytes");
    bytes[18] ^= 0xFF; /* e_machine */
    try_bytes(&rig, bytes, n_bytes, "an object for another processor");
    free(bytes);
    script_prove(&rig, RIG_HOST);
    rig_close(&rig);
}

/* ---- tensors ----------------------------------------------------------------------------------------------------- */

static void tensors_larger_than_the_device_are_refused(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, GM_BYTES);
    script_load(&rig, RIG_CONCURRENT);
    uint8_t byte = 0;
    const struct tg_tensor one[] = {{"huge", &byte, GM_BYTES + 1, 1, TG_OUT}};
    rig_run(&rig, one, 1);
    rig_expect(&rig, TG_ERR_DEVICE_MEMORY, "do not fit", NULL);
    const struct tg_tensor two[] = {{"half", &byte, GM_BYTES / 2 + 512, 1, TG_OUT},
                                    {"other half", &byte, GM_BYTES / 2, 1, TG_OUT}};
    rig_run(&rig, two, 2);
    rig_expect(&rig, TG_ERR_DEVICE_MEMORY, "do not fit", NULL);
    const struct tg_tensor wrapping[] = {{"wrapping", &byte, UINT64_MAX, 1, TG_OUT}};
    rig_run(&rig, wrapping, 1);
    rig_expect(&rig, TG_ERR_DEVICE_MEMORY, "do not fit", NULL);
    script_prove(&rig, RIG_CONCURRENT);
    rig_close(&rig);
}

/* ---- the process around it --------------------------------------------------------------------------------------- */

static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP};
enum { N_SIGNALS = sizeof signals / sizeof signals[0] };

static void run_kernel_act(struct rig *rig, int64_t act)
{
    struct script s;
    script_init(&s);
    script_publish(&s, script_hostile(&s, TG_AIV, act, 0));
    script_load(rig, RIG_CONCURRENT);
    script_run(rig, &s);
    script_fini(&s);
}

static void on_signal(int signal) { _exit(100 + signal); }

/* A kernel and a plugin that do not restore their caller's registers, or its stack pointer. */
static void code_that_breaks_the_calling_convention_fails(void **state)
{
    (void)state;
#if !defined(__x86_64__) && !defined(__aarch64__)
    SKIP("there is no assembly code for this processor");
#endif
    static const char *const modules[] = {"breaks_registers", "clears_registers", "breaks_stack"};
    for (int i = 0; i < 2; i++) {
        for (size_t k = 0; k < sizeof modules / sizeof *modules; k++) {
            struct rig rig;
            struct script s;
            rig_open_on(&rig, i ? "cpu" : "a2a3sim", GM_BYTES);
            script_init(&s);
            script_publish(&s, script_visit(&s, TG_AIV, 0, 0, NULL));
            rig_clear(&rig);
            rig_kernel(&rig, SCRIPT_VISIT_AIV, TG_AIV, "visit", rig_module(modules[k]));
            rig_plugin(&rig, rig_module("script"), "orchestration");
            script_run(&rig, &s);
            rig_expect(&rig, TG_ERR_KERNEL_FAULT, "task 0 (visit", "with another stack or other registers", NULL);
            rig_clear(&rig);
            rig_plugin(&rig, rig_module(modules[k]), "orchestration");
            script_run(&rig, &s);
            rig_expect(&rig, TG_ERR_PLUGIN_FAULT, "with another stack or other registers", NULL);
            script_fini(&s);
            script_prove(&rig, RIG_CONCURRENT);
            rig_close(&rig);
        }
    }
}

static void handlers_are_the_process_own_again_after_a_run(void **state)
{
    (void)state;
    if (TEST_TSAN) SKIP("under the thread sanitizer");
    struct sigaction before[N_SIGNALS], mine = {.sa_handler = on_signal};
    stack_t stack_before, stack_after;
    struct rig rig;
    rig_open(&rig, GM_BYTES);
    for (int i = 0; i < N_SIGNALS; i++) sigaction(signals[i], &mine, &before[i]);
    sigaltstack(NULL, &stack_before);
    run_kernel_act(&rig, HOSTILE_SEGV);
    rig_expect(&rig, TG_ERR_KERNEL_FAULT, NULL);
    sigaltstack(NULL, &stack_after);
    assert_ptr_equal(stack_after.ss_sp, stack_before.ss_sp);
    assert_int_equal(stack_after.ss_flags, stack_before.ss_flags);
    for (int i = 0; i < N_SIGNALS; i++) {
        struct sigaction after;
        sigaction(signals[i], &before[i], &after);
        assert_ptr_equal(after.sa_handler, mine.sa_handler);
    }
    rig_close(&rig);
}

/* Run `child` in a process of its own and return how that ended. */
static int in_child(void (*child)(void))
{
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        for (int i = 0; i < N_SIGNALS; i++) signal(signals[i], SIG_DFL);
        setenv("CMOCKA_TEST_ABORT", "1", 1); /* a check that fails must not go on in this process */
        child();
        _exit(0);
    }
    int state = 0;
    assert_int_equal(waitpid(pid, &state, 0), pid);
    return state;
}

static void crash_uncaught(void)
{
    struct rig rig;
    rig_open(&rig, GM_BYTES);
    tg_program_close(rig.program);
    tg_device_close(rig.device);
    struct tg_device_config config;
    tg_device_config_init(&config);
    config.gm_bytes = GM_BYTES;
    config.catch_faults = false;
    if (tg_device_open(&config, &rig.device) != TG_OK) _exit(1);
    rig.program = NULL;
    run_kernel_act(&rig, HOSTILE_SEGV);
}

static void faults_are_the_process_own_when_not_asked_for(void **state)
{
    (void)state;
    if (TEST_ASAN || TEST_TSAN) SKIP("a sanitizer turns the signal into an exit");
    int end = in_child(crash_uncaught);
    assert_true(WIFSIGNALED(end));
    assert_int_equal(WTERMSIG(end), SIGSEGV);
}

/* While a run waits, a crash of somebody else on another thread goes to the handler that was there before. */
static volatile int *volatile nowhere = (volatile int *)16;

static void *crash_soon(void *arg)
{
    (void)arg;
    usleep(100 * 1000);
    *nowhere = 1;
    return NULL;
}

static void crash_beside_a_run(void)
{
    struct sigaction mine = {.sa_handler = on_signal};
    sigaction(SIGSEGV, &mine, NULL);
    struct rig rig;
    rig_open(&rig, GM_BYTES);
    pthread_t thread;
    if (pthread_create(&thread, NULL, crash_soon, NULL) != 0) _exit(1);
    run_kernel_act(&rig, HOSTILE_SPIN);
    _exit(2);
}

static void faults_of_others_go_to_the_handler_before(void **state)
{
    (void)state;
    if (TG_TEST_EMULATOR[0]) SKIP("the emulator does not survive forks beside threads at work");
    if (TEST_TSAN) SKIP("under the thread sanitizer");
    int end = in_child(crash_beside_a_run);
    assert_true(WIFEXITED(end));
    assert_int_equal(WEXITSTATUS(end), 100 + SIGSEGV);
}

/* Servers block signals in their worker threads. */
static void *run_with_all_blocked(void *arg)
{
    struct rig *rig = arg;
    sigset_t all, after;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    run_kernel_act(rig, HOSTILE_SPIN);
    rig_expect(rig, TG_ERR_KERNEL_TIMEOUT, NULL);
    run_kernel_act(rig, HOSTILE_SEGV);
    rig_expect(rig, TG_ERR_KERNEL_FAULT, NULL);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    assert_int_equal(sigismember(&after, SIGSEGV), 1);
    script_prove(rig, RIG_CONCURRENT);
    return NULL;
}

static void a_thread_that_blocks_signals_is_guarded_too(void **state)
{
    (void)state;
    if (TEST_TSAN) SKIP("under the thread sanitizer");
    struct rig rig;
    rig_open(&rig, GM_BYTES);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, run_with_all_blocked, &rig), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    rig_close(&rig);
}

/* A thread that blocks all signals by itself cannot be ended: it is given up, and with it its device. Another device
 * works. In a process of its own, which does not keep the thread. */
static void lose_threads(void)
{
    for (int i = 0; i < 2; i++)
        for (int on_host = 0; on_host < 2; on_host++) {
            struct rig rig, other;
            rig_open_on(&rig, i ? "cpu" : "a2a3sim", GM_BYTES);
            rig.config.kernel_limit_ms /= 4;
            rig.loses_thread = true;
            if (on_host) load_hostile_plugin(&rig, RIG_HOST);
            if (on_host) run_hostile_plugin(&rig, HOSTILE_RAW_SPIN);
            else run_kernel_act(&rig, HOSTILE_RAW_SPIN);
            rig_expect(&rig, on_host ? TG_ERR_PLUGIN_TIMEOUT : TG_ERR_KERNEL_TIMEOUT, "kernel_limit_ms",
                       on_host ? "orchestration_host" : "task 0 (hostile", NULL);
            run_kernel_act(&rig, HOSTILE_NONE);
            rig_expect(&rig, TG_ERR_KERNEL_TIMEOUT, "open another device", NULL);
            tg_program_close(rig.program);
            tg_device_close(rig.device);
            rig_open_on(&other, i ? "cpu" : "a2a3sim", GM_BYTES);
            script_prove(&other, RIG_CONCURRENT);
            rig_close(&other);
        }
}

static void a_thread_that_cannot_be_ended_is_given_up(void **state)
{
    (void)state;
    if (TG_TEST_EMULATOR[0]) SKIP("the emulator does not survive forks beside threads at work");
    if (TEST_TSAN || TEST_ASAN) SKIP("under a sanitizer, which finds what is kept for it");
    assert_int_equal(in_child(lose_threads), 0);
}

/* ---- two devices at the same time -------------------------------------------------------------------------------- */

struct pair {
    bool hostile;
    int n_runs;
    const char *problem; /* NULL: all went well. Checks of a thread must not jump into the other's test. */
};

static const char *run_beside(struct rig *rig, const struct pair *pair)
{
    const struct kernel_row *row = &kernel_rows[pair->n_runs % 4];
    struct script s;
    script_init(&s);
    if (pair->hostile) script_publish(&s, script_hostile(&s, TG_AIV, row->act, 0));
    else
        for (int i = 0; i < 200; i++) script_publish(&s, script_visit(&s, TG_AIV, 10, 0, NULL));
    script_load(rig, RIG_CONCURRENT);
    script_run(rig, &s);
    bool good = pair->hostile ? rig->status == row->status : rig->status == TG_OK && script_disorder(&s) == 0;
    script_fini(&s);
    return good ? NULL : pair->hostile ? "the hostile run" : "the healthy run";
}

static void *run_many(void *arg)
{
    struct pair *pair = arg;
    struct rig rig;
    rig_open(&rig, GM_BYTES);
    /* Under the thread sanitizer each of the child processes that try a shared object costs a second. */
    for (; pair->n_runs < (TEST_TSAN ? 3 : 30) && !pair->problem; pair->n_runs++)
        pair->problem = run_beside(&rig, pair);
    rig_close(&rig);
    return NULL;
}

static void a_device_is_not_disturbed_by_another_thread_device(void **state)
{
    (void)state;
    struct pair pairs[2] = {{.hostile = !TEST_TSAN}, {.hostile = false}};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) assert_int_equal(pthread_create(&threads[i], NULL, run_many, &pairs[i]), 0);
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < 2; i++) CHECK(!pairs[i].problem, "%s, run %d", pairs[i].problem, pairs[i].n_runs);
}

/* ---- programs that are loaded at the same time ------------------------------------------------------------------- */

struct loader {
    pthread_t thread;
    const char *platform;
    const char *problem; /* as in struct pair */
    char message[RIG_MESSAGE_BYTES];
};

static bool refused(struct rig *rig, const struct load_row *row)
{
    const char *path = rig_module(row->module);
    if (rig_try_kernel(rig, SCRIPT_VISIT_AIV, TG_AIV, "it", path) != row->kernel) return false;
    if (!strstr(rig->message, SAYS(row->says))) return false;
    return rig_try_plugin(rig, path, "orchestration") == row->plugin && strstr(rig->message, SAYS(row->says));
}

/* Broken programs and one that works, in turns. */
static const char *load_and_run(struct rig *rig)
{
    for (int i = 0; i < N_LOAD_ROWS; i++)
        if (strcmp(load_rows[i].module, "hang_in_constructor") != 0 && !refused(rig, &load_rows[i]))
            return load_rows[i].name;
    struct script s;
    script_init(&s);
    for (int i = 0; i < 20; i++) script_publish(&s, script_visit(&s, i % 2 ? TG_AIC : TG_AIV, 0, 0, NULL));
    script_load(rig, RIG_CONCURRENT);
    bool good = script_run(rig, &s) == TG_OK && script_disorder(&s) == 0;
    script_fini(&s);
    return good ? NULL : "the program that works";
}

static void *load_again_and_again(void *arg)
{
    struct loader *loader = arg;
    for (int round = 0; round < (TEST_TSAN ? 1 : 5) && !loader->problem; round++) {
        struct rig rig;
        rig_open_on(&rig, loader->platform, GM_BYTES / 8); /* opens shared objects, too: hwloc's */
        loader->problem = load_and_run(&rig);
        memcpy(loader->message, rig.message, sizeof loader->message);
        rig_close(&rig);
    }
    return NULL;
}

static void programs_are_loaded_on_several_threads_at_once(void **state)
{
    (void)state;
    if (TG_TEST_EMULATOR[0]) SKIP("the emulator does not survive forks beside threads at work");
    static struct loader loaders[4];
    for (int i = 0; i < 4; i++) {
        loaders[i] = (struct loader){.platform = i % 2 ? "cpu" : "a2a3sim"};
        assert_int_equal(pthread_create(&loaders[i].thread, NULL, load_again_and_again, &loaders[i]), 0);
    }
    for (int i = 0; i < 4; i++) pthread_join(loaders[i].thread, NULL);
    for (int i = 0; i < 4; i++) CHECK(!loaders[i].problem, "%s: %s", loaders[i].problem, loaders[i].message);
}

/* ---- the document ------------------------------------------------------------------------------------------------ */

static const char *document;

/* The last column. */
static const char *on_cpu(const char *name)
{
    static const char *const others[][2] = {
        {"kernel: event that nobody sets", "`TG_OK`: no event is waited for"},
        {"plugin: a task builds", "the same, or: from inside another build call"},
        {"plugin: a task builds after the entry", "the same, or: outside of the entry function"},
    };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (strcmp(name, others[i][0]) == 0) return others[i][1];
    return "same";
}

/* `last`: the row's last column; NULL: any. */
static void is_in_document(const char *name, enum tg_status status, const char *last)
{
    char start[256], end[256];
    snprintf(start, sizeof start, "\n| %s | `%s` | ", name, tg_status_name(status));
    const char *line = strstr(document, start);
    CHECK(line, "docs/hostile.md lacks%s", start);
    if (!last) return;
    snprintf(end, sizeof end, " | %s |", last);
    CHECK(strncmp(strchr(line + 1, '\n') - strlen(end), end, strlen(end)) == 0,
          "docs/hostile.md:%s does not end in '%s'", start, end);
}

static int lines_with(const char *start)
{
    int n = 0;
    for (const char *at = document; (at = strstr(at, start)) != NULL; at++) n++;
    return n;
}

static void the_document_lists_these_tests_and_no_others(void **state)
{
    (void)state;
    size_t n_bytes;
    char *text = rig_read_file(TG_TEST_SOURCE_DIR "/docs/hostile.md", &n_bytes);
    document = text;
    for (int i = 0; i < N_LOAD_ROWS; i++) is_in_document(load_rows[i].name, load_rows[i].kernel, NULL);
    for (int i = 0; i < N_KERNEL_ROWS; i++)
        is_in_document(kernel_rows[i].name, kernel_rows[i].status, on_cpu(kernel_rows[i].name));
    for (int i = 0; i < N_PLUGIN_ROWS; i++)
        is_in_document(plugin_rows[i].name, plugin_rows[i].status, on_cpu(plugin_rows[i].name));
    for (int i = 0; i < N_CALL_ROWS; i++)
        is_in_document(call_rows[i].name, call_rows[i].status, on_cpu(call_rows[i].name));
    assert_int_equal(lines_with("\n| load: "), N_LOAD_ROWS);
    assert_int_equal(lines_with("\n| kernel: "), N_KERNEL_ROWS);
    assert_int_equal(lines_with("\n| plugin: "), N_PLUGIN_ROWS);
    assert_int_equal(lines_with("\n| call: "), N_CALL_ROWS);
    free(text);
}

/* ---- all of it --------------------------------------------------------------------------------------------------- */

static const struct CMUnitTest others[] = {
    cmocka_unit_test(bytes_that_are_no_shared_object_are_refused),
    cmocka_unit_test(tensors_larger_than_the_device_are_refused),
    cmocka_unit_test(code_that_breaks_the_calling_convention_fails),
    cmocka_unit_test(handlers_are_the_process_own_again_after_a_run),
    cmocka_unit_test(faults_are_the_process_own_when_not_asked_for),
    cmocka_unit_test(faults_of_others_go_to_the_handler_before),
    cmocka_unit_test(a_thread_that_blocks_signals_is_guarded_too),
    cmocka_unit_test(a_thread_that_cannot_be_ended_is_given_up),
    cmocka_unit_test(a_device_is_not_disturbed_by_another_thread_device),
    cmocka_unit_test(programs_are_loaded_on_several_threads_at_once),
    cmocka_unit_test(the_document_lists_these_tests_and_no_others),
};
enum { N_OTHERS = sizeof others / sizeof others[0] };

static struct CMUnitTest tests[N_KERNEL_ROWS + N_PLUGIN_ROWS + N_CALL_ROWS + N_LOAD_ROWS + N_OTHERS];

static void add_row(size_t *n, const char *name, CMUnitTestFunction function, const void *row)
{
    tests[(*n)++] = (struct CMUnitTest){name, function, NULL, NULL, (void *)(uintptr_t)row};
}

/* A process with threads, as servers are: libc takes its locks. */
static void *sleep_on(void *arg)
{
    (void)arg;
    for (;;) pause();
    return NULL;
}

int main(int argc, char **argv)
{
    size_t n = 0;
    pthread_t sleeper;
    if (pthread_create(&sleeper, NULL, sleep_on, NULL) != 0 || pthread_key_create(&host_key, NULL) != 0) return 1;
    for (int i = 0; i < N_CALL_ROWS; i++) add_row(&n, call_rows[i].name, hostile_call, &call_rows[i]);
    for (int i = 0; i < N_LOAD_ROWS; i++) add_row(&n, load_rows[i].name, hostile_module, &load_rows[i]);
    for (int i = 0; i < N_KERNEL_ROWS; i++) add_row(&n, kernel_rows[i].name, hostile_kernel, &kernel_rows[i]);
    for (int i = 0; i < N_PLUGIN_ROWS; i++) add_row(&n, plugin_rows[i].name, hostile_plugin, &plugin_rows[i]);
    for (int i = 0; i < N_OTHERS; i++) tests[n++] = others[i];
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
