"""Models from packages of others: `python -m tests.wild`."""
