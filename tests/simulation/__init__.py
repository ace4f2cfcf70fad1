"""Simulated comparisons: how often verdicts are wrong, and which effects they see. `make statistics` runs all of it."""
