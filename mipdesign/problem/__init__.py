"""What is asked: the search space, the budgets and the presets."""
