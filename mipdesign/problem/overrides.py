"""Changes of a specification before it is read: ``--set KEY=VALUE``, and paths relative to the file."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

from ..errors import SpecError
from ..networks.budget_names import LATENCY
from ..networks.latency import SHIPPED
from ..parsing import parse_scalar
from .budgets import several, tables_by_name
from .relative import from_folder


def find_files(data: dict[str, Any], folder: Path) -> None:
    """Makes the paths of latency tables and networks in budgets that are relative to the specification's folder ones from here.

    Several tables become a mapping by their names, for overrides to name one.
    """
    budgets = data.get("budgets")
    if not isinstance(budgets, dict):
        return
    budgets = from_folder(budgets, folder)
    with contextlib.suppress(SpecError):  # which the budget itself says
        latency = tables_by_name(budgets.get(LATENCY))
        if several(latency):
            budgets = budgets | {LATENCY: {name: _with_table(given, folder) for name, given in latency.items()}}
        elif isinstance(latency, dict):
            budgets = budgets | {LATENCY: _with_table(latency, folder)}
    data["budgets"] = budgets


def _with_table(latency: Any, folder: Path) -> Any:
    """A latency budget with the path of its table from here; tables that ship with the package have none."""
    table = latency.get("table") if isinstance(latency, dict) else None
    if not isinstance(table, str) or (table.startswith(SHIPPED) and not os.path.lexists(folder / table)):
        return latency
    return latency | {"table": str(folder / table)}


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
