"""Arm cores by the numbers of their Main ID Register: what they are called, and how strong they are made to be."""

from __future__ import annotations

from typing import Final, NamedTuple

LITTLE, BIG, PRIME = 1, 2, 3


class Part(NamedTuple):
    """A core's name, and its class among those that one chip puts together."""

    name: str
    strength: int


_ARM: Final = 0x41
_LITTLE: Final = {
    0xC05: "Cortex-A5", 0xC07: "Cortex-A7", 0xD01: "Cortex-A32", 0xD02: "Cortex-A34", 0xD03: "Cortex-A53",
    0xD04: "Cortex-A35", 0xD05: "Cortex-A55", 0xD06: "Cortex-A65", 0xD43: "Cortex-A65AE", 0xD46: "Cortex-A510",
    0xD4A: "Neoverse-E1", 0xD80: "Cortex-A520", 0xD88: "Cortex-A520AE",
}  # fmt: skip
_BIG: Final = {
    0xB76: "ARM1176", 0xC08: "Cortex-A8", 0xC09: "Cortex-A9", 0xC0D: "Cortex-A12", 0xC0E: "Cortex-A17",
    0xC0F: "Cortex-A15", 0xD07: "Cortex-A57", 0xD08: "Cortex-A72", 0xD09: "Cortex-A73", 0xD0A: "Cortex-A75",
    0xD0B: "Cortex-A76", 0xD0C: "Neoverse-N1", 0xD0D: "Cortex-A77", 0xD0E: "Cortex-A76AE", 0xD40: "Neoverse-V1",
    0xD41: "Cortex-A78", 0xD42: "Cortex-A78AE", 0xD47: "Cortex-A710", 0xD49: "Neoverse-N2", 0xD4B: "Cortex-A78C",
    0xD4D: "Cortex-A715", 0xD4F: "Neoverse-V2", 0xD81: "Cortex-A720", 0xD87: "Cortex-A725", 0xD89: "Cortex-A720AE",
}  # fmt: skip
_PRIME: Final = {
    0xD44: "Cortex-X1", 0xD48: "Cortex-X2", 0xD4C: "Cortex-X1C", 0xD4E: "Cortex-X3", 0xD82: "Cortex-X4",
    0xD85: "Cortex-X925",
}  # fmt: skip
_OTHERS: Final = {
    (0x48, 0xD40): Part("Cortex-A76", BIG),
    (0x4E, 0x000): Part("Denver", PRIME),
    (0x4E, 0x003): Part("Denver 2", PRIME),  # beside Cortex-A57 in a Tegra X2
    (0x4E, 0x004): Part("Carmel", PRIME),
    (0x51, 0x001): Part("Oryon", PRIME),
    (0x51, 0x201): Part("Kryo", BIG),
    (0x51, 0x205): Part("Kryo", BIG),
    (0x51, 0x211): Part("Kryo", BIG),
    (0x51, 0x800): Part("Kryo 2xx Gold", BIG),
    (0x51, 0x801): Part("Kryo 2xx Silver", LITTLE),
    (0x51, 0x802): Part("Kryo 3xx Gold", BIG),
    (0x51, 0x803): Part("Kryo 3xx Silver", LITTLE),
    (0x51, 0x804): Part("Kryo 4xx Gold", BIG),
    (0x51, 0x805): Part("Kryo 4xx Silver", LITTLE),
    (0x53, 0x001): Part("Exynos-M1", PRIME),
    (0x53, 0x002): Part("Exynos-M3", PRIME),
    (0x53, 0x003): Part("Exynos-M4", PRIME),  # beside Cortex-A75 and A55 in an Exynos 9820
    (0x53, 0x004): Part("Exynos-M5", PRIME),
}
# Apple's efficiency cores have even numbers, the performance cores beside them the next one.
_APPLE: Final = {
    0x20: "A14", 0x22: "M1", 0x24: "M1 Pro", 0x28: "M1 Max", 0x30: "A15", 0x32: "M2", 0x34: "M2 Pro", 0x38: "M2 Max",
}  # fmt: skip

# (implementer, part). From Arm's technical reference manuals, and for the others from `sys-utils/lscpu-arm.c` of
# util-linux and `arch/arm64/include/asm/cputype.h` of Linux.
PARTS: Final[dict[tuple[int, int], Part]] = {
    **{(_ARM, part): Part(name, LITTLE) for part, name in _LITTLE.items()},
    **{(_ARM, part): Part(name, BIG) for part, name in _BIG.items()},
    **{(_ARM, part): Part(name, PRIME) for part, name in _PRIME.items()},
    **_OTHERS,
    **{(0x61, part): Part(f"Apple {name} efficiency core", LITTLE) for part, name in _APPLE.items()},
    **{(0x61, part + 1): Part(f"Apple {name} performance core", BIG) for part, name in _APPLE.items()},
}


def part_of(implementer: int | None, part: int | None) -> Part | None:
    """None for one that is not known."""
    return None if implementer is None or part is None else PARTS.get((implementer, part))
