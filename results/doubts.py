"""Why the times of a frame's rows are trusted less, in words."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from bnnbench.results.certainty import trust_text
from bnnbench.results.columns import equal, named
from bnnbench.results.trust import GRADES

Record = Mapping[Any, Any]


def doubt(record: Record) -> str | None:
    """As `low trust: VM, load`; None at the highest grade, and where nothing was timed."""
    return None if pd.isna(record["trust"]) or record["trust"] == GRADES[-1] else trust_text(record)


def doubts(record: Record) -> list[str]:
    """The reasons in full."""
    return [] if pd.isna(record["trust_reasons"]) else str(record["trust_reasons"]).split("; ")


def by_device(frame: pd.DataFrame) -> list[str]:
    """A sentence for each device whose times are trusted less, with the words of all reasons."""
    sentences = []
    doubtful = named(frame)
    doubtful = doubtful[doubtful["trust"].notna() & ~equal(doubtful["trust"], GRADES[-1])]
    for device, rows in doubtful.groupby("device", sort=False):
        grades = " or ".join(grade for grade in GRADES if equal(rows["trust"], grade).any())
        words = ", ".join(dict.fromkeys(word for text in rows["trust_words"].dropna() for word in text.split("; ")))
        sentences.append(f"Times on {device} have {grades} trust" + (f": {words}." if words else "."))
    return sentences


def unlike(reasons: Iterable[str]) -> list[str]:
    """Reasons that differ in more than their figures, the first of each."""
    found: dict[str, str] = {}
    for reason in reasons:
        found.setdefault(re.sub(r"\d+(\.\d+)?", "#", reason), reason)
    return list(found.values())
