#include <ctype.h>
#include <string.h>

#include <tilegraph/tilegraph.h>

enum { LONGEST = 63 }; /* characters of a name that is compared */

static bool same(char a, char b) { return tolower((unsigned char)a) == tolower((unsigned char)b); }

/* Edits that turn a into b: one character more, less, or other, or two neighbours exchanged. Both have LONGEST
 * characters at most. Row i has the edits from the first i characters of a to each beginning of b. */
static size_t distance(const char *a, size_t n_a, const char *b, size_t n_b)
{
    unsigned char rows[3][LONGEST + 1];
    for (size_t j = 0; j <= n_b; j++) rows[0][j] = (unsigned char)j;
    for (size_t i = 1; i <= n_a; i++) {
        unsigned char *row = rows[i % 3];
        const unsigned char *last = rows[(i - 1) % 3], *before = rows[(i + 1) % 3];
        row[0] = (unsigned char)i;
        for (size_t j = 1; j <= n_b; j++) {
            unsigned char least = (unsigned char)(last[j - 1] + !same(a[i - 1], b[j - 1]));
            if (last[j] + 1 < least) least = (unsigned char)(last[j] + 1);
            if (row[j - 1] + 1 < least) least = (unsigned char)(row[j - 1] + 1);
            const bool exchanged = i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1]);
            if (exchanged && before[j - 2] + 1 < least) least = (unsigned char)(before[j - 2] + 1);
            row[j] = least;
        }
    }
    return rows[n_a % 3][n_b];
}

static bool begins(const char *name, const char *with)
{
    for (; *with; name++, with++)
        if (!same(*name, *with)) return false;
    return true;
}

const char *tg_nearest_name(const char *given, const char *const *names, size_t n_names)
{
    const size_t n_given = strlen(given);
    const char *best = NULL;
    size_t least = SIZE_MAX; /* twice the edits, and 1 more for a name that does not begin with `given` */
    for (size_t i = 0; i < n_names; i++) {
        const size_t n = strlen(names[i]), longer = n > n_given ? n : n_given;
        if (longer > LONGEST) continue;
        const size_t most = longer / 3 > 1 ? longer / 3 : 1;
        const bool is_start = begins(names[i], given);
        size_t edits = distance(given, n_given, names[i], n);
        if (edits > most && is_start && n_given >= 3) edits = most;
        const size_t rank = 2 * edits + !is_start;
        if (edits > most || edits >= longer || rank >= least) continue;
        best = names[i];
        least = rank;
    }
    return best;
}
