#include "printable.h"

#include <stdbool.h>

size_t printable_utf8_bytes(const char *character)
{
    const unsigned char *text = (const unsigned char *)character;
    size_t n = text[0] < 0x80   ? 1
               : text[0] < 0xc2 ? 0
               : text[0] < 0xe0 ? 2
               : text[0] < 0xf0 ? 3
               : text[0] < 0xf5 ? 4
                                : 0;
    for (size_t i = 1; i < n; i++) {
        if ((text[i] & 0xc0) != 0x80) return 0;
    }
    if ((text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xed && text[1] > 0x9f) ||
        (text[0] == 0xf0 && text[1] < 0x90) || (text[0] == 0xf4 && text[1] > 0x8f)) {
        return 0;
    }
    return n;
}

void printable_write(FILE *stream, const char *text)
{
    while (*text) {
        const unsigned char *byte = (const unsigned char *)text;
        const size_t n = printable_utf8_bytes(text);
        const bool is_c1 = byte[0] == 0xc2 && byte[1] < 0xa0; /* U+0080 to U+009F: control characters, too */
        const bool is_control = (byte[0] < 0x20 && byte[0] != '\n' && byte[0] != '\t') || byte[0] == 0x7f;
        if (n == 0 || is_control) fprintf(stream, "\\x%02x", byte[0]);
        else if (is_c1) fprintf(stream, "\\u%04x", byte[1]);
        else fwrite(text, 1, n, stream);
        text += n > 0 ? n : 1;
    }
}
