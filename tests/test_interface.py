"""The Python interface: what it lists, how its objects show themselves, and what it says of a wrong argument."""

from __future__ import annotations

import json
import math
import pydoc
import re
import sys
import types
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from haste import kept
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from networks import published
from pydantic import ValidationError
from report_data import SMALL, design_of

import mipdesign
from mipdesign import Architecture, Comparison, Design, Evaluation, Explanation, Frontier, Problem, SpecError, Sweep
from mipdesign.analysis.frontier import Plan, Solved
from mipdesign.errors import MissingExtraError
from mipdesign.parsing import load_yaml
from mipdesign.problem.given import given_problem
from mipdesign.report.notebook import SCOPE, SELECTOR, rules, scoped_style
from mipdesign.report.notebook_progress import NOTEBOOK, bar_html, closed, new_display
from mipdesign.search.outcome import Progress

R18 = "deepmad-r18"


@pytest.fixture(scope="module")
def found() -> Design:
    """The optimum of the small problem."""
    return mipdesign.design(SMALL, engine=kept())


@pytest.fixture(scope="module")
def frontier(found: Design) -> Frontier:
    """A frontier of one solved point and one that is not."""
    plan = Plan(found.problem, [Sweep.parse("budgets.flops=2e6,4e6")])
    plan.solved[1] = Solved(found, {"flops": 0.5})
    return plan.frontier(0)


@pytest.fixture(scope="module")
def objects(found: Design, frontier: Frontier) -> dict[str, Any]:
    """One of every public class."""
    assert found.architecture is not None and found.evaluation is not None
    return {
        "Architecture": found.architecture,
        "Certificate": found.certificate,
        "Comparison": Comparison(found.architecture, found.evaluation, (), (), found),
        "Design": found,
        "Evaluation": found.evaluation,
        "Explanation": Explanation(1.0, ()),
        "Frontier": frontier,
        "Problem": found.problem,
        "Sweep": frontier.sweeps[0],
    }


# ------------------------------------------------------------------------------------------------------------ what is there


def test_dir_lists_the_public_names_and_nothing_else() -> None:
    assert set(vars(mipdesign)) > {"problem", "report"}  # modules that were imported
    assert dir(mipdesign) == sorted(mipdesign.__all__)
    assert all(getattr(mipdesign, name) is not None for name in dir(mipdesign))


def test_help_begins_with_an_overview_that_names_everything() -> None:
    assert set(re.findall(r"\w+", mipdesign.__doc__ or "")) >= set(mipdesign.__all__)
    text = pydoc.plain(pydoc.render_doc(mipdesign))
    assert "design(" in text and "importlib" not in text.partition("FILE")[0].replace("importlib.", "")


# --------------------------------------------------------------------------------------------------------------- displays


def test_every_public_class_has_a_short_repr(objects: dict[str, Any]) -> None:
    classes = {name for name in mipdesign.__all__ if isinstance(getattr(mipdesign, name), type)}
    assert set(objects) == {name for name in classes if not issubclass(getattr(mipdesign, name), Exception)}
    for name, shown in objects.items():
        assert repr(shown).startswith(f"<{name}") and len(repr(shown)) <= 240 and "\n" not in repr(shown)


def test_repr_says_what_counts(objects: dict[str, Any]) -> None:
    assert repr(objects["Sweep"]) == "<Sweep budgets.flops: 2 limits from 2000000 to 4000000>"
    assert "optimal, objective 2,268.353, bound 2,268.353, gap 0 %" in repr(objects["Design"])
    assert "flops 4 M, params 60 k" in repr(objects["Problem"]) == str(objects["Problem"])
    assert "2 points, 1 of them proven" in repr(objects["Frontier"])


SHOWN = ("Architecture", "Comparison", "Design", "Evaluation", "Explanation", "Frontier", "Problem")


@pytest.mark.parametrize("name", SHOWN)
def test_html_is_whole_and_needs_nothing_else(name: str, objects: dict[str, Any]) -> None:
    html = objects[name]._repr_html_()
    assert html.startswith(f'<div class="{SCOPE}"><style>{SELECTOR} {{') and html.endswith("</div>")
    assert not re.search(r"<script|https?://|<html|<body|<nav|<h[1-6]|\bon\w+=|@import", html)
    for tag in ("div", "section", "table", "p", "style", "svg", "figure"):
        assert len(re.findall(f"<{tag}[ >]", html)) == html.count(f"</{tag}>"), tag


def test_outputs_on_one_page_share_no_identifiers(objects: dict[str, Any]) -> None:
    page = "".join(objects[name]._repr_html_() for name in ("Design", "Design", "Architecture", "Frontier"))
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) > 20 and len(set(ids)) == len(ids)
    named = " ".join(re.findall(r'aria-labelledby="([^"]+)"', page)).split() + re.findall(r"url\(#([^)]+)\)", page)
    assert set(named) <= set(ids)


def test_the_html_has_the_pages_drawing_and_tables(found: Design, frontier: Frontier) -> None:
    html = found._repr_html_() or ""
    assert "proven optimal" in html and "Parts of the network" in html and "58,960" in html
    assert html.count("<svg") >= 2 and all(float(width) <= 700 for width in re.findall(r'<svg[^>]* width="([\d.]+)', html))
    assert "Points of the frontier" in (frontier._repr_html_() or "")
    assert "bottleneck" in (found.problem._repr_html_() or "")


@pytest.mark.parametrize("status", ["infeasible", "unknown", "feasible"])
def test_a_design_without_a_network_shows_itself_too(status: str) -> None:
    design = design_of(Problem.preset(R18), status)
    shown = design._repr_html_() or ""
    assert repr(design).startswith("<Design of 'deepmad-r18'") and ("Limits" in shown) == (design.architecture is None)


def test_the_style_holds_for_outputs_alone_and_follows_the_notebook() -> None:
    style = scoped_style()
    assert len(rules(style)) == 1 and style.count("{") == style.count("}")
    assert (
        '[data-jp-theme-light="false"] &' in style and "body.vscode-dark &" in style and "prefers-color-scheme: dark" in style
    )
    assert "@media print" not in style and ":root" not in style and "html {" not in style


@pytest.mark.parametrize("package", ["jinja2", "matplotlib"])
def test_without_an_extra_a_notebook_shows_the_repr(package: str, found: Design, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    assert found._repr_html_() is None


def test_a_drawing_is_a_file_by_itself(found: Design, tmp_path: Path) -> None:
    drawing = found.draw(width=500)
    drawing.save(tmp_path / "network.svg")
    text = (tmp_path / "network.svg").read_text()
    assert text.startswith('<svg xmlns="http://www.w3.org/2000/svg"') and 'width="500"' in text and "--map:" in text
    assert drawing._repr_html_().startswith(f'<div class="{SCOPE}">') and "save" in repr(drawing)
    with pytest.raises(SpecError, match="width: 5 is out of range"):
        found.draw(5)
    with pytest.raises(SpecError, match="path: cannot write"):
        drawing.save(tmp_path / "no" / "such.svg")


def test_plots_are_axes_new_or_given(frontier: Frontier) -> None:
    design = design_of(Problem.preset(R18))
    for shown in (design, frontier):
        ax = Figure().subplots()
        assert shown.plot(ax) is ax and ax.get_title() and ax.get_xlabel() and ax.lines
        assert isinstance(shown.plot(), Axes)
        with pytest.raises(SpecError, match="ax: 'axes' is not a matplotlib Axes"):
            shown.plot("axes")
    with pytest.raises(SpecError, match="no incumbent and no bound"):
        design_of(Problem.preset(R18), "unknown").plot()
    with pytest.raises(SpecError, match="no point of the frontier has a network"):
        Plan(frontier.problem, frontier.sweeps).frontier(0).plot()


def test_frames(found: Design, frontier: Frontier, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluation = found.evaluation
    assert evaluation is not None
    layers, points, figures = found.to_frame(), frontier.to_frame(), evaluation.to_frame()
    assert all(isinstance(frame, pandas.DataFrame) for frame in (layers, points, figures))
    assert layers["params"].sum() == evaluation.params_total and layers["macs"].sum() == evaluation.macs
    assert list(layers["name"][:1]) == ["stem.conv"] and set(layers["block"]) == {-1, 0, 1, 2, 3}
    assert list(points["limit_flops"]) == [2e6, 4e6] and list(points["status"]) == ["unknown", "optimal"]
    assert points["objective"][1] == found.objective and points["price_flops"][1] == 0.5
    assert len(figures) == 1 and figures["flops"][0] == evaluation.flops
    monkeypatch.setitem(sys.modules, "pandas", None)
    for shown in (found, frontier, evaluation):
        with pytest.raises(MissingExtraError, match=r"pip install 'mipdesign\[frames\]'"):
            shown.to_frame()


# --------------------------------------------------------------------------------------------------------------- progress


def test_progress_is_told_in_lines_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    told: list[Progress] = []
    mipdesign.design(SMALL, engine=kept(), progress=True, on_progress=told.append)
    out, err = capsys.readouterr()
    assert told[-1].phase == "done" and "incumbent 2268.353  bound 2268.353  gap 0 %" in err and out == ""
    mipdesign.design(SMALL, engine=kept())
    assert capsys.readouterr() == ("", "")


class ZMQInteractiveShell:
    """What IPython's shell is called in a notebook."""


@pytest.fixture
def outputs(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The contents that a notebook is given to show, in order."""
    shown: list[str] = []

    class Handle:
        def update(self, content: str) -> None:
            shown.append(content)

    def display(content: str, *, display_id: bool) -> Handle:
        shown.append(content)
        return Handle()

    shell, displays = types.ModuleType("IPython"), types.ModuleType("IPython.display")
    vars(shell).update(get_ipython=ZMQInteractiveShell, display=displays)
    vars(displays).update(HTML=str, display=display)
    monkeypatch.setitem(sys.modules, "IPython", shell)
    monkeypatch.setitem(sys.modules, "IPython.display", displays)
    yield shown


def test_progress_in_a_notebook_is_one_output_without_widgets(outputs: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    mipdesign.design(SMALL, engine=kept(), progress=True)
    assert "incumbent 2,268.353 · bound 2,268.353 · gap 0 %" in outputs[-1] and "width:100%" in outputs[-1]
    assert capsys.readouterr() == ("", "")


def test_every_display_has_one_for_notebooks(outputs: list[str], frontier: Frontier) -> None:
    step = Progress(1.5, "tree", 10.0, 11.0, 0.1, 3, 4)
    with new_display("FrontierDisplay") as points:
        points.solved(frontier)
        points.update(0, step)
    assert "1 of 2 points\npoint 0: tree · incumbent 10.000 · bound 11.000 · gap 10 % · 3 open, 4 closed" in outputs[-1]
    with new_display("ExplanationDisplay") as limits:
        limits.update("flops", 2e6, step)
    assert "solving with flops 2,000,000" in outputs[-1]
    with new_display("CountDisplay") as parts:
        parts.update(3, 4)
    assert "measured 3 of 4 operations" in outputs[-1] and "width:75%" in outputs[-1]
    with pytest.raises(KeyError), NOTEBOOK["ProgressDisplay"]():
        raise KeyError  # nothing was shown


def test_the_bar_is_how_far_the_gap_is_closed() -> None:
    assert [closed(gap) for gap in (None, 5.0, 1.0, 1e-6, 0.0)] == [0, 0, 0, 1, 1] and 0.4 < closed(1e-3) < 0.6
    assert "&lt;b&gt;" in bar_html("<b>", math.inf) and "width:100%" in bar_html("", 7.0)


# ---------------------------------------------------------------------------------------------------------------- problems


def test_a_problem_is_taken_in_every_form() -> None:
    data = load_yaml(SMALL.read_text(), "small")
    problem = Problem.load(SMALL)
    forms = (problem, str(SMALL), SMALL, data, types.MappingProxyType(data))
    assert all(given_problem(form) == problem for form in forms)
    assert given_problem(problem) is problem and given_problem(R18) == Problem.preset(R18)
    assert given_problem(data, overrides=("budgets.flops=3e6",)) == problem.with_(budgets={"flops": 3e6})
    answers = {mipdesign.design(form, engine=kept()).objective for form in (str(SMALL), data)}
    assert len(answers) == 1


CHANGES: dict[str, tuple[dict[Any, Any], str]] = {
    "a budget": ({"budgets": {"flops": 3e6}}, "budgets.flops=3e6"),
    "a dotted key": ({"budgets.flops": 3e6}, "budgets.flops=3e6"),
    "a lower limit": ({"budgets": {"flops": {"min": 1e6}}}, "budgets.flops.min=1e6"),
    "a whole number of numpy": ({"classes": np.int64(7)}, "classes=7"),
    "a number of numpy": ({"budgets": {"params": np.float64(50_000)}}, "budgets.params=50000"),
    "an item of a list": ({"stages": {1: {"depth": {"max": 2}}}}, "stages.1.depth.max=2"),
    "a list": ({"stem": {"channels": np.array([8, 24])}}, "stem.channels=[8, 24]"),
    "nothing in its place": ({"budgets": {"params": None}}, "budgets.params=null"),
    "a text": ({"convention": "paper"}, "convention=paper"),
}


@pytest.mark.parametrize("case", CHANGES)
def test_with_changes_what_set_changes(case: str) -> None:
    changes, text = CHANGES[case]
    problem = Problem.load(SMALL)
    before = problem.to_dict()
    assert problem.with_(changes) == Problem.load(SMALL, [text]) != problem
    assert problem.to_dict() == before


def test_with_keeps_what_it_does_not_name_and_takes_keywords() -> None:
    problem = Problem.load(SMALL).with_(budgets={"flops": {"min": 1e6}}, name="other")
    limits = {"flops": 4_000_000, "min_flops": 1_000_000, "params": 60_000, "effectiveness": Fraction("0.3")}
    assert problem.budgets.limits() == limits and problem.name == "other"


def test_a_problem_does_not_change() -> None:
    problem = Problem.load(SMALL)
    with pytest.raises(AttributeError, match=r"problem\.with_\(name=\.\.\.\)"):
        problem.name = "other"


# --------------------------------------------------------------------------------------------------------------- arguments

WRONG: dict[str, tuple[Callable[..., Any], dict[str, Any], str]] = {
    "no problem": (mipdesign.design, {"problem": None}, "problem: None is not a problem; give a preset's name"),
    "a number as problem": (mipdesign.design, {"problem": 3}, "problem: 3 is not a problem"),
    "unknown preset": (mipdesign.design, {"problem": "deepmad-r81"}, "'deepmad-r81' is not a preset"),
    "missing file": (mipdesign.design, {"problem": "no/such.yaml"}, "no/such.yaml: cannot be read"),
    "missing path": (mipdesign.design, {"problem": Path("no/such.yaml")}, "no/such.yaml: cannot be read"),
    "empty mapping": (mipdesign.design, {"problem": {}}, "name: is missing; add it"),
    "wrong mapping": (mipdesign.design, {"problem": {"name": 1}}, "is missing; add it|name: 1 is refused"),
    "keyword": (mipdesign.design, {"problem": R18, "worker": 2}, r"worker: is not an argument of design\(\); write workers="),
    "other keyword": (
        mipdesign.design,
        {"problem": R18, "xyz": 2},
        r"xyz: is not an argument of design\(\); use some of",
    ),
    "nothing": (mipdesign.design, {}, r"design\(\): missing a required argument: 'problem'"),
    "negative workers": (
        mipdesign.design,
        {"problem": R18, "workers": -1},
        "workers: -1 is out of range; give a number from 1",
    ),
    "half a worker": (mipdesign.design, {"problem": R18, "workers": 1.5}, "workers: 1.5 is not a whole number"),
    "workers in words": (mipdesign.design, {"problem": R18, "workers": "two"}, "workers: 'two' is not a whole number"),
    "true workers": (mipdesign.design, {"problem": R18, "workers": True}, "workers: True is not a whole number"),
    "no gap": (mipdesign.design, {"problem": R18, "gap": None}, "gap: None is not a gap"),
    "undefined gap": (mipdesign.design, {"problem": R18, "gap": math.nan}, "gap: nan is not a gap; give a number from 0 up"),
    "gap in words": (mipdesign.design, {"problem": R18, "gap": "1e-3"}, "gap: '1e-3' is not a gap"),
    "time in words": (mipdesign.design, {"problem": R18, "time_limit": "60"}, "time_limit: '60' is not a time"),
    "no time": (mipdesign.design, {"problem": R18, "time_limit": 0}, "time_limit: 0 is not a time"),
    "negative seed": (mipdesign.design, {"problem": R18, "seed": -1}, "seed: -1 is out of range"),
    "formulation": (mipdesign.design, {"problem": R18, "formulation": "xyz"}, "'xyz' is not registered"),
    "formulation of a number": (mipdesign.design, {"problem": R18, "formulation": 3}, "formulation: 3 is not a text"),
    "no folder": (mipdesign.design, {"problem": R18, "resume": "no/such"}, "no/such: is not a folder"),
    "folder of a number": (mipdesign.design, {"problem": R18, "resume": 3}, "resume: 3 is not a path"),
    "near no design": (mipdesign.design, {"problem": R18, "near": [3]}, "near: 3 is not a design"),
    "one near": (mipdesign.design, {"problem": R18, "near": 3}, "near: 3 is not a list"),
    "progress in words": (
        mipdesign.design,
        {"problem": R18, "progress": "yes"},
        "progress: 'yes' is refused; give True or False",
    ),
    "no function": (mipdesign.design, {"problem": R18, "on_progress": 3}, "on_progress: 3 is not a function"),
    "engine option": (mipdesign.design, {"problem": R18, "engine_options": {"a": "b"}}, "engine_options: 'a' is none"),
    "no sweeps": (mipdesign.pareto, {"problem": SMALL, "sweeps": None}, "sweeps: None is not a list"),
    "empty sweeps": (mipdesign.pareto, {"problem": SMALL, "sweeps": []}, "sweeps: is given 0 times"),
    "a number as sweep": (mipdesign.pareto, {"problem": SMALL, "sweeps": [3]}, "sweeps: 3 is not KEY=VALUES"),
    "sweep of nothing": (mipdesign.pareto, {"problem": SMALL, "sweeps": "flop=1:2:3"}, "sweeps: 'flop' is not a limit"),
    "frontier's workers": (
        mipdesign.pareto,
        {"problem": SMALL, "sweeps": "flops=1,2", "workers": 0},
        "workers: 0 is out of range",
    ),
    "frontier of nothing": (mipdesign.pareto, {"problem": None, "sweeps": "flops=1,2"}, "problem: None is not a problem"),
    "values of nothing": (mipdesign.rho_sweep, {"problem": SMALL, "rho": None}, "rho: None is no list of values; give two"),
    "one value": (mipdesign.rho_sweep, {"problem": SMALL, "rho": "0.3"}, "rho: '0.3' is a single value; give two or more"),
    "sweep of a gap": (
        mipdesign.rho_sweep,
        {"problem": SMALL, "rho": "1,2", "gap": 0},
        r"gap: is not an argument of rho_sweep",
    ),
    "sweep without a limit": (mipdesign.rho_sweep, {"problem": "maedet-s", "rho": [1, 2]}, "rho: 'maedet-s' does not limit"),
    "list with a gap": (
        mipdesign.pareto,
        {"problem": SMALL, "sweeps": "flops=1,2", "best": 2, "gap": 0.1},
        "gap: does not go together with a list of networks; leave it or",
    ),
    "explain a network": (mipdesign.explain, {"found": 3}, "found: 3 is not a design"),
    "compare nothing": (mipdesign.compare, {"network": None}, "network: None is not a network"),
    "compare no file": (mipdesign.compare, {"network": "no/such.json"}, "no/such.json"),
    "compare in no space": (mipdesign.compare, {"network": "torchvision/resnet18", "space": 3}, "space: 3 is not a problem"),
    "convention": (
        mipdesign.compare,
        {"network": "torchvision/resnet18", "convention": "Paper"},
        "convention: 'Paper' is not a convention; use one of: paper, reference",
    ),
    "overrides in one text": (
        mipdesign.compare,
        {"network": "torchvision/resnet18", "overrides": "classes=3"},
        "overrides: 'classes=3' is not a list",
    ),
    "no resolution": (
        mipdesign.read_network,
        {"source": "torchvision/resnet18", "resolution": 0},
        "resolution: 0 is out of range",
    ),
    "source of a number": (mipdesign.read_network, {"source": 3}, "source: 3 is not a path"),
    "format": (mipdesign.network_text, {"architecture": published(R18), "form": "yaml"}, "form: 'yaml' is not a format"),
    "text of nothing": (mipdesign.network_text, {"architecture": None, "form": "json"}, "architecture: None is not a network"),
    "evaluate a name": (mipdesign.evaluate, {"architecture": R18}, "architecture: 'deepmad-r18' is not a network"),
    "evaluate": (
        mipdesign.evaluate,
        {"architecture": published(R18), "convention": None},
        "convention: None is not a convention",
    ),
    "graph of nothing": (mipdesign.to_graph, {"architecture": None}, "architecture: None is not a network"),
    "module of nothing": (mipdesign.to_module, {"graph": None}, "graph: a NoneType; use a networkx.DiGraph"),
    "rate": (mipdesign.to_module, {"graph": None, "drop_rate": 1}, "drop_rate: 1 is not a probability below 1"),
    "draws": (mipdesign.validate, {"architecture": published(R18), "draws": 1}, "draws: 1 is out of range"),
    "deviations": (mipdesign.validate, {"architecture": published(R18), "sigmas": None}, "sigmas: None is not a number of"),
    "no weights": (mipdesign.from_pretrained, {"folder": "no/such"}, "no/such"),
    "channels": (mipdesign.from_pretrained, {"folder": ".", "in_chans": 0}, "in_chans: 0 is out of range"),
    "place": (mipdesign.save_pretrained, {"network": None, "folder": None}, "folder: None is not a path"),
    "device": (mipdesign.profile, {"problem": SMALL, "path": "a.csv", "device": "tpu"}, "device: 'tpu' is not a device"),
    "points": (mipdesign.profile, {"problem": SMALL, "path": "a.csv", "points": 1}, "points: 1 is out of range"),
    "seconds": (mipdesign.profile, {"problem": SMALL, "path": "a.csv", "seconds": math.nan}, "seconds: nan is not a time"),
    "table": (mipdesign.profile, {"problem": SMALL, "path": 3}, "path: 3 is not a path"),
    "plug-in": (mipdesign.load_plugin, {"path": "own.txt"}, "plugin: own.txt is not a .py file"),
    "plug-in of a number": (mipdesign.load_plugin, {"path": 3}, "path: 3 is not a path"),
    "family": (mipdesign.register_family, {"family": 3}, "family: 3 is no block family"),
    "solver": (mipdesign.register_solver, {"variant": 3}, "register_solver: 3 is no subclass"),
    "specification of a number": (Problem.load, {"path": 3}, "path: 3 is not a path"),
    "preset of nothing": (Problem.preset, {"name": None}, "name: None is not a text"),
    "name of a number": (Problem.named, {"name_or_path": 3}, "name_or_path: 3 is not a text"),
    "data of a number": (Problem.from_dict, {"data": 3}, "an int where a mapping is expected"),
    "fields": (Problem, {"name": 3}, "name: 3 is refused; give a text"),
    "override": (Problem.preset, {"name": R18, "overrides": ["classes"]}, "overrides: 'classes' is not KEY=VALUE"),
    "override of a number": (Problem.preset, {"name": R18, "overrides": [3]}, "overrides: 3 is not a text"),
    "value of an override": (Problem.preset, {"name": R18, "overrides": ["classes=[1"]}, "overrides: not valid YAML"),
    "change of nothing": (Problem.preset(R18).with_, {"budgets": {"flop": 1}}, "budgets.flop: is not a known field"),
    "change beyond": (
        Problem.preset(R18).with_,
        {"stages": {9: {"depth": 1}}},
        "changes: '9' in 'stages.9.depth' is not an",
    ),
    "change below": (Problem.preset(R18).with_, {"name": {"a": 1}}, "changes: 'name.a' names nothing"),
    "change of a limit": (Problem.preset(R18).with_, {"budgets": {"flops": math.nan}}, "budgets.flops: nan is refused"),
    "evaluator of nothing": (Problem.preset(R18).evaluator, {}, "missing a required argument: 'architecture'"),
    "evaluator of a name": (
        Problem.preset(R18).evaluator,
        {"architecture": R18},
        "architecture: 'deepmad-r18' is not a network",
    ),
    "network without anything": (Architecture, {}, r"Architecture\(\): missing a required argument: 'resolution'"),
    "network of an unknown part": (Architecture, {"resolutoin": 3}, r"resolutoin: is not an argument of Architecture\(\)"),
    "usage of nothing": (Problem.preset(R18).usage, {"architecture": None}, "architecture: None is not a network"),
    "network of a number": (Architecture.load, {"path": 3}, "path: 3 is not a path"),
    "network of nothing": (Architecture.from_dict, {"data": None}, "where a mapping is expected"),
    "design of a number": (Design.load, {"folder": 3}, "folder: 3 is not a path"),
    "design of nothing": (Design.load, {"folder": "no/such"}, "no/such: is not a folder"),
    "sweep": (Sweep.parse, {"text": None}, "sweeps: None is not KEY=VALUES"),
}
"""Calls with something wrong, and what is said."""


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_argument_is_named(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    function, given, said = WRONG[case]
    with pytest.raises(SpecError, match=said) as caught:
        function(**given)
    text = str(caught.value)
    assert "--" not in text and "pydantic" not in text and "; " in text and "\n" not in text
    assert not isinstance(caught.value, ValidationError)
    assert list(tmp_path.iterdir()) == []


def test_plots_take_axes_only(objects: dict[str, Any]) -> None:
    for name in ("Design", "Frontier"):
        with pytest.raises(SpecError, match=r"y: is not an argument of plot\(\); use some of: ax"):
            objects[name].plot(y=3)


def test_every_function_is_in_the_table() -> None:
    functions = {name for name in mipdesign.__all__ if not isinstance(getattr(mipdesign, name), type)}
    same = {f"register_{kind}" for kind in ("formulation", "encoding", "breakpoints", "product")}  # by one function
    assert functions - same == {function.__name__ for function, _, _ in WRONG.values()} & functions


def test_numbers_of_numpy_become_pythons(found: Design) -> None:
    made = mipdesign.design(SMALL, engine=kept(), seed=np.int32(3), gap=np.float32(0.5))
    assert type(made.seed) is int and json.dumps(made.to_dict()) and type(made.certificate.claim["gap_limit"]) is float


def test_evaluation_has_a_row_for_a_frame(found: Design) -> None:
    evaluation = found.evaluation
    assert isinstance(evaluation, Evaluation)
    assert {"objective", "weighted_stage_entropies.0"} <= set(evaluation.to_frame().columns)
