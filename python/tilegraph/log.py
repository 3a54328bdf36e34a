"""Log lines to stderr and to a file, and results to stdout.

The descriptors are copies: an example's code that closes or replaces sys.stdout, sys.stderr or descriptors 0 to 2 loses
no line. Python's own logging is left to the example's code.
"""
import fcntl
import os
import stat
import sys

from .errors import ExampleError, printable
from .table import LEVELS

_COLORS = {"error": "31", "warn": "33"}  # of terminals: red, yellow


def _write_all(fd, text):
    rest = memoryview(text.encode("utf-8", "backslashreplace"))
    while rest:
        rest = rest[os.write(fd, rest):]


def keep_standard_descriptors():
    """Open what is closed of descriptors 0 to 2, so that no file that is opened later gets one of these numbers.

    A closed stdout stays one that cannot be written: the verdict must not get lost without a word.
    """
    for fd in range(3):
        try:
            fcntl.fcntl(fd, fcntl.F_GETFD)
        except OSError:
            os.open(os.devnull, os.O_WRONLY if fd == 2 else os.O_RDONLY)  # gets the lowest free number: this one


class Log:
    """One object a process. Lines below the level are dropped; a stream that takes no more loses lines, not the run."""

    def __init__(self):
        self._level = LEVELS.index("info")
        self._out, self._err, self._file = 1, 2, None
        self._file_name = ""
        self._color = "auto"
        self.stdout_is_taken = False  # it has a file or JSON: results and the verdict go to stderr
        self.is_quiet = False         # a success is not told

    def start(self, level, file_name=None, color="auto", stdout_is_taken=False, is_quiet=False):
        """Log from `level` (of LEVELS) on; `file_name` None: to stderr only. `color`: auto, always or never.

        Raises ExampleError.
        """
        self.stdout_is_taken, self.is_quiet = stdout_is_taken, is_quiet
        self._level, self._color = LEVELS.index(level), color
        if self._err == 2:
            self.use_standard_streams()
        if file_name is not None:
            self._file, self._file_name = self._open_file(file_name), file_name

    def use_standard_streams(self):
        """Write to what descriptors 1 and 2 are now."""
        for fd in (self._out, self._err):
            if fd > 2:
                os.close(fd)
        self._out, self._err = (fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3) for fd in (1, 2))

    @staticmethod
    def _open_file(name):
        try:
            # O_NONBLOCK: opening a pipe that nobody reads must not hang before it is refused.
            fd = os.open(name, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
        except (OSError, ValueError) as error:
            raise ExampleError(f"PTO_LOG_FILE: cannot write '{name}': {getattr(error, 'strerror', error)}") from error
        if stat.S_ISFIFO(os.fstat(fd).st_mode):
            os.set_blocking(fd, True)
        return fd

    def wants(self, level):
        """Whether lines of that level are written."""
        return LEVELS.index(level) <= self._level

    def error(self, message, *values):
        self._line("error", message, values)

    def warning(self, message, *values):
        self._line("warn", message, values)

    def info(self, message, *values):
        self._line("info", message, values)

    def debug(self, message, *values):
        self._line("debug", message, values)

    def _line(self, level, message, values):
        if self.wants(level):
            self.plain(f"{message % values if values else message}\n", f"[{level}] ", _COLORS.get(level))

    def _painted(self, fd, text, color):
        """`text` in that colour, if the stream shows colours."""
        if color is None or self._color == "never":
            return text
        if self._color == "auto" and (os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
                                      or not os.isatty(fd)):
            return text
        return f"\x1b[{color}m{text}\x1b[0m"

    def trace(self, error):
        """The traceback of an exception, at level debug."""
        if self.wants("debug"):
            import traceback
            self.plain("".join(traceback.format_exception(type(error), error, error.__traceback__)))

    def plain(self, text, head="", color=None):
        """Write `text`, of which the lines have their ends, to stderr and to the file; `head`, in colour, before it."""
        text = printable(text)
        try:
            _write_all(self._err, self._painted(self._err, head, color) + text)
        except OSError:
            pass  # nobody reads; the exit code still tells
        if self._file is None:
            return
        try:
            _write_all(self._file, head + text)
        except OSError as error:
            self._file = None  # first: the warning itself is a line
            self.warning("PTO_LOG_FILE: %s has not all lines: %s", self._file_name, error.strerror)

    def verdict(self, passed):
        """Write the last line. Raises ExampleError if it cannot be written."""
        text, color = ("TEST PASSED", "32") if passed else ("TEST FAILED", "31")
        if self.is_quiet and passed:
            return
        if self.stdout_is_taken:
            self.plain("\n", text, color)
        else:
            self._write_result(self._painted(self._out, text, color) + "\n")

    def result(self, text):
        """Write `text` to stdout. Raises ExampleError if it cannot be written."""
        if self.stdout_is_taken:
            self.plain(text)
        else:
            self._write_result(printable(text))

    def document(self, text):
        """Write to stdout what takes it: see stdout_is_taken."""
        self._write_result(text)

    def result_of(self, path):
        """Write the content of a file to stdout, as it is. Raises ExampleError if it cannot be written."""
        with open(path, encoding="utf-8", errors="backslashreplace") as file:
            self._write_result(file.read())

    def _write_result(self, text):
        try:
            if sys.stdout is not None:
                sys.stdout.flush()  # what the example's code has printed comes before
        except (OSError, ValueError, AttributeError):
            pass
        try:
            _write_all(self._out, text)
        except OSError as error:
            raise ExampleError(f"standard output cannot be written: {error.strerror}") from error


log = Log()
