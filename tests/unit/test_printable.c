/* printable.c: no text of others reaches a terminal as a command. */
#include <stdlib.h>

#include "common/check.h"
#include "printable.h"

static void commands_are_shown_as_escapes(void **state)
{
    (void)state;
    static const struct {
        const char *text, *shown;
    } rows[] = {
        {"plain text,\n\tin lines", "plain text,\n\tin lines"},
        {"\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"},
        {"\a\b\r\x7f", "\\x07\\x08\\x0d\\x7f"},
        {"\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80"}, /* characters as they are */
        {"\xc2\x9b[2J\xc2\xa0", "\\u009b[2J\xc2\xa0"}, /* control characters of two bytes */
        {"\x9b[2J\xff\xc3", "\\x9b[2J\\xff\\xc3"},     /* no UTF-8 */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *text = NULL;
        size_t n;
        FILE *stream = open_memstream(&text, &n);
        assert_non_null(stream);
        printable_write(stream, rows[i].text);
        assert_int_equal(fclose(stream), 0);
        assert_string_equal(text, rows[i].shown);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(commands_are_shown_as_escapes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
