"""What a specification says of a table of values: its rows, its weight, and what gaps and overlaps mean."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Any, get_args

from pydantic import BeforeValidator, model_validator

from ..errors import SpecError, short
from ..networks.values import LARGEST, Missing, Several, ValueTable
from ..numerals import exact
from .specification import SpecModel


def _weight(value: Any) -> Fraction:
    """A number that is not 0."""
    number = exact(value)
    if not 0 < abs(number) <= LARGEST:
        raise SpecError("", f"{short(value)} is refused", f"give a number other than 0, up to {LARGEST:g}")
    if not _is_decimal(number):
        raise SpecError("", f"{short(value)} is not a decimal", "give one, such as 0.25")
    return number


def _is_decimal(number: Fraction) -> bool:
    return (10**60 * number).denominator == 1


def _word(value: Any, words: tuple[str, ...]) -> Any:
    if isinstance(value, int) and not isinstance(value, bool) and value == 0:
        value = "zero"
    if value not in words:
        raise SpecError("", f"{short(value)} is refused", f"use one of: {', '.join(words)}")
    return value


class TableSpec(SpecModel):
    """A table of the values of super-blocks, see :mod:`mipdesign.networks.values`.

    Attributes
    ----------
    rows:
        The lines of the table; or in their place ``file``, the path of a CSV file. A problem that was read holds the lines.
    weight:
        What one unit of the values is worth beside the score.
    missing, several:
        What a super-block without a row, or with several, means.
    """

    rows: ValueTable
    weight: Annotated[Fraction, BeforeValidator(_weight)] = Fraction(1)
    missing: Annotated[Missing, BeforeValidator(lambda value: _word(value, get_args(Missing)))] = "refuse"
    several: Annotated[Several, BeforeValidator(lambda value: _word(value, get_args(Several)))] = "refuse"

    @model_validator(mode="before")
    @classmethod
    def _read_table(cls, data: Any) -> Any:
        if isinstance(data, cls):
            return data
        if not isinstance(data, dict):
            raise SpecError("", f"{short(data)} is not a table", "give a mapping with file or rows")
        made = dict(data)
        path, rows = made.pop("file", None), made.get("rows")
        if (path is None) == (rows is None):
            raise SpecError("file", "is missing" if path is None else "stands beside rows", "give either file or rows")
        field = "rows" if path is None else "file"
        try:
            if path is not None and not isinstance(path, str):
                raise SpecError("", f"{short(path)} is not a path", "give that of a CSV file")
            if path is not None:
                made["rows"] = ValueTable.load(path)
            elif isinstance(rows, (list, tuple)) and all(isinstance(line, str) for line in rows):
                made["rows"] = ValueTable.from_lines(rows)
            elif not isinstance(rows, ValueTable):
                raise SpecError("", f"{short(rows)} is not a table", "give its lines of CSV")
        except SpecError as error:
            field = ".".join(part for part in (field, error.field) if part)
            raise SpecError(field, error.problem, error.remedy, error.source) from None
        return made
