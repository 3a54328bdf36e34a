"""Where the parts of tilegraph are: in the source tree, in an installation, or in a wheel.

An installation has installed.json beside this file (cmake/install.cmake writes it). All its paths are relative to the
package's folder, so that the installed tree can be moved. Without that file the package stands in the source tree.
"""
import functools
import json
import re
from dataclasses import dataclass
from pathlib import Path

from .errors import EXIT_LOAD, Error

PACKAGE = Path(__file__).resolve().parent
INSTALLED = PACKAGE / "installed.json"


@dataclass(frozen=True)
class Places:
    """Absolute paths; nothing says that they exist: use part()."""
    version: str
    source: bool      # the source tree
    include: Path     # the folder that has tilegraph/
    flags: Path       # the flags of kernels and plugins
    library: Path     # the shared library
    examples: Path    # the folder of example programs
    machines: Path    # the figures of virtual devices
    schemas: Path     # of JSON outputs


# What a user calls the parts, and a file that each has to have.
_PARTS = {"include": ("the public headers", "tilegraph/tile.h"), "flags": ("the flags of kernels", ""),
          "library": ("the shared library", ""), "examples": ("the examples", ""),
          "machines": ("the machine files", "a2a3.txt"), "schemas": ("the JSON schemas", "")}


def _source_tree():
    root = PACKAGE.parents[1]
    header = root / "include" / "tilegraph" / "tilegraph.h"
    try:
        version = re.search(r'#define TG_VERSION "([0-9.]+)"', header.read_text(encoding="utf-8"))[1]
    except (OSError, TypeError) as error:
        raise Error(f"this folder of tilegraph is incomplete: {header} is not there, or names no version",
                    "install tilegraph, or use the whole source tree", EXIT_LOAD) from error
    return Places(version, True, root / "include", root / "cmake" / "module_flags.txt",
                  root / "build" / "lib" / "libtilegraph.so", root / "examples", root / "machines", root / "schemas")


@functools.lru_cache(maxsize=None)
def places():
    """The Places of this package. Raises Error if installed.json cannot be used."""
    if not INSTALLED.exists():
        return _source_tree()
    try:
        told = json.loads(INSTALLED.read_text(encoding="utf-8"))
        paths = {name: (PACKAGE / told[name]).resolve() for name in _PARTS}
        return Places(version=told["version"], source=False, **paths)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Error(f"this installation of tilegraph is damaged: {INSTALLED}: {type(error).__name__}: {error}",
                    "install tilegraph again", EXIT_LOAD) from error


def part(name):
    """The path of a part, a field of Places. Raises Error if the part is missing."""
    path = getattr(places(), name)
    what, has = _PARTS[name]
    if not (path / has if has else path).exists():
        raise Error(f"this installation of tilegraph lacks {what}: {path / has if has else path} is not there",
                    "install tilegraph again, or the package that has this file", EXIT_LOAD)
    return path
