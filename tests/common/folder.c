#include "common/folder.h"

#include <ftw.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/check.h"

void folder_make(struct folder *folder)
{
    snprintf(folder->path, sizeof folder->path, "/tmp/tilegraph_test_XXXXXX");
    assert_non_null(mkdtemp(folder->path));
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *where)
{
    (void)info;
    (void)type;
    (void)where;
    return remove(path);
}

void folder_remove(const struct folder *folder) { nftw(folder->path, remove_one, 16, FTW_DEPTH | FTW_PHYS); }

const char *folder_at(const struct folder *folder, const char *name)
{
    static char paths[2][256];
    static int turn;
    turn = !turn;
    snprintf(paths[turn], sizeof paths[turn], "%s/%s", folder->path, name);
    return paths[turn];
}

static void put_part(const struct folder *folder, enum flagship_part part, const char *module)
{
    char name[64];
    snprintf(name, sizeof name, "%s.so", flagship_files[part]);
    const char *to = folder_at(folder, name);
    unlink(to); /* an earlier one */
    const char *from = module ? rig_module(module) : rig_example(FLAGSHIP_EXAMPLE, flagship_files[part]);
    CHECK(symlink(from, to) == 0, "%s -> %s", to, from);
}

void folder_put_program(const struct folder *folder, const char *const modules[FLAGSHIP_PARTS])
{
    for (int part = 0; part < FLAGSHIP_PARTS; part++)
        put_part(folder, (enum flagship_part)part, modules ? modules[part] : NULL);
}

void folder_put_text(const struct folder *folder, const char *name, const char *text)
{
    const char *path = folder_at(folder, name);
    unlink(path); /* not through a link */
    FILE *file = fopen(path, "w");
    CHECK(file, "%s", path);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}
