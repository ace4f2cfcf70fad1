"""A lab host: the devices of its inventory, what is known of them, and their sessions."""

from __future__ import annotations

import hashlib
import platform
import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from bnnbench.devices.errors import DeviceError
from bnnbench.devices.facts import DeviceFacts
from bnnbench.devices.inventory import LOCAL, Inventory
from bnnbench.devices.machines import machines
from bnnbench.devices.pools import Pool
from bnnbench.devices.probe import probe
from bnnbench.devices.quarantine import accepted_since, quarantine, quarantine_of
from bnnbench.devices.spec import DeviceSpec
from bnnbench.devices.transport import connect
from bnnbench.devices.transport.emulator import Emulator

from ..bench.context import Silent
from ..errors import CallError, CannotMeasure
from ..plan.config import RunConfig
from ..run.ready import Asked
from .changes import Changes
from .errands import Errands
from .hosted import HostedSession
from .wire import Heard, News, Offer

_KEPT_DAYS: Final = 30
_MOST_ASKED: Final = 4
_QUIET_WAIT_S: Final = 20.0
_MOST_TOLD: Final = 1000
"""Records in one answer, about: each device has the same share."""


def own_folder() -> Path:
    """Where a host keeps what is sent to it, unless its user says otherwise."""
    import platformdirs

    return Path(platformdirs.user_state_dir("bnnbench")) / "lab"


@dataclass(slots=True)
class OfferedDevice:
    """A device of the inventory and what was last known of it."""

    spec: DeviceSpec
    facts: DeviceFacts | None = None
    emulator: Emulator | None = None
    trouble: str | None = None


@dataclass
class Host:
    """`folder` keeps sent files, and the records of sessions until their clients have them."""

    folder: Path
    devices: Mapping[str, OfferedDevice]
    pools: Mapping[str, Pool] = field(default_factory=dict)
    name: str = field(default_factory=platform.node)
    reading: threading.RLock = field(default_factory=threading.RLock)
    """Held while a run's models are read and its right outputs computed: once for all of its devices."""
    _quiet: threading.RLock = field(default_factory=threading.RLock)
    sessions: dict[tuple[str, str], HostedSession] = field(default_factory=dict)
    changes: Changes = field(default_factory=Changes)
    _asked: dict[str, Asked] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)
    errands: Errands = field(default_factory=Errands)

    @classmethod
    def of(cls, inventory: Inventory, folder: Path) -> Host:
        """Raises CallError for an inventory without devices that can be told apart from those of other hosts."""
        names = [name for name in inventory.devices if name != LOCAL.name]
        if not names:
            raise CallError(
                f"{inventory.path or 'the inventory'} has no devices to offer; give this host itself a name of its own "
                'there, such as [device.desk] with transport = "local".'
            )
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        host = cls(folder, {name: OfferedDevice(inventory[name]) for name in names}, inventory.pools)
        host.forget_old()
        return host

    def quiet(self) -> threading.RLock:
        """Held while a block is timed on this host itself: then nothing else of ours computes or writes here. A lock of
        nobody else where only other machines are timed."""
        return self._quiet if any(each.spec.is_local for each in self.devices.values()) else threading.RLock()

    def when_quiet(self, work: Callable[[], object]) -> bool:
        """Does a short piece of work; False, and nothing is done, while something is timed on this host for long."""
        quiet = self.quiet()
        if not quiet.acquire(timeout=_QUIET_WAIT_S):
            return False
        try:
            work()
        finally:
            quiet.release()
        return True

    @property
    def files(self) -> Path:
        """Where files that were sent are."""
        return self.folder / "files"

    def look(self, name: str) -> None:
        """Finds out what a device is. Never raises for what is wrong with it."""
        device = self.devices[name]
        try:
            with connect(device.spec) as transport:
                device.facts, device.emulator, device.trouble = probe(transport), transport.emulator, None
        except (DeviceError, OSError) as error:
            device.trouble = str(error)

    def machines(self) -> list[list[str]]:
        """The devices that take turns, by name."""
        found = machines((each.spec, each.facts.boot_id if each.facts else None) for each in self.devices.values())
        return [[spec.name for spec in machine.devices] for machine in found]

    def offer(self, name: str) -> Offer:
        """What clients are told of a device."""
        device = self.devices[name]
        running, quarantined = self.running(name), _quarantined(device.spec)
        return Offer(
            host=self.name,
            device=name,
            entry={key: _plain(value) for key, value in device.spec.entry.items()},
            facts=device.facts.to_dict() if device.facts else {},
            emulator=(device.emulator.words, device.emulator.plugin_interface) if device.emulator else None,
            unusable=device.trouble or (f"{quarantined}." if quarantined else None),
            quarantined=quarantined,
            accepted_since=_accepted_since(device.spec),
            pools={each.name: each.query for each in self.pools.values() if each.query or name in each.devices},
            beside=tuple(self.beside(name)),
            session=running.run_id if running else None,
            progress=running.outbox.progress() if running else None,
        )

    def cannot_keep(self, error: Exception) -> CannotMeasure:
        """What to tell a client where its records or files cannot be written here."""
        cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
        reason = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(cause).rstrip(".")
        return CannotMeasure(
            f"the lab host {self.name!r} cannot write to {self.folder} ({reason}): make it writable or free space, or "
            "join with another --folder."
        )

    def quarantine(self, device: str, reason: str) -> str:
        """For wrong outputs, whatever another host's devices have shown; a sentence. Raises CannotMeasure."""
        try:
            return f"{quarantine(self.devices[device].spec, 'gate', reason).sentence}."
        except DeviceError as error:
            raise CannotMeasure(str(error)) from None

    def running(self, device: str) -> HostedSession | None:
        """The session that has the device."""
        live = [each for each in self.sessions.values() if each.device == device and not each.ended.done()]
        return live[0] if live else None

    def beside(self, device: str) -> Sequence[str]:
        """The devices of the same machine, which take turns; the device itself is one."""
        return next(names for names in self.machines() if device in names)

    def news(self, run_id: str, heard: Mapping[str, Heard], phases: bool = False) -> dict[str, News]:
        """What a client has not heard of the sessions of these devices; those without anything new are left out.
        `phases`: another phase is news too."""
        found: dict[str, News] = {}
        most = max(1, _MOST_TOLD // max(1, len(heard)))
        for device, known in heard.items():
            session = self.sessions.get((run_id, device))
            if session is None:
                if known.is_known:
                    found[device] = News(is_known=False)
                continue
            session.seen()
            has_ended = session.ended.done()
            is_news = session.outbox.has_more(known.records) or (phases and session.outbox.has_moved())
            if known.is_known and known.has_ended == has_ended and not is_news:
                continue
            news = session.outbox.news(known.records, most)
            found[device] = msgspec.structs.replace(news, has_ended=has_ended)
        return found

    def end_sessions(self, run_id: str, device: str | None, why: str, by: str = "") -> None:
        """Those of a run, of one device or of all; `by`: who cancelled it."""
        for session in list(self.sessions.values()):
            if session.run_id == run_id and device in (None, session.device):
                session.end(why, by)

    def release(self, run_id: str, device: str) -> None:
        """Its client has all records of a session, which has ended."""
        session = self.sessions.get((run_id, device))
        if session is not None and session.ended.done():
            del self.sessions[(run_id, device)]
            shutil.rmtree(self.store_of(run_id, device), ignore_errors=True)

    def store_of(self, run_id: str, device: str) -> Path:
        """The store of a session's records."""
        return self.folder / "sessions" / run_id / device

    def end_those_left(self) -> None:
        """Ends the sessions whose clients are gone."""
        for session in list(self.sessions.values()):
            session.end_if_left()

    def asked(self, config: RunConfig) -> Asked:
        """Workloads of a run, read once for all devices; call it with `quiet` and `reading` held."""
        key = hashlib.sha256(msgspec.json.encode(config)).hexdigest()
        if key not in self._asked:
            while len(self._asked) >= _MOST_ASKED:
                del self._asked[next(iter(self._asked))]
            self._asked[key] = Asked.of(config, Silent())
        return self._asked[key]

    def forget_old(self) -> None:
        """Removes what no client has fetched or used for a month."""
        for place in (*self.folder.glob("sessions/*"), *self.folder.glob("files/*")):
            with suppress(OSError):
                if time.time() - place.stat().st_mtime > _KEPT_DAYS * 86400:
                    shutil.rmtree(place)


def _plain(value: object) -> object:
    """As an inventory file has it."""
    if isinstance(value, Path):
        return str(value)
    return list(value) if isinstance(value, tuple) else value


def _quarantined(spec: DeviceSpec) -> str | None:
    """Why nothing is measured there now, a sentence without its full stop. Never raises."""
    try:
        held = quarantine_of(spec)
    except DeviceError as error:
        return str(error).removesuffix(".")
    return held.sentence if held else None


def _accepted_since(spec: DeviceSpec) -> str | None:
    """None also where that cannot be read, which `_quarantined` says."""
    with suppress(DeviceError):
        return accepted_since(spec)
    return None
