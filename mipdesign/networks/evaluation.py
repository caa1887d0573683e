"""All figures of one network, as :mod:`mipdesign.networks.evaluator` computes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..display import Displayed
from ..frames import data_frame

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class Evaluation(Displayed):
    """All figures of one network in one convention.

    ``params`` and ``flops`` follow the convention; the counts beside them mean the same in both. ``penalty`` is ``beta * Q``,
    and ``objective = weighted_entropy - penalty``, less the effectiveness at its price where there is one, with the ``value``
    by a table of values (``None`` without one). ``latency`` is in microseconds, ``None`` without a table that covers it;
    ``latencies`` are those by several tables, by the names of their budgets. The last four are those of
    :mod:`mipdesign.networks.tool_counts`, where the score is additive or the network one of video or quantised, and they are
    defined. What is a whole number is an integer.
    """

    convention: str
    params: int
    flops: float
    params_total: int
    params_backbone: int
    macs: int
    reference_flops: int
    effectiveness: float
    layers: int
    blocks: int
    activations: int
    weights_bytes: int
    activation_memory: int
    weighted_stage_entropies: tuple[float, ...]
    weighted_entropy: float
    penalty: float
    objective: float
    value: float | None = None
    latency: float | None = None
    latencies: Mapping[str, float] = field(default_factory=dict)
    tool_flops: float | None = None
    bit_operations: float | None = None
    model_size: float | None = None
    max_feature: float | None = None

    def __repr__(self) -> str:
        figures = f"params {self.params:,}, flops {self.flops:,}, effectiveness {self.effectiveness:.6g}, {self.layers} layers"
        return f"<Evaluation in convention {self.convention}: objective {self.objective:,.3f}, {figures}>"

    def to_frame(self) -> pandas.DataFrame:
        """One row with a column for each figure, so that frames of several networks can be put below each other.

        Needs pandas, the extra ``frames``.
        """
        data = self.to_dict()
        of_stages = data.pop("weighted_stage_entropies")
        return data_frame([data | {f"weighted_stage_entropies.{j}": value for j, value in enumerate(of_stages)}])

    def to_dict(self) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for name, value in vars(self).items():
            data |= value if name == "latencies" else {} if value is None else {name: value}
        data["weighted_stage_entropies"] = list(self.weighted_stage_entropies)
        return data
