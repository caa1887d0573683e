"""A network, what it is made of, and its figures: block families, operations, objective, latency, the exact evaluator."""
