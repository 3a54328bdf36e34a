#include "base/output.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"

static bool write_whole(const char *path, tg_output_fn *write, const void *context)
{
    FILE *file = fopen(path, "w");
    if (!file) return false;
    write(context, file);
    bool written = !ferror(file);
    return fclose(file) == 0 && written;
}

enum tg_status tg_output(const char *path, tg_output_fn *write, const void *context)
{
    size_t n = strlen(path) + sizeof ".partial";
    char *partial = malloc(n);
    if (!partial) return tg_error(TG_ERR_MEMORY, "no memory for the name of %s", path);
    snprintf(partial, n, "%s.partial", path);
    errno = 0;
    enum tg_status status = TG_OK;
    if (!write_whole(partial, write, context) || rename(partial, path) != 0) {
        status = tg_error(TG_ERR_FILE, "cannot write %s: %s", path, strerror(errno));
        unlink(partial);
    }
    free(partial);
    return status;
}

void tg_output_json_string(FILE *file, const char *text)
{
    fputc('"', file);
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (*c == '"' || *c == '\\') fprintf(file, "\\%c", *c);
        else if (*c < 0x20) fprintf(file, "\\u%04x", *c);
        else fputc(*c, file);
    }
    fputc('"', file);
}
