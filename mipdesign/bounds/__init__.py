"""Upper bounds of a cell by Lagrangian relaxation over the chain of super-blocks."""
