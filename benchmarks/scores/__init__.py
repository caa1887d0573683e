"""Whether a score orders networks by accuracy: networks at proven ranks, trained by several recipes, and the statistics."""
