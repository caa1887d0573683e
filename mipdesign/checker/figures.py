"""Figures of many networks at once, from the tables of their space: whether they keep every budget, and what they use of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np

from .listing import Listing, Scores
from .network import Network, bits_held, broken, operations
from .space import FIGURES, SIZES, Space
from .super_block import Ints
from .tables import Bools, Floats, Tables

LATENCY = "latency"
COLUMNS = (
    "flops", "params", "macs", "params_backbone", "params_total", "layers", "blocks", "activations", "weights_bytes",
    "activation_memory", LATENCY, "model_size", "max_feature", "bit_operations",
)  # fmt: skip
"""Budgets of which a list states what its networks use, in its order: several latencies as ``latency.NAME``, by their names;
the effectiveness comes last."""


@dataclass(frozen=True)
class Counted:
    """``counts`` of every limit, shape ``(limits, networks)``; ``lies``: which networks lie in the space and keep all limits,
    but for those of the effectiveness and of bits that are held.
    """

    counts: Floats
    lies: Bools


def count(tables: Tables, listing: Listing) -> Counted:
    """Counts networks that are given by the places of their choices; blocks that may be exchanged have to be in order."""
    n, size = len(tables.limits), len(listing.stem)
    counts, lies = tables.stem_counts[:, listing.stem], tables.stem_fits[listing.stem].copy()
    before, ci = listing.stem, np.array(tables.space.stem, dtype=np.int64)[listing.stem]
    previous: Ints = np.zeros(size, dtype=np.int64)  # the state of the element before
    for table, column, depth in zip(tables.stages, listing.columns, listing.depths, strict=True):
        s = table.block
        place, c = s.place[column], s.c[column]
        entered = previous if s.continues else before
        lies &= (s.first[place] <= entered) & (entered < s.stop[place])
        fixed, slope, twins, rest = (table.rows[3 + part * n : 3 + (part + 1) * n, column] for part in range(4))
        twin = (ci == c) & table.special & (not s.continues)
        if table.most is not None:
            lies &= twin | (ci <= table.most[column])
        if table.twin_fits is not None:
            lies &= ~twin | table.twin_fits[column]
        if table.rest_fits is not None:
            lies &= (depth == 1) | table.rest_fits[column]
        counts = counts + np.where(twin, twins, fixed + slope * ci) + (depth - 1) * rest
        for limit, pairs in zip(tables.of_latencies, table.pairs, strict=True):
            for of_column, times in pairs:
                counts[limit] += times[of_column[column], before]
        previous, ci = place, c
        before = place if s.channel_place is None else s.channel_place[place]
    lies &= (counts <= tables.limits.astype(np.float64)[:, None]).all(axis=0)
    return Counted(counts, lies)


def keep_all(tables: Tables, listing: Listing, counted: Counted, scores: Scores) -> Bools:
    """Which networks lie in the space and keep every budget; near a limit of the effectiveness, and where bits are held,
    decided one by one.
    """
    space, keep = tables.space, counted.lies & scores.tied
    doubtful = np.full(len(keep), space.most_bits is not None)
    if space.rho is not None:
        keep &= scores.rho <= space.most_rho * (1 + 1e-9)
        doubtful |= ~(scores.rho <= space.most_rho * (1 - 1e-9))
    at = (keep & doubtful).nonzero()[0]
    for i, network in zip(at.tolist(), listing.take(at).networks(tables), strict=True):
        keep[i] = not broken(space, network)
    return keep


class Usage:
    """What networks use of the budgets that a problem limits.

    ``names``: those that are stated, in the order of a list.
    """

    def __init__(self, tables: Tables, budgets: Mapping[str, Any]) -> None:
        space, self.tables = tables.space, tables
        given = [name for name in budgets if budgets[name] is not None]
        several = [] if LATENCY not in given or "table" in budgets[LATENCY] else sorted(budgets[LATENCY])
        timed = [f"{LATENCY}.{name}" for name in several] or [LATENCY]
        self.names = [column for name in COLUMNS if name in given for column in (timed if name == LATENCY else [name])]
        self.timed = dict(zip(timed, tables.of_latencies, strict=False))
        limits = iter(range(len(space.limits)))
        self.at = dict[str, int]()  # the first limit of each
        for name in (name for name in FIGURES if name in given):
            row = budgets[name] if isinstance(budgets[name], dict) else {"max": budgets[name]}
            ends = [next(limits) for end in ("max", "min") if row.get(end) is not None]
            self.at[name] = ends[0]
        self.bytes = {
            name: budgets[name].get("bytes") or 4 if isinstance(budgets[name], dict) else 4 for name in given if name in SIZES
        }
        self.has_rho = space.rho is not None or bool(space.price)

    def of(self, name: str, listing: Listing, counted: Counted) -> tuple[Ints, int]:
        """A figure of every network as a whole number of parts, and how many parts make one."""
        space = self.tables.space
        if name in self.at:
            limit = space.limits[self.at[name]]
            return (limit.sign * counted.counts[self.at[name]]).astype(np.int64), limit.parts
        if name in self.timed:
            return counted.counts[self.timed[name]].astype(np.int64), 1000
        networks = listing.networks(self.tables)
        rows = [_memory(space, network) for network in networks] if name == "activation_memory" else [
            max(bits_held(space, network)) for network in networks]  # fmt: skip
        return np.array(rows, dtype=np.int64) * self.bytes.get(name, 1), 1 if name == "activation_memory" else 8


def _memory(space: Space, network: Network) -> int:
    return max(int(op.elements) for op, _ in operations(space, network))


def same_number(text: str, count: int, parts: int) -> bool:
    """Whether a text is a plain decimal number, and that of so many parts."""
    if parts == 1:
        return text == str(count)
    digits = text.removeprefix("-").replace(".", "", 1)
    plain = len(text) <= 60 and digits.isascii() and digits.isdigit()
    return plain and Fraction(Decimal(text)) * parts == count


def differing(texts: list[str], counts: Ints, parts: int) -> Iterator[int]:
    """Where stated figures are other ones."""
    if parts == 1 and texts == list(map(str, counts.tolist())):
        return
    for i, (text, exact) in enumerate(zip(texts, counts.tolist(), strict=True)):
        if not same_number(text, exact, parts):
            yield i
