"""Goldens of kernels: the first task whose outputs are not what its own inputs ask for.

golden.py may define

    def add(a, b, out, n):
        out[:] = a + b

    kernel_golden = {"aiv_add": add}

The function gets the arguments of a task in their order: an array for each one that points to device memory, and a
number for the others. Arrays hold what the task has read; the function fills in what the task has to
write. Its inputs are those of the task itself, so that a deviation is always the deviating kernel's own.
"""
import numpy as np

from . import binding, example, supervise
from .compare import compare
from .errors import EXIT_MISMATCH, ExampleError
from .log import log
from .nearest import unknown

_READ, _WRITTEN = 1, 2  # enum tg_array_access
_POISONS = 0xA5, 0x5A   # two contents of integers that nobody has set


def names(golden, config):
    """The kernels that have a golden, after checking that they are kernels of the program."""
    known = [kernel.name for kernel in config.kernels]
    for name in golden.kernel_golden:
        if name not in known:
            raise ExampleError(f"{golden.path}: kernel_golden: {unknown('kernel', name, known)}")
    return list(golden.kernel_golden)


class _Argument:
    """An array of a task, as its golden has it; bf16 is a float32."""

    def __init__(self, kept):
        self._bfloat16 = kept.dtype == binding.TG_BF16
        self.before, self.got = self._numbers(kept.before), self._numbers(kept.after)
        self.read, self.written = (kept.access & _READ) != 0, (kept.access & _WRITTEN) != 0
        self.number = kept.argument

    def _numbers(self, array):
        return (array.astype(np.uint32) << 16).view(np.float32) if self._bfloat16 else array

    def start(self, poison):
        """What the golden finds: what the task has read, and otherwise nothing that it could mean."""
        array = self.before.copy()
        if array.dtype.kind != "f":
            array[~self.read] = np.frombuffer(bytes([poison] * array.itemsize), array.dtype)[0]
        return array

    def rounded(self, array):
        """An expected array as the kernel can store it."""
        if not self._bfloat16:
            return array
        bits = array.view(np.uint32)
        nearest = (bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000
        return np.where(np.isnan(array), bits, nearest).astype(np.uint32).view(np.float32)


class _Untouched:
    """Stands for an argument that points to device memory which the task does not touch. Any use raises."""

    def __array__(self, *_args, **_keywords):
        raise TypeError("the task does not touch the memory of this argument")

    def __repr__(self):
        return "device memory that the task does not touch"


def _shown(value):
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{list(value.shape)}"
    if isinstance(value, list):
        return f"{len(value)} arrays"
    return str(value)


class _Task:
    """A task that has run, and what its golden makes of its inputs."""

    def __init__(self, golden, task, arrays):
        self._golden, self._task = golden, task
        self.arguments = [_Argument(each) for each in arrays]
        self.where = f"task {task.task_id} ({task.kernel})"

    def expected(self, poison):
        """The arrays after the golden, in the order of self.arguments. Raises ExampleError."""
        made = [argument.start(poison) for argument in self.arguments]
        values = [_Untouched() if is_address else value
                  for value, is_address in zip(self._task.args, self._task.is_address)]
        for number in {argument.number for argument in self.arguments if argument.number >= 0}:
            pieces = [array for array, argument in zip(made, self.arguments) if argument.number == number]
            values[number] = pieces[0] if len(pieces) == 1 else pieces
        supervise.phase(f"{self._golden.path}: kernel_golden['{self._task.kernel}']")
        shown = ", ".join(f"{number}: {_shown(value)}" for number, value in enumerate(values))
        try:
            example.call(self._golden.path, f"kernel_golden['{self._task.kernel}'] failed for task "
                         f"{self._task.task_id}", self._golden.kernel_golden[self._task.kernel], *values)
        except ExampleError as error:
            error.hint = f"the task's arguments are {shown}; an array is what the task moves there"
            raise
        return [argument.rounded(array) for array, argument in zip(made, self.arguments)]

    def check_set(self, expected):
        """Raise ExampleError if the golden does not set an element that the kernel writes."""
        others = None
        for index, argument in enumerate(self.arguments):
            needed = argument.written & ~argument.read

            def left(array, poison):
                start = argument.start(poison)
                return (array.view(np.uint8).reshape(*array.shape, -1) ==
                        start.view(np.uint8).reshape(*array.shape, -1)).all(axis=-1) & needed
            alone = left(expected[index], _POISONS[0])
            if alone.any() and argument.before.dtype.kind != "f":
                others = others or self.expected(_POISONS[1])
                alone &= left(others[index], _POISONS[1])
            if alone.any():
                raise ExampleError(f"{self._golden.path}: kernel_golden['{self._task.kernel}'] does not set "
                                   f"{_place(argument, np.argwhere(alone)[0])} of {self.where}; the kernel writes it",
                                   "fill arrays in place: out[...] = value")

    def check(self):
        """Raise ExampleError if the task deviates from its golden."""
        expected = self.expected(_POISONS[0])
        self.check_set(expected)
        for argument, array in zip(self.arguments, expected):
            got, wanted = (np.where(argument.written, each, np.zeros_like(each)) for each in (argument.got, array))
            found = compare(got, wanted, self._golden.rtol, self._golden.atol)
            if found.good:
                continue
            lines = "".join(f"\n  {_name(argument)}{line}" for line in found.shown)
            raise ExampleError(
                f"{self.where} deviates from kernel_golden['{self._task.kernel}'] in {_name(argument)}: {found.n_bad} "
                f"of {np.count_nonzero(argument.written)} elements: largest error {found.max_abs_err:.3g} absolute, "
                f"{found.max_rel_err:.3g} relative (allowed {self._golden.atol:.3g} + {self._golden.rtol:.3g} * "
                f"|golden|){lines}",
                f"its inputs are right or wrong as they are: --dump {self._task.task_id} writes them", EXIT_MISMATCH)


def _name(argument):
    return f"argument {argument.number}" if argument.number >= 0 else "memory of no argument"


def _place(argument, index):
    return f"{_name(argument)}[{', '.join(str(i) for i in index)}]"


def check(golden, lib, run, case):
    """Hold every kept task that has a golden against it. Raises ExampleError for the first one that deviates."""
    n_checked = 0
    for task, arrays in lib.kept_tasks(run):
        if task.kernel not in golden.kernel_golden or not task.returned:
            continue
        _Task(golden, task, arrays).check()
        n_checked += 1
    if n_checked:
        log.info("%s: %d tasks agree with the goldens of their kernels", case, n_checked)
