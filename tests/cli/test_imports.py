"""What commands import: those that compute nothing are not to wait for what computes."""

from importlib.metadata import version

import programs
import pytest
from packaging.version import Version

COMPUTES = {"numpy", "scipy", "torch", "networkx", "matplotlib", "pyscipopt", "mipdesign.native.library"}
OF_TYPER = {"rich"} if Version(version("typer")) < Version("0.17") else set()
"""What typer itself imports at once: rich, until it did so no longer."""


@pytest.mark.parametrize(
    ("words", "unneeded"),
    [
        (["--help"], {"pydantic", "yaml", "rich", *COMPUTES}),
        (["design", "--help"], {"yaml", "rich", *COMPUTES}),
        (["presets"], COMPUTES),
        (["show", "deepmad-r18"], COMPUTES),
        (["show", "no-such-preset"], COMPUTES),
    ],
)
def test_commands_that_compute_nothing_import_little(words: list[str], unneeded: set[str]) -> None:
    said = programs.said("imports_of_a_command", *words)
    assert said["code"] == (2 if "no-such-preset" in words else 0)
    assert sorted((unneeded - OF_TYPER).intersection(said["modules"])) == []
