"""Solvers that come with the package: every module of this folder is imported, and its solvers register where they stand."""
