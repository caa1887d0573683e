"""Encodings of piecewise-linear functions, one per file."""
