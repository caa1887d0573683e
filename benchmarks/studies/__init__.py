"""Studies of formulations and solvers: every combination is one run; records, verdicts, tables and a page."""
