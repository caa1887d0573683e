"""Reading YAML and JSON files into validated models, with one-line errors."""

from __future__ import annotations

import json
import math
import re
import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from .errors import SpecError
from .numerals import NUMBER, from_text

MAX_BYTES = 1_000_000
"""Largest specification or architecture file that is read; a real one has a few kilobytes."""
MAX_YAML_NODES = 100_000
"""Largest number of values in a YAML file, with every alias counted as often as it is used."""
REMEDIES = {
    "tuple_type": "give a list",
    "list_type": "give a list",
    "model_type": "give 'field: value' pairs",
    "string_type": "give a text",
}
"""What would be right, where pydantic's own words are those of a programmer; by its type of fault."""

Model = TypeVar("Model", bound=BaseModel)


class _Loader(yaml.SafeLoader):
    """YAML 1.1 with the number syntax of YAML 1.2 (``1.82e9``) and without repeated keys."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        if isinstance(node, yaml.MappingNode):
            keys = [key.value for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
            repeated = sorted({str(key) for key in keys if keys.count(key) > 1})
            if repeated:
                raise yaml.constructor.ConstructorError(None, None, f"key {repeated[0]!r} is given twice", node.start_mark)
        return super().construct_mapping(node, deep)

    def construct_number(self, node: Any) -> float | str:
        """A double, or the text of a number that no double stands for: no digit is lost on the way to a field."""
        text = self.construct_scalar(node)
        return from_text(text) if NUMBER.fullmatch(text) else self.construct_yaml_float(node)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$|^[-+]?\.(inf|Inf|INF)$|^\.(nan|NaN|NAN)$"),
    list("-+0123456789."),
)
_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.construct_number)
_Loader.yaml_implicit_resolvers = {
    # integers are tried before the wider float pattern above
    first: sorted(resolvers, key=lambda item: item[0] == "tag:yaml.org,2002:float")
    for first, resolvers in _Loader.yaml_implicit_resolvers.items()
}


def read_text(path: Path, max_bytes: int = MAX_BYTES) -> str:
    """Text of a file.

    Raises
    ------
    SpecError
        If it cannot be read, is larger than ``max_bytes``, or is not UTF-8.
    """
    try:
        with path.open("rb") as file:
            content = file.read(max_bytes + 1)
        if len(content) > max_bytes:
            raise SpecError("", f"the file has more than {max_bytes} bytes", "give a smaller file", str(path))
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise SpecError("", "the file is not UTF-8 text", "give a text file", str(path)) from None
    except OSError as error:
        raise SpecError("", f"cannot be read ({error.strerror})", "give an existing file", str(path)) from None


def load_json(path: Path, max_bytes: int = MAX_BYTES) -> Any:
    """Parses a JSON file; repeated keys and malformed text are a :class:`SpecError`."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        data = dict(pairs)
        if len(data) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise SpecError(twice, "is given twice", "give it once", str(path))
        return data

    try:
        return json.loads(read_text(path, max_bytes), object_pairs_hook=unique)
    except (json.JSONDecodeError, RecursionError) as error:
        raise SpecError("", f"not valid JSON ({error})", "give a JSON file", str(path)) from None
    except ValueError as error:
        if isinstance(error, SpecError):
            raise
        raise SpecError("", f"not readable JSON ({error})", "use numbers of reasonable length", str(path)) from None


def load_yaml(text: str, source: str) -> Any:
    """Parses YAML text; malformed text is a :class:`SpecError`."""
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        if _expanded_size(node, {}) > MAX_YAML_NODES:
            raise SpecError("", f"has more than {MAX_YAML_NODES} values", "write a shorter specification", source)
        return loader.construct_document(node)
    except RecursionError:
        raise SpecError("", "nested too deeply", "use the documented fields", source) from None
    except SpecError:
        raise
    except (yaml.YAMLError, ValueError, LookupError, AttributeError) as error:  # the last two for tags on wrong values
        first = " ".join(str(error).split())[:200]
        raise SpecError("", f"not valid YAML ({first})", "give a YAML mapping", source) from None


def _expanded_size(node: yaml.Node, known: dict[int, int]) -> int:
    """Values under a YAML node, aliases counted as often as they are used; ``known`` holds the nodes that were counted."""
    if id(node) not in known:
        known[id(node)] = MAX_YAML_NODES  # what an alias of an enclosing value counts: there is no end to it
        parts: list[yaml.Node] = []
        if isinstance(node, yaml.MappingNode):
            parts = [part for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            parts = node.value
        known[id(node)] = 1 + sum(_expanded_size(part, known) for part in parts)
    return known[id(node)]


def parse_scalar(text: str) -> Any:
    """Value of a ``--set KEY=VALUE`` override, in YAML syntax."""
    return load_yaml(text, "--set")


def validated(model: type[Model], data: Any, source: str | None) -> Model:
    """Checks plain data against a pydantic model; the first fault becomes a :class:`SpecError`."""
    if not isinstance(data, dict):
        raise SpecError("", f"a {type(data).__name__} where a mapping is expected", "give 'field: value' pairs", source)
    try:
        return model.model_validate(data)
    except RecursionError:
        raise SpecError("", "nested too deeply", "use the documented fields", source) from None
    except ValidationError as error:
        raise _fault(model, error.errors(include_url=False)[0], source) from None


def _fault(model: type[BaseModel], fault: Mapping[str, Any], source: str | None) -> SpecError:
    """One fault of pydantic's list in our words."""
    field = ".".join(str(part) for part in fault["loc"])
    nested = fault.get("ctx", {}).get("error")
    if isinstance(nested, SpecError):
        return SpecError(".".join(part for part in (field, nested.field) if part), nested.problem, nested.remedy, source)
    if fault["type"] == "missing":
        return SpecError(field, "is missing", "add it", source)
    if fault["type"] == "extra_forbidden":
        known = _known_fields(model, fault["loc"][:-1])
        return SpecError(field, "is not a known field", f"use one of: {', '.join(known)}" if known else "remove it", source)
    message = str(fault["msg"]).removeprefix("Value error, ").replace(" after validation", "").replace("Tuple", "list")
    remedy = REMEDIES.get(fault["type"], message[0].lower() + message[1:])
    value = list(fault["input"]) if isinstance(fault["input"], tuple) else fault["input"]
    return SpecError(field, f"{short(value)} is refused", remedy, source)


def _known_fields(model: Any, loc: tuple[Any, ...]) -> list[str]:
    """Field names of the model that stands at ``loc`` below ``model``, as far as annotations tell."""
    for part in loc:
        if isinstance(part, int):
            continue
        fields = getattr(model, "model_fields", {})
        if part not in fields:
            return []
        model = _inner_model(fields[part].annotation)
    return sorted(field.alias or name for name, field in getattr(model, "model_fields", {}).items())


def _inner_model(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for part in getattr(annotation, "__args__", ()):
        found = _inner_model(part)
        if found is not None:
            return found
    return None


def short(value: Any) -> str:
    """A value as it is quoted in an error, cut off where it is long."""
    if isinstance(value, (list, tuple, set, dict)):
        return f"a {type(value).__name__} of length {len(value)}" if len(value) > 8 else _plain(reprlib.repr(value))
    if isinstance(value, float) and not math.isfinite(value):
        return f"{value}"
    try:
        return _plain(repr(value))
    except ValueError:  # integers beyond the interpreter's digit limit
        return "a number of thousands of digits"


def _plain(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."
