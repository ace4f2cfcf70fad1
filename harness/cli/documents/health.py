"""Of `devices check`: whether devices are in control."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from bnnbench.devices.quarantine import Cause, Quarantine

if TYPE_CHECKING:
    from bnnbench.results.canary import Charted

    from ...tasks.health import Health


class CheckedCase(msgspec.Struct, frozen=True, kw_only=True):
    """A case of the suite. Limits and `in_control` are null while there are too few earlier checks with the same engine
    build; `earlier_checks` says how many there are."""

    workload: str
    latency_ns: float
    low_ns: float | None
    centre_ns: float | None
    high_ns: float | None
    earlier_checks: int
    in_control: bool | None


class CheckedDevice(msgspec.Struct, frozen=True, kw_only=True):
    """A device that was checked, or `error` says why it could not be. `in_control` is null then, and else whether there
    are no `reasons`."""

    device: str
    in_control: bool | None
    run_id: str | None = None
    cases: list[CheckedCase] = []
    reasons: Annotated[dict[Cause, str], Meta(description="Cause -> sentence.")] = {}
    quarantine: Quarantine | None = None
    error: str | None = None


CheckedDevices = list[CheckedDevice]


def checked(found: Health) -> CheckedDevice:
    """What `--json` prints of a device that was checked."""
    return CheckedDevice(
        device=found.device,
        in_control=found.is_fit,
        run_id=found.run_id,
        cases=[_case(case) for case in found.cases],
        reasons=found.reasons,
        quarantine=found.held,
    )


def not_checked(device: str, error: Exception) -> CheckedDevice:
    """Of one that was not."""
    return CheckedDevice(device=device, in_control=None, error=str(error))


def _case(case: Charted) -> CheckedCase:
    low, centre, high = case.limits_ns or (None, None, None)
    return CheckedCase(
        workload=case.workload,
        latency_ns=case.latency_ns,
        low_ns=low,
        centre_ns=centre,
        high_ns=high,
        earlier_checks=case.earlier,
        in_control=None if case.chart is None else not case.is_out,
    )
