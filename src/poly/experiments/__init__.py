"""Functions for sweeps: each runs networks from start to end and measures them."""
