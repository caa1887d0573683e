"""Benchmarks: whole-program measurements that are too long for the tests (``benchmarks/results``), each a module that is a
command, and studies of formulations and solvers (``python -m mipdesign.benchmarks``, ``docs/benchmarks.md``).
"""
