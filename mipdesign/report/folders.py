"""The folders that a page is made of: each file is read by the reader that stands beside its writer."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ..analysis.explanation_file import EXPLANATION, StoredExplanation, read_explanation
from ..analysis.frontier_file import FRONTIER, StoredFrontier, read_frontier
from ..checker import digest
from ..designs.design import Design, DesignFiles
from ..designs.result import RESULT
from ..errors import SpecError
from ..nn.validation_file import VALIDATION, StoredValidation, read_validation


@dataclass(frozen=True)
class DesignFolder:
    """A design, and what else its folder says.

    Attributes
    ----------
    label:
        Name of the folder.
    digests:
        SHA-256 by what they are of, as the files state them.
    solvers:
        What closed the cells of the certificate.
    faults:
        What in the files does not agree with itself.
    """

    label: str
    design: Design
    digests: dict[str, str]
    solvers: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    explanation: StoredExplanation | None = None
    validation: StoredValidation | None = None


@dataclass(frozen=True)
class FrontierFolder:
    """A frontier, and the name of its folder."""

    label: str
    frontier: StoredFrontier


def read_folder(folder: Path) -> list[DesignFolder | FrontierFolder]:
    """The design of a folder, its frontier, or both.

    Raises
    ------
    SpecError
        If there is neither, or a file is not what its name says.
    """
    found: list[DesignFolder | FrontierFolder] = []
    if not os.path.isdir(folder):
        raise SpecError("", "is not a folder", "give the folder of a design or a frontier", str(folder))
    label = folder.resolve().name
    if os.path.lexists(folder / RESULT):
        found.append(_read_design(folder, label))
    if os.path.lexists(folder / FRONTIER):
        found.append(FrontierFolder(label, read_frontier(folder / FRONTIER)[0]))
    if not found:
        what = f"holds neither {RESULT} nor {FRONTIER}"
        raise SpecError("", what, "give the folder of a design or a frontier", str(folder))
    return found


def _read_design(folder: Path, label: str) -> DesignFolder:
    files = DesignFiles.read(folder)
    result, certificate = files.result, files.certificate
    design = Design.of_files(files)
    try:
        design.certificate.summary()
        if not isinstance(certificate["claim"], dict):
            raise ValueError("no claim")
        if not isinstance(certificate["contenders"], list):
            raise ValueError("no candidates")
        solvers = tuple(sorted({str(cell["solver"]) for cell in certificate["cells"]}))
        stated = {"result": result.sha256, "certificate": result.certificate_sha256}
        digests = {name: str(value) for name, value in (stated | certificate["sha256"]).items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        remedy = "give a folder that 'design --out' wrote"
        raise SpecError("", f"not a result of a design run ({error!r})", remedy, str(folder)) from None
    computed = {
        "result": digest({key: value for key, value in files.result_data.items() if key != "sha256"}),
        "certificate": digest(certificate),
    }
    faults = [
        f"{name}.json is not as it was written: its SHA-256 is another" for name in computed if computed[name] != stated[name]
    ]
    if result.objective != design.objective:
        faults.append(f"the file states the objective {result.objective}, the network has {design.objective}")
    explanation, validation = folder / EXPLANATION, folder / VALIDATION
    return DesignFolder(
        label,
        design,
        digests,
        solvers,
        tuple(faults),
        read_explanation(explanation) if os.path.lexists(explanation) else None,
        read_validation(validation) if os.path.lexists(validation) else None,
    )
