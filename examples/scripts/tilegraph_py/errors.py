"""The one exception of this package, and the exit codes that it carries."""

EXIT_MISMATCH = 1
EXIT_USAGE = 2
EXIT_CAPACITY = 5
EXIT_LOAD = 8
EXIT_INTERRUPTED = 130


class ExampleError(Exception):
    """A run that cannot be done or that failed: what is wrong and where; `hint` says what to do about it."""

    def __init__(self, message, hint="", exit_code=EXIT_USAGE):
        super().__init__(message)
        self.hint = hint
        self.exit_code = exit_code


def described(error):
    """Message and hint of an ExampleError, as text."""
    return f"{error}\n  hint: {error.hint}" if error.hint else str(error)


def where_raised(error, path):
    """'Type: text (file.py line N)' of an exception raised while code of the file `path` ran."""
    line = None
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = trace.tb_lineno
        trace = trace.tb_next
    place = f" ({path.name} line {line})" if line is not None else ""
    return f"{type(error).__name__}: {error}{place}"
