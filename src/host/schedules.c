/* Further schedules of a run: run the program under the following seeds and compare the outputs bit by bit. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "host/host.h"

/* ---- inputs that a run changes ----------------------------------------------------------------------------------- */

enum tg_status tg_schedules_open(struct tg_run *run)
{
    tg_failure_init(&run->others_failure);
    if (run->config.schedules <= 1) (void)tg_failure_close(&run->others_failure);
    if (run->config.schedules <= 1) return TG_OK;
    run->before = calloc(run->n_tensors, sizeof *run->before);
    if (!run->before) return tg_error(TG_ERR_MEMORY, "no memory for %zu tensors", run->n_tensors);
    for (size_t i = 0; i < run->n_tensors; i++) {
        const struct tg_tensor *tensor = &run->tensors[i];
        if (tensor->direction != TG_INOUT) continue;
        run->before[i] = malloc(tensor->bytes);
        if (!run->before[i]) return tg_error(TG_ERR_MEMORY, "no memory for a copy of tensor %s", tensor->name);
        memcpy(run->before[i], tensor->data, tensor->bytes);
    }
    return TG_OK;
}

static void free_all(void **data, size_t n)
{
    for (size_t i = 0; data && i < n; i++) free(data[i]);
    free(data);
}

void tg_schedules_close(struct tg_run *run) { free_all(run->before, run->n_tensors); }

/* ---- another run ------------------------------------------------------------------------------------------------- */

/* The destination of its outputs. */
static enum tg_status own_outputs(const struct tg_run *run, void **own, struct tg_tensor *tensors)
{
    for (size_t i = 0; i < run->n_tensors; i++) {
        tensors[i] = run->tensors[i];
        if (tensors[i].direction == TG_IN) continue;
        own[i] = malloc(tensors[i].bytes);
        if (!own[i]) return tg_error(TG_ERR_MEMORY, "no memory for a copy of tensor %s", tensors[i].name);
        if (run->before[i]) memcpy(own[i], run->before[i], tensors[i].bytes);
        tensors[i].data = own[i];
    }
    return TG_OK;
}

/* ---- comparing --------------------------------------------------------------------------------------------------- */

/* The bits of an element as a number: the bytes of the value, the most significant first. */
static void print_element(const uint8_t *element, uint64_t bytes, char text[2 * 8 + 3])
{
    static const char digits[] = "0123456789abcdef";
    const uint64_t n = bytes < 8 ? bytes : 8;
    char *at = text;
    *at++ = '0';
    *at++ = 'x';
    for (uint64_t i = n; i > 0; i--) {
        *at++ = digits[element[i - 1] >> 4];
        *at++ = digits[element[i - 1] & 15];
    }
    *at = '\0';
}

struct difference {
    uint64_t n, first; /* elements */
    uint64_t bytes;    /* of an element */
};

static struct difference compare(const struct tg_tensor *tensor, const uint8_t *other)
{
    const uint8_t *data = tensor->data;
    const bool whole = tensor->elements > 0 && tensor->bytes % tensor->elements == 0;
    struct difference d = {.bytes = whole ? tensor->bytes / tensor->elements : 1};
    if (memcmp(data, other, tensor->bytes) == 0) return d;
    for (uint64_t at = 0; at < tensor->bytes; at += d.bytes) {
        if (memcmp(data + at, other + at, d.bytes) == 0) continue;
        if (d.n++ == 0) d.first = at / d.bytes;
    }
    return d;
}

static void mend(struct tg_finding_list *list, struct tg_finding_item *item)
{
    tg_finding_mend(list, item,
                    "run with this seed as schedule_seed to see it again, and with check to see which two tasks "
                    "nothing orders");
}

/* `key` names the tensor. */
static void report_difference(struct tg_run *run, uint64_t seed, uint64_t key, const struct tg_tensor *tensor,
                              const uint8_t *other)
{
    const struct difference d = compare(tensor, other);
    const uint64_t at = d.first * d.bytes;
    struct tg_finding_list *list = &run->check.findings;
    if (d.n == 0) return;
    struct tg_finding_item *item = tg_finding_count(list, TG_FINDING_SCHEDULE_DIFFERENCE, tg_finding_key(&key, 1));
    if (!item) return;
    char ours[2 * 8 + 3], theirs[2 * 8 + 3];
    print_element((const uint8_t *)tensor->data + at, d.bytes, ours);
    print_element(other + at, d.bytes, theirs);
    tg_finding_what(list, item,
                    "%s depends on the schedule: %" PRIu64 " of %" PRIu64
                    " elements differ; the first, element %" PRIu64 ", is %s under seed %" PRIu64
                    " and %s under seed %" PRIu64,
                    tensor->name ? tensor->name : "a tensor without a name", d.n, tensor->bytes / d.bytes, d.first,
                    ours, run->config.schedule_seed, theirs, seed);
    tg_finding_where(list, item, "schedule seed %" PRIu64, seed);
    mend(list, item);
}

/* The memory of the plugin's choice that the run has copied back. Another run does not write it, see each_pair. */
static enum tg_status compare_pairs(struct tg_run *run, uint64_t seed, const struct tg_run *again)
{
    for (size_t i = 0; i < run->n_pairs && i < again->n_pairs; i++) {
        const struct tg_pair *ours = &run->pairs[i], *theirs = &again->pairs[i];
        if (ours->bytes != theirs->bytes || tg_host_is_staged(run, ours)) continue;
        const struct tg_tensor memory = {"memory of record_tensor_pair", ours->host, ours->bytes, 0, TG_OUT};
        uint8_t *other = malloc(ours->bytes);
        if (!other) return tg_error(TG_ERR_MEMORY, "no memory for a copy of %s", memory.name);
        const enum tg_status status = tg_copy_from_device(again->program->device, other, theirs->device, ours->bytes);
        if (status == TG_OK) report_difference(run, seed, run->n_tensors + i, &memory, other);
        free(other);
        TG_TRY(status);
    }
    return TG_OK;
}

/* The run succeeded, but it fails under this seed. */
static void report_failure(struct tg_run *run, uint64_t seed, enum tg_status status)
{
    const uint64_t key = UINT64_MAX;
    struct tg_finding_list *list = &run->check.findings;
    struct tg_finding_item *item = tg_finding_count(list, TG_FINDING_SCHEDULE_DIFFERENCE, tg_finding_key(&key, 1));
    if (!item) return;
    tg_finding_what(list, item, "the run succeeds under seed %" PRIu64 " and fails under seed %" PRIu64 ": %s: %s",
                    run->config.schedule_seed, seed, tg_status_name(status), tg_last_message());
    tg_finding_where(list, item, "schedule seed %" PRIu64, seed);
    mend(list, item);
}

/* ---- all of them ------------------------------------------------------------------------------------------------- */

static enum tg_status run_again(struct tg_run *run, uint64_t seed, const struct tg_tensor *tensors)
{
    struct tg_run_config config = run->config;
    struct tg_run *again;
    config.schedule_seed = seed;
    config.schedules = 1;
    config.record = config.record_pipes = config.check = false;
    if (!tg_failure_reopen(&run->others_failure))
        return tg_error(TG_ERR_CANCELLED, "%s", tg_failure_message(&run->others_failure));
    TG_TRY(tg_run_create(run->program, run->orchestration, &config, tensors, run->n_tensors, &run->others_failure,
                         &again));
    tg_run_on_progress(again, run->progress, run->progress_context);
    enum tg_status status = tg_run_execute(again);
    if (status == TG_OK) status = compare_pairs(run, seed, again);
    tg_run_destroy(again);
    return status;
}

static enum tg_status try_schedule(struct tg_run *run, uint64_t seed, void **own, struct tg_tensor *tensors)
{
    TG_TRY(own_outputs(run, own, tensors));
    enum tg_status status = run_again(run, seed, tensors);
    /* These errors do not depend on the program. */
    if (status == TG_ERR_MEMORY || status == TG_ERR_DEVICE_MEMORY || status == TG_ERR_CANCELLED) return status;
    if (status != TG_OK) {
        report_failure(run, seed, status);
        return TG_OK;
    }
    for (size_t i = 0; i < run->n_tensors; i++)
        if (own[i]) report_difference(run, seed, i, &run->tensors[i], own[i]);
    return TG_OK;
}

enum tg_status tg_schedules_compare(struct tg_run *run)
{
    enum tg_status status = TG_OK;
    if (run->config.schedules <= 1) return TG_OK;
    tg_run_free_memory(run); /* the other runs need as much */
    for (uint32_t k = 1; k < run->config.schedules && status == TG_OK; k++) {
        void **own = calloc(run->n_tensors, sizeof *own);
        struct tg_tensor *tensors = calloc(run->n_tensors, sizeof *tensors);
        if (own && tensors) status = try_schedule(run, run->config.schedule_seed + k, own, tensors);
        else status = tg_error(TG_ERR_MEMORY, "no memory for %zu tensors", run->n_tensors);
        free(tensors);
        free_all(own, run->n_tensors);
    }
    const enum tg_status cancelled = tg_failure_close(&run->others_failure);
    if (status == TG_OK && cancelled == TG_ERR_CANCELLED)
        return tg_error(cancelled, "%s", tg_failure_message(&run->others_failure));
    return status;
}
