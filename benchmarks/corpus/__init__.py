"""Problems to measure with: presets, random small ones with their enumeration, families, proven optima."""
