"""Block families of a user's own take part in everything."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from own_families import Grouped, Inconsistent, Quadratic

from mipdesign import Problem, SpecError, design, register_family, validate
from mipdesign.designs.verification import verify_folder
from mipdesign.networks.blocks import FAMILIES

STAGE = {
    "stride": 2,
    "channels": [16, 32, 48],
    "bottleneck": {"min": 8, "max": 32, "step": 8},
    "bottleneck_ratio": {"min": 0.25, "max": 1.0},
    "kernels": [3, 5],
    "depth": [1, 2, 3],
}
SPEC = {
    "name": "own",
    "input": {"resolution": 64},
    "stem": {"channels": [8, 16]},
    "stages": [STAGE | {"block": ["grouped", "bottleneck"]}, STAGE | {"block": "grouped"}],
    "budgets": {"params": 60000, "flops": 2e7, "effectiveness": 0.8},
}


@pytest.fixture
def grouped() -> Iterator[None]:
    register_family(Grouped())
    yield
    del FAMILIES["grouped"]


def test_a_family_of_ones_own_is_designed_verified_and_built(grouped: None, tmp_path: Path) -> None:
    found = design(Problem.from_dict(SPEC), workers=1)
    assert found.status == "optimal" and found.architecture is not None
    assert found.architecture.stages[1].block == "grouped"
    found.save(tmp_path)
    assert all(check.passed for check in verify_folder(tmp_path))
    assert validate(found.architecture, draws=2).passed


def test_a_family_is_known_only_after_it_was_registered() -> None:
    with pytest.raises(SpecError, match="'grouped' is not a block family"):
        Problem.from_dict(SPEC)


@pytest.mark.parametrize(
    ("family", "fault"), [(Inconsistent, "main-path convolutions have"), (Quadratic, "counts or widths of another form")]
)
def test_a_family_that_contradicts_itself_is_refused(family: type[Grouped], fault: str) -> None:
    with pytest.raises(SpecError, match=fault):
        register_family(family())
    assert family.name not in FAMILIES


def test_a_name_that_is_taken_or_a_class_that_cannot_be_imported_is_refused() -> None:
    class Local(Grouped):
        name = "local"

    with pytest.raises(SpecError, match="put its class into a module"):
        register_family(Local())
    with pytest.raises(SpecError, match="'basic' is taken"):
        register_family(type("Other", (Grouped,), {"name": "basic", "__module__": "own_families"})())
