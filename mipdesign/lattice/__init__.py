"""The search space as tables of columns, evaluated in batches, and the cells that branching splits it into."""

from ..moved import names_of

__getattr__ = names_of(__name__)
