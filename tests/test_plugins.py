"""Variants of one's own in single files, used from outside of the package: command line, studies, Python."""

from __future__ import annotations

import json
import os
import pickle
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import programs
import pytest
import yaml
from mipdesign.benchmarks.corpus.small import small_problem
from scale import few, of

from mipdesign import SpecError, load_plugin
from mipdesign.cli import main as cli
from mipdesign.mip.formulation import formulation_ids, formulation_named
from mipdesign.mip.solver import Solver, solver_ids
from mipdesign.plugins import receive, run_plugin, shipment
from mipdesign.registry import KINDS, REGISTRY, Plugin, register_solver, registered
from mipdesign.solvers.scip import Scip

PLUGINS = Path(__file__).parent / "plugins"
FILES = sorted(PLUGINS.glob("own_*.py"))
FEASIBLE = 1
"""A small problem that has networks."""


@pytest.fixture
def clean() -> Any:
    """Forgets afterwards what a test registers in this process."""
    entries, plugins = dict(REGISTRY.entries), dict(REGISTRY.plugins)
    yield
    in_tree = {key: entry for key, entry in REGISTRY.entries.items() if entry.is_in_tree}  # imported once, perhaps meanwhile
    REGISTRY.entries, REGISTRY.plugins, REGISTRY.unreachable = entries | in_tree, plugins, set()


def run(folder: Path, *command: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own, from a folder that knows nothing of the package."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


def copied(folder: Path, name: str) -> Path:
    """A plug-in in another folder."""
    path = folder / f"{name}.py"
    path.write_text((PLUGINS / path.name).read_text())
    return path


# ------------------------------------------------------------------------------------------------------- the command line


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_variant_is_one_short_file(file: Path) -> None:
    assert len(file.read_text().splitlines()) <= 60


@pytest.mark.parametrize(
    ("plugin", "formulation"),
    few([("own_encoding", "compact:own:lattice:unary"), ("own_breakpoints", "compact:log:every-2-outer:unary"),
         ("own_formulation", "columns-nocuts")], 1),
)  # fmt: skip
def test_the_command_line_designs_with_it(plugin: str, formulation: str, tmp_path: Path) -> None:
    """Its child process has it too, and closes the space by it."""
    copied(tmp_path, plugin)
    (tmp_path / "small.yaml").write_text(small_problem(FEASIBLE).dumps())
    asked = ["--formulation", formulation, "--no-presolve", "--workers", "1", "--out", "out", "--plugin", f"{plugin}.py"]
    run(tmp_path, "-m", "mipdesign", "design", "small.yaml", *asked)
    certificate = json.loads((tmp_path / "out" / "certificate.json").read_text())
    assert {cell["formulation"] for cell in certificate["cells"]} == {formulation}
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    assert result["status"] == "optimal"
    assert result["versions"][f"{plugin}.py"] == f"sha256 {Plugin('', (tmp_path / f'{plugin}.py').read_text()).sha256}"


def test_the_command_line_lists_variants(clean: None, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [word for file in FILES for word in ("--plugin", str(file))]
    assert cli.main(["formulations", *arguments]) == 0
    assert " columns-nocuts " in capsys.readouterr().out
    assert cli.main(["formulations", "compact", *arguments]) == 0
    listed = capsys.readouterr().out
    assert all(f" {name} " in listed.replace("\n", " ") for name in ("own", "every"))
    assert cli.main(["solvers", *arguments]) == 0
    assert "HiGHS by scipy.optimize.milp" in capsys.readouterr().out


TEXTS = programs.TESTS / "data" / "plugins"
SOLVER = (TEXTS / "solver.txt").read_text()
NO_ENCODING = (TEXTS / "no_encoding.txt").read_text()


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.py", None, "--plugin: .*a.py: cannot be read .*; give an existing file"),
        ("a.txt", "", "--plugin: .*a.txt is not a .py file; give a Python file"),
        ("a.py", "\n\ndef f(\n", r"a.py: line 3: invalid Python \('\(' was never closed\); correct the file"),
        ("a.py", "x = 1\n", "a.py: registers nothing; decorate a class with one of .*register_encoding"),
        ("a.py", "import no_such_module\n", "a.py: line 1: there is no module 'no_such_module'; install it"),
        ("a.py", "raise SystemExit(7)\n", "a.py: line 1: SystemExit: 7; correct the file"),
        ("a.py", SOLVER.format("id = 'scip'"), "a.py: line 5: 'scip' is taken by mipdesign.solvers.scip:Scip; give "),
        ("a.py", SOLVER.format("id = 'a b'"), "a.py: line 5: Own has the id 'a b'; give it an id of letters"),
        ("a.py", SOLVER.format("id = 'own'").replace("Scip)", "mipdesign.mip.solver.Solver)"),
         r"a.py: line 5: 'own' lacks title, package, extra, capabilities, solve\(\); give Own what is missing"),
        ("a.py", NO_ENCODING,
         "a.py: line 4: Own is no subclass of mipdesign.*Encoding; derive the class from it"),
    ],
)  # fmt: skip
def test_a_file_that_is_none_is_one_line(
    name: str, text: str | None, said: str, tmp_path: Path, clean: None, capsys: pytest.CaptureFixture[str]
) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    before = dict(REGISTRY.entries)
    assert cli.main(["solvers", "--plugin", str(tmp_path / name)]) == 2
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1
    assert re.search(said, error)
    left = {key: entry for key, entry in REGISTRY.entries.items() if not entry.is_in_tree}
    assert left == {key: entry for key, entry in before.items() if not entry.is_in_tree}


def test_two_files_with_one_id_are_told_apart(tmp_path: Path, clean: None) -> None:
    for name in ("one", "other"):
        (tmp_path / f"{name}.py").write_text(SOLVER.format(f"id = 'own'  # {name}"))
    first = load_plugin(tmp_path / "one.py")
    assert load_plugin(tmp_path / "one.py") is first
    with pytest.raises(SpecError, match=r"other.py: line 5: 'own' is taken by .*one.py; give the solver another id"):
        load_plugin(tmp_path / "other.py")


# ---------------------------------------------------------------------------------------------------------------- studies


SOLVERS = ["milp", "scip"][: of(2, 1)]
SOLVED = f"{2 * len(SOLVERS)} runs: {2 * len(SOLVERS)} solved"


def test_a_study_runs_with_plugins_and_runs_an_edited_one_again(tmp_path: Path) -> None:
    """Relative to the study file, from another folder; runs that do not use the edited file are not run again."""
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    for folder in (home, elsewhere):
        folder.mkdir()
    solver, encoding = copied(home, "own_solver"), copied(elsewhere, "own_encoding")
    study: dict[str, Any] = {
        "name": "own",
        "instances": [{"small": [FEASIBLE]}],
        "formulations": ["lattice", "compact:own:lattice:unary"],
        "solvers": SOLVERS,
        "limits": {"seconds": 120},
        "plugins": ["own_solver.py"],
    }
    (home / "own.yaml").write_text(yaml.safe_dump(study))
    command = ["-m", "mipdesign.benchmarks", "run", str(home / "own.yaml"), "--out", "out", "--workers", "1"]
    command += ["--plugin", "own_encoding.py"]
    assert SOLVED in run(elsewhere, *command).stdout
    lines = (elsewhere / "out" / "records.jsonl").read_text().splitlines()
    used = {(r["formulation"], r["solver"]): r["plugins"] for r in map(json.loads, lines)}
    digests = {path.name: Plugin("", path.read_text()).sha256 for path in (solver, encoding)}
    expected = {
        ("lattice", "milp"): {"own_solver.py": digests["own_solver.py"]},
        ("compact:own:lattice:unary", "milp"): digests,
        ("lattice", "scip"): {},
        ("compact:own:lattice:unary", "scip"): {"own_encoding.py": digests["own_encoding.py"]},
    }
    assert used == {run: plugins for run, plugins in expected.items() if run[1] in SOLVERS}
    encoding.write_text(encoding.read_text() + "\n# edited\n")
    assert SOLVED in run(elsewhere, *command).stdout
    again = (elsewhere / "out" / "records.jsonl").read_text().splitlines()
    assert again[: len(lines)] == lines
    assert [json.loads(line)["formulation"] for line in again[len(lines) :]] == ["compact:own:lattice:unary"] * len(SOLVERS)


def test_a_study_without_its_plugin_is_one_line(tmp_path: Path) -> None:
    study: dict[str, Any] = {"name": "own", "instances": [{"small": [FEASIBLE]}], "formulations": ["lattice"]}
    study |= {"solvers": ["milp"], "limits": {"seconds": 9}, "plugins": ["gone.py"]}
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(study))
    said = run(tmp_path, "-m", "mipdesign.benchmarks", "run", "own.yaml", code=2).stderr
    assert said.startswith("error: plugins.0: gone.py: cannot be read") and len(said.splitlines()) == 1


# ----------------------------------------------------------------------------------------------------------------- Python


def test_python_registers_without_a_package(tmp_path: Path) -> None:
    """Its module stands beside the script, where the child processes would not look by themselves."""
    place, cwd = tmp_path / "scripts", tmp_path / "cwd"
    for folder in (place, cwd):
        folder.mkdir()
    (tmp_path / "small.yaml").write_text(small_problem(FEASIBLE).dumps())
    for name in ("registering.py", "beside.py"):
        shutil.copy(programs.PROGRAMS / "scripts" / name, place)
    lines = run(cwd, str(place / "registering.py")).stdout.splitlines()
    assert lines[0].startswith("optimal ")
    assert lines[1] == (
        "formulation: 'mine' is defined where no other process can import it; put its class into a module or a plug-in file"
    )


def test_what_is_shipped_is_registered_elsewhere_and_here_changes_nothing(clean: None) -> None:
    plugin = load_plugin(PLUGINS / "own_formulation.py")
    shipped = pickle.loads(pickle.dumps(shipment()))
    assert plugin in shipped.plugins
    receive(shipped)
    assert formulation_named("columns-nocuts").id in formulation_ids()
    done = programs.run("receiving", input=pickle.dumps(shipped), text=False, check=True)
    assert done.stdout.decode().strip() == plugin.module == type(formulation_named("columns-nocuts")).__module__


def test_the_text_of_a_plugin_counts_and_not_its_file(tmp_path: Path, clean: None) -> None:
    """What a process has run is what its children run, whatever is in the file by then."""
    run_plugin(Plugin(str(tmp_path / "gone.py"), SOLVER.format("id = 'own'")))
    assert "own" in solver_ids()


# --------------------------------------------------------------------------------------------------------------- the rules


def test_in_tree_variants_stand_where_they_are_registered() -> None:
    assert set(KINDS) >= {"mipdesign.formulations", "mipdesign.solvers"}
    for solver_id, entry in registered("mipdesign.solvers").items():
        assert issubclass(entry.load(), Solver) and entry.load().id == solver_id


def test_registering_once_more_is_the_same_as_once(clean: None) -> None:
    class Own(Scip):
        id = "own"

    assert register_solver(Own) is register_solver(Own) is Own
