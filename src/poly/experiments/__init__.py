"""Runs for sweeps: one network from its start to its end, and what is asked of it."""
