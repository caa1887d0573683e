"""Verifying the folder of a design: the files are as they were written, and the certificate proves what they say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from ..certificate.certificate import Certificate
from ..certificate.verification import claims, foreign_families, result_claims
from ..checker import FAILS, HOLDS, Claim, opener
from ..files import read_bytes
from .certificate_file import CERTIFICATE, MOST_CERTIFICATE_BYTES, certificate_text
from .checking import Checking
from .design import DesignFiles
from .result import RESULT, result_text


def verify_folder(
    folder: str | Path,
    resolve: bool = False,
    on_node: Callable[[int, int], None] = lambda done, total: None,
    *,
    quick: bool = False,
    checking: Checking | None = None,
) -> Iterator[Claim]:
    """Verifies the files of a design run, claim by claim.

    Parameters
    ----------
    resolve, on_node, quick:
        Of :func:`mipdesign.certificate.verification.claims`.
    checking:
        A check of the certificate that has begun, for neither ``resolve`` nor ``quick``.

    Raises
    ------
    SpecError
        If the files cannot be read.
    """
    folder = Path(folder)
    files = DesignFiles.read(folder, finite=False, certificate=None if checking is None else checking.certificate)
    certificate = Certificate(files.certificate)
    for name, text in ((RESULT, result_text(files.result_data)), (CERTIFICATE, certificate_text(files.certificate))):
        same = text.encode() == read_bytes(folder / name, MOST_CERTIFICATE_BYTES)
        fault = "" if same else "its text is not that of its content"
        yield Claim(f"{name} is as it was written", HOLDS if same else FAILS, fault)
    yield from result_claims(files.result_data, certificate)
    found = None if checking is None or foreign_families() else checking.claims(on_node)
    if found is None:
        yield from claims(certificate, resolve=resolve, quick=quick, on_node=on_node, networks=opener(folder))
    else:
        yield from found
