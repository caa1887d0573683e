"""A linear model under construction, with a variable that is 1 in the place of constants."""

from __future__ import annotations

from mipdesign.mip.expressions import Expression
from mipdesign.mip.linear import LinearModel


class ModelBuilder(LinearModel):
    """A linear model whose first variable is 1."""

    def __init__(self) -> None:
        super().__init__()
        self.one = self.variable("one", lower=1.0, value=lambda _: 1.0)

    def constant(self, value: float) -> Expression:
        """A number as a multiple of the variable that is 1: so it stays on the left-hand side of a constraint."""
        return (self.one * value).within(value, value)

    def equal_to(self, name: str, value: Expression) -> Expression:
        """A variable that equals an expression."""
        if value.is_fixed:
            return self.constant(value.low)
        v = self.variable(name, lower=value.low, upper=value.high, value=lambda network: network.of(value))
        self.add(f"is_{name}", value == v)
        return v

    def never(self, reason: str) -> None:
        """Makes the model infeasible."""
        self.add(reason, self.one <= 0.0)
