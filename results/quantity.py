"""Quantities for people: three significant digits and a unit that fits.

`plain=True` keeps to ASCII, for terminals that have nothing else.
"""

import math

_TIME_UNITS = (("ns", 1.0), ("µs", 1e3), ("ms", 1e6), ("s", 1e9))
_SIZE_UNITS = (("B", 1.0), ("kB", 1e3), ("MB", 1e6), ("GB", 1e9), ("TB", 1e12))
_ENERGY_UNITS = (("nJ", 1e-6), ("µJ", 1e-3), ("mJ", 1.0), ("J", 1e3), ("kJ", 1e6), ("MJ", 1e9))
_COUNT_UNITS = (("", 1.0), ("k", 1e3), ("M", 1e6), ("G", 1e9), ("T", 1e12))
_FINEST = 3
"""Decimals beyond the usual ones that a narrow interval can add."""
_CLOCK_UNITS = (("Hz", 1.0), ("kHz", 1e3), ("MHz", 1e6), ("GHz", 1e9))


def roughly(seconds: float) -> str:
    """A time that is estimated: 40 s, 3 min, 2.1 h."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def significant(value: float, digits: int = 3) -> str:
    """`value` with so many significant digits, thousands apart, never in powers of ten: 0.0123, 1.20,
    1,849."""
    if not math.isfinite(value):
        return str(value)
    if value == 0:
        return "0"
    decimals = digits - 1 - math.floor(math.log10(abs(value)))
    rounded = round(value, decimals)
    if rounded and math.floor(math.log10(abs(rounded))) > math.floor(math.log10(abs(value))):
        decimals -= 1
    # Digits before the point are kept: 1,849 and not 1,850.
    return f"{value:,.{max(decimals, 0)}f}"


def _unit(value: float, units: tuple[tuple[str, float], ...]) -> tuple[str, float]:
    unit, factor = units[0]
    for name, size in units:
        # Half a unit of the third digit below, because 999.6 ns is 1.00 µs once rounded.
        if abs(value) >= 0.9995 * size:
            unit, factor = name, size
    return unit, factor


def _scaled(value: float, units: tuple[tuple[str, float], ...]) -> str:
    unit, factor = _unit(value, units)
    return f"{significant(value / factor)} {unit}".rstrip()


def decimals_within(value: float, width: float, digits: int = 3) -> int:
    """How many decimals of `value` mean something when its interval is so wide; below 0: not even all its digits.

    Three significant digits, as everywhere; fewer where the interval is so wide that the last would be finer than a
    hundredth of its width, more where it is so narrow that its ends would look the same.
    """
    if not (math.isfinite(value) and math.isfinite(width)) or value == 0:
        return 0
    usual = digits - 1 - math.floor(math.log10(abs(value)))
    if width <= 0:
        return usual
    first = -math.floor(math.log10(width))
    return min(max(usual, min(first, usual + _FINEST)), first + 2)


def duration(ns: float, plain: bool = False) -> str:
    """Nanoseconds as `456 µs` or `1.23 ms`."""
    text = _scaled(ns, _TIME_UNITS)
    return text.replace("µ", "u") if plain else text


def duration_between(ns: float, low: float, high: float, plain: bool = False) -> str:
    """A figure in ns with its interval, as `2.89 ms (2.57-4.31)`: one unit, and digits that the interval bears."""
    text = _between(ns, low, high, _TIME_UNITS)
    return text.replace("µ", "u") if plain else text


def size_between(n: float, low: float, high: float) -> str:
    """Bytes with their interval, as `258 kB (256-262)`."""
    return _between(n, low, high, _SIZE_UNITS)


def _between(value: float, low: float, high: float, units: tuple[tuple[str, float], ...]) -> str:
    unit, factor = _unit(value, units)
    decimals = decimals_within(value / factor, (high - low) / factor)
    middle, least, most = (_rounded(figure / factor, decimals) for figure in (value, low, high))
    return f"{middle} {unit} ({least}-{most})"


def _rounded(value: float, decimals: int) -> str:
    """`value` with so many decimals, thousands apart; below 0 to tens, hundreds and so on."""
    return f"{round(value, decimals):,.{max(decimals, 0)}f}" if math.isfinite(value) else str(value)


def rate(gops: float) -> str:
    """Billions of operations per second as `1,849 GOPS`."""
    return f"{significant(gops)} GOPS"


def size(n: float) -> str:
    """Bytes as `3.10 MB`, in powers of 1000; below 10,000 exactly."""
    return f"{n:,.0f} B" if abs(n) < 10_000 else _scaled(n, _SIZE_UNITS)


def energy(millijoules: float) -> str:
    """An energy as `12.3 mJ`."""
    return _scaled(millijoules, _ENERGY_UNITS)


def count(n: float) -> str:
    """A count as `462 M`; below 1000 exactly."""
    return f"{n:,.0f}" if abs(n) < 1000 else _scaled(n, _COUNT_UNITS)


def clock(hz: float) -> str:
    """A clock rate as `1.80 GHz`."""
    return _scaled(hz, _CLOCK_UNITS)


def ratio(value: float, plain: bool = False) -> str:
    """A ratio as `3.5×`, with two significant digits below 10."""
    digits = 2 if value < 9.95 else 3
    return f"{significant(value, digits)}{'x' if plain else '×'}"


def percentage(share: float) -> str:
    """A share of 1 as `78 %`; below 10 % with one decimal."""
    return f"{share * 100:.1f} %" if abs(share) < 0.0995 else f"{share * 100:.0f} %"


def tick(text: str) -> str:
    """A quantity as an axis shows it: `1 ms` for `1.00 ms`."""
    number, space, unit = text.partition(" ")
    if "." in number:
        number = number.rstrip("0").rstrip(".")
    return number + space + unit
