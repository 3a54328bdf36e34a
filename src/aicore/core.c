/*
 * A core's program: say hello, then take a task, run its kernel, answer, until the exit token. launch/launch.h draws
 * the protocol.
 */
#include <stdint.h>
#include <string.h>

#include "launch/launch.h"

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

    /* A kernel gets its own copy of the arguments, because it may write to them, even beyond their number. The copy is
     * zero before and after each call. */
    int64_t args[TG_TASK_ARGS_MAX] = {0};
    uint32_t token = TG_TOKEN_NONE;
    while ((token = machine->ops->wait_dispatch(machine, token)) != TG_TOKEN_EXIT) {
        if (token == TG_TOKEN_IDLE) {
            machine->ops->write_cond(machine, TG_TOKEN_IDLE);
            continue;
        }
        /* Acquire, pairs with the scheduler's release: the payload belongs to this token. */
        if (atomic_load_explicit(&handshake->payload_token, memory_order_acquire) != token) continue;
        const struct tg_payload *payload = &handshake->payload;
        const struct tg_kernel_call call = {
            .args = args, .n_args = payload->n_args, .func_id = payload->func_id, .task_id = payload->task_id};
        const uint64_t *theirs = (const uint64_t *)(uintptr_t)payload->args; /* a core reads device memory */
        for (uint32_t i = 0; i < call.n_args; i++) args[i] = (int64_t)theirs[i];
        machine->ops->run_kernel(machine, &call, &handshake->result);
        memset(args, 0, sizeof args);
        /* Release, pairs with the scheduler's acquire: result and outputs are complete. */
        atomic_store_explicit(&handshake->result_token, token, memory_order_release);
        machine->ops->write_cond(machine, TG_COND_FIN | token);
    }
}
