"""The table of defaults in the specification's page is that of the models."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from mipdesign.networks.evaluator import DEFAULT_BYTES
from mipdesign.numerals import plain_number
from mipdesign.problem.budgets import Budgets
from mipdesign.problem.problem import Problem
from mipdesign.problem.specification import Lattice, RatioRange, SpecModel, WidthRatio

DATA = Path(__file__).parents[1] / "data"
PAGE = Path(__file__).parents[2] / "docs" / "specification.md"


def models_in(annotation: Any) -> list[type[SpecModel]]:
    """The parts of a specification that a field may hold."""
    if isinstance(annotation, type) and issubclass(annotation, SpecModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in models_in(argument)]


def text(value: Any) -> str:
    """A default as a specification writes it."""
    if value is None:
        return "none"
    if isinstance(value, BaseModel):
        fields = {name: getattr(value, name) for name in type(value).model_fields}
        given = {name: field for name, field in fields.items() if field is not None and field != ()}
        return "{" + ", ".join(f"{name}: {text(field)}" for name, field in given.items()) + "}" if given else "none"
    if isinstance(value, (tuple, list)):
        return "[" + ", ".join(map(text, value)) + "]" if value else "none"
    if isinstance(value, Fraction):
        return str(plain_number(value))
    return (
        {True: "true", False: "false"}.get(value, str(value))
        if isinstance(value, bool)
        else f"{value}"
        if value != {}
        else "none"
    )


def fields(model: type[BaseModel], path: str = "") -> Iterator[tuple[str, str]]:
    """Every field of a specification that may be left out, with its default; ends of ratios are told by those of the ratio."""
    for name, field in model.model_fields.items():
        inner = [part for part in models_in(field.annotation) if not issubclass(part, Lattice)]
        several = str(field.annotation).startswith(("tuple", "typing.Annotated[tuple", "dict"))
        at = path + name
        if model is Budgets:
            assert text(field.default) == "none", f"{at}: a limit that nobody has set"
            yield from ((key, default) for part in inner for key, default in fields(part, f"{at}.") if default != "none")
            continue
        if field.default is not PydanticUndefined and model not in (WidthRatio, RatioRange):
            yield at, text(field.default)
        for part in inner:
            yield from fields(part, f"{at}.*." if several else f"{at}.")


def test_the_page_lists_every_default() -> None:
    after = PAGE.read_text().partition("## Every default\n")[2].partition("\n## ")[0]
    listed = dict(re.findall(r"^\| `([^`]+)` \| `([^`]+)` \|", after, re.MULTILINE))
    expected = dict(fields(Problem)) | {"budgets.NAME": "none", "budgets.NAME.bytes": str(DEFAULT_BYTES)}
    expected |= {
        "LATTICE.min": text(Lattice.model_fields["min"].default),
        "LATTICE.step": text(Lattice.model_fields["step"].default),
    }
    lines = "\n".join(f"| `{name}` | `{default}` |" for name, default in expected.items())
    assert listed == expected, f"write these rows, with what they mean, into {PAGE.name}:\n{lines}"


@pytest.mark.parametrize(("value", "expected"), [(None, "none"), (True, "true"), (("min",), "[min]"), (Fraction(1, 10), "0.1")])
def test_defaults_are_written_as_a_specification_has_them(value: Any, expected: str) -> None:
    assert text(value) == expected


def test_what_follows_from_the_convention_and_the_score_is_as_the_page_says() -> None:
    data = Problem.load(DATA / "small.yaml").to_dict() | {"objective": {}}
    one, paper = (Problem.from_dict(data | {"convention": name}).scoring for name in ("reference", "paper"))
    assert (one.alpha, one.beta, one.log_base, one.effectiveness_price) == ((1.0, 1.0, 8.0), 10.0, None, 0.0)
    assert (one.penalty_form, one.penalised, paper.penalty_form) == ("exp_std", (0, 1, 2), "exp_var")
    assert (one.exponents, one.sigmas) == ((1.0, 1.0), (5.0, 4.0))
    madnas = Problem.from_dict(data | {"objective": {"score": "madnas"}}).scoring
    assert (madnas.alpha, madnas.beta, madnas.exponents) == ((0.0, 0.0, 1.0), 0.0, (1.0, 0.0))
