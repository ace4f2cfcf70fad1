"""Verdicts as files and text, one format per module."""
