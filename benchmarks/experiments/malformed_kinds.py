"""Kinds of files that the commands read, each with a valid content, for :mod:`mipdesign.benchmarks.experiments.malformed`."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mipdesign.cli import main as cli
from mipdesign.designs.certificate_file import CERTIFICATE, certificate_text
from mipdesign.designs.result import result_text

SMALL = Path(__file__).parents[2] / "tests" / "data" / "small.yaml"
SWEEP = "budgets.params=1,60000"
ARCHITECTURE: dict[str, Any] = {
    "resolution": 32,
    "stem": {"channels": 16, "kernel": 3, "stride": 2},
    "stages": [
        {"block": "bottleneck", "stride": 2, "channels": 32, "bottleneck": 16, "kernel": 3, "depth": 1},
        {"block": "basic", "stride": 2, "channels": 64, "bottleneck": 32, "kernel": 5, "depth": 2},
    ],
    "head": None,
}
LAYERS = [
    {"class": "ConvKXBNRELU", "in": 3, "out": 16, "s": 2, "k": 3},
    {"class": "SuperResK1KXK1", "in": 16, "out": 32, "s": 2, "k": 3, "L": 2, "btn": 8},
]
STRUCTURE: dict[str, Any] = {"space_arch": "CnnNet", "best_structures": [LAYERS]}
DESCRIPTION: dict[str, Any] = {"arch_def": [["ds_r1_k3_s1_c16"], ["ir_r2_k3_s2_e6_c24"]], "num_classes": 10}
TABLE = "kind,in_channels,out_channels,kernel,stride,groups,resolution,batch,microseconds\nconv,3,16,3,2,1,32,1,41.5\n"
TRACE = "seconds,phase,incumbent,bound,gap,open_nodes,closed_nodes\n0.100,incumbent,,,,0,0\n0.500,done,2.5,2.5,0.0,0,7\n"
BETTER: dict[str, Any] = {"limit": 1.1, "objective": 1.6, "value": 1.0, "architecture": ARCHITECTURE, "changes": ["a"]}
EXPLANATION: dict[str, Any] = {
    "format": "mipdesign-explanation-1",
    "objective": 1.5,
    "budgets": [
        {
            **{"name": "params", "limit": 1.0, "value": 1.0, "slack": 0.0, "binds": True, "price": 0.5},
            **{"unit": 1e6, "unit_name": "million parameters", "relaxed": {**BETTER, "predicted": 1.55}, "outside": BETTER},
        }
    ],
}
VALIDATION: dict[str, Any] = {
    "checks": [{"name": "params", "expected": 1, "measured": 1, "tolerance": 0.0, "standard_error": 0.0, "passed": True}],
    **{"draws": 16, "map_size": 8, "sigmas": 4.0, "seed": 0, "behaviour": None, "standings": [], "passed": True},
}


@dataclass(frozen=True)
class Kind:
    """A kind of file, and the command that reads it.

    Attributes
    ----------
    name:
        Of the file, in a folder that holds what belongs to it.
    content:
        A valid content: plain data, or text.
    beside:
        The folder that it stands in, if any: ``design`` or ``frontier``.
    command:
        Arguments of a command that reads it; ``{file}`` and ``{folder}`` stand for where it is.
    """

    name: str
    content: Any
    beside: str | None
    command: tuple[str, ...]

    def text(self, content: Any) -> str:
        """Content as this kind of file writes it."""
        if isinstance(content, str):
            return content
        if self.name.endswith(".txt"):
            return repr(content)
        if self.name.endswith(".yaml"):
            return yaml.safe_dump(content)
        return certificate_text(content) if self.name == CERTIFICATE else result_text(content)


def link_tree(source: Path, target: Path) -> None:
    """Hard links to the files of a folder, in folders of their own."""
    for path in sorted(source.rglob("*")):
        place = target / path.relative_to(source)
        place.mkdir(parents=True) if path.is_dir() else os.link(path, place)


def make_valid(folder: Path) -> dict[str, Path]:
    """Folders of a design and of a frontier of the small problem."""
    places = {name: folder / name for name in ("design", "frontier")}
    for arguments in (
        ["design", str(SMALL), "--workers", "1", "--out", str(places["design"])],
        ["pareto", str(SMALL), "--sweep", SWEEP, "--workers", "1", "--out", str(places["frontier"])],
    ):
        if cli.main(arguments):
            raise RuntimeError(f"{arguments} failed")
    return places


def kinds(valid: Mapping[str, Path]) -> list[Kind]:
    """Every kind of file that a command reads."""
    spec = yaml.safe_load(SMALL.read_text())
    page = ("report", "{folder}", "--out", "{folder}/page.html")
    again = ("pareto", str(SMALL), "--sweep", SWEEP, "--workers", "1", "--out", "{folder}")

    def stored(name: str, beside: str, command: tuple[str, ...]) -> Kind:
        text = (valid[beside] / name).read_text()
        return Kind(name, json.loads(text) if name.endswith(".json") else text, beside, command)

    return [
        Kind("spec.yaml", spec, None, ("show", "{file}")),
        Kind("network.json", ARCHITECTURE, None, ("evaluate", "{folder}")),
        Kind("structure.txt", STRUCTURE, None, ("evaluate", "{file}")),
        Kind("description.yaml", DESCRIPTION, None, ("evaluate", "{file}")),
        Kind("table.csv", TABLE, None, ("show", str(SMALL), "--set", "budgets.latency={{max: 30000, table: '{file}'}}")),
        stored("result.json", "design", ("verify", "{folder}")),
        stored("result.json", "design", page),
        stored("result.json", "design", ("explain", "{folder}", "--budget", "none")),
        stored("certificate.json", "design", ("verify", "{folder}")),
        stored("trace.csv", "design", page),
        Kind("explanation.json", EXPLANATION, "design", page),
        Kind("validation.json", VALIDATION, "design", page),
        stored("frontier.json", "frontier", ("verify", "{folder}")),
        stored("frontier.json", "frontier", page),
        stored("frontier.json", "frontier", again),
        stored("points/1/prices.json", "frontier", again),
        stored("points/1/result.json", "frontier", again),
    ]
