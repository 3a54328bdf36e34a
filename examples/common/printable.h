/*
 * printable.h - text of others on a terminal: names of kernels, messages of plugins, names of files.
 */
#ifndef EXAMPLES_PRINTABLE_H
#define EXAMPLES_PRINTABLE_H

#include <stddef.h>
#include <stdio.h>

/* Bytes of the UTF-8 character that `text` begins with, 0 if it is none: no overlong forms, no surrogates, at most
 * U+10FFFF. */
size_t printable_utf8_bytes(const char *text);

/* Print `text`; what a terminal may take for a command is shown as an escape: control characters but line ends and tabs,
 * and bytes that are no UTF-8. */
void printable_write(FILE *stream, const char *text);

#endif
