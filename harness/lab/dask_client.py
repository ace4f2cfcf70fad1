"""Dask's client, which is closed when this project says so."""

from __future__ import annotations

from distributed import Client


class LabClient(Client):  # type: ignore[misc]
    """One whose connection failed is only forgotten."""

    def __del__(self) -> None:
        """Dask's own closes the client in whatever thread collects it: that waits for up to 20 s, or for ever where the
        thread is just starting another client."""
