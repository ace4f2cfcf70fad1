"""CPUs as the kernel describes them: pure parsers of /proc/cpuinfo and /sys/devices/system/cpu."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bnnbench.devices.cpu_parts import part_of

_CPU_OF_PATH = re.compile(r"/cpu(\d+)/")
_MAX_CPU = 4095
# RK3588s of one batch reach 2.256 to 2.4 GHz, the cores of a Grace differ by 3 %; a phone's prime core is 9 % or more
# above those of the same part beside it.
_CLEARLY = 1.08


@dataclass(frozen=True, slots=True)
class Cpu:
    """One CPU of /proc/cpuinfo."""

    number: int
    model_name: str | None = None
    implementer: int | None = None
    part: int | None = None
    features: frozenset[str] = frozenset()
    clock_hz: int | None = None

    @property
    def name(self) -> str | None:
        """What it is called: the x86 name, or the Arm core by its part number."""
        arm = part_of(self.implementer, self.part)
        return arm.name if arm else self.model_name


@dataclass(frozen=True, slots=True)
class Cluster:
    """CPUs that are alike. `capacity` is the kernel's, 1024 for the strongest."""

    cpus: tuple[int, ...]
    name: str | None
    implementer: int | None
    part: int | None
    max_hz: int | None
    capacity: int | None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"cpus": list(self.cpus)}


def parse_cpuinfo(text: str) -> list[Cpu]:
    """The CPUs that /proc/cpuinfo lists, x86 and Arm, also old Arm kernels' form with a shared block."""
    blocks = [_keys(block) for block in re.split(r"\n\s*\n", text)]
    shared = {key: value for block in blocks if "processor" not in block for key, value in block.items()}
    cpus = []
    for block in blocks:
        number = block.get("processor", "")
        if number.isdecimal() and int(number) <= _MAX_CPU:
            keys = shared | block
            cpus.append(
                Cpu(
                    int(number),
                    keys.get("model name") or keys.get("Processor"),
                    _hex(keys.get("CPU implementer")),
                    _hex(keys.get("CPU part")),
                    _features(keys),
                    _mhz(keys.get("cpu MHz")),
                )
            )
    return cpus


def _features(keys: Mapping[str, str]) -> frozenset[str]:
    """RISC-V's `isa` is one word, such as rv64imafdcv_zba_zbb: letters first, then names."""
    letters, *names = keys.get("isa", "").removeprefix("rv64").split("_")
    return frozenset((keys.get("flags") or keys.get("Features") or "").split()) | {*letters, *names}


def cpuinfo_values(text: str, key: str) -> set[str]:
    """All values of one key of /proc/cpuinfo."""
    return {value for block in re.split(r"\n\s*\n", text) if (value := _keys(block).get(key))}


def parse_cpu_list(text: str) -> tuple[int, ...]:
    """`0-3,6` as numbers; an empty tuple for anything else."""
    cpus: set[int] = set()
    for part in text.strip().split(","):
        match = re.fullmatch(r"\s*(\d{1,4})(?:-(\d{1,4}))?\s*", part)
        if match is None or max(int(match[1]), int(match[2] or 0)) > _MAX_CPU:
            return ()
        cpus.update(range(int(match[1]), int(match[2] or match[1]) + 1))
    return tuple(sorted(cpus))


def by_cpu(rows: Sequence[tuple[str, str]]) -> dict[int, str]:
    """(sysfs path, value) rows by the CPU number in the path."""
    found = {int(match[1]): value for path, value in rows if (match := _CPU_OF_PATH.search(path))}
    return dict(sorted(found.items()))


def numbers_by_cpu(rows: Sequence[tuple[str, str]], factor: int = 1) -> dict[int, int]:
    """As `by_cpu`, for values that are whole numbers; others are left out."""
    return {cpu: int(value) * factor for cpu, value in by_cpu(rows).items() if re.fullmatch(r"\d{1,12}", value)}


def find_clusters(
    cpus: Sequence[Cpu],
    online: Sequence[int],
    max_hz: Mapping[int, int],
    capacity: Mapping[int, int],
    hybrid: Sequence[Sequence[int]] = (),
) -> list[Cluster]:
    """CPUs grouped into clusters, strongest first.

    CPUs are alike when they are one part, or of one of the kernel's own core types (`hybrid`), and neither capacity nor
    top clock differs clearly: chips of one kind are sorted by the clock that they bear. An x86 chip's best cores only
    boost higher, so there clocks divide nothing. Which is stronger the capacity says where all have one, else what
    their parts were made for where all are known, or the core type, and last the clock: little cores may be clocked
    higher than the big ones beside them.
    """
    known = {cpu.number: cpu for cpu in cpus}
    kinds = {number: index for index, group in enumerate(hybrid) for number in group}
    parts: dict[tuple[int, int, int], list[int]] = {}
    for number in sorted(set(online) or set(known)):
        cpu = known.get(number, Cpu(number))
        key = (cpu.implementer or 0, cpu.part or 0, kinds.get(number, 0) if cpu.part is None else 0)
        parts.setdefault(key, []).append(number)
    clusters = []
    for members in parts.values():
        divides_by_clock = not known or known.get(members[0], Cpu(members[0])).part is not None
        for strong in _alike(members, capacity):
            for numbers in _alike(strong, max_hz) if divides_by_clock else [strong]:
                cpu = known.get(numbers[0], Cpu(numbers[0]))
                clusters.append(
                    Cluster(
                        tuple(numbers),
                        cpu.name,
                        cpu.implementer,
                        cpu.part,
                        max((max_hz[number] for number in numbers if number in max_hz), default=None),
                        max((capacity[number] for number in numbers if number in capacity), default=None),
                    )
                )
    strengths = {
        cluster.cpus: part.strength for cluster in clusters if (part := part_of(cluster.implementer, cluster.part))
    }
    by_capacity, by_part = all(cluster.capacity for cluster in clusters), len(strengths) == len(clusters)
    return sorted(
        clusters,
        key=lambda cluster: (
            -(cluster.capacity or 0) if by_capacity else 0,
            -strengths[cluster.cpus] if by_part else 0,
            kinds.get(cluster.cpus[0], 0),
            -(cluster.max_hz or 0),
            cluster.cpus,
        ),
    )


def _alike(cpus: Sequence[int], values: Mapping[int, int]) -> list[list[int]]:
    """`cpus` divided where a value is clearly below the highest; not at all where one has none. Highest first."""
    if any(not values.get(cpu) for cpu in cpus):
        return [list(cpus)]
    groups: list[list[int]] = []
    for cpu in sorted(cpus, key=lambda cpu: (-values[cpu], cpu)):
        if groups and values[cpu] * _CLEARLY >= values[groups[-1][0]]:
            groups[-1].append(cpu)
        else:
            groups.append([cpu])
    return [sorted(group) for group in groups]


def _keys(block: str) -> dict[str, str]:
    pairs = (line.partition(":") for line in block.splitlines())
    return {key.strip(): value.strip() for key, colon, value in pairs if colon}


def _hex(text: str | None) -> int | None:
    return int(text, 16) if text and re.fullmatch(r"0x[0-9a-fA-F]{1,8}", text) else None


def _mhz(text: str | None) -> int | None:
    return round(float(text) * 1_000_000) if text and re.fullmatch(r"\d{1,6}(\.\d+)?", text) else None
