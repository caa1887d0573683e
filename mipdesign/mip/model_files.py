"""Models as files for other solvers: ``.cip``, ``.mps``, ``.mps.gz``, ``.lp`` and ``.nl``, each read back after it was written.

SCIP writes them. Its writer crashes on ``log`` in ``.lp`` and ``.mps`` and leaves ordered sets out of ``.nl`` silently, so
a model goes only into a format that can carry it. Branching priorities are part of none. Numbers have 15 digits.

Models are to be maximised, but MPS files are minimised: the format had no word for the sense of an objective, and readers
differ about the section ``OBJSENSE`` that came later. Coin's ignores it, so that CBC answers the worst network in place of the
best one, and GLPK's refuses the file. So these files hold the negative of the objective, and no such section.
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
MINIMISED = frozenset({".mps", ".mps.gz"})
"""By ending, the files that hold the negative of the objective, to be minimised."""
SETS_LOST = {
    ".mps": "SCIP reads them; CBC by cylp leaves them out without a word; the program cbc may crash; HiGHS and GLPK refuse it",
    ".lp": "SCIP and the program cbc read them; CBC by cylp leaves them out without a word; HiGHS and GLPK refuse it",
}
"""By ending, what readers do with ordered sets of type 2: SCIP 10.0.2, cbc 2.10.3, cylp 0.94.1, HiGHS 1.15.1, GLPK 5.0."""
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
    ending = ending_of(path)
    require_carried(form, ending)
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / f"model{ending.removesuffix('.gz')}"
        model = _minimised(form.model) if ending in MINIMISED else form.model
        model.writeProblem(str(plain), verbose=False)
        if ending in MINIMISED:
            plain.write_bytes(_without_sense(plain.read_bytes(), form))
        _require_equal(model, plain, path.name)
        content = plain.read_bytes()
    with writing(path):
        write_whole(path, gzip.compress(content, mtime=0) if ending.endswith(".gz") else content)


def ending_of(path: Path) -> str:
    """The format that a file's ending names, one of :data:`FORMATS`.

    Raises
    ------
    SpecError
        If it names none.
    """
    ending = next((e for e in sorted(FORMATS, key=len, reverse=True) if path.name.endswith(e)), None)
    if ending is None:
        raise SpecError("path", f"{path.name!r} names no format of models", f"end it with one of: {', '.join(FORMATS)}")
    return ending


def objective_of_file(form: FormulationModel, path: Path) -> str:
    """What the optimum of the model in a file means."""
    if ending_of(path) in MINIMISED:
        return f"to be minimised; the network's objective is {-form.objective_scale!r} times the model's"
    return f"to be maximised; one unit of its objective is {form.objective_scale!r} of the network's"


def caution(form: FormulationModel, path: Path) -> str | None:
    """What readers of a file may lose without a word, and what to write in its place; ``None`` if nothing."""
    readers = SETS_LOST.get(ending_of(path).removesuffix(".gz"))
    if Capability.SOS2 not in form.requires or readers is None:
        return None
    return f"special ordered sets of type 2: {readers}. Without sets: --formulation compact:log:lattice:onehot"


def _minimised(model: Any) -> Any:
    """A copy of a model that minimises the negative of its objective."""
    turned = Model(sourceModel=model, origcopy=True)
    turned.hideOutput()
    turned.setProbName(model.getProbName())
    turned.setObjective(-turned.getObjective(), "minimize")
    return turned


def _without_sense(text: bytes, form: FormulationModel) -> bytes:
    """An MPS file without the section that states its sense, which is the one that files without it have; and a comment."""
    before, section, after = text.partition(b"OBJSENSE\n  MIN\n")
    assert section, "SCIP writes the sense of every objective"
    note = f"* The negative of the objective is minimised: the network's is {-form.objective_scale!r} times the model's\n"
    return note.encode() + before + after


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
        raise SpecError("path", f"a {ending} file cannot carry {' and '.join(missing)}", remedy)


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
        raise SpecError("path", f"{name} reads back as another model: {after}, not {before}", "use .cip")


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
