"""Ways to spoil a certificate: false theorems made consistent, false proofs of them, and plain damage.

Every mutation changes plain data in place and draws from the generator that it is given, so that a seed repeats it.
"""

from __future__ import annotations

import contextlib
import copy
import math
import random
from collections.abc import Callable, Sequence
from typing import Any

from mipdesign.checker import SECTIONS, digest

from .subjects import Ranked, Subject, Truth

Data = dict[str, Any]
WEIRD: tuple[Any, ...] = (
    math.nan, math.inf, -math.inf, 1e308, -1e308, 1e250, -1e250, 10**400, -(10**400), 5e-324, -5e-324, 1e-300, 0, 0.0, -0.0,
    1, -1, 2**53, 2**63, 0.5, True, False, None, "", "0", "1", "nan", "1e9", "1/3", "excluded", "0" * 600, [], [0], [[]], {},
    {"max": 1},
)  # fmt: skip
"""Values that stand where they do not belong."""
KINDS = ("stem", "depth", "channels", "family", "width", "kernel", "bits")
VERDICTS = ("excluded", "split", "listed", "solver")


def reseal(data: Data) -> None:
    """Corrects the digests."""
    data["sha256"] = {section: digest(data[section]) for section in SECTIONS if section in data}


# ---------------------------------------------------------------- false theorems


def _entry(row: Ranked) -> Data:
    return {"architecture": row.architecture.to_dict(), "objective": str(row.exact)}


def _claim(data: Data, truth: Truth, row: Ranked | None, status: str, bound: float | None) -> None:
    """States a theorem with one candidate or none, the proof left as it is."""
    objective = None if row is None else truth.problem.evaluator(row.architecture).evaluation.objective
    data["contenders"] = [] if row is None else [_entry(row)]
    proves = "infeasibility" if status == "infeasible" else "bound"
    data["claim"] |= {"status": status, "objective": objective, "bound": bound, "proves": proves}
    weight = 0.0 if status == "infeasible" else 1.0
    for prices in [row[3] for row in data["tree"]] + [row[2] for row in data["open"]]:
        prices[0] = weight


def worse_optimum(data: Data, subject: Subject, rng: random.Random) -> None:
    """A network that is not the best one called optimal: the next ones, equal ones and far ones."""
    rows = subject.truth.feasible[1:]
    if rows:
        row = rng.choice([rows[0], rng.choice(rows), rng.choice(rows[:5])])
        objective = subject.truth.problem.evaluator(row.architecture).evaluation.objective
        _claim(data, subject.truth, row, "optimal", objective)


def called_infeasible(data: Data, subject: Subject, rng: random.Random) -> None:
    """A problem called infeasible."""
    _claim(data, subject.truth, None, "infeasible", None)
    for row in data["tree"]:
        row[2] = rng.choice([0.0, None, -1.0])


def bound_too_low(data: Data, subject: Subject, rng: random.Random) -> None:
    """A bound below the best network, with a worse network or none."""
    rows = subject.truth.feasible
    if len(rows) > 1:
        row = rng.choice(rows[1:])
        low = float(row.exact)
        bound = rng.choice([low, low + 0.5 * (float(rows[0].exact) - low), low + 0.99 * (float(rows[0].exact) - low)])
        if rng.random() < 0.5:
            _claim(data, subject.truth, row, "feasible", bound)
        else:
            _claim(data, subject.truth, None, "unknown", bound - rng.choice([0.0, 1.0, 1e6]))


def over_budget(data: Data, subject: Subject, rng: random.Random) -> None:
    """A network that breaks a budget called optimal or feasible."""
    if subject.truth.others:
        row = rng.choice([subject.truth.others[0], rng.choice(subject.truth.others)])
        objective = subject.truth.problem.evaluator(row.architecture).evaluation.objective
        _claim(data, subject.truth, row, rng.choice(["optimal", "feasible"]), objective)


def outside_space(data: Data, subject: Subject, rng: random.Random) -> None:
    """A candidate moved to values that the space may not hold."""
    for entry in data["contenders"][: 1 if rng.random() < 0.7 else None]:
        stage = rng.choice(entry["architecture"]["stages"])
        axis = rng.choice(["channels", "bottleneck", "kernel", "depth", "stride"])
        stage[axis] = rng.choice([stage[axis] + 1, stage[axis] + 2, 2 * stage[axis], max(1, stage[axis] - 1)])


def tighter_claim(data: Data, subject: Subject, rng: random.Random) -> None:
    """The bound of a certificate that has one, lowered."""
    if data["claim"]["bound"] is not None:
        bound = data["claim"]["bound"]
        data["claim"]["bound"] = rng.choice(
            [bound - 1e-9 * abs(bound), 0.99 * bound, bound - 10.0, math.nextafter(bound, -math.inf)]
        )


def other_limits(data: Data, subject: Subject, rng: random.Random) -> None:
    """Budgets or the objective of another problem: what was proved may be false there."""
    budgets, objective = data["problem"]["budgets"], data["problem"]["objective"]
    factor = rng.choice([0.5, 0.9, 1.01, 1.1, 2.0, 100.0])
    name = rng.choice([*budgets, "objective", "convention"])
    if name == "convention":
        data["problem"]["convention"] = {"paper": "reference", "reference": "paper"}[data["problem"]["convention"]]
    elif name == "objective":
        objective[rng.choice(["beta", "effectiveness_price"])] = rng.choice([0.0, 1.0, 10.0, 50.0])
    elif isinstance(budgets[name], dict):
        end = rng.choice([end for end in ("max", "min") if budgets[name].get(end) is not None])
        budgets[name][end] *= factor
        if rng.random() < 0.3 and name != "latency":
            del budgets[name]
    elif rng.random() < 0.3:
        del budgets[name]
    else:
        budgets[name] *= factor


def other_score(data: Data, subject: Subject, rng: random.Random) -> None:
    """Another score, other exponents, or other weights of the stages."""
    objective = data["problem"]["objective"]
    field = rng.choice(["score", "channels_exponent", "resolution_exponent", "alpha"])
    if field == "score":
        objective[field] = "deepmad" if objective.get("score") == "madnas" else "madnas"
    elif field == "alpha":
        objective[field] = [rng.choice([0.0, 1.0, 6.0]) for _ in range(1 + subject.truth.problem.stage_of[-1])]
    else:
        objective[field] = rng.choice([0.0, 0.5, 1.0, 1.01, 2.0])


def other_lattice(data: Data, subject: Subject, rng: random.Random) -> None:
    """A space with other values, so that the tree speaks of other cells."""
    stage = rng.choice(data["problem"]["stages"])
    axis = rng.choice(["channels", "bottleneck", "kernels", "depth"])
    if isinstance(stage[axis], list):
        value = rng.choice(stage[axis])
        stage[axis] = sorted({*stage[axis], value + 2, rng.choice([1, 2 * value, value + 2])})


FALSE: tuple[Callable[[Data, Subject, random.Random], None], ...] = (
    worse_optimum, worse_optimum, worse_optimum, called_infeasible, called_infeasible, bound_too_low, bound_too_low,
    over_budget, outside_space, tighter_claim, other_limits, other_lattice, other_score,
)  # fmt: skip


# ------------------------------------------------------------------ false proofs


def odd_prices(old: Sequence[Any], rng: random.Random) -> list[Any]:
    """Prices to deceive with, in the shape of others: none, equal, sparse, tiny, huge, or scaled ones."""
    n = len(old)
    some = [x for x in old if isinstance(x, (int, float))]
    tail = rng.randrange(n)
    value = 10.0 ** rng.uniform(-323, 249) if rng.random() < 0.5 else 10.0 ** rng.uniform(-6, 18)
    made: list[Any] = rng.choice([
        [0.0] * n,
        [*some[: n - tail], *[value] * tail],
        [*[0.0] * (n - tail), *[value] * tail],
        [x if rng.random() < 0.7 else 0.0 for x in some],
        [x * value for x in some],
        [x * rng.choice([0.5, 0.999, 1.0, 1.001, 2.0]) for x in some],
        [rng.choice([0.0, 0.0, value, -value, 5e-324]) for _ in old],
        [rng.choice([0.0, 10.0 ** rng.uniform(-20, 20)]) for _ in old],
    ])  # fmt: skip
    made[0] = old[0] if rng.random() < 0.95 else rng.choice([0.0, 1.0, 2.0])
    return made


def change_prices(data: Data, subject: Subject, rng: random.Random) -> None:
    """Other prices in some rows, or in all."""
    share = rng.choice([0.1, 0.5, 1.0])
    for row in data["tree"]:
        if rng.random() <= share:
            row[3] = odd_prices(row[3], rng)
    for row in data["open"]:
        if rng.random() <= share:
            row[2] = odd_prices(row[2], rng)


def move_cutoffs(data: Data, subject: Subject, rng: random.Random) -> None:
    """Cutoffs at the claim, a little beside it, or anywhere."""
    z = data["claim"]["bound"] if data["claim"]["bound"] is not None else data["claim"]["objective"]
    z = z if isinstance(z, (int, float)) and math.isfinite(z) else 0.0
    beside = [math.nextafter(z, math.inf), z + 1e-13 * abs(z), z - 1e-7 * abs(z), z + 1e-6 * abs(z), 2 * z]
    value = rng.choice([z, *beside, -1e250, 1e250, None])
    for row in data["tree"]:
        if rng.random() < 0.8:
            row[2] = value


def change_verdicts(data: Data, subject: Subject, rng: random.Random) -> None:
    """Other verdicts, with a split where there has to be one."""
    for row in data["tree"]:
        if rng.random() < rng.choice([0.2, 1.0]):
            row[1] = rng.choice(VERDICTS)
            row[4] = _any_split(subject, rng) if row[1] == "split" else None


def _any_split(subject: Subject, rng: random.Random) -> list[Any]:
    kind = rng.choice(KINDS)
    index = -1 if kind == "stem" else rng.randrange(len(subject.data["problem"]["stages"]))
    return [kind, index, rng.choice([0, 1, 2, 3, 4, 7, 8, 12, 16, 10**6])]


def change_splits(data: Data, subject: Subject, rng: random.Random) -> None:
    """Other thresholds, or other splits."""
    for row in data["tree"]:
        if row[4] is not None and rng.random() < 0.5:
            moved = [row[4][0], row[4][1], max(0, row[4][2] + rng.choice([-1, 1, 100]))]
            row[4] = rng.choice([moved, _any_split(subject, rng)])


def only_root(data: Data, subject: Subject, rng: random.Random) -> None:
    """The whole space settled at once."""
    rows = [row[3] for row in data["tree"]] + [row[2] for row in data["open"]]
    prices = copy.deepcopy(rng.choice(rows)) if rows else [1.0]
    cutoff = data["tree"][0][2] if data["tree"] else None
    verdict = rng.choice(["excluded", "excluded", "listed", "solver"])
    data["tree"], data["open"] = [["", verdict, cutoff, odd_prices(prices, rng) if rng.random() < 0.7 else prices, None]], []
    data["cells"] = [cell_of("")] if verdict == "solver" else []


def cell_of(node: str) -> Data:
    """An entry that says that SCIP closed a node."""
    return {"node": node, "cell_sha256": "0" * 64, "formulation": "lattice", "model_sha256": "0" * 64, "bound": None,
            "solver": "SCIP 10.0", "nodes": 1, "seconds": 0.1}  # fmt: skip


def chain_of_splits(data: Data, subject: Subject, rng: random.Random) -> None:
    """A tree of splits that leave a half empty, with one leaf at its end."""
    rows = [row[3] for row in data["tree"]] + [row[2] for row in data["open"]]
    prices = copy.deepcopy(rng.choice(rows)) if rows else [1.0]
    data["tree"], data["open"], data["cells"], name = [], [], [], ""
    for _ in range(rng.choice([1, 3, 10])):
        data["tree"].append([name, "split", None, list(prices), _any_split(subject, rng)])
        data["tree"].append([f"{name}1", "excluded", None, odd_prices(prices, rng), None])
        name += "0"
    data["tree"].append([name, "excluded", None, odd_prices(prices, rng), None])


def empty_sections(data: Data, subject: Subject, rng: random.Random) -> None:
    """No tree, no open nodes, or no cells."""
    for section in rng.sample(["tree", "open", "cells"], rng.choice([1, 2, 3])):
        data[section] = []


def drop_rows(data: Data, subject: Subject, rng: random.Random) -> None:
    """Nodes that are not spoken of."""
    section = rng.choice(["tree", "open", "cells", "contenders"])
    if data[section]:
        del data[section][rng.randrange(len(data[section]))]


def rename_nodes(data: Data, subject: Subject, rng: random.Random) -> None:
    """Nodes under other names, or two exchanged."""
    rows = [*data["tree"], *data["open"]]
    if rows:
        one, two = rng.choice(rows), rng.choice(rows)
        one[0], two[0] = rng.choice([(two[0], one[0]), (f"{one[0]}0", two[0]), (one[0][:-1], two[0]), (one[0], one[0])])


def invent_cells(data: Data, subject: Subject, rng: random.Random) -> None:
    """Nodes that a solver is said to have closed."""
    for row in data["tree"]:
        if rng.random() < 0.4:
            row[1], row[4] = "solver", None
            data["cells"] = [cell for cell in data["cells"] if cell["node"] != row[0]] + [cell_of(row[0])]


def invent_open(data: Data, subject: Subject, rng: random.Random) -> None:
    """Nodes left open with bounds that fit the claim."""
    z = data["claim"]["bound"]
    for row in list(data["tree"]):
        if rng.random() < 0.3:
            data["tree"].remove(row)
            bound = rng.choice([z, None, -1e250, 0.0, z if z is None else z - 1.0])
            data["open"].append(
                [row[0], bound, rng.choice([row[3], odd_prices(row[3], rng)]), rng.choice(["solver", "prices"])]
            )


def splice(data: Data, subject: Subject, rng: random.Random, other: Data | None = None) -> None:
    """Rows of another certificate."""
    if other is not None:
        section = rng.choice(["tree", "tree", "open", "cells", "contenders"])
        rows = copy.deepcopy(other[section])
        data[section] = rng.choice([rows, data[section] + rows, rows[: len(rows) // 2] + data[section]])


def change_margins(data: Data, subject: Subject, rng: random.Random) -> None:
    """What a claim says of its gap and its margin."""
    data["claim"][rng.choice(["gap_limit", "equal_margin"])] = rng.choice([0.0, 1e-3, 0.5, 1.0, 2.0, -1.0, 1e300])


def change_status(data: Data, subject: Subject, rng: random.Random) -> None:
    """Another status, or another kind of proof."""
    if rng.random() < 0.7:
        data["claim"]["status"] = rng.choice(["optimal", "feasible", "infeasible", "unknown"])
    else:
        data["claim"]["proves"] = rng.choice(["bound", "infeasibility"])


def change_digits(data: Data, subject: Subject, rng: random.Random) -> None:
    """A digit of a candidate's objective."""
    if data["contenders"]:
        entry = rng.choice(data["contenders"])
        text = entry["objective"]
        places = [i for i, letter in enumerate(text) if letter.isdigit()] if isinstance(text, str) else []
        if places:
            i = rng.choice(places)
            entry["objective"] = text[:i] + str((int(text[i]) + rng.randint(1, 9)) % 10) + text[i + 1 :]


def more_candidates(data: Data, subject: Subject, rng: random.Random) -> None:
    """Further candidates, in order or not."""
    rows = rng.sample(subject.truth.feasible, min(2, len(subject.truth.feasible)))
    data["contenders"] = data["contenders"] + [_entry(row) for row in rows]


def anything(data: Data, subject: Subject, rng: random.Random) -> None:
    """One value anywhere: replaced by what does not belong there, dropped, repeated, exchanged, or nudged."""
    node: Any = data[rng.choice(["problem", "problem", "claim", "contenders", "tree", "tree", "cells", "open"])]
    parent: Any = None
    key: Any = None
    while isinstance(node, (dict, list)) and node and (parent is None or rng.random() < 0.9):
        parent, key = node, rng.choice(list(node)) if isinstance(node, dict) else rng.randrange(len(node))
        node = parent[key]
    if parent is None:
        return
    how = rng.choice(["weird", "weird", "drop", "repeat", "exchange", "nudge", "nudge", "extra"])
    if how == "drop":
        del parent[key]
    elif how == "repeat" and isinstance(parent, list):
        parent.insert(key, copy.deepcopy(node))
    elif how == "exchange":
        other = rng.choice(list(parent)) if isinstance(parent, dict) else rng.randrange(len(parent))
        parent[key], parent[other] = parent[other], node
    elif how == "nudge" and isinstance(node, (int, float)) and not isinstance(node, bool):
        parent[key] = rng.choice(
            [node + 1, node - 1, -node, 2 * node, node * 1.001, float(node), math.nextafter(node, math.inf)]
        )
    elif how == "extra" and isinstance(parent, dict):
        parent[rng.choice(["extra", "max", "block"])] = rng.choice(WEIRD)
    else:
        parent[key] = copy.deepcopy(rng.choice(WEIRD))


HIDE: tuple[Callable[[Data, Subject, random.Random], None], ...] = (
    change_prices, change_prices, move_cutoffs, change_verdicts, change_splits, only_root, only_root, chain_of_splits,
    empty_sections, drop_rows, rename_nodes, invent_cells, invent_open, splice, change_margins, change_status, change_digits,
    more_candidates, anything,
)  # fmt: skip


def mutant(subject: Subject, rng: random.Random, other: Data, false: float = 0.8) -> tuple[Data, list[str]]:
    """A copy of a certificate with up to four mutations, and their names; most begin with a false theorem."""
    data, names = copy.deepcopy(subject.data), list[str]()
    if rng.random() < false:
        names.append(_apply(rng.choice(FALSE), data, subject, rng, other))
    for _ in range(rng.choice([0, 1, 1, 2, 3]) if names else rng.choice([1, 1, 2, 4])):
        names.append(_apply(rng.choice(HIDE), data, subject, rng, other))
    reseal(data)
    return data, names


def _apply(change: Callable[..., None], data: Data, subject: Subject, rng: random.Random, other: Data) -> str:
    """Applies a mutation; one that does not fit what earlier ones left changes as much as it can."""
    more = {"other": other} if change is splice else {}
    with contextlib.suppress(TypeError, ValueError, KeyError, IndexError, AttributeError, OverflowError):
        change(data, subject, rng, **more)
    return change.__name__
