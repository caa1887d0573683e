"""Data frames of pandas, which is an optional extra."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from .errors import require

if TYPE_CHECKING:
    import pandas


def data_frame(rows: Iterable[Mapping[str, Any]]) -> pandas.DataFrame:
    """A frame with a row for each mapping, and a column for each key in the order in which keys first come.

    Raises
    ------
    MissingExtraError
        If pandas is not installed.
    """
    require("pandas", "frames", "a data frame")
    import pandas

    listed = list(rows)
    return pandas.DataFrame(listed, columns=list(dict.fromkeys(key for row in listed for key in row)))
