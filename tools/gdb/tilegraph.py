"""gdb commands for kernels: `source tools/gdb/tilegraph.py`, then stop in a kernel on a2a3sim.

    tg-break FILE:LINE           stop before the instruction at that line of a kernel. An optimized kernel has no code
                                 of its own for most lines, so that gdb's own break finds no place
    tg-tile NAME [ROWS [COLS]]   print the tile in a variable of the kernel: kind, type, place and values (default 8
                                 rows and columns)

On platform cpu tiles are computed when they are needed, so their values are not in memory yet.
"""
import os
import struct

import gdb

KINDS = ("Mat", "Left", "Right", "Acc", "Vec", "Bias")  # enum tg_tile_kind
UNASSIGNED = 0xFFFFFFFF


def half(bits):
    return struct.unpack("<e", struct.pack("<H", bits))[0]


def bfloat16(bits):
    return struct.unpack("<f", struct.pack("<I", bits << 16))[0]


# Of enum tg_dtype by its names: bytes, format of struct, conversion.
TYPES = {"TG_FP32": ("fp32", 4, "<f", None), "TG_FP16": ("fp16", 2, "<H", half), "TG_BF16": ("bf16", 2, "<H", bfloat16),
         "TG_INT32": ("int32", 4, "<i", None), "TG_INT8": ("int8", 1, "<b", None), "TG_UINT8": ("uint8", 1, "<B", None),
         "TG_INT16": ("int16", 2, "<h", None), "TG_UINT16": ("uint16", 2, "<H", None),
         "TG_UINT32": ("uint32", 4, "<I", None)}


def type_of(number):
    for name, row in TYPES.items():
        if int(gdb.parse_and_eval(f"(int){name}")) == number:
            return row
    raise gdb.GdbError(f"element type {number} is not known to this command")


def element_at(tile, width, row, col):
    """The place of an element, in elements: tg_element_at of src/tile/buffers.h."""
    def nz(wide):
        return (col // wide * tile["rows"] + row) * wide + col % wide

    def zn():
        return (row // width * (tile["cols"] // 16) + col // 16) * 16 * width + col % 16 * width + row % width
    kind = KINDS[tile["kind"]]
    if kind == "Mat":
        return zn() if tile["layout"] else nz(width)
    if kind == "Left":
        return (row // 16 * (tile["cols"] // width) + col // width) * 16 * width + row % 16 * width + col % width
    if kind == "Right":
        return zn()
    if kind == "Acc":
        return nz(16)
    if kind == "Bias":
        return col
    return col * tile["rows"] + row if tile["layout"] else row * tile["cols"] + col


class PrintTile(gdb.Command):
    """tg-tile NAME [ROWS [COLS]]: print a tile of the kernel that is stopped here."""

    def __init__(self):
        super().__init__("tg-tile", gdb.COMMAND_DATA, gdb.COMPLETE_SYMBOL)

    def invoke(self, argument, from_tty):
        words = gdb.string_to_argv(argument)
        if not 1 <= len(words) <= 3:
            raise gdb.GdbError("tg-tile NAME [ROWS [COLS]]")
        value = self._variable(words[0])
        if value.type.strip_typedefs().code == gdb.TYPE_CODE_PTR:
            value = value.dereference()
        names = ("kind", "dtype", "layout", "rows", "cols", "valid_rows", "valid_cols", "offset")
        tile = {name: int(value[name]) for name in names}
        if tile["kind"] >= len(KINDS):
            raise gdb.GdbError(f"{words[0]} is no tile: kind {tile['kind']}")
        type_name, n_bytes, form, convert = type_of(tile["dtype"])
        gdb.write(f"{words[0]}: {KINDS[tile['kind']]}, {type_name}, {tile['rows']} x {tile['cols']}, "
                  f"valid {tile['valid_rows']} x {tile['valid_cols']}, ")
        if tile["offset"] == UNASSIGNED:
            gdb.write("not assigned\n")
            return
        gdb.write(f"at byte {tile['offset']}\n")
        start = self._buffer(tile["kind"]) + tile["offset"]
        limits = [int(word) for word in words[1:]] + [8, 8]
        rows, cols = min(limits[0], tile["valid_rows"]), min(limits[1] if len(words) > 2 else 8, tile["valid_cols"])
        memory = gdb.selected_inferior()
        for row in range(rows):
            line = []
            for col in range(cols):
                place = start + element_at(tile, 32 // n_bytes, row, col) * n_bytes
                raw = struct.unpack(form, memory.read_memory(place, n_bytes).tobytes())[0]
                line.append(f"{convert(raw) if convert else raw:>12.6g}")
            gdb.write(f"  [{row}] {''.join(line)}{' ...' if cols < tile['valid_cols'] else ''}\n")
        if rows < tile["valid_rows"]:
            gdb.write("  ...\n")

    @staticmethod
    def _variable(name):
        """The tile of that name of the newest frame that has one: the stop may be in the library, under the kernel."""
        frame = gdb.newest_frame()
        while frame is not None:
            try:
                value = frame.read_var(name)
                if "tg_tile" in str(value.type):
                    return value
            except (ValueError, RuntimeError, TypeError):
                pass
            frame = frame.older()
        raise gdb.GdbError(f'No tile "{name}" on this stack.')

    @staticmethod
    def _buffer(kind):
        """The address of a buffer of the core whose kernel runs on this thread."""
        try:
            sim = gdb.parse_and_eval("'sim.c'::running_sim")
        except gdb.error as error:
            raise gdb.GdbError(f"the library has no debug information: {error}") from error
        # Actors are the control threads, then the cores, as in running_core() of sim.c.
        index = -1
        if int(sim) != 0:
            clock = sim["clock"]
            index = int(clock["running"] - clock["actors"][0].address) - int(sim["run"]["n_threads"])
        if index < 0 or not sim["cores"][index]["in_kernel"]:
            raise gdb.GdbError("no kernel of a2a3sim runs on this thread")
        address = int(sim["cores"][index]["buffers"]["of_kind"][kind])
        if address == 0:
            raise gdb.GdbError("this core has no such buffer")
        return address


class AtInstruction(gdb.Breakpoint):
    """Stops in the library's entry for instructions when the line of the kernel is the wanted one."""

    def __init__(self, file, line):
        super().__init__("-source sim.c -function issue")
        self._file, self._line = file, line

    def stop(self):
        instruction = gdb.newest_frame().read_var("instr").dereference()
        if int(instruction["line"]) != self._line:
            return False
        return os.path.basename(instruction["file"].string()) == self._file


class BreakAtInstruction(gdb.Command):
    """tg-break FILE:LINE: stop before the instruction at that line of a kernel."""

    def __init__(self):
        super().__init__("tg-break", gdb.COMMAND_BREAKPOINTS)

    def invoke(self, argument, from_tty):
        file, _, line = argument.strip().rpartition(":")
        if not file or not line.isdigit():
            raise gdb.GdbError("tg-break FILE:LINE")
        AtInstruction(os.path.basename(file), int(line))


PrintTile()
BreakAtInstruction()
