"""A score fitted to measured networks: a linear model of features that add up over super-blocks, as a table of values.

Each feature is a function of one or two fields of a super-block, so that the model is a table with a row for every value of
these on the lattices. Its values are rounded to decimals in these rows, and what is optimised then is exactly what is written.

The regression is a ridge of standardised features (Hoerl, Kennard 1970), whose strength has the least error of networks left
out one at a time; what it is good for is told by cross-validation around all of that, as Kendall's tau with a bootstrapped
interval.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arguments import FLAG, SEED, TEXT, arguments, each, instance
from ..errors import SpecError, counted, one_of, require, short
from ..files import csv_rows, read_text
from ..networks.architecture import Architecture, single
from ..networks.values import FIELDS, HEADER
from ..nn.reading import read_network
from ..numerals import NUMBER
from ..problem.problem import Problem
from .rank_correlation import pooled_tau

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Feature:
    """A function of some fields of a super-block, in the order of :data:`FIELDS`."""

    fields: tuple[str, ...]
    of: Callable[..., float]


FEATURES: Mapping[str, Feature] = {
    "depth": Feature(("depth",), float),
    "log_channels": Feature(("channels",), math.log),
    "log_width": Feature(("width",), math.log),
    "log_kernel": Feature(("kernel",), math.log),
    "depth_log_channels": Feature(("channels", "depth"), lambda c, depth: depth * math.log(c)),
    "depth_log_width": Feature(("width", "depth"), lambda b, depth: depth * math.log(b)),
}
"""Features by name: sums over super-blocks, or over their blocks."""
DEFAULT_FEATURES = ("depth", "log_channels", "log_width", "log_kernel")
RESULTS = ("network", "accuracy")
"""Columns of a file of results: a network as ``read_network`` takes it, and what was measured of it."""
LEAST_NETWORKS = 6
MOST_ACCURACY = 1e6
STRENGTHS = tuple(10.0 ** (n / 2) for n in range(-6, 7))
FOLDS = 10
PER_FEATURE = 3
"""Fewer networks than so many for each feature are too few for a warning not to be due."""
DIGITS = 12
"""Places after the point of the values that are written, where coefficients lie between -1 and 1; of larger ones fewer."""
MOST_WRITTEN = 20_000
"""Most rows that a specification holds."""


@dataclass(frozen=True)
class Results:
    """Networks, and what was measured of each."""

    networks: tuple[Architecture, ...]
    accuracies: Floats
    places: tuple[str, ...] = ()

    def place(self, n: int) -> str:
        """Where the ``n``-th network was read, or its number from 1."""
        return self.places[n] if self.places else f"network {n + 1}"


@dataclass(frozen=True)
class Fit:
    """A fitted score.

    Attributes
    ----------
    problem:
        The problem with the score in place of its objective: the prediction of what was measured.
    coefficients:
        Of each feature, by name; with the number of the super-block where each has its own.
    constant:
        The features that all networks share, which were left out.
    strength:
        Of the ridge, which has the least error of networks that are left out.
    tau, low, high:
        Kendall's tau of predictions for networks that the model had not seen, and its interval of 95%.
    r2:
        The share of the variance that these predictions explain; negative where the mean predicts better.
    warnings:
        What speaks against using it.
    """

    problem: Problem
    coefficients: Mapping[str, float]
    constant: tuple[str, ...]
    strength: float
    tau: float
    low: float
    high: float
    r2: float
    networks: int
    warnings: tuple[str, ...] = field(default=())

    def to_dict(self) -> dict[str, Any]:
        """Plain data, without the problem."""
        plain = {name: value for name, value in vars(self).items() if name != "problem"}
        return plain | {
            "coefficients": dict(self.coefficients),
            "constant": list(self.constant),
            "warnings": list(self.warnings),
        }


def read_results(path: str | Path) -> Results:
    """Reads a CSV file with the columns :data:`RESULTS`, other columns are ignored; paths of networks are relative to it. Lines
    that begin with ``#`` are comments.

    Raises
    ------
    SpecError
        With the file, the line and the column at fault.
    """
    place = Path(path)
    header = f"write the header {','.join(RESULTS)} and one network a line"
    try:
        rows = csv_rows(read_text(place).splitlines(), header)
    except SpecError as error:
        raise error if error.source else error.at(str(path)) from None
    if len(rows) < 2 or any(rows[0][1].count(name) != 1 for name in RESULTS):
        raise SpecError("", "is not a file of results", header, str(path))
    names = rows[0][1]
    networks, measured, places, columns = [], [], [], [names.index(name) for name in RESULTS]
    for n, row in rows[1:]:
        if len(row) != len(names):
            raise SpecError(f"line {n}", f"has {counted(len(row), 'column')}", f"give {len(names)}, as the header", str(path))
        name, text = (row[column] for column in columns)
        if not NUMBER.fullmatch(text) or not abs(float(text)) < MOST_ACCURACY:
            raise SpecError(f"line {n}, accuracy", f"{short(text)} is refused", "give a number between -1e6 and 1e6", str(path))
        if not name:
            raise SpecError(f"line {n}, network", "is empty", "name a network's file", str(path))
        there = place.parent / name
        try:
            networks.append(read_network(there if there.exists() else name))
        except SpecError as error:
            fault = ": ".join(part for part in (error.source, error.field, error.problem) if part)
            raise SpecError(f"line {n}, network", fault, error.remedy, str(path)) from None
        measured.append(float(text))
        places.append(f"{path}, line {n}")
    return Results(tuple(networks), np.array(measured), tuple(places))


@arguments(
    problem=instance(Problem, "a problem", "a Problem, such as Problem.load() reads"),
    results=instance(Results, "the results of networks", "what read_results() reads"),
    features=each(TEXT, "a list of names"),
    per_stage=FLAG,
    seed=SEED,
)
def fit_score(
    problem: Problem, results: Results, features: Sequence[str] = DEFAULT_FEATURES, per_stage: bool = False, seed: int = 0
) -> Fit:
    """Fits a score to measured networks. One that was measured several times counts once, with the mean.

    Parameters
    ----------
    features:
        Names of :data:`FEATURES`.
    per_stage:
        Whether each super-block has coefficients of its own.
    seed:
        Of folds and resamples.

    Raises
    ------
    SpecError
        If networks are too few, all alike, or none of the problem's space could be one of them; or a feature is unknown.
    MissingExtraError
        If scikit-learn is not installed.
    """
    require("sklearn", "fit", "the fit of a score")
    _check(problem, results, features)
    outside = _outside(problem, results)
    results = _each_once(results)
    if len(results.networks) < LEAST_NETWORKS:
        raise SpecError("results", f"have {counted(len(results.networks), 'network')}", f"measure at least {LEAST_NETWORKS}")
    if not np.ptp(results.accuracies) > 0:
        raise SpecError(
            "results", f"have one accuracy, {results.accuracies[0]:g}, of all networks", "measure networks that differ"
        )
    stages = len(problem.stages)
    names = [f"{name}{n}" for name in features for n in (range(1, 1 + stages) if per_stage else ("",))]
    matrix = np.array([_features_of(network, features, per_stage) for network in results.networks])
    varies = np.ptp(matrix, axis=0) > 0
    if not varies.any():
        raise SpecError("results", "have networks of which all features are the same", "measure different networks")
    kept = [name for name, does in zip(names, varies, strict=True) if does]
    varying = matrix[:, varies]
    model = _ridge().fit(varying, results.accuracies)
    coefficients, intercept = _coefficients(model)
    strength = float(model[-1].alpha_)
    predicted = _unseen(varying, results.accuracies, seed)
    order = pooled_tau([(predicted, results.accuracies)], seed)
    tau, low, high = np.nan_to_num([order.value, order.lower, order.upper]).tolist()  # predictions that are equal order nothing
    spread = float(((results.accuracies - results.accuracies.mean()) ** 2).sum())
    r2 = 1.0 - float(((results.accuracies - predicted) ** 2).sum()) / spread if spread > 0 else 0.0
    of = dict(zip(kept, coefficients.tolist(), strict=True))
    warnings = [outside] if outside else []
    if len(results.networks) < PER_FEATURE * len(kept):
        warnings.append(f"{len(results.networks)} networks are few for {len(kept)} features: measure {PER_FEATURE * len(kept)}")
    if not low > 0:
        warnings.append(
            f"predictions may order networks no better than chance: tau is {tau:.2f}, between {low:.2f} and {high:.2f}"
        )
    rows = [",".join(HEADER), *_rows(problem, features, per_stage, of, intercept)]
    if len(rows) > MOST_WRITTEN:
        raise SpecError(
            "features", f"need {len(rows)} rows", "use features of one field, or coefficients that super-blocks share"
        )
    objective = {"kind": "table", "several": "add", "rows": rows}
    data = problem.to_dict()
    fitted = Problem.from_dict(data | {"name": f"{data['name'][:90]}-fitted", "objective": objective})
    constant = tuple(name for name in names if name not in of)
    return Fit(fitted, of, constant, strength, tau, low, high, r2, len(results.networks), tuple(warnings))


def _each_once(results: Results) -> Results:
    """The networks, each with the mean of what was measured of it: one that is left out is left out whole."""
    of: dict[Architecture, list[float]] = {}
    for network, measured in zip(results.networks, np.asarray(results.accuracies).tolist(), strict=True):
        of.setdefault(network, []).append(measured)
    return Results(tuple(of), np.array([math.fsum(several) / len(several) for several in of.values()]))


def _check(problem: Problem, results: Results, features: Sequence[str]) -> None:
    for name in features:
        if name not in FEATURES:
            raise SpecError("features", f"{short(name)} is not a feature", one_of(name, FEATURES))
    if not features or len(set(features)) < len(features):
        fault = "are none" if not features else "name one twice"
        raise SpecError("features", fault, f"use each once, of: {', '.join(FEATURES)}")
    if np.shape(results.accuracies) != (len(results.networks),):
        raise SpecError("results", "have not one accuracy of each network", "give as many, in the same order")
    if not (np.abs(results.accuracies) < MOST_ACCURACY).all():
        fault = f"have an accuracy that is no number between -{MOST_ACCURACY:g} and {MOST_ACCURACY:g}"
        raise SpecError("results", fault, "leave its network out, or measure it again")
    for n, network in enumerate(results.networks):
        if len(network.stages) != len(problem.stages):
            text = f"has {counted(len(network.stages), 'super-block')}, and the problem {len(problem.stages)}"
            raise SpecError(results.place(n), text, "measure networks of its space")
        if not all(stage.repeats for stage in network.stages):
            raise SpecError(results.place(n), "has a super-block whose blocks differ", "measure networks of equal blocks")


def _outside(problem: Problem, results: Results) -> str:
    """A warning of networks that are not of the space, with the first of them; empty if all are."""
    wrong = {n: fields for n, network in enumerate(results.networks) if (fields := problem.outside_space(network))}
    if not wrong:
        return ""
    first = next(iter(wrong))
    share = f"{len(wrong)} of {counted(len(results.networks), 'network')}"
    example = f"{results.place(first)}: {', '.join(wrong[first][:3])}"
    return f"{share} outside the space, such as {example}: what is fitted to them says little of it"


def _features_of(network: Architecture, features: Sequence[str], per_stage: bool) -> list[float]:
    """The features of a network: of each super-block, or summed over them."""
    row: list[float] = []
    for name in features:
        feature, of_stages = FEATURES[name], []
        for stage in network.stages:
            own = {"channels": stage.channels, "width": single(stage.bottleneck), "kernel": single(stage.kernel)}
            own |= {"depth": stage.depth}
            of_stages.append(feature.of(*(own[part] for part in feature.fields)))
        row += of_stages if per_stage else [math.fsum(of_stages)]
    return row


def _ridge() -> Any:
    """The regression: features in units of their standard deviation, and of the strengths the one by which networks that are
    left out are predicted best.
    """
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), RidgeCV(STRENGTHS))


def _coefficients(fitted: Any) -> tuple[Floats, float]:
    """The coefficients of features as they are, and the constant beside them."""
    scaler, ridge = (step for _, step in fitted.steps)
    coefficients = ridge.coef_ / scaler.scale_
    return coefficients, float(ridge.intercept_ - coefficients @ scaler.mean_)


def _unseen(x: Floats, y: Floats, seed: int) -> Floats:
    """Predictions for networks of folds that the model had not seen."""
    from sklearn.model_selection import KFold, cross_val_predict

    folds = KFold(min(FOLDS, len(y)), shuffle=True, random_state=seed)
    return cross_val_predict(_ridge(), x, y, cv=folds)  # type: ignore[no-any-return]


def _rows(
    problem: Problem, features: Sequence[str], per_stage: bool, coefficients: Mapping[str, float], intercept: float
) -> Iterable[str]:
    """The model as rows of a table: one for every value of a feature's fields, and the constant in the first super-block."""
    of_stages = [_values_of(problem, i) for i in range(len(problem.stages))]
    largest = max(1.0, abs(intercept), *map(abs, coefficients.values()))
    places = max(0, DIGITS - math.ceil(math.log10(largest)))
    yield _row({"stage": 1}, intercept, places)
    for name in features:
        feature = FEATURES[name]
        groups = [({"stage": n}, [own]) for n, own in enumerate(of_stages, 1)] if per_stage else [({}, of_stages)]
        for stage, own in groups:
            coefficient = coefficients.get(f"{name}{stage.get('stage', '')}", 0.0)
            every = sorted({key for values in own for key in _product([values[part] for part in feature.fields])})
            for key in every:
                fields = stage | dict(zip(feature.fields, key, strict=True))
                yield _row(fields, coefficient * feature.of(*key), places)


def _values_of(problem: Problem, i: int) -> dict[str, list[int]]:
    """The values of every field of a super-block."""
    space = problem.space[i]
    return {
        "channels": list(space.channels),
        "width": sorted({b for choice in space.choices for of_channels in choice.widths for b in of_channels}),
        "kernel": sorted({k for choice in space.choices for k in choice.kernels}),
        "depth": list(space.depths),
    }


def _product(axes: Sequence[Sequence[int]]) -> Iterable[tuple[int, ...]]:
    keys: list[tuple[int, ...]] = [()]
    for axis in axes:
        keys = [(*key, value) for key in keys for value in axis]
    return keys


def _row(fields: Mapping[str, int], value: float, places: int) -> str:
    """A line of the table, its value a decimal."""
    return ",".join([*(str(fields.get(name, "")) for name in FIELDS), f"{value:.{places}f}"])
