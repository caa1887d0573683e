"""Fitted scores: what is written is the model, its optimum that of enumeration, and what speaks against it is said."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mipdesign.benchmarks.corpus.small import varied_problem
from mipdesign.benchmarks.experiments.agreement import WAYS, tree_agrees

from mipdesign import Problem
from mipdesign.analysis.fitting import FEATURES, RESULTS, Fit, Results, fit_score, read_results
from mipdesign.cli import main as cli
from mipdesign.errors import SpecError
from mipdesign.lattice.position import Position
from mipdesign.networks.architecture import Architecture
from mipdesign.search.coverage import build_tables

pytest.importorskip("sklearn")
SMALL = Problem.load(Path(__file__).parents[1] / "data" / "small.yaml")


def measured(problem: Problem, n: int, seed: int, noise: float = 0.0) -> Results:
    """Random networks of a space, with an accuracy that is linear in depth and channels."""
    tables, rng = build_tables(problem), np.random.default_rng(seed)
    networks: list[Architecture] = []
    while len(networks) < n:
        columns = tuple(int(rng.integers(len(s.c))) for s in tables.stages)
        depths = tuple(int(rng.choice(s.depths)) for s in tables.stages)
        network = tables.architecture(Position(0, columns, depths))
        networks += [] if problem.outside_space(network) else [network]
    return Results(tuple(networks), np.array([worth(network) for network in networks]) + noise * rng.normal(size=n))


def worth(network: Architecture) -> float:
    """An accuracy that features describe."""
    return 0.5 + sum(0.01 * s.depth - 0.02 * float(np.log(s.channels)) for s in network.stages)


def fitted(problem: Problem, seed: int, per_stage: bool = False, noise: float = 0.0) -> Fit:
    """A fit to 60 networks."""
    return fit_score(problem, measured(problem, 60, seed, noise), per_stage=per_stage)


@pytest.mark.parametrize("per_stage", [False, True])
def test_objective_is_the_prediction(per_stage: bool) -> None:
    fit = fitted(SMALL, 0, per_stage)
    for network in measured(SMALL, 20, 1).networks:
        assert fit.problem.evaluator(network).evaluation.objective == pytest.approx(worth(network), abs=2e-3)


def test_a_model_that_holds_orders_networks_it_has_not_seen() -> None:
    fit = fitted(SMALL, 0)
    assert 0.9 < fit.low <= fit.tau <= fit.high <= 1 and fit.r2 > 0.99 and not fit.warnings


@pytest.mark.parametrize("seed", [1, 3, 6])
def test_optimum_is_that_of_enumeration(seed: int) -> None:
    problem = fitted(varied_problem(seed), seed, per_stage=bool(seed % 2), noise=0.01).problem
    assert tree_agrees(problem, 1, WAYS[seed % 3])[0]


def test_every_feature_may_be_asked_for() -> None:
    fit = fit_score(SMALL, measured(SMALL, 60, 0), list(FEATURES))
    assert set(fit.coefficients) | set(fit.constant) == set(FEATURES)


def test_noise_and_few_networks_are_warned_of() -> None:
    results = measured(SMALL, 8, 1)
    noise = Results(results.networks, np.random.default_rng(2).normal(size=8))
    few, chance = fit_score(SMALL, noise, list(FEATURES)).warnings
    assert few.startswith("8 networks are few for") and chance.startswith(
        "predictions may order networks no better than chance"
    )


def test_results_are_read_beside_their_file(tmp_path: Path) -> None:
    networks = measured(SMALL, 2, 0).networks
    for n, network in enumerate(networks):
        (tmp_path / f"{n}.json").write_text(json.dumps(network.to_dict()))
    path = tmp_path / "results.csv"
    path.write_text("epochs,network,accuracy\n3,0.json,0.9\n3,1.json,91e-2\n")
    read = read_results(path)
    assert read.networks == networks and read.accuracies.tolist() == [0.9, 0.91]
    path.write_text("network,accuracy\n0.json,high\n")
    with pytest.raises(SpecError, match="line 2, accuracy: 'high' is refused"):
        read_results(path)
    path.write_text("network\n0.json\n")
    with pytest.raises(SpecError, match=",".join(RESULTS)):
        read_results(path)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("0.json", "line 4: has 1 column; give 2"),
        ("0.json,0.5,1", "line 4: has 3 columns; give 2"),
        (",0.5", "line 4, network: is empty"),
        ("0.json,0.5", "line 4, network: 0.json: cannot be read"),
        ("0.json,nan", "line 4, accuracy: 'nan' is refused"),
        ('"0.json,0.5', "not valid CSV"),
        ("0" * 200_000, "not valid CSV"),
    ],
)
def test_what_is_wrong_with_results_is_told_by_its_line(line: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    path.write_text(f"# six epochs\n network , accuracy\n\n{line}\n")
    with pytest.raises(SpecError, match=words):
        read_results(path)


def test_a_network_that_was_measured_twice_counts_once() -> None:
    results = measured(SMALL, 12, 1)
    twice = Results(results.networks * 2, np.concatenate([results.accuracies - 0.25, results.accuracies + 0.25]))
    once, again = fit_score(SMALL, results), fit_score(SMALL, twice)
    assert again.networks == once.networks == len(set(results.networks))
    assert again.coefficients == pytest.approx(once.coefficients)


def test_no_file_that_is_read_is_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec, results = tmp_path / "small.yaml", tmp_path / "results.csv"
    for path in (spec, results):
        path.write_text("kept")
    for out in (spec, results):
        assert cli.main(["fit-score", str(spec), str(results), "--out", str(out)]) == 2
        assert "is a file that is read; give another file" in capsys.readouterr().err
        assert out.read_text() == "kept"


def test_what_cannot_be_fitted_is_refused() -> None:
    problem, results = SMALL, measured(SMALL, 8, 1)
    with pytest.raises(SpecError, match=r"features: 'dept' is not a feature; did you mean 'depth'\?"):
        fit_score(problem, results, ["dept"])
    with pytest.raises(SpecError, match="features: name one twice"):
        fit_score(problem, results, ["depth", "depth"])
    for wrong in (results.accuracies * np.nan, results.accuracies * 1e9):
        with pytest.raises(SpecError, match="results: have an accuracy that is no number between"):
            fit_score(problem, Results(results.networks, wrong))
    with pytest.raises(SpecError, match=r"have one accuracy, 0\.5, of all networks"):
        fit_score(problem, Results(results.networks, np.full(8, 0.5)))
    with pytest.raises(SpecError, match="have not one accuracy of each network"):
        fit_score(problem, Results(results.networks, results.accuracies[:7]))
    with pytest.raises(SpecError, match=r"problem: 'small\.yaml' is not a problem"):
        fit_score("small.yaml", results)  # type: ignore[arg-type]
    with pytest.raises(SpecError, match="seed: -1 is out of range"):
        fit_score(problem, results, seed=-1)
    short = replace(results.networks[0], stages=results.networks[0].stages[:2])
    with pytest.raises(SpecError, match="network 8: has 2 super-blocks, and the problem 3"):
        fit_score(problem, Results((*results.networks[:7], short), results.accuracies))
    with pytest.raises(SpecError, match="have 5 networks"):
        fit_score(problem, Results(results.networks[:5], results.accuracies[:5]))
    with pytest.raises(SpecError, match="have 1 network;"):
        fit_score(problem, Results(results.networks[:1] * 8, results.accuracies))
    first = results.networks[0]
    alike = tuple(replace(first, stem=replace(first.stem, channels=c)) for c in range(8, 16))
    with pytest.raises(SpecError, match="all features are the same"):
        fit_score(problem, Results(alike, results.accuracies))


def test_networks_outside_the_space_are_warned_of() -> None:
    inside = measured(SMALL, 8, 1)
    other = replace(inside.networks[7], resolution=64, classes=7)
    results = Results((*inside.networks[:7], other), inside.accuracies, tuple(f"results.csv, line {n}" for n in range(2, 10)))
    warning = fit_score(SMALL, results, ["depth"]).warnings[0]
    assert warning.startswith("1 of 8 networks outside the space, such as results.csv, line 9: resolution, classes")
    assert not any("outside" in warning for warning in fit_score(SMALL, inside, ["depth"]).warnings)


def test_a_column_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    path.write_text("accuracy,network,accuracy\n0.1,0.json,0.2\n")
    with pytest.raises(SpecError, match="is not a file of results"):
        read_results(path)
