"""Measurements of the whole program, a command each: ``python -m mipdesign.benchmarks NAME``."""

EXPERIMENTS = {
    "against_torch": "Random networks of all block families: the exact evaluator against the torch module",
    "agreement": "Random small problems: the steps of the tree and each formulation, held against exhaustive enumeration",
    "audit": "Published networks against the proven optima of their own spaces: how far the searches stopped from the optimum",
    "checking": "Time and memory of the independent checker, beside the verification by the search's own code",
    "comparison": "This solver beside what one would do without it: the plain formulation in SCIP, and an evolutionary search",
    "conformance": "The contract of formulations and solvers on small problems, for those of the package and any own one",
    "evaluator": "Networks per second and core of the batch evaluator",
    "exports": "Exports of a network of every preset at full resolution against the torch module",
    "frontier": "A frontier against as many separate runs, and against itself after kills",
    "fuzz": "Spoiled certificates held against enumeration: the checker must refuse whatever is false or malformed",
    "hard": "Hard specifications, held against enumeration by exact arithmetic",
    "latency": "Predicted against measured latency in two modes, and what an optimum under the other mode's table costs",
    "malformed": "Malformed files of every kind, each given to a command as a process of its own",
    "pair": "This version beside another one: whole processes in turns, with memory, and whether the answers are the same",
    "prices": "Prices against what they foretell: one limit at a time is relaxed and the problem solved again",
    "proofs": "Time to proven optimality of the presets in both conventions, with memory and verification",
    "scaling": "Time to proven optimality along each axis of the ``deepmad-r18`` problem, as a table and a picture",
    "scip_tree": "What each part of SCIP's tree is worth, on whole presets: relaxator, branching, propagation, encoding",
    "scores": "Whether a score orders networks by accuracy: networks at proven ranks, trained by several recipes",
    "steadiness": "Whether the optimum depends on workers or seeds",
    "variants": "Every formulation and every solver on random small problems, held against the enumeration of all networks",
}
"""Modules of this folder that are commands, and what each measures."""
