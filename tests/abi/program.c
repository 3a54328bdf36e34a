/* program.c FOLDER - a host program, compiled against the headers of an earlier version: it runs the shared objects of
 * vector_example and looks at the result. Exit 0: out = (a + b) * 2, and the figures of the run are plausible. */
#include <stdio.h>
#include <stdlib.h>

#include <tilegraph/tilegraph.h>

enum { N = 10000 };

static void check(enum tg_status status, const char *call)
{
    if (status == TG_OK) return;
    fprintf(stderr, "%s: %s: %s\n", call, tg_status_name(status), tg_last_message());
    exit(tg_status_exit_code(status));
}

static size_t read_file(const char *folder, const char *name, char *bytes, size_t room)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        exit(2);
    }
    const size_t n = fread(bytes, 1, room, file);
    fclose(file);
    return n;
}

static void add_kernel(struct tg_program *program, int func_id, const char *folder, const char *name)
{
    static char bytes[1 << 20];
    const size_t n = read_file(folder, name, bytes, sizeof bytes);
    check(tg_program_add_kernel(program, func_id, TG_AIV, name, bytes, n), name);
}

int main(int argc, char **argv)
{
    static char bytes[1 << 20];
    static float a[N], b[N], out[N];
    if (argc != 2) return 2;
    if (tg_version() < TG_VERSION_NUMBER) {
        fprintf(stderr, "the library is older than the header\n");
        return 8;
    }
    for (int i = 0; i < N; i++) a[i] = (float)i, b[i] = 1;
    struct tg_device_config device_config;
    tg_device_config_init(&device_config);
    device_config.gm_bytes = 64 << 20;
    struct tg_device *device;
    struct tg_program *program;
    struct tg_run *run;
    check(tg_device_open(&device_config, &device), "tg_device_open");
    check(tg_program_open(device, &program), "tg_program_open");
    add_kernel(program, 0, argv[1], "aiv_add.so");
    add_kernel(program, 1, argv[1], "aiv_scale.so");
    const size_t n = read_file(argv[1], "orchestration.so", bytes, sizeof bytes);
    check(tg_program_set_orchestration(program, bytes, n, "orchestration"), "tg_program_set_orchestration");
    struct tg_run_config config;
    tg_run_config_init(&config);
    config.record = true;
    config.check = true;
    struct tg_tensor tensors[] = {
        {.name = "a", .data = a, .bytes = sizeof a, .elements = N, .direction = TG_IN},
        {.name = "b", .data = b, .bytes = sizeof b, .elements = N, .direction = TG_IN},
        {.name = "out", .data = out, .bytes = sizeof out, .elements = N, .direction = TG_OUT},
    };
    check(tg_run_open(program, &config, tensors, 3, &run), "tg_run_open");
    check(tg_run_wait(run), "tg_run_wait");
    struct tg_run_result result;
    struct tg_proof proof;
    struct tg_analysis analysis;
    tg_run_result(run, &result);
    tg_run_proof(run, &proof);
    check(tg_run_analyse(run, &analysis), "tg_run_analyse");
    if (!result.n_tasks || !result.has_outputs || proof.n_tasks != result.n_tasks ||
        analysis.device_ns != result.device_ns) {
        fprintf(stderr, "the figures of the run make no sense\n");
        return 1;
    }
    for (int i = 0; i < N; i++) {
        if (out[i] == 2 * (a[i] + b[i])) continue;
        fprintf(stderr, "out[%d] is %g\n", i, (double)out[i]);
        return 1;
    }
    tg_run_close(run);
    tg_program_close(program);
    tg_device_close(device);
    return 0;
}
