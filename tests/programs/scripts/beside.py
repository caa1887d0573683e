"""A formulation in a module beside a script."""

from mipdesign.formulations.columns import Columns


class Beside(Columns):
    """As ``columns``."""

    id, title = "beside", "in a module"
