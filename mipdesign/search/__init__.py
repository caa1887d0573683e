"""What a search consists of, beside the tree itself: the steps of a node, heuristics, incumbents, options and outcome."""
