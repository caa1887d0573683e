"""Benchmarks: whole-program measurements that are too long for the tests. Each module is a command; see
``docs/performance.md``.
"""
