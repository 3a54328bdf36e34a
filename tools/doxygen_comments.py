#!/usr/bin/env python3
"""doxygen_comments.py HEADER: print a header with its comments in the form that Doxygen reads.

The headers have plain comments: one before a declaration, or behind it on the same line. Doxygen wants them marked.
Comments that begin with dashes are titles of a part of the file, and stay. So do the lines and their numbers.
"""
import re
import sys


def marked(text):
    """Mark comments behind a declaration `/**<`, those that begin a line `/**`."""
    text = re.sub(r"(?m)^([ \t]*\S[^\n]*?[;,{}0-9A-Za-z_)]|[ \t]*\S)([ \t]+)/\*(?!\*| ----)", r"\1\2/**<", text)
    text = text.replace(".md#", r".md\#")  # part of a file's name, not a link to a name of the header
    return re.sub(r"(?m)^([ \t]*)/\*(?!\*| ----)", r"\1/**", text)


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as header:
        sys.stdout.write(marked(header.read()))
