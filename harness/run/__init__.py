"""A run from the first connection to its end: machines beside each other, devices that come back, the store."""
