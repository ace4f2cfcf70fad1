"""What a run learns about its devices: those that are lost for good are quarantined, and the user is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bnnbench.devices.errors import DeviceError, DeviceLost, DeviceUnfit
from bnnbench.devices.quarantine import Quarantine, note_loss, note_success, quarantine
from bnnbench.devices.spec import DeviceSpec
from bnnbench.results.records import CaseRecord, Gate
from bnnbench.results.store.stored_run import StoredRun

Tell = Callable[[str], None]


def note_ending(spec: DeviceSpec, error: Exception | None, tell: Tell) -> None:
    """Keeps how a device's part of a run ended: well with None. Never raises: what is measured matters more."""
    try:
        found = _kept(spec, error)
    except DeviceError as trouble:
        tell(str(trouble))
        return
    if found is not None:
        tell(f"{found.sentence}.")


def _kept(spec: DeviceSpec, error: Exception | None) -> Quarantine | None:
    match error:
        case None:
            note_success(spec)
        case DeviceUnfit():
            return quarantine(spec, "lost", str(error))
        case DeviceLost():
            return note_loss(spec, str(error))
    return None


def note_suspects(run: StoredRun, specs: Mapping[str, DeviceSpec], tell: Tell) -> None:
    """Quarantines devices that compute wrongly what another one computes right by the same code. Never raises."""
    for device, reason in suspects(run).items():
        if device in specs:
            try:
                tell(f"{quarantine(specs[device], 'gate', reason).sentence}.")
            except DeviceError as trouble:
                tell(str(trouble))


def suspects(run: StoredRun) -> dict[str, str]:
    """Why a device is suspected, by name: on another device of the run, the same build of the engine computed the same
    workload right at the same ISA level. Its memory or its clock may be bad; its code is not."""
    right: dict[tuple[str, ...], str] = {}
    wrong: list[tuple[CaseRecord, Gate]] = []
    for case in run.record.cases:
        gate = run.gates.get(case.id)
        if gate is not None and gate.status == "ok" and (key := _code(case, gate)):
            right[key] = case.device
        elif gate is not None and gate.status == "wrong_output":
            wrong.append((case, gate))
    found: dict[str, str] = {}
    for case, gate in wrong:
        other = right.get(_code(case, gate) or ())
        if other is not None and other != case.device:
            what = f"{case.engine} computes {case.workload} wrongly there, and the same build right on {other}"
            found.setdefault(case.device, what)
    return found


def _code(case: CaseRecord, gate: Gate) -> tuple[str, ...] | None:
    """What is the same where the same code does the same work; None where that is not known."""
    build, isa = gate.engine_build or case.engine_build, gate.isa or case.isa
    if build is None or isa is None:
        return None
    return build, isa, case.workload, case.variant or "", str(case.threads), case.plan_sha256 or ""
