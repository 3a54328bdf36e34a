#include "machine/sim/parameters.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/error.h"
#include "base/output.h"
#include "os/state.h"

struct parameter {
    const char *name;
    double value, least, most;
    const char *unit, *confidence, *source;
    size_t offset;
};

static const struct parameter parameters[] = {
#define TG_MACHINE_ROW(name, value, least, most, unit, confidence, source)                                             \
    {#name, value, least, most, unit, confidence, source, offsetof(struct tg_sim_machine, name)},
    TG_MACHINE_PARAMETERS(TG_MACHINE_ROW)
#undef TG_MACHINE_ROW
};
enum { N_PARAMETERS = sizeof parameters / sizeof parameters[0], LINE_BYTES = 512 };

static void set(struct tg_sim_machine *machine, const struct parameter *p, double value)
{
    memcpy((char *)machine + p->offset, &value, sizeof value);
}

void tg_sim_machine_default(struct tg_sim_machine *machine)
{
    for (int i = 0; i < N_PARAMETERS; i++) set(machine, &parameters[i], parameters[i].value);
}

/* The reader's position in a machine file. */
struct place {
    const char *path;
    int line;
    bool given[N_PARAMETERS];
};

static char *trim(char *text)
{
    while (isspace((unsigned char)*text)) text++;
    char *end = text + strlen(text);
    while (end > text && isspace((unsigned char)end[-1])) *--end = '\0';
    return text;
}

static enum tg_status read_value(struct tg_sim_machine *machine, struct place *at, const struct parameter *p,
                                 const char *text)
{
    if (at->given[p - parameters])
        return tg_error(TG_ERR_ARGUMENT, "%s:%d: %s is given twice", at->path, at->line, p->name);
    at->given[p - parameters] = true;
    char *end = NULL;
    double value = strtod(text, &end);
    /* strtod also takes hexadecimal numbers. */
    if (end == text || *end != '\0' || strpbrk(text, "xX"))
        return tg_error(TG_ERR_ARGUMENT, "%s:%d: %s = %s: no number", at->path, at->line, p->name, text);
    if (!isfinite(value) || value < p->least || value > p->most)
        return tg_error(TG_ERR_ARGUMENT, "%s:%d: %s = %s: it has to be %g to %g (%s)", at->path, at->line, p->name,
                        text, p->least, p->most, p->unit);
    if (p->offset == offsetof(struct tg_sim_machine, blocks) && value != floor(value))
        return tg_error(TG_ERR_ARGUMENT, "%s:%d: %s = %s: it has to be a whole number", at->path, at->line, p->name,
                        text);
    set(machine, p, value);
    return TG_OK;
}

static enum tg_status read_line(struct tg_sim_machine *machine, struct place *at, char *line)
{
    char *comment = strchr(line, '#');
    if (comment) *comment = '\0';
    line = trim(line);
    if (*line == '\0') return TG_OK;
    char *equals = strchr(line, '=');
    if (!equals) return tg_error(TG_ERR_ARGUMENT, "%s:%d: '%s' is no 'name = value'", at->path, at->line, line);
    if (equals == line) return tg_error(TG_ERR_ARGUMENT, "%s:%d: '%s' has no name", at->path, at->line, line);
    *equals = '\0';
    const char *name = trim(line), *value = trim(equals + 1);
    const char *names[N_PARAMETERS];
    for (int i = 0; i < N_PARAMETERS; i++) {
        if (strcmp(parameters[i].name, name) == 0) return read_value(machine, at, &parameters[i], value);
        names[i] = parameters[i].name;
    }
    const char *meant = tg_nearest_name(name, names, N_PARAMETERS);
    return tg_error(TG_ERR_ARGUMENT, "%s:%d: there is no parameter '%s'%s%s", at->path, at->line, name,
                    meant ? "; did you mean " : "", meant ? meant : "");
}

static enum tg_status read_lines(struct tg_sim_machine *machine, struct place *at, FILE *file)
{
    char line[LINE_BYTES];
    while (fgets(line, sizeof line, file)) {
        at->line++;
        if (!strchr(line, '\n') && !feof(file))
            return tg_error(TG_ERR_ARGUMENT, "%s:%d: the line is longer than %d bytes", at->path, at->line,
                            LINE_BYTES - 2);
        TG_TRY(read_line(machine, at, line));
    }
    if (ferror(file)) return tg_error(TG_ERR_FILE, "cannot read machine file %s: %s", at->path, strerror(errno));
    return TG_OK;
}

enum tg_status tg_sim_machine_read(struct tg_sim_machine *machine, const char *path)
{
    tg_sim_machine_default(machine);
    /* O_NONBLOCK: opening a pipe that nobody writes to must not hang before it is refused. */
    const int fd = tg_descriptor_high(open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    FILE *file = fd >= 0 ? fdopen(fd, "r") : NULL;
    if (!file) {
        const int why = errno;
        if (fd >= 0) close(fd);
        return tg_error(TG_ERR_FILE, "cannot read machine file %s: %s", path, strerror(why));
    }
    struct stat info;
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        fclose(file);
        return tg_error(TG_ERR_FILE, "cannot read machine file %s: it is not a regular file", path);
    }
    struct place at = {.path = path};
    void *locale = tg_plain_numbers_begin();
    enum tg_status status = read_lines(machine, &at, file);
    tg_plain_numbers_end(locale);
    fclose(file);
    return status;
}

void tg_sim_machine_write(FILE *file)
{
    fputs(
        "# The virtual device a2a3sim: an Ascend A2/A3 (910B1). Copy and change it; what is left out keeps its value.\n"
        "# Behind each value: unit; confidence (H measured or vendor contract, M vendor table or secondary source,\n"
        "# L derived or assumed, F fitted); source (S simpler, P pto-isa, INI Ascend910B1.ini, "
        "V200 a published profile).\n\n",
        file);
    for (int i = 0; i < N_PARAMETERS; i++) {
        const struct parameter *p = &parameters[i];
        fprintf(file, "%-17s = %-10.10g # %s; %s; %s\n", p->name, p->value, p->unit, p->confidence, p->source);
    }
}

static void write_file(const void *context, FILE *file)
{
    (void)context;
    tg_sim_machine_write(file);
}

enum tg_status tg_machine_write(const char *path)
{
    TG_OWN_STATE;
    return tg_output(path, write_file, NULL);
}
