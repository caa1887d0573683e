"""The core as a library: what Python passes is what the core reads."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

from mipdesign.lattice.arrays import Structure, figures_of, new_rows, write_rows
from mipdesign.native.library import doubles, function, integers
from mipdesign.search.branching import Answer, Question


def test_a_problem_has_the_same_layout_on_both_sides() -> None:
    assert function("size_of_arrays", "i", "")() == ctypes.sizeof(Structure)


def test_what_is_asked_of_a_node_and_answered_has_the_same_layout_on_both_sides() -> None:
    assert function("size_of_question", "i", "")() == ctypes.sizeof(Question)
    assert function("size_of_answer", "i", "")() == ctypes.sizeof(Answer)


@pytest.mark.parametrize("budgets", [0, 1, 4])
def test_a_column_has_the_same_layout_on_both_sides(budgets: int) -> None:
    rows, random = new_rows(37, budgets), np.random.default_rng(budgets)
    assert rows.ctypes.data % 64 == 0
    figures = figures_of(np.empty(40 * rows.itemsize, dtype=np.uint8), 37, budgets)
    for values in figures.values():
        values[...] = random.integers(0, 250, values.shape)
    write_rows(rows, figures)
    for name, values in figures.items():
        assert (rows[name] == (values if values.ndim == 1 else values.transpose(2, 1, 0))).all()


@pytest.mark.parametrize("array", [np.zeros(3, dtype=np.float32), np.zeros((3, 4)).T, np.zeros(8)[::2]])
def test_arrays_of_another_type_or_order_are_refused(array: np.ndarray) -> None:
    with pytest.raises(TypeError, match="row by row"):
        doubles(array)


def test_the_place_of_an_array_is_where_its_numbers_are() -> None:
    numbers = np.arange(5)
    fixed = numbers.copy()
    fixed.flags.writeable = False
    for array in (numbers, fixed):
        assert ctypes.cast(integers(array), ctypes.POINTER(ctypes.c_int64))[:5] == numbers.tolist()
    assert isinstance(integers(numbers[:0]), int)
