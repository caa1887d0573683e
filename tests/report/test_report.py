"""The page of a design says what its files say, escapes what they hold, needs nothing but itself, and shows in a browser."""

from __future__ import annotations

import itertools
import json
import math
import re
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import yaml
from report_data import EXPLANATION, SMALL, VALIDATION, design_of, frontier, written
from scale import few

from mipdesign import design
from mipdesign.cli import main as cli
from mipdesign.errors import MissingExtraError, SpecError
from mipdesign.figures.formatting import amount, number, points, quantity
from mipdesign.networks.architecture import Architecture
from mipdesign.problem.budgets import Budget
from mipdesign.problem.problem import Problem, preset_names
from mipdesign.report import reproduction
from mipdesign.report.budget_tiles import budget_tiles
from mipdesign.report.comparison_view import differences
from mipdesign.report.folders import DesignFolder, read_folder
from mipdesign.report.report import page_views, report, write_report
from mipdesign.report.sections import View
from mipdesign.report.tables import share_text, share_used

VOID = {"meta", "link", "br", "wbr", "img", "input", "hr"}
OUTSIDE = re.compile(r"""(?:https?:)?//[a-z]|url\((?!#)|@import|<script|\bsrc=|\bhref="(?!#)""", re.IGNORECASE)
"""What a page would need from elsewhere."""


class Reader(HTMLParser):
    """Reads a page, refusing tags that are not closed in order; keeps identifiers, links, headings and text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.named: list[str] = []
        self.headings: list[int] = []
        self.cells: list[str] = []
        self.text: list[str] = []
        self.scopes = 0
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        assert len(given) == len(attrs), f"{tag} has an attribute twice"
        self.open += [] if tag in VOID else [tag]
        self.ids += [given["id"] or ""] if "id" in given else []
        self.named += (given.get("aria-labelledby") or "").split()
        self.named += [(given["href"] or "")[1:]] if tag == "a" else []
        self.headings += [int(tag[1])] if re.fullmatch("h[1-6]", tag) else []
        if tag == "th":
            assert given.get("scope") in ("row", "col")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text.append(data)


def checked(page: str) -> str:
    """The text of a page that is well formed and whole: no reference to elsewhere, every link and name has its target."""
    reader = Reader(page)
    assert not OUTSIDE.search(page)
    assert len(set(reader.ids)) == len(reader.ids)
    assert set(reader.named) <= set(reader.ids)
    assert reader.headings[0] == 1 and reader.headings.count(1) == 1
    assert all(b <= a + 1 for a, b in zip(reader.headings, reader.headings[1:], strict=False))
    return " ".join(" ".join(reader.text).split())


@pytest.fixture(scope="module")
def r18(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with everything that may be in one."""
    folder = tmp_path_factory.mktemp("report") / "r18"
    return written(folder, design_of(Problem.preset("deepmad-r18")), explanation=EXPLANATION, validation=VALIDATION)


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a frontier."""
    folder = tmp_path_factory.mktemp("swept")
    (folder / "frontier.json").write_text(json.dumps(frontier()))
    return folder


def view_of(folder: Path) -> View:
    """The only view of a folder."""
    (view,) = page_views(read_folder(folder))
    return view


def rows_of(view: View, title: str) -> list[tuple[str, ...]]:
    """The texts of a table by its title."""
    return next(table.texts() for section in view.sections for table in section.tables if table.title == title)


# ------------------------------------------------------------------------------------------------------------------- views


def test_the_view_says_what_the_result_says(r18: Path) -> None:
    result, view = json.loads((r18 / "result.json").read_text()), view_of(r18)
    facts = {name: (value, note) for name, value, note in view.facts}
    assert facts["objective"][0] == points(result["objective"])
    assert facts["bound"] == (points(result["bound"]), "gap 0 %")
    assert [(tile.label, tile.value, tile.limit, tile.percent, tile.state) for tile in view.tiles] == [
        ("FLOPs", "1.837 G", "at most 1.82 G", "100.95 %", "exceeded"),
        ("effectiveness", "0.299096", "at most 0.3", "99.70 %", "tight"),
        ("parameters", "11.15 M", "at most 11.69 M", "95.41 %", "kept"),
    ]
    assert "a score of the untrained network ('deepmad')" in view.meaning and "accurate" in view.meaning
    assert (view.title, view.status, view.badge) == ("deepmad-r18", "optimal", "proven optimal, interrupted")
    exact = {row[0]: row[1] for row in rows_of(view, "Figures of the network")}
    for name in ("params", "flops", "macs", "layers", "weights_bytes"):
        assert exact[name] == f"{result['evaluation'][name]:,}"
    for name, value, limit, slack, *_ in rows_of(view, "Budgets, in exact arithmetic"):
        given = result["budgets"][name]
        read = [float(text.replace(",", "")) for text in (value, limit, slack)]
        assert read == pytest.approx([given["value"], given["limit"], given["limit"] - given["value"]], rel=1e-5)


def test_the_table_of_the_network_adds_up(r18: Path) -> None:
    result, (*parts, total) = json.loads((r18 / "result.json").read_text()), rows_of(view_of(r18), "Parts of the network")
    assert sum(int(row[8].replace(",", "")) for row in parts) == result["evaluation"]["params_total"]
    assert total[8] == f"{result['evaluation']['params_total']:,}"
    stages = [row for row in parts if row[0].startswith("stages.")]
    sizes = [
        [stage[key] for key in ("stride", "channels", "bottleneck", "kernel", "depth")]
        for stage in result["architecture"]["stages"]
    ]
    assert [[int(row[i]) for i in (2, 4, 5, 6, 7)] for row in stages] == sizes


def test_the_objective_is_the_sum_of_its_terms(r18: Path) -> None:
    rows = {row[0]: float(row[1].replace(",", "")) for row in rows_of(view_of(r18), "What the objective consists of")}
    stages = [value for name, value in rows.items() if name.startswith("stage ")]
    assert sum(stages) == pytest.approx(rows["weighted entropy"], abs=0.01)
    assert rows["weighted entropy"] + rows["depth penalty"] == pytest.approx(rows["objective"], abs=0.002)


def test_digests_are_those_of_the_files(r18: Path) -> None:
    result = json.loads((r18 / "result.json").read_text())
    rows = dict(rows_of(view_of(r18), "SHA-256 of canonical JSON"))
    assert (rows["result"], rows["certificate"]) == (result["sha256"], result["certificate_sha256"])


@pytest.mark.parametrize("key", ["wall_seconds", "objective", "certificate"])
def test_a_changed_file_is_told(key: str, tmp_path: Path) -> None:
    folder = written(tmp_path / "d", design_of(Problem.preset("deepmad-r18")))
    path = folder / ("certificate.json" if key == "certificate" else "result.json")
    data = json.loads(path.read_text())
    data["tree" if key == "certificate" else key] = [] if key == "certificate" else 1.5
    path.write_text(json.dumps(data))
    text = checked(report([folder]))
    assert f"{path.name} is not as it was written" in text
    assert "Both files are as they were written" not in text
    assert ("the file states the objective 1.5" in text) == (key == "objective")


SETTINGS: list[list[str]] = [
    [],
    ["budgets.flops=1e9", "convention=paper"],
    ["budgets.params=5123456", "input.resolution=160", "stages.1.depth.max=4", "objective.beta=2.5"],
    ["budgets.layers={min: 20, max: 90}", "stem.channels=[8, 24]"],
]


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("name", ["deepmad-r18", "resnet-choice"])
def test_the_command_makes_the_same_problem(name: str, settings: list[str]) -> None:
    problem = Problem.preset(name, settings)
    folder = DesignFolder("d", design_of(problem), {})
    command = shlex.split(reproduction.reproduction_section(folder, "p").commands[0])
    assert command[:3] == ["mipdesign", "design", name]
    given = [command[i + 1] for i, word in enumerate(command) if word == "--set"]
    assert len(given) <= 2 * len(settings)
    assert Problem.preset(name, given).digest == problem.digest


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_needs_no_settings(name: str) -> None:
    assert reproduction.preset_settings(Problem.preset(name)) == []


def test_a_problem_of_its_own_is_printed() -> None:
    problem = Problem.load(SMALL)
    section = reproduction.reproduction_section(DesignFolder("my run", design_of(problem, "infeasible"), {}), "p")
    assert section.commands == ("mipdesign design problem.yaml --seed 3 --out 'my run'", "mipdesign verify 'my run'")
    assert Problem.from_dict(yaml.safe_load(section.specification)).digest == problem.digest


def test_a_preset_without_a_budget_is_printed() -> None:
    data = Problem.preset("deepmad-r18").to_dict()
    del data["budgets"]["flops"]
    assert reproduction.preset_settings(Problem.from_dict(data)) is None


def test_differences_are_those_of_the_data() -> None:
    one, other = {"a": {"b": 1, "c": [1, 2]}, "d": [{"e": 5}]}, {"a": {"b": 1, "c": [1, 3]}, "d": [{"e": 6}, {"e": 7}]}
    expected = [("a.c", "1 × 2", "1 × 3"), ("d.0.e", "5", "6"), ("d.1.e", "-", "7")]
    assert differences([one, other]) == expected
    assert differences([one, one]) == []


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (600, "600"),
        (999.96, "1 k"),
        (1811925920, "1.812 G"),
        (11689600.0, "11.69 M"),
        (-4816, "-4.816 k"),
        (0.3, "0.3"),
    ],
)
def test_quantities(value: float, text: str) -> None:
    assert quantity(value) == text


BUDGETS = [
    Budget(name, value, limit, holds, Fraction(limit))
    for name, value, limit, holds in [
        ("flops", 5e8, 1e9, True),
        ("min_params", 1.2e6, 1e6, True),
        ("latency.phone_cpu", 25000, 25000, True),
        ("latency.gpu", 900, 30000, True),
        ("layers", 31, 30, False),
        ("min_layers", 20, 19, True),
        ("model_size", 999, 1000.5, True),
        ("activation_memory", 196608, 262144, True),
    ]
]


def test_tiles_come_in_the_order_in_which_limits_bind() -> None:
    tiles = budget_tiles(BUDGETS, True)
    assert [(tile.label, tile.percent, tile.value, tile.limit, tile.left, tile.state) for tile in tiles] == [
        ("layers", "103.33 %", "31", "at most 30", "1 too many", "exceeded"),
        ("latency phone cpu", "100.00 %", "25 ms", "at most 25 ms", "nothing left", "tight"),
        ("model size", "99.85 %", "999 B", "at most 1 kB", "1.5 B left", "tight"),
        ("layers", "95.00 %", "20", "at least 19", "1 above", "kept"),
        ("parameters", "83.33 %", "1.2 M", "at least 1 M", "200 k above", "kept"),
        ("activation memory", "75.00 %", "192 KiB", "at most 256 KiB", "64 KiB left", "kept"),
        ("FLOPs", "50.00 %", "500 M", "at most 1 G", "500 M left", "kept"),
        ("latency gpu", "3.00 %", "900 µs", "at most 30 ms", "29.1 ms left", "kept"),
    ]
    assert [float(tile.filled) for tile in tiles] == [100.0, 100.0, 99.9, 95.0, 83.3, 75.0, 50.0, 3.0]
    assert budget_tiles(BUDGETS, False)[2].value == "999", "numbers where nothing is quantised"


@pytest.mark.parametrize(
    ("budget", "value", "text"),
    [
        ("latency", 1.5e6, "1.5 s"),
        ("latency.one", 0.25, "0.25 µs"),
        ("weights_bytes", 47980448, "47.98 MB"),
        ("max_feature", 7, "7 B"),
    ],
)
def test_amounts_have_units(budget: str, value: float, text: str) -> None:
    assert amount(budget, value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(44993.912, "44,993.9"), (1234.5678, "1,234.57"), (1200.5, "1,200.5"), (99880616.4, "99,880,616.4")]
)
def test_large_figures_have_their_thousands_apart(value: float, text: str) -> None:
    assert number(value) == text


def test_a_limit_that_is_not_reached_is_not_called_100_per_cent() -> None:
    assert share_text(0.99999) == "99.99 %"
    assert share_text(share_used(Budget("params", 10**12 - 1, 1e12, True, Fraction(10**12)))) == "99.99 %"
    assert share_text(1.0) == "100.00 %"
    assert share_used(Budget("min_flops", 0, 1e6, False, Fraction(10**6))) == math.inf


# ------------------------------------------------------------------------------------------------------------------- pages


def test_the_page_shows_a_bar_for_each_limit_before_the_network(r18: Path) -> None:
    page = report([r18])
    widths = [float(width) for width in re.findall(r'<span style="width: ([\d.]+)%">', page)]
    assert widths == sorted(widths, reverse=True) and len(widths) == 3
    assert page.index('class="tiles"') < page.index('id="p0-network"')


def test_tables_scroll_within_themselves_with_a_shadow_where_they_go_on(r18: Path) -> None:
    page = report([r18])
    assert page.count('<div class="scroll" role="region" tabindex="0"') == page.count("<table>")
    style = page[page.index("<style>") : page.index("</style>")]
    (scroll,) = re.findall(r"\.scroll \{ overflow-x: auto;([^}]+)\}", style)
    assert scroll.count("no-repeat local") == scroll.count("no-repeat scroll") == 2
    assert "tbody th { background: var(--ground); font-weight: 400; position: sticky; left: 0" in style
    assert re.findall('class="table short stacked">\n<p class="caption">([^<]+)', page) == ["Networks under other limits"]
    assert page.count("data-label") > 20


def test_a_page_has_every_part(r18: Path) -> None:
    text = checked(report([r18]))
    for words in (
        "Network",
        "Budgets",
        "Convergence",
        "Certificate",
        "Prices and what binds",
        "Validation",
        "How to reproduce it",
    ):
        assert words in text
    for words in (
        "9.42 MFLOP",
        "stage 3: channels 672 -> 704",
        "2 of 3 figures",
        "mipdesign verify r18",
        "32 x 112 x 112",
    ):
        assert words in text
    assert report([r18]) == report([r18])


@pytest.mark.parametrize(
    ("status", "words"), [("feasible", "stopped at a limit"), ("infeasible", "would have to keep"), ("unknown", "no design")]
)
def test_runs_without_a_proven_network(status: str, words: str, tmp_path: Path) -> None:
    folder = written(tmp_path / "d", design_of(Problem.preset("deepmad-r18"), status, incidents=("1.0 s: a child <died>",)))
    text = checked(report([folder]))
    assert words in text and "Incident: 1.0 s: a child <died>" in text
    assert ("nodes are left open" in text) == (status not in ("optimal", "infeasible"))


def test_several_designs_are_compared(r18: Path, tmp_path: Path) -> None:
    paper = written(tmp_path / "paper", design_of(Problem.preset("deepmad-r18", ["convention=paper"])))
    none = written(tmp_path / "none", design_of(Problem.preset("deepmad-r18", ["budgets.flops=1e6"]), "infeasible"))
    views = page_views([item for folder in (r18, paper, none) for item in read_folder(folder)])
    rows = {row[0]: row[1:] for row in rows_of(views[0], "Designs side by side")}
    results = [json.loads((folder / "result.json").read_text()) for folder in (r18, paper, none)]
    assert rows["objective"] == tuple(points(result["objective"]) for result in results)
    flops = quantity(results[0]["evaluation"]["flops"])
    assert rows["FLOPs"][0].startswith(f"{flops}, at most 1.82 G (") and rows["FLOPs"][2] == "at most 1 M"
    assert rows["stages.4.depth"] == ("12", "12", "-")
    asked = {row[0]: row[1:] for row in rows_of(views[0], "Where the problems differ")}
    assert asked == {
        "convention": ("reference", "paper", "reference"),
        "budgets.flops": ("1,820,000,000", "1,820,000,000", "1,000,000"),
    }
    assert [view.id for view in views] == ["both", "p0", "p1", "p2"]
    assert "of different conventions are not comparable" in checked(report([r18, paper, none]))


def test_a_comparison_marks_what_differs_and_folds_the_rest(r18: Path, tmp_path: Path) -> None:
    network = json.loads((r18 / "result.json").read_text())["architecture"]
    network["stages"][4] |= {"depth": 9, "channels": 904}
    problem = Problem.preset("deepmad-r18")
    other = written(tmp_path / "other", design_of(problem, "feasible", architecture=Architecture.from_dict(network)))
    folders = [item for folder in (r18, other) for item in read_folder(folder)]
    views = page_views(folders)
    (table,) = next(section for section in views[0].sections if section.id == "both-figures").tables
    assert [table.rows[i][0] for i in sorted(table.marked)] == ["stages.4.channels", "stages.4.depth"]
    assert [view.folded for view in views] == [False, True, True]
    page = report([r18, other])
    assert (
        page.count("<details>") == page.count("</details>") == 2
        and page.index("<details>") > page.index('id="both-convergence"') > 0
    )
    (chart,) = next(section for section in views[0].sections if section.id == "both-convergence").figures
    assert [kind for kind, _, _ in chart.legend] == ["step", "step-1"]
    assert re.findall('<td class="number other"[^>]*>([^<]*)<', page) == ["904", "9"]
    rows = {row[0]: row[1:] for row in table.rows}
    assert rows["objective beside the first"][0] == "=" and rows["objective beside the first"][1].startswith("−")


def test_drawings_of_a_comparison_stand_above_each_other(r18: Path) -> None:
    views = page_views([item for folder in (r18, r18) for item in read_folder(folder)])
    figures = next(section for section in views[0].sections if section.id == "both-networks").figures
    for one, other in zip(*(figure.drawings for figure in figures), strict=True):
        assert re.findall(r'<text x="([^"]+)"', one) == re.findall(r'<text x="([^"]+)"', other)


def test_the_same_design_twice(r18: Path) -> None:
    text = checked(report([r18, r18]))
    assert "The networks are the same." in text and "r18 #2" in text


def test_a_frontier(swept: Path) -> None:
    text = checked(report([swept]))
    assert "16 points: 15 proven optimal, 1 proven infeasible." in text
    rows = rows_of(view_of(swept), "Points of the frontier")
    for row, point in zip(rows, frontier()["points"], strict=True):
        assert row[0] == number(point["limits"]["budgets.flops"])
        assert row[1:3] == (point["status"], points(point["objective"]))
    assert [row[4] for row in rows].count("dominated") == 1


def test_a_frontier_of_two_limits_has_a_curve_for_each_value(tmp_path: Path) -> None:
    data = frontier(6)
    flops = data["sweeps"][0]["values"][::2]
    data["sweeps"] = [{"key": "budgets.flops", "values": flops}, {"key": "budgets.params", "values": [6e6, 1e7]}]
    for i, point in enumerate(data["points"]):
        point["limits"] = {"budgets.flops": flops[i // 2], "budgets.params": (6e6, 1e7)[i % 2]}
    (tmp_path / "frontier.json").write_text(json.dumps(data))
    figure = view_of(tmp_path).sections[0].figures[0]
    assert [name for kind, _, name in figure.legend if kind.startswith("step")] == ["params 6 M", "params 10 M"]
    assert [kind for kind, _, _ in figure.legend if kind.startswith("step")] == ["step", "step-1"]
    checked(report([tmp_path]))


def test_a_frontier_and_designs_on_one_page(r18: Path, swept: Path) -> None:
    checked(report([swept, r18]))


EVIL = "<script>alert('x')</script>&\"'"


def test_names_are_escaped(tmp_path: Path) -> None:
    problem = Problem.preset("deepmad-r18", [f"name={json.dumps(EVIL)}"])
    folder = written(
        tmp_path / "a<b>",
        design_of(problem, versions={EVIL: EVIL}, incidents=(EVIL,)),
        explanation={**EXPLANATION, "budgets": [{**EXPLANATION["budgets"][0], "name": EVIL, "unit_name": EVIL}]},
        validation={**VALIDATION, "checks": [{**VALIDATION["checks"][0], "name": EVIL}]},
    )
    (folder / "frontier.json").write_text(json.dumps({**frontier(4), "name": EVIL, "versions": {EVIL: EVIL}}))
    text = checked(report([folder, folder]))
    assert EVIL in text


# ------------------------------------------------------------------------------------------------------------------ errors


def spoiled(folder: Path, name: str, content: str) -> Path:
    """A folder with one file of that content."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(content)
    return folder


FRONTIER_FAULTS: list[tuple[Callable[[dict[str, Any]], Any], str]] = [
    (lambda data: data.update(format="other"), "format"),
    (lambda data: data.update(points=[]), "points"),
    (lambda data: data["points"][2]["limits"].clear(), "points.2.limits"),
    (lambda data: data["points"][2]["architecture"].update(stages=[]), "points.2.architecture"),
    (lambda data: data["points"][2].update(objective=float("nan")), "points.2.objective"),
    (lambda data: data.update(sweeps=[]), "sweeps"),
]


@pytest.mark.parametrize(("change", "field"), FRONTIER_FAULTS)
def test_a_bad_frontier_is_refused(change: Callable[[dict[str, Any]], Any], field: str, tmp_path: Path) -> None:
    data = json.loads(json.dumps(frontier(4)))
    change(data)
    with pytest.raises(SpecError, match=re.escape(field)) as caught:
        report([spoiled(tmp_path, "frontier.json", json.dumps(data))])
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("key", ["status", "versions", "sha256", "problem", "seed"])
def test_a_bad_result_is_refused(key: str, tmp_path: Path) -> None:
    folder = written(tmp_path / "d", design_of(Problem.preset("deepmad-r18")))
    data = json.loads((folder / "result.json").read_text())
    data[key] = ["nothing"]
    (folder / "result.json").write_text(json.dumps(data))
    with pytest.raises(SpecError, match=re.escape(f"{folder / 'result.json'}: {key}")):
        report([folder])


def test_a_false_digest_is_shown(tmp_path: Path) -> None:
    folder = written(tmp_path / "d", design_of(Problem.preset("deepmad-r18")))
    data = json.loads((folder / "result.json").read_text())
    (folder / "result.json").write_text(json.dumps(data | {"sha256": "0" * 64}))
    assert "not as it was written" in report([folder])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("explanation.json", "[]"),
        ("explanation.json", '{"format": "x"}'),
        ("validation.json", '{"checks": 5}'),
        ("result.json", "{"),
    ],
)
def test_a_foreign_file_is_refused(name: str, content: str, tmp_path: Path) -> None:
    folder = written(tmp_path / "d", design_of(Problem.preset("deepmad-r18")))
    (folder / name).write_text(content)
    with pytest.raises(SpecError, match=re.escape(str(folder))):
        report([folder])


def test_folders_that_hold_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    for folder, words in (
        (tmp_path / "none", "is not a folder"),
        (tmp_path / "empty", "holds neither result.json nor frontier"),
    ):
        assert cli.main(["report", str(folder)]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert str(folder) in line and words in line and "give the folder of a design" in line


def test_the_command_writes_the_page(r18: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["report", str(r18), "--out", str(tmp_path / "a" / "page.html")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'a' / 'page.html'}\n"
    assert (tmp_path / "a" / "page.html").read_text(encoding="utf-8") == report([r18])
    assert write_report([r18]) == r18 / "report.html"
    (tmp_path / "file").write_text("")
    assert cli.main(["report", str(r18), "--out", str(tmp_path / "file" / "page.html")]) == 2
    assert "cannot write" in capsys.readouterr().err


def test_the_drawing_alone_is_a_file(r18: Path, swept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "new" / "network.svg"
    assert cli.main(["report", str(r18), "--picture", str(path)]) == 0
    assert path.read_text(encoding="utf-8").startswith('<svg class="w1120"') and not (r18 / "network.svg").exists()
    capsys.readouterr()
    assert cli.main(["report", str(swept), "--picture", str(path)]) == 2
    assert "holds no network to draw" in capsys.readouterr().err


def test_a_list_of_networks(tmp_path: Path) -> None:
    design("tests/data/small.yaml", best=3, different="decisions:2", workers=1).save(tmp_path / "listed")
    text = checked(report([tmp_path / "listed"]))
    assert "3 networks (the best 3, that differ by 2 decisions), complete: no other network belongs into it." in text
    assert [row[0] for row in rows_of(view_of(tmp_path / "listed"), "Networks")] == ["1", "2", "3"]
    assert "--best 3 --different decisions:2" in text


def test_without_jinja2(r18: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(MissingExtraError, match=r"jinja2.*mipdesign\[report\]"):
        report([r18])


# ----------------------------------------------------------------------------------------------------------------- browser


CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
QUIET = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking")
ALONE = ("--disable-component-update", "--disable-sync")
SMALLEST_LETTERS = 11.0
"""Pixels that a letter of a chart or a drawing has at least, as it is shown."""
LOOK = """() => {
  const shown = [...document.querySelectorAll("svg text")].filter(t => t.getClientRects().length);
  const colour = getComputedStyle(document.body).backgroundColor;
  const boxes = shown.map(t => t.getBoundingClientRect());
  const sizes = shown.map(t => parseFloat(getComputedStyle(t).fontSize) * t.getScreenCTM().a);
  const clash = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1
    && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 4;
  const pairs = shown.flatMap((t, i) => shown.slice(0, i).filter((u, j) => t.ownerSVGElement === u.ownerSVGElement
    && clash(boxes[i], boxes[j])).map(u => `${t.textContent} / ${u.textContent}`));
  const outside = shown.filter((t, i) => { const f = t.ownerSVGElement.getBoundingClientRect();
    return boxes[i].left < f.left - 1 || boxes[i].right > f.right + 1 || boxes[i].bottom > f.bottom + 1;
  }).map(t => t.textContent);
  const unfolded = [...document.querySelectorAll("figure")].filter(f => !f.closest("details:not([open])"));
  const drawn = unfolded.map(f => [...f.querySelectorAll(":scope > svg")]
    .filter(s => s.getClientRects().length).length);
  return {width: document.documentElement.scrollWidth, colour, smallest: Math.min(...sizes), pairs, outside, drawn};
}"""
"""What is seen of charts and drawings: letters that clash, stick out or are small, and how many variants of each are shown."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium that is cut off from the network."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on PATH (chromium, chromium-browser, google-chrome)")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=[*QUIET, *ALONE])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def several(r18: Path, swept: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Pages by name: a design, a frontier, and designs beside each other."""
    folder = tmp_path_factory.mktemp("pages")
    problem = Problem.preset("deepmad-r18", ["convention=paper"])
    stopped = written(folder / "stopped", design_of(problem, "feasible"))
    wanted = {"r18": [r18], "frontier": [swept], "several": [r18, stopped, swept]}
    return {name: write_report(folders, folder / f"{name}.html") for name, folders in wanted.items()}


@pytest.mark.parametrize(("width", "name"), few(itertools.product((380, 1400), ("several", "r18", "frontier")), 2))
def test_the_page_in_a_browser(name: str, width: int, browser: Any, several: dict[str, Path]) -> None:
    faults: list[str] = []
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme="light", offline=True)
    page = context.new_page()
    page.on("console", lambda message: faults.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("requestfailed", lambda request: faults.append(request.url))
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto(several[name].as_uri())
    colours = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        seen = page.evaluate(LOOK)
        colours.append(seen["colour"])
        assert seen["width"] == width
        assert seen["smallest"] >= SMALLEST_LETTERS
        assert (seen["pairs"], seen["outside"]) == ([], [])
        assert set(seen["drawn"]) == {1}
    context.close()
    assert faults == []
    assert requests == [several[name].as_uri()]
    assert colours == ["rgb(255, 255, 255)", "rgb(20, 22, 26)"]


def test_the_page_in_print(browser: Any, several: dict[str, Path]) -> None:
    page = browser.new_page(color_scheme="dark")
    page.goto(several["several"].as_uri())
    page.emulate_media(media="print", color_scheme="dark")
    seen = page.evaluate(LOOK)
    assert seen["colour"] == "rgb(255, 255, 255)"
    assert set(seen["drawn"]) == {1}
    printed = page.pdf(format="A4")
    page.close()
    assert printed.startswith(b"%PDF") and b"/Font" in printed
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) >= 4
