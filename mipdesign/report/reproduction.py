"""How a design or a frontier is made again: exact commands, versions and digests."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from ..errors import SpecError
from ..figures.tables import Column, Table, columns
from ..problem.problem import Problem, preset_names
from ..search.incumbents import OPTIMAL_GAP
from ..search.listing import MOST_LISTED
from .folders import DesignFolder, FrontierFolder
from .sections import Section

MOST_SETTINGS = 8
"""Overrides of a preset that a command may have; beyond, the specification is printed."""
MOST_LINES = 400
"""Of a specification that is printed."""


def reproduction_section(folder: DesignFolder, prefix: str) -> Section:
    """Commands that make and check the design, versions, and digests."""
    design = folder.design
    settings = preset_settings(design.problem)
    spec = design.problem.name if settings is not None else "problem.yaml"
    options = [word for setting in settings or () for word in ("--set", setting)]
    gap = design.certificate.claim.get("gap_limit", OPTIMAL_GAP)
    options += [] if gap == OPTIMAL_GAP else ["--gap", f"{gap!r}"]
    listed = design.listed or {}
    options += [
        word for name in ("within", "best", "different") if listed.get(name) for word in (f"--{name}", str(listed[name]))
    ]
    target = shlex.quote(folder.label)
    commands = [f"mipdesign design {shlex.join([spec, *options, '--seed', str(design.seed)])} --out {target}"]
    commands.append(f"mipdesign verify {target}")
    commands += [f"mipdesign validate {target}"] if design.architecture is not None else []
    lines = []
    specification = "" if settings is not None else design.problem.dumps()
    if specification.count("\n") > MOST_LINES:
        specification = ""
        code = f"import mipdesign; print(mipdesign.Design.load({folder.label!r}).problem.dumps())"
        commands.insert(0, f"python -c {shlex.quote(code)} > problem.yaml")
    elif specification:
        lines.append("Save the specification below as problem.yaml.")
    if design.status in ("feasible", "unknown"):
        lines.append("The run was stopped at a limit: another run may stop elsewhere.")
    else:
        lines.append("The answer does not depend on the seed, the number of workers or the machine; time and memory do.")
    heads = (Column("of", "left"), Column("digest", "left", breaks=True))
    digests = Table("SHA-256 of canonical JSON", heads, tuple(folder.digests.items()))
    return Section(
        f"{prefix}-reproduce",
        "How to reproduce it",
        tuple(lines),
        tables=(versions_table(design.versions), digests),
        commands=tuple(commands),
        specification=specification,
    )


def preset_settings(problem: Problem) -> list[str] | None:
    """Overrides that make this problem from the preset of its name; ``None`` where a few do not."""
    if problem.name not in preset_names():
        return None
    theirs, ours = (dict(leaves(p.to_dict())) for p in (Problem.preset(problem.name), problem))
    settings = [f"{key}={setting_text(value)}" for key, value in ours.items() if theirs.get(key) != value]
    if theirs == ours:
        return []
    if len(settings) > MOST_SETTINGS:
        return None
    try:
        same = Problem.preset(problem.name, settings).digest == problem.digest
    except SpecError:
        return None
    return settings if same else None


def leaves(data: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Values of nested plain data by their dotted paths; lists of plain values are one value."""
    if isinstance(data, Mapping):
        for name, value in data.items():
            yield from leaves(value, f"{key}.{name}" if key else str(name))
    elif isinstance(data, list) and any(isinstance(item, (Mapping, list)) for item in data):
        for i, value in enumerate(data):
            yield from leaves(value, f"{key}.{i}" if key else str(i))
    else:
        yield key, data


def setting_text(value: Any) -> str:
    """A value as ``--set`` takes it, as short as it can be."""
    if isinstance(value, float):
        short = f"{value:g}".replace("e+0", "e").replace("e+", "e")
        return short if float(short) == value else repr(value)
    return str(value).lower() if isinstance(value, bool) or value is None else str(value)


def frontier_reproduction(folder: FrontierFolder, prefix: str) -> Section:
    """Commands that make the frontier and check a point of it, and versions."""
    frontier, problem = folder.frontier, Problem.from_dict(folder.frontier.problem)
    settings = preset_settings(problem)
    specification = "" if settings is not None else problem.dumps()
    options = [word for setting in settings or () for word in ("--set", setting)]
    for sweep in frontier.sweeps:
        options += ["--sweep", f"{sweep.key}={','.join(f'{value:.15g}' for value in sweep.values)}"]
    asked = {} if frontier.lists is None else frontier.lists.model_dump(exclude_none=True)
    options += [
        word for name, value in asked.items() if (name, value) != ("most", MOST_LISTED) for word in (f"--{name}", str(value))
    ]
    words = [frontier.name if settings is not None else "problem.yaml", *options]
    target = shlex.quote(folder.label)
    lines = ["Every point has a folder with its certificate; points that a looser one settles have none of their own."]
    lines += ["Save the specification below as problem.yaml."] if specification else []
    return Section(
        f"{prefix}-reproduce",
        "How to reproduce it",
        tuple(lines),
        tables=(versions_table(frontier.versions),),
        commands=(f"mipdesign pareto {shlex.join(words)} --out {target}", f"mipdesign verify {target}"),
        specification=specification,
    )


def versions_table(versions: Mapping[str, str]) -> Table:
    """Versions of packages."""
    heads = columns("package", "version", left=("package", "version"))
    return Table("Versions", heads, tuple(versions.items()))
