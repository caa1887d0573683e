"""A script that designs ``../small.yaml`` with a formulation from beside it, and with one of its own, which is refused."""

import beside
from mipdesign.formulations.columns import Columns

import mipdesign


class Mine(Columns):
    """As ``columns``."""

    id = "mine"
    title = "in the script itself"


if __name__ == "__main__":
    mipdesign.register_formulation(beside.Beside)
    mipdesign.register_formulation(Mine)
    problem = mipdesign.Problem.load("../small.yaml")
    design = mipdesign.design(problem, formulation="beside", presolve=False, workers=1)
    print(design.status, design.objective)
    try:
        mipdesign.design(problem, formulation="mine", presolve=False, workers=1)
    except mipdesign.SpecError as error:
        print(error)
