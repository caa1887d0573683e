"""What is said of the presets in a list, without reading a specification.

``presets/listing.json`` holds it for each preset beside the digest of its file. Of a file with another digest nothing is known
here: it was changed, and has to be read (:mod:`mipdesign.problem.summaries`).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib import resources
from typing import Any

from ..errors import SpecError, one_of

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


def no_problem(text: str, is_path: bool) -> SpecError | None:
    """Why a text that is no preset's name stands for no problem, if it does not; ``is_path`` where it looks like a path."""
    from ..io.library_networks import NETWORKS

    if os.path.isdir(text):
        return SpecError("", f"{text!r} is a folder, not a problem", "give a preset's name, or the path of a specification")
    if os.path.lexists(text):
        return None
    if text in NETWORKS:
        remedy = f"give a preset's name or the path of a specification, or set it beside an optimum: compare {text}"
        return SpecError("", f"{text!r} is a network, not a problem", remedy)
    return (
        None
        if is_path
        else SpecError("", f"{text!r} is not a preset", f"{one_of(text, preset_names())}, or the path of a YAML file")
    )


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
