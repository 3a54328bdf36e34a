/* A graph as a block of bytes: the reader's graph is the writer's, and damaged blocks are refused. */
#include "graph/image.h"

#include <stdlib.h>

#include "common/check.h"
#include "common/random.h"

static void *const somewhere = &(char){0};
static struct tg_kernel here[] = {{.func_id = 0, .name = "a"}, {.func_id = 1, .name = "b"}};
static struct tg_kernel there[] = {{.func_id = 0, .name = "a"}, {.func_id = 1, .name = "b"}};

static struct tg_kernels table(struct tg_kernel *by_id)
{
    for (int i = 0; i < 2; i++) memcpy(&by_id[i].entry, &somewhere, sizeof somewhere);
    return (struct tg_kernels){.by_id = by_id, .n = 2};
}

enum { N_TASKS = 200, N_ARGS = 20 };

/* A random graph over several pages, with many arguments, many edges, two files, and tasks published by hand. */
static struct tg_task *write_graph(struct tg_graph *graph, uint64_t seed)
{
    static const char *const files[] = {NULL, "one.c", "two.c"};
    struct tg_task *first = NULL, **last = &first, *ready = NULL;
    uint64_t args[N_ARGS], state = seed;
    tg_graph_init(graph, UINT64_MAX);
    for (int i = 0; i < N_TASKS; i++) {
        int32_t id;
        for (int k = 0; k < N_ARGS; k++) args[k] = random_next(&state);
        const struct tg_task_spec spec = {.args = args,
                                          .n_args = (uint32_t)(random_next(&state) % (N_ARGS + 1)),
                                          .kernel = &here[random_next(&state) % 2],
                                          .file = files[random_next(&state) % 3],
                                          .line = i};
        assert_int_equal(tg_graph_add(graph, &spec, &id), TG_OK);
        for (uint64_t n = random_next(&state) % 7; i > 0 && n > 0; n--)
            assert_int_equal(tg_graph_edge(graph, (int64_t)(random_next(&state) % (uint64_t)i), id), TG_OK);
    }
    for (int i = N_TASKS - 1; i >= 0; i -= 3) { /* by hand, in another order than their ids */
        assert_int_equal(tg_graph_publish(graph, i, &ready), TG_OK);
        if (!ready) continue;
        *last = ready;
        last = &ready->next_ready;
    }
    tg_graph_publish_all(graph, last);
    return first;
}

static uint8_t *write_image(struct tg_graph *graph, struct tg_task *ready, uint64_t *n_bytes)
{
    struct tg_graph_image header;
    assert_int_equal(tg_graph_image_measure(graph, ready, &header), TG_OK);
    uint8_t *image = malloc(header.n_bytes);
    assert_non_null(image);
    assert_int_equal(tg_graph_image_write(graph, ready, &header, image), TG_OK);
    *n_bytes = header.n_bytes;
    return image;
}

static void expect_same_task(struct tg_task *a, struct tg_task *b)
{
    assert_int_equal(a->id, b->id);
    assert_int_equal(a->n_args, b->n_args);
    assert_memory_equal(a->args, b->args, a->n_args * sizeof *a->args);
    assert_int_equal(a->kernel->func_id, b->kernel->func_id);
    assert_ptr_equal(b->kernel, &there[b->kernel->func_id]);
    assert_int_equal(a->line, b->line);
    assert_true(!a->file == !b->file);
    if (a->file) assert_string_equal(a->file, b->file);
    assert_int_equal(a->n_waits, b->n_waits);
    const struct tg_edge *of_a = tg_task_successors(a), *of_b = tg_task_successors(b);
    for (; of_a && of_b; of_a = of_a->next, of_b = of_b->next) assert_int_equal(of_a->to->id, of_b->to->id);
    assert_true(!of_a && !of_b);
}

static void the_read_graph_is_the_written_one(void **state)
{
    (void)state;
    here[0].entry = NULL;
    table(here);
    const struct tg_kernels kernels = table(there);
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct tg_graph written, read;
        uint64_t n_bytes;
        struct tg_task *ready = write_graph(&written, seed), *read_ready = NULL;
        uint8_t *image = write_image(&written, ready, &n_bytes);
        tg_graph_init(&read, UINT64_MAX);
        CHECK(tg_graph_image_read(image, n_bytes, &kernels, &read, &read_ready) == TG_OK, "%s", tg_last_message());
        memset(image, 0xA5, n_bytes); /* it is not used after the call */
        free(image);
        assert_int_equal(read.n_added, written.n_added);
        assert_int_equal(read.n_edges, written.n_edges);
        for (int64_t id = 0; id < N_TASKS; id++)
            expect_same_task(tg_graph_find(&written, id), tg_graph_find(&read, id));
        for (; ready && read_ready; ready = ready->next_ready, read_ready = read_ready->next_ready)
            assert_int_equal(ready->id, read_ready->id);
        assert_true(!ready && !read_ready);
        tg_graph_fini(&written);
        tg_graph_fini(&read);
    }
}

static void an_empty_graph_has_an_image(void **state)
{
    (void)state;
    const struct tg_kernels kernels = table(there);
    struct tg_graph written, read;
    uint64_t n_bytes;
    struct tg_task *ready = NULL;
    tg_graph_init(&written, UINT64_MAX);
    tg_graph_init(&read, UINT64_MAX);
    uint8_t *image = write_image(&written, NULL, &n_bytes);
    assert_int_equal(tg_graph_image_read(image, n_bytes, &kernels, &read, &ready), TG_OK);
    assert_int_equal(read.n_added, 0);
    assert_null(ready);
    free(image);
    tg_graph_fini(&written);
    tg_graph_fini(&read);
}

/* Flip bits and cut: the image is refused, or the graph is another one. No access leaves the bytes (sanitizers). */
static void damaged_images_do_no_harm(void **state)
{
    (void)state;
    const struct tg_kernels kernels = table(there);
    struct tg_graph written;
    uint64_t n_bytes, random = 5;
    uint8_t *image = write_image(&written, write_graph(&written, 3), &n_bytes);
    int n_refused = 0;
    for (int i = 0; i < 2000; i++) {
        struct tg_graph read;
        struct tg_task *ready = NULL;
        const uint64_t cut = i % 4 == 0 ? random_next(&random) % n_bytes : n_bytes;
        uint8_t *copy = malloc(cut + 1);
        memcpy(copy, image, cut);
        /* The header and the sections behind it get the same share of the damage. */
        const uint64_t within = i % 2 ? sizeof(struct tg_graph_image) : cut;
        if (within > 0 && within <= cut) copy[random_next(&random) % within] ^= (uint8_t)(1u << (i % 8));
        tg_graph_init(&read, 64 << 20);
        const enum tg_status status = tg_graph_image_read(copy, cut, &kernels, &read, &ready);
        n_refused += status != TG_OK;
        CHECK(status == TG_OK || status == TG_ERR_ABI || status == TG_ERR_EDGE || status == TG_ERR_PUBLISH ||
                  status == TG_ERR_UNKNOWN_FUNC,
              "%s", tg_last_message());
        tg_graph_fini(&read);
        free(copy);
    }
    CHECK(n_refused > 1000, "%d", n_refused);
    free(image);
    tg_graph_fini(&written);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_read_graph_is_the_written_one),
        cmocka_unit_test(an_empty_graph_has_an_image),
        cmocka_unit_test(damaged_images_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
