"""What is known of a device: facts, each with where it came from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bnnbench.devices.errors import InventoryError
from bnnbench.devices.spec import DeviceSpec


@dataclass(frozen=True, slots=True)
class Fact:
    """A value made of JSON types, and the file or command that told it.

    An absent fact has value None, and `source` says what was tried or why there is none.
    """

    value: Any
    source: str


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """All facts of one device by name; docs/devices.md lists them. Subscripting gives a Fact."""

    facts: Mapping[str, Fact]

    def __getitem__(self, name: str) -> Fact:
        return self.facts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.facts)

    def value(self, name: str) -> Any:
        """The fact's value, None when absent. Raises KeyError for a name that is not a fact."""
        return self.facts[name].value

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """For JSON: `{name: {"value": ..., "source": ...}}`."""
        return {name: {"value": fact.value, "source": fact.source} for name, fact in self.facts.items()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Mapping[str, Any]]) -> DeviceFacts:
        """The inverse of `to_dict`."""
        return cls({name: Fact(entry["value"], entry["source"]) for name, entry in data.items()})

    @property
    def model(self) -> str | None:
        """What the board or machine is called; never its host name."""
        return self._text("model")

    @property
    def triple(self) -> str | None:
        """The target of binaries for it, by its userland; None when there is none for it."""
        return self._text("triple")

    @property
    def boot_id(self) -> str | None:
        """The kernel's id of this boot: equal for two devices that are one machine."""
        return self._text("boot_id")

    @property
    def emulated(self) -> bool | None:
        """Whether instructions are emulated (a KVM guest's are not); None when it can't be told."""
        value = self.facts["emulated"].value if "emulated" in self.facts else None
        return value if isinstance(value, bool) else None

    @property
    def allowed_cpus(self) -> tuple[int, ...]:
        """The CPUs that a process started over there may use and that are online."""
        cpus = self.facts["cpus"].value if "cpus" in self.facts else None
        return tuple(cpus["allowed"]) if cpus else ()

    @property
    def settable_cpus(self) -> tuple[int, ...]:
        """Further CPUs, which a process only has when it asks for them: isolated ones, and what its parent left out."""
        cpus = self.facts["cpus"].value if "cpus" in self.facts else None
        return tuple(cpus.get("settable", ())) if cpus else ()

    @property
    def system(self) -> str | None:
        """What `uname -s` says: `Linux`, also on Android, or `Darwin`, `FreeBSD`... None where it says nothing."""
        name = (self._text("kernel") or "").partition(" ")[0]
        return name if name[:1].isalpha() else None

    @property
    def is_android(self) -> bool:
        """Whether it is Android, also where a program there has another userland."""
        return (self._text("os_release") or "").startswith("Android")

    @property
    def isa_features(self) -> frozenset[str]:
        """Feature names as /proc/cpuinfo has them, common to all CPUs."""
        return frozenset(self.facts["isa_features"].value or ()) if "isa_features" in self.facts else frozenset()

    def _text(self, name: str) -> str | None:
        value = self.facts[name].value if name in self.facts else None
        return value if isinstance(value, str) else None


def cores_of(spec: DeviceSpec, facts: DeviceFacts) -> tuple[int, ...]:
    """The CPUs that `spec.cores` means on this device, ascending.

    "all" is every CPU that a process has without asking; "big" those of them in the strongest cluster (all, when the
    CPUs are alike). A list may name isolated CPUs too. Raises InventoryError when a CPU of a list can't be used or the
    device did not tell its CPUs.
    """
    allowed = facts.allowed_cpus
    if not allowed:
        if isinstance(spec.cores, tuple):
            return tuple(sorted(spec.cores))
        raise InventoryError(f"Device {spec.name!r} does not report its CPUs; set cores= to a list like [0, 1].")
    if spec.cores == "all":
        return allowed
    if spec.cores == "big":
        clusters = facts.value("clusters") or []
        usable = [[cpu for cpu in cluster["cpus"] if cpu in allowed] for cluster in clusters]
        return next((tuple(cpus) for cpus in usable if cpus), allowed)
    reachable = (*allowed, *facts.settable_cpus)
    for wanted in spec.cores:
        if wanted not in reachable:
            raise InventoryError(
                f"Device {spec.name!r}: cores asks for CPU {wanted}, but only {cpu_list(reachable)} can be used "
                f"there{_why_not(wanted, facts)}; change cores=."
            )
    return tuple(sorted(spec.cores))


def _why_not(cpu: int, facts: DeviceFacts) -> str:
    if cpu not in facts.value("cpus")["online"]:
        return f" (CPU {cpu} is not there, or not online)"
    return f" (CPU {cpu} is outside {keeper(facts)})"


def keeper(facts: DeviceFacts) -> str:
    """What keeps a program off CPUs that are online."""
    return "Android's cpuset for background apps" if facts.is_android else "the cpuset of its control group"


def cpu_list(cpus: tuple[int, ...] | list[int]) -> str:
    """CPU numbers as the kernel writes them: `0-3,6`."""
    parts: list[list[int]] = []
    for cpu in sorted(cpus):
        if parts and cpu == parts[-1][1] + 1:
            parts[-1][1] = cpu
        else:
            parts.append([cpu, cpu])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in parts)
