/*
 * A launch is data: runs whose launches are carried out by another process.
 *
 * The other process is forked before the program is loaded and before a run is open. It has kernels at other addresses,
 * and no graph, plugin or arguments. It gets the block of the launch and the contents of device memory through one
 * pipe. It answers through another with the report, the failure and device memory. The host's code is the library's
 * own up to tg_launch_carry_out, which this file replaces.
 */
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/check.h"
#include "common/flagship.h"
#include "common/rig.h"
#include "common/script.h"
#include "host/host.h"
#include "launch/launch.h"

enum tg_status __wrap_tg_launch_carry_out(const struct tg_launch_data *data, struct tg_launch_place *place,
                                          struct tg_launch_report *report);
enum tg_status __real_tg_launch_carry_out(const struct tg_launch_data *data, struct tg_launch_place *place,
                                          struct tg_launch_report *report);

static int to_other, from_other; /* pipes; 0: launches are carried out here */
static int n_elsewhere;          /* launches so far that the other process has carried out */
static enum tg_graph_source last_source;

/* ---- both sides ---- */

static void send(int fd, const void *bytes, size_t n_bytes)
{
    for (size_t n = 0; n < n_bytes;) {
        const ssize_t done = write(fd, (const char *)bytes + n, n_bytes - n);
        CHECK(done > 0, "the other side has ended");
        n += (size_t)done;
    }
}

/* false: the other side has closed the pipe. */
static bool receive(int fd, void *bytes, size_t n_bytes)
{
    for (size_t n = 0; n < n_bytes;) {
        const ssize_t done = read(fd, (char *)bytes + n, n_bytes - n);
        if (done <= 0) return false;
        n += (size_t)done;
    }
    return true;
}

struct answer {
    enum tg_status status, failure;
    char message[TG_MESSAGE_BYTES];
    struct tg_launch_report report;
};

struct allocation {
    uint64_t address, bytes;
};

struct allocations {
    struct allocation at[64];
    size_t n;
    bool guarded; /* red zones are behind them */
};

static void note(void *context, const struct tg_gm_owner *owner, uint64_t address, uint64_t bytes)
{
    struct allocations *all = context;
    assert_true(all->n < 64);
    all->guarded = owner->guarded;
    all->at[all->n++] = (struct allocation){address, bytes};
}

static int by_address(const void *a, const void *b)
{
    const struct allocation *left = a, *right = b;
    return (left->address > right->address) - (left->address < right->address);
}

/* ---- the host's side ---- */

enum tg_status __wrap_tg_launch_carry_out(const struct tg_launch_data *data, struct tg_launch_place *place,
                                          struct tg_launch_report *report)
{
    if (!to_other) return __real_tg_launch_carry_out(data, place, report);
    struct tg_machine *machine = place->machine;
    struct allocations all = {0};
    static struct answer answer;
    tg_gm_each(&machine->gm, note, &all);
    qsort(all.at, all.n, sizeof all.at[0], by_address); /* the order in which they were made */
    send(to_other, &data->n_bytes, sizeof data->n_bytes);
    send(to_other, data, data->n_bytes);
    send(to_other, &all, sizeof all);
    for (size_t i = 0; i < all.n; i++) {
        void *copy = malloc(all.at[i].bytes);
        machine->ops->read(machine, copy, all.at[i].address, all.at[i].bytes);
        send(to_other, copy, all.at[i].bytes);
        free(copy);
    }
    assert_true(receive(from_other, &answer, sizeof answer));
    for (size_t i = 0; i < all.n; i++) {
        void *copy = malloc(all.at[i].bytes);
        assert_true(receive(from_other, copy, all.at[i].bytes));
        machine->ops->write(machine, all.at[i].address, copy, all.at[i].bytes);
        free(copy);
    }
    n_elsewhere++;
    last_source = (enum tg_graph_source)data->graph_source;
    *report = answer.report;
    if (answer.failure != TG_OK) tg_failure_set(place->failure, answer.failure, "%s", answer.message);
    return answer.status == TG_OK ? TG_OK : tg_error(answer.status, "%s", answer.message);
}

/* ---- the other process ---- */

/* In the other process a failed assertion ends it: cmocka's would go on with the next test. */
#define MUST(condition)                                                                                                \
    do {                                                                                                               \
        if (condition) break;                                                                                          \
        fprintf(stderr, "%s:%d: not true in the other process: %s: %s\n", __FILE__, __LINE__, #condition,              \
                tg_last_message());                                                                                    \
        _exit(1);                                                                                                      \
    } while (0)

struct elsewhere {
    struct rig *rig;
    struct tg_graph graph;
    struct tg_builder builder;
    struct tg_gm_owner copies, plugin_memory;
    struct tg_failure failure;
    struct tg_launch_data *last; /* an open plugin may read its arguments */
};

static void carry_out(struct elsewhere *e, int in, int out, struct tg_launch_data *data)
{
    struct tg_machine *machine = e->rig->device->machine;
    struct allocations all;
    static struct answer answer;
    if (data->graph_source != TG_GRAPH_KEPT) {
        tg_graph_fini(&e->graph);
        tg_graph_init(&e->graph, UINT64_MAX);
        e->graph.keep = true;
        tg_gm_free_all(&machine->gm, &e->copies);
        tg_gm_free_all(&machine->gm, &e->plugin_memory);
    }
    MUST(receive(in, &all, sizeof all));
    e->copies.guarded = all.guarded;
    for (size_t i = 0; i < all.n; i++) {
        void *copy = malloc(all.at[i].bytes);
        uint64_t address = all.at[i].address;
        MUST(receive(in, copy, all.at[i].bytes));
        if (data->graph_source != TG_GRAPH_KEPT)
            MUST(tg_gm_alloc(&machine->gm, all.at[i].bytes, &e->copies, &address) == TG_OK);
        MUST(address == all.at[i].address);
        machine->ops->write(machine, address, copy, all.at[i].bytes);
        free(copy);
    }
    tg_failure_init(&e->failure);
    struct tg_launch_place place = {.machine = machine,
                                    .kernels = &e->rig->program->kernels,
                                    .graph = &e->graph,
                                    .builder = &e->builder,
                                    .gm_owner = &e->plugin_memory,
                                    .failure = &e->failure};
    memset(&answer, 0, sizeof answer);
    answer.status = tg_launch_carry_out(data, &place, &answer.report);
    answer.failure = tg_failure_status(&e->failure);
    snprintf(answer.message, sizeof answer.message, "%s",
             answer.failure ? tg_failure_message(&e->failure) : tg_last_message());
    send(out, &answer, sizeof answer);
    for (size_t i = 0; i < all.n; i++) {
        void *copy = malloc(all.at[i].bytes);
        machine->ops->read(machine, copy, all.at[i].address, all.at[i].bytes);
        send(out, copy, all.at[i].bytes);
        free(copy);
    }
    tg_plugins_give(machine, place.plugin, false);
}

/* Carry launches out until the host closes its pipe. */
static void serve(struct elsewhere *e, int in, int out)
{
    uint64_t n_bytes;
    while (receive(in, &n_bytes, sizeof n_bytes)) {
        struct tg_launch_data *data = malloc(n_bytes);
        MUST(receive(in, data, n_bytes));
        carry_out(e, in, out, data);
        free(e->last);
        e->last = data;
    }
}

typedef void load_fn(struct rig *rig, enum rig_mode mode);

/* Open a rig whose launches another process carries out; `load` puts the program on the rigs of both. */
static pid_t open_elsewhere(struct rig *rig, enum rig_mode mode, load_fn *load)
{
    int there[2], back[2];
    rig_open(rig, 64 << 20);
    assert_int_equal(pipe(there), 0);
    assert_int_equal(pipe(back), 0);
    const pid_t other = fork();
    assert_true(other >= 0);
    if (other == 0) {
        close(there[1]);
        close(back[0]);
        struct rig shift = *rig; /* a program before the one that runs: its kernels take the first addresses */
        MUST(tg_program_open(rig->device, &shift.program) == TG_OK);
        script_load(&shift, RIG_CONCURRENT);
        load(rig, mode);
        /* Launches name plugins by the host's numbers. */
        while (rig->device->machine->idle_plugins)
            tg_plugins_forget(rig->device->machine, rig->device->machine->idle_plugins->number);
        static struct elsewhere e;
        e.rig = rig;
        serve(&e, there[0], back[1]);
        _exit(0);
    }
    close(there[0]);
    close(back[1]);
    to_other = there[1];
    from_other = back[0];
    load(rig, mode);
    struct tg_plugin_bytes *plugin = &rig->program->orchestration->plugin;
    tg_plugins_forget(rig->device->machine, plugin->number); /* the block then holds its bytes */
    return other;
}

static void close_elsewhere(struct rig *rig, pid_t other)
{
    int how;
    close(to_other);
    close(from_other);
    to_other = from_other = 0;
    assert_int_equal(waitpid(other, &how, 0), other);
    CHECK(WIFEXITED(how) && WEXITSTATUS(how) == 0, "the other process has failed (%d)", how);
    rig_close(rig);
}

static void load_flagship(struct rig *rig, enum rig_mode mode) { flagship_load(rig, mode, NULL); }

static const enum tg_graph_source source_of[RIG_MODES] = {TG_GRAPH_PLUGIN, TG_GRAPH_PLUGIN, TG_GRAPH_IN_BLOCK};

/* ---- cases ---- */

static void paged_attention_runs_in_another_process(void **state)
{
    (void)state;
    for (enum rig_mode mode = RIG_CONCURRENT; mode < RIG_MODES; mode++) {
        struct rig rig;
        struct pa_problem problem;
        const int before = n_elsewhere;
        const pid_t other = open_elsewhere(&rig, mode, load_flagship);
        flagship_draw(&problem, "Case1", 7);
        flagship_run(&rig, &problem);
        flagship_expect_right(&rig, &problem);
        assert_int_equal(n_elsewhere, before + 1);
        assert_int_equal(last_source, source_of[mode]);
        const struct tg_run_result there = rig.result;
        close_elsewhere(&rig, other);

        /* The launch takes the same virtual time here. */
        rig_open(&rig, 64 << 20);
        flagship_load(&rig, mode, NULL);
        flagship_run(&rig, &problem);
        assert_int_equal(rig.result.device_ns, there.device_ns);
        assert_int_equal(rig.result.n_tasks, there.n_tasks);
        assert_int_equal(rig.result.n_edges, there.n_edges);
        pa_problem_free(&problem);
        rig_close(&rig);
    }
}

static void a_kept_graph_is_replayed_in_another_process(void **state)
{
    (void)state;
    struct rig rig;
    struct pa_problem problem;
    struct tg_tensor tensors[FLAGSHIP_TENSORS];
    struct tg_run *run = NULL;
    const pid_t other = open_elsewhere(&rig, RIG_SEQUENTIAL, load_flagship);
    flagship_draw(&problem, "Case1", 7);
    flagship_tensors(&problem, tensors);
    rig.config.keep = true;
    CHECK(tg_run_open(rig.program, &rig.config, tensors, FLAGSHIP_TENSORS, &run) == TG_OK, "%s", tg_last_message());
    CHECK(tg_run_wait(run) == TG_OK, "%s", tg_last_message());
    assert_int_equal(last_source, TG_GRAPH_PLUGIN);
    memset(problem.out, 0, flagship_out_bytes(&problem));
    CHECK(tg_run_replay(run, NULL, 0) == TG_OK, "%s", tg_last_message());
    assert_int_equal(last_source, TG_GRAPH_KEPT);
    assert_int_equal(flagship_mismatches(&problem), 0);
    tg_run_close(run);
    pa_problem_free(&problem);
    close_elsewhere(&rig, other);
}

static void load_cycle(struct rig *rig, enum rig_mode mode) { script_load(rig, mode); }

/* The message of a failure names tasks, kernels and lines, which travel as data, too. */
static void a_cycle_is_named_by_another_process(void **state)
{
    (void)state;
    for (enum rig_mode mode = RIG_CONCURRENT; mode < RIG_MODES; mode++) {
        char message[RIG_MESSAGE_BYTES];
        for (int elsewhere = 1; elsewhere >= 0; elsewhere--) {
            struct rig rig;
            struct script s;
            pid_t other = 0;
            if (elsewhere) other = open_elsewhere(&rig, mode, load_cycle);
            else {
                rig_open(&rig, 64 << 20);
                script_load(&rig, mode);
            }
            rig.can_check = false; /* checks observe in this process */
            script_init(&s);
            int a = script_visit(&s, TG_AIC, 0, 0, NULL), b = script_visit(&s, TG_AIV, 0, 0, NULL);
            script_edge(&s, a, b);
            script_edge(&s, b, a);
            script_publish(&s, a);
            script_publish(&s, b);
            script_run(&rig, &s);
            rig_expect(&rig, TG_ERR_DEADLOCK_CYCLE, "task 0", "task 1", "graph.script:1", NULL);
            if (elsewhere) snprintf(message, sizeof message, "%s", rig.message);
            else assert_string_equal(rig.message, message);
            script_fini(&s);
            if (elsewhere) close_elsewhere(&rig, other);
            else rig_close(&rig);
        }
    }
}

static void load_other_kernels(struct rig *rig, enum rig_mode mode)
{
    flagship_load(rig, mode, NULL);
    if (!to_other) rig_kernel(rig, 9, TG_AIV, "one_more", rig_module("kernel_visit"));
}

static void other_kernels_are_refused(void **state)
{
    (void)state;
    struct rig rig;
    struct pa_problem problem;
    const pid_t other = open_elsewhere(&rig, RIG_HOST, load_other_kernels);
    rig.can_check = false;
    flagship_draw(&problem, "Case1", 7);
    flagship_run(&rig, &problem);
    rig_expect(&rig, TG_ERR_ABI, "other kernels", NULL);
    pa_problem_free(&problem);
    close_elsewhere(&rig, other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paged_attention_runs_in_another_process),
        cmocka_unit_test(a_kept_graph_is_replayed_in_another_process),
        cmocka_unit_test(a_cycle_is_named_by_another_process),
        cmocka_unit_test(other_kernels_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
