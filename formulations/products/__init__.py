"""Products of a number on a lattice with an expression, one treatment per file."""
