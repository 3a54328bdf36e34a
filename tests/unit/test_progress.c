/* progress.c: a line on a terminal after a second, gone at the end, and nothing anywhere else. */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/check.h"
#include "progress.h"

static const struct tg_progress at = {.n_complete = 12, .n_published = 34, .device_ns = 56780};

static void nothing_on_a_file(void **state)
{
    (void)state;
    FILE *file = tmpfile();
    assert_non_null(file);
    struct progress progress;
    progress_begin(&progress, file);
    progress.start_s -= 10;
    progress_show(&progress, &at);
    progress_end(&progress);
    assert_int_equal(ftell(file), 0);
    fclose(file);
}

static void a_line_on_a_terminal(void **state)
{
    (void)state;
    int controller = posix_openpt(O_RDWR | O_NOCTTY);
    if (controller < 0 || grantpt(controller) != 0 || unlockpt(controller) != 0) SKIP("there are no terminals");
    FILE *terminal = fopen(ptsname(controller), "w");
    if (!terminal) SKIP("there are no terminals");
    struct progress progress;
    char text[512];
    progress_begin(&progress, terminal);
    progress_show(&progress, &at); /* too early */
    progress_end(&progress);
    assert_int_equal(fcntl(controller, F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(read(controller, text, sizeof text), -1);

    progress.start_s -= 10;
    progress_show(&progress, &at);
    ssize_t n = read(controller, text, sizeof text - 1);
    assert_true(n > 0);
    text[n] = '\0';
    assert_non_null(strstr(text, "10 s: 12 of 34 tasks so far, 56.8 us on the device"));
    assert_null(strchr(text, '\n'));
    progress_end(&progress);
    n = read(controller, text, sizeof text - 1);
    assert_true(n > 0);
    text[n] = '\0';
    assert_string_equal(text, "\r\033[K");
    progress_end(&progress); /* once */
    assert_int_equal(read(controller, text, sizeof text), -1);
    fclose(terminal);
    close(controller);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_on_a_file), cmocka_unit_test(a_line_on_a_terminal)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
