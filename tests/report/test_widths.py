"""Tables and lines at every width of a terminal: no line is wider, no word or number is broken, and nothing is lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import cache
from types import SimpleNamespace
from typing import Any

import pytest
import report_data
from hypothesis import given
from hypothesis import strategies as st
from networks import published

from mipdesign.analysis.comparison import Comparison
from mipdesign.analysis.explanation_file import StoredExplanation
from mipdesign.analysis.frontier_file import StoredFrontier
from mipdesign.checker import HOLDS, Claim
from mipdesign.cli import main as cli
from mipdesign.figures.layout import INDENT, MARGIN, hanging, width_of
from mipdesign.figures.tables import Column, Table, columns
from mipdesign.mip.formulation import formulation_ids, formulation_named
from mipdesign.mip.solver import solver_ids, solver_named
from mipdesign.networks.evaluator import Evaluator, default_scoring
from mipdesign.nn.known_networks import known_networks
from mipdesign.nn.measurements import Gradient, Latency, Measurements, Memory
from mipdesign.nn.validation import Check
from mipdesign.problem.problem import Problem
from mipdesign.problem.summaries import preset_summaries
from mipdesign.report import model_tables, preset_table, problem_tables, tables, validation_tables
from mipdesign.report.console import PIPE_WIDTH
from mipdesign.report.progress import progress_table
from mipdesign.search.outcome import Progress

WIDTHS = range(60, 201)
R18 = "deepmad-r18"


def two_limits() -> StoredFrontier:
    """A frontier along two limits, with prices of both."""
    data = report_data.frontier(4)
    data["sweeps"].append({"key": "budgets.params", "values": [11690000.0, 12e6]})
    for point in data["points"]:
        point["limits"]["budgets.params"] = 11690000.0
    return StoredFrontier.model_validate(data)


@cache
def of_commands() -> dict[str, Table]:
    """The tables of all commands, with figures as large as they have them."""
    problem = Problem.preset(R18)
    design = report_data.design_of(problem)
    network, scoring = published(R18), default_scoring("reference", published(R18))
    evaluation = Evaluator(network, scoring).evaluation
    comparison = SimpleNamespace(evaluation=evaluation, design=design, FIGURES=Comparison.FIGURES)
    measured = Measurements(
        Memory(1, 10**9, 10**10, 10**11),
        (Latency("cpu", "eager", 1, 1, 7, 0.012, 0.0123, 0.02),),
        (Gradient("stages.2", 123456789, 0.12, 0.001, 1.5),),
    )
    checks = (Check("map of the classifier", (1, 512, 7, 7), (1, 512, 7, 7)), Check("log_variance", 1.0, 2.0, 0.5, 0.125))
    claims = [Claim("every candidate that the certificate lists keeps all budgets of the problem, exactly", HOLDS)]
    shown: dict[str, Table] = {
        "presets": preset_table.presets_table(preset_summaries()),
        "design": tables.network_table(network),
        "budgets": tables.budget_table(design),
        "evaluate": tables.evaluation_table(evaluation, scoring),
        "compare": tables.comparison_table(comparison),  # type: ignore[arg-type]
        "pareto": tables.frontier_table(StoredFrontier.model_validate(report_data.frontier())),
        "pareto, twice": tables.frontier_table(two_limits()),
        "explain": tables.explanation_table(StoredExplanation.model_validate(report_data.EXPLANATION)),
        "changes": tables.changes_table(StoredExplanation.model_validate(report_data.EXPLANATION)),
        "verify": tables.claims_table(claims),
        "validate": validation_tables.validation_table(checks),
        "formulations": model_tables.formulations_table(map(formulation_named, formulation_ids())),
        "solvers": model_tables.solvers_table(map(solver_named, solver_ids())),
        "progress": progress_table(Progress(1234.5, "incumbent", 36538.339, 36571.2, 9e-4, 123456, 1234567)),  # type: ignore[dict-item]
    }
    shown |= {f"validate, {t.title}": t for t in validation_tables.measurement_tables(measured, known_networks(network))}
    shown |= {f"formulations, {t.title}": t for t in model_tables.parts_tables(formulation_named("compact"))}
    for preset in (R18, "mcu-256k", "e3d-s", "resnet-choice"):
        shown[f"show {preset}"] = problem_tables.problem_table(Problem.preset(preset))
    mixed = Problem.preset("mcu-256k", ["stages.1.uniform=false"])
    return shown | {"show, blocks differ": problem_tables.problem_table(mixed)}


NAMES = (
    *("presets", "design", "budgets", "evaluate", "compare", "pareto", "pareto, twice", "explain", "changes", "verify"),
    *(
        "validate",
        "formulations",
        "solvers",
        "progress",
        "show deepmad-r18",
        "show mcu-256k",
        "show e3d-s",
        "show resnet-choice",
    ),
    *("show, blocks differ", "validate, Activation memory", "validate, Latency", "validate, Gradients at initialisation"),
    *("validate, Known networks", "formulations, Encodings", "formulations, Breakpoints", "formulations, Products"),
)


def check(table: Table, width: int) -> None:
    """A table in a terminal keeps its width, and has every cell whole."""
    lines = [line.text for line in table.lines(width)]
    cells = [(column, text) for texts in table.texts() for column, text in zip(table.columns, texts, strict=True)]
    heads = [(Column("", prose=True), column.label if column.short is None else column.short) for column in table.columns]
    longest = max((width_of(word) for _, text in cells + heads for word in text.split()), default=0)
    assert max(map(width_of, lines)) <= max(width, longest + INDENT)
    words = Counter(word for line in lines for word in line.split())
    assert words >= Counter(word for _, text in cells + heads for word in text.split())  # some more than once, with their rows
    for column, text in cells:
        if not column.prose and width_of(text) <= width - MARGIN:
            assert any(text in line for line in lines), text


def test_the_tables_of_all_commands_are_here() -> None:
    assert sorted(of_commands()) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_table_fits_every_terminal(name: str) -> None:
    table = of_commands()[name]
    for width in (*WIDTHS, PIPE_WIDTH):
        check(table, width)


@pytest.mark.parametrize("name", NAMES)
def test_a_row_is_a_line_in_a_pipe(name: str) -> None:
    table = of_commands()[name]
    assert len(table.lines(PIPE_WIDTH)) == 4 + len(table.rows) + table.total


texts = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=9)
cells = st.lists(texts, max_size=9).map(" ".join)


@st.composite
def any_tables(draw: Callable[[Any], Any]) -> Table:
    """Tables of any words."""
    n = draw(st.integers(1, 9))
    heads = [Column(draw(cells), draw(st.sampled_from(["left", "right"])), prose=draw(st.booleans())) for _ in range(n)]
    rows = draw(st.lists(st.tuples(*[cells] * n), max_size=4))
    return Table("any", tuple(heads), tuple(rows), keys=draw(st.integers(1, 3)), total=draw(st.booleans()) and bool(rows))


@given(any_tables(), st.integers(20, 200))
def test_any_table_fits_any_terminal(table: Table, width: int) -> None:
    check(table, width)


@given(st.lists(texts, min_size=1, max_size=30).map(" ".join), st.integers(20, 120), st.booleans())
def test_a_line_goes_on_at_spaces(text: str, width: int, labelled: bool) -> None:
    line = f"{'objective':<13}{text}" if labelled else text
    lines = hanging(line, width)
    assert " ".join(lines).split() == line.split()
    assert all(width_of(part) <= width or len(part.split()) <= 2 for part in lines)
    if labelled and width > 40:
        assert all(part.startswith(" " * 13) for part in lines[1:])


def test_columns_of_bands_are_about_as_wide() -> None:
    widths = [width_of(line.text) for line in of_commands()[f"show {R18}"].lines(100) if line.text.startswith(" ──")]
    assert len(widths) == 2
    assert max(widths) < 65  # and not one column below nine


def test_the_columns_that_name_a_row_are_in_every_band() -> None:
    heads = [line.text.split() for line in two_limits_table().lines(60) if line.is_head]
    firsts = [words[:2] for words in heads if words]
    assert firsts.count(["flops", "params"]) == len([words for words in firsts if words[0] == "flops"]) >= 2


def two_limits_table() -> Table:
    return of_commands()["pareto, twice"]


def test_signs_that_a_terminal_obeys_are_spelt_out() -> None:
    table = Table("", columns("name", left=("name",)), (("a\x1b[31mb\nc",),))
    assert table.lines(80)[3].text == r" a\x1b[31mb\nc"


@pytest.mark.parametrize("width", [80, 100, 120, 200])
@pytest.mark.parametrize(
    "arguments",
    [
        ("presets",),
        ("show", R18),
        ("show", "mcu-256k"),
        ("evaluate", "torchvision/resnet18"),
        ("formulations",),
        ("formulations", "compact"),
        ("solvers",),
        ("--help",),
        ("design", "--help"),
    ],
    ids=" ".join,
)
def test_a_command_keeps_the_width_that_columns_sets(
    arguments: tuple[str, ...], width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    assert cli.main(list(arguments)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= width
    if arguments == ("--help",):  # summaries are whole
        assert not any(line.endswith("...") for line in lines if not line.startswith("Usage"))


def test_help_is_as_wide_as_the_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    lines = {}
    for width in (80, 140):
        monkeypatch.setenv("COLUMNS", str(width))
        cli.main(["design", "--help"])
        lines[width] = capsys.readouterr().out.splitlines()
    assert max(map(len, lines[140])) > 100
    assert len(lines[140]) < len(lines[80])


@pytest.mark.parametrize("value", ["", "0", "-5", "wide", "1e3"])
def test_a_width_that_is_none_is_no_limit(
    value: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", value)
    cli.main(["presets"])
    assert sum(line.startswith(" resnet-choice ") for line in capsys.readouterr().out.splitlines()) == 1
