from pathlib import Path

_KERNELS_ROOT = Path(__file__).parent

ORCHESTRATION = {
    "source": str(_KERNELS_ROOT / "orchestration" / "style_host.cpp"),
    "function_name": "build_style_graph",
}

KERNELS = [
    # an array of sources by number
    *[{"func_id": i, "core_type": core, "source": str(_KERNELS_ROOT / core / f"{core}_{name}.cpp")}
      for i, (core, name) in enumerate((("aiv", "polynomial"), ("aic", "squares")))]
]
