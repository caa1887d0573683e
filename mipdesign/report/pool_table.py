"""The networks of a list as a table, and what is said of the list."""

from __future__ import annotations

from ..designs.design import Design
from ..designs.pool import Pool
from ..errors import counted
from ..figures.formatting import number, points, score
from ..figures.tables import Column, Table, Value, size_text
from .tables import named
from .words import list_parts

SHOWN = 10
"""Networks of a list that are shown; the file has all."""


def pool_table(pool: Pool) -> Table:
    """The first networks of a list, and what each uses of the budgets."""
    shown = pool[:SHOWN]
    names = list(shown[0].figures) if shown else []
    columns = (
        Column("rank", text=size_text),
        Column("objective", text=points),
        *(Column(named(name, pool.problem.stem.bits is not None), short=name, text=number) for name in names),
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


def list_words(found: Design) -> str:
    """What is known of the list of a design: which networks it has, and whether one may be missing; empty without one."""
    if found.listed is None:
        return ""
    listed = found.listed
    proved = "complete: no other network belongs into it"
    if not listed["complete"]:
        proved = f"not complete: none above {score(listed['bound'])} is missing, of those below some may be"
    return f"{counted(listed['count'], 'network')} ({', '.join(list_parts(listed))}), {proved}"


def list_lines(found: Design) -> list[str]:
    """The same as the line of a result; none without a list."""
    words = list_words(found)
    return [f"list         {words}"] if words else []
