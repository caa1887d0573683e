"""SCIP as the engine of a design run: a process of its own, what it does there, and the side that asks it."""
