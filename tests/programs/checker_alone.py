"""Checks a design by a copy of the checker in the current folder, where nothing else of the package is."""

import sys

sys.path.insert(0, ".")

import checker.__main__ as alone

code = alone.main()
assert not {"mipdesign", "pyscipopt", "pydantic"} & set(sys.modules)
sys.exit(code)
