/*
 * The tiny programs of docs/checking: each says what the document says of it, word for word, and nothing when it is
 * mended. What changes from run to run, addresses and places in code, stands as 0x... there.
 */
#include <ctype.h>
#include <stdlib.h>

#include "common/check.h"
#include "common/rig.h"

#define GM_BYTES (64ull << 20)

enum { N = 64 };

static const char *const names[] = {"task_race",        "builder_race",    "builder_reads", "gm_outside",
                                    "gm_freed",         "gm_host_address", "gm_unwritten",  "gm_declared",
                                    "output_unwritten", "spare_edges"};

static const struct tg_declared declared[] = {{0, TG_UNDEFINED, N * 2, N * 2, "row 1, which is not filled"},
                                              {1, TG_READ_ONLY, 0, N * 4, "shared by two"}};

/* Every number in hexadecimal becomes 0x... */
static void hide_addresses(char *text)
{
    char *to = text;
    for (const char *at = text; *at;) {
        if (strncmp(at, "0x", 2) != 0 || !isxdigit((unsigned char)at[2])) {
            *to++ = *at++;
            continue;
        }
        for (at += 2; isxdigit((unsigned char)*at);) at++;
        memcpy(to, "0x...", 5); /* not longer than what stood there: 0x and three digits or more */
        to += 5;
    }
    *to = '\0';
}

/* Run a program; its output is in `text`. */
static void run_program(struct rig *rig, const char *name, bool mended, char *text, size_t n_bytes)
{
    float a[N], b[N], out[N];
    char module[64];
    const struct tg_tensor tensors[] = {
        {"a", a, sizeof a, N, TG_IN}, {"b", b, sizeof b, N, TG_IN}, {"out", out, sizeof out, N, TG_OUT}};
    struct tg_run *run = NULL;
    for (int i = 0; i < N; i++) a[i] = b[i] = (float)i;
    rig_clear(rig);
    rig_kernel(rig, 0, TG_AIV, "aiv_add", rig_example("aicpu_build_graph/vector_example", "aiv_add"));
    snprintf(module, sizeof module, "checking/%s%s", name, mended ? "_mended" : "");
    rig_plugin(rig, rig_module(module), "orchestration");
    rig->config.check = rig->config.record = true;
    bool says_more = strcmp(name, "gm_declared") == 0;
    rig->config.declared = says_more ? declared : NULL;
    rig->config.n_declared = says_more ? 2 : 0;
    assert_int_equal(tg_run_open(rig->program, &rig->config, tensors, 3, &run), TG_OK);
    enum tg_status status = tg_run_wait(run);
    assert_true(status == TG_OK || status == TG_ERR_CHECK);
    FILE *stream = fmemopen(text, n_bytes, "w");
    assert_non_null(stream);
    tg_run_print_findings(run, stream);
    tg_run_print_proof(run, stream);
    struct tg_spare_edges edges;
    if (strcmp(name, "spare_edges") == 0) assert_int_equal(tg_run_spare_edges(run, &edges, stream), TG_OK);
    fclose(stream);
    tg_run_close(run);
    hide_addresses(text);
}

static void each_says_what_the_document_says(void **state)
{
    (void)state;
    size_t n_bytes;
    char *document = rig_read_file(TG_TEST_SOURCE_DIR "/docs/checking-memory.md", &n_bytes);
    struct rig rig;
    rig_open(&rig, GM_BYTES);
    document = realloc(document, n_bytes + 1);
    assert_non_null(document);
    document[n_bytes] = '\0';
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char text[8192], link[64];
        run_program(&rig, names[i], false, text, sizeof text);
        snprintf(link, sizeof link, "(checking/%s.c)", names[i]);
        CHECK(strstr(document, link), "docs/checking-memory.md has no link to %s", link);
        CHECK(strstr(document, text), "docs/checking-memory.md does not say of %s:\n%s", names[i], text);
    }
    free(document);
    rig_close(&rig);
}

static void mended_they_are_right(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, GM_BYTES);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char text[8192];
        run_program(&rig, names[i], true, text, sizeof text);
        CHECK(strncmp(text, "check: schedule-independent", 27) == 0, "%s: %s", names[i], text);
        CHECK(!strstr(text, "edges:") || strstr(text, "edges: 0 of "), "%s: %s", names[i], text);
    }
    rig_close(&rig);
}

int main(int argc, char **argv)
{
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    if (skip_without_plain_accesses()) return 77;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_says_what_the_document_says),
        cmocka_unit_test(mended_they_are_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
