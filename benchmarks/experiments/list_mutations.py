"""Ways to spoil the certificate of a list, or the file of its networks.

Every mutation changes plain data in place, or returns other lines, and draws from the generator that it is given.
"""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction

from mipdesign.checker import LIST

from .list_subjects import Data, ListSubject, seal
from .lists import list_text
from .mutations import (
    WEIRD,
    change_prices,
    change_splits,
    change_verdicts,
    drop_rows,
    invent_open,
    move_cutoffs,
    odd_prices,
    only_root,
    rename_nodes,
    worse_optimum,
)
from .subjects import Ranked, Subject

Lines = list[str]
"""The lines of a file: its header, then a network each."""


def renumbered(lines: Lines) -> Lines:
    """The same with ranks from 1 on."""
    return [lines[0], *(f"{n},{line.partition(',')[2]}" for n, line in enumerate(lines[1:], 1))]


def _row_of(subject: ListSubject, row: Ranked) -> str:
    return list_text(subject.truth.problem, [row]).splitlines()[1]


# ------------------------------------------------------------- false lists, made consistent


def drop_member(data: Data, lines: Lines, subject: ListSubject, rng: random.Random) -> Lines:
    """A member is missing: the last, the first, or any one."""
    at = rng.choice([len(lines) - 1, len(lines) - 1, 1, rng.randrange(1, len(lines))])
    return renumbered(lines[:at] + lines[at + 1 :])


def add_member(data: Data, lines: Lines, subject: ListSubject, rng: random.Random) -> Lines:
    """One more network: the next one, one that breaks a budget, or any; where it belongs, or anywhere."""
    truth = subject.truth
    row = rng.choice(rng.choice([truth.feasible, truth.others or truth.feasible, truth.feasible[: len(lines) + 1]]))
    place = sum(float(line.split(",")[1]) > float(row.exact) for line in lines[1:])
    at = rng.choice([1 + place, 1 + place, rng.randrange(1, len(lines) + 1)])
    return renumbered([*lines[:at], _row_of(subject, row), *lines[at:]])


def exchange_members(data: Data, lines: Lines, subject: ListSubject, rng: random.Random) -> Lines:
    """Two members in the other order, most often neighbours."""
    if len(lines) > 2:
        one = rng.randrange(1, len(lines) - 1)
        other = rng.choice([one + 1, rng.randrange(1, len(lines))])
        lines[one], lines[other] = lines[other], lines[one]
    return renumbered(lines)


def repeat_member(data: Data, lines: Lines, subject: ListSubject, rng: random.Random) -> Lines:
    """A member twice, beside itself or in place of another one."""
    at = rng.randrange(1, len(lines))
    if rng.random() < 0.5 and len(lines) > 2:
        lines[rng.choice([n for n in range(1, len(lines)) if n != at])] = lines[at]
        return renumbered(lines)
    return renumbered([*lines[: at + 1], *lines[at:]])


def replace_member(data: Data, lines: Lines, subject: ListSubject, rng: random.Random) -> Lines:
    """Another network in place of a member."""
    lines[rng.randrange(1, len(lines))] = _row_of(subject, rng.choice(subject.truth.feasible))
    return renumbered(lines)


def other_tolerance(data: Data, lines: Lines, subject: ListSubject, rng: random.Random) -> Lines:
    """Another tolerance, or none, or one where there was none."""
    best, some = (Fraction(row.exact) for row in (subject.truth.feasible[0], rng.choice(subject.truth.feasible)))
    exactly = (best - some) / abs(best) if best else Fraction(0)
    data[LIST]["within"] = rng.choice([None, "0", "1", "1/10", "1/1000", "1/1000000000", str(exactly), str(exactly * 2)])
    return lines


def other_number(data: Data, lines: Lines, subject: ListSubject, rng: random.Random) -> Lines:
    """Another number of best networks, or none."""
    n = len(lines) - 1
    data[LIST]["best"] = rng.choice([None, 1, n, n + 1, max(1, n - 1), 2 * n, 10**6])
    return lines


def other_rule(data: Data, lines: Lines, subject: ListSubject, rng: random.Random) -> Lines:
    """Another distance, or none, or one where there was none."""
    rules = [["channels", share] for share in ("1/100", "1/10", "1/3", "1/2", "99/100")]
    data[LIST]["different"] = rng.choice([None, *rules, *(["decisions", h] for h in (1, 2, 3, 5, 50))])
    return lines


def said_complete(data: Data, lines: Lines, subject: ListSubject, rng: random.Random) -> Lines:
    """An unfinished list called complete, its open nodes as they are, left out, or called excluded."""
    way = rng.choice(["as they are", "left out", "excluded"])
    if way == "excluded":
        data["tree"] += [[row[0], "excluded", None, row[2], None] for row in data["open"]]
    if way != "as they are":
        data["open"] = []
    data[LIST] |= {"complete": True, "bound": None}
    return lines


def lower_bound(data: Data, lines: Lines, subject: ListSubject, rng: random.Random) -> Lines:
    """A list said to be complete down to a lower objective than it is, or to one at all."""
    z = float(rng.choice(subject.truth.feasible).exact)
    bound = data[LIST]["bound"]
    lower = [z, math.nextafter(z, -math.inf), z - 1e-6 * abs(z), -1e300]
    data[LIST] |= {"complete": False, "bound": rng.choice(lower if bound is None else [*lower, bound - 1.0, 0.999 * bound])}
    return lines


def worse_first(data: Data, lines: Lines, subject: ListSubject, rng: random.Random) -> Lines:
    """A network that is not the best one called optimal, and a list that begins with it."""
    worse_optimum(data, Subject(subject.name, data, subject.truth), rng)
    first = data["contenders"][0]["objective"]
    kept = [line for line in lines[1:] if Decimal(line.split(",")[1]) < Decimal(first)]
    row = next(row for row in subject.truth.feasible if str(row.exact) == first)
    return renumbered([lines[0], _row_of(subject, row), *kept])


# -------------------------------------------------------------------------- false proofs


def false_proof(data: Data, lines: Lines, subject: ListSubject, rng: random.Random) -> Lines:
    """Other prices, cutoffs, verdicts, splits or nodes."""
    ways = (change_prices, move_cutoffs, change_verdicts, change_splits, only_root, drop_rows, rename_nodes, invent_open)
    rng.choice(ways)(data, Subject(subject.name, data, subject.truth), rng)
    return lines


def higher_cutoffs(data: Data, lines: Lines, subject: ListSubject, rng: random.Random) -> Lines:
    """Cutoffs at the objectives of members, as cells near one of them may have, and prices that then exclude more."""
    z = [float(line.split(",")[1]) for line in lines[1:]]
    value = rng.choice(z)
    for row in data["tree"]:
        row[2] = rng.choice([value, rng.choice(z), math.nextafter(value, math.inf)])
        if rng.random() < 0.3:
            row[1], row[4] = "excluded", None
        if rng.random() < 0.3:
            row[3] = odd_prices(row[3], rng)
    return lines


# -------------------------------------------------------------------------- plain damage


def odd_field(data: Data, lines: Lines, subject: ListSubject, rng: random.Random) -> Lines:
    """A field of the section that is not what it should be, one too many, or one too few."""
    section, name = data[LIST], rng.choice(list(data[LIST]))
    way = rng.random()
    if way < 0.7:
        value = rng.choice([*WEIRD, "1/0", "2/4", "-1/2", "0.5", ["channels", "0"], ["channels", 0.5], ["decisions", 0],
                            ["decisions", "3"], ["width", 1], ["channels", "3/2"], ["decisions", 2, 2], 10**7 + 1])  # fmt: skip
        section[name] = copy.deepcopy(value)
    elif way < 0.85:
        del section[name]
    else:
        section["more"] = 1
    return lines


def odd_section(data: Data, lines: Lines, subject: ListSubject, rng: random.Random) -> Lines:
    """No section, or something else in its place."""
    if rng.random() < 0.5:
        del data[LIST]
    else:
        data[LIST] = rng.choice([None, [], {}, 0, "list", [data[LIST]]])
    return lines


def odd_text(data: Data, lines: Lines, subject: ListSubject, rng: random.Random) -> Lines:
    """A field of a line that is not what it should be."""
    at = rng.randrange(len(lines))
    fields = lines[at].split(",")
    place = rng.randrange(len(fields))
    text = fields[place]
    odd = [
        "nan",
        "inf",
        "-inf",
        "",
        " ",
        "0",
        "-1",
        "1e3",
        "1_0",
        "01",
        "9" * 400,
        "1.0",
        "\u0663",
        "None",
        "a,b",
        "\x00",
        '"',
        "1/2",
    ]
    fields[place] = rng.choice([*odd, f"{text}0", f"{text} ", f" {text}", f"+{text}", f"{text} {text}", text[:-1], text[::-1]])
    lines[at] = ",".join(fields)
    return lines


def odd_number(data: Data, lines: Lines, subject: ListSubject, rng: random.Random) -> Lines:
    """Another number in a field."""
    at = rng.randrange(1, len(lines))
    fields = lines[at].split(",")
    places = [n for n, text in enumerate(fields) if text.replace(".", "", 1).isdigit()]
    place = rng.choice(places)
    number = Decimal(fields[place])
    fields[place] = str(rng.choice([number + 1, number * 2, number - 1, number + Decimal("0.5"), number * Decimal("1.000001")]))
    lines[at] = ",".join(fields)
    return lines


def odd_lines(data: Data, lines: Lines, subject: ListSubject, rng: random.Random) -> Lines:
    """Lines that are empty, cut off, or not there."""
    at = rng.randrange(len(lines))
    halves, returns = [line[: len(line) // 2] for line in lines], [f"{line}\r" for line in lines]
    ways = [lines[:at], [*lines[:at], "", *lines[at:]], [*lines, ""], halves, lines[1:], returns, [*lines, lines[0]],
            [lines[0]], [*lines[:at], "7," * 40_000, *lines[at:]]]  # fmt: skip
    return rng.choice(ways)


Mutation = Callable[[Data, Lines, ListSubject, random.Random], Lines]
LISTS: tuple[Mutation, ...] = (
    drop_member, drop_member, add_member, add_member, exchange_members, repeat_member, replace_member, other_tolerance,
    other_number, other_rule, said_complete, lower_bound, worse_first,
)  # fmt: skip
PROOFS: tuple[Mutation, ...] = (false_proof, higher_cutoffs)
DAMAGE: tuple[Mutation, ...] = (odd_field, odd_section, odd_text, odd_number, odd_lines)


def list_mutant(subject: ListSubject, rng: random.Random) -> tuple[Data, bytes | None, list[str]]:
    """A spoiled certificate and file (none where it is taken away), and what was done: a list that is another one or is
    stated of another tree, most often; damage, else.
    """
    data, lines = copy.deepcopy(subject.data), subject.networks.decode().splitlines()
    chosen: list[Mutation] = []
    if rng.random() < 0.75:
        chosen = rng.sample(LISTS, rng.choice([1, 1, 1, 2]))
        chosen += [rng.choice(PROOFS)] * (rng.random() < 0.3)
    else:
        chosen = [rng.choice(DAMAGE)]
    counted = rng.random() < 0.95
    for mutation in chosen:
        if LIST in data and isinstance(data[LIST], dict) and len(lines) > 1:
            lines = mutation(data, lines, subject, rng)
    names = [mutation.__name__ for mutation in chosen]
    networks = "".join(f"{line}\n" for line in lines).encode()
    section = data.get(LIST)
    if isinstance(section, dict) and counted and "odd_field" not in names:
        section["count"] = len(lines) - 1
    way = rng.random()
    if way < 0.02:
        networks, names = networks[: rng.randrange(len(networks))], [*names, "cut off"]
    elif way < 0.03:
        networks, names = networks + rng.choice([b"\xff", b"\n", b"x"]), [*names, "more bytes"]
    if isinstance(section, dict) and "networks_sha256" in section and "odd_field" not in names and rng.random() < 0.97:
        seal(data, networks)
    else:
        seal(data)
    if rng.random() < 0.01:
        return data, None, [*names, "no file"]
    return data, networks, names
