"""Versions that a result depends on."""

from __future__ import annotations

import platform
from importlib import metadata

VERSIONED = ("mipdesign", "numpy", "pyscipopt", "networkx", "pydantic", "torch")


def installed_versions() -> dict[str, str]:
    """Versions of Python and of the packages that are installed."""
    versions = {"python": platform.python_version()}
    for package in VERSIONED:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions
