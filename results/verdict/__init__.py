"""Verdicts: how each metric of two sides is compared, from stored records alone, and how verdicts are written."""
