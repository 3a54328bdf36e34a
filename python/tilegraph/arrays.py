"""Memory of arrays that other libraries own: numpy's, torch's, and all others that speak DLPack or the buffer protocol.

Needs no numpy. The element type bfloat16, which numpy lacks, arrives through DLPack.
"""
import ctypes
from dataclasses import dataclass

from .errors import Error

_CPU = (1, 3)  # kDLCPU, kDLCUDAHost: memory that this process can read and write
_CODES = {0: "int", 1: "uint", 2: "float", 4: "bfloat", 6: "bool"}  # DLDataTypeCode
_KINDS = {"i": "int", "u": "uint", "f": "float", "b": "bool"}       # letters of the array interface
_READ_ONLY = 1                                                      # DLPACK_FLAG_BITMASK_READ_ONLY


@dataclass(frozen=True)
class View:
    """A contiguous array in row-major order. `owner` keeps its memory alive."""
    address: int
    n_bytes: int
    shape: tuple
    dtype: str       # "float32", "bfloat16", "int8", "bool", ...
    read_only: bool
    owner: object

    @property
    def n_elements(self):
        return _product(self.shape)


@dataclass(frozen=True)
class KeptTask:
    """A task of a run that kept its arrays: struct tg_kept_task."""
    task_id: int
    kernel: str
    args: tuple        # numbers
    is_address: tuple  # of each: it points into device memory
    returned: bool


@dataclass(frozen=True)
class KeptArray:
    """The memory around an argument of such a task: struct tg_kept_array. Arrays of numpy, copies; one row has one
    dimension."""
    argument: int    # -1: no argument points there
    dtype: int       # enum tg_dtype
    before: object   # as the task found it
    after: object    # as the task left it
    access: object   # bits of enum tg_array_access


# Of enum tg_dtype; numpy has neither bfloat16 nor fp8: their bits.
_NUMPY_NAMES = ("float32", "float16", "uint16", "int32", "int8", "uint8", "int16", "uint16", "uint32", "uint8", "uint8")


def kept_array(kept):
    """The KeptArray of a struct tg_kept_array."""
    import numpy as np  # the rest of this module needs none
    shape = (kept.rows, kept.cols) if kept.rows > 1 else (kept.cols,)

    def copied(address, dtype):
        n_bytes = kept.rows * kept.cols * dtype.itemsize
        return np.frombuffer(bytearray(ctypes.string_at(address, n_bytes)), dtype).reshape(shape)
    element = np.dtype(_NUMPY_NAMES[kept.dtype])
    return KeptArray(kept.argument, kept.dtype, copied(kept.before, element), copied(kept.after, element),
                     copied(kept.access, np.dtype(np.uint8)))


class _Tensor(ctypes.Structure):
    """DLTensor of dlpack.h."""
    _fields_ = [("data", ctypes.c_void_p), ("device_type", ctypes.c_int32), ("device_id", ctypes.c_int32),
                ("ndim", ctypes.c_int32), ("code", ctypes.c_uint8), ("bits", ctypes.c_uint8),
                ("lanes", ctypes.c_uint16), ("shape", ctypes.POINTER(ctypes.c_int64)),
                ("strides", ctypes.POINTER(ctypes.c_int64)), ("byte_offset", ctypes.c_uint64)]


class _Versioned(ctypes.Structure):
    """DLManagedTensorVersioned of dlpack.h."""
    _fields_ = [("major", ctypes.c_uint32), ("minor", ctypes.c_uint32), ("manager_ctx", ctypes.c_void_p),
                ("deleter", ctypes.c_void_p), ("flags", ctypes.c_uint64), ("tensor", _Tensor)]


def view(name, value, writable=False):
    """The View of `value`; shares its memory. `name` is for messages.

    Raises Error if it is no array, is not contiguous, is on another device, or is read-only and should be `writable`.
    """
    if hasattr(value, "__array_interface__"):
        found = _of_array_interface(name, value)
    elif hasattr(value, "__dlpack__"):
        found = _of_dlpack(name, value)
    else:
        found = _of_buffer(name, value)
    if found.n_elements == 0:
        raise Error(f"'{name}' has the shape {found.shape}: no elements")
    if writable and found.read_only:
        raise Error(f"'{name}' is an output and cannot be written: the array is read-only")
    return found


def _product(numbers):
    product = 1
    for number in numbers:
        product *= number
    return product


def _check_strides(name, shape, strides, unit):
    """Refuse what is not contiguous; `unit` is the stride of neighbours in the last dimension."""
    expected = unit
    for size, stride in zip(reversed(shape), reversed(strides)):
        if size != 1 and stride != expected and 0 not in shape:
            raise Error(f"'{name}' is not contiguous: strides {tuple(strides)}, shape {tuple(shape)}",
                        "pass a contiguous copy: numpy.ascontiguousarray(x), x.contiguous()")
        expected *= size


def _of_array_interface(name, value):
    interface = value.__array_interface__
    order, kind, size = interface["typestr"][0], interface["typestr"][1], int(interface["typestr"][2:])
    native = "<" if ctypes.c_uint16(1).__ctype_le__ is ctypes.c_uint16 else ">"
    if kind not in _KINDS or order not in ("|", native):
        raise Error(f"'{name}' has the element type {interface['typestr']}, expected native integers, floats or "
                    "booleans")
    shape = tuple(interface["shape"])
    if interface.get("strides"):
        _check_strides(name, shape, interface["strides"], size)
    address, read_only = interface["data"]
    dtype = "bool" if kind == "b" else f"{_KINDS[kind]}{8 * size}"
    return View(address, _product(shape) * size, shape, dtype, read_only, value)


def _of_dlpack(name, value):
    try:
        device = int(value.__dlpack_device__()[0])
        if device not in _CPU:
            raise Error(f"'{name}' is in the memory of device type {device} of DLPack, not of the processor",
                        "copy it to the processor first: x.cpu()")
        capsule = value.__dlpack__()
    except (BufferError, RuntimeError, TypeError, ValueError) as error:
        raise Error(f"'{name}' cannot be used through DLPack: {error}") from error
    is_valid, pointer = ctypes.pythonapi.PyCapsule_IsValid, ctypes.pythonapi.PyCapsule_GetPointer
    is_valid.argtypes, is_valid.restype = [ctypes.py_object, ctypes.c_char_p], ctypes.c_int
    pointer.argtypes, pointer.restype = [ctypes.py_object, ctypes.c_char_p], ctypes.c_void_p
    read_only = False
    if is_valid(capsule, b"dltensor_versioned"):
        managed = _Versioned.from_address(pointer(capsule, b"dltensor_versioned"))
        if managed.major != 1:
            raise Error(f"'{name}' is of DLPack version {managed.major}.{managed.minor}, expected 1")
        tensor, read_only = managed.tensor, bool(managed.flags & _READ_ONLY)
    elif is_valid(capsule, b"dltensor"):
        tensor = _Tensor.from_address(pointer(capsule, b"dltensor"))
    else:
        raise Error(f"'{name}' gives no DLPack capsule")
    if tensor.code not in _CODES or tensor.lanes != 1 or tensor.bits % 8:
        raise Error(f"'{name}' has the element type {tensor.code} of {tensor.bits} bits and {tensor.lanes} lanes in "
                    "DLPack, expected integers, floats, bfloat or booleans")
    shape = tuple(tensor.shape[i] for i in range(tensor.ndim))
    if tensor.strides:
        _check_strides(name, shape, tuple(tensor.strides[i] for i in range(tensor.ndim)), 1)
    dtype = "bool" if tensor.code == 6 else f"{_CODES[tensor.code]}{tensor.bits}"
    # The capsule is not consumed: when it goes, its own destructor gives the memory back.
    return View((tensor.data or 0) + tensor.byte_offset, _product(shape) * tensor.bits // 8, shape, dtype, read_only,
                (value, capsule))


def _of_buffer(name, value):
    try:
        memory = memoryview(value)
    except TypeError as error:
        raise Error(f"'{name}' is of type {type(value).__name__}, expected an array: numpy, DLPack or a "
                    "buffer") from error
    kinds = {"f": "float", "d": "float", "e": "float", "?": "bool"}
    letter = memory.format.lstrip("@=")
    if letter not in "?bBhHiIlLqQefdcnN" or not letter:
        raise Error(f"'{name}' has the element format '{memory.format}', expected integers, floats or booleans")
    if not memory.c_contiguous:
        raise Error(f"'{name}' is not contiguous", "pass a contiguous copy")
    kind = kinds.get(letter, "int" if letter.islower() and letter != "c" else "uint")
    dtype = "bool" if kind == "bool" else f"{kind}{8 * memory.itemsize}"
    shape = memory.shape if memory.ndim else (1,)
    raw = _PyBuffer()
    get, release = ctypes.pythonapi.PyObject_GetBuffer, ctypes.pythonapi.PyBuffer_Release
    get.argtypes, get.restype = [ctypes.py_object, ctypes.POINTER(_PyBuffer), ctypes.c_int], ctypes.c_int
    release.argtypes, release.restype = [ctypes.POINTER(_PyBuffer)], None
    get(value, ctypes.byref(raw), 0)
    address = raw.buf or 0
    release(ctypes.byref(raw))
    # `memory` as the owner keeps the buffer exported.
    return View(address, memory.nbytes, tuple(shape), dtype, memory.readonly, memory)


class _PyBuffer(ctypes.Structure):
    """Py_buffer."""
    _fields_ = [("buf", ctypes.c_void_p), ("obj", ctypes.c_void_p), ("len", ctypes.c_ssize_t),
                ("itemsize", ctypes.c_ssize_t), ("readonly", ctypes.c_int), ("ndim", ctypes.c_int),
                ("format", ctypes.c_char_p), ("shape", ctypes.c_void_p), ("strides", ctypes.c_void_p),
                ("suboffsets", ctypes.c_void_p), ("internal", ctypes.c_void_p)]
