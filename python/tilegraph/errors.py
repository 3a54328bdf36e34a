"""The exceptions of this package, the exit codes that they carry, and texts that are safe to show."""
import os
import re

EXIT_MISMATCH = 1
EXIT_USAGE = 2
EXIT_FINDING = 3
EXIT_CAPACITY = 5
EXIT_FAULT = 6
EXIT_LOAD = 8
EXIT_SIGNAL = 128  # and the number of the signal

_SHOWN = 200  # characters of a value that a message shows

# What a terminal may take for a command, or show in another order than it is written; and halves of characters.
_UNPRINTABLE = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


class Error(Exception):
    """What cannot be done or has failed, and where; `hint` says what to do about it, `exit_code` how a command ends."""

    def __init__(self, message, hint="", exit_code=EXIT_USAGE):
        super().__init__(message)
        self.hint = hint
        self.exit_code = exit_code


class ExampleError(Error):
    """The command line, a file of an example, or a run of it is wrong."""


class StatusError(Error):
    """A call of the library failed: `status` is its name, "TG_ERR_EDGE"."""

    def __init__(self, status, message, hint, exit_code):
        super().__init__(message, hint, exit_code)
        self.status = status


class Stopped(BaseException):
    """A signal asks this process to end. No handler of an example's code for Exception takes it."""

    def __init__(self, number):
        super().__init__(f"stopped by signal {number}")
        self.number = number


def described(error):
    """Message and hint of an Error, as text."""
    return f"{error}\n  hint: {error.hint}" if error.hint else str(error)


def _escape(match):
    code = ord(match[0])
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is no UTF-8, as Python keeps it in file names
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def printable(text):
    """`text` for a terminal: escapes for everything that is no printable character, tab or end of a line."""
    return _UNPRINTABLE.sub(_escape, text)


def _made(make, value):
    """The text that `make` (str or repr) makes of `value`, whose own code may fail in any way."""
    try:
        return make(value)
    except Stopped:
        raise
    except BaseException as error:
        return f"({type(value).__name__} whose text raises {type(error).__name__})"


def text_of(error):
    """str(error)."""
    return _made(str, error)


def shown(value):
    """repr(value), cut off where it is long."""
    text = _made(repr, value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."


def where_raised(error, path):
    """'Type: text (file.py line N)' of an exception raised while code of the file `path` ran; None: of any file."""
    line = None
    trace = error.__traceback__
    while trace is not None:
        file_name = trace.tb_frame.f_code.co_filename
        if path is None or file_name == str(path):
            name, line = os.path.basename(file_name), trace.tb_lineno
        trace = trace.tb_next
    place = f" ({name} line {line})" if line is not None else ""
    return f"{type(error).__name__}: {text_of(error)}{place}"
