"""What is refused of an archive."""

from bnnbench.results.errors import StoreError


class ArchiveError(StoreError):
    """An archive can't be read, trusted or written; one sentence: what is wrong, where, what to do."""
