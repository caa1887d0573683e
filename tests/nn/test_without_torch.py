"""Without torch the graph works, and what needs torch says which extra to install."""

from __future__ import annotations

import sys

import programs
import pytest
from networks import small

from mipdesign.errors import MissingExtraError
from mipdesign.nn.graph import to_graph
from mipdesign.nn.lowering import to_module
from mipdesign.nn.validation import validate


def test_importing_the_front_modules_does_not_need_torch() -> None:
    names = ("graph", "lowering", "validation")
    programs.run("imports_without", "torch", *(f"mipdesign.nn.{name}" for name in names), check=True)


def test_lowering_names_the_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"a torch module needs the package 'torch'.*mipdesign\[torch\]"):
        to_module(to_graph(small("basic")))


def test_validation_names_the_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"validation needs the package 'torch'.*mipdesign\[torch\]"):
        validate(small("basic"))
