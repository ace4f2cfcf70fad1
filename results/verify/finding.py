"""What is found while a part of a store is checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import msgspec

from bnnbench.results.errors import StoreError
from bnnbench.results.store.files import FILES, FileList, file_names, read_files, sum_of
from bnnbench.results.store.reading import read_regular

RESTORE = "restore it from a copy"
MAKE_AGAIN = "remove it, and make it again with bnnbench store index"

Grade = Literal["damage", "note"]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """`where` is a path in the store; `text` says what is wrong and what to do. A `note` is no damage: what a killed
    process left, or what can't be compared."""

    where: str
    text: str
    grade: Grade = "damage"


class ItemResult(msgspec.Struct, frozen=True, kw_only=True):
    """What was found in a part. `state` of a run is `ended`, `unfinished` or `being written`, of others `whole`;
    `signed` says whether this user made it on this machine, None where nothing is signed."""

    name: str
    kind: str
    files: int
    size_bytes: int
    state: str = "whole"
    signed: bool | None = None
    findings: list[Finding] = []

    @property
    def is_damaged(self) -> bool:
        """Whether anything is not as it was written."""
        return any(one.grade == "damage" for one in self.findings)


@dataclass(slots=True)
class Reading:
    """What is read of a part whose files are in `folder`, and what is found. `contents` are its files by name."""

    store: Path
    folder: Path
    findings: list[Finding] = field(default_factory=list)
    contents: dict[str, bytes] = field(default_factory=dict)

    def bad(self, path: Path, text: str) -> None:
        """Damage, once for each place and text."""
        self._add(Finding(where=self._place(path), text=text))

    def note(self, path: Path, text: str) -> None:
        """What is no damage."""
        self._add(Finding(where=self._place(path), text=text, grade="note"))

    def read(self, name: str) -> None:
        """Takes a file's content; what can't be read is damage."""
        try:
            self.contents[name] = read_regular(self.folder / name)
        except OSError as error:
            self.bad(
                self.folder / name, f"it can't be read ({error.strerror or error}): check its disk and permissions"
            )

    def read_all(self) -> None:
        """Takes every file of the folder, and notes what killed writers left."""
        try:
            names = file_names(self.folder)
            left = [path for path in sorted(self.folder.rglob(".*")) if path.is_file()]
        except OSError as error:
            self.bad(self.folder, f"it can't be read ({error.strerror or error}): check its disk and permissions")
            return
        for path in left:
            self.note(path, "a process that was killed left it: remove it while nothing writes to the store")
        for name in names:
            self.read(name)

    def sums(self) -> FileList | None:
        """What `files.json` says, None where there is none; damage where it can't be read."""
        try:
            return read_files(self.folder)
        except StoreError as error:
            self.bad(self.folder / FILES, str(error))
            return None

    def compare(self, sums: FileList) -> set[str]:
        """The files that are as `files.json` says; all others are damage."""
        unreadable = {one.where for one in self.findings}
        whole = set()
        for name, expected in sums.files.items():
            path = self.folder / name
            if name in self.contents and sum_of(self.contents[name]) == expected:
                whole.add(name)
            elif name in self.contents:
                self.bad(path, f"it is not what was written, by its SHA-256: {_advice(name)}")
            elif self._place(path) not in unreadable:
                self.bad(path, f"it is missing: {_advice(name)}")
        return whole

    def result(
        self, kind: str, state: str = "whole", signed: bool | None = None, name: str | None = None
    ) -> ItemResult:
        """What became of the part."""
        return ItemResult(
            name=name or self.folder.name,
            kind=kind,
            files=len(self.contents),
            size_bytes=sum(map(len, self.contents.values())),
            state=state,
            signed=signed,
            findings=self.findings,
        )

    def _add(self, finding: Finding) -> None:
        if finding not in self.findings:
            self.findings.append(finding)

    def _place(self, path: Path) -> str:
        return path.relative_to(self.store).as_posix() if path.is_relative_to(self.store) else str(path)


def _advice(name: str) -> str:
    if name.endswith(".parquet"):
        return MAKE_AGAIN
    return f"{RESTORE}, or remove it: it is then from elsewhere" if name.endswith(".signature") else RESTORE
