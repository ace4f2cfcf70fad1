"""Of `model lint`."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from bnnbench.kernels.models.lint import Finding

from ...tasks.lint import Lint
from .document import Document


class LintDocument(Document, frozen=True, kw_only=True):
    """Findings that cost at least 1 % of the inference first; `share` is the larger of those of inference and file."""

    file: str
    file_bytes: int
    device: Annotated[str, Meta(description="Null when nothing was measured.")] | None
    unit: Annotated[str, Meta(description="Of costs: ns, or MACs where nothing was measured.")]
    total: Annotated[float, Meta(description="Cost of one inference.")]
    trust: str
    doubts: tuple[str, ...]
    not_imported: Annotated[str, Meta(description="Why only the file was looked at, not its ops; else empty.")]
    findings: tuple[Finding, ...]

    @classmethod
    def of(cls, file: str, done: Lint) -> LintDocument:
        return cls(file=file, **{name: getattr(done, name) for name in cls.__struct_fields__ if name not in _OWN})


_OWN = ("schema", "file")
