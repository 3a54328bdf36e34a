"""Log lines: to stderr, and added to a file where one is named."""
import logging
import sys

from .errors import ExampleError

LEVELS = {"error": logging.ERROR, "warn": logging.WARNING, "info": logging.INFO, "debug": logging.DEBUG}

log = logging.getLogger("tilegraph")


class _Formatter(logging.Formatter):
    _NAMES = {number: name for name, number in LEVELS.items()}

    def format(self, record):
        return f"[{self._NAMES[record.levelno]}] {record.getMessage()}"


def start(level, file_name):
    """Log from `level` (a key of LEVELS) on; `file_name` None: to stderr only. Raises ExampleError."""
    handlers = [logging.StreamHandler(sys.stderr)]
    if file_name is not None:
        try:
            handlers.append(logging.FileHandler(file_name, encoding="utf-8"))
        except OSError as error:
            raise ExampleError(f"PTO_LOG_FILE: cannot write '{file_name}': {error.strerror}") from error
    log.handlers.clear()
    for handler in handlers:
        handler.setFormatter(_Formatter())
        log.addHandler(handler)
    log.setLevel(LEVELS[level])
    log.propagate = False
