"""Of `devices`, `peak` and `selftest`."""

from __future__ import annotations

from dataclasses import fields
from typing import Annotated, Any, get_type_hints

import msgspec
from msgspec import UNSET, Meta, UnsetType

from bnnbench.devices.doctor import Finding
from bnnbench.devices.facts import Fact
from bnnbench.devices.kinds import KINDS
from bnnbench.devices.quarantine import Quarantine
from bnnbench.devices.spec import DeviceSpec
from bnnbench.devices.tuning import Change
from bnnbench.kernels.engines.replies import Peaks
from bnnbench.results.store.calibration import Calibration

__all__ = ("Calibration", "Changes", "Facts", "Findings", "Inventory", "ListedDevice", "Roofs", "SelftestReport")

Facts = Annotated[dict[str, Fact], Meta(description="Name -> fact; docs/devices.md lists them. New ones may appear.")]
Findings = list[Finding]
Changes = list[Change]
Roofs = Annotated[dict[str, Peaks], Meta(description="ISA level -> measured roofs.")]

_FIELDS = [one.name for one in fields(DeviceSpec)]
_OPTIONS = sorted({key for kind in KINDS.values() for key in kind.keys} - set(_FIELDS))
ListedDevice = msgspec.defstruct(
    "ListedDevice",
    [
        *((name, get_type_hints(DeviceSpec)[name]) for name in _FIELDS),
        *(
            (name, Annotated[Any, Meta(description="Of some kinds of devices.")] | UnsetType, UNSET)
            for name in _OPTIONS
        ),
        ("quarantine", Annotated[Quarantine | None, Meta(description="Null unless runs refuse the device.")], None),
    ],
    namespace={"__doc__": "A device of the inventory, with the keys of docs/devices.md; null is the default."},
    module=__name__,
    frozen=True,
    kw_only=True,
)
Inventory = list[ListedDevice]  # type: ignore[valid-type]


class CheckedOp(msgspec.Struct, frozen=True, kw_only=True):
    """Cases of one op, and how many equal the reference."""

    cases: int
    right: int


class WrongCase(msgspec.Struct, frozen=True, kw_only=True):
    """A kernel that is wrong."""

    case: str
    why: str


class Correctness(msgspec.Struct, frozen=True, kw_only=True):
    """Of one ISA level; `failures` are the first ones."""

    cases: int
    right: int
    ops: dict[str, CheckedOp]
    failures: list[WrongCase]


class Noise(msgspec.Struct, frozen=True, kw_only=True):
    """Pairs of an engine and itself: differences are shares."""

    case: str
    pairs: int
    latency_ns: float
    median_difference: float
    sigma: float
    largest: float
    p_value: float


class Throttling(msgspec.Struct, frozen=True, kw_only=True):
    """What was read before, during and after the pairs."""

    signs_before: dict[str, Any]
    signs_after: dict[str, Any]
    watched: dict[str, Any]


class SelftestReport(msgspec.Struct, frozen=True, kw_only=True):
    """The report of a device, redacted. An emulated device has no `roofs`, `a_a`, `throttling` and `counters`."""

    schema: int
    created: str
    quick: bool
    versions: dict[str, str]
    transport: str
    emulated: bool
    correctness: Annotated[dict[str, Correctness], Meta(description="ISA level -> cases.")]
    roofs: Roofs | UnsetType = UNSET
    a_a: Noise | UnsetType = UNSET
    throttling: Throttling | UnsetType = UNSET
    counters: Annotated[dict[str, str], Meta(description="Counter -> readable, or why not.")] | UnsetType = UNSET
    findings: Findings
    facts: Facts
    redacted: Annotated[dict[str, int], Meta(description="Kind of words that were taken out -> how many.")]
