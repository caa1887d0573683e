"""Branch and bound over cells: branching, heuristics, the driver and its processes."""
