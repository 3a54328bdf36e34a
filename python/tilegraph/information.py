"""`tilegraph info`: what this installation and this computer offer."""
import os
import platform
import shutil
import subprocess
import sys

from . import binding, cache, compile, interpreter, library
from .places import part, places

ISAS = ("portable", "avx2", "avx512", "avx512bf16", "amx")  # each includes those before it


def _memory_bytes():
    """(all of this computer, available now), in bytes."""
    told = {}
    with open("/proc/meminfo", encoding="ascii") as file:
        for line in file:
            name, _, rest = line.partition(":")
            told[name] = int(rest.split()[0]) * 1024
    return told["MemTotal"], told.get("MemAvailable", told["MemFree"])


def _compiler(usual):
    """A compiler's path and first line of --version; None if none is installed."""
    path = next((shutil.which(name) for name in usual if shutil.which(name)), None)
    if path is None:
        return None
    told = subprocess.run([path, "--version"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True, check=False).stdout
    return f"{path}: {told.splitlines()[0] if told else 'says no version'}"


def _numpy_version():
    """The version of numpy; of another Python, with its name, if that one will run examples. None: there is none."""
    try:
        import numpy
        return numpy.__version__
    except ImportError:
        pass
    other = next(filter(interpreter.has_numpy, interpreter.candidates(os.environ)), None)
    if other is None:
        return None
    told = subprocess.run([str(other), "-c", "import numpy; print(numpy.__version__)"], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False).stdout
    return f"{told.strip()} of {other}, which runs examples"


def collect():
    """A dict, as schemas/info.v1.json describes it. Raises Error if the library does not load."""
    path = library.find(os.environ)
    lib = binding.Library(path)
    devices = {}
    for name in lib.platforms():
        with lib.device(name) as device:
            devices[name] = {"blocks": lib.blocks(device), "workers": lib.workers(device), "isa": lib.isa(device)}
    highest = devices["cpu"]["isa"] if "cpu" in devices else ISAS[0]
    total, available = _memory_bytes()
    where = places()
    return {
        "version": where.version, "library": str(path), "source_tree": where.source,
        "include": str(where.include), "examples": str(where.examples),
        "cache": _cache_folder(),
        "platforms": devices,
        "instruction_sets": list(ISAS[:ISAS.index(highest) + 1]),
        "processors": len(os.sched_getaffinity(0)), "memory_bytes": total, "memory_available_bytes": available,
        "c_compiler": _compiler(compile.C_COMPILERS), "cxx_compiler": _compiler(compile.CXX_COMPILERS),
        "python": f"{sys.executable}: {platform.python_version()}", "numpy": _numpy_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
    }


def _cache_folder():
    opened = cache.Cache.open(os.environ, quiet=True)
    return opened.path if opened else None


def text(told):
    """The same for people."""
    rows = [("version", told["version"]), ("library", told["library"]), ("headers", told["include"]),
            ("examples", told["examples"]), ("cache", told["cache"] or "none: no folder that only this user can write")]
    for name, device in told["platforms"].items():
        size = f"{device['workers']} workers" if device["workers"] else f"{device['blocks']} blocks of 1 AIC and 2 AIV"
        rows.append((f"platform {name}", f"{size}, tiles in {device['isa']}"))
    rows += [("instruction sets", ", ".join(told["instruction_sets"])),
             ("processors", told["processors"]),
             ("memory", f"{told['memory_bytes'] / 2**30:.1f} GiB, "
                        f"{told['memory_available_bytes'] / 2**30:.1f} available"),
             ("C compiler", told["c_compiler"] or "none"), ("C++ compiler", told["cxx_compiler"] or "none"),
             ("Python", told["python"]), ("numpy", told["numpy"] or "none"), ("system", told["system"])]
    return "".join(f"{name:18} {value}\n" for name, value in rows)


def check_parts():
    """Raise Error naming the first part of the installation that is missing."""
    for name in ("include", "flags", "examples", "machines", "schemas"):
        part(name)
