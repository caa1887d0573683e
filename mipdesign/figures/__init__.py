"""Numbers, charts and drawings of networks, as pages and terminals show them."""
