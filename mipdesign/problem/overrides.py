"""Changes of a specification before it is read: ``--set KEY=VALUE``, and paths relative to the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import SpecError
from ..parsing import parse_scalar


def find_tables(data: dict[str, Any], folder: Path) -> None:
    """Makes paths of tables that are relative to the specification's folder ones from here."""
    _find_latency(data, folder)
    objective = data.get("objective")
    if not isinstance(objective, dict):
        return
    if isinstance(objective.get("file"), str):
        data["objective"] = objective | {"file": str(folder / objective["file"])}
    elif isinstance(table := objective.get("table"), dict) and isinstance(table.get("file"), str):
        data["objective"] = objective | {"table": table | {"file": str(folder / table["file"])}}


def _find_latency(data: dict[str, Any], folder: Path) -> None:
    try:
        table = data["budgets"]["latency"]["table"]
    except (KeyError, TypeError):
        return
    if isinstance(table, str):
        latency = data["budgets"]["latency"] | {"table": str(folder / table)}
        data["budgets"] = data["budgets"] | {"latency": latency}


def apply_override(data: dict[str, Any], text: str) -> None:
    """Sets one value by its dotted key in plain data."""
    key, separator, value = text.partition("=")
    if not separator or not all(key.split(".")):
        raise SpecError("--set", f"{text!r} is not KEY=VALUE", "write for example budgets.flops=1e9")
    target: Any = data
    *path, last = key.split(".")
    for part in path:
        target = _child(target, part, key)
    if isinstance(target, list):
        target[_index(target, last, key)] = parse_scalar(value)
    elif isinstance(target, dict):
        target[last] = parse_scalar(value)
    else:
        raise SpecError("--set", f"{key!r} names nothing", "use the dotted path of a field, for example stages.0.depth")


def _child(target: Any, part: str, key: str) -> Any:
    if isinstance(target, list):
        return target[_index(target, part, key)]
    if isinstance(target, dict):
        if target.get(part) is None:
            target[part] = {}
        target[part] = target[part].copy() if isinstance(target[part], (dict, list)) else target[part]
        return target[part]
    raise SpecError("--set", f"{key!r} names nothing", "use the dotted path of a field, for example stages.0.depth")


def _index(target: list[Any], part: str, key: str) -> int:
    if not part.isdigit() or int(part) >= len(target):
        raise SpecError("--set", f"{part!r} in {key!r} is not an index below {len(target)}", "count from 0")
    if isinstance(target[int(part)], dict):
        target[int(part)] = target[int(part)].copy()
    return int(part)
