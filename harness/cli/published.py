"""Published figures as a frame that charts can show beside what was measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bnnbench.kernels.models.published import published

if TYPE_CHECKING:
    import pandas as pd

DATASET = "imagenet"


def published_frame() -> pd.DataFrame:
    """In the columns of `bnnbench.results.load`, with the status `published`; one row per model, device and threads,
    the newest of each."""
    from bnnbench.results.columns import CASE_COLUMNS, build

    rows = {
        (one.model, one.device, one.threads, one.engine): {
            "run_id": "published",
            "created": one.date if len(one.date) == 10 else None,
            "workload": one.model,
            "kind": "model",
            "status": "published",
            "engine": one.engine,
            "device": one.device,
            "threads": one.threads,
            "latency_ns": one.latency_ns,
            "accuracy": one.top1,
            "size_bytes": one.size_bytes,
            "macs_1bit": one.macs_1bit,
            "macs_32bit": one.macs_32bit,
            "dataset": DATASET,
            "reason": f"published {one.date}: {one.source}",
        }
        for one in published()
    }
    return build(rows.values(), CASE_COLUMNS)
