"""Which objects belong to a store, and which of them make a run, a baseline, a device's calibrations or a decision
about an alert.

    <prefix>/runs/<run id>/<file of RUN_FILES>
    <prefix>/runs/<run id>/journal-<offset>.jsonl   a part of the journal of a run that has not ended, from this byte on
    <prefix>/devices/<name>/calibration-*.json
    <prefix>/baselines/<name>.json                  the files of a baseline (baseline_sync.py)
    <prefix>/blobs/<sha256>                         the content of such files
    <prefix>/alerts/<id>.json                       what was decided about an alert

A bucket may hold any key. Only keys of this form are read, so none can name a file outside the mirror.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from bnnbench.results.store.alert_states import FILE as ALERT_FILE
from bnnbench.results.store.alert_states import MOST_BYTES as ALERT_BYTES
from bnnbench.results.store.files import FILES
from bnnbench.results.store.run_id import is_run_id
from bnnbench.results.store.stored_run import END, JOURNAL, MEASUREMENTS, RECORD

SIGNATURE = f"{RECORD}.signature"
_MIB = 1 << 20

RUN_FILES: dict[str, int] = {
    JOURNAL: 4096 * _MIB,
    SIGNATURE: 4096,
    END: 64,
    MEASUREMENTS: 4096 * _MIB,
    "cases.parquet": 1024 * _MIB,
    "verdicts.parquet": 1024 * _MIB,
    FILES: _MIB,
    RECORD: 256 * _MIB,
}
"""Files of a run that are exchanged, with the most bytes that are taken, in the order of uploads and fetches: with
`run.json`, the last, a run becomes visible."""
REPLACED = (JOURNAL, END, MEASUREMENTS, "cases.parquet", "verdicts.parquet", FILES)
"""Those that change when a run that ended is resumed; the others never do."""
LARGEST = {"calibration": _MIB, "pointer": 4 * _MIB, "blob": 4096 * _MIB, "part": 4096 * _MIB, "alert": ALERT_BYTES}
_PART = re.compile(r"journal-([0-9]{15})\.jsonl")
_DEVICE = re.compile(r"(?!\.)[\w.-]{0,127}[\w-]")
CALIBRATION = re.compile(r"calibration-[0-9T+-]{1,40}\.json")
_POINTER = re.compile(r"([A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9_-])?)\.json")
_RESERVED = re.compile(r"(?i)(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|\Z)")
"""Names that are devices on Windows."""
SHA256 = re.compile(r"[0-9a-f]{64}")


class Object(NamedTuple):
    """An object as a bucket lists it; `name` is its key without the prefix of the store."""

    name: str
    etag: str
    size: int


@dataclass(slots=True)
class RunObjects:
    """The objects of a run: by file, and the parts of its journal by their offsets."""

    files: dict[str, Object] = field(default_factory=dict)
    parts: dict[int, Object] = field(default_factory=dict)

    def chain(self, offset: int) -> list[Object] | None:
        """What follows byte `offset` of the journal, in order; None where no object begins there."""
        found: list[Object] = []
        if not offset and JOURNAL in self.files:
            found.append(self.files[JOURNAL])
            offset = found[0].size
        while (part := self.parts.get(offset)) is not None and part.size:
            found.append(part)
            offset += part.size
        return found or None

    @property
    def journal_bytes(self) -> int:
        """The length of the journal that the objects give."""
        return sum(item.size for item in self.chain(0) or ())


@dataclass(slots=True)
class Listing:
    """The objects of a store. `refused` are keys that a case-insensitive disk would mix up with another."""

    runs: dict[str, RunObjects] = field(default_factory=dict)
    calibrations: dict[str, dict[str, Object]] = field(default_factory=dict)
    baselines: dict[str, Object] = field(default_factory=dict)
    alerts: dict[str, Object] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)


def part_name(offset: int) -> str:
    """The name of the part of a journal that begins at a byte."""
    return f"journal-{offset:015d}.jsonl"


def sort(objects: Iterable[Object]) -> Listing:
    """The objects of a store by what they belong to; foreign keys and objects that are too large are left out."""
    listing, folders = Listing(), dict[str, str]()
    for item in objects:
        kind, _, rest = item.name.partition("/")
        name, _, file = rest.partition("/")
        if kind == "baselines" and not file:
            found = _POINTER.fullmatch(name)
            name, file = (found[1], "pointer") if found else ("", "")
        if kind == "alerts" and not file:
            found = ALERT_FILE.fullmatch(name)
            name, file = (found[1], "alert") if found else ("", "")
        if _RESERVED.match(name) or "/" in file or not _known(kind, name, file, item.size):
            continue
        # Disks that know no case, or only one form of accents, would put two of them into one folder.
        folder = f"{kind}/{name}"
        if folders.setdefault(unicodedata.normalize("NFC", folder).casefold(), folder) != folder:
            if folder not in listing.refused:
                listing.refused.append(folder)
            continue
        if kind == "baselines":
            listing.baselines[name] = item
        elif kind == "alerts":
            listing.alerts[name] = item
        elif kind == "devices":
            listing.calibrations.setdefault(name, {})[file] = item
        else:
            run = listing.runs.setdefault(name, RunObjects())
            if (part := _PART.fullmatch(file)) is not None:
                run.parts[int(part[1])] = item
            else:
                run.files[file] = item
    return listing


def _known(kind: str, name: str, file: str, size: int) -> bool:
    if kind == "runs" and is_run_id(name):
        most = LARGEST["part"] if _PART.fullmatch(file) else RUN_FILES.get(file, -1)
    elif kind == "devices" and _DEVICE.fullmatch(name) and CALIBRATION.fullmatch(file):
        most = LARGEST["calibration"]
    elif (kind, file) in (("baselines", "pointer"), ("alerts", "alert")):
        most = LARGEST[file]
    else:
        return False
    return 0 <= size <= most
