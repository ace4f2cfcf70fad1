"""What lint finds in the measured models of a report, where their files are still those that were measured."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from bnnbench.kernels.errors import ModelError
from bnnbench.kernels.models.lint import Finding
from bnnbench.results.quantity import percentage
from bnnbench.results.report.advice import Advice
from bnnbench.results.store.stored_run import StoredRun

from .lint import lint

_LEAST_SHARE = 0.01
_MOST_BYTES = 256_000_000
"""A larger file is not read for a report."""


def advice(runs: Sequence[StoredRun]) -> list[Advice]:
    """Of every model once; a file that is gone, was changed or cannot be read has none. Nothing is measured."""
    models = {sha: path for run in runs for path, sha in run.record.models.items()}
    return [found for sha, path in models.items() for found in _of_model(Path(path), sha)]


def _of_model(path: Path, sha256: str) -> Iterator[Advice]:
    try:
        if not path.is_file() or path.stat().st_size > _MOST_BYTES:
            return
        if hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
            return
        found = lint(path, device=None, inventory=None, threads=1, runs=1, tell=lambda line: None).findings
    except (OSError, ValueError, ModelError):
        return
    for finding in found:
        if finding.share >= _LEAST_SHARE:
            yield Advice(path.stem, finding.id, _saves(finding), finding.title, finding.mend)


def _saves(finding: Finding) -> str:
    parts = ((finding.cost_share, "work"), (finding.file_share, "file"))
    return ", ".join(f"{percentage(share)} of the {what}" for share, what in parts if share >= _LEAST_SHARE)
