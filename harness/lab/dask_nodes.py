"""Dask's client, scheduler and worker, without what they do beside their work."""

from __future__ import annotations

from distributed import Client, Scheduler, Worker


class LabClient(Client):  # type: ignore[misc]
    """One whose connection failed is only forgotten."""

    def __del__(self) -> None:
        """Dask's own closes the client in whatever thread collects it: that waits for up to 20 s, or for ever where the
        thread is just starting another client."""


class LabScheduler(Scheduler):  # type: ignore[misc]
    """Answers nobody without a certificate."""

    def start_http_server(self, *_: object, **__: object) -> None:
        """Dask's answers everybody, without encryption, also where its dashboard is off."""


class LabWorker(Worker):  # type: ignore[misc]
    """As `LabScheduler`."""

    def start_http_server(self, *_: object, **__: object) -> None:
        """See `LabScheduler`."""
