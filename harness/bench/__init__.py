"""A device made ready: connected, locked, pushed to, its surroundings prepared; engines started on it."""
