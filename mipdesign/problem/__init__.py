"""What is asked: the search space, the budgets and the presets."""

from ..moved import names_of

__getattr__ = names_of(__name__)
