"""Validation by the part of JSON Schema that schemas/ uses; a keyword that is not known here is an error."""
import re

_TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None), "integer": int,
          "number": (int, float)}
_KNOWN = {"$schema", "$id", "title", "description", "type", "properties", "required", "additionalProperties", "items",
          "minItems", "enum", "const", "minimum", "maximum", "pattern"}


def _is(value, name):
    return isinstance(value, _TYPES[name]) and not (isinstance(value, bool) and name in ("integer", "number"))


def validate(value, schema, where="$"):
    """Raise AssertionError naming the place at which `value` is not what `schema` says."""
    assert set(schema) <= _KNOWN, f"{where}: keywords {set(schema) - _KNOWN}"
    if "type" in schema:
        names = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        assert any(_is(value, name) for name in names), f"{where} is {value!r}, expected {schema['type']}"
    assert "const" not in schema or value == schema["const"], f"{where} is {value!r}, expected {schema['const']!r}"
    assert "enum" not in schema or value in schema["enum"], f"{where} is {value!r}, expected one of {schema['enum']}"
    if isinstance(value, str) and "pattern" in schema:
        assert re.search(schema["pattern"], value), f"{where} is {value!r}, expected {schema['pattern']}"
    if _is(value, "number"):
        assert value >= schema.get("minimum", value), f"{where} is {value}, below {schema.get('minimum')}"
        assert value <= schema.get("maximum", value), f"{where} is {value}, above {schema.get('maximum')}"
    if isinstance(value, list):
        assert len(value) >= schema.get("minItems", 0), f"{where} has {len(value)} items"
        for index, item in enumerate(value):
            validate(item, schema.get("items", {}), f"{where}[{index}]")
    if isinstance(value, dict):
        properties, more = schema.get("properties", {}), schema.get("additionalProperties", True)
        for name in schema.get("required", ()):
            assert name in value, f"{where} lacks {name}"
        for name, item in value.items():
            assert name in properties or more is not False, f"{where} has {name}, which is not known"
            validate(item, properties.get(name, more if isinstance(more, dict) else {}), f"{where}.{name}")
