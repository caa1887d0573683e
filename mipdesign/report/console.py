"""The console that commands print to: it cuts nothing off."""

from __future__ import annotations

import os
from collections.abc import Iterable

from rich.console import Console

from ..figures.layout import hanging

PIPE_WIDTH = 1_000_000
"""Columns that a row may take where the output is not a terminal: each stays on a line, for what reads lines."""


class PlainConsole(Console):
    """A console that prints text as it is, cuts nothing off, and falls silent when its reader is gone.

    Its width is that of the terminal; elsewhere there is no limit, unless the variable ``COLUMNS`` of the environment sets one.

    Parameters
    ----------
    quiet:
        Whether it prints nothing at all.
    """

    def __init__(self, stderr: bool = False, quiet: bool = False) -> None:
        super().__init__(stderr=stderr, quiet=quiet, markup=False, emoji=False, highlight=False)
        asked = os.environ.get("COLUMNS", "")
        if not self.is_terminal:
            self.width = int(asked) if asked.isdecimal() and 0 < int(asked) < PIPE_WIDTH else PIPE_WIDTH

    def on_broken_pipe(self) -> None:
        """Sends everything that follows to nowhere; the exit code stays what the command makes it."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())

    def lines(self, lines: Iterable[str]) -> None:
        """Prints lines as they are: files, commands, what another program reads."""
        for line in lines:
            self.print(line, soft_wrap=True)

    def facts(self, lines: Iterable[str]) -> None:
        """Prints lines for people; one that is too long goes on below, at a space."""
        self.lines(part for line in lines for part in hanging(line, self.width))
