"""Words and numbers of records, with the bounds of what is read back."""

from typing import Annotated, Literal

import msgspec

SCHEMA = 1

Status = Literal["ok", "wrong_output", "failed", "skipped", "unstable", "unverified"]
Kind = Literal["kernel", "model"]
Outcome = Literal["complete", "interrupted", "incomplete"]
Side = Literal["base", "head"]
SIDES: tuple[Side, Side] = ("base", "head")
Word = Literal["regression", "improvement", "equivalent", "inconclusive"]

# Bounds of what is read back: a column of a frame or of a Parquet file holds 64 bits, and sums stay finite.
Whole = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
Count = Annotated[int, msgspec.Meta(ge=0, le=10**9)]
Invocations = Annotated[int, msgspec.Meta(ge=0, le=20_000)]
Size = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Rate = Annotated[float, msgspec.Meta(ge=0, le=1e30)]
Real = Annotated[float, msgspec.Meta(ge=-1e30, le=1e30)]
Elapsed = Annotated[float, msgspec.Meta(ge=0, le=1e18)]
"""ns of an execution."""
