"""`tilegraph new`: a small program that runs at once."""
import os
import shutil
from pathlib import Path

from .errors import EXIT_LOAD, Error

_SKELETONS = Path(__file__).resolve().parent / "skeletons"
FOLDERS = {"c": "c", "c++": "cpp"}  # of each language


def make(folder, language):
    """Write the program of `language` ("c" or "c++") into `folder`. Returns the names of its files, sorted.

    Raises Error if the folder holds anything. The folder appears complete or not at all.
    """
    source, target = _SKELETONS / FOLDERS[language], Path(folder)
    if not source.is_dir():
        raise Error(f"this installation of tilegraph lacks the skeletons: {source} is not there",
                    "install tilegraph again", EXIT_LOAD)
    try:
        if target.is_symlink() or (target.exists() and (not target.is_dir() or any(target.iterdir()))):
            raise Error(f"{target} exists and is not an empty folder", "name a folder that does not exist")
        target.parent.mkdir(parents=True, exist_ok=True)
        made = target.parent / f".{target.name}.{os.getpid()}.new"
        try:
            shutil.copytree(source, made, ignore=shutil.ignore_patterns("__pycache__"), copy_function=shutil.copyfile)
            os.replace(made, target)
        finally:
            shutil.rmtree(made, ignore_errors=True)
    except OSError as error:
        raise Error(f"cannot write {target}: {error.strerror}") from error
    return sorted(str(path.relative_to(target)) for path in target.rglob("*") if path.is_file())
