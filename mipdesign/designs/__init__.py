"""A design run and what it leaves behind."""
