/*
 * A core's program: say hello, then take a task, run its kernel, answer, until the exit token. launch/launch.h draws
 * the protocol.
 */
#include <stdint.h>
#include <string.h>

#include "launch/launch.h"

/* `args` is zero before and after the call, even beyond the task's own arguments: a kernel may write there. */
static void run_task(struct tg_machine *machine, struct tg_handshake *handshake, uint32_t seq,
                     int64_t args[TG_TASK_ARGS_MAX])
{
    /* Acquire, pairs with the scheduler's release: the payload belongs to this token. */
    if (atomic_load_explicit(&handshake->payload_token, memory_order_acquire) != seq) return;
    /* A kernel gets its own copy of the arguments, because it may write to them. */
    const struct tg_payload *payload = &handshake->payload;
    const uint32_t n_args = payload->n_args;
    const uint64_t *theirs = (const uint64_t *)(uintptr_t)payload->args; /* a core reads device memory */
    for (uint32_t i = 0; i < n_args; i++) args[i] = (int64_t)theirs[i];
    const struct tg_kernel_call call = {
        .args = args, .n_args = n_args, .func_id = payload->func_id, .task_id = payload->task_id};
    machine->ops->run_kernel(machine, &call, &handshake->result);
    memset(args, 0, TG_TASK_ARGS_MAX * sizeof args[0]);
    /* Release, pairs with the scheduler's acquire: result and outputs are complete. */
    atomic_store_explicit(&handshake->result_token, seq, memory_order_release);
    machine->ops->write_cond(machine, TG_COND_FIN | seq);
}

void tg_core_main(void *arg, uint32_t core)
{
    const struct tg_core_launch *launch = arg;
    struct tg_machine *machine = launch->machine;
    struct tg_handshake *handshake = &launch->handshake[core];
    handshake->hello_core = core;
    handshake->hello_type = (uint32_t)launch->data->core_type[core];
    /* Release, pairs with the scheduler's acquire: hello is complete. */
    atomic_store_explicit(&handshake->ready, 1, memory_order_release);
    machine->ops->write_cond(machine, TG_TOKEN_NONE);

    int64_t args[TG_TASK_ARGS_MAX] = {0};
    uint32_t token = TG_TOKEN_NONE;
    while ((token = machine->ops->wait_dispatch(machine, token)) != TG_TOKEN_EXIT) {
        if (token == TG_TOKEN_IDLE) machine->ops->write_cond(machine, TG_TOKEN_IDLE);
        else run_task(machine, handshake, token, args);
    }
}
