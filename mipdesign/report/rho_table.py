"""What is printed of a frontier along the limit of the effectiveness: its points, its lists, and how one goes on from there."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..figures.formatting import exactly, number, points, quantity
from ..figures.tables import Column, Table, Value, size_text
from .terminal import frontier_lines
from .words import RHO_NOTE

if TYPE_CHECKING:
    from ..analysis.frontier_file import Frontier


def rho_table(frontier: Frontier) -> Table:
    """The points of a frontier along the effectiveness: the optimum of each ``rho0``, and where its list is."""
    heads = (
        Column("ρ0", text=exactly),
        Column("status", "left"),
        Column("objective", text=points),
        Column("effectiveness of the optimum", short="ρ", text=_or_dash(number)),
        Column("blocks of the optimum", short="depth", text=_or_dash(size_text)),
        Column("parameters", short="params", text=_or_dash(quantity)),
        Column("FLOPs", text=_or_dash(quantity)),
        Column("networks", text=_or_dash(size_text)),
        Column("folder", "left"),
    )
    rows: list[tuple[Value, ...]] = []
    for point in frontier.points:
        figures: tuple[Value, ...] = (None,) * 4
        if point.architecture is not None:
            found = point.problem.evaluator(point.architecture).evaluation
            figures = (found.effectiveness, found.blocks, found.params, found.flops)
        listed = None if point.listed is None else point.listed["count"]
        folder = "-" if point.status == "unknown" else frontier.folder_of(point)
        rows.append((*point.limits.values(), point.status, point.objective, *figures, listed, folder))
    unproven = frozenset(i for i, point in enumerate(frontier.points) if not frontier.is_settled(point))
    return Table("Optima along the limit of the effectiveness", heads, tuple(rows), marked=unproven, keys=1)


def _or_dash(write: Callable[[Any], str]) -> Callable[[Any], str]:
    """How a column writes values of which some are missing."""
    return lambda value: "-" if value is None else write(value)


def rho_lines(frontier: Frontier, folder: Path) -> list[str]:
    """What was proved, what the objectives say and what not, and how one of the networks is trained."""
    lines = frontier_lines(frontier, prices=False)
    for point in frontier.points:
        proof = frontier.points[point.proof]
        if proof is not point and point.pool is not None:
            (own,), (other,) = (map(exactly, of.limits.values()) for of in (point, proof))
            lines.append(f"same         the networks of ρ0 {other} all keep ρ0 {own} as well: the two lists are one")
    known = [point for point in frontier.points if point.pool is not None]
    if not known:
        return lines
    place, rank = folder / frontier.folder_of(known[0]), min(2, len(known[0].pool or ()))
    words = ["mipdesign", "export", str(place), "--network", str(rank), "--to", "torch", "--out", f"network{rank}"]
    return [
        *lines,
        f"note         {RHO_NOTE}",
        f"train        {shlex.join(words)}",
        f'             then in Python: mipdesign.from_pretrained("network{rank}") is its torch.nn.Module',
    ]
