"""tilegraph: run graphs of tile kernels on a virtual Ascend A2/A3, or on this computer.

    tilegraph.open(platform)       a Device; it loads a Program, which runs on arrays (tilegraph.device)
    tilegraph.run_folder(folder)   runs an example and compares it with its golden
    tilegraph.KVCache(device, ...) a paged KV cache; tilegraph.attention(...) attends over one (tilegraph.paged)
    tilegraph.platforms()          the platforms of the library
    tilegraph.Error                what every call raises; `hint` says what to do

The command line is `python -m tilegraph`. Parts are imported when they are first used: a command has to start quickly.
"""
import importlib

_PLACES = {"open": "device", "Device": "device", "Program": "device", "Run": "device", "Finding": "device",
           "KVCache": "paged", "Attention": "paged", "attention": "paged", "empty": "paged",
           "platforms": "device", "run_folder": "folder",
           "Error": "errors", "StatusError": "errors"}

__all__ = [*_PLACES, "__version__"]


def __getattr__(name):
    if name == "__version__":
        from .places import places
        return places().version
    if name not in _PLACES:
        raise AttributeError(f"module 'tilegraph' has no attribute '{name}'")
    return getattr(importlib.import_module(f".{_PLACES[name]}", __name__), name)


def __dir__():
    return sorted(__all__)
