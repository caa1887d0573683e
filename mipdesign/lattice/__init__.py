"""The search space as tables of columns, evaluated in batches, and the cells that branching splits it into."""
