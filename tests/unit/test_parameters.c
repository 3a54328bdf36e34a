/* machine.c: the file that documents the machine is one that can be read, and every mistake in one is named. */
#include <stdlib.h>
#include <unistd.h>

#include "base/output.h"
#include "common/check.h"
#include "machine/sim/parameters.h"

static char path[] = "/tmp/test_machine.XXXXXX";

static int create_file(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

static void write_bytes(const char *text, size_t n)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}

static enum tg_status read_text(const char *text, struct tg_sim_machine *machine)
{
    write_bytes(text, strlen(text));
    return tg_sim_machine_read(machine, path);
}

static const struct {
    const char *name;
    double value, least, most;
} parameters[] = {
#define ROW(name, value, least, most, unit, confidence, source) {#name, value, least, most},
    TG_MACHINE_PARAMETERS(ROW)
#undef ROW
};
enum { N_PARAMETERS = sizeof parameters / sizeof parameters[0] };

static const double *field(const struct tg_sim_machine *machine, size_t i)
{
    return (const double *)(const void *)machine + i;
}
_Static_assert(sizeof(struct tg_sim_machine) == N_PARAMETERS * sizeof(double), "one double a parameter");

static void every_default_is_in_its_range(void **state)
{
    (void)state;
    struct tg_sim_machine machine;
    tg_sim_machine_default(&machine);
    for (size_t i = 0; i < N_PARAMETERS; i++) {
        assert_true(*field(&machine, i) == parameters[i].value);
        CHECK(parameters[i].least <= parameters[i].value && parameters[i].value <= parameters[i].most, "%s",
              parameters[i].name);
    }
    assert_true(machine.blocks == 24);
}

static void the_documented_file_is_the_default_machine(void **state)
{
    (void)state;
    struct tg_sim_machine expected, machine;
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    tg_sim_machine_write(file);
    assert_int_equal(fclose(file), 0);
    memset(&machine, 0, sizeof machine);
    CHECK(tg_sim_machine_read(&machine, path) == TG_OK, "%s", tg_last_message());
    tg_sim_machine_default(&expected);
    assert_memory_equal(&machine, &expected, sizeof machine);
}

static void the_file_of_the_project_is_the_documented_file(void **state)
{
    (void)state;
    CHECK(tg_machine_write(path) == TG_OK, "%s", tg_last_message());
    FILE *written = fopen(path, "r"), *kept = fopen(TG_TEST_SOURCE_DIR "/machines/a2a3.txt", "r");
    assert_non_null(written);
    assert_non_null(kept);
    for (int line = 1;; line++) {
        char expected[1024], got[1024];
        const char *more = fgets(expected, sizeof expected, written);
        assert_true((more == NULL) == (fgets(got, sizeof got, kept) == NULL));
        if (!more) break;
        CHECK(strcmp(got, expected) == 0, "machines/a2a3.txt:%d: %s, not %s", line, got, expected);
    }
    fclose(kept);
    fclose(written);
}

static void a_place_that_cannot_be_written_is_named(void **state)
{
    (void)state;
    assert_int_equal(tg_machine_write("/none/such/machine"), TG_ERR_FILE);
    assert_non_null(strstr(tg_last_message(), "/none/such/machine"));
}

static void every_parameter_can_be_set_alone(void **state)
{
    (void)state;
    struct tg_sim_machine expected, machine;
    tg_sim_machine_default(&expected);
    for (size_t i = 0; i < N_PARAMETERS; i++)
        for (int end = 0; end <= 1; end++) {
            char text[128];
            double value = end ? parameters[i].most : parameters[i].least;
            snprintf(text, sizeof text, "%s = %.17g\n", parameters[i].name, value);
            CHECK(read_text(text, &machine) == TG_OK, "%s: %s", text, tg_last_message());
            for (size_t j = 0; j < N_PARAMETERS; j++)
                assert_true(*field(&machine, j) == (i == j ? value : *field(&expected, j)));
        }
}

static void space_comments_and_empty_lines_do_not_count(void **state)
{
    (void)state;
    struct tg_sim_machine machine;
    static const char text[] =
        "# a machine\n\n  \t\n core_ghz=2.5# GHz\r\n\thbm_rate   =  1e3   # = 7\n#blocks = 3\nblocks = 12";
    CHECK(read_text(text, &machine) == TG_OK, "%s", tg_last_message());
    assert_true(machine.core_ghz == 2.5 && machine.hbm_rate == 1000 && machine.blocks == 12);
    assert_int_equal(read_text("", &machine), TG_OK);
    assert_true(machine.blocks == 24);
}

static void every_mistake_is_named_with_its_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"core_ghz 2\n", ":1: 'core_ghz 2' is no 'name = value'"},
        {"\n\nnonsense\n", ":3: 'nonsense' is no 'name = value'"},
        {"core_hz = 2\n", ":1: there is no parameter 'core_hz'"},
        {"= 2\n", ":1: '= 2' has no name"},
        {"Core_ghz = 2\n", ":1: there is no parameter 'Core_ghz'"},
        {"core_ghz = 2\nblocks = 3\ncore_ghz = 2\n", ":3: core_ghz is given twice"},
        {"core_ghz =\n", ":1: core_ghz = : no number"},
        {"core_ghz = fast\n", ":1: core_ghz = fast: no number"},
        {"core_ghz = 2 GHz\n", ":1: core_ghz = 2 GHz: no number"},
        {"core_ghz = 1,85\n", ":1: core_ghz = 1,85: no number"},
        {"core_ghz = 0x2\n", ":1: core_ghz = 0x2: no number"},
        {"core_ghz = 2 = 3\n", "no number"},
        {"core_ghz = nan\n", ":1: core_ghz = nan: it has to be 0.001 to 1000 (GHz)"},
        {"core_ghz = inf\n", "it has to be 0.001 to 1000"},
        {"core_ghz = 1e999\n", "it has to be 0.001 to 1000"},
        {"core_ghz = 0\n", "it has to be 0.001 to 1000"},
        {"core_ghz = -1\n", "it has to be 0.001 to 1000"},
        {"blocks = 129\n", ":1: blocks = 129: it has to be 1 to 128"},
        {"launch = -1\n", ":1: launch = -1: it has to be 0 to 1e+09"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tg_sim_machine machine;
        enum tg_status status = read_text(cases[i].text, &machine);
        CHECK(status == TG_ERR_ARGUMENT, "%s: %s", cases[i].text, tg_status_name(status));
        CHECK(strstr(tg_last_message(), cases[i].message), "\"%s\" has no \"%s\"", tg_last_message(), cases[i].message);
        CHECK(strncmp(tg_last_message(), path, strlen(path)) == 0, "%s", tg_last_message());
    }
}

static void blocks_are_counted_whole(void **state)
{
    (void)state;
    struct tg_sim_machine machine;
    assert_int_equal(read_text("blocks = 1.5\n", &machine), TG_ERR_ARGUMENT);
}

static void a_line_without_end_is_refused(void **state)
{
    (void)state;
    struct tg_sim_machine machine;
    static char text[100000];
    memset(text, ' ', sizeof text);
    write_bytes(text, sizeof text);
    assert_int_equal(tg_sim_machine_read(&machine, path), TG_ERR_ARGUMENT);
    assert_non_null(strstr(tg_last_message(), ":1: the line is longer than"));
    text[300] = '\n'; /* short enough */
    write_bytes(text, 500);
    assert_int_equal(tg_sim_machine_read(&machine, path), TG_OK);
}

static void bytes_of_any_kind_are_refused(void **state)
{
    (void)state;
    struct tg_sim_machine machine;
    char bytes[256];
    for (int i = 0; i < 256; i++) bytes[i] = (char)(i + 1);
    write_bytes(bytes, sizeof bytes);
    assert_int_equal(tg_sim_machine_read(&machine, path), TG_ERR_ARGUMENT);
}

static void a_file_that_cannot_be_read_is_named(void **state)
{
    (void)state;
    struct tg_sim_machine machine;
    assert_int_equal(tg_sim_machine_read(&machine, "/none/such/machine"), TG_ERR_FILE);
    assert_non_null(strstr(tg_last_message(), "/none/such/machine"));
    assert_non_null(strstr(tg_last_message(), "No such file"));
    assert_int_equal(tg_sim_machine_read(&machine, "/tmp"), TG_ERR_FILE); /* a folder */
    assert_non_null(strstr(tg_last_message(), "not a regular file"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_default_is_in_its_range),
        cmocka_unit_test(the_documented_file_is_the_default_machine),
        cmocka_unit_test(the_file_of_the_project_is_the_documented_file),
        cmocka_unit_test(a_place_that_cannot_be_written_is_named),
        cmocka_unit_test(every_parameter_can_be_set_alone),
        cmocka_unit_test(space_comments_and_empty_lines_do_not_count),
        cmocka_unit_test(every_mistake_is_named_with_its_line),
        cmocka_unit_test(blocks_are_counted_whole),
        cmocka_unit_test(a_line_without_end_is_refused),
        cmocka_unit_test(bytes_of_any_kind_are_refused),
        cmocka_unit_test(a_file_that_cannot_be_read_is_named),
    };
    return cmocka_run_group_tests(tests, create_file, remove_file);
}
