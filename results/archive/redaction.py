"""A run without what names people, machines and places. The result is a run like any other, with checksums of its own.

Each value that is taken out is replaced by its kind and a number, `<path 2>`, the same value always by the same: what
belonged together still does. Of a device's facts only those named in `_KEPT_FACTS` are kept.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from bnnbench.results.records import Entry, RunEnd, RunRecord
from bnnbench.results.redactor import Redactor
from bnnbench.results.store import journal
from bnnbench.results.store.calibration import Calibration
from bnnbench.results.store.seal import seal_document
from bnnbench.results.store.stored_run import StoredRun

_KEPT_FACTS = frozenset(
    (
        *("model", "soc", "machine", "kernel", "os_release", "elf_class", "triple", "cpu_model", "cpus", "clusters"),
        *("smt_siblings", "isa_features", "boot_id", "machine_id", "memory_bytes", "memory_available_bytes"),
        *("page_size_bytes", "clock_hz", "firmware_clock_hz", "governor", "temperature_celsius"),
        *("temperature_left_out", "throttled", "load_average", "cpu_quota", "revision", "firmware", "cooling"),
        *("battery", "thermal_status", "wake_lock", "perf_event_paranoid", "hypervisor", "emulated", "container"),
        "python3",
    )
)
_PATH_KEYS = frozenset(
    ("file", "files", "sources", "inventory", "lab", "binaries", "binary", "models", "model", "dataset")
)
"""Keys of a suite whose texts are paths, names of what lies at one, or the address of a lab."""
_NOT_PATHS = re.compile(
    r"(?!.*\.\.)/(?:proc|sys|dev|etc|bin|usr/bin|usr/lib|usr/share|system|vendor)(?:/.*)?", re.DOTALL
)
"""Places that every machine has."""
_PLACE = r"(?:~|[A-Za-z]:)?[\\/]"
_QUOTED = re.compile(rf"(['\"`])({_PLACE}[^'\"`\n]+)\1")
_ABSOLUTE = re.compile(rf"(?<![\w.}}<>*\\/])(?:file:)?{_PLACE}[^\s:,;'\"<>|()\[\]]+")
_BELOW = re.compile(r"<path [0-9]+>[\\/][^\s:,;'\"<>|()\[\]]+")
"""What lies in a folder that was taken out."""
_HOSTS = re.compile(
    r"(?i)(?<![\w.-])[a-z0-9-]+(?:\.[a-z0-9-]+)*\.(?:local|localdomain|lan|lab|internal|intranet|corp|home|arpa|"
    r"com|net|org|edu|gov|io|dev|cloud|de|uk|fr|ch|at|eu|us|jp|cn|in)(?![\w-])"
)
_NAMED = re.compile(
    r"(?i)(?<![<\w])((?P<kind>to host|hostname|host|user|username|login)(?: name)?\s*[:= ]\s*)(?P<name>[\w.@-]+)"
)
_ARGUMENTS = "<arguments>"


class Pseudonyms(Redactor):
    """Numbers what it takes, and takes all absolute paths and what looks like a host's name."""

    def __init__(self, known: Mapping[str, str], devices: Mapping[str, str] | None = None) -> None:
        """`known` maps values to their kinds, `devices` names of devices to what they are called instead."""
        super().__init__(dict(known))
        self._numbers: dict[tuple[str, str], int] = {}
        self._devices = dict(devices or {})
        self._device_words = [
            (re.compile(rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])"), new)
            for name, new in sorted(self._devices.items(), key=lambda item: -len(item[0]))
            if name != new
        ]

    def text(self, text: str) -> str:
        for pattern, new in self._device_words:
            text = pattern.sub(new, text)
        text = _BELOW.sub(lambda found: self._take("path", found[0]), super().text(text))
        text = _QUOTED.sub(lambda found: found[1] + self._path(found[2]) + found[1], text)
        text = _ABSOLUTE.sub(lambda found: self._path(found[0]), text)
        text = _HOSTS.sub(lambda found: self._take("host", found[0]), text)
        return _NAMED.sub(self._named, text)

    def device(self, name: str) -> str:
        """What a device is called instead."""
        by_address = (
            new for known, new in self._devices.items() if "://" in name and known != "local" and known in name
        )
        return self._devices.get(name) or next(by_address, None) or self.text(name)

    def path(self, text: str) -> str:
        """The stand-in of a text that is a path, also a relative one."""
        return self._take("path", text) if text and not text.startswith("<") else text

    def _path(self, text: str) -> str:
        return text if _NOT_PATHS.fullmatch(text) else self._take("path", text)

    def _named(self, found: re.Match[str]) -> str:
        kind, name = found["kind"].lower(), found["name"]
        # "the host was lost" names none: a name has a digit or a dot, or stands behind a colon, or "to host".
        is_name = kind in ("to host", "hostname") or not found[1].endswith(" ") or re.search(r"[0-9._@-]", name)
        return found[1] + self._take("user" if kind[0] in "ul" else "host", name) if is_name else found[0]

    def _take(self, kind: str, value: str) -> str:
        self.taken[kind] += 1
        number = self._numbers.setdefault((kind, value), len([1 for known, _ in self._numbers if known == kind]) + 1)
        return f"<{kind} {number}>"


@dataclass(frozen=True, slots=True)
class Redacted:
    """The files of a run without names. `last` is the number of the last journal record before the run's end, `taken`
    counts what was taken out by kind."""

    record: bytes
    journal: bytes
    last: int
    calibrations: list[Calibration]
    taken: Counter[str]


def redacted(run: StoredRun, calibrations: Sequence[Calibration], known: Mapping[str, str]) -> Redacted:
    """`known` are values to take out, with their kinds. Lines of the journal that cannot be read are left out."""
    record = run.record
    renamed = {name: name if name == "local" else f"device-{n}" for n, name in enumerate(_devices(record), 1)}
    paths = {*_paths(record.suite, ""), *record.models}
    absolute = {path: "path" for path in paths if re.match(_PLACE, path)}
    parents = {parent: "path" for path in absolute for parent in _parents(path)}
    names = Pseudonyms({**parents, **absolute, **known}, renamed)
    document = msgspec.json.format(msgspec.json.encode(_of_record(names, record)), indent=1)
    entries: list[Entry] = [_struct(names, entry) for entry in run.entries]
    return Redacted(
        record=seal_document(document),
        journal=b"".join(journal.encode(entry, number) for number, entry in enumerate(entries, 1)),
        last=max((number for number, entry in enumerate(entries, 1) if not isinstance(entry, RunEnd)), default=0),
        calibrations=[_struct(names, calibration) for calibration in calibrations],
        taken=names.taken,
    )


def _of_record(names: Pseudonyms, record: RunRecord) -> RunRecord:
    kept: RunRecord = _struct(names, record)
    return msgspec.structs.replace(
        kept,
        command=[*record.command[:1], *[word for word in record.command[1:2] if word.isalpha()], _ARGUMENTS]
        if record.command
        else [],
        suite=_suite(names, record.suite, ""),
        devices={names.device(name): _facts(names, facts) for name, facts in record.devices.items()},
        models={names.path(path): sha for path, sha in record.models.items()},
    )


def _struct(names: Pseudonyms, value: Any) -> Any:
    """A record without names; fields that can only be one of some words stay."""
    kind: Any = type(value)
    changed = {
        name: _value(names, getattr(value, name), name) for name in value.__struct_fields__ if name not in _words(kind)
    }
    return msgspec.structs.replace(value, **changed)


def _value(names: Pseudonyms, value: Any, key: str) -> Any:
    if isinstance(value, msgspec.Struct):
        return _struct(names, value)
    if isinstance(value, str):
        return names.device(value) if key in ("device", "devices", "counted") else names.text(value)
    if isinstance(value, dict):
        of_devices = key in ("devices", "overhead")
        return {
            (names.device if of_devices else names.text)(str(name)): _value(names, item, str(name))
            for name, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_value(names, item, key) for item in value]
    return value


def _suite(names: Pseudonyms, value: Any, key: str) -> Any:
    """What the run was asked for: programs and paths are named by it."""
    if key == "command":
        return ["<command>"] if value else value
    if key == "pools" and isinstance(value, dict):  # a query may hold a host or a serial number
        return {f"pool {n}": _value(names, members, "devices") for n, members in enumerate(value.values(), 1)}
    if isinstance(value, dict):
        return {
            names.text(str(name)): _suite(names, item, _inner(key, str(name), item)) for name, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_suite(names, item, key) for item in value]
    if isinstance(value, str):
        return names.path(value) if key in _PATH_KEYS else _value(names, value, key)
    return value


def _inner(key: str, name: str, item: Any) -> str:
    """The key that decides for an item: those of a table of paths are names."""
    return key if key in ("binaries", "binary", "models") and isinstance(item, str) else name


def _facts(names: Pseudonyms, facts: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: names.value(fact, name) if name in ("boot_id", "machine_id") else _value(names, fact, "")
        for name, fact in facts.items()
        if name in _KEPT_FACTS
    }


def _devices(record: RunRecord) -> list[str]:
    named = [*record.devices, *(case.device for case in record.cases), *(skip.device for skip in record.skips)]
    return list(dict.fromkeys(named))


def _paths(value: Any, key: str) -> Iterator[str]:
    """Every text of a suite that is a path."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _paths(item, _inner(key, str(name), item))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _paths(item, key)
    elif isinstance(value, str) and key in _PATH_KEYS and value:
        yield value


def _parents(path: str) -> list[str]:
    """The folders above a path, but those that every machine has."""
    parts = re.split(r"(?<=[\\/])", path)
    folders = ["".join(parts[:n]).rstrip("\\/") for n in range(3, len(parts))]
    return [folder for folder in folders if not _NOT_PATHS.fullmatch(folder)]


@cache
def _words(kind: Any) -> frozenset[str]:
    """The fields of a kind of records whose type is one of some given words."""
    return frozenset(name for name, hint in get_type_hints(kind).items() if _is_word(hint))


def _is_word(hint: Any) -> bool:
    options = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    return any(get_origin(option) is Literal for option in options)
