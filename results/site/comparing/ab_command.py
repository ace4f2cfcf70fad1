"""The `bnnbench ab` command that gives a verdict where there is only a ratio, and repeats a verdict."""

import shlex
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from bnnbench.results.records import RunRecord

_LONGEST = 120
"""Characters of a workload's name that a filter has; of a longer one it has the beginning."""


@dataclass(frozen=True, slots=True)
class AbCommand:
    """`command` is what to type, quoted for a shell, or "" where nothing can be compared. `before` are commands that
    have to be run first, `notes` are sentences: what it compares, or why there is none."""

    command: str
    before: Sequence[str] = ()
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """What is compared: the workload, on which device, with how many threads."""

    workload: str
    device: str
    threads: int


@dataclass(frozen=True, slots=True)
class KeptBaseline:
    """A baseline by its name, the run that it was saved from, and the engines that it can run again."""

    name: str
    run_id: str
    engines: Collection[str]


def of_engines(record: RunRecord, case: Case, base: str, head: str) -> AbCommand:
    """Two engines of one run, as they are today."""
    if record.emulated(case.device):
        return _emulated(case.device)
    return AbCommand(_ab(record, case, base, head), notes=_notes(record, case))


def of_runs(
    base: RunRecord, head: RunRecord, case: Case, engine: str, baselines: Sequence[KeptBaseline] = ()
) -> AbCommand:
    """An engine as it was in the run `base`, beside that of today. Where no baseline was saved from that run, saving
    one comes first."""
    if head.emulated(case.device):
        return _emulated(case.device)
    kept = next((one for one in baselines if one.run_id == base.run_id and engine in one.engines), None)
    if kept is None and not _has_files(base, engine):
        return AbCommand("", notes=[f"run {base.run_id} has no file of {engine}, which could be run again."])
    name = base.run_id if kept is None else kept.name
    before = [shlex.join(["bnnbench", "baseline", "save", name, base.run_id])] if kept is None else []
    notes = _notes(head, case)
    if head.commit and head.commit != base.commit:
        notes.insert(0, f"The head is what is checked out: for that of the run, check out commit {head.commit[:12]}.")
    return AbCommand(_ab(head, case, f"{engine}@{name}", engine), before, notes)


def of_comparison(record: RunRecord, case: Case, base: str, head: str) -> AbCommand:
    """A comparison once more, with the sides as they were named then."""
    if record.emulated(case.device):
        return _emulated(case.device)
    return AbCommand(_ab(record, case, base, head), notes=_notes(record, case))


def of_devices(base: str, head: str) -> AbCommand:
    """There is none: pairs are measured on one device."""
    return AbCommand("", notes=[f"{base} and {head} are two devices; bnnbench ab compares on one device."])


def filter_of(workload: str) -> str:
    """A regular expression that finds this workload, in printable characters."""
    text = "".join(_escaped(character) for character in workload[:_LONGEST])
    return f"^{text}$" if len(workload) <= _LONGEST else f"^{text}"


def sources(record: RunRecord) -> list[str]:
    """The suites and models of a run as they were typed, where that was a path from the working folder; of others the
    name alone, because a page may be read by anyone."""
    given = record.suite.get("sources")
    typed = [word for word in record.command[2:] if not word.startswith("-")]
    return [_typed(str(path), typed) for path in given] if isinstance(given, list) else []


_SPECIAL = frozenset("\\.^$*+?{}[]|()")


def _escaped(character: str) -> str:
    if character in _SPECIAL:
        return f"\\{character}"
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _typed(path: str, words: Sequence[str]) -> str:
    name = PurePath(path).name
    for word in words:
        written = PurePath(word)
        is_private = written.is_absolute() or word.startswith("~")
        if written.name == name and not is_private:
            return word
        if word == PurePath(path).stem:  # a model that comes with the package
            return word
    return f"./{name}" if name.startswith("-") else name


def _ab(record: RunRecord, case: Case, base: str, head: str) -> str:
    words = ["bnnbench", "ab", *sources(record), f"--base={base}", f"--head={head}"]
    if case.device != "local":
        words.append(f"--device={case.device}")
    words.append(f"--threads={case.threads}")
    if " -> " not in case.workload:  # two models, which are all that there is
        words.append(f"--filter={filter_of(case.workload)}")
    return shlex.join(words)


def _notes(record: RunRecord, case: Case) -> list[str]:
    devices = record.suite.get("devices")
    addresses = [text for text in devices if "://" in str(text)] if isinstance(devices, list) else []
    if addresses and case.device != "local":
        return [f"Where {case.device} is not in the inventory, give its address in place of the name."]
    return []


def _has_files(record: RunRecord, engine: str) -> bool:
    """Whether a baseline of the run would have a binary of the engine, or what the suite declares of it."""
    suite = record.suite.get("suite")
    declared = suite.get("engine") if isinstance(suite, dict) else None
    return any(build.engine == engine for build in record.builds) or (isinstance(declared, dict) and engine in declared)


def _emulated(device: str) -> AbCommand:
    return AbCommand("", notes=[f"{device} is emulated: its times mean nothing, and nothing is compared by them."])
