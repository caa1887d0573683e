"""Whether the optimum depends on workers or seeds: random budgets, each solved with one and two workers and three seeds.

``python -m mipdesign.benchmarks steadiness [--problems N]``. Prints one row per budget and fails if any two runs of it differ
in the last digit of the objective, or in the network.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import yaml

from mipdesign import Problem

from .measure import middle, run_design, table

WORKERS, SEEDS = (1, 2), (0, 1, 2)


def random_budgets(seed: int) -> dict[str, float]:
    """Budgets drawn log-uniformly from the ranges of ``mipdesign.benchmarks.experiments.scaling``."""
    rng = np.random.default_rng(seed)
    flops, params, rho = np.exp(rng.uniform(np.log([0.2e9, 1e6, 0.1]), np.log([16e9, 100e6, 1.0])))
    return {"flops": float(round(flops)), "params": float(round(params)), "effectiveness": round(float(rho), 4)}


def main() -> None:
    """Runs, prints and judges."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", type=int, default=20)
    arguments = parser.parse_args()
    header = ("flops", "params", "rho", "status", "objective", "answers", "median seconds", "most seconds")
    rows: list[tuple[object, ...]] = []
    for seed in range(arguments.problems):
        budgets = random_budgets(seed)
        data = Problem.preset("deepmad-r18").to_dict() | {"name": f"random-{seed}", "budgets": budgets}
        with tempfile.TemporaryDirectory() as folder:
            spec = Path(folder) / "problem.yaml"
            spec.write_text(yaml.safe_dump(data))
            runs = [run_design(str(spec), ["--workers", str(w), "--seed", str(s)]) for w in WORKERS for s in SEEDS]
        answers = {(run.result["status"], repr(run.result["objective"]), str(run.result["architecture"])) for run in runs}
        first, seconds = runs[0].result, [run.seconds for run in runs]
        figures = (first["status"], repr(first["objective"]), len(answers), middle(seconds), max(seconds))
        rows.append((f"{budgets['flops']:.3g}", f"{budgets['params']:.3g}", budgets["effectiveness"], *figures))
        print(table(header, rows[-1:]).splitlines()[-1], flush=True)
    print("\n" + table(header, rows))
    if any(row[5] != 1 for row in rows):
        raise SystemExit("the answer depends on workers or seeds")


if __name__ == "__main__":
    main()
