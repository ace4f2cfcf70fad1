"""Published figures as a frame that charts can show beside what was measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bnnbench.kernels.models.published import published

if TYPE_CHECKING:
    import pandas as pd

    from bnnbench.results.site.choosing.groups import PublishedModel

DATASET = "imagenet"


def published_frame() -> pd.DataFrame:
    """In the columns of `bnnbench.results.load`, with the status `published`; one row per model, device and threads,
    the newest of each."""
    from bnnbench.results.columns import CASE_COLUMNS, build

    rows = {
        (item.model, item.device, item.threads, item.engine): {
            "run_id": "published",
            "created": item.date if len(item.date) == 10 else None,
            "workload": item.model,
            "kind": "model",
            "status": "published",
            "engine": item.engine,
            "device": item.device,
            "threads": item.threads,
            "latency_ns": item.latency_ns,
            "accuracy": item.top1,
            "size_bytes": item.size_bytes,
            "macs_1bit": item.macs_1bit,
            "macs_32bit": item.macs_32bit,
            "dataset": DATASET,
            "reason": f"published {item.date}: {item.source}",
        }
        for item in published()
    }
    return build(rows.values(), CASE_COLUMNS)


def published_models() -> tuple[PublishedModel, ...]:
    """The same for the site."""
    from bnnbench.results.site.choosing.groups import PublishedModel

    newest = {(item.model, item.device, item.threads, item.engine): item for item in published()}
    return tuple(
        PublishedModel(
            model=item.model,
            engine=item.engine,
            device=item.device or "unknown device",
            threads=item.threads or 1,
            dataset=DATASET,
            source=f"published {item.date}: {item.source}",
            latency_ns=item.latency_ns,
            accuracy=item.top1,
            size_bytes=item.size_bytes,
        )
        for item in newest.values()
    )
