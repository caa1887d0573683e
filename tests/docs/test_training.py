"""The examples: a run that was killed ends as one that was not; the comparison's networks match, its interval is Student's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from networks import small
from programs import PROGRAMS, path_with

from mipdesign import Problem, SpecError, evaluate, read_network

torch = pytest.importorskip("torch")

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def train(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """The module examples/train.py, with a data set ``noise:pictures`` and a network ``network.json``."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    monkeypatch.syspath_prepend(str(PROGRAMS))
    (tmp_path / "network.json").write_text(small("basic").dumps())
    monkeypatch.setattr(sys, "path", sys.path)
    sys.modules.pop("noise", None)
    torch.set_num_threads(1)
    import train

    return train


def same_weights(one: Path, other: Path) -> bool:
    """Whether two runs ended with the same bits."""
    models = [torch.load(folder / "checkpoint.pt", weights_only=True)["model"] for folder in (one, other)]
    return models[0].keys() == models[1].keys() and all(torch.equal(t, models[1][key]) for key, t in models[0].items())


def test_a_killed_run_ends_as_if_it_had_not_been(train: ModuleType, tmp_path: Path) -> None:
    """Killed in the third of five epochs, whose pictures are noise of three generators."""
    options = ["--epochs", "5", "--batch", "8", "--warmup", "1", "--device", "cpu", "--threads", "1", "--test-every", "2"]
    command = [sys.executable, str(EXAMPLES / "train.py"), "network.json", "noise:pictures", "--out", "killed", *options]
    environment = os.environ | {"KILLED_AT": "60", "PYTHONPATH": path_with(PROGRAMS)}
    killed = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, timeout=300)
    assert killed.returncode == 9
    lines = (tmp_path / "killed" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [1, 2]

    recipe = train.Recipe(epochs=5, batch=8, warmup=1, test_every=2)
    sets = train.sets_named("noise:pictures")
    network = train.fitted(read_network(tmp_path / "network.json"), sets[0])
    resumed = train.fit(network, sets, recipe, tmp_path / "killed")
    whole = train.fit(network, sets, recipe, tmp_path / "whole")
    assert resumed == whole
    assert [row["epoch"] for row in whole if "test_accuracy" in row] == [2, 4, 5]
    assert (tmp_path / "killed" / "metrics.jsonl").read_text() == (tmp_path / "whole" / "metrics.jsonl").read_text()
    assert same_weights(tmp_path / "killed", tmp_path / "whole")
    assert train.fit(network, sets, recipe, tmp_path / "whole") == whole  # nothing is left to do

    other = train.fit(network, sets, replace(recipe, seed=1), tmp_path / "other")
    assert other != whole
    with pytest.raises(SpecError, match="another recipe"):
        train.fit(network, sets, replace(recipe, rate=0.2), tmp_path / "whole")


@pytest.mark.parametrize("changes", [{"precision": "bfloat16"}, {"optimizer": "adamw", "rate": 1e-3, "smoothing": 0.1}])
def test_other_recipes_learn(train: ModuleType, tmp_path: Path, changes: dict[str, Any]) -> None:
    sets = train.sets_named("noise:pictures")
    network = train.fitted(small("inverted"), sets[0])
    rows = train.fit(network, sets, train.Recipe(epochs=8, batch=8, warmup=1, test_every=8, **changes), tmp_path / "run")
    assert rows[-1]["train_loss"] < rows[0]["train_loss"]


def test_a_network_is_fitted_to_the_data(train: ModuleType) -> None:
    fitted = train.fitted(small("basic"), train.sets_named("noise:pictures")[0])
    assert (fitted.input_channels, fitted.resolution, fitted.classes) == (1, 16, 3)
    assert fitted.stages == small("basic").stages


def test_what_cannot_run_is_refused(train: ModuleType, tmp_path: Path) -> None:
    faults = [{"precision": "half"}, {"precision": "float16"}, {"optimizer": "adam"}, {"epochs": 2}, {"batch": 0}, {"seed": -1}]
    for fault in faults:
        with pytest.raises(SpecError):
            train.check(train.Recipe(**fault), "cpu")
    for name in ("noise", "noise:pictures2", "no_such_module:pictures"):
        with pytest.raises(SpecError, match="gives no data"):
            train.sets_named(name)
    with pytest.raises(SpecError, match="use a lower rate"):
        sets = train.sets_named("noise:pictures")
        recipe = train.Recipe(epochs=2, batch=8, warmup=0, rate=1e30)
        train.fit(train.fitted(small("basic"), sets[0]), sets, recipe, tmp_path / "run")


@given(st.integers(2, 50), st.data())
def test_the_rate_rises_to_its_peak_and_falls_to_zero(epochs: int, data: st.DataObject) -> None:
    sys.path.insert(0, str(EXAMPLES))
    try:
        import train
    finally:
        sys.path.remove(str(EXAMPLES))
    recipe = train.Recipe(epochs=epochs, warmup=data.draw(st.integers(0, epochs - 1)))
    assert train.rate_at(recipe, recipe.warmup) == recipe.rate
    assert train.rate_at(recipe, epochs) == pytest.approx(0.0, abs=1e-12)
    one, two = sorted(data.draw(st.floats(0, epochs)) for _ in range(2))
    rates = train.rate_at(recipe, one), train.rate_at(recipe, two)
    assert 0 <= min(rates) <= max(rates) <= recipe.rate
    assert rates[0] <= rates[1] if two <= recipe.warmup else rates[0] >= rates[1] if one >= recipe.warmup else True


# -------------------------------------------------------------------------------------------------------- the comparison


def test_the_designs_have_the_budgets_of_the_resnet() -> None:
    figures = evaluate(read_network(EXAMPLES / "resnet_digits.json"), "paper")
    budgets = Problem.named(str(EXAMPLES / "digits.yaml")).budgets.limits()
    for name, value in (("params", figures.params_total), ("macs", figures.macs)):
        assert budgets[name] == value
        assert 0.98 * value < budgets[f"min_{name}"] < value


def test_table_and_curves_of_the_comparison(train: ModuleType, tmp_path: Path) -> None:
    import compare_training

    curves = {name: np.tile([2.0, np.nan, 1.0], (5, 1)) for name in ("train_loss", "test_loss")}
    accuracies = np.array([0.91, 0.92, 0.93, 0.94, 0.95])
    runs = []
    for name, gain in (("ResNet", np.zeros(5)), ("design", np.array([0.01, 0.03, 0.01, 0.03, 0.02]))):
        accuracy = np.column_stack([accuracies, np.full(5, np.nan), accuracies + gain])
        runs.append(compare_training.Candidate(name, small("basic"), curves | {"test_accuracy": accuracy}))
    # mean 2, standard deviation 1: 2.776 is the quantile of Student's distribution with 4 degrees of freedom
    reach = 2.776 / 5**0.5
    assert compare_training.interval(np.array([1.0, 3.0, 1.0, 3.0, 2.0])) == pytest.approx((2 - reach, 2 + reach), abs=1e-3)
    lines = compare_training.table(runs)
    assert len({line.count("|") for line in lines}) == 1
    assert lines[2].endswith("| 1.0000 ± 0.0000 | 1.0000 ± 0.0000 | 7.00 ± 0.71 |  |")
    assert lines[3].endswith("| 5.00 ± 0.95 | -3.24 to -0.76 |")
    pytest.importorskip("matplotlib")
    for name in ("a.svg", "b.svg"):
        compare_training.draw(runs, tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
