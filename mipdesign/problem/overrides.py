"""Changes of a specification before it is read: ``KEY=VALUE`` texts, nested mappings, and paths relative to the file."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import SpecError, short
from ..networks.budget_names import LATENCY
from ..networks.latency import SHIPPED
from ..networks.scores import DEFAULT_SCORE, SCORES
from ..parsing import parse_scalar
from .budgets import several, tables_by_name
from .relative import from_folder

DOTTED = "use the dotted path of a field, for example stages.0.depth"


def find_files(data: dict[str, Any], folder: Path) -> None:
    """Makes the paths of latency tables and networks in budgets that are relative to the specification's folder ones from here.

    Several tables become a mapping by their names, for overrides to name one.
    """
    _find_values(data, folder)
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


def _find_values(data: dict[str, Any], folder: Path) -> None:
    """The same of the table of values in the objective."""
    objective = data.get("objective")
    if not isinstance(objective, dict):
        return
    if isinstance(objective.get("file"), str):
        data["objective"] = objective | {"file": str(folder / objective["file"])}
    elif isinstance(table := objective.get("table"), dict) and isinstance(table.get("file"), str):
        data["objective"] = objective | {"table": table | {"file": str(folder / table["file"])}}


def _with_table(latency: Any, folder: Path) -> Any:
    """A latency budget with the path of its table from here; tables that ship with the package have none."""
    table = latency.get("table") if isinstance(latency, dict) else None
    if not isinstance(table, str) or (table.startswith(SHIPPED) and not os.path.lexists(folder / table)):
        return latency
    return latency | {"table": str(folder / table)}


def apply_overrides(data: dict[str, Any], texts: Iterable[str], filled: bool) -> None:
    """Sets values by their dotted keys in plain data; other values stay, but for what they take the place of.

    Parameters
    ----------
    filled:
        Whether the data are those of a problem, with all defaults written out, and not what somebody wrote.

    Raises
    ------
    SpecError
        If a text is not ``KEY=VALUE``, or a key names nothing.
    """
    values = []
    for text in texts:
        key, separator, value = text.partition("=") if isinstance(text, str) else ("", "", "")
        if not separator or not all(key.split(".")):
            raise SpecError("overrides", f"{short(text)} is not KEY=VALUE", "write for example budgets.flops=1e9")
        values.append((key.split("."), parse_scalar(value)))
    _set_all(data, values, "overrides", filled)


def apply_changes(data: dict[str, Any], changes: Mapping[Any, Any]) -> None:
    """Sets the values of a nested mapping in the data of a problem, each at its path; other values stay, but for what they take
    the place of.

    Keys may be dotted, and those of a list are indices. A mapping takes the place of what is none.

    Raises
    ------
    SpecError
        If a path names nothing.
    """
    _set_all(data, [(path, without_numpy(value)) for path, value in _leaves(changes)], "changes", filled=True)


def _set_all(data: dict[str, Any], values: Sequence[tuple[list[str], Any]], field: str, filled: bool) -> None:
    """Sets values by their paths; first goes what they take the place of in the objective.

    A kind begins an objective anew. The rows of a table stand in a file or in the specification. And where defaults are written
    out, that of the weight of the penalty goes with the score that it is of.
    """
    paths = [path for path, value in values if value is not None]
    if isinstance(data.get("objective"), dict):
        objective = data["objective"]
        if any(path == ["objective", "kind"] and value not in (None, objective.get("kind")) for path, value in values):
            data["objective"] = {}
        elif filled and ["objective", "score"] in paths and objective.get("beta") == _usual_beta(objective):
            data["objective"] = {name: value for name, value in objective.items() if name != "beta"}
    for path in paths:
        *place, last = path
        other = {"file": "rows", "rows": "file"}.get(last)
        if other is not None and place in (["objective"], ["objective", "table"]) and [*place, other] not in paths:
            _take_away(data, [*place, other])
    for path, value in values:
        set_value(data, path, value, field)


def _take_away(data: dict[str, Any], path: Sequence[str]) -> None:
    """Removes a value of nested dictionaries, if it is there; those on the way are copied, since others may hold them."""
    *place, last = path
    for part in place:
        if not isinstance(data.get(part), dict):
            return
        data[part] = data[part].copy()
        data = data[part]
    data.pop(last, None)


def _usual_beta(objective: Mapping[str, Any]) -> float | None:
    """The weight of the penalty where an objective of this score says nothing of it."""
    known = SCORES.get(objective.get("score", DEFAULT_SCORE))
    return None if known is None else known.beta


def _leaves(changes: Mapping[Any, Any]) -> Iterator[tuple[list[str], Any]]:
    """Paths and values of a nested mapping; an empty one is a value."""
    for key, value in changes.items():
        path = str(key).split(".")
        if isinstance(value, Mapping) and value:
            yield from ((path + rest, leaf) for rest, leaf in _leaves(value))
        else:
            yield path, value


def without_numpy(value: Any) -> Any:
    """Values as files have them: dictionaries, lists, and numbers of Python in place of numpy's."""
    if isinstance(value, Mapping):
        return {key: without_numpy(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_numpy(item) for item in value]
    return without_numpy(value.tolist()) if hasattr(value, "tolist") else value


def set_value(data: dict[str, Any], path: Sequence[str], value: Any, field: str) -> None:
    """Sets one value by its path in plain data; ``field`` is what an error names.

    Raises
    ------
    SpecError
        If the path names nothing.
    """
    key, target = ".".join(path), data
    for i, part in enumerate(path[:-1]):
        target = _child(target, part, key, field)
        if list(path[:i]) == ["budgets"] and isinstance(target, (int, float, str)):
            target = data["budgets"][part] = {"max": target}  # a number alone is an upper limit
    if _is_table(path, target):
        if value is None:
            del target[path[-1]]
            return
        value = target[path[-1]] | (value if isinstance(value, dict) else {"max": value})
    _set(target, path[-1], value, key, field)


def _is_table(path: Sequence[str], target: Any) -> bool:
    """Whether a path is that of one of several latency budgets that there are: a number alone is its upper limit, too."""
    return list(path[:-1]) == ["budgets", LATENCY] and several(target) and isinstance(target.get(path[-1]), dict)


def _set(target: Any, last: str, value: Any, key: str, field: str) -> None:
    if isinstance(target, list):
        target[_index(target, last, key, field)] = value
    elif isinstance(target, dict):
        target[last] = value
    else:
        raise SpecError(field, f"{key!r} names nothing", DOTTED)


def _child(target: Any, part: str, key: str, field: str) -> Any:
    if isinstance(target, list):
        return target[_index(target, part, key, field)]
    if isinstance(target, dict):
        if target.get(part) is None:
            target[part] = {}
        target[part] = target[part].copy() if isinstance(target[part], (dict, list)) else target[part]
        return target[part]
    raise SpecError(field, f"{key!r} names nothing", DOTTED)


def _index(target: list[Any], part: str, key: str, field: str) -> int:
    if not part.isdigit() or int(part) >= len(target):
        raise SpecError(field, f"{part!r} in {key!r} is not an index below {len(target)}", "count from 0")
    if isinstance(target[int(part)], dict):
        target[int(part)] = target[int(part)].copy()
    return int(part)
