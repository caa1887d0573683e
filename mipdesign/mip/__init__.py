"""Mixed-integer models: expressions, formulations, the interface of solvers, and closing a cell by SCIP."""
