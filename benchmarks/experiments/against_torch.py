"""Random networks of all block families: the exact evaluator against the torch module.

``python -m mipdesign.benchmarks against_torch [--networks N] [--first SEED]``: parameters and MACs (torch's own counters),
layers, activations and the shape of every part's output, all of them exactly. Prints how many networks agree, by family.
"""

from __future__ import annotations

import argparse
from collections import Counter

import numpy as np

from mipdesign.networks.architecture import Architecture, Stage, Stem
from mipdesign.networks.blocks import FAMILIES
from mipdesign.nn.validation import exact_checks


def random_network(seed: int) -> Architecture:
    """One to six super-blocks of any families; even and odd resolutions, with and without pool and head."""
    rng = np.random.default_rng(seed)

    def one_of(*values: int) -> int:
        return values[int(rng.integers(len(values)))]

    stages = tuple(
        Stage(
            sorted(FAMILIES)[int(rng.integers(len(FAMILIES)))],
            one_of(1, 2),
            8 * int(rng.integers(1, 17)),
            8 * int(rng.integers(1, 25)),
            one_of(1, 3, 5, 7),
            int(rng.integers(1, 6)),
        )
        for _ in range(int(rng.integers(1, 7)))
    )
    stem = Stem(8 * int(rng.integers(1, 9)), one_of(3, 5, 7), one_of(1, 2), bool(rng.integers(2)))
    head = None if rng.random() < 0.5 else int(rng.integers(1, 1281))
    return Architecture(int(rng.integers(193, 289)), stem, stages, head, one_of(1, 3, 4), int(rng.integers(1, 1001)))


def main() -> None:
    """Runs and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", type=int, default=500)
    parser.add_argument("--first", type=int, default=0)
    arguments = parser.parse_args()
    families: Counter[str] = Counter()
    checks, wrong = 0, {}
    for seed in range(arguments.first, arguments.first + arguments.networks):
        network = random_network(seed)
        families.update({stage.block for stage in network.stages})
        outcome = exact_checks(network)
        checks += len(outcome)
        failed = [check.name for check in outcome if not check.passed]
        if failed:
            wrong[seed] = failed
    print(f"{arguments.networks - len(wrong)} of {arguments.networks} networks agree with torch in all {checks} figures")
    print("networks with each family: " + ", ".join(f"{name} {count}" for name, count in sorted(families.items())))
    if wrong:
        raise SystemExit(f"seeds that do not: {wrong}")


if __name__ == "__main__":
    main()
