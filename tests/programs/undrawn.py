"""``mipdesign`` without convergence plots and long heuristics: they take most of the time of a small design."""

import sys

from mipdesign.__main__ import main
from mipdesign.figures import convergence
from mipdesign.search import driver

convergence.draw_convergence = lambda trace, path: False
driver.HEURISTIC_SECONDS = 0.1

sys.exit(main())
