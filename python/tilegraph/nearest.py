"""The name that somebody may have meant.

src/base/nearest.c gives the same answers; tests/nearest.txt has cases of both.
"""


def distance(a, b):
    """Edits that turn `a` into `b`: one character more, less, or other, or two neighbours exchanged."""
    before, last = [], list(range(len(b) + 1))
    for i, x in enumerate(a):
        row = [i + 1]
        for j, y in enumerate(b):
            row.append(min(last[j + 1] + 1, row[j] + 1, last[j] + (x != y)))
            if i and j and x == b[j - 1] and a[i - 1] == y:
                row[-1] = min(row[-1], before[j - 1] + 1)
        before, last = last, row
    return last[-1]


def nearest(given, names):
    """The name of `names` that is closest to `given`, without regard to case; None: none is close.

    Close is a name within a third of its characters in edits, or 1 edit of a short one; and a name that begins with
    the 3 characters or more that are given. Of equals, one that begins with `given` goes first, then the first.
    """
    best, least = None, None
    for name in names:
        a, b = given.lower(), name.lower()
        edits, longer, begins = distance(a, b), max(len(a), len(b)), b.startswith(a)
        most = max(1, longer // 3)
        if edits > most and begins and len(a) >= 3:
            edits = most
        if edits <= most and edits < longer and (least is None or (edits, not begins) < least):
            best, least = name, (edits, not begins)
    return best


def unknown(what, given, names, listed=True):
    """The sentence about a name that is not known: "unknown case 'Cas1': did you mean Case1?"."""
    close = nearest(given, names)
    if close is not None:
        return f"unknown {what} '{given}': did you mean {close}?"
    return f"unknown {what} '{given}'; there are {', '.join(names)}" if listed else f"unknown {what} '{given}'"
