"""What is said of the presets in a list, without reading a specification.

``presets/listing.json`` holds it for each preset beside the digest of its file. Of a file with another digest nothing is known
here: it was changed, and has to be read (:mod:`mipdesign.problem.summaries`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib import resources
from typing import Any

LISTING = "listing.json"
"""Name of the file, beside the presets."""


@dataclass(frozen=True)
class Summary:
    """A problem in a few words.

    Attributes
    ----------
    resolution:
        Of the input.
    blocks:
        All families that a super-block may have, sorted.
    networks:
        How many the space has, budgets and ties aside.
    budgets:
        Limits by name; that of a lower limit begins with ``min_``.
    """

    name: str
    resolution: int
    blocks: tuple[str, ...]
    networks: int
    budgets: Mapping[str, float]


def preset_names() -> list[str]:
    """Names of the problems that ship with the package."""
    folder = resources.files(__package__) / "presets"
    return sorted(item.name.removesuffix(".yaml") for item in folder.iterdir() if item.name.endswith(".yaml"))


def preset_text(name: str) -> str:
    """The specification of a preset."""
    return (resources.files(__package__) / "presets" / f"{name}.yaml").read_text(encoding="utf-8")


def digest_of(text: str) -> str:
    """What tells one specification from another."""
    return hashlib.sha256(text.encode()).hexdigest()


def listed_summaries() -> dict[str, Summary]:
    """Presets of which the listing tells, by name: those whose files are the ones that it was made of."""
    listing = json.loads((resources.files(__package__) / "presets" / LISTING).read_text(encoding="utf-8"))
    return {
        name: Summary(**listing[name]["summary"] | {"blocks": tuple(listing[name]["summary"]["blocks"])})
        for name in preset_names()
        if name in listing and listing[name]["sha256"] == digest_of(preset_text(name))
    }


def listing_entry(text: str, summary: Summary) -> dict[str, Any]:
    """What the listing has of a preset."""
    return {"sha256": digest_of(text), "summary": asdict(summary)}
