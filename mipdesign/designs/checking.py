"""The check of a certificate by a copy of this process, while this one imports what it takes to show the claims."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from ..checker import Claim, Networks, check, opener
from ..errors import SpecError
from ..forks import can_fork
from ..processes import PICKLES, Conversation, ParentLink
from .certificate_file import CERTIFICATE, read_certificate

TELL_SECONDS = 0.1
"""Least time between two reports of the nodes that are done."""


class Checking:
    """A copy of this process that checks a certificate, without the block families of plug-ins and without a solver.

    Attributes
    ----------
    certificate:
        The content of ``certificate.json``.
    """

    def __init__(self, certificate: dict[str, Any], networks: Networks | None = None) -> None:
        self.certificate, self.networks = certificate, networks
        self._heard: SimpleQueue[tuple[int, int] | list[Claim] | None] = SimpleQueue()
        self._process = Conversation(self._check, PICKLES, self._heard.put, lambda ended: self._heard.put(None))

    @classmethod
    def begin(cls, folder: Path) -> Checking | None:
        """Begins to check the certificate of a folder; ``None`` where this process cannot be copied, or no certificate be read:
        who reads it next says why.
        """
        if not can_fork():
            return None
        try:
            return cls(read_certificate(folder / CERTIFICATE, finite=False), opener(folder))
        except SpecError:
            return None

    def _check(self) -> None:
        link, told = ParentLink(PICKLES), -math.inf

        def on_node(done: int, total: int) -> None:
            nonlocal told
            now = time.monotonic()
            if now >= told + TELL_SECONDS:
                told = now
                link.send((done, total))

        link.send(list(check(self.certificate, on_node=on_node, networks=self.networks)))

    def claims(self, on_node: Callable[[int, int], None]) -> list[Claim] | None:
        """All claims, once they are decided; ``None`` if the copy came to no end."""
        while isinstance(heard := self._heard.get(), tuple):
            on_node(*heard)
        self._process.end()
        return heard
