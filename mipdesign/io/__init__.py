"""Networks from files and names of other tools, and back."""
