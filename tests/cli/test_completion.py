"""Completion in a shell: what is offered, without what computes; and options that every version of typer reads alike."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from typing import get_type_hints

import programs
import pytest
import typer

from mipdesign.cli import main as cli
from mipdesign.io.library_networks import NETWORKS
from mipdesign.mip.formulation import formulation_ids
from mipdesign.mip.solver import solver_ids, solver_named
from mipdesign.problem.problem import preset_names
from mipdesign.registry import ids_unloaded

COMPUTES = {"numpy", "scipy", "torch", "networkx", "matplotlib", "pyscipopt", "mipdesign.native.library"}


def asked(words: str, shell: str = "bash") -> dict[str, str]:
    """The environment in which a shell asks how a line goes on."""
    words = f"mipdesign {words}"
    said = {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1), "_TYPER_COMPLETE_ARGS": words}
    return os.environ | said | {"_MIPDESIGN_COMPLETE": f"complete_{shell}", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}


def offered(words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What bash is told."""
    for name, value in asked(words).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit):
        cli.main([])
    return capsys.readouterr().out.split()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("show deepmad-r", ["deepmad-r18", "deepmad-r34", "deepmad-r50"]),
        ("design ", preset_names()),
        ("compare x --space e3d-", ["e3d-l", "e3d-m", "e3d-s"]),
        ("compare torchvision/w", ["torchvision/wide_resnet50_2", "torchvision/wide_resnet101_2"]),
        ("evaluate ", list(NETWORKS)),
        ("formulations ", formulation_ids()),
        ("design x --formulation l", ["lattice", "logspace"]),
        ("model x --formulation comp", ["compact"]),
        ("solvers ", solver_ids()),
        ("evaluate x --convention ", ["paper", "reference"]),
        ("profile x --device c", ["cpu", "cuda"]),
        ("show mine", []),  # the shell goes on with files
        ("formu", ["formulations"]),
    ],
)
def test_names_are_completed(
    words: str, expected: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sorted(offered(words, capsys, monkeypatch)) == sorted(expected)


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_are_told_too(shell: str) -> None:
    command = [sys.executable, "-m", "mipdesign"]
    answer = subprocess.run(command, env=asked("solvers hig", shell), capture_output=True, text=True, timeout=60)
    assert "highs" in answer.stdout


@pytest.mark.parametrize("words", ["show deep", "formulations ", "solvers ", "compare torch"])
def test_completion_imports_little(words: str) -> None:
    said = programs.said("imports_of_a_command", env=asked(words))
    assert sorted(COMPUTES.intersection(said["modules"])) == []


def test_ids_are_read_off_the_text_as_they_are_registered() -> None:
    assert ids_unloaded("mipdesign.formulations") == formulation_ids()
    shipped = [name for name in solver_ids() if type(solver_named(name)).__module__.startswith("mipdesign.")]
    assert ids_unloaded("mipdesign.solvers") == shipped


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_a_shell_is_shown(
    shell: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")  # then the shell is named, not looked for
    with pytest.raises(SystemExit):
        cli.main(["--show-completion", shell])
    assert f"_MIPDESIGN_COMPLETE=complete_{shell}" in capsys.readouterr().out


@pytest.mark.parametrize("command", cli.COMMANDS, ids=lambda command: command.__name__)
def test_options_are_read_alike_by_all_versions_of_typer(command: object) -> None:
    """Some take a metavar that is the parameter's name for a declaration, and valued options for flags."""
    assert callable(command)
    made = typer.main.get_command(cli.app).commands[command.__name__.replace("_", "-")]  # type: ignore[attr-defined]
    hints = get_type_hints(command, vars(sys.modules[command.__module__]))
    names = set(inspect.signature(command).parameters)
    for parameter in made.params:
        if parameter.name not in names:
            continue
        assert (parameter.metavar or "").lower() != parameter.name
        if parameter.param_type_name == "option":
            assert any(option.startswith("--") for option in parameter.opts)
            assert bool(parameter.is_flag) == (hints[parameter.name] is bool)
