"""``mipdesign`` without matplotlib: drawing the convergence of a small design takes almost half of its time."""

import sys

sys.modules["matplotlib"] = None

from mipdesign.__main__ import main  # noqa: E402

sys.exit(main())
