"""Tests of torch modules run on one thread, since processes run side by side, and from one seed, whichever test came before."""

from __future__ import annotations

import sys

import pytest


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Where torch is imported: what is tested without it must not import it."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)
        torch.manual_seed(0)
