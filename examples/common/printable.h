/*
 * printable.h - text of others on a terminal: names of kernels, messages of plugins, names of files.
 */
#ifndef EXAMPLES_PRINTABLE_H
#define EXAMPLES_PRINTABLE_H

#include <stddef.h>
#include <stdio.h>

/* Bytes of the UTF-8 character that `text` begins with; 0: not a valid character. No overlong forms, no surrogates, at
 * most U+10FFFF. */
size_t printable_utf8_bytes(const char *text);

/* Print `text`. Characters that a terminal may take for a command are shown as escapes: control characters but line
 * ends and tabs, and bytes that are no UTF-8. */
void printable_write(FILE *stream, const char *text);

#endif
