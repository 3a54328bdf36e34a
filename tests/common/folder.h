/* folder.h - a folder in which a command finds its compiled program: the example's own, or parts in their place. */
#ifndef TESTS_COMMON_FOLDER_H
#define TESTS_COMMON_FOLDER_H

#include "common/flagship.h"

struct folder {
    char path[64];
};

/* Make an empty folder; folder_remove removes it and what is in it. */
void folder_make(struct folder *folder);
void folder_remove(const struct folder *folder);

/* The path of `name` in it; in a static buffer of two turns. */
const char *folder_at(const struct folder *folder, const char *name);

/* Put the program of paged attention into it, with modules[part] of tests/modules in the place of a part. */
void folder_put_program(const struct folder *folder, const char *const modules[FLAGSHIP_PARTS]);

/* Put a file of that text into it. */
void folder_put_text(const struct folder *folder, const char *name, const char *text);

#endif
