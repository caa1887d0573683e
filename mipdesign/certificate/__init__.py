"""What proves an optimum: written, read and verified."""
