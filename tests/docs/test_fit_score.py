"""The example that trains, fits, proves and trains again goes through, on noise, and repeats nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mipdesign import Problem, read_network

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")
EXAMPLES = Path(__file__).parents[2] / "examples"


def test_the_loop_of_a_fitted_score(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    import digits
    import fit_score

    pictures = digits.Digits(torch.randn(20, 1, 28, 28), torch.arange(20) % 10, 0)
    monkeypatch.setattr(digits, "pictures", lambda: (pictures, pictures))
    fit_score.main(tmp_path, networks=6, epochs=2, seed=0)
    problem = Problem.load(EXAMPLES / "fit_score.yaml")
    for n in range(6):
        assert not problem.violations(read_network(tmp_path / f"network-{n}" / "network.json"))
    best = json.loads((tmp_path / "design" / "result.json").read_text())
    assert best["status"] == "optimal"
    assert Problem.load(tmp_path / "score.yaml").objective.score == "table"
    told = capsys.readouterr().out
    stamp = (tmp_path / "network-5" / "checkpoint.pt").stat().st_mtime_ns
    fit_score.main(tmp_path, networks=6, epochs=2, seed=0)
    assert capsys.readouterr().out == told and "proven optimum of the fit" in told
    assert (tmp_path / "network-5" / "checkpoint.pt").stat().st_mtime_ns == stamp
