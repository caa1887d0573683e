"""What commands import: those that compute nothing are not to wait for what computes."""

import programs
import pytest

COMPUTES = {"numpy", "scipy", "torch", "networkx", "matplotlib", "pyscipopt", "mipdesign.native.library"}


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
    assert sorted(unneeded.intersection(said["modules"])) == []
