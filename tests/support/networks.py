"""Networks for the tests: the published ones with their figures, and random small ones of every family."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from mipdesign.networks.architecture import Architecture, Stage, Stem
from mipdesign.networks.blocks import FAMILIES

PUBLISHED: dict[str, dict[str, Any]] = {
    entry["name"]: entry for entry in json.loads((Path(__file__).parents[1] / "data" / "published_designs.json").read_text())
}
"""Entries of the published list by name."""


PRESETS: dict[str, dict[str, Any]] = json.loads((Path(__file__).parents[1] / "data" / "preset_networks.json").read_text())
"""A network within the space and the budgets of each preset, within 2 % of its optimum."""

DISTINCT = ("damoyolo-tiny", "deepmad-29m-224", "deepmad-r18", "e3d-s", "mobilenetv2-like", "resnet-basic", "resnet-choice")
"""The preset of the least depth for each set of families: what costs much runs on these alone."""


def of_preset(name: str) -> Architecture:
    """A good network of a preset."""
    return Architecture.from_dict(PRESETS[name])


def published(name: str) -> Architecture:
    """A published network."""
    return Architecture.from_dict(PUBLISHED[name])


def small(block: str, **changes: Any) -> Architecture:
    """A network of two super-blocks on an odd resolution: channels change in the first, stay in the second."""
    stages = (Stage(block, 2, 12, 16, 5, 2), Stage(block, 2, 12, 8, 3, 1))
    fields: dict[str, Any] = {"resolution": 33, "stem": Stem(8), "stages": stages, "head": 20, "classes": 10}
    return Architecture(**fields | changes)


def stages() -> st.SearchStrategy[Stage]:
    """Super-blocks small enough to run, channels growing and shrinking."""
    return st.builds(
        Stage,
        block=st.sampled_from(sorted(FAMILIES)),
        stride=st.sampled_from([1, 2]),
        channels=st.sampled_from([4, 8, 12, 16]),
        bottleneck=st.sampled_from([4, 8, 12, 40]),
        kernel=st.sampled_from([1, 3, 5]),
        depth=st.integers(1, 3),
    )


def stems() -> st.SearchStrategy[Stem]:
    """Stems that shrink the map at most once: by the convolution, by a pool, or not at all."""
    shrinking = st.sampled_from([(1, False), (2, False), (1, True)])
    return st.builds(lambda c, k, shrinks: Stem(c, k, *shrinks), st.sampled_from([4, 8]), st.sampled_from([1, 3, 5]), shrinking)


def architectures() -> st.SearchStrategy[Architecture]:
    """Small networks that mix the families; even and odd resolutions, with and without a head."""
    return st.builds(
        Architecture,
        resolution=st.integers(33, 40),
        stem=stems(),
        stages=st.lists(stages(), min_size=1, max_size=3).map(tuple),
        head=st.none() | st.integers(1, 24),
        input_channels=st.integers(1, 4),
        classes=st.integers(1, 12),
    )


def video_architectures() -> st.SearchStrategy[Architecture]:
    """Networks of video."""
    return st.builds(
        Architecture,
        resolution=st.integers(64, 80),
        stem=st.builds(Stem, st.integers(1, 24), kernel_t=st.sampled_from([1, 3])),
        stages=st.lists(
            st.builds(
                Stage,
                block=st.just("inverted_3d"),
                stride=st.sampled_from([1, 2]),
                channels=st.integers(1, 40),
                bottleneck=st.integers(1, 60),
                kernel=st.sampled_from([1, 3, 5]),
                depth=st.integers(1, 3),
                kernel_t=st.sampled_from([1, 3, 5]),
            ),
            min_size=1,
            max_size=3,
        ).map(tuple),
        head=st.none() | st.integers(1, 24),
        classes=st.sampled_from([10, 1000]),
        frames=st.integers(5, 20),
    )


def quantised_architectures() -> st.SearchStrategy[Architecture]:
    """Networks of inverted blocks in which every convolution has its own bits."""
    pair = st.tuples(st.integers(1, 32), st.integers(1, 32))

    def stage(depth: int) -> st.SearchStrategy[Stage]:
        return st.builds(
            Stage,
            block=st.just("inverted"),
            stride=st.sampled_from([1, 2]),
            channels=st.integers(1, 40),
            bottleneck=st.integers(1, 60),
            kernel=st.sampled_from([3, 5]),
            depth=st.just(depth),
            bits=st.tuples(*[st.tuples(pair, pair, pair)] * depth),
        )

    stages = st.lists(st.integers(1, 3).flatmap(stage), min_size=1, max_size=3).map(tuple)
    head = st.tuples(st.none(), st.none()) | st.tuples(st.integers(1, 24), pair)
    return st.builds(
        lambda r, stem, stages, head: Architecture(r, stem, stages, head[0], head_bits=head[1]),
        st.integers(64, 80),
        st.builds(Stem, st.integers(1, 24), bits=pair),
        stages,
        head,
    )


def plain_architectures() -> st.SearchStrategy[Architecture]:
    """Small networks of one of the released tool's families each, on any resolution."""

    def of_family(block: str) -> st.SearchStrategy[Architecture]:
        stage = st.builds(
            Stage,
            block=st.just(block),
            stride=st.sampled_from([1, 2]),
            channels=st.integers(1, 40),
            bottleneck=st.integers(1, 60),
            kernel=st.sampled_from([1, 3, 5]),
            depth=st.integers(1, 4),
        )
        return st.builds(
            Architecture,
            resolution=st.integers(64, 100),
            stem=st.builds(Stem, st.integers(1, 24), st.sampled_from([1, 3, 5]), st.sampled_from([1, 2])),
            stages=st.lists(stage, min_size=1, max_size=3).map(tuple),
            head=st.none() | st.integers(1, 24),
            input_channels=st.sampled_from([1, 3, 12]),
        )

    return st.sampled_from(["bottleneck", "mixed", "basic", "inverted"]).flatmap(of_family)


def unequal_architectures() -> st.SearchStrategy[Architecture]:
    """Networks whose super-blocks have blocks of different widths and kernels."""

    def stage(block: str, depth: int) -> st.SearchStrategy[Stage]:
        return st.builds(
            Stage,
            block=st.just(block),
            stride=st.sampled_from([1, 2]),
            channels=st.integers(1, 40),
            bottleneck=st.integers(1, 60) | st.tuples(*[st.integers(1, 60)] * depth),
            kernel=st.sampled_from([3, 5]) | st.tuples(*[st.sampled_from([3, 5])] * depth),
            depth=st.just(depth),
        )

    def of_family(block: str) -> st.SearchStrategy[Architecture]:
        stages = st.lists(st.integers(1, 4).flatmap(lambda depth: stage(block, depth)), min_size=1, max_size=3)
        return st.builds(Architecture, st.integers(64, 100), st.builds(Stem, st.integers(1, 24)), stages.map(tuple))

    return st.sampled_from(["bottleneck", "mixed", "basic", "inverted"]).flatmap(of_family)
