"""Workloads: kernel cases and models, their data, and the output that is right."""
