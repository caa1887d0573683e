"""Dask clusters, where the extra for them is installed."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..errors import SpecError, require

if TYPE_CHECKING:
    from distributed import Client

CONNECT_SECONDS = 10
"""Time for a scheduler to answer."""


def require_distributed(purpose: str) -> None:
    """Makes sure that distributed is installed, and keeps it quiet: what concerns a task is in its result.

    Raises
    ------
    MissingExtraError
        If it is not.
    """
    require("distributed", "cluster", purpose)
    logging.getLogger("distributed").setLevel(logging.CRITICAL)


@contextmanager
def connected(scheduler: str, purpose: str) -> Iterator[Client]:
    """A client of the cluster whose scheduler has an address.

    Raises
    ------
    MissingExtraError
        If distributed is not installed.
    SpecError
        If the scheduler does not answer.
    """
    require_distributed(purpose)
    from distributed import Client

    try:
        client = Client(scheduler, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        text = f"{scheduler!r} does not answer ({error})"
        raise SpecError("scheduler", text, "give the address that 'dask scheduler' prints") from None
    with client:
        yield client
