"""The networks of a list as a table, and what is said of the list."""

from __future__ import annotations

from ..designs.design import Design
from ..designs.pool import Pool
from ..figures.formatting import score
from ..figures.tables import Column, Table, Value, size_text

SHOWN = 10
"""Networks of a list that are shown; the file has all."""


def pool_table(pool: Pool) -> Table:
    """The first networks of a list, and what each uses of the budgets."""
    shown = pool[:SHOWN]
    names = list(shown[0].figures) if shown else []
    columns = (
        Column("rank", text=size_text),
        Column("objective", text=score),
        *(Column(name, text=lambda value: f"{value:,.10g}".replace(",", " ")) for name in names),
        Column("channels", "left"),
        Column("depths", "left"),
    )
    rows: list[tuple[Value, ...]] = []
    for of in shown:
        channels = (of.architecture.stem.channels, *(stage.channels for stage in of.architecture.stages))
        depths = (stage.depth for stage in of.architecture.stages)
        texts = " ".join(map(str, channels)), " ".join(map(str, depths))
        rows.append((of.rank, of.objective, *of.figures.values(), *texts))
    more = "" if len(shown) == len(pool) else f", of {len(pool)}"
    return Table(f"Networks{more}", columns, tuple(rows))


def list_lines(found: Design) -> list[str]:
    """What is known of the list of a design: which networks it has, and whether one may be missing."""
    if found.listed is None:
        return []
    listed = found.listed
    networks = "1 network" if listed["count"] == 1 else f"{listed['count']} networks"
    which = [] if listed["within"] is None else [f"within {listed['within']} of the optimum"]
    which += [] if listed["best"] is None else [f"the best {listed['best']}"]
    which += [] if listed["different"] is None else [f"that differ by {listed['different']}"]
    proved = "complete: no other network belongs into it"
    if not listed["complete"]:
        proved = f"not complete: none above {score(listed['bound'])} is missing, of those below some may be"
    return [f"list         {networks} ({', '.join(which)}), {proved}"]
