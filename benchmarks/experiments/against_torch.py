"""Random networks of all block families: the exact evaluator against the torch module.

``python -m mipdesign.benchmarks against_torch [--networks N] [--first SEED] [--kind KIND]``: parameters and MACs (torch's own
counters), layers, activations and the shape of every part's output, in quantised networks also model size, bit operations and
the memory of maps, all of them exactly. ``KIND`` is ``pictures``, ``video``, ``bits`` (networks of few bits), ``unequal``
(blocks of a super-block differ) or ``new``, the last three in turn. Prints how many networks agree, by family.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from mipdesign.networks.architecture import Architecture, Stage, Stem, single
from mipdesign.networks.blocks import FAMILIES
from mipdesign.nn.validation import exact_checks

OF_PICTURES = tuple(sorted(name for name, family in FAMILIES.items() if not family.temporal))
OF_VIDEO = tuple(sorted(name for name, family in FAMILIES.items() if family.temporal))
QUANTISED = tuple(sorted(name for name, family in FAMILIES.items() if not family.has_se and not family.temporal))


def random_network(seed: int) -> Architecture:
    """One to six super-blocks of any families of pictures; even and odd resolutions, with and without pool and head."""
    rng = np.random.default_rng(seed)

    def one_of(*values: int) -> int:
        return values[int(rng.integers(len(values)))]

    stages = tuple(
        Stage(
            OF_PICTURES[int(rng.integers(len(OF_PICTURES)))],
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


def fitting(network: Architecture) -> Architecture:
    """The network with kernels that are no larger than the maps they read."""
    resolution, stages = network.stem_resolution, []
    for stage in network.stages:
        stages.append(replace(stage, kernel=min(single(stage.kernel), resolution - 1 + resolution % 2)))
        resolution = -(-resolution // stage.stride)
    return replace(network, stages=tuple(stages))


def random_video(seed: int) -> Architecture:
    """A network of video: kernels of one, three or five frames; whole maps in two of three."""
    rng = np.random.default_rng(seed)
    network, frames = random_network(seed), int(rng.integers(5, 17))

    def span() -> int:
        return int(rng.choice([1, 3, 5]))

    stages = tuple(
        replace(stage, block=OF_VIDEO[int(rng.integers(len(OF_VIDEO)))], kernel_t=span()) for stage in network.stages
    )
    resolution = network.resolution if rng.random() < 1 / 3 else 192
    stem = replace(network.stem, pool=False, kernel_t=span())
    return fitting(replace(network, resolution=resolution, stem=stem, stages=stages, frames=frames))


def random_bits(seed: int) -> Architecture:
    """A network of few bits, 2 to 8, other ones for every convolution.

    Two of three consist of the blocks whose memory of maps the tool knows, and have whole maps.
    """
    rng = np.random.default_rng(seed)
    network = random_network(seed)
    tools = rng.random() < 2 / 3

    def pairs(count: int) -> tuple[tuple[int, int], ...]:
        return tuple((int(a), int(w)) for a, w in rng.integers(2, 9, (count, 2)))

    stages = []
    for stage in network.stages:
        block = "inverted" if tools else QUANTISED[int(rng.integers(len(QUANTISED)))]
        stages.append(replace(stage, block=block, bits=tuple(pairs(FAMILIES[block].layers) for _ in range(stage.depth))))
    stem = replace(network.stem, pool=network.stem.pool and not tools, bits=pairs(1)[0])
    resolution = 256 if tools else network.resolution
    head_bits = None if network.head is None else pairs(1)[0]
    return fitting(replace(network, resolution=resolution, stem=stem, stages=tuple(stages), head_bits=head_bits))


def random_unequal(seed: int) -> Architecture:
    """Blocks of a super-block with widths and kernels of their own: of pictures, of video or of few bits, in turn."""
    rng = np.random.default_rng(seed)
    network = (random_network, random_video, random_bits)[int(rng.integers(3))](seed)
    resolution, stages = network.stem_resolution, []
    for stage in network.stages:
        widths = tuple(8 * int(b) for b in rng.integers(1, 25, stage.depth))
        after = -(-resolution // stage.stride)
        kernels = tuple(int(rng.choice([k for k in (1, 3, 5, 7) if k <= after])) for _ in range(stage.depth))
        stages.append(replace(stage, bottleneck=widths, kernel=kernels))
        resolution = after
    return replace(network, stages=tuple(stages))


KINDS: dict[str, tuple[Callable[[int], Architecture], ...]] = {
    "pictures": (random_network,),
    "video": (random_video,),
    "bits": (random_bits,),
    "unequal": (random_unequal,),
}
"""How the networks of each kind are made, in turn."""
KINDS["new"] = KINDS["video"] + KINDS["bits"] + KINDS["unequal"]


def main() -> None:
    """Runs and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", type=int, default=500)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--kind", choices=KINDS, default="pictures")
    arguments = parser.parse_args()
    families: Counter[str] = Counter()
    figures: Counter[str] = Counter()
    wrong = {}
    makers = KINDS[arguments.kind]
    for seed in range(arguments.first, arguments.first + arguments.networks):
        network = makers[seed % len(makers)](seed)
        families.update({stage.block for stage in network.stages})
        outcome = exact_checks(network)
        figures.update("shapes" if check.name.startswith("shape.") else check.name for check in outcome)
        failed = [check.name for check in outcome if not check.passed]
        if failed:
            wrong[seed] = failed
    agreed = arguments.networks - len(wrong)
    print(f"{agreed} of {arguments.networks} networks agree with torch in all {figures.total()} figures")
    print("figures: " + ", ".join(f"{name} {count}" for name, count in figures.items()))
    print("networks with each family: " + ", ".join(f"{name} {count}" for name, count in sorted(families.items())))
    if wrong:
        raise SystemExit(f"seeds that do not: {wrong}")


if __name__ == "__main__":
    main()
