"""Runs, baselines and calibrations on disk: written once, read safely, whoever wrote them."""
