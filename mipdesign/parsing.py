"""Reading YAML and JSON files into validated models, with one-line errors."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from .errors import SpecError, a_thing, cut_off, one_of, short
from .files import MAX_BYTES
from .files import read_text as read_text
from .numerals import MOST_DIGITS, NUMBER, from_text

MAX_YAML_NODES = 30_000
"""Largest number of values in a YAML file, with every alias counted as often as it is used: a latency table has 20 000."""
MAX_DEPTH = 50
"""How deep the values of a file may be nested; a real one has six levels."""
MAX_DIGITS = MOST_DIGITS
"""Most characters of a number in a file."""
MAX_PARSED_BYTES = 110_000_000
"""Most memory that the values of a JSON file may take: with the interpreter, less than 300 MB."""
JSON_WEIGHTS = {",": 40, ":": 300, "[": 100, "{": 200, '"': 25}
"""Bytes of memory at most for each of these signs in JSON: a float in a list, a key with its place, what holds them, a text."""
REMEDIES = {
    "tuple_type": "give a list",
    "list_type": "give a list",
    "model_type": "give 'field: value' pairs",
    "string_type": "give a text",
    "int_type": "give a whole number",
    "int_parsing": "give a whole number",
    "int_from_float": "give a whole number",
    "bool_type": "give true or false",
    "bool_parsing": "give true or false",
}
"""What would be right, where pydantic's own words are those of a programmer; by its type of fault."""

Model = TypeVar("Model", bound=BaseModel)


class Stored(BaseModel):
    """Base of the content of files that commands write. Whatever is read back is a claim until it was checked.

    Nothing is converted: a number is a number and finite, a status is a known word, and a field that is not known is refused.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


_TOKEN = re.compile(r'[\[\]{}]|"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
"""What opens or closes a level of JSON, or a text, whose brackets do not."""
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
"""A half of a character in JSON, which without its other half no file can hold."""


@dataclass(frozen=True)
class _Refused:
    """Stands for a number that cannot be used, until it is known where it is."""

    problem: str
    remedy: str = "give a finite number"


_DECIMAL = re.compile(r"[+-]?(0|[1-9][0-9]*)")
"""An integer that every reader of YAML reads alike."""
_LEADING_ZERO = re.compile(r"[+-]?0[0-9]+")
"""An integer that is octal to some readers."""


class _Loader(yaml.SafeLoader):
    """YAML 1.1 with the number syntax of YAML 1.2 (``1.82e9``) and without repeated keys.

    Numbers that the two read differently are refused: ``010`` (8 in YAML 1.1), ``1:30`` (90), ``1_000``. Dates are texts, and
    so are keys such as ``on`` (true in YAML 1.1).
    """

    values, depth = 0, 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Composes a node; what is too much is noticed before it is read to its end."""
        self.values, self.depth = self.values + 1, self.depth + 1
        if self.values > MAX_YAML_NODES:
            raise _too_many_values()
        if self.depth > MAX_DEPTH:
            raise SpecError("", f"nested too deeply, more than {MAX_DEPTH} levels", "use the documented fields")
        node = super().compose_node(parent, index)
        self.depth -= 1
        if isinstance(node, yaml.ScalarNode) and node.tag.endswith((":int", ":float")) and len(node.value) > 3 * MAX_DIGITS:
            problem = f"a number of {len(node.value)} digits"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        if isinstance(node, yaml.MappingNode):
            keys = [key for key, _ in node.value if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge"]
            for key in keys:
                if key.tag == "tag:yaml.org,2002:bool":
                    key.tag = "tag:yaml.org,2002:str"
            repeated = sorted(key for key, times in Counter(str(key.value) for key in keys).items() if times > 1)
            if repeated:
                raise yaml.constructor.ConstructorError(None, None, f"key {repeated[0]!r} is given twice", node.start_mark)
        return super().construct_mapping(node, deep)

    def construct_integer(self, node: Any) -> int | _Refused:
        """An integer in decimal digits."""
        text = self.construct_scalar(node)
        return int(text) if _DECIMAL.fullmatch(text) else self._ambiguous(text, self.construct_yaml_int(node))

    def construct_number(self, node: Any) -> float | str | _Refused:
        """A double, or the text of a number that no double stands for: no digit is lost on the way to a field."""
        text = self.construct_scalar(node)
        if NUMBER.fullmatch(text) and not _LEADING_ZERO.fullmatch(text):
            return from_text(text)
        value = self.construct_yaml_float(node)
        return self._ambiguous(text, value) if math.isfinite(value) else value

    @staticmethod
    def _ambiguous(text: str, value: float) -> _Refused:
        """A number that readers of YAML read differently."""
        read = str(int(value) if value == int(value) else value)
        without_zeros = re.sub(r"^([+-]?)0+(?=[0-9])", r"\1", text)
        others = f", or {without_zeros}" if _LEADING_ZERO.fullmatch(text) and without_zeros != read else ""
        return _Refused(f"{cut_off(text)} is {read} to YAML 1.1, and something else to other readers", f"write {read}{others}")


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$|^[-+]?\.(inf|Inf|INF)$|^\.(nan|NaN|NAN)$"),
    list("-+0123456789."),
)
_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.construct_number)
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_integer)
_Loader.yaml_implicit_resolvers = {
    # integers are tried before the wider float pattern above
    first: sorted(
        (item for item in resolvers if item[0] != "tag:yaml.org,2002:timestamp"),
        key=lambda item: item[0] == "tag:yaml.org,2002:float",
    )
    for first, resolvers in _Loader.yaml_implicit_resolvers.items()
}


def require_object(data: Any, path: Path) -> dict[str, Any]:
    """The content of a file of a design, which has to be a JSON object.

    Raises
    ------
    SpecError
        If it is something else.
    """
    if not isinstance(data, dict):
        raise SpecError("", "is not a JSON object", "give the folder of a design", str(path))
    return data


def load_json(path: Path, max_bytes: int = MAX_BYTES, *, finite: bool = True, most_memory: int = MAX_PARSED_BYTES) -> Any:
    """Parses a JSON file.

    Parameters
    ----------
    finite:
        Whether numbers that are infinite or none are refused.
    most_memory:
        Bytes that its values may take.

    Raises
    ------
    SpecError
        For malformed text, a repeated key, a number that is not finite or has hundreds of digits, half a character, or what is
        nested too deeply or would take too much memory.
    """
    source = str(path)
    text = read_text(path, max_bytes)
    _require_moderate(text, source, most_memory)
    refused: list[_Refused] = []

    def refuse(problem: str) -> _Refused:
        refused.append(_Refused(problem))
        return refused[-1]

    def whole(digits: str) -> int | _Refused:
        return int(digits) if len(digits) <= MAX_DIGITS else refuse(f"a number of {len(digits)} digits is refused")

    def real(digits: str) -> float | _Refused:
        value = float(digits)
        return value if not finite or math.isfinite(value) else refuse(f"{cut_off(digits)} is beyond every finite number")

    def constant(name: str) -> float | _Refused:
        return refuse(f"{name} is not a finite number") if finite else float(name)

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        data = dict(pairs)
        if len(data) < len(pairs):
            twice = next(name for name, times in Counter(name for name, _ in pairs).items() if times > 1)
            raise SpecError(cut_off(twice), "is given twice", "give it once", source)
        return data

    try:
        data = json.loads(
            text,
            object_pairs_hook=unique,
            parse_int=whole,
            parse_float=real,
            parse_constant=constant,
        )
    except json.JSONDecodeError as error:
        raise SpecError("", f"not valid JSON ({error})", "give a JSON file", source) from None
    if refused or _SURROGATE.search(text):
        _require_usable(data, source)
    return data


def _require_moderate(text: str, source: str, most_memory: int) -> None:
    """Makes sure, before JSON is parsed, that it is not nested too deeply and its values do not take too much memory."""
    if sum(weight * text.count(sign) for sign, weight in JSON_WEIGHTS.items()) > most_memory:
        problem = f"has more values than {most_memory // 1_000_000} MB of memory hold"
        raise SpecError("", problem, "give a file that mipdesign wrote", source)
    depth = 0
    for token in _TOKEN.finditer(text):
        sign = text[token.start()]
        depth += (sign in "[{") - (sign in "]}")
        if depth > MAX_DEPTH:
            raise SpecError("", f"nested too deeply, more than {MAX_DEPTH} levels", "use the documented fields", source)
        if token.end() - token.start() > MAX_BYTES:
            problem = f"holds a text of {token.end() - token.start()} characters"
            raise SpecError("", problem, "give a file that mipdesign wrote", source)


def _require_usable(data: Any, source: str) -> None:
    """Refuses the first number that cannot be used, or text that cannot be written, with its place."""
    for field, problem, remedy in _unusable(data, ""):
        raise SpecError(field, problem, remedy, source)


def _unusable(data: Any, field: str) -> Iterator[tuple[str, str, str]]:
    """What :func:`_require_usable` refuses: the place of each, what is wrong with it, and what would be right."""
    if isinstance(data, _Refused):
        yield field, data.problem, data.remedy
    elif isinstance(data, str) and not _writable(data):
        yield field, f"{short(data)} holds half a character", "give whole characters"
    elif isinstance(data, (dict, list)):
        for key, value in data.items() if isinstance(data, dict) else enumerate(data):
            if isinstance(key, _Refused):
                yield field, key.problem, key.remedy
            if isinstance(key, str) and not _writable(key):
                yield field, f"the key {short(key)} holds half a character", "give whole characters"
            yield from _unusable(value, f"{field}.{key}" if field else str(key))


def _writable(text: str) -> bool:
    """Whether a text can be encoded."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def load_yaml(text: str, source: str) -> Any:
    """Parses YAML text; malformed text is a :class:`SpecError`."""
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        if _expanded_size(node, {}) > MAX_YAML_NODES:
            raise _too_many_values()
        data = loader.construct_document(node)
        _require_usable(data, source)
        return data
    except SpecError as error:
        raise error if error.source else error.at(source) from None
    except RecursionError:
        raise SpecError("", "nested too deeply", "use the documented fields", source) from None
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError, ArithmeticError) as error:
        # the latter four for tags on wrong values
        first = " ".join(str(error).split())[:200]
        raise SpecError("", f"not valid YAML ({first})", "give a YAML mapping", source) from None


def _too_many_values() -> SpecError:
    return SpecError("", f"has more than {MAX_YAML_NODES} values", "write a shorter specification")


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
    return load_yaml(text, "overrides")


def validated(model: type[Model], data: Any, source: str | None) -> Model:
    """Checks plain data against a pydantic model; the first fault becomes a :class:`SpecError`."""
    if not isinstance(data, dict):
        raise SpecError("", f"{a_thing(data)} where a mapping is expected", "give 'field: value' pairs", source)
    with in_our_words(model, source):
        return model.model_validate(data)


@contextmanager
def in_our_words(model: type[BaseModel], source: str | None = None) -> Iterator[None]:
    """Where pydantic makes a model: the first fault that it finds becomes a :class:`SpecError`."""
    try:
        yield
    except RecursionError:
        raise SpecError("", "nested too deeply", "use the documented fields", source) from None
    except ValidationError as error:
        faults = error.errors(include_url=False)
        # a field that is misspelt, or not supported, says more than the one that is missing in its place
        unknown = [
            fault for fault in faults if fault["type"] == "extra_forbidden" and fault["loc"][:-1] == faults[0]["loc"][:-1]
        ]
        raise _fault(model, unknown[0] if unknown and faults[0]["type"] == "missing" else faults[0], source) from None


def _fault(model: type[BaseModel], fault: Mapping[str, Any], source: str | None) -> SpecError:
    """One fault of pydantic's list in our words."""
    field = ".".join(cut_off(str(part)) for part in fault["loc"])
    nested = fault.get("ctx", {}).get("error")
    if isinstance(nested, SpecError):
        problem = nested.problem if nested.source is None else f"{nested.source}: {nested.problem}"
        return SpecError(".".join(part for part in (field, nested.field) if part), problem, nested.remedy, source)
    if fault["type"] == "missing":
        return SpecError(field, "is missing", "add it", source)
    if fault["type"] == "extra_forbidden":
        known = _known_fields(model, fault["loc"][:-1])
        remedy = one_of(str(fault["loc"][-1]), known) if known else "remove it"
        return SpecError(field, "is not a known field", remedy, source)
    message = str(fault["msg"]).removeprefix("Value error, ").replace(" after validation", "").replace("Tuple", "list")
    remedy = REMEDIES.get(fault["type"], message[0].lower() + message[1:])
    if fault["type"] == "literal_error":
        remedy = f"give {fault['ctx']['expected']}"
    else:
        remedy = remedy.replace("input should", "it should", 1)
    value = list(fault["input"]) if isinstance(fault["input"], tuple) else fault["input"]
    return SpecError(field, f"{short(value)} is refused", remedy, source)


def _known_fields(model: Any, loc: tuple[Any, ...]) -> list[str]:
    """Field names of the model that stands at ``loc`` below ``model``, as far as annotations tell; excluded ones are ours."""
    for part in loc:
        if isinstance(part, int):
            continue
        fields = getattr(model, "model_fields", {})
        if part not in fields:
            return []
        model = _inner_model(fields[part].annotation)
    fields = getattr(model, "model_fields", {}).items()
    return sorted(field.alias or name for name, field in fields if not field.exclude)


def _inner_model(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for part in getattr(annotation, "__args__", ()):
        found = _inner_model(part)
        if found is not None:
            return found
    return None
