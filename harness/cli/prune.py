"""`bnnbench store prune`."""

from __future__ import annotations

from .options import DebugOption


def prune(*, debug: DebugOption = False) -> None:
    """Remove old runs."""
