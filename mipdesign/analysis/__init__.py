"""What lies around a design: frontiers, prices of limits, explanations and comparisons."""
