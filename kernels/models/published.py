"""Figures that others published of models: facts with their source, never measurements."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

_FILE = Path(__file__).parent / "published.csv"


@dataclass(frozen=True, slots=True)
class Published:
    """One row; what was not published is None. `top1` and `top5` are shares on ImageNet's validation images."""

    model: str
    engine: str
    device: str | None
    threads: int | None
    latency_ns: float | None
    top1: float | None
    size_bytes: int | None
    macs_1bit: int | None
    macs_32bit: int | None
    date: str
    source: str


def published() -> list[Published]:
    """All of them, in the file's order."""
    with _FILE.open(newline="", encoding="utf-8") as file:
        return [_row(row) for row in csv.DictReader(file)]


def _row(row: dict[str, str]) -> Published:
    latency_ms = row["latency_ms"]
    return Published(
        model=row["model"],
        engine=row["engine"],
        device=row["device"] or None,
        threads=int(row["threads"]) if row["threads"] else None,
        latency_ns=float(latency_ms) * 1e6 if latency_ms else None,
        top1=float(row["top1"]) if row["top1"] else None,
        size_bytes=int(row["model_size_bytes"]) if row["model_size_bytes"] else None,
        macs_1bit=int(row["macs_1bit"]) if row["macs_1bit"] else None,
        macs_32bit=int(row["macs_32bit"]) if row["macs_32bit"] else None,
        date=row["date"],
        source=row["source"],
    )
