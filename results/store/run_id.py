"""Ids of runs, which are names of folders everywhere."""

import re
import secrets
from datetime import UTC, datetime

PATTERN = r"\A[A-Za-z0-9](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9_-])?\Z"
_ID = re.compile(PATTERN)
_TAKEN = frozenset(("latest", "all", "index", "baselines", "devices", "runs", "alerts", "bisects"))
"""Words that mean something else where an id may stand, and folders of a store."""
_DEVICES = re.compile(r"(?i)(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|\Z)")
"""Names that are devices on Windows."""


def is_run_id(text: str) -> bool:
    """Whether a text can be the id of a run."""
    return bool(_ID.match(text)) and text.lower() not in _TAKEN and not _DEVICES.match(text)


def new_run_id(now: datetime | None = None) -> str:
    """A run id that sorts by time and is unique between machines, for example `20260131-142501-9f3a1c`."""
    moment = datetime.now(UTC) if now is None else now.astimezone(UTC)
    return f"{moment:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
