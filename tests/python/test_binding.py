"""The ctypes structures and numbers are those of the C header."""
import ctypes
import re
import subprocess

import pytest
from conftest import ROOT
from tilegraph import binding
from tilegraph.compile import compiler

HEADER = (ROOT / "include" / "tilegraph" / "tilegraph.h").read_text()
STRUCTURES = {"tg_device_config": binding.DeviceConfig, "tg_tensor": binding.Tensor,
              "tg_run_config": binding.RunConfig, "tg_run_result": binding.RunResult,
              "tg_finding": binding.FindingInfo}
NUMBERS = ("TG_AIC", "TG_AIV", "TG_BUILD_CONCURRENT", "TG_BUILD_SEQUENTIAL", "TG_AICPU_BUILD_GRAPH",
           "TG_HOST_BUILD_GRAPH", "TG_IN", "TG_OUT", "TG_INOUT", "TG_LOG_DEBUG",
           "TG_PIPE_ORDER_PROGRAM", "TG_PIPE_ORDER_LATE", "TG_PIPE_ORDER_EARLY")


@pytest.fixture(scope="module")
def layout(tmp_path_factory):
    """What a C program says of the header: 'name number' lines."""
    lines = []
    for name, structure in STRUCTURES.items():
        lines.append(f'printf("{name} %zu\\n", sizeof(struct {name}));')
        for field, _ in structure._fields_:
            lines.append(f'printf("{name}.{field} %zu\\n", offsetof(struct {name}, {field}));')
            lines.append(f'printf("{name}.{field}.size %zu\\n", sizeof(((struct {name} *)0)->{field}));')
    lines += [f'printf("{name} %d\\n", (int){name});' for name in NUMBERS]
    folder = tmp_path_factory.mktemp("layout")
    source = folder / "layout.c"
    source.write_text("#include <stdio.h>\n#include <tilegraph/tilegraph.h>\nint main(void)\n{\n"
                      + "\n".join(lines) + "\nreturn 0;\n}\n")
    subprocess.run([*compiler(source, "aiv", {}), "-std=c11", f"-I{ROOT / 'include'}", "-o", folder / "layout", source],
                   check=True)
    output = subprocess.run([folder / "layout"], check=True, stdout=subprocess.PIPE, text=True).stdout
    return {name: int(number) for name, number in (line.split() for line in output.splitlines())}


@pytest.mark.parametrize("name", STRUCTURES)
def test_structures_have_the_headers_layout(layout, name):
    structure = STRUCTURES[name]
    assert ctypes.sizeof(structure) == layout[name]
    for field, _ in structure._fields_:
        assert getattr(structure, field).offset == layout[f"{name}.{field}"]
        assert getattr(structure, field).size == layout[f"{name}.{field}.size"]


@pytest.mark.parametrize("name", STRUCTURES)
def test_structures_have_every_field(name):
    body = re.search(rf"struct {name} {{(.*?)\n}};", HEADER, re.S).group(1)
    body = re.sub(r"/\*.*?\*/", "", body, flags=re.S)
    declarations = re.findall(r"(?:const )?(?:struct |enum )?\w+ ([^;]+);", body)
    fields = [field.strip(" *") for names in declarations for field in names.split(",")]
    assert fields == [field for field, _ in STRUCTURES[name]._fields_]


def test_numbers_are_the_headers(layout):
    assert {name: getattr(binding, name) for name in NUMBERS} == {name: layout[name] for name in NUMBERS}


def test_prototypes_have_the_headers_arity():
    text = re.sub(r"/\*.*?\*/", "", HEADER, flags=re.S)
    for name, (_, arguments) in binding._PROTOTYPES.items():
        parameters = re.search(rf"TG_API [^;]*?\b{name}\(([^)]*)\)", text).group(1)
        expected = 0 if parameters.strip() == "void" else parameters.count(",") + 1
        assert len(arguments) == expected, name
