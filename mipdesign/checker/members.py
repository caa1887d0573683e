"""The members of a list, read from its file and held against the problem: each one's place in the tables, budgets, figures.

A list may have a million networks: lines are read and judged some thousands at a time, as columns of texts of which there are
few different ones, and kept as arrays of small integers.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import partial
from io import FileIO, RawIOBase
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from .figures import Usage, count, differing, keep_all
from .listing import Listing, Scores, score
from .network import Network, Stage, objective, order, read_stage, score_of
from .reading import RefusedError
from .super_block import Ints
from .tables import Floats, Tables

Networks = Callable[[], BinaryIO | RawIOBase]
"""Opens the file of a list."""
MEMBERS = "networks.csv"
"""The file of a list, beside its certificate."""
MOST_MEMBERS = 10**7
LONGEST_LINE = 65_536
CHUNK = 1 << 20
STATED, STATED_RHO = 1e-11, 1e-8
"""Relative rounding of stated objectives (of the larger of score and objective), and of a stated effectiveness."""


class Members:
    """The networks of a list, in its order.

    ``listing`` and ``scores`` have them all; :meth:`find` says which networks are among them.
    """

    def __init__(self, tables: Tables, listing: Listing, scores: Scores) -> None:
        self.tables, self.listing, self.scores = tables, listing, scores
        self._finder = _Finder(tables, listing)
        self._exact: dict[int, Decimal] = {}

    def __len__(self) -> int:
        return len(self.listing.stem)

    def network(self, i: int) -> Network:
        """One of them."""
        return next(self.listing.take(np.array([i])).networks(self.tables))

    def exact(self, i: int) -> Decimal:
        """The objective of one of them."""
        if i not in self._exact:
            self._exact[i] = objective(self.tables.space, self.network(i))
        return self._exact[i]

    def find(self, listing: Listing) -> Ints:
        """The places of some networks among them, -1 for others."""
        return self._finder.find(listing)

    def unordered(self) -> Iterator[int]:
        """Members that do not come after the one before: the floats decide, or else exact arithmetic."""
        z, error = self.scores.objective, self.scores.error
        with np.errstate(invalid="ignore"):  # a penalty beyond the doubles
            sure = z[:-1] - error[:-1] > z[1:] + error[1:]
        last, place = -1, None
        for i in (~sure).nonzero()[0].tolist():
            before = place if last == i and place is not None else order(self.tables.space, self.network(i))
            last, place = i + 1, order(self.tables.space, self.network(i + 1))
            if not before < place:
                yield i + 1


class _Finder:
    """Places of rows of small integers among given ones, exactly."""

    def __init__(self, tables: Tables, listing: Listing) -> None:
        self.tables = tables
        code: Ints = np.zeros(len(listing.stem), dtype=np.int64)
        self.known: list[Ints] = []
        for radix, word in self._words(listing):
            known, code = np.unique(code * radix + word, return_inverse=True)
            self.known.append(known)
        self.rank = np.zeros(len(self.known[-1]), dtype=np.int64)
        self.rank[code] = np.arange(len(code))

    def _words(self, listing: Listing) -> Iterator[tuple[int, Ints]]:
        """The numbers of each network in words of less than 2^38, each with its radix."""
        radix, word = len(self.tables.space.stem), listing.stem.astype(np.int64)
        for table, columns, depths in zip(self.tables.stages, listing.columns, listing.depths, strict=True):
            s = table.block
            for size, row in ((len(s.c), columns), (s.depths[-1] + 1, depths)):
                if radix * size >= 2**38:
                    yield radix, word
                    radix, word = 1, np.zeros(len(word), dtype=np.int64)
                radix, word = radix * size, word * size + row
        yield radix, word

    def find(self, listing: Listing) -> Ints:
        code: Ints = np.zeros(len(listing.stem), dtype=np.int64)
        found = np.ones(len(code), dtype=bool)
        for (radix, word), known in zip(self._words(listing), self.known, strict=True):
            key = code * radix + word
            code = np.minimum(np.searchsorted(known, key), len(known) - 1)
            found &= known[code] == key
        return np.where(found, self.rank[code], -1)


# --------------------------------------------------------------------- reading


def opener(folder: Path) -> Networks | None:
    """What opens the file of a list in the folder of its certificate; ``None`` where there is none."""
    path = folder / MEMBERS
    return partial(FileIO, path) if path.exists() else None


class Reader:
    """Reads the file of a list.

    ``digest``: SHA-256 of its bytes, once they are read.
    """

    def __init__(self, tables: Tables, budgets: Mapping[str, Any]) -> None:
        self.tables, self.space, self.usage = tables, tables.space, Usage(tables, budgets)
        self.fields = ["block", "channels", "bottleneck", "kernel"]
        self.fields += ["kernel_t"] * (self.space.frames is not None) + ["bits"] * self.space.quantised + ["depth"]
        self.elements: list[list[int]] = [[] for _ in self.space.super_blocks]
        for i, table in enumerate(tables.stages):
            self.elements[table.block.of].append(i)
        self._choices: list[dict[tuple[str, ...], int]] = [{} for _ in self.elements]
        self._rows: list[list[list[int]]] = [[] for _ in self.elements]
        self._columns = [_columns_of(table.block) for table in tables.stages]
        self._stems = {str(c): at for at, c in enumerate(self.space.stem)}
        self.digest = ""

    @property
    def header(self) -> list[str]:
        """The names of its columns."""
        figures = [*self.usage.names, *["effectiveness"] * self.usage.has_rho]
        stages = [f"{name}{n}" for n in range(1, 1 + len(self.elements)) for name in self.fields]
        return ["rank", "objective", *figures, "stem", *stages]

    def read(self, networks: Networks, expected: int) -> Members:
        """All members, each of which has to be as the file says.

        Raises
        ------
        RefusedError
            Naming the line that is malformed, has no network of the space within its budgets, or states another figure.
        """
        parts: list[tuple[Listing, Scores]] = []
        header, n = ",".join(self.header), 0
        for number, lines in self._lines(networks):
            if number == 1:
                if lines[0] != header:
                    raise RefusedError(f"the first line of networks.csv is not the expected one, {header[:200]}")
                lines = lines[1:]
            if n + len(lines) > expected:
                raise RefusedError(f"networks.csv has more than {expected} networks")
            if lines:
                parts.append(self._judged(lines, n + 1))
                n += len(lines)
        if n != expected:
            raise RefusedError(f"networks.csv has {n} networks, not {expected}")
        listings, scores = zip(*parts, strict=True)
        return Members(self.tables, _joined(listings), Scores(*(np.concatenate(rows) for rows in zip(*(
            (s.objective, s.error, s.rho, s.tied) for s in scores), strict=True))))  # fmt: skip

    def _lines(self, networks: Networks) -> Iterator[tuple[int, list[str]]]:
        """Whole lines, some thousands at a time, with the number of the first."""
        digest, rest, number = hashlib.sha256(), b"", 1
        with networks() as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
                whole, _, rest = (rest + chunk).rpartition(b"\n")
                if len(rest) > LONGEST_LINE:
                    raise RefusedError("networks.csv has a line that is too long")
                if whole:
                    try:
                        lines = whole.decode().split("\n")
                    except UnicodeDecodeError:
                        raise RefusedError("networks.csv is not text in UTF-8") from None
                    yield number, lines
                    number += len(lines)
        self.digest = digest.hexdigest()
        if rest or number == 1:
            raise RefusedError("networks.csv ends within a line")

    def _judged(self, lines: Sequence[str], first: int) -> tuple[Listing, Scores]:
        """The networks of some lines; ``first`` is the rank that the first one has to have."""
        rows = [line.split(",") for line in lines]
        width = len(self.header)
        for n, row in enumerate(rows, first):
            if len(row) != width or row[0] != str(n):
                raise RefusedError(f"line {n + 1} of networks.csv is not that of network {n}")
        texts = [list(column) for column in zip(*rows, strict=True)]
        listing = self._placed(texts, first)
        scores = score(self.tables, listing)
        counted = count(self.tables, listing)
        keep = keep_all(self.tables, listing, counted, scores)
        if not keep.all():
            raise _at(first, keep, "does not lie in the space, breaks a budget, or has its blocks in another order")
        self._check_objectives(texts[1], listing, scores, first)
        for name, column in zip(self.usage.names, texts[2:], strict=False):
            for i in differing(column, *self.usage.of(name, listing, counted)):
                raise RefusedError(f"network {first + i} of networks.csv has other {name}")
        if self.usage.has_rho:
            stated = _doubles(texts[2 + len(self.usage.names)], first)
            near = np.abs(stated - scores.rho) <= STATED_RHO * scores.rho
            if not near.all():
                raise _at(first, near, "has another effectiveness")
        return listing, scores

    def _check_objectives(self, texts: Sequence[str], listing: Listing, scores: Scores, first: int) -> None:
        stated = _doubles(texts, first)
        with np.errstate(invalid="ignore"):
            near = np.abs(stated - scores.objective) + scores.error <= STATED * np.abs(scores.objective)
        for i in (~near).nonzero()[0].tolist():
            network = next(listing.take(np.array([i])).networks(self.tables))
            exact = objective(self.space, network)
            if abs(Decimal(float(stated[i])) - exact) > Decimal(STATED) * max(score_of(self.space, network), abs(exact)):
                raise RefusedError(f"network {first + i} of networks.csv has the objective {float(exact)!r}")

    def _placed(self, texts: Sequence[Sequence[str]], first: int) -> Listing:
        """The places of the choices of networks in the tables."""
        n, at = len(texts[0]), 2 + len(self.usage.names) + self.usage.has_rho
        stem = list(map(self._stems.get, texts[at]))
        if None in stem:
            raise RefusedError(f"network {first + stem.index(None)} of networks.csv has a stem that lies outside the space")
        shape = len(self.tables.stages), n
        columns: Any = np.zeros(shape, dtype=np.int32)  # half of what 64 bits would take
        depths: Any = np.zeros(shape, dtype=np.int32)
        at += 1
        for i, elements in enumerate(self.elements):
            known, rows = self._choices[i], self._rows[i]
            keys = list(zip(*texts[at : at + len(self.fields)], strict=True))
            for key in dict.fromkeys(keys):
                if key not in known:
                    where = f"network {first + keys.index(key)} of networks.csv: super-block {i + 1}"
                    rows.append(self._choice(i, key, where))
                    known[key] = len(rows) - 1
            of_choice = np.array(rows, dtype=np.int32)
            chosen = of_choice[[known[key] for key in keys]]
            columns[elements], depths[elements] = chosen[:, :-1].T, chosen[:, -1]
            if len(elements) > 1 or self.tables.stages[elements[0]].block.is_block:
                depths[elements] = 1
            at += len(self.fields)
        return Listing(np.zeros(n, dtype=np.int64), np.array(stem, dtype=np.int64), columns, depths)

    def _choice(self, i: int, texts: Sequence[str], where: str) -> list[int]:
        """The columns of a super-block that is written as texts, and its depth."""
        given = dict(zip(self.fields, texts, strict=True))
        depth = _whole(given["depth"], where)
        row: dict[str, Any] = {"block": given["block"], "stride": self.space.super_blocks[i].stride, "depth": depth}
        row["channels"] = _whole(given["channels"], where)
        for name in ("bottleneck", "kernel"):
            numbers = [_whole(text, where) for text in given[name].split(" ")]
            row[name] = numbers if len(numbers) > 1 else numbers[0]
        if "kernel_t" in given:
            row["kernel_t"] = _whole(given["kernel_t"], where)
        if "bits" in given:
            pairs = [[_whole(text, where) for text in pair.split("/")] for pair in given["bits"].split(" ")]
            family = self.space.families.get(given["block"])
            pairs = pairs if len(pairs) > 1 or depth > 1000 else pairs * depth
            row["bits"] = [[pair] * (0 if family is None else family.layers) for pair in pairs]
            if len(set(map(tuple, pairs))) == 1 and " " in given["bits"]:
                raise RefusedError(f"{where} lists one pair of bits for all blocks")
        stage = read_stage(row, where, self.space, self.space.super_blocks[i], i)
        return [*self._places(i, stage, where), depth]

    def _places(self, i: int, stage: Stage, where: str) -> Iterator[int]:
        """The column of each element of a super-block."""
        state, f = -1, self.space.super_blocks[i].families.index(stage.block)
        if stage.depth > len(self.elements[i]) and self.tables.stages[self.elements[i][0]].block.is_block:
            raise RefusedError(f"{where} has a depth that its ties exclude")
        for n, element in enumerate(self.elements[i]):
            s = self.tables.stages[element].block
            key: tuple[int, ...] = (state,)
            if n < stage.depth:
                b, k, a, w = stage.at(n)
                key = (stage.channels, f, b, k, a, w)
            column = self._columns[element].get(key)
            if column is None:
                raise RefusedError(f"{where} breaks a budget, or has no such blocks")
            state = int(s.place[column])
            yield column


def _columns_of(s: Any) -> dict[tuple[int, ...], int]:
    """The columns of an element by what their blocks have, or by their state where the block is absent."""
    a, w = (np.broadcast_to(x, s.c.shape).tolist() for x in (s.a, s.w))
    found: dict[tuple[int, ...], int] = {}
    for j, key in enumerate(zip(s.c.tolist(), s.f.tolist(), s.b.tolist(), s.k.tolist(), a, w, strict=True)):
        found[key if key[2] else (int(s.place[j]),)] = j
    return found


def _joined(listings: Sequence[Listing]) -> Listing:
    rows = [(x.owner, x.stem, x.columns, x.depths) for x in listings]
    return Listing(*(np.concatenate(parts, axis=-1) for parts in zip(*rows, strict=True)))


def _at(first: int, fits: Any, fault: str) -> RefusedError:
    return RefusedError(f"network {first + int(np.argmin(fits))} of networks.csv {fault}")


def _whole(text: str, where: str) -> int:
    """A positive whole number as it is written."""
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and text[0] != "0"):
        raise RefusedError(f"{where} has {text[:30]!r} where a whole number is expected")
    return int(text)


def _doubles(texts: Sequence[str], first: int) -> Floats:
    """Doubles, each as Python writes it."""
    for i, text in enumerate(texts):
        try:
            value = float(text) if len(text) <= 40 else math.nan
        except ValueError:
            value = math.nan
        if not math.isfinite(value) or repr(value) != text:
            raise RefusedError(f"network {first + i} of networks.csv has {text[:40]!r} where a double is expected")
    return np.array(list(map(float, texts)))
