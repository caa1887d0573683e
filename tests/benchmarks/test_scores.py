"""The study of scores: what is drawn keeps its word, runs resume, and the statistics are the textbook's."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from mipdesign.benchmarks.experiments import scores
from mipdesign.benchmarks.scores import drawing, study
from mipdesign.benchmarks.scores.data import IDX, Pictures, check_data, fashion, pictures
from mipdesign.benchmarks.scores.differences import paired
from mipdesign.benchmarks.scores.drawing import BAND, BEST, OPTIMUM, RANDOM, USE, Drawn, draw
from mipdesign.benchmarks.scores.page import Setting, by_recipe, tables
from mipdesign.benchmarks.scores.study import Recipe, drawn_networks, run_all
from mipdesign.benchmarks.scores.training import Training, train

from mipdesign import Architecture, Problem, SpecError
from mipdesign.analysis.rank_correlation import _signs, _tau_of, pooled_tau, tau
from mipdesign.networks.values import HEADER

SPACE = """
name: tiny
convention: paper
input: {resolution: 12, channels: 1}
stem: {kernel: 3, stride: 1, channels: [4, 8]}
stages:
  - &stage {block: bottleneck, stride: 2, channels: {min: 8, max: 32, step: 4}, growth: {min: 1.0, max: 4.0},
     bottleneck: {min: 4, max: 16, step: 4}, bottleneck_ratio: {min: 0.1, max: 1.0, to_rounding: [min]}, kernels: [3],
     depth: {min: 1, max: 4}}
  - {<<: *stage, stride: 1}
classes: 2
budgets: {macs: {max: 150000}, effectiveness: 1}
objective: {beta: 0}
"""


def two_kinds() -> Pictures:
    """Noise of mean 1 or -1: what any network can tell apart."""
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(256) % 2
    x = torch.randn(256, 1, 12, 12, generator=generator) + (2 * y - 1)[:, None, None, None]
    return Pictures((x[:128], y[:128]), (x[128:], y[128:]))


@pytest.fixture(autouse=True, scope="module")
def quick() -> Iterator[None]:
    """Short walks, and one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawing, "STEPS", 20)
        patch.setattr(drawing, "MOST_STEPS", 400)
        yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def space() -> Problem:
    return Problem.from_dict(yaml.safe_load(SPACE))


def draws(space: Problem, limits: list[float]) -> list[Drawn]:
    return list(draw(space, limits, best=2, different="channels:10%", shares=[0.9], each=2, randoms=3, seed=0))


@pytest.fixture(scope="module")
def drawn(space: Problem) -> list[Drawn]:
    return draws(space, [0.7, 1.0])


def test_drawn_networks_keep_budgets_use_and_shares(space: Problem, drawn: list[Drawn]) -> None:
    assert {n.limit for n in drawn} == {0.7, 1.0}
    for network in drawn:
        problem = space.with_limits({"effectiveness": network.limit})
        architecture = Architecture.from_dict(network.network)
        assert not problem.violations(architecture) and not problem.outside_space(architecture)
        objective = problem.evaluator(architecture).evaluation.objective
        assert objective == network.objective and network.share <= 1 + 1e-12
        if network.group == OPTIMUM:
            assert network.share == 1
            continue
        if network.group == BEST:
            continue  # the list's own tests are those of design
        assert network.macs >= USE * 150000
        if network.group != RANDOM:
            assert 0.9 <= network.share <= 0.9 + BAND
    assert len({(n.limit, json.dumps(n.network)) for n in drawn}) == len(drawn)


def test_draws_repeat(space: Problem, drawn: list[Drawn]) -> None:
    assert draws(space, [0.7]) == [n for n in drawn if n.limit == 0.7]


def test_no_network_under_a_limit_is_an_error(space: Problem) -> None:
    with pytest.raises(SpecError, match="rho"):
        draws(space, [0.01])


def test_a_run_learns_and_repeats(drawn: list[Drawn]) -> None:
    network = Architecture.from_dict(drawn[0].network)
    training = Training(3, 0.1, 0, batch=16, shift=1)
    first, again = (train(network, two_kinds(), training) for _ in range(2))
    assert first.accuracy > 0.95
    assert replace(first, seconds=0) == replace(again, seconds=0)


def test_a_rate_that_is_too_high_is_recorded_not_raised(drawn: list[Drawn]) -> None:
    outcome = train(Architecture.from_dict(drawn[0].network), two_kinds(), Training(2, 1e30, 0, batch=16))
    assert outcome.train_loss is None and 0 <= outcome.accuracy <= 1


def test_rates_rise_and_fall() -> None:
    training = Training(1, 0.4, 0, warmup=0.25)
    rates = [training.rate_at(step, 100) for step in range(100)]
    assert rates[:25] == sorted(rates[:25]) and rates[25:] == sorted(rates[25:], reverse=True)
    assert max(rates) == 0.4 and 0 < rates[-1] < 0.01


def test_a_study_resumes(space: Problem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    wanted = {"limits": [1.0], "best": 1, "different": "channels:10%", "shares": [], "each": 0, "randoms": 2, "seed": 0}
    networks = drawn_networks(tmp_path, space, wanted, lambda network: None)
    assert drawn_networks(tmp_path, space, wanted, pytest.fail) == networks
    with pytest.raises(SpecError, match="another study"):
        drawn_networks(tmp_path, space, wanted | {"seed": 1}, pytest.fail)
    with pytest.raises(SpecError, match="another study"):
        drawn_networks(tmp_path, space.with_limits({"macs": 140000}), wanted, pytest.fail)
    recipe = Recipe(data=f"{__name__.rpartition('.')[2]}:two_kinds", epochs=(1,), rates=(0.1,), seeds=1)
    calls: list[tuple[int, int]] = []
    runs = run_all(tmp_path, networks, [recipe], device="cpu", workers=1, on_run=lambda *c: calls.append(c))
    assert [c for c, _ in calls] == [0, 1, 2, 3] and len(runs) == 3
    monkeypatch.setattr(study, "ProcessPoolExecutor", lambda workers, **rest: ThreadPoolExecutor(workers))
    more = recipe.model_copy(update={"seeds": 2, "zero_init_last": (False, True)})
    runs = run_all(tmp_path, networks, [recipe, more], device="cpu", workers=1, on_run=lambda *c: calls.append(c))
    assert calls[4] == (3, 12) and len(runs) == 12
    for from_shortcut in (False, True):
        assert all(len(t.by_seed) == 2 for t in by_recipe(networks, runs, recipe.data)[Setting(1, from_shortcut, 0.1)])
    page = list(tables(networks, runs, recipe.data))
    assert all(sum(f"| 1 epochs, rate 0.1{how} |" in line for line in page) >= 6 for how in ("", ", from the shortcut"))
    without_one = [run for run in runs if run.digest != runs[0].digest]
    assert not by_recipe(networks, without_one, recipe.data)


def test_data_by_name_and_from_files(tmp_path: Path) -> None:
    for part, (images, labels) in IDX.items():
        n = 3 if part == "train" else 2
        content = np.arange(n * 4, dtype=np.uint8)
        (tmp_path / images).write_bytes(b"\0\0\x08\x03" + b"".join(k.to_bytes(4, "big") for k in (n, 2, 2)) + content.tobytes())
        (tmp_path / labels).write_bytes(b"\0\0\x08\x01" + n.to_bytes(4, "big") + bytes(range(n)))
    found = pictures(f"mipdesign.benchmarks.scores.data:fashion:{tmp_path}")
    assert found.train[0].shape == (3, 1, 2, 2) and found.test[1].tolist() == [0, 1]
    assert abs(float(found.train[0].mean())) < 1e-6
    (tmp_path / IDX["test"][1]).write_bytes(b"\0\0\x08\x01\0\0\0\x09\0")
    with pytest.raises(SpecError, match="IDX"):
        fashion(str(tmp_path))
    for name in ("no.such.module:x", "math:nothing", "math"):
        with pytest.raises(SpecError, match="gives none"):
            pictures(name)


def test_tau_is_the_share_of_concordant_pairs() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        x, y = rng.permutation(8).astype(float), rng.permutation(8).astype(float)
        signs = [np.sign((x[i] - x[j]) * (y[i] - y[j])) for i, j in itertools.combinations(range(8), 2)]
        assert math.isclose(tau(x, y), sum(signs) / 28)
    assert math.isnan(tau([1, 1], [1, 2])) and math.isnan(tau([1], [2]))


def test_resampled_tau_is_scipys() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        x, y = rng.integers(0, 6, 9).astype(float), rng.normal(size=9)
        chosen = rng.integers(0, 9, 9)
        expected = tau(x[chosen], y[chosen])
        assert np.isclose(_tau_of(_signs(x), _signs(y), chosen), expected, equal_nan=True)


def test_pooled_tau_sees_only_the_order_within_strata() -> None:
    within = [(np.arange(6.0), 10.0 * k + np.arange(6.0)) for k in (3, 2, 1)]  # strata themselves are in reverse
    estimate = pooled_tau(within)
    assert math.isclose(estimate.value, 1) and math.isclose(estimate.lower, 1)
    noise = np.random.default_rng(1).normal(size=(3, 12))
    estimate = pooled_tau([(np.arange(12.0), row) for row in noise])
    assert estimate.lower < estimate.value < estimate.upper and estimate.lower >= -1 and estimate.upper <= 1
    assert str(pooled_tau([(np.ones(3), np.arange(3.0))])) == "-"


def test_paired_differences() -> None:
    estimate = paired([1.0, 2.0, 3.0])
    assert estimate.value == 2 and math.isclose(estimate.upper - 2, 4.302652729911275 / math.sqrt(3))
    assert estimate.p == 0.25  # three of the same sign: 2 / 2**3
    assert math.isnan(paired([1.0]).value) and paired([0.0, 0.0]).p == 1


def test_a_recipe_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("data: a:b\nepochs: [4, 2]\nrates: [0.1]\nseeds: 2\nbatch: 8\n")
    trainings = list(Recipe.load(path).trainings())
    assert [(t.epochs, t.seed, t.batch) for t in trainings] == [(2, 0, 8), (2, 1, 8), (4, 0, 8), (4, 1, 8)]
    assert asdict(trainings[0])["decay"] == 5e-4
    path.write_text("data: a:b\nepochs: []\nrates: [0.1]\n")
    with pytest.raises(SpecError, match="epochs"):
        Recipe.load(path)


@pytest.mark.parametrize(
    ("train", "words"),
    [
        ((torch.zeros(4, 1, 12, 12), torch.zeros(4, dtype=int)), "data: has 4 training pictures and 4 classes; give 64"),
        (
            (torch.zeros(64, 3, 12, 12), torch.zeros(64, dtype=int)),
            "data: has training pictures of 3 x 12 x 12; give 1 x 12 x 12",
        ),
        ((torch.zeros(64, 1, 12, 12), torch.full((64,), 2)), "data: has training classes from 2 to 2; give 0 to 1"),
    ],
)
def test_data_that_networks_cannot_take_are_refused(train: tuple[torch.Tensor, torch.Tensor], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        check_data(Pictures(train, train), Problem.from_dict(yaml.safe_load(SPACE)), 64)


def test_a_study_begins_in_a_folder_of_its_own(tmp_path: Path) -> None:
    problem, file = Problem.from_dict(yaml.safe_load(SPACE)), tmp_path / "result.json"
    file.write_text("{}")
    with pytest.raises(SpecError, match=r"--out: .* holds other files; give another folder"):
        drawn_networks(tmp_path, problem, {}, lambda n: None)
    with pytest.raises(SpecError, match=r"--out: cannot write to .*result\.json"):
        drawn_networks(file, problem, {}, lambda n: None)


def test_shares_of_nothing_are_refused() -> None:
    data = yaml.safe_load(SPACE) | {"objective": {"kind": "table", "rows": [",".join(HEADER), ",,,,,,0"]}}
    with pytest.raises(SpecError, match="--space: has an optimum of 0 under 1"):
        next(draw(Problem.from_dict(data), [1.0], 1, "channels:10%", [0.9], 1, 1, 0))


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--rho", "1,-1"),
        ("--rho", "nan"),
        ("--rho", "0.5,0.50"),
        ("--shares", "0.9,0.8,0.9"),
        ("--best", "0"),
        ("--shares", "0.9,1"),
        ("--per-rank", "-1"),
        ("--randoms", "-1"),
        ("--seed", "-1"),
        ("--workers", "0"),
    ],
)
def test_options_out_of_range_are_refused(option: str, value: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sys.argv", ["scores", "--out", str(tmp_path / "out"), f"{option}={value}"])
    with pytest.raises(SpecError, match=rf"^{option}: .*give "):
        scores.main()
    assert not (tmp_path / "out").exists()
