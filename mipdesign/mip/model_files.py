"""Models as files for other solvers: ``.cip``, ``.mps``, ``.mps.gz``, ``.lp`` and ``.nl``, each read back after it was written.

SCIP writes them. Its writer crashes on ``log`` in ``.lp`` and ``.mps`` and leaves ordered sets out of ``.nl`` silently, so
a model goes only into a format that can carry it. Branching priorities are part of none. Numbers have 15 digits.
"""

from __future__ import annotations

import gzip
import hashlib
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pyscipopt import Model

from ..errors import SpecError
from ..files import write_whole, writing
from ..lattice.cell import Cell
from ..lattice.tables import Tables
from .capabilities import Capability
from .formulation import FormulationModel, formulation_named

FORMATS: Mapping[str, frozenset[Capability]] = {
    ".cip": frozenset({Capability.SOS2, Capability.NONLINEAR}),
    ".mps": frozenset({Capability.SOS2}),
    ".mps.gz": frozenset({Capability.SOS2}),
    ".lp": frozenset({Capability.SOS2}),
    ".nl": frozenset({Capability.NONLINEAR}),
}
"""By ending, what a file can carry of what a model may need."""
NONLINEAR_CONSTRAINTS = frozenset({"nonlinear"})
"""SCIP's constraint handlers whose constraints a file may restate with other numbers of variables."""


def write_model(form: FormulationModel, path: str | Path) -> None:
    """Writes a model in the format that the file's ending names, reads it back, and compares.

    Raises
    ------
    SpecError
        If the ending is unknown, the format cannot carry the model, or the file cannot be written or reads back as another one.
    """
    path = Path(path)
    ending = next((e for e in sorted(FORMATS, key=len, reverse=True) if path.name.endswith(e)), None)
    if ending is None:
        raise SpecError("--out", f"{path.name!r} names no format of models", f"end it with one of: {', '.join(FORMATS)}")
    require_carried(form, ending)
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / f"model{ending.removesuffix('.gz')}"
        form.model.writeProblem(str(plain), verbose=False)
        _require_equal(form.model, plain, path.name)
        content = plain.read_bytes()
    with writing(path):
        write_whole(path, gzip.compress(content, mtime=0) if ending.endswith(".gz") else content)


def export_cip(tables: Tables, cell: Cell, path: str | Path, formulation_id: str = "lattice") -> str:
    """Writes the model of a cell as a ``.cip`` file, which keeps nonlinear constraints too, and returns its SHA-256.

    Raises
    ------
    SpecError
        If a file cannot carry the model.
    """
    form = formulation_named(formulation_id).build(tables, cell)
    require_carried(form, ".cip")
    text = cip_text(form.model)
    Path(path).write_bytes(text)
    return hashlib.sha256(text).hexdigest()


def cip_text(model: Any) -> bytes:
    """A model as SCIP writes it: equal models give equal bytes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.cip"
        model.writeProblem(str(path), verbose=False)
        return path.read_bytes()


def require_carried(form: FormulationModel, ending: str) -> None:
    """That a format can carry all that a model needs.

    Raises
    ------
    SpecError
        If it cannot.
    """
    missing = sorted(capability.value for capability in form.requires - FORMATS[ending])
    if missing:
        able = ", ".join(e for e, carries in FORMATS.items() if form.requires <= carries)
        remedy = (
            f"end it with one of: {able}" if able else "no format can: choose a formulation without them, such as 'lattice'"
        )
        raise SpecError("--out", f"a {ending} file cannot carry {' and '.join(missing)}", remedy)


def read_model(path: str | Path) -> Any:
    """The PySCIPOpt model in a file.

    Raises
    ------
    OSError
        If SCIP cannot read it.
    """
    model = Model()
    model.hideOutput()
    model.readProblem(str(path))
    return model


def _require_equal(model: Any, written: Path, name: str) -> None:
    before, after = _shape(model), _shape(read_model(written))
    if before != after:
        raise SpecError("--out", f"{name} reads back as another model: {after}, not {before}", "use .cip")


def _shape(model: Any) -> dict[str, Any]:
    """What every format has to keep of a model: its direction, numbers of variables, and constraints of each kind.

    A binary may come back as an integer between 0 and 1.
    """
    constraints = model.getConss(False)
    linear = [c for c in constraints if c.getConshdlrName() not in NONLINEAR_CONSTRAINTS]
    return {
        "direction": model.getObjectiveSense(),
        "variables": model.getNVars(False),
        "integers": sum(v.vtype() != "CONTINUOUS" for v in model.getVars()),
        "constraints": dict(sorted(Counter(c.getConshdlrName() for c in constraints).items())),
        "linear nonzeros": sum(model.getConsNVars(c) for c in linear),
    }
