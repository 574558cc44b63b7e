"""The schemas of `docs/json.md` and a checker of the few words of JSON Schema they use."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

DOCUMENT = Path(__file__).parents[2] / "docs" / "json.md"
_KNOWN_WORDS = {
    "$id",
    "$defs",
    "$ref",
    "description",
    "type",
    "enum",
    "required",
    "properties",
    "items",
    "additionalProperties",
}
_TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}


@cache
def load_schemas() -> dict[str, Any]:
    """Return every schema of the document by its `$id`."""
    blocks = re.findall(r"```json\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), flags=re.DOTALL)
    schemas = [json.loads(block) for block in blocks]
    return {schema["$id"]: schema for schema in schemas}


def problems(document: object, schema_id: str) -> list[str]:
    """Return everything in which a document differs from its schema."""
    return list(_check(document, load_schemas()[schema_id], "$"))


def _check(value: Any, schema: Any, where: str) -> Iterator[str]:
    assert set(schema) <= _KNOWN_WORDS, f"the checker does not know {set(schema) - _KNOWN_WORDS}"
    if "$ref" in schema:
        yield from _check(value, _resolve(schema["$ref"]), where)
    if "enum" in schema and value not in schema["enum"]:
        yield f"{where}: {value!r} is none of {schema['enum']}"
    if "type" in schema and not _has_type(value, schema["type"]):
        yield f"{where}: {value!r} is no {schema['type']}"
    elif isinstance(value, dict):
        yield from _check_object(value, schema, where)
    elif isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            yield from _check(item, schema["items"], f"{where}[{index}]")


def _check_object(value: dict[str, Any], schema: Any, where: str) -> Iterator[str]:
    properties, rest = schema.get("properties", {}), schema.get("additionalProperties", True)
    for key in schema.get("required", []):
        if key not in value:
            yield f"{where}: `{key}` is missing"
    for key, item in value.items():
        if key in properties:
            yield from _check(item, properties[key], f"{where}.{key}")
        elif rest is False:
            yield f"{where}: `{key}` is not documented"
        elif isinstance(rest, dict):
            yield from _check(item, rest, f"{where}.{key}")


def _resolve(reference: str) -> Any:
    document, _, path = reference.partition("#/")
    found: Any = load_schemas()[document]
    for word in path.split("/"):
        found = found[word]
    return found


def _has_type(value: object, wanted: str | list[str]) -> bool:
    names = [wanted] if isinstance(wanted, str) else wanted
    if isinstance(value, bool):
        return "boolean" in names
    return any(isinstance(value, _TYPES[name]) for name in names)
