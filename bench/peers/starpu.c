/* StarPU tasks with declared dependencies, submitted while others run. Build: pkg-config starpu-1.3. */
#include "peers.h"

#include <starpu.h>
#include <stdbool.h>

static void run_task(void *buffers[], void *arg)
{
    (void)buffers;
    spin((int64_t)(intptr_t)arg);
}

static struct starpu_codelet codelet = {.cpu_funcs = {run_task}, .nbuffers = 0, .name = "task"};

static struct starpu_task *new_task(int64_t turns, struct starpu_task *first, struct starpu_task *second)
{
    struct starpu_task *before[2] = {first, second}, *task = starpu_task_create();
    task->cl = &codelet;
    task->cl_arg = (void *)(intptr_t)turns;
    task->destroy = 0;
    if (first) starpu_task_declare_deps_array(task, second ? 2 : 1, before);
    return task;
}

static void run_graph(int workers, int64_t n_blocks, int64_t turns)
{
    static int n_started;
    if (n_started != workers) {
        struct starpu_conf conf;
        if (n_started) starpu_shutdown();
        starpu_conf_init(&conf);
        conf.ncpus = workers;
        if (starpu_init(&conf) != 0) exit(7);
        n_started = workers;
    }
    const int64_t n = PEER_KINDS * n_blocks;
    struct starpu_task **tasks = malloc((size_t)n * sizeof(struct starpu_task *));
    if (!tasks) exit(5);
    for (int64_t i = 0; i < n; i++) {
        int64_t kind = i % PEER_KINDS, block = i / PEER_KINDS;
        bool chained = kind == PEER_UP && block % PEER_CHAIN;
        tasks[i] = new_task(turns, kind ? tasks[i - 1] : NULL, chained ? tasks[i - PEER_KINDS] : NULL);
        if (starpu_task_submit(tasks[i]) != 0) exit(6);
    }
    starpu_task_wait_for_all();
    for (int64_t i = 0; i < n; i++) starpu_task_destroy(tasks[i]);
    free(tasks);
}

int main(void)
{
    peer_rows("StarPU", 0);
    return 0;
}
