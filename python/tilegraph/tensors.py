"""The arrays of a golden: what goes to the device, what is expected of it, and whether the comparison can fail."""
import sys
from dataclasses import dataclass

import numpy as np

from . import example, supervise
from .compare import compare
from .errors import EXIT_MISMATCH, ExampleError, shown
from .log import log


# ---- numpy and torch -------------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Kind:
    """Which library's array it is. bfloat16, which numpy has not, is worked on as uint16."""
    torch: bool = False
    bfloat16: bool = False


def _is_torch(value):
    return type(value).__module__.partition(".")[0] == "torch" and hasattr(value, "detach")


def as_numpy(where, value):
    """(array, Kind) of a numpy array or torch tensor; shares its memory.

    Raises ExampleError; `where` is for its text.
    """
    kind = Kind()
    if _is_torch(value):
        kind = Kind(torch=True, bfloat16=str(value.dtype) == "torch.bfloat16")
        value = value.detach().cpu().contiguous()
        if kind.bfloat16:
            value = value.view(sys.modules["torch"].int16)
        value = value.numpy()
        if kind.bfloat16:
            value = value.view(np.uint16)
    if not isinstance(value, np.ndarray):
        raise ExampleError(f"{where} is of type {type(value).__name__}, expected a numpy array or torch tensor")
    if value.dtype.kind not in "biuf" or not value.dtype.isnative:
        raise ExampleError(f"{where} has the element type {value.dtype}, expected native integers, floats or booleans",
                           "bfloat16 travels as uint16, or as torch.bfloat16")
    if value.size == 0:
        raise ExampleError(f"{where} has the shape {value.shape}: no elements")
    return value, kind


def as_made(array, kind):
    """`array` as the golden's own library has it; shares its memory."""
    if not kind.torch:
        return array
    torch = sys.modules["torch"]
    if kind.bfloat16:
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)


def bits(array):
    """The elements as unsigned integers, in one row: NaN is equal to the same NaN then. Wide floats: as bytes."""
    row = np.ascontiguousarray(array).reshape(-1)
    return row.view(f"u{row.itemsize}" if row.itemsize in (1, 2, 4, 8) else np.uint8)


# ---- what generate_inputs gives --------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Tensors:
    """The tensors of one run: names in the order of the program's arguments, numpy arrays by name."""
    arrays: dict
    kinds: dict
    order: tuple
    outputs: frozenset


def generate(golden, params):
    """Call generate_inputs. Returns Tensors, checked."""
    supervise.phase(f"{golden.path}: generate_inputs")
    made = example.call(golden.path, "generate_inputs failed", golden.generate_inputs, params)
    where = f"{golden.path}: generate_inputs"
    if not isinstance(made, dict) or not made:
        raise ExampleError(f"{where} returned {type(made).__name__}, expected a dict of arrays by name")
    arrays, kinds = {}, {}
    for name, value in dict(made).items():
        if not example.is_text(name):
            raise ExampleError(f"{where} returned the key {shown(name)}, expected a tensor's name")
        arrays[name], kinds[name] = as_numpy(f"{where}: '{name}'", value)
    return Tensors(arrays, kinds, *arguments(golden, arrays))


def arguments(golden, names):
    """The names of the program's arguments in their order, and the set of those that are outputs."""
    order = golden.tensor_order if golden.tensor_order is not None else tuple(names)
    outputs = golden.outputs
    if outputs is None:
        outputs = tuple(name for name in names if name.startswith("out_"))
        if not outputs:
            raise ExampleError(f"{golden.path}: no outputs: no tensor's name begins with out_",
                               f"define __outputs__, a list of some of {', '.join(names)}")
    for name in golden.inouts:
        if name not in outputs:
            raise ExampleError(f"{golden.path}: __inouts__ names '{name}', which is no output",
                               f"outputs are {', '.join(outputs)}")
    for attribute, listed in (("TENSOR_ORDER", order), ("__outputs__", outputs)):
        for name in listed:
            if name not in names:
                raise ExampleError(f"{golden.path}: {attribute} names '{name}', which generate_inputs did not return",
                                   f"it returned {', '.join(names)}")
    for name in outputs:
        if name not in order:
            raise ExampleError(f"{golden.path}: the output '{name}' is not in TENSOR_ORDER")
    for name in names:
        if name not in order:
            log.warning("%s: '%s' is not in TENSOR_ORDER: the program does not get it", golden.path.name, name)
    return order, frozenset(outputs)


def poisoned(array):
    """An array of that shape and type, contiguous, every byte 0xFF: NaN in every float type."""
    poison = np.empty(array.shape, array.dtype)
    poison.reshape(-1).view(np.uint8)[:] = 0xFF
    return poison


def for_device(tensors, before=None):
    """(name, array, is_output) in the order of arguments: copies of the inputs; the outputs hold what `before` has for
    them (arrays by name), and otherwise nothing of the golden."""
    def start(name):
        if name not in tensors.outputs:
            return tensors.arrays[name].copy(order="C")
        return before[name].copy(order="C") if before and name in before else poisoned(tensors.arrays[name])

    return [(name, start(name), name in tensors.outputs) for name in tensors.order]


def has_nan(array):
    return bool(np.isnan(array).any())


def signalling(array):
    """An array of that shape and type whose numbers show whether they have been computed with: signalling NaN, which
    arithmetic makes quiet. Of integers, what poisoned gives."""
    if array.dtype.kind != "f" or array.dtype.itemsize not in (2, 4, 8):
        return poisoned(array)
    fraction_bits = {2: 10, 4: 23, 8: 52}[array.dtype.itemsize]
    infinity = int(bits(np.full(1, np.inf, array.dtype))[0])
    word = np.array([infinity | 1 << (fraction_bits - 2) | 1], f"u{array.dtype.itemsize}")
    return np.broadcast_to(word.view(array.dtype), array.shape).copy()


def left_alone(before, run):
    """The outputs of `run`, a list of for_device that started with `before` (arrays by name), of which an element is
    what it was."""
    return {name: bits(array) == bits(before[name]) for name, array, is_output in run if is_output and name in before}


def check_inputs(tensors, run):
    """Raise ExampleError if an input of `run`, a list of for_device, is not what it was."""
    for name, array, is_output in run:
        if not is_output and not np.array_equal(bits(array), bits(tensors.arrays[name])):
            raise ExampleError(f"the program has changed its input '{name}' in the host's memory", "write outputs only",
                               EXIT_MISMATCH)


# ---- what compute_golden gives ---------------------------------------------------------------------------------------

def _golden_poison(array):
    """What an output holds before compute_golden, of the shape and type of `array`, which generate_inputs gave: NaN in
    floats, an unlikely number in integers, the opposite in booleans."""
    if array.dtype.kind == "f":
        return poisoned(array)
    if array.dtype.kind == "b":
        return ~array
    poison = np.empty(array.shape, array.dtype)
    poison.reshape(-1).view(np.uint8)[:] = 0xA5
    return poison


def _compute_on(golden, tensors, outputs, params):
    """The outputs that compute_golden leaves when they hold `outputs` (arrays by name) before.

    Its inputs are copies.
    """
    held = {name: as_made((outputs[name] if name in outputs else array).copy(), tensors.kinds[name])
            for name, array in tensors.arrays.items()}
    example.call(golden.path, "compute_golden failed", golden.compute_golden, held, dict(params))
    left = {}
    for name in tensors.outputs:
        where = f"{golden.path}: compute_golden: '{name}'"
        array, _ = as_numpy(where, held.get(name))
        wanted = tensors.arrays[name]
        if array.shape != wanted.shape or array.dtype != wanted.dtype:
            raise ExampleError(f"{where} is {array.dtype}{list(array.shape)}, "
                               f"generate_inputs made it {wanted.dtype}{list(wanted.shape)}",
                               "fill outputs in place: tensors[name][...] = value")
        left[name] = array.copy(order="C")
    return left


def compute(golden, tensors, params):
    """The expected outputs by name: what they hold after compute_golden, or, where it leaves them alone, what
    generate_inputs has computed.

    compute_golden works on poison first. Elements that it seems to leave alone are looked at again: it works on what
    generate_inputs gave, and what is then as it was has been left alone. Raises ExampleError where neither function
    computes an element.
    """
    supervise.phase(f"{golden.path}: compute_golden")
    given = {name: tensors.arrays[name] for name in tensors.outputs}
    poison = {name: _golden_poison(array) for name, array in given.items()}
    try:
        left = _compute_on(golden, tensors, poison, params)
    except ExampleError:
        left = poison  # it may need what generate_inputs has put there
    alone = {name: bits(left[name]) == bits(poison[name]) for name in given}
    if not any(each.any() for each in alone.values()):
        return left
    left = _compute_on(golden, tensors, given, params)
    for name, array in given.items():
        alone[name] &= bits(left[name]) == bits(array)
        nobody = alone[name] & (bits(array) == 0)
        if nobody.any() and not bits(array)[alone[name]].any():
            raise ExampleError(f"{golden.path}: compute_golden: '{name}': {np.count_nonzero(nobody)} of {nobody.size} "
                               "elements are not set, and generate_inputs has left them 0",
                               "set every element: tensors[name][...] = value")
    return left


# ---- the verdict -----------------------------------------------------------------------------------------------------

def comparable(golden, tensors, name, array):
    """The numbers that are compared of an output."""
    if golden.to_compare is None:
        if not tensors.kinds[name].bfloat16:
            return array
        return (array.astype(np.uint32) << 16).view(np.float32)
    supervise.phase(f"{golden.path}: to_compare")
    made = example.call(golden.path, "to_compare failed", golden.to_compare, name,
                        as_made(array.copy(), tensors.kinds[name]))
    result, _ = as_numpy(f"{golden.path}: to_compare('{name}')", made)
    if result.shape != array.shape:
        raise ExampleError(f"{golden.path}: to_compare('{name}') has the shape {result.shape}, expected {array.shape}")
    return result


def _passes(golden, tensors, name, array, numbers):
    return compare(comparable(golden, tensors, name, array), numbers, golden.rtol, golden.atol).good


def agrees(golden, tensors, computed, name, array):
    """Does `array` pass as the output `name` of which compute has `computed` the numbers?"""
    return _passes(golden, tensors, name, array, comparable(golden, tensors, name, computed[name]))


def check_that_it_can_fail(golden, tensors, expected, params):
    """Raise ExampleError if outputs that nobody has computed would pass as the `expected` ones (numbers by name)."""
    for name, numbers in expected.items():
        if _passes(golden, tensors, name, poisoned(tensors.arrays[name]), numbers):
            raise ExampleError(f"{golden.path}: the golden cannot fail: '{name}' passes although nobody has written it",
                               "expect numbers that are not all NaN, or -1 in integers")
    if all(_passes(golden, tensors, name, np.zeros_like(tensors.arrays[name]), numbers)
           for name, numbers in expected.items()):
        supervise.phase(f"{golden.path}: expects_zero")
        if golden.expects_zero is None or not example.call(golden.path, "expects_zero failed", golden.expects_zero,
                                                           dict(params)):
            raise ExampleError(f"{golden.path}: the golden cannot fail: outputs that are all 0 pass",
                               "expect other numbers, or smaller RTOL and ATOL; where 0 is right, define "
                               "expects_zero(params), which returns True then")


def verdict(golden, tensors, computed, case, params, run):
    """Hold the outputs of `run`, a list of for_device, against what compute has `computed`.

    Raises ExampleError with all that differ, or if the comparison could not have failed.
    """
    expected = {name: comparable(golden, tensors, name, computed[name]) for name, _, is_output in run if is_output}
    complaints = []
    for name, array, is_output in run:
        if not is_output:
            continue
        found = compare(comparable(golden, tensors, name, array), expected[name], golden.rtol, golden.atol)
        errors = f"largest error {found.max_abs_err:.3g} absolute, {found.max_rel_err:.3g} relative"
        allowed = f"allowed {golden.atol:.3g} + {golden.rtol:.3g} * |golden|"
        if found.good:
            log.info("%s: '%s' agrees in %d elements: %s (%s)", case, name, found.n_elements, errors, allowed)
        else:
            lines = "".join(f"\n  {name}{line}" for line in found.shown)
            complaints.append(f"'{name}' differs from the golden in {found.n_bad} of {found.n_elements} elements: "
                              f"{errors} ({allowed}){lines}")
    if complaints:
        raise ExampleError("\n".join(complaints), exit_code=EXIT_MISMATCH)
    check_that_it_can_fail(golden, tensors, expected, params)
